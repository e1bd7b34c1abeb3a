"""Search: which documents match, in which order, which page of them.

A search looks at one `View`: the matches are the index's hits without the documents that are pending, and
the pending ones that the evaluator accepts. There are three ways through it, each for what it is cheap at:

* *everything*: items in the order of their keys, straight from the table, without any index;
* *best*: the first results by score, without looking at the others;
* *all*: every match one after another, for sorts, aggregates, and queries that the index cannot answer
  exactly. A page is then what is smallest by key, so memory holds one page and no more.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain, islice, repeat
from typing import Any, Final

import tantivy
from attrs import evolve

from ...caching import cached_property
from ...errors import InvalidParameter
from ...lucene.entries import Entry
from ...lucene.evaluator import distance
from ...operations import START, AggregateResult, Page, Search, SearchResult, Sort, SortField
from .aggregates import Accumulator, accumulator
from .columns import FEW, Columns, NotByColumns, marked, unmarked
from .current import SCREENING, Current, Pending, View
from .deadlines import Deadline
from .documents import ITEM, Place, Stored, count, entries, item, items_from, scan, walk
from .hits import DEEP, MANY, TIES, Hits
from .index import Hit, find
from .matches import Match
from .ordering import SCORE, Key, best_first, ordering, read_cursor
from .orders import LONGEST, Orders
from .pages import all_shown, offset_page, stream_page
from .query import Query, understand
from .rows import Rows
from .scoring import Corpus, corpus
from .sorting import Sorted
from .store import Store

CHUNK: Final = 1_000
"""How many rows are fetched at once."""
TOGETHER: Final = 25_000
"""Texts of so many bytes are decoded at once: more would gain nothing, and take memory."""
STREAM: Final = 100
"""Pages of so many are asked for by loops over everything: an order that is made once serves them all."""


class Searcher:
    """What a search needs beside the operation: the data and the index."""

    def __init__(self, store: Store, seconds: float) -> None:
        self.store = store
        self.seconds = seconds
        """How long a search may take."""
        self.current = Current(store)
        self.orders = Orders()
        self.rows = Rows()
        store.after_fork.append(self._forked)

    def _forked(self) -> None:
        self.orders = Orders()

    def close(self) -> None:
        self.current.close()


def search(searcher: Searcher, operation: Search) -> Page[SearchResult]:
    if not operation.query.strip():
        raise InvalidParameter(details={"query": "Query is empty."})
    query = understand(operation.query)
    if query.everything and not operation.sort and not operation.aggregates:
        deadline = Deadline(operation.query, searcher.seconds)
        with searcher.store.reading(deadline) as connection:
            return _everything(connection, operation)
    return searcher.current.ask(
        operation.query,
        lambda view: _answer(searcher, view, query, operation),
        ranked=_by_score(operation),
    )


def _answer(searcher: Searcher, view: View, query: Query, operation: Search) -> Page[SearchResult]:
    deadline = Deadline(operation.query, searcher.seconds)
    with deadline.over(view.connection):
        return _Answer(searcher, view, query, operation, deadline).page()


def _by_score(operation: Search) -> bool:
    """Whether the order of the results depends on how often words occur in all documents."""
    if operation.sort:
        return SCORE in map(_field, operation.sort)
    return operation.cursor is None and operation.limit > 0


def _everything(connection: sqlite3.Connection, operation: Search) -> Page[SearchResult]:
    """All items, by place; the score of `*` is 1."""
    limit, collection, offset = operation.limit, operation.collection, 0
    after = total = None
    if operation.cursor is None:
        total, offset = count(connection, (ITEM,), collection), operation.offset
    elif operation.cursor != START:
        after = read_cursor(operation.cursor, 0)[-1]
    rows = list(items_from(connection, collection, after, limit + 1, offset)) if limit else []
    results = _shown([(item(row), 1.0, None) for row in rows[:limit]], operation)
    if total is None:
        last = (item(rows[limit - 1]).place,) if len(rows) > limit else None
        return stream_page(operation, results, last, ())
    return offset_page(operation, results, total, ())


class _Answer:
    """One search on one view."""

    def __init__(
        self, searcher: Searcher, view: View, query: Query, operation: Search, deadline: Deadline
    ) -> None:
        self._current = searcher.current
        self._orders = searcher.orders
        self._rows = searcher.rows
        self._view = view
        self._query = query
        self._operation = operation
        self._collection = operation.collection
        self._corpus: Corpus | None = None
        self._deadline = deadline
        self._hits: Hits | None = None
        """Of the index, where there is one and it can be used."""
        if view.searcher is not None and view.complete:
            self._hits = Hits(view.searcher, view, query, operation.collection, deadline)

    def page(self) -> Page[SearchResult]:
        if self._operation.aggregates and (aggregates := self._aggregated()) is not None:
            self._operation = evolve(self._operation, aggregates=())
            page = self._page()
            return evolve(page, aggregates=aggregates)
        return self._page()

    def _aggregated(self) -> tuple[AggregateResult, ...] | None:
        """The aggregates by the columns of the index; None where these do not say all that is asked."""
        hits = self._hits
        if hits is None or not hits.plan.exact:
            return None
        columns = Columns(hits.searcher, self._view.layout, hits.settled, self._entries)
        accumulators = [accumulator(each, self._query.measure) for each in self._operation.aggregates]
        try:
            for each in accumulators:
                self._deadline.check()
                each.read(columns)
        except NotByColumns:
            return None
        hits.total = columns.total
        for match in self._pending:
            for each in accumulators:
                each.add(match.entry)
        return tuple(each.result() for each in accumulators)

    def _page(self) -> Page[SearchResult]:
        operation, hits = self._operation, self._hits
        if hits is not None and operation.sort and not operation.aggregates and not hits.few:
            page = self._by_columns(hits) or self._ordered()
            if page is not None:
                return page
        if operation.sort or operation.aggregates or not self._view.complete:
            return self._ranked()
        if operation.cursor is not None:
            return self._streamed()
        if hits is not None and hits.plan.exact:
            return self._deep(hits) or self._best(hits)
        return self._ranked()

    # -- sorted pages --------------------------------------------------------------------------------

    def _by_columns(self, hits: Hits) -> Page[SearchResult] | None:
        """A page by the columns of the index; None where these do not say the order."""
        operation, limit = self._operation, self._operation.limit
        end = operation.offset + limit if operation.cursor is None else limit + 1
        if not hits.plan.exact or end > DEEP:
            return None
        last = None
        if operation.cursor not in (None, START):
            last = read_cursor(operation.cursor or "", len(operation.sort))
            if limit >= STREAM and hits.count() <= LONGEST:
                return None
        layout, key = self._view.layout, ordering(operation.sort, self._query.measure)
        others = list(self._pending)
        try:
            order = Sorted(hits, layout, operation.sort)
            if (odd := marked(layout, hits.query, order.marks)) is not None:
                others += self._matches(odd, FEW)
            query = unmarked(layout, hits.query, order.marks)
            found, first = order.page(query, last, end)
        except NotByColumns:
            return None
        # The order needs no scores, but the results show them.
        matches = self._fetched(hits.scored(first))
        page = nsmallest(end, chain(self._beyond(others, key), matches), key=key)
        if operation.cursor is None:
            total = found - hits.overdue(query) + len(others)
            return offset_page(operation, self._results(page[operation.offset :]), total, ())
        more = key(page[limit - 1]) if 0 < limit < len(page) else None
        return stream_page(operation, self._results(page[:limit]), more, ())

    def _matches(self, query: tantivy.Query, most: int) -> Iterator[Match]:
        """All that a query of the index matches and that are not pending.

        Raises `NotByColumns` where these are too many.
        """
        assert self._hits is not None
        total, hits = find(self._hits.searcher, query, most)
        if total > len(hits):
            raise NotByColumns
        return self._chunked(iter(self._hits.not_pending(hits)), CHUNK)

    def _entries(self, query: tantivy.Query) -> Iterator[Entry]:
        return (match.entry for match in self._matches(query, FEW))

    def _ordered(self) -> Page[SearchResult] | None:
        """A page out of the order of all matches; None for a first page, if there is no such order yet."""
        if SCORE in map(_field, self._operation.sort):
            return None
        operation, limit, start = self._operation, self._operation.limit, self._operation.offset
        key = ordering(operation.sort, self._query.measure)
        name = (self._query.text, self._collection, operation.sort)
        continued = operation.cursor != START if operation.cursor is not None else start > 0
        last = None
        if operation.cursor is not None and continued:
            last = read_cursor(operation.cursor, len(operation.sort))
        with self._orders.kept(name) as kept:
            order = kept.current(
                self._view, self._all if continued or limit > DEEP else None, self._match, key
            )
            if order is None:
                return None
            count = len(order)
            if last is None:
                hits = order.slice(start, start + limit + 1)
            else:
                try:
                    hits = order.after(last, limit + 1)
                except (TypeError, AttributeError):
                    raise _foreign(operation.cursor) from None
        matches = self._fetched(hits)
        results = self._results(matches[:limit])
        if operation.cursor is None:
            return offset_page(operation, results, count, ())
        more = key(matches[limit - 1]) if 0 < limit < len(matches) else None
        return stream_page(operation, results, more, ())

    def _match(self, pending: Pending) -> Match | None:
        """What a pending document is to the query."""
        return next(iter(self._matching([pending])), None)

    def _matching(self, candidates: Collection[Pending]) -> list[Match]:
        """The matches among pending documents."""
        includes, collection, may_match = self._query.includes, self._collection, self._query.screen
        inside = [
            (pending, stored)
            for pending in candidates
            if (stored := pending.stored) is not None
            and includes(stored, collection)
            and (may_match is None or may_match(stored.text))
        ]
        self._view.progress.looked += len(inside)
        Pending.look_inside(pending for pending, _ in inside)
        return [
            Match(stored, self._score, pending.entry)
            for pending, stored in inside
            if self._query.matches(pending.entry)
        ]

    # -- every match -------------------------------------------------------------------------------

    def _ranked(self) -> Page[SearchResult]:
        """Look at every match, and keep those of this page."""
        operation = self._operation
        accumulators = [accumulator(each, self._query.measure) for each in operation.aggregates]
        by_place = operation.sort or operation.cursor is not None
        key = ordering(operation.sort, self._query.measure) if by_place else best_first
        matches = _Counted(self._all(), accumulators, self._deadline)
        if operation.cursor is not None:
            page = nsmallest(operation.limit + 1, self._beyond(matches, key), key=key)
            results = self._results(page[: operation.limit])
            more = operation.limit and len(page) > operation.limit
            last = key(page[operation.limit - 1]) if more else None
            return stream_page(operation, results, last, matches.aggregates())
        end = operation.offset + operation.limit
        # nsmallest(0, ...) would look at none, and all are to be counted.
        first = nsmallest(end, matches, key=key) if end else deque(matches, maxlen=0)
        page = list(first)[operation.offset :]
        return offset_page(operation, self._results(page), matches.count, matches.aggregates())

    def _all(self) -> Iterator[Match]:
        """Every match, in no order."""
        view, query = self._view, self._query
        if not view.complete:
            matches, rows = query.matches, scan(view.connection, query.kinds, self._collection, query.screen)
            for several in _together(rows):
                self._deadline.check()
                for stored, entry in zip(several, entries(several), strict=True):
                    if matches(entry):
                        yield Match(stored, 1.0, entry)
            return
        yield from self._pending
        if self._hits is not None:
            yield from self._checked(self._hits, self._chunked(iter(self._hits.all()), CHUNK))

    @cached_property
    def _pending(self) -> list[Match]:
        """The matches among the documents that the index has not seen."""
        candidates: Collection[Pending] = self._view.pending.values()
        if not candidates:
            return []
        if self._query.string is not None:
            candidates = self._current.holding(self._view, *self._query.string)
        self._view.progress.looked += len(candidates) / SCREENING
        return self._matching(candidates)

    def _beyond(self, matches: Iterable[Match], key: Callable[[Match], Key]) -> Iterator[Match]:
        """The matches after the cursor."""
        cursor = self._operation.cursor
        last = None if cursor in (None, START) else read_cursor(cursor or "", len(self._operation.sort))
        for match in matches:
            try:
                if last is None or key(match) > last:
                    yield match
            except (TypeError, AttributeError):
                raise _foreign(cursor) from None

    # -- the best ----------------------------------------------------------------------------------

    def _best(self, hits: Hits) -> Page[SearchResult]:
        """The first by score: as many of the index's as are needed, and the pending ones."""
        operation = self._operation
        end = operation.offset + operation.limit
        fresh = self._pending
        count, best = hits.best(end, operation.limit)
        if len(best) > end + TIES:
            edge = best[end - 1].score
            sure = [hit for hit in best if hit.score > edge]
            tied = [hit for hit in best if hit.score == edge]
            best = [*sure, *hits.first(tied, end - len(sure))]
        matches = [*fresh, *self._fetched(best)]
        page = sorted(matches, key=best_first)[operation.offset : end]
        return offset_page(operation, self._results(page), count + len(fresh), ())

    def _deep(self, hits: Hits) -> Page[SearchResult] | None:
        """A page far down, out of the order of all by score; None for the first, and where all are too many.

        Each such page would look at all before it: those of a whole result, at the square of its length.
        """
        operation, view = self._operation, self._view
        start, end = operation.offset, operation.offset + operation.limit
        if not operation.limit or end <= DEEP or hits.count() > LONGEST:
            return None
        # Scores depend on all documents: after a write, or a commit of the index, it is another order.
        name = (self._query.text, self._collection, view.applied, view.sequence)
        with self._orders.kept(name) as kept:
            order = kept.current(view, lambda: self._by_score(hits), self._match, best_first)
            assert order is not None
            count, found = len(order), order.slice(start, end)
        return offset_page(operation, self._results(self._fetched(found)), count, ())

    def _by_score(self, hits: Hits) -> Iterator[Match]:
        yield from self._pending
        _, found = hits.best(hits.count(), 1)
        yield from self._chunked(iter(found), CHUNK)

    def _read_on(self, after: Place | None) -> Iterator[Match]:
        """The matches in the order of places, from beyond one, without those that are pending."""
        matches, may_match, pending = self._query.matches, self._query.screen, self._view.pending
        for row in self._deadline.rows(items_from(self._view.connection, self._collection, after)):
            if may_match is not None and not may_match(row[6]):
                continue
            stored = item(row)
            if stored.id not in pending and matches(entry := stored.entry()):
                yield Match(stored, 1.0, entry)

    # -- a stream ----------------------------------------------------------------------------------

    def _streamed(self) -> Page[SearchResult]:
        """The next matches by place: reading on from the cursor until there are enough."""
        operation, hits = self._operation, self._hits
        wanted = operation.limit + 1
        after = None if operation.cursor == START else read_cursor(operation.cursor or "", 0)[-1]
        matches = list(self._pending)
        if hits is not None:
            matches += self._settled_from(hits, after, wanted)
        if after is not None:
            matches = [match for match in matches if _place(match) > after]
        page = nsmallest(wanted, matches, key=_place)
        last = (_place(page[operation.limit - 1]),) if 0 < operation.limit < len(page) else None
        return stream_page(operation, self._results(page[: operation.limit]), last, ())

    def _settled_from(self, hits: Hits, after: Place | None, wanted: int) -> Iterable[Match]:
        """Matches that are not pending, among them the first so many by place, beyond one."""
        view, found = self._view, hits.by_sequence()
        if len(found) > TIES and hits.dense(len(found)):
            return islice(self._read_on(after), wanted)
        if len(found) > MANY and self._query.kinds == (ITEM,):
            walked = walk(view.connection, self._collection, after)
            beyond = (hit for seq in walked if (hit := found.get(seq)) and hit.id not in view.pending)
            return islice(self._checked(hits, self._chunked(beyond, min(wanted, CHUNK))), wanted)
        left = [hit for hit in found.values() if hit.id not in view.pending]
        few = len(left) <= CHUNK
        return self._checked(hits, self._fetched(left) if few else self._chunked(iter(left), CHUNK))

    def _chunked(self, hits: Iterator[Hit], size: int) -> Iterator[Match]:
        while chunk := list(islice(hits, size)):
            yield from self._fetched(chunk)

    def _checked(self, hits: Hits, matches: Iterable[Match]) -> Iterable[Match]:
        """The matches among what may be one."""
        if hits.plan.exact:
            return matches
        return (match for match in matches if self._query.matches(match.entry))

    # -- pieces ------------------------------------------------------------------------------------

    def _fetched(self, hits: Sequence[Hit]) -> list[Match]:
        """Hits with their rows, in their order; without those whose row is gone."""
        if not hits:
            return []
        self._deadline.check()
        rows = self._rows.read(self._view.connection, hits, self._query.kinds)
        return [Match(stored, hit.score) for hit in hits if (stored := rows.get(hit.seq)) is not None]

    def _score(self, entry: Entry) -> float:
        return self._query.scorer.score(entry, self._statistics)

    def _statistics(self) -> Corpus:
        if self._corpus is None:
            if self._hits is None:
                pending = self._view.pending.values()
                self._corpus = corpus([one.entry for one in pending if one.stored is not None])
            else:
                documents = self._hits.searcher.num_docs
                self._corpus = Corpus(documents, self._view.layout.length, self._hits.frequency)
        return self._corpus

    def _results(self, matches: Iterable[Match]) -> list[SearchResult]:
        tree, measured = self._query.tree, self._query.measured
        return _shown(
            [
                (match.stored, match.score, distance(tree, match.entry) if measured else None)
                for match in matches
            ],
            self._operation,
        )


