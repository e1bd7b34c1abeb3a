"""What the columns of the index know of all matches of a query, without looking at their documents.

Documents whose values the columns do not say as they are, like long texts, carry a mark; there are few of
them, and these are looked at one by one (`rest`). Where there are many, or the field has no column of its
own, all documents are to be asked: see `NotByColumns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, Final, TypeAlias

import tantivy
from attrs import field, frozen

from ...lucene.entries import Entry, Leaf
from .index import aggregate, find
from .layout import BOOLEANS, NULLS, NUMBERS, SCHEMA, SORTS_OF_VALUES, STRINGS, Column, Layout
from .terms import MANY, ODD, UNINDEXED, boolean, mark, prefix, rounded

MOST: Final = 60_000
"""More intervals than this are too many for the index."""
_ALL: Final = 10_000_000
SPARE: Final = 1_000
"""So many more of the frequent values are asked for: the more there are, the less others can be there."""
FEW: Final = 1_000
"""So many marked documents are looked at one by one."""


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
    """How often values of a field are there; `numbers` are apart since 1 equals True in Python."""

    values: int = 0
    """How many there are in all, with those that are not told."""
    strings: Mapping[str, int] = field(factory=dict)
    numbers: Mapping[float, int] = field(factory=dict)
    booleans: Mapping[bool, int] = field(factory=dict)
    nulls: int = 0
    most: int = 0
    """How often a value that is not told can be there."""


class NotByColumns(Exception):
    """The columns do not say it, or not exactly."""


Fetch: TypeAlias = Callable[[tantivy.Query], Iterable[Entry]]
"""The entries of a query's matches. Raises `NotByColumns` where these are more than `FEW`."""


