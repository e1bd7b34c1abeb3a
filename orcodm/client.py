"""The resource tree of the service's own clients, over any engine: no models, only values.

    client = Client("https://KEY@host")
    ada = client.collection("users").key("ada")
    ada.put({"name": "Ada"}); ada.get().value; ada.event("login").post({"ip": "::1"})

Every method that asks the engine has an awaitable twin with the prefix `a`. Children inherit the options
of their parent (`headers`, `timeout`), which engines over HTTP understand; `raw` speaks the protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self, TypedDict, Unpack

from .engine import Engine
from .engines.connect import connect
from .errors import InvalidParameter, UsageError, shortened
from .operations import (
    Aggregate,
    Condition,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    EventBound,
    EventItem,
    EventWritten,
    Get,
    GetEvent,
    GetRelation,
    IfAbsent,
    IfMatch,
    Item,
    JsonPatch,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    MergePatch,
    Patch,
    PatchEvent,
    Ping,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    RelationItem,
    Search,
    SearchResult,
    Sort,
    Version,
    Written,
)
from .resources import Page, Raw, Resource, with_options
from .times import milliseconds
from .wire.clauses import read_aggregates, read_sort

__all__ = ["Client", "Collection", "Event", "Key", "Page", "Raw", "Ref", "Relation"]

Moment = datetime | int
"""A point in time: a datetime (without a zone it is UTC) or milliseconds since the epoch."""

Bound = EventBound | tuple[Moment, int] | datetime | int
"""An end of a range of events: a moment, or a moment and an ordinal."""

PatchLike = JsonPatch | MergePatch | Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""Changes: a list of JSON Patch operations, or an object to merge."""

ABSENT: Final = "*"


class Options(TypedDict, total=False):
    """What a child may have of its own."""

    headers: dict[str, str]
    timeout: Any


class FieldOptions(TypedDict, total=False):
    """Which fields of the values come."""

    with_fields: tuple[str, ...]
    without_fields: tuple[str, ...]


class ListOptions(FieldOptions, total=False):
    """Which keys come: `start` and `end` inclusive, `after` and `before` exclusive."""

    limit: int
    start: str
    after: str
    before: str
    end: str
    values: bool


class SearchOptions(FieldOptions, total=False):
    """`sort` and `aggregates` (or `aggregate`) are values, or the text that the API takes for them:
    `sort="value.n:desc,value.name:asc"`, `aggregate="value.n:stats"`.
    """

    limit: int
    offset: int
    cursor: str
    sort: str | Iterable[Sort]
    aggregates: str | Iterable[Aggregate]
    aggregate: str | Iterable[Aggregate]
    values: bool


class RefOptions(FieldOptions, total=False):
    limit: int
    offset: int
    values: bool


class RelatedOptions(FieldOptions, total=False):
    limit: int
    offset: int


class Conditions(TypedDict, total=False):
    """Write only if the current ref is `if_match`, or (`if_none_match="*"`) only if there is no value."""

    if_match: str | None
    if_none_match: str | bool | None


# -- arguments to operations -----------------------------------------------------------------------


def _condition(if_match: str | None = None, if_none_match: str | bool | None = None) -> Condition:
    if if_match is not None and if_none_match:
        raise UsageError("if_match and if_none_match exclude each other.")
    if if_none_match not in (None, False, True, ABSENT):
        raise UsageError(f'if_none_match is "*" (or True), not {if_none_match!r}.')
    return IfMatch(if_match) if if_match is not None else IfAbsent() if if_none_match else None


def _search(collection: str | None, query: str, options: SearchOptions) -> Search:
    """The search. Raises `InvalidParameter` for an option that is none, or a text that means nothing."""
    given: dict[str, Any] = dict(options)
    if "aggregate" in given:
        if "aggregates" in given:
            raise UsageError("aggregate and aggregates are two names of one option: give one of them.")
        given["aggregates"] = given.pop("aggregate")
    if isinstance(sort := given.get("sort"), str):
        given["sort"] = read_sort(sort, query)
        if sort.strip() and not given["sort"]:
            raise InvalidParameter(
                f"sort {shortened(sort)} is no list of fields with a direction, as in 'value.n:desc'",
                details={"sort": "Malformed."},
            )
    if isinstance(aggregates := given.get("aggregates"), str):
        given["aggregates"] = read_aggregates(aggregates)
    return Search(collection=collection, query=query, **given)