def _together(rows: Iterable[Stored]) -> Iterator[list[Stored]]:
    """Rows in lists whose texts are about `TOGETHER` long."""
    several, size = list[Stored](), 0
    for stored in rows:
        several.append(stored)
        size += len(stored.text)
        if size >= TOGETHER:
            yield several
            several, size = [], 0
    yield several


def _shown(found: Sequence[tuple[Stored, float, float | None]], operation: Search) -> list[SearchResult]:
    """Documents with their scores and distances as the answer shows them."""
    values: Iterable[tuple[Any, bytes | None]] = repeat((None, None))
    if operation.values:
        values = all_shown([stored.text for stored, _, _ in found], operation)
    return [
        stored.result(value, text, score, distance)
        for (stored, score, distance), (value, text) in zip(found, values, strict=False)
    ]


def _foreign(cursor: str | None) -> InvalidParameter:
    return InvalidParameter(
        f"{cursor!r} is a cursor of another search", details={"cursor": "Of another search."}
    )


def _place(match: Match) -> Place:
    return match.stored.place


def _field(clause: Sort) -> str | None:
    return clause.field if isinstance(clause, SortField) else None


ADDITIONS: Final = 10_000
"""How many values are added to aggregates before the clock is looked at; they take some 10 milliseconds."""


class _Counted:
    """Matches that are counted and aggregated as they go by."""

    def __init__(self, matches: Iterator[Match], accumulators: list[Accumulator], deadline: Deadline) -> None:
        self._matches = matches
        self._accumulators = accumulators
        self._deadline = deadline
        self.count = 0

    def __iter__(self) -> Iterator[Match]:
        between = max(1, ADDITIONS // (len(self._accumulators) or 1))
        for match in self._matches:
            self.count += 1
            if self.count % between == 0:
                self._deadline.check()
            for each in self._accumulators:
                each.add(match.entry)
            yield match

    def aggregates(self) -> tuple[AggregateResult, ...]:
        return tuple(each.result() for each in self._accumulators)
