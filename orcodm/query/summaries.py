"""The aggregates of a query as its methods: each with its arguments, its result, and its awaitable twin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, tzinfo
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import evolve

from ..errors import InvalidFilter
from ..flow import perform
from ..lucene.casts import plain
from ..lucene.tree import Near, Node, leaves
from ..operations import (
    Aggregate,
    BucketCount,
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


Edge: TypeAlias = "float | Decimal | date | None"
"""Where one range ends and the next one begins."""


def _plain(answer: Any, result: type[R]) -> R:
    """An answer by the name of its field, without a cast."""
    assert isinstance(answer, result)
    field: str = getattr(answer, "field")  # noqa: B009
    return answer if plain(field) == field else evolve(answer, field=plain(field))  # type: ignore[misc]


def _between(answer: RangesResult, edges: Sequence[Edge]) -> RangesResult:
    """The answer with the edges as they were given."""
    buckets = zip(pairwise(edges), answer.buckets, strict=True)
    return evolve(answer, buckets=[BucketCount(low, high, one.count) for (low, high), one in buckets])  # type: ignore[arg-type]


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

    def ranges(self, expression: Expr[Any], edges: Sequence[Edge]) -> RangesResult:
        """How many values of a field lie between each two edges, [lower, upper); None is open.

        The edges are numbers, or Decimals or dates where the field has these.
        """
        return _between(self._aggregate(aggregates.ranges(expression, edges), RangesResult), edges)

    async def aranges(self, expression: Expr[Any], edges: Sequence[Edge]) -> RangesResult:
        return _between(await self._aaggregate(aggregates.ranges(expression, edges), RangesResult), edges)

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
        (answer,) = self._source().run(perform(self._counting(asked))).aggregates
        return _plain(answer, result)

    async def _aaggregate(self, asked: Aggregate, result: type[R]) -> R:
        (answer,) = (await self._source().arun(perform(self._counting(asked)))).aggregates
        return _plain(answer, result)

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
