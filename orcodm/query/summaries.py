"""The aggregates of a query as its methods: each with its arguments, its result, and its awaitable twin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InvalidFilter
from ..flow import perform
from ..lucene.tree import Near, Node, leaves
from ..operations import (
    Aggregate,
    DistancesResult,
    RangesResult,
    Search,
    StatsResult,
    TimeSeriesResult,
    TopValuesResult,
)
from . import aggregates
from .expressions import Criterion, Expr, path_of

R = TypeVar("R")


class Summaries:
    """The aggregates of a query: over all its matches, whatever part of them it shows."""

    if TYPE_CHECKING:

        @property
        def tree(self) -> Node: ...

        def _source(self) -> Any: ...

        def _counting(self, *asked: Aggregate) -> Search: ...

        def filter(self, *criteria: Criterion) -> Summaries: ...

    def stats(self, expression: Expr[Any]) -> StatsResult:
        """Minimum, maximum, mean, sum and spread of a number field, over all matches."""
        return self._aggregate(aggregates.stats(expression), StatsResult)

    async def astats(self, expression: Expr[Any]) -> StatsResult:
        return await self._aaggregate(aggregates.stats(expression), StatsResult)

    def top(self, expression: Expr[Any], limit: int = 10, offset: int = 0) -> TopValuesResult:
        """The most frequent values of a field, over all matches."""
        return self._aggregate(aggregates.top(expression, limit, offset), TopValuesResult)

    async def atop(self, expression: Expr[Any], limit: int = 10, offset: int = 0) -> TopValuesResult:
        return await self._aaggregate(aggregates.top(expression, limit, offset), TopValuesResult)

    def histogram(
        self, expression: Expr[Any], interval: str, zone: str | tzinfo | None = None
    ) -> TimeSeriesResult:
        """How many dates of a field lie in each year, quarter, month, week, day or hour.

        `zone` is an offset such as `+02:00`, a name of the IANA database such as `Europe/Oslo`, or a zone of
        Python's; None is UTC. Raises `InvalidFilter` for any other.
        """
        return self._aggregate(aggregates.histogram(expression, interval, zone), TimeSeriesResult)

    async def ahistogram(
        self, expression: Expr[Any], interval: str, zone: str | tzinfo | None = None
    ) -> TimeSeriesResult:
        return await self._aaggregate(aggregates.histogram(expression, interval, zone), TimeSeriesResult)

    def ranges(self, expression: Expr[Any], edges: Sequence[float | None]) -> RangesResult:
        """How many numbers of a field lie between each two edges, [lower, upper); None is open."""
        return self._aggregate(aggregates.ranges(expression, edges), RangesResult)

    async def aranges(self, expression: Expr[Any], edges: Sequence[float | None]) -> RangesResult:
        return await self._aaggregate(aggregates.ranges(expression, edges), RangesResult)

    def distances(
        self, place: Any, center: tuple[float, float], edges: Sequence[float | None], unit: str = "km"
    ) -> DistancesResult:
        """How many points of a nested field lie in each ring around a center (latitude, longitude)."""
        return self._around(place, center, unit)._aggregate(
            aggregates.distances(place, edges), DistancesResult
        )

    async def adistances(
        self, place: Any, center: tuple[float, float], edges: Sequence[float | None], unit: str = "km"
    ) -> DistancesResult:
        return await self._around(place, center, unit)._aaggregate(
            aggregates.distances(place, edges), DistancesResult
        )

    def _aggregate(self, asked: Aggregate, result: type[R]) -> R:
        (answer,) = self._source()._run(perform(self._counting(asked))).aggregates
        assert isinstance(answer, result)
        return answer

    async def _aaggregate(self, asked: Aggregate, result: type[R]) -> R:
        (answer,) = (await self._source()._arun(perform(self._counting(asked)))).aggregates
        assert isinstance(answer, result)
        return answer

    def _around(self, place: Any, center: tuple[float, float], unit: str) -> Summaries:
        around = aggregates.anywhere(place, center, unit)
        for node in leaves(self.tree):
            if isinstance(node, Near) and node.field == path_of(place):
                if (node.latitude, node.longitude, node.unit) == (*center, unit):
                    return self
                raise InvalidFilter(
                    "distances are measured as the near of the query says: from "
                    f"({node.latitude:g}, {node.longitude:g}) in {node.unit}, so ask for these"
                )
        return self.filter(around)
