"""Search: which documents match, in which order, which page of them.

A search looks at one `View`: the matches are the index's hits without the documents that are pending, and
the pending ones that the evaluator accepts. There are three ways through it, each for what it is cheap at:

* *everything*: items in the order of their keys, straight from the table, without any index;
* *best*: the first results by score, without looking at the others;
* *all*: every match one after another, for sorts, aggregates, and queries that the index cannot answer
  exactly. A page is then what is smallest by key, so memory holds one page and no more.
"""

from __future__ import annotations

import math
import sqlite3
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property, partial
from heapq import nsmallest
from itertools import chain, islice
from typing import Final, TypeVar

import tantivy
from attrs import evolve

from ...errors import InvalidParameter, QueryTimeout
from ...lucene.entries import Entry
from ...lucene.evaluator import distance
from ...operations import START, AggregateResult, Item, Page, Search, SearchResult, Sort, SortField
from ...values import decode
from .aggregates import Accumulator, accumulator
from .columns import FEW, Columns, NotByColumns, marked, unmarked
from .compile import Plan, among, but, within
from .current import Current, Pending, View
from .documents import ITEM, KINDS, Place, count, item, items_from, places, scan, walk
from .index import Hit, IndexFailure, find, find_sorted, frequency
from .layout import STRINGS, WORDS
from .matches import Match
from .ordering import SCORE, Key, best_first, ordering, read_cursor
from .orders import LONGEST, Orders
from .pages import offset_page, stream_page
from .query import Query, understand
from .rows import SMALL_PAGE, Rows
from .scoring import Corpus, average_length, corpus
from .sorting import Numbers, Sorted
from .store import Store
from .terms import KEY, scopes
from .vocabulary import Vocabularies

T = TypeVar("T")

SECONDS: Final = 60.0
"""How long a search may take where nothing else is said."""
CHUNK: Final = 1_000
"""How many rows are fetched at once."""
REMEMBERED: Final = 16
"""Of how many queries all hits are kept while the index stays as it is."""
DENSE: Final = 8
"""Where one document in so many matches, reading them all is the quickest way to the next ones."""
TIES: Final = 25
"""How many hits beyond the page are asked for at once."""
STREAM: Final = 100
"""Pages of so many are asked for by loops over everything: an order that is made once serves them all."""
ROOM: Final = 20_000
"""So many hits are asked for at once of a query that is costly to repeat."""
MANY_HITS: Final = 5_000
"""More hits than this are brought into order by walking along the table, fewer by looking each up."""
DEEP: Final = 1_000
"""Pages that begin further down are taken from the order of all matches, once that is made."""


class Searcher:
    """What a search needs beside the operation: the data and the index."""

    def __init__(self, store: Store, seconds: float) -> None:
        self.store = store
        self.seconds = seconds
        """How long a search may take."""
        self.current = Current(store)
        self.orders = Orders()
        self.rows = Rows()
        self.vocabularies = Vocabularies(store)
        store.after_fork.append(self._forked)

    def _forked(self) -> None:
        self.orders = Orders()
        self.vocabularies = Vocabularies(self.store)

    def close(self) -> None:
        self.current.close()


def search(searcher: Searcher, operation: Search) -> Page[SearchResult]:
    if not operation.query.strip():
        raise InvalidParameter(details={"query": "Query is empty."})
    query = understand(operation.query)
    if query.everything and not operation.sort and not operation.aggregates:
        with searcher.store.reading() as connection:
            return _everything(connection, operation)
    try:
        with searcher.current.view(ranked=_by_score(operation)) as view:
            return _Answer(searcher, view, query, operation).page()
    except IndexFailure:
        searcher.current.failed(operation.query)
    with searcher.current.view(indexed=False) as view:
        return _Answer(searcher, view, query, operation).page()


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
    results: list[SearchResult]
    if operation.values and not operation.with_fields and not operation.without_fields:
        # This is how whole collections are read, so it is done without detours.
        results = [
            Item(
                collection=row[2],
                key=row[3],
                ref=row[4],
                value=decode(row[6]),
                reftime=row[5],
                score=1.0,
                text=row[6],
            )
            for row in rows[:limit]
        ]
    else:
        results = [item(row).result(operation, 1.0, None) for row in rows[:limit]]
    if total is None:
        last = (item(rows[limit - 1]).place,) if len(rows) > limit else None
        return stream_page(operation, results, last, ())
    return offset_page(operation, results, total, ())


