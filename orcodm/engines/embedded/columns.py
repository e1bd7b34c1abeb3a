"""What the columns of the index know of all matches of a query, without looking at their documents.

Where the columns do not say it exactly (a field without a column of its own, values that were cut or
rounded) the documents are to be asked: see `NotByColumns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, Final

import tantivy
from attrs import field, frozen

from .index import aggregate, find
from .layout import BOOLEANS, NULLS, NUMBERS, SCHEMA, STRINGS, Column, Layout
from .terms import UNINDEXED, boolean, prefix

MOST: Final = 60_000
"""More intervals or distinct values than this are too many for the index."""


@frozen
class Moments:
    """Count, extremes, mean and sum of squared deviations of some numbers."""

    count: int = 0
    sum: float = 0.0
    sum_of_squares: float = 0.0
    deviations: float = 0.0
    """The sum of the squares of the differences from the mean."""
    min: float = 0.0
    max: float = 0.0

    def with_(self, other: Moments) -> Moments:
        """Those of both together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        apart = other.sum / other.count - self.sum / self.count
        return Moments(
            count,
            self.sum + other.sum,
            self.sum_of_squares + other.sum_of_squares,
            self.deviations + other.deviations + apart * apart * self.count * other.count / count,
            min(self.min, other.min),
            max(self.max, other.max),
        )


@frozen
class Counts:
    """How often each value of a field is there; `numbers` are apart since 1 equals True in Python."""

    strings: Mapping[str, int] = field(factory=dict)
    numbers: Mapping[float, int] = field(factory=dict)
    booleans: Mapping[bool, int] = field(factory=dict)
    nulls: int = 0


class NotByColumns(Exception):
    """The columns do not say it, or not exactly."""


class Columns:
    """The columns of an index for the matches of one query. Every method may raise `NotByColumns`."""

    def __init__(self, searcher: tantivy.Searcher, layout: Layout, query: tantivy.Query) -> None:
        self._searcher = searcher
        self._layout = layout
        self._query = query

    def extremes(self, sort: str, name: str) -> tuple[int, int] | None:
        """The least and the greatest of a field's numbers, or dates in microseconds; None without any."""
        column = exact_column(self._layout, sort, name)
        if column is None:
            return None
        found = self._aggregated("stats", column.name)
        return (int(found["min"]), int(found["max"])) if found["count"] else None

    def moments(self, name: str) -> Moments:
        """Of all numbers of a field (its full name)."""
        column = exact_column(self._layout, NUMBERS, name)
        if column is None:
            return Moments()
        found = self._aggregated("extended_stats", column.name)
        if not found["count"]:
            return Moments()
        if found["variance"] is None or not isfinite(found["sum_of_squares"]):
            raise NotByColumns
        return Moments(
            found["count"],
            found["sum"],
            found["sum_of_squares"],
            found["variance"] * found["count"],
            found["min"],
            found["max"],
        )

    def intervals(self, sort: str, name: str, edges: Sequence[float]) -> list[int]:
        """How many values are below the first of the ascending edges, from it to the next, and so on."""
        column = exact_column(self._layout, sort, name)
        if column is None:
            return [0] * (len(edges) + 1)
        # Tantivy counts a document once for each interval, however many of its values are there.
        if column.many or len(edges) > MOST:
            raise NotByColumns
        if not edges:
            return [int(self._aggregated("value_count", column.name)["value"])]
        bounds = [
            {"to": edges[0]},
            *({"from": low, "to": high} for low, high in pairwise(edges)),
            {"from": edges[-1]},
        ]
        return [
            bucket["doc_count"] for bucket in self._aggregated("range", column.name, ranges=bounds)["buckets"]
        ]

    def counts(self, name: str) -> Counts:
        """Of every distinct value of a field."""
        return Counts(
            self._distinct(STRINGS, name),
            self._distinct(NUMBERS, name),
            self._booleans(name),
            self._nulls(name),
        )

    # -- pieces ------------------------------------------------------------------------------------

    def _aggregated(self, kind: str, column: str, **options: Any) -> dict[str, Any]:
        asked = {"it": {kind: {"field": column, **options}}}
        found: dict[str, Any] = aggregate(self._searcher, self._query, asked)["it"]
        return found

    def _distinct(self, sort: str, name: str) -> dict[Any, int]:
        column = exact_column(self._layout, sort, name)
        if column is None:
            return {}
        if column.repeated:  # a document is counted once for each value
            raise NotByColumns
        # Each segment has to tell of all: a value that is rare in one may be frequent in another.
        buckets = self._aggregated("terms", column.name, size=MOST, segment_size=MOST)["buckets"]
        if len(buckets) >= MOST:
            raise NotByColumns
        made: type = str if sort == STRINGS else float if column.mixed else int
        return {made(bucket["key"]): bucket["doc_count"] for bucket in buckets}

    def _booleans(self, name: str) -> dict[bool, int]:
        column = self._layout.column(BOOLEANS, name)
        if column is None:
            return {}
        if column.repeated:
            raise NotByColumns
        counts = {value: self._having("has", boolean(name, value)) for value in (False, True)}
        return {value: count for value, count in counts.items() if count}

    def _nulls(self, name: str) -> int:
        column = self._layout.column(NULLS, name)
        if column is None:
            return 0
        if column.many:
            raise NotByColumns
        return self._having("null", prefix(name))

    def _having(self, index_field: str, term: str) -> int:
        must = tantivy.Occur.Must
        one = tantivy.Query.term_query(SCHEMA, index_field, term)
        return find(self._searcher, tantivy.Query.boolean_query([(must, self._query), (must, one)]), 0)[0]


def exact_column(layout: Layout, sort: str, name: str) -> Column | None:
    """The column that has a field's values as they are; None where no document has such a value.

    Raises `NotByColumns` where there is no such column.
    """
    column = layout.column(sort, name)
    if name in UNINDEXED or (column is not None and (not column.own or column.rough)):
        raise NotByColumns
    return column