def _changes(changes: PatchLike) -> JsonPatch | MergePatch:
    if isinstance(changes, JsonPatch | MergePatch):
        return changes
    return MergePatch(dict(changes)) if isinstance(changes, Mapping) else JsonPatch(changes)


def _moment(moment: Moment) -> int:
    return milliseconds(moment) if isinstance(moment, datetime) else moment


def _bound(bound: Bound | None) -> EventBound | None:
    if bound is None or isinstance(bound, EventBound):
        return bound
    if isinstance(bound, tuple):
        if len(bound) != 2:
            raise UsageError(f"a bound is a moment, or a moment and an ordinal, not {shortened(bound)}.")
        return EventBound(_moment(bound[0]), bound[1])
    return EventBound(_moment(bound))


# -- the tree --------------------------------------------------------------------------------------


class Client(Resource):
    """The root: an engine, or the URL of one (then `options` are those of `connect`)."""

    def __init__(self, engine: Engine | str, **options: Any) -> None:
        super().__init__(
            connect(engine, **options) if isinstance(engine, str) else with_options(engine, options)
        )

    def __repr__(self) -> str:
        return f"Client({self._engine!r})"

    @property
    def engine(self) -> Engine:
        return self._engine

    def ping(self) -> None:
        """See that the service answers and the key is good. Raises `Unauthorized`, `TransportError`."""
        return self._run(Ping())

    async def aping(self) -> None:
        return await self._arun(Ping())

    def search(self, query: str, **options: Unpack[SearchOptions]) -> Page[SearchResult]:
        """The first page of what a Lucene query finds in all collections. Raises `InvalidQuery`."""
        return self._page(_search(None, query, options))

    async def asearch(self, query: str, **options: Unpack[SearchOptions]) -> Page[SearchResult]:
        return await self._apage(_search(None, query, options))

    def collection(self, name: str, **options: Unpack[Options]) -> Collection:
        """A collection, whether there is anything in it or not."""
        return Collection(with_options(self._engine, options), name)

    def close(self) -> None:
        """Release what the engine holds."""
        self._engine.close()

    async def aclose(self) -> None:
        await self._engine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


class Collection(Resource):
    """A collection of items."""

    @property
    def name(self) -> str:
        return self._path[0]

    def search(self, query: str, **options: Unpack[SearchOptions]) -> Page[SearchResult]:
        """The first page of what a Lucene query finds. Raises `InvalidQuery`."""
        return self._page(_search(self.name, query, options))

    async def asearch(self, query: str, **options: Unpack[SearchOptions]) -> Page[SearchResult]:
        return await self._apage(_search(self.name, query, options))

    def list(self, **options: Unpack[ListOptions]) -> Page[Item]:
        """The first page of the items, by their keys."""
        return self._page(List(collection=self.name, **options))

    async def alist(self, **options: Unpack[ListOptions]) -> Page[Item]:
        return await self._apage(List(collection=self.name, **options))

    def post(self, value: Any) -> Written:
        """Store a value under a key that the engine gives; the answer has it."""
        return self._run(Post(collection=self.name, value=value))

    async def apost(self, value: Any) -> Written:
        return await self._arun(Post(collection=self.name, value=value))

    def delete(self) -> None:
        """Erase the collection: items, history, events and relations."""
        return self._run(DeleteCollection(collection=self.name))

    async def adelete(self) -> None:
        return await self._arun(DeleteCollection(collection=self.name))

    def key(self, key: str, **options: Unpack[Options]) -> Key:
        """The place of an item, whether it is there or not."""
        return Key(with_options(self._engine, options), self.name, key)


class _Placed(Resource):
    """Something at or below a key."""

    @property
    def _place(self) -> _Place:
        return {"collection": self._path[0], "key": self._path[1]}


class _Place(TypedDict):
    collection: str
    key: str


