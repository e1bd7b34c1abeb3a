"""The terms of a field, each with how many items have it: what somebody who types may mean.

The index tells the terms that begin with a text; items that it has not seen are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from heapq import nsmallest
from itertools import product
from typing import Final

import tantivy

from ...lucene.analysis import cases, lower
from ...lucene.effort import check, limited
from ...lucene.entries import Entry, field_name
from ...lucene.exact import equal
from ...lucene.renderer import render
from ...lucene.tree import Exists, Node, Term
from ...operations import LONGEST_TERM, ListTerms, Search, TermCount, Terms
from .compile import but, inside
from .current import Pending, View
from .deadlines import Deadline
from .documents import ITEM, KINDS, scan
from .index import frequency, terms
from .layout import STRINGS, WORDS
from .search import Searcher, search
from .terms import prefix, scopes

SPELLED: Final = 2
"""So many letters of a value are asked for in every case; what follows is looked at here."""


def list_terms(searcher: Searcher, operation: ListTerms) -> Terms:
    """The terms of a field."""
    field = field_name(operation.field) or operation.field
    name = f"{field}:{operation.prefix}*"
    deadline = Deadline(name, searcher.seconds)

    def vocabulary(view: View) -> Terms:
        with deadline.over(view.connection):
            return _Vocabulary(view, operation, field).terms()

    if not operation.only:
        return searcher.current.ask(name, vocabulary)
    kind: Callable[[str, str], Node] = equal if operation.whole else Term
    count = partial(_count, searcher, operation.collection)
    with limited(deadline.check):
        found = [TermCount(text, count(kind(text, field))) for text in operation.only]
        return Terms(documents=count(Exists(field)), terms=found)


def _count(searcher: Searcher, collection: str, tree: Node) -> int:
    # By asking for the best one, which waits for an index that is being made: that is quicker than reading
    # all documents for every word.
    asked = Search(query=render(tree), collection=collection, limit=1, values=False)
    return search(searcher, asked).total or 0


class _Vocabulary:
    """The terms of one field that begin with a text, in a view."""

    def __init__(self, view: View, operation: ListTerms, field: str) -> None:
        self._collection = operation.collection
        self._field = field
        self._whole = operation.whole
        self._start = lower(operation.prefix)
        self._limit = operation.limit
        self._documents = 0
        self._counts = Counter[str]()
        if view.complete and not field.startswith("@"):
            self._look_at(self._pending(view))
            if view.searcher is not None:
                self._ask(view, view.searcher)
        else:
            rows = scan(view.connection, (ITEM,), self._collection)
            self._look_at(stored.entry() for stored in rows)

    def terms(self) -> Terms:
        """The most frequent ones, those as frequent by the alphabet."""
        counts = self._counts.items()
        first = nsmallest(self._limit, counts, key=lambda one: (-one[1], lower(one[0]), one[0]))
        return Terms(documents=self._documents, terms=[TermCount(text, count) for text, count in first])

    def _look_at(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            check()
            self._documents += entry.exists(self._field)
            if self._whole:
                held = {leaf for leaf in entry.values(self._field) if type(leaf) is str}
            else:
                held = entry.words(self._field)
            self._counts.update(filter(self._wanted, held))

    def _wanted(self, text: str) -> bool:
        return 0 < len(text) <= LONGEST_TERM and lower(text).startswith(self._start)

    def _pending(self, view: View) -> Iterator[Entry]:
        pending = [
            one
            for one in view.pending.values()
            if (stored := one.stored) and (stored.kind, stored.collection) == (ITEM, self._collection)
        ]
        view.progress.looked += len(pending)
        Pending.look_inside(pending)
        return (one.entry for one in pending)

    def _ask(self, view: View, searcher: tantivy.Searcher) -> None:
        """Count what the index has and is not pending."""
        among = self._among(view, searcher)
        self._documents += dict(terms(searcher, "has", prefix(self._field), among)).get(
            prefix(self._field), 0
        )
        column = view.layout.column(STRINGS if self._whole else WORDS, self._field)
        if column is None:
            return
        for beginning in self._beginnings():
            for term, count in terms(searcher, column.name, column.start + beginning, among):
                if count and self._wanted(text := term[len(column.start) :]):
                    self._counts[text] += count

    def _beginnings(self) -> Iterable[str]:
        """How the terms of the index may begin: words are in lower case there, values as they are."""
        if not self._whole:
            return [self._start]
        return map("".join, product(*map(cases, self._start[:SPELLED])))

    def _among(self, view: View, searcher: tantivy.Searcher) -> tantivy.Query | None:
        """The documents that count; None where all in the index do."""
        _, _, scope = scopes(ITEM, self._collection)
        if stale := view.stale():
            return but(inside(scope), stale)
        # Of those that are gone Tantivy counts the terms until it has cleaned up after them.
        counted = sum(frequency(searcher, "scope", kind) for kind in KINDS)
        everywhere = frequency(searcher, "scope", scope) == searcher.num_docs == counted
        return None if everywhere else inside(scope)
