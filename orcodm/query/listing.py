"""A walk through results in an order that writes can change, or that only positions tell.

A loop may change or delete what it goes through, and others write meanwhile. Results in the order of their
keys are read on from the last key, which no write changes. Any other order is *listed*: once, the walk notes
the paths of all that match, in their order, and then reads them by these paths, page by page. So each is met
once, whatever is written; what was deleted since, or matches no more, is passed over. A loop lists after it
has read its first page and before it gives the first result, where there is a second page at all; `pages`
list when the second one is asked for, unless writes move the positions that they stand on: those of a slice,
and those of any page on an engine without keyset paging.

An engine that answers the list in one page answers it from one state. Where it takes several, what others
moved from a page that was yet to come to one that had been read would be lacking: a second list, by keys, has
it, and it comes last. It is not needed where no result was written between the two. A listed path takes the
length of its text and of its ref in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from attrs import evolve

from ..errors import NotFound
from ..flow import Flow
from ..lucene.entries import Entry, entry
from ..lucene.evaluator import matches
from ..lucene.renderer import render
from ..lucene.tree import Boolean, Clause, Node, Occur, Verbatim
from ..operations import (
    START,
    EventItem,
    Get,
    GetEvent,
    GetRelation,
    Item,
    List,
    Operation,
    RelationItem,
    Search,
    SearchResult,
    Sort,
    SortField,
)
from ..values import decode, encode

D = TypeVar("D")

ITEM: Final = "item"

TEXT_BYTES: Final = 7_000
"""How long the text of a query for some paths may become in a URL: servers refuse lines of 8 kB."""
PATHS: Final = 100
"""How many paths of events and relations, each a clause of several, are asked for at once."""

NAMES: Final = {
    ITEM: ("collection", "key"),
    "event": ("collection", "key", "type", "timestamp", "ordinal"),
    "relationship": ("collection", "source.key", "relation", "destination.collection", "destination.key"),
}
"""What a thing's path consists of, as metadata of the search."""

FIXED: Final = frozenset(f"@path.{name}" for names in NAMES.values() for name in names)
"""What no write of a thing changes."""


def path_of_result(found: SearchResult) -> tuple[Any, ...]:
    """Where a result is: what it is found by, and what a session identifies it by."""
    match found:
        case EventItem():
            return (found.collection, found.key, found.type, found.timestamp, found.ordinal)
        case RelationItem():
            return (found.collection, found.key, found.kind, found.to_collection, found.to_key)
        case Item():
            return (found.collection, found.key)


def at_path(kind: str, path: Iterable[Any]) -> Node:
    """The query that finds the thing at a path."""
    clauses = [Clause(Occur.MUST, Verbatim(kind, "@path.kind"))] if kind != ITEM else []
    for name, value in zip(NAMES[kind], path, strict=True):
        clauses.append(Clause(Occur.MUST, Verbatim(str(value), f"@path.{name}")))
    return Boolean(clauses)


def entry_of(kind: str, found: SearchResult) -> Entry:
    """A result as the evaluator of queries sees it."""
    path: dict[str, Any] = {
        "collection": found.collection,
        "key": found.key,
        "ref": found.ref,
        "reftime": found.reftime,
    }
    match found:
        case EventItem():
            path |= {"type": found.type, "timestamp": found.timestamp, "ordinal": found.ordinal}
        case RelationItem():
            path |= {
                "relation": found.kind,
                "source.collection": found.collection,
                "source.key": found.key,
                "destination.collection": found.to_collection,
                "destination.key": found.to_key,
            }
        case Item():
            pass
    return entry(kind, path, found.value)


def _read(kind: str, path: tuple[Any, ...]) -> Operation[Any]:
    if kind == ITEM:
        collection, key = path
        return Get(collection=collection, key=key)
    if kind == "event":
        collection, key, type_, timestamp, ordinal = path
        return GetEvent(collection=collection, key=key, type=type_, timestamp=timestamp, ordinal=ordinal)
    collection, key, relation, to_collection, to_key = path
    return GetRelation(
        collection=collection, key=key, kind=relation, to_collection=to_collection, to_key=to_key
    )


def is_fixed(sort: tuple[Sort, ...]) -> bool:
    """Whether no write changes the place of a result in this order."""
    return all(isinstance(one, SortField) and one.field in FIXED for one in sort)