class Key(_Placed):
    """The place of an item."""

    @property
    def name(self) -> str:
        return self._path[1]

    def get(self, **options: Unpack[FieldOptions]) -> Item:
        """The item. Raises `NotFound`."""
        return self._run(Get(**self._place, **options))

    async def aget(self, **options: Unpack[FieldOptions]) -> Item:
        return await self._arun(Get(**self._place, **options))

    def put(self, value: Any, **conditions: Unpack[Conditions]) -> Written:
        """Create or replace the item. Raises `Conflict` or `AlreadyExists` by the conditions."""
        return self._run(Put(**self._place, value=value, condition=_condition(**conditions)))

    async def aput(self, value: Any, **conditions: Unpack[Conditions]) -> Written:
        return await self._arun(Put(**self._place, value=value, condition=_condition(**conditions)))

    def patch(self, changes: PatchLike, *, upsert: bool = False, **conditions: Unpack[Conditions]) -> Written:
        """Change parts of the item. Raises `NotFound`, `PatchConflict`, `Conflict`."""
        return self._run(self._patch(changes, upsert, conditions))

    async def apatch(
        self, changes: PatchLike, *, upsert: bool = False, **conditions: Unpack[Conditions]
    ) -> Written:
        return await self._arun(self._patch(changes, upsert, conditions))

    def _patch(self, changes: PatchLike, upsert: bool, conditions: Conditions) -> Patch:
        condition = _condition(**conditions)
        return Patch(**self._place, changes=_changes(changes), upsert=upsert, condition=condition)

    def delete(self, *, purge: bool = False, if_match: str | None = None) -> None:
        """Delete the item; with `purge` its history as well."""
        return self._run(Delete(**self._place, purge=purge, condition=_condition(if_match)))

    async def adelete(self, *, purge: bool = False, if_match: str | None = None) -> None:
        return await self._arun(Delete(**self._place, purge=purge, condition=_condition(if_match)))

    def refs(self, **options: Unpack[RefOptions]) -> Page[Version]:
        """The first page of the history, newest first. Raises `NotFound`."""
        return self._page(ListRefs(**self._place, **options))

    async def arefs(self, **options: Unpack[RefOptions]) -> Page[Version]:
        return await self._apage(ListRefs(**self._place, **options))

    def ref(self, ref: str, **options: Unpack[Options]) -> Ref:
        """One version of the item."""
        return Ref(with_options(self._engine, options), *self._path, "refs", ref)

    def event(self, type: str, **options: Unpack[Options]) -> Event:
        """The events of a type."""
        return Event(with_options(self._engine, options), *self._path, "events", type)

    def relation(self, **options: Unpack[Options]) -> Relation:
        """The relations from this item."""
        return Relation(with_options(self._engine, options), *self._path, "relations")

    relations = graph = relation


class Ref(_Placed):
    """One version of an item."""

    @property
    def ref(self) -> str:
        return self._path[3]

    def get(self, **options: Unpack[FieldOptions]) -> Item:
        """The item as it was. Raises `NotFound`."""
        return self._run(Get(**self._place, ref=self.ref, **options))

    async def aget(self, **options: Unpack[FieldOptions]) -> Item:
        return await self._arun(Get(**self._place, ref=self.ref, **options))


class Event(_Placed):
    """The events of one type under a key."""

    @property
    def type(self) -> str:
        return self._path[3]

    def list(
        self,
        *,
        limit: int = 10,
        start: Bound | None = None,
        after: Bound | None = None,
        before: Bound | None = None,
        end: Bound | None = None,
        **options: Unpack[FieldOptions],
    ) -> Page[EventItem]:
        """The first page, newest first. `start` and `end` are inclusive, `after` and `before` exclusive."""
        return self._page(self._list(limit, (start, after, before, end), options))

    async def alist(
        self,
        *,
        limit: int = 10,
        start: Bound | None = None,
        after: Bound | None = None,
        before: Bound | None = None,
        end: Bound | None = None,
        **options: Unpack[FieldOptions],
    ) -> Page[EventItem]:
        return await self._apage(self._list(limit, (start, after, before, end), options))

    def _list(self, limit: int, bounds: Iterable[Bound | None], options: FieldOptions) -> ListEvents:
        start, after, before, end = map(_bound, bounds)
        place, more = self._place, options
        return ListEvents(
            **place, type=self.type, limit=limit, start=start, after=after, before=before, end=end, **more
        )

    def get(self, timestamp: Moment, ordinal: int, **options: Unpack[FieldOptions]) -> EventItem:
        """One event. Raises `NotFound`."""
        return self._run(GetEvent(**self._at(timestamp, ordinal), **options))

    async def aget(self, timestamp: Moment, ordinal: int, **options: Unpack[FieldOptions]) -> EventItem:
        return await self._arun(GetEvent(**self._at(timestamp, ordinal), **options))

    def post(self, value: Any, timestamp: Moment | None = None) -> EventWritten:
        """Add an event, now or at another time."""
        return self._run(self._post(value, timestamp))

    async def apost(self, value: Any, timestamp: Moment | None = None) -> EventWritten:
        return await self._arun(self._post(value, timestamp))

    def _post(self, value: Any, timestamp: Moment | None) -> PostEvent:
        moment = None if timestamp is None else _moment(timestamp)
        return PostEvent(**self._place, type=self.type, value=value, timestamp=moment)

    def put(
        self, value: Any, timestamp: Moment, ordinal: int, *, if_match: str | None = None
    ) -> EventWritten:
        """Replace the value of an event. Raises `NotFound` or `Conflict`."""
        return self._run(
            PutEvent(**self._at(timestamp, ordinal), value=value, condition=_condition(if_match))
        )

    async def aput(
        self, value: Any, timestamp: Moment, ordinal: int, *, if_match: str | None = None
    ) -> EventWritten:
        at, condition = self._at(timestamp, ordinal), _condition(if_match)
        return await self._arun(PutEvent(**at, value=value, condition=condition))

    def patch(
        self, changes: PatchLike, timestamp: Moment, ordinal: int, *, if_match: str | None = None
    ) -> EventWritten:
        """Change parts of an event's value. Raises `NotFound`, `PatchConflict` or `Conflict`."""
        at, condition = self._at(timestamp, ordinal), _condition(if_match)
        return self._run(PatchEvent(**at, changes=_changes(changes), condition=condition))

    async def apatch(
        self, changes: PatchLike, timestamp: Moment, ordinal: int, *, if_match: str | None = None
    ) -> EventWritten:
        at, condition = self._at(timestamp, ordinal), _condition(if_match)
        return await self._arun(PatchEvent(**at, changes=_changes(changes), condition=condition))

    def delete(self, timestamp: Moment, ordinal: int, *, if_match: str | None = None) -> None:
        """Erase an event."""
        return self._run(DeleteEvent(**self._at(timestamp, ordinal), condition=_condition(if_match)))

    async def adelete(self, timestamp: Moment, ordinal: int, *, if_match: str | None = None) -> None:
        return await self._arun(DeleteEvent(**self._at(timestamp, ordinal), condition=_condition(if_match)))

    def _at(self, timestamp: Moment, ordinal: int) -> _Moment:
        return {**self._place, "type": self.type, "timestamp": _moment(timestamp), "ordinal": ordinal}


