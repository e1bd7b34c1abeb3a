"""What the index finds of one query: hits, which are scores and numbers and no documents yet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import Final

import tantivy

from ...caching import cached_property
from .compile import Plan, among, but, within
from .current import View
from .deadlines import Deadline
from .documents import ITEM, KINDS, Place, places, walk
from .index import Hit, Placed, find, find_sorted, frequency
from .layout import STRINGS, WORDS
from .query import Query
from .sorting import Numbers
from .terms import KEY, scopes

FEW: Final = 25
"""So few hits are quicker read and ordered than found in an order, and named than found beside changes."""
COUNTED: Final = 500
"""So many hits are counted one by one, where that is needed to know which of them are pending."""
FIRST: Final = 1_000
"""So many hits are asked for where all are wanted: to ask for few costs less than room for all."""
ROOM: Final = 20_000
"""So many hits are asked for at once of a query that is costly to repeat."""
TIES: Final = 25
"""How many hits beyond the page are asked for at once."""
REMEMBERED: Final = 16
"""Of how many queries all hits are kept while the index stays as it is."""
DENSE: Final = 8
"""Where one document in so many matches, reading them all is the quickest way to the next ones."""
MANY: Final = 5_000
"""More hits than this are brought into order by walking along the table, fewer by looking each up."""
DEEP: Final = 1_000
"""Pages that end further down are not ordered by columns."""


class Hits:
    """The hits of a query in a view, within the kinds and the collection that are searched."""

    def __init__(
        self,
        searcher: tantivy.Searcher,
        view: View,
        query: Query,
        collection: str | None,
        deadline: Deadline,
    ) -> None:
        self.searcher = searcher
        self._view = view
        self._query = query
        self._collection = collection
        self._deadline = deadline
        self.plan: Plan = query.plan(view.layout)
        self.total: int | None = None
        """How many hits are not pending, once that is known."""

    # -- the query of the index ----------------------------------------------------------------------

    @cached_property
    def query(self) -> tantivy.Query:
        kinds, collection = self._query.kinds, self._collection
        if kinds != (ITEM,) and collection is None:
            return self.plan.query
        # A scope that has all documents is not worth intersecting with.
        known, scope = self._view.progress.known, self._scope
        everywhere = known.get(scope)
        if everywhere is None:
            documents = sum(frequency(self.searcher, "scope", kind) for kind in KINDS)
            everywhere = known[scope] = frequency(self.searcher, "scope", scope) == documents
        return self.plan.query if everywhere else within(self.plan, scope)

    @property
    def _scope(self) -> str:
        if self._collection is None:
            return ITEM
        _, collection, items = scopes(ITEM, self._collection)
        return items if self._query.kinds == (ITEM,) else collection

    @cached_property
    def settled(self) -> tantivy.Query:
        """The query of the index without the documents that are pending."""
        stale = self._view.stale()
        if not stale:
            return self.query
        if self.few:
            return among(self.query, [hit.id for hit in self.all()])
        return but(self.query, stale)

    @cached_property
    def few(self) -> bool:
        """Whether there are known to be so few hits that one may look at all of them."""
        return any(frequency(self.searcher, *term) <= FEW for term in self.plan.needs)

    # -- all of them ---------------------------------------------------------------------------------

    def count(self) -> int:
        """How many hits are not pending."""
        if self.total is None:
            self.total = find(self.searcher, self.settled, 0)[0]
        return self.total

    def overdue(self, query: tantivy.Query) -> int:
        """How many documents that a query matches are pending."""
        stale = self._view.stale()
        return find(self.searcher, among(query, stale), 0)[0] if stale else 0

    def all(self) -> list[Hit]:
        """All that are not pending, in no order."""
        _, hits = find(self.searcher, self.query, FEW if self.few else self.searcher.num_docs)
        return self.not_pending(hits)

    def by_sequence(self) -> dict[int, Hit]:
        """All, also those that are pending. The pages of a stream ask for the same ones again and again."""
        known, name = self._view.progress.known, (self._query.text, self._collection)
        if (hits := known.get(name)) is None:
            if len(known) >= REMEMBERED:
                known.clear()
            hits = known[name] = {hit.seq: hit for hit in self._found(self.query)}
        return hits

    def dense(self, hits: int) -> bool:
        """Whether reading documents one after another meets enough of so many hits."""
        if self._query.kinds != (ITEM,):
            return False
        return hits * DENSE > frequency(self.searcher, "scope", self._scope)

    def frequency(self, field: str | None, word: str) -> int:
        """In how many documents of the index a field (None: any) has a word."""
        if field is None:
            return frequency(self.searcher, "words", word)
        column = self._view.layout.column(WORDS, field)
        return 0 if column is None else frequency(self.searcher, column.name, column.start + word)

    def _found(self, query: tantivy.Query) -> list[Hit]:
        total, hits = find(self.searcher, query, FIRST)
        return hits if total == len(hits) else find(self.searcher, query, total)[1]

    def not_pending(self, hits: list[Hit]) -> list[Hit]:
        pending = self._view.pending
        return [hit for hit in hits if hit.id not in pending] if pending else hits

    # -- the best ------------------------------------------------------------------------------------

    def best(self, end: int, limit: int) -> tuple[int, list[Hit]]:
        """How many hits are not pending, and the first of them with all that are as good as the last.

        The first are those of a page that has at most so many and ends there.
        """
        if limit == 0:
            return self.count(), []
        if self.plan.costly:
            return self._alike(end) or self._with_room()
        return self._quick(end)

    def _alike(self, end: int) -> tuple[int, list[Hit]] | None:
        """Where all score the same and the index can say which come first; else None."""
        column, score = self._keys, self.plan.score
        if column is None or score is None or end > DEEP:
            return None
        total, placed = find_sorted(self.searcher, self.settled, end, column, descending=False)
        return total, [Hit(score, one.id, one.seq) for one in placed]

    def _with_room(self) -> tuple[int, list[Hit]]:
        """By one search, if there is room for all."""
        total, hits = find(self.searcher, self.settled, ROOM)
        return total, hits if total == len(hits) else find(self.searcher, self.settled, total)[1]

    def _spare(self, wanted: int) -> int:
        """How many more to ask for, some being pending: twice as many as there are of them among all."""
        return 2 * wanted * len(self._view.pending) // max(1, self.searcher.num_docs)

    def _quick(self, end: int) -> tuple[int, list[Hit]]:
        """By as few hits as tell."""
        # A few more spare a second search where the page ends among equal scores.
        needed = end + self._spare(end)
        asked = needed + TIES
        total, found = find(self.searcher, self.query, asked, needed)
        hits = self.not_pending(found)
        if total == len(found):
            return len(hits), hits
        if (alike := self._alike(end)) is not None:
            return alike
        if total <= COUNTED and self._view.stale():
            hits = self.not_pending(find(self.searcher, self.query, total)[1])
            return len(hits), hits
        count = total - self.overdue(self.query)
        # Where the page ends among equal scores, all of these are needed to say which come first.
        for more in (asked + 100, asked + 2_000, total):
            tied = len(found) >= asked and len(hits) >= end and hits[end - 1].score == found[-1].score
            if len(found) < total and (tied or len(hits) < end):
                asked, found = more, find(self.searcher, self.query, more)[1]
                hits = self.not_pending(found)
        return count, hits

    # -- in an order ---------------------------------------------------------------------------------

    @property
    def _keys(self) -> str | None:
        """The column of keys, where these alone say the place: among the items of one collection."""
        if self._collection is None or self._query.kinds != (ITEM,):
            return None
        column = self._view.layout.column(STRINGS, KEY)
        return column.name if column is not None and column.own else None

    def first(self, hits: list[Hit], wanted: int, after: Place | None = None) -> list[Hit]:
        """Of hits that nothing else orders the first by place, beyond one."""
        if len(hits) <= wanted and after is None:
            return hits
        connection, kinds = self._view.connection, self._query.kinds
        if len(hits) > MANY and kinds == (ITEM,):
            numbers = {hit.seq: hit for hit in hits}
            walked = walk(connection, self._collection, after)
            return list(islice((numbers[seq] for seq in walked if seq in numbers), wanted))
        self._deadline.check()
        known = places(connection, {hit.seq: hit.id for hit in hits}, kinds)
        placed = sorted((place, hit) for hit in hits if (place := known.get(hit.seq)) is not None)
        start = 0 if after is None else bisect_right(placed, after, key=lambda pair: pair[0])
        return [hit for _, hit in placed[start : start + wanted]]

    def by_column(
        self, query: tantivy.Query, wanted: int, column: str, descending: bool
    ) -> tuple[int, list[Placed]]:
        """How many documents a query matches, and the first in the order of a column that are not pending."""
        pending = self._view.pending
        for asked in (wanted + self._spare(wanted), wanted + len(pending)):
            total, found = find_sorted(self.searcher, query, asked, column, descending)
            kept = [one for one in found if one.id not in pending] if pending else found
            if len(kept) >= wanted or len(found) == total:
                break
        return total, kept[:wanted]

    def by_place(
        self, query: tantivy.Query, wanted: int, after: Place | None = None
    ) -> tuple[int, list[Numbers]]:
        """How many documents a query matches, and the first by place that are not pending, beyond one."""
        if after is None and (column := self._keys) is not None:
            total, placed = self.by_column(query, wanted, column, descending=False)
            return total, [(one.id, one.seq) for one in placed]
        found = self._found(query)
        first = self.first(self.not_pending(found), wanted, after)
        return len(found), [(hit.id, hit.seq) for hit in first]

    def scored(self, numbers: Sequence[Numbers]) -> list[Hit]:
        """The hits of these numbers, in no order."""
        if not numbers:
            return []
        if (score := self.plan.score) is not None:
            return [Hit(score, identity, seq) for identity, seq in numbers]
        ids = [identity for identity, _ in numbers]
        return find(self.searcher, among(self.query, ids), len(ids))[1]