class Listed:
    """The paths of results in their order, with their refs, packed; read `size` at a time."""

    def __init__(self, kind: str, collection: str | None, size: int, *, local: bool) -> None:
        self._kind = kind
        self._local = local
        self._collection = collection
        self._size = size
        self._packed: deque[bytes] = deque()
        self._open: list[tuple[Any, ...]] = []

    def add(self, path: tuple[Any, ...], ref: str | None) -> None:
        self._open.append((path, ref))
        if len(self._open) >= self._size:
            self._pack()

    def _pack(self) -> None:
        if self._open:
            self._packed.append(encode(self._open))
            self._open.clear()

    def read(self, tree: Node | None) -> Flow[list[Any] | None]:
        """The next results, those that still match the tree; None at the end."""
        self._pack()
        if not self._packed:
            return None
        wanted = {tuple(path): ref for path, ref in decode(self._packed.popleft())}
        found = yield from self._one_by_one(wanted) if self._local else self._at_once(wanted)
        return [
            item
            for path, ref in wanted.items()
            if (item := found.get(path)) is not None and self._matches(tree, item, ref)
        ]

    def _one_by_one(self, paths: Iterable[tuple[Any, ...]]) -> Flow[dict[tuple[Any, ...], Any]]:
        found = {}
        for path in paths:
            try:
                found[path] = yield _read(self._kind, path)
            except NotFound:
                continue
        return found

    def _at_once(self, paths: Iterable[tuple[Any, ...]]) -> Flow[dict[tuple[Any, ...], Any]]:
        found: dict[tuple[Any, ...], Any] = {}
        for wanted in self._divided(paths):
            while wanted:
                text = render(self._query(wanted))
                page = yield Search(query=text, collection=self._collection, limit=len(wanted))
                found.update((path_of_result(item), item) for item in page.results)
                # An engine may give less than was asked for, in bytes.
                more = page.next is not None and any(path in found for path in wanted)
                wanted = [path for path in wanted if path not in found] if more else []
        return found

    def _matches(self, tree: Node | None, item: Any, ref: str | None) -> bool:
        return tree is None or item.ref == ref or matches(tree, entry_of(self._kind, item))

    def _divided(self, paths: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
        """The paths in lists that one query can ask for."""
        few = not (self._kind == ITEM and self._collection is not None)
        several: list[tuple[Any, ...]] = []
        length = 0
        for path in paths:
            text = len(quote(render(self._one(path)))) + 3
            if several and (length + text > TEXT_BYTES or (few and len(several) >= PATHS)):
                yield several
                several, length = [], 0
            several.append(path)
            length += text
        if several:
            yield several

    def _query(self, paths: list[tuple[Any, ...]]) -> Node:
        return Boolean([Clause(Occur.SHOULD, self._one(path)) for path in paths])

    def _one(self, path: tuple[Any, ...]) -> Node:
        if self._kind == ITEM and self._collection is not None:
            return Verbatim(path[1], "@path.key")
        return at_path(self._kind, path)


class Walk(Generic[D]):
    """The way through all results of a query, page by page: `read` until it gives None."""

    def __init__(self, query: Any, source: Any, first: Search | List, size: int, *, eager: bool) -> None:
        self._query = query
        self._source = source
        self._operation: Search | List | None = first
        self._first = first
        self._size = size
        self._left: int | None = query._length()
        self._keyset = source.engine.capabilities.keyset
        self._eager = eager or query._sliced or not self._keyset
        self._steady = isinstance(first, List) or (first.cursor is not None and is_fixed(first.sort))
        self._met: list[tuple[Any, ...]] = []
        self._listed: Listed | None = None
        self.total: int | None = None

    def read(self) -> Flow[list[D] | None]:
        """The documents of the next page, which may have become none; None at the end."""
        items: list[Any] | None
        if self._listed is not None:
            items = yield from self._listed.read(self._query.tree)
        elif self._operation is None or self._left == 0:
            items = None
        elif self._steady or not self._met:
            items = yield from self._next()
        else:
            self._listed = yield from self._list()
            return (yield from self.read())
        if items is None:
            return None
        documents: list[D] = yield from self._query.model._load_all(self._source.unit, items)
        return documents

    def _next(self) -> Flow[list[Any]]:
        assert self._operation is not None
        page: Any = yield self._operation
        items: list[Any] = page.results if self._left is None else page.results[: self._left]
        self._operation = page.next
        if self.total is None:
            self.total = page.total
        if self._left is not None:
            self._left -= len(items)
        if not self._steady and self._operation is not None and self._left != 0:
            self._met = list(map(path_of_result, items))
            if self._eager or not items:
                self._listed = yield from self._list()
        return items

    def _list(self) -> Flow[Listed]:
        """The paths of all results but those that were met."""
        query, met, capabilities = self._query, set(self._met), self._source.engine.capabilities
        listed = Listed(query.model._kind, query._collection, self._size, local=capabilities.local)
        assert isinstance(self._first, Search)
        first = evolve(self._first, values=False, limit=capabilities.max_limit)
        newest = yield from self._newest(first)
        pages = yield from self._note_all(listed, met, first, query._length())
        if pages > 1 and self._keyset and not query._sliced and newest != (yield from self._newest(first)):
            sort = () if query.model._kind == ITEM else query.model._order
            by_key = evolve(first, offset=0, sort=sort, cursor=START)
            yield from self._note_all(listed, met, by_key, None)
        self._met = []
        return listed

    def _newest(self, listing: Search) -> Flow[Any]:
        """The version that was written last among the results; another one, after a write of others."""
        if not self._keyset:
            return None
        sort = (SortField("@path.reftime", True),)
        page = yield evolve(listing, limit=1, offset=0, sort=sort, cursor=START)
        return [(path_of_result(item), item.ref, item.reftime) for item in page.results]

    def _note_all(
        self, listed: Listed, met: set[tuple[Any, ...]], listing: Search, left: int | None
    ) -> Flow[int]:
        """Note all results of a search, or as many as are left; how many pages it took."""
        operation: Search | None = listing
        pages = 0
        while operation is not None and left != 0:
            page: Any = yield operation
            pages += 1
            results = page.results if left is None else page.results[:left]
            for item in results:
                path = path_of_result(item)
                if path not in met:
                    met.add(path)
                    listed.add(path, item.ref)
            if left is not None:
                left -= len(results)
            operation = page.next
        return pages