class _Moment(_Place):
    type: str
    timestamp: int
    ordinal: int


class Relation(_Placed):
    """The relations from an item to others."""

    def get(self, *kinds: str, **options: Unpack[RelatedOptions]) -> Page[Item]:
        """The first page of the items at the end of one hop for each kind. Raises `NotFound`."""
        return self._page(ListRelations(**self._place, kinds=kinds, **options))

    async def aget(self, *kinds: str, **options: Unpack[RelatedOptions]) -> Page[Item]:
        return await self._apage(ListRelations(**self._place, kinds=kinds, **options))

    def properties(
        self, kind: str, collection: str, key: str, **options: Unpack[FieldOptions]
    ) -> RelationItem:
        """One relation, with its properties. Raises `RelationNotFound`."""
        return self._run(GetRelation(**self._to(kind, collection, key), **options))

    async def aproperties(
        self, kind: str, collection: str, key: str, **options: Unpack[FieldOptions]
    ) -> RelationItem:
        return await self._arun(GetRelation(**self._to(kind, collection, key), **options))

    def put(
        self, kind: str, collection: str, key: str, properties: Any = None, **conditions: Unpack[Conditions]
    ) -> Written:
        """Relate this item to another, or replace the properties of the relation. Raises `NotFound`."""
        return self._run(self._put(kind, collection, key, properties, conditions))

    async def aput(
        self, kind: str, collection: str, key: str, properties: Any = None, **conditions: Unpack[Conditions]
    ) -> Written:
        return await self._arun(self._put(kind, collection, key, properties, conditions))

    def _put(self, kind: str, collection: str, key: str, properties: Any, given: Conditions) -> PutRelation:
        value = {} if properties is None else properties
        return PutRelation(**self._to(kind, collection, key), value=value, condition=_condition(**given))

    def delete(self, kind: str, collection: str, key: str, *, if_match: str | None = None) -> None:
        """Remove a relation."""
        return self._run(DeleteRelation(**self._to(kind, collection, key), condition=_condition(if_match)))

    async def adelete(self, kind: str, collection: str, key: str, *, if_match: str | None = None) -> None:
        to, condition = self._to(kind, collection, key), _condition(if_match)
        return await self._arun(DeleteRelation(**to, condition=condition))

    def _to(self, kind: str, collection: str, key: str) -> _Ends:
        return {**self._place, "kind": kind, "to_collection": collection, "to_key": key}


class _Ends(_Place):
    kind: str
    to_collection: str
    to_key: str