class Columns:
    """The columns of an index for the matches of one query. Every method may raise `NotByColumns`.

    What a method says of a field does not include the documents that `rest` gives for it.
    """

    def __init__(
        self, searcher: tantivy.Searcher, layout: Layout, query: tantivy.Query, fetch: Fetch
    ) -> None:
        self._searcher = searcher
        self._layout = layout
        self._query = query
        self._fetch = fetch
        self.total: int | None = None
        """How many matches there are, once an answer told it along."""

    def rest(self, name: str, *signs: str) -> Iterable[Entry]:
        """The documents with these marks for a field, which are to be looked at one by one."""
        query = marked(self._layout, self._query, [(name, sign) for sign in signs])
        return () if query is None else self._fetch(query)

    def extremes(self, sort: str, name: str) -> tuple[int, int] | None:
        """The least and the greatest of a field's numbers, or dates in microseconds; None without any."""
        column = own_column(self._layout, sort, name)
        if column is None:
            return None
        found = self._aggregated("stats", name, column, ODD, MANY)
        return (int(found["min"]), int(found["max"])) if found["count"] else None

    def moments(self, name: str) -> Moments:
        """Of all numbers of a field (its full name), but for odd documents."""
        column = own_column(self._layout, NUMBERS, name)
        if column is None:
            return Moments()
        found = self._aggregated("extended_stats", name, column, ODD)
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
        """How many values are below the first of the ascending edges, from it to the next, and so on.

        But for documents that are odd or have many values: Tantivy counts a document once for each interval.
        """
        column = own_column(self._layout, sort, name)
        if column is None:
            return [0] * (len(edges) + 1)
        if len(edges) > MOST:
            raise NotByColumns
        if not edges:
            return [int(self._aggregated("value_count", name, column, ODD, MANY)["value"])]
        bounds = [
            {"to": edges[0]},
            *({"from": low, "to": high} for low, high in pairwise(edges)),
            {"from": edges[-1]},
        ]
        found = self._aggregated("range", name, column, ODD, MANY, ranges=bounds)
        return [bucket["doc_count"] for bucket in found["buckets"]]

    def counts(self, name: str, wanted: int) -> Counts:
        """The values of a field that are there most often, at least so many; but for odd documents."""
        texts, strings, most_strings = self._frequent(STRINGS, name, wanted)
        figures, numbers, most_numbers = self._frequent(NUMBERS, name, wanted)
        booleans, nulls = self._booleans(name), self._nulls(name)
        values = texts + figures + sum(booleans.values()) + nulls
        return Counts(values, strings, numbers, booleans, nulls, max(most_strings, most_numbers))

    # -- pieces ------------------------------------------------------------------------------------

    def _aggregated(
        self, kind: str, name: str, column: Column, *signs: str, **options: Any
    ) -> dict[str, Any]:
        query = self._unmarked(name, *signs)
        asked = {"it": {kind: {"field": column.name, **options}}}
        if tells := self.total is None and query is self._query:
            asked["total"] = {"value_count": {"field": "id"}}
        found = aggregate(self._searcher, query, asked)
        if tells:
            self.total = int(found["total"]["value"])
        told: dict[str, Any] = found["it"]
        return told

    def _unmarked(self, name: str, *signs: str) -> tantivy.Query:
        return unmarked(self._layout, self._query, [(name, sign) for sign in signs])

    def _frequent(self, sort: str, name: str, wanted: int) -> tuple[int, dict[Any, int], int]:
        """How many values there are in all, the frequent ones, and the most that others can be there."""
        column = own_column(self._layout, sort, name)
        if column is None:
            return 0, {}, 0
        wanted = max(1, wanted)
        size = wanted + SPARE
        # Of several segments each has to tell of all: what is rare in one may be frequent in another.
        several = self._searcher.num_segments > 1
        told = _ALL if several else size
        found = self._aggregated("terms", name, column, ODD, size=size, segment_size=told)
        buckets = found["buckets"]
        if several and found["doc_count_error_upper_bound"]:
            raise NotByColumns
        total = sum(bucket["doc_count"] for bucket in buckets) + found["sum_other_doc_count"]
        least = buckets[-1]["doc_count"] if len(buckets) == size else 0
        above = [bucket for bucket in buckets if bucket["doc_count"] > least]
        if len(above) < min(wanted, len(buckets)):
            # Of the values that are equally frequent the first ones count.
            by_name = {"order": {"_key": "asc"}, "min_doc_count": least, "segment_size": _ALL}
            as_many = self._aggregated("terms", name, column, ODD, size=size, **by_name)["buckets"]
            above += [bucket for bucket in as_many if bucket["doc_count"] == least]
        made: type = str if sort == STRINGS else float if column.mixed else int
        return total, {made(bucket["key"]): bucket["doc_count"] for bucket in above}, least

    def _booleans(self, name: str) -> dict[bool, int]:
        if self._layout.column(BOOLEANS, name) is None:
            return {}
        counts = {value: self._having(name, "has", boolean(name, value)) for value in (False, True)}
        return {value: count for value, count in counts.items() if count}

    def _nulls(self, name: str) -> int:
        return self._having(name, "null", prefix(name)) if self._layout.column(NULLS, name) else 0

    def count(self, name: str, value: Leaf) -> int:
        """How often one value of a field is there, but for odd documents."""
        if type(value) is bool:
            return self._having(name, "has", boolean(name, value))
        column = own_column(self._layout, STRINGS if isinstance(value, str) else NUMBERS, name)
        if column is None:
            return 0
        return self._having(name, column.name, value if isinstance(value, str) else rounded(value))

    def _having(self, name: str, index_field: str, term: str | float) -> int:
        one = tantivy.Query.term_query(SCHEMA, index_field, term)
        both = [(tantivy.Occur.Must, self._unmarked(name, ODD)), (tantivy.Occur.Must, one)]
        return find(self._searcher, tantivy.Query.boolean_query(both), 0)[0]


def own_column(layout: Layout, sort: str, name: str) -> Column | None:
    """The column that a field has alone; None where no document has such a value.

    Raises `NotByColumns` where there is no such column.
    """
    column = layout.column(sort, name)
    if name in UNINDEXED or (column is not None and not column.own):
        raise NotByColumns
    return column


Marks: TypeAlias = Sequence[tuple[str, str]]
"""Fields and the signs of their marks."""


def marked(layout: Layout, query: tantivy.Query, marks: Marks) -> tantivy.Query | None:
    """The query among the documents with one of these marks; None where there are none."""
    terms = _terms(layout, marks)
    if not terms:
        return None
    some = tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, some)])


def unmarked(layout: Layout, query: tantivy.Query, marks: Marks) -> tantivy.Query:
    """The query among the documents with none of these marks."""
    terms = _terms(layout, marks)
    if not terms:
        return query
    without = [(tantivy.Occur.MustNot, term) for term in terms]
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), *without])


def _terms(layout: Layout, marks: Marks) -> list[tantivy.Query]:
    return [
        tantivy.Query.term_query(SCHEMA, "has", mark(name, sign))
        for name, sign in marks
        if any(
            column.odd if sign == ODD else column.many
            for sort in SORTS_OF_VALUES
            if (column := layout.column(sort, name)) is not None
        )
    ]