class _Answer:
    """One search on one view."""

    def __init__(self, searcher: Searcher, view: View, query: Query, operation: Search) -> None:
        self._current = searcher.current
        self._orders = searcher.orders
        self._rows = searcher.rows
        self._view = view
        self._query = query
        self._operation = operation
        self._collection = operation.collection
        self._corpus: Corpus | None = None
        self._seconds = searcher.seconds
        self._until = time.monotonic() + searcher.seconds

    @cached_property
    def _plan(self) -> Plan:
        return self._query.plan(self._view.layout)

    def page(self) -> Page[SearchResult]:
        if self._operation.aggregates and (aggregates := self._aggregated()) is not None:
            self._operation = evolve(self._operation, aggregates=())
            page = self._page()
            return evolve(page, aggregates=aggregates)
        return self._page()

    def _aggregated(self) -> tuple[AggregateResult, ...] | None:
        """The aggregates by the columns of the index; None where these do not say all that is asked."""
        view, searcher = self._view, self._view.searcher
        if searcher is None or not view.complete or not self._plan.exact:
            return None
        columns = Columns(searcher, view.layout, self._settled(searcher), self._entries)
        accumulators = [accumulator(each, self._query.measure) for each in self._operation.aggregates]
        try:
            for each in accumulators:
                each.read(columns)
        except NotByColumns:
            return None
        for match in self._pending():
            for each in accumulators:
                each.add(match.entry)
        return tuple(each.result() for each in accumulators)

    def _settled(self, searcher: tantivy.Searcher) -> tantivy.Query:
        """The query of the index without the documents that are pending."""
        query, stale = self._indexed(searcher), self._view.stale()
        return but(query, stale) if stale else query

    def _page(self) -> Page[SearchResult]:
        operation, view = self._operation, self._view
        if view.searcher is not None and view.complete and operation.sort and not operation.aggregates:
            page = self._by_columns(view.searcher) or self._ordered()
            if page is not None:
                return page
        if operation.sort or operation.aggregates or not view.complete:
            return self._ranked()
        if operation.cursor is not None:
            return self._streamed()
        if view.searcher is not None and self._plan.exact:
            return self._best(view.searcher)
        return self._ranked()

    # -- sorted pages --------------------------------------------------------------------------------

    def _by_columns(self, searcher: tantivy.Searcher) -> Page[SearchResult] | None:
        """A page by the columns of the index; None where these do not say the order."""
        operation, limit = self._operation, self._operation.limit
        end = operation.offset + limit if operation.cursor is None else limit + 1
        if not self._plan.exact or end > DEEP:
            return None
        last = None
        if operation.cursor not in (None, START):
            last = read_cursor(operation.cursor or "", len(operation.sort))
            if limit >= STREAM and find(searcher, self._indexed(searcher), 0)[0] <= LONGEST:
                return None
        layout, key = self._view.layout, ordering(operation.sort, self._query.measure)
        query, others = self._settled(searcher), list(self._pending())
        fresh = len(others)
        try:
            order = Sorted(searcher, layout, operation.sort, self._by_place)
            if (odd := marked(layout, query, order.marks)) is not None:
                others += self._matches(odd, FEW)
            first = order.page(unmarked(layout, query, order.marks), last, end)
        except NotByColumns:
            return None
        if (score := self._plan.score) is not None:
            hits = [Hit(score, *numbers) for numbers in first]
        else:  # the order needs no scores, but the results show them
            ids = [identity for identity, _ in first]
            hits = find(searcher, among(query, ids), len(ids))[1] if ids else []
        page = nsmallest(end, chain(self._beyond(others, key), self._fetched(hits)), key=key)
        if operation.cursor is None:
            total = find(searcher, query, 0)[0] + fresh
            return offset_page(operation, self._results(page[operation.offset :]), total, ())
        more = key(page[limit - 1]) if 0 < limit < len(page) else None
        return stream_page(operation, self._results(page[:limit]), more, ())

    def _matches(self, query: tantivy.Query, most: int) -> Iterator[Match]:
        """All that a query of the index matches. Raises `NotByColumns` where that are too many."""
        assert self._view.searcher is not None
        total, hits = find(self._view.searcher, query, most)
        if total > len(hits):
            raise NotByColumns
        return self._chunked(iter(hits), CHUNK)

    def _entries(self, query: tantivy.Query) -> Iterator[Entry]:
        return (match.entry for match in self._matches(query, FEW))

    def _by_place(self, query: tantivy.Query, after: Place | None, wanted: int) -> list[Numbers]:
        """The first matches by place, beyond one."""
        assert self._view.searcher is not None
        if after is None and (column := self._keys()) is not None:
            _, placed = find_sorted(self._view.searcher, query, wanted, column, descending=False)
            return [(one.id, one.seq) for one in placed]
        total, hits = find(self._view.searcher, query, CHUNK)
        if total > len(hits):
            _, hits = find(self._view.searcher, query, total)
        return [(hit.id, hit.seq) for hit in self._first(hits, wanted, after)]

    def _keys(self) -> str | None:
        """The column of keys, where these alone say the place: among the items of one collection."""
        if self._collection is None or self._query.kinds != (ITEM,):
            return None
        column = self._view.layout.column(STRINGS, KEY)
        return column.name if column is not None and column.own else None

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
        with self._orders.lock:
            order = self._orders.current(name, self._view, self._all if continued else None, self._match, key)
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
        stored, may_match = pending.stored, self._query.screen
        if stored is None or not self._query.includes(stored, self._collection):
            return None
        if may_match is not None and not may_match(stored.text):
            return None
        if not self._query.matches(pending.entry):
            return None
        return Match(stored, self._score(pending.entry), pending.entry)

    # -- every match -------------------------------------------------------------------------------

    def _ranked(self) -> Page[SearchResult]:
        """Look at every match, and keep those of this page."""
        operation = self._operation
        accumulators = [accumulator(each, self._query.measure) for each in operation.aggregates]
        by_place = operation.sort or operation.cursor is not None
        key = ordering(operation.sort, self._query.measure) if by_place else best_first
        matches = _Counted(self._all(), accumulators)
        # At least one is asked for, since nsmallest(0, ...) would look at none, and all are to be counted.
        if operation.cursor is not None:
            page = nsmallest(operation.limit + 1, self._beyond(matches, key), key=key)
            results = self._results(page[: operation.limit])
            more = operation.limit and len(page) > operation.limit
            last = key(page[operation.limit - 1]) if more else None
            return stream_page(operation, results, last, matches.aggregates())
        end = operation.offset + operation.limit
        page = nsmallest(max(1, end), matches, key=key)[operation.offset : end]
        return offset_page(operation, self._results(page), matches.count, matches.aggregates())

    def _all(self) -> Iterator[Match]:
        """Every match, in no order."""
        view, query = self._view, self._query
        if not view.complete:
            rows = scan(view.connection, query.kinds, self._collection, query.screen)
            for stored in self._in_time(rows):
                entry = stored.entry()
                if query.matches(entry):
                    yield Match(stored, 1.0, entry)
            return
        yield from self._pending()
        if view.searcher is not None:
            _, hits = find(view.searcher, self._indexed(view.searcher), view.searcher.num_docs)
            hits = [hit for hit in hits if hit.id not in view.pending]
            for start in range(0, len(hits), CHUNK):
                for match in self._fetched(hits[start : start + CHUNK]):
                    if self._plan.exact or query.matches(match.entry):
                        yield match

    def _pending(self) -> Iterator[Match]:
        """The matches among the documents that the index has not seen."""
        candidates: Collection[Pending] = self._view.pending.values()
        if self._query.string is not None:
            candidates = self._current.holding(self._view, *self._query.string)
        self._view.progress.looked += len(candidates)
        for pending in candidates:
            if (match := self._match(pending)) is not None:
                yield match

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

    def _best(self, searcher: tantivy.Searcher) -> Page[SearchResult]:
        """The first by score: as many of the index's as are needed, and the pending ones."""
        operation = self._operation
        end = operation.offset + operation.limit
        fresh = list(self._pending())
        count, hits = self._costly(searcher, end) if self._plan.costly else self._quick(searcher, end)
        matches: list[Match] = []
        if operation.limit:
            edge = hits[end - 1].score if len(hits) >= end else -math.inf
            sure = [hit for hit in hits if hit.score > edge]
            tied = [hit for hit in hits if hit.score == edge]
            if len(tied) > SMALL_PAGE:
                tied = self._first(tied, end - len(sure))
            matches = [*fresh, *self._fetched([*sure, *tied])]
        page = nsmallest(end, matches, key=best_first)[operation.offset :]
        return offset_page(operation, self._results(page), count + len(fresh), ())

    def _costly(self, searcher: tantivy.Searcher, end: int) -> tuple[int, list[Hit]]:
        """As `_quick`, by one search where there is room for all."""
        if (found := self._alike(searcher, end)) is not None:
            return found
        query = self._settled(searcher)
        total, hits = find(searcher, query, ROOM)
        return total, hits if total == len(hits) else find(searcher, query, total)[1]

    def _alike(self, searcher: tantivy.Searcher, end: int) -> tuple[int, list[Hit]] | None:
        """As `_quick`, for hits that all score the same, where the index can say which come first."""
        column, score = self._keys(), self._plan.score
        if column is None or score is None or end > DEEP:
            return None
        total, placed = find_sorted(searcher, self._settled(searcher), end, column, descending=False)
        return total, [Hit(score, one.id, one.seq) for one in placed]

    def _quick(self, searcher: tantivy.Searcher, end: int) -> tuple[int, list[Hit]]:
        """How many hits are not pending, and the first of them with all that are as good as the last."""
        query, pending = self._indexed(searcher), self._view.pending
        # Of what the index found first, as many as are pending may have to be passed over.
        # A few more spare a second search where the page ends among equal scores.
        asked = end + len(pending) + TIES
        total, found = find(searcher, query, asked, end + len(pending))
        hits = [hit for hit in found if hit.id not in pending]
        if total == len(found):
            return len(hits), hits
        if self._operation.limit and (alike := self._alike(searcher, end)) is not None:
            return alike
        stale = self._view.stale()
        count = total - (find(searcher, among(query, stale), 0)[0] if stale else 0)
        if not self._operation.limit:
            return count, []
        # Where the page ends among equal scores, all of these are needed to say which come first.
        for more in (asked + CHUNK // 10, asked + 2 * CHUNK, total):
            open_end = asked <= len(found) < total
            if open_end and (len(hits) < end or hits[end - 1].score == found[-1].score):
                asked, found = more, find(searcher, query, more)[1]
                hits = [hit for hit in found if hit.id not in pending]
        return count, hits

    def _first(self, hits: list[Hit], wanted: int, after: Place | None = None) -> list[Hit]:
        """Of hits that nothing else orders the first by place, beyond one."""
        if len(hits) <= wanted and after is None:
            return hits
        connection, kinds = self._view.connection, self._query.kinds
        if len(hits) > MANY_HITS and kinds == (ITEM,):
            numbers = {hit.seq: hit for hit in hits}
            walked = walk(connection, self._collection, after)
            return list(islice((numbers[seq] for seq in walked if seq in numbers), wanted))
        self._check_time()
        known = places(connection, {hit.seq: hit.id for hit in hits}, kinds)
        placed = sorted((place, hit) for hit in hits if (place := known.get(hit.seq)) is not None)
        start = 0 if after is None else bisect_right(placed, after, key=lambda pair: pair[0])
        return [hit for _, hit in placed[start : start + wanted]]

    def _dense(self, searcher: tantivy.Searcher, hits: int) -> bool:
        """Whether reading documents one after another meets enough of the hits."""
        if self._query.kinds != (ITEM,):
            return False
        scope = ITEM if self._collection is None else scopes(ITEM, self._collection)[2]
        return hits * DENSE > frequency(searcher, "scope", scope)

    def _read_on(self, after: Place | None) -> Iterator[Match]:
        """The matches in the order of places, from beyond one, without those that are pending."""
        matches, may_match, pending = self._query.matches, self._query.screen, self._view.pending
        for row in self._in_time(items_from(self._view.connection, self._collection, after)):
            if may_match is not None and not may_match(row[6]):
                continue
            stored = item(row)
            if stored.id not in pending and matches(entry := stored.entry()):
                yield Match(stored, 1.0, entry)

    # -- a stream ----------------------------------------------------------------------------------

    def _streamed(self) -> Page[SearchResult]:
        """The next matches by place: reading on from the cursor until there are enough."""
        operation, searcher = self._operation, self._view.searcher
        wanted = operation.limit + 1
        after = None if operation.cursor == START else read_cursor(operation.cursor or "", 0)[-1]
        matches = list(self._pending())
        if searcher is not None:
            matches += self._settled_from(searcher, after, wanted)
        if after is not None:
            matches = [match for match in matches if _place(match) > after]
        page = nsmallest(wanted, matches, key=_place)
        last = (_place(page[operation.limit - 1]),) if 0 < operation.limit < len(page) else None
        return stream_page(operation, self._results(page[: operation.limit]), last, ())

    def _settled_from(self, searcher: tantivy.Searcher, after: Place | None, wanted: int) -> Iterable[Match]:
        """Matches that are not pending, among them the first so many by place, beyond one."""
        view, hits = self._view, self._sequences(searcher)
        if len(hits) > TIES and self._dense(searcher, len(hits)):
            return islice(self._read_on(after), wanted)
        if len(hits) > MANY_HITS and self._query.kinds == (ITEM,):
            walked = walk(view.connection, self._collection, after)
            beyond = (hit for seq in walked if (hit := hits.get(seq)) and hit.id not in view.pending)
            return islice(self._checked(self._chunked(beyond, min(wanted, CHUNK))), wanted)
        left = [hit for hit in hits.values() if hit.id not in view.pending]
        return self._checked(self._chunked(iter(left), CHUNK) if len(left) > CHUNK else self._fetched(left))

    def _sequences(self, searcher: tantivy.Searcher) -> dict[int, Hit]:
        """All hits by sequence number. The pages of a stream ask for the same ones again and again."""
        known, name = self._view.progress.known, (self._query.text, self._collection)
        if (hits := known.get(name)) is None:
            query = self._indexed(searcher)
            # To ask for a few costs less than room for all, and mostly there are few.
            total, found = find(searcher, query, CHUNK)
            if total > len(found):
                _, found = find(searcher, query, total)
            if len(known) >= REMEMBERED:
                known.clear()
            hits = known[name] = {hit.seq: hit for hit in found}
        return hits

    def _chunked(self, hits: Iterator[Hit], size: int) -> Iterator[Match]:
        while chunk := list(islice(hits, size)):
            yield from self._fetched(chunk)

    def _checked(self, matches: Iterable[Match]) -> Iterable[Match]:
        """The matches among what may be one."""
        if self._plan.exact:
            return matches
        return (match for match in matches if self._query.matches(match.entry))

    # -- in time -----------------------------------------------------------------------------------

    def _in_time(self, rows: Iterable[T]) -> Iterator[T]:
        """The rows, as long as there is time for them."""
        for number, row in enumerate(rows):
            if number % CHUNK == 0:
                self._check_time()
            yield row

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise QueryTimeout(
                f"The query {self._operation.query!r} took longer than {self._seconds:g} seconds; narrow it, "
                f"or give the engine more time: search_seconds"
            )

    # -- pieces ------------------------------------------------------------------------------------

    def _indexed(self, searcher: tantivy.Searcher) -> tantivy.Query:
        """The query of the index, within the kinds and the collection that are searched."""
        plan, kinds, collection = self._plan, self._query.kinds, self._collection
        if kinds == (ITEM,):
            scope = ITEM if collection is None else scopes(ITEM, collection)[2]
        elif collection is None:
            return plan.query
        else:
            scope = scopes(ITEM, collection)[1]
        # A scope that has all documents is not worth intersecting with.
        everywhere = self._view.progress.known.get(scope)
        if everywhere is None:
            documents = sum(frequency(searcher, "scope", kind) for kind in KINDS)
            everywhere = frequency(searcher, "scope", scope) == documents
            self._view.progress.known[scope] = everywhere
        return plan.query if everywhere else within(plan, scope)

    def _fetched(self, hits: Sequence[Hit]) -> list[Match]:
        """Hits with their rows, in their order; without those whose row is gone."""
        if not hits:
            return []
        self._check_time()
        rows = self._rows.read(self._view.connection, hits, self._query.kinds)
        return [Match(stored, hit.score) for hit in hits if (stored := rows.get(hit.seq)) is not None]

    def _score(self, entry: Entry) -> float:
        return self._query.scorer.score(entry, self._statistics)

    def _statistics(self) -> Corpus:
        if self._corpus is None:
            entries = (one.entry for one in self._view.pending.values() if one.stored is not None)
            if (searcher := self._view.searcher) is None:
                self._corpus = corpus(list(entries))
            else:
                known = self._view.progress.known
                length = known.get("length") or known.setdefault("length", average_length(entries))
                self._corpus = Corpus(searcher.num_docs, length, partial(self._frequency, searcher))
        return self._corpus

    def _frequency(self, searcher: tantivy.Searcher, field: str | None, word: str) -> int:
        """In how many documents of the index a field (None: any) has a word."""
        if field is None:
            return frequency(searcher, "words", word)
        column = self._view.layout.column(WORDS, field)
        return 0 if column is None else frequency(searcher, column.name, column.start + word)

    def _results(self, matches: Iterable[Match]) -> list[SearchResult]:
        tree, measured = self._query.tree, self._query.measured
        return [
            match.stored.result(
                self._operation, match.score, distance(tree, match.entry) if measured else None
            )
            for match in matches
        ]


def _foreign(cursor: str | None) -> InvalidParameter:
    return InvalidParameter(
        f"{cursor!r} is a cursor of another search", details={"cursor": "Of another search."}
    )


def _place(match: Match) -> Place:
    return match.stored.place


def _field(clause: Sort) -> str | None:
    return clause.field if isinstance(clause, SortField) else None


class _Counted:
    """Matches that are counted and aggregated as they go by."""

    def __init__(self, matches: Iterator[Match], accumulators: list[Accumulator]) -> None:
        self._matches = matches
        self._accumulators = accumulators
        self.count = 0

    def __iter__(self) -> Iterator[Match]:
        for match in self._matches:
            self.count += 1
            for each in self._accumulators:
                each.add(match.entry)
            yield match

    def aggregates(self) -> tuple[AggregateResult, ...]:
        return tuple(each.result() for each in self._accumulators)
