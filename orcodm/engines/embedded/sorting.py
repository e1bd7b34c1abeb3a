"""Sorted pages by the columns of the index: of all matches only those of the page are looked at.

The first matches by one column are Tantivy's to find. Where the page ends among equal values the matches
with that value are ordered by the next clause, and so on; what all clauses find equal goes by place. A page
that goes on behind a key asks the same of what equals the key's first part, and then of what is beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

import tantivy
from attrs import frozen
from tantivy import FieldType, Occur, Query

from ...lucene.casts import DATE, DECIMAL, Cast, cast_of
from ...lucene.entries import field_name
from ...operations import Sort, SortField
from .automata import between
from .columns import Marks, NotByColumns, own_column
from .documents import Place
from .index import Placed
from .layout import BOOLEANS, DATES, DECIMALS, NUMBERS, SCHEMA, STRINGS, Column, Layout
from .ordering import MISSING, RANKS, SCORE, Key, Reversed
from .terms import MANY, ODD

Numbers: TypeAlias = tuple[int, int]
"""A document's id and sequence number."""


class Finder(Protocol):
    """Finds matches of queries, and tells how many there are."""

    def by_column(
        self, query: tantivy.Query, wanted: int, column: str, descending: bool
    ) -> tuple[int, list[Placed]]:
        """The first in the order of a column."""

    def by_place(
        self, query: tantivy.Query, wanted: int, after: Place | None = None
    ) -> tuple[int, list[Numbers]]:
        """The first by place, beyond one."""


@frozen
class _Clause:
    """One clause of a sort. Without a column no document has a value."""

    field: str
    column: Column | None
    kind: FieldType
    rank: int
    descending: bool

    def equal(self, query: tantivy.Query, part: Any) -> tantivy.Query:
        """The query where the value is that of a part of a key."""
        if part == MISSING:
            return query if self.column is None else _but(query, Query.exists_query(self.column.name))
        if self.column is None:
            return Query.empty_query()
        value = self._value(part)
        if self.kind is FieldType.Integer:  # of which there are columns and no terms
            one = Query.range_query(SCHEMA, self.column.name, self.kind, value, value)
        else:
            one = Query.term_query(SCHEMA, self.column.name, value)
        return Query.boolean_query([(Occur.Must, query), (Occur.Must, one)])

    def beyond(self, query: tantivy.Query, part: Any) -> tantivy.Query:
        """The query where the value is after that of a part of a key, or missing."""
        if part == MISSING:
            return Query.empty_query()
        if self.column is None:
            return query
        value = self._value(part)
        lower, upper = (value, None) if self.descending else (None, value)
        if self.kind is FieldType.Text:  # of which Tantivy has no ranges
            pattern = between(lower, upper)
            if pattern is None or not pattern.exact:  # a long text
                raise NotByColumns
            try:
                before = Query.regex_query(SCHEMA, self.column.name, pattern.text)
            except ValueError:
                raise NotByColumns from None
            return _but(query, before)
        return _but(query, Query.range_query(SCHEMA, self.column.name, self.kind, lower, upper))

    def _value(self, part: Any) -> Any:
        ordered = part[1]
        if isinstance(ordered, Reversed) is not self.descending:
            raise NotByColumns
        rank, value = ordered.value if self.descending else ordered
        if rank != self.rank:
            raise NotByColumns
        return float(value) if self.kind is FieldType.Float else value


class Sorted:
    """The matches of queries in the order of a sort. Raises `NotByColumns` where that cannot be."""

    def __init__(self, finder: Finder, layout: Layout, sort: Sequence[Sort]) -> None:
        self._finder = finder
        self._clauses = [_clause(layout, each) for each in sort]
        self.marks: Marks = [(clause.field, sign) for clause in self._clauses for sign in (ODD, MANY)]
        """Of the documents that the columns do not order; they are not to be among those of a query."""

    def page(self, query: tantivy.Query, after: Key | None, wanted: int) -> tuple[int, list[Numbers]]:
        """The numbers of matches among which are the first so many beyond a key, and nothing before it.

        And without a key, how many matches there are.
        """
        return self._first(query, 0, wanted) if after is None else (0, self._beyond(query, 0, after, wanted))

    def _first(self, query: tantivy.Query, depth: int, wanted: int) -> tuple[int, list[Numbers]]:
        if depth == len(self._clauses):
            return self._finder.by_place(query, wanted)
        clause = self._clauses[depth]
        if clause.column is None:
            return self._first(query, depth + 1, wanted)
        total, found = self._finder.by_column(query, wanted + 1, clause.column.name, clause.descending)
        if len(found) <= wanted or found[wanted].value != found[wanted - 1].value:
            return total, [(one.id, one.seq) for one in found[:wanted]]
        edge = found[wanted].value
        before = [(one.id, one.seq) for one in found if one.value != edge]
        part = MISSING if edge is None else _part(clause, edge)
        _, tied = self._first(clause.equal(query, part), depth + 1, wanted - len(before))
        return total, before + tied

    def _beyond(self, query: tantivy.Query, depth: int, after: Key, wanted: int) -> list[Numbers]:
        if depth == len(self._clauses):
            return self._finder.by_place(query, wanted, after[-1])[1]
        clause, part = self._clauses[depth], after[depth]
        found = self._beyond(clause.equal(query, part), depth + 1, after, wanted)
        if len(found) < wanted:
            found += self._first(clause.beyond(query, part), depth, wanted - len(found))[1]
        return found


def _part(clause: _Clause, value: Any) -> Any:
    ranked = (clause.rank, value)
    return 0, Reversed(ranked) if clause.descending else ranked


def _clause(layout: Layout, clause: Sort) -> _Clause:
    if not isinstance(clause, SortField) or clause.field == SCORE:
        raise NotByColumns
    name = field_name(clause.field) or clause.field
    if (cast := cast_of(name)) is not None:
        return _cast_clause(layout, *cast, clause.descending)
    strings, numbers = own_column(layout, STRINGS, name), own_column(layout, NUMBERS, name)
    column = strings or numbers
    if (strings and numbers) or layout.column(BOOLEANS, name):
        raise NotByColumns
    kind, rank = (FieldType.Text, RANKS[str]) if strings else (FieldType.Float, RANKS[float])
    return _Clause(name, column, kind, rank, clause.descending)


def _cast_clause(layout: Layout, cast: Cast, name: str, descending: bool) -> _Clause:
    if cast is DATE:
        dates = own_column(layout, DATES, name)
        return _Clause(name, dates, FieldType.Integer, RANKS[int], descending)
    if cast is not DECIMAL:
        raise NotByColumns
    decimals, numbers = own_column(layout, DECIMALS, name), own_column(layout, NUMBERS, name)
    if decimals and numbers:
        raise NotByColumns
    return _Clause(name, decimals or numbers, FieldType.Float, RANKS[Decimal], descending)


def _but(query: tantivy.Query, unwanted: tantivy.Query) -> tantivy.Query:
    return Query.boolean_query([(Occur.Must, query), (Occur.MustNot, unwanted)])
