"""Queries, read and compiled once for all the searches that ask them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ...caching import cached_property
from ...lucene.entries import Entry, field_name
from ...lucene.evaluator import compile_query, find_near, mentions_kind
from ...lucene.exact import only_value
from ...lucene.geometry import distance_from
from ...lucene.literals import equality
from ...lucene.parser import UNITS, parse
from ...lucene.screening import screen
from ...lucene.tree import MatchAll, Node, Range, Verbatim
from ...values import encode
from .compile import Plan, compile_plan
from .documents import ITEM, KINDS, Stored
from .layout import Layout
from .scoring import Scorer


class Query:
    """A query, understood: everything about it that does not depend on documents."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree: Node = parse(text)
        self.kinds = KINDS if mentions_kind(self.tree) else (ITEM,)
        self.everything = isinstance(self.tree, MatchAll) and self.kinds == (ITEM,)
        self.measured = find_near(self.tree) is not None
        self._planned: tuple[Layout | None, int, Plan | None] = (None, 0, None)
        # The whole of the query is one exact string: what `==` is made of.
        self.string: tuple[str, str] | None = None
        exact = _exact_text(self.tree)
        if exact is not None and (field := field_name(getattr(self.tree, "field", None))):
            self.string = field, exact

    def plan(self, layout: Layout) -> Plan:
        """What to ask of an index with this layout."""
        known, version, plan = self._planned
        if plan is None or known is not layout or version != layout.version:
            version = layout.version
            plan = compile_plan(self.tree, layout)
            self._planned = layout, version, plan
        return plan

    @cached_property
    def matches(self) -> Callable[[Entry], bool]:
        """Whether a document matches, for those that the index has not seen or cannot decide."""
        return compile_query(self.tree)

    @cached_property
    def screen(self) -> Callable[[bytes], bool] | None:
        """Whether a value with this JSON text may match; None where any may."""
        return screen(self.tree, encode)

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer(self.tree, compile_query)

    def measure(self, field: str | None) -> Callable[[Entry], list[float]]:
        """How far the points of a field are from the centre of the NEAR on it, in that NEAR's unit."""
        near = find_near(self.tree, field)
        if near is None:
            return lambda entry: []
        metres, unit, name = distance_from(near.latitude, near.longitude), UNITS[near.unit], field_name(field)
        return lambda entry: [metres(point) / unit for point in entry.points(name)]

    def includes(self, stored: Stored, collection: str | None) -> bool:
        """Whether a document is of the kinds and the collection that are searched."""
        return stored.kind in self.kinds and (collection is None or stored.collection == collection)


def _exact_text(tree: Node) -> str | None:
    """The string that a query finds as a whole, where it finds nothing else."""
    if isinstance(tree, Verbatim):
        return tree.text if equality(tree.text) is None else None
    one = only_value(tree) if isinstance(tree, Range) else None
    return one.text if one is not None and one.quoted else None


_remembered = lru_cache(maxsize=500)(Query)
if hasattr(os, "register_at_fork"):
    # Another thread of the parent may have held the lock of an automaton; in the child nobody releases it.
    os.register_at_fork(after_in_child=_remembered.cache_clear)

LONGEST_REMEMBERED: Final = 2_000
"""Queries of more characters are not remembered: a loop asks for documents by their keys, each query once."""


def understand(text: str) -> Query:
    """The query of a text; the last ones are remembered. Raises `InvalidQuery`."""
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else Query(text)
