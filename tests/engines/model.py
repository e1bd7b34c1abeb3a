"""An engine as plain as can be: dictionaries, and no thought of speed. The oracle of the state machine.

It answers every write, and every read but searches, which `matches` answers for a few kinds of query.
Times are not modelled: the answers have none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from orcodm.errors import Aborted, AlreadyExists, Conflict, NotFound, OrcodmError, RelationNotFound
from orcodm.operations import (
    Batch,
    BatchResult,
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
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    RelationItem,
    Version,
    Written,
)
from orcodm.refs import tombstone_ref, value_ref

ItemPath = tuple[str, str]
EventPath = tuple[str, str, str, int, int]
RelationPath = tuple[str, str, str, str, str]


@attrs.frozen
class Link:
    """A value and its ref; a tombstone where it is deleted."""

    ref: str
    value: Any
    deleted: bool = False


class Model:
    def __init__(self) -> None:
        self.items: dict[ItemPath, list[Link]] = {}
        self.events: dict[EventPath, Link] = {}
        self.relations: dict[RelationPath, Link] = {}
        self.atomic = True
        """Whether a batch is all or nothing."""

    def execute(self, operation: Any) -> Any:
        """The answer; for a list, all of it."""
        return copy.deepcopy(HANDLERS[type(operation)](self, operation))

    # -- items -------------------------------------------------------------------------------------

    def current(self, collection: str, key: str) -> Link | None:
        links = self.items.get((collection, key))
        return links[-1] if links and not links[-1].deleted else None

    def write(self, collection: str, key: str, value: Any) -> Written:
        links = self.items.setdefault((collection, key), [])
        links.append(Link(value_ref(links[-1].ref if links else None, value), value))
        return Written(collection=collection, key=key, ref=links[-1].ref)

    def get(self, operation: Get) -> Item:
        links = self.items.get((operation.collection, operation.key), [])
        links = [link for link in links if link.ref == operation.ref] if operation.ref else links[-1:]
        if not links or links[0].deleted:
            raise NotFound.item(operation.collection, operation.key)
        return Item(
            collection=operation.collection, key=operation.key, ref=links[0].ref, value=links[0].value
        )

    def put(self, operation: Put) -> Written:
        guard(operation, self.current(operation.collection, operation.key))
        return self.write(operation.collection, operation.key, operation.value)

    def patch(self, operation: Patch) -> Written:
        current = self.current(operation.collection, operation.key)
        if current is None and not operation.upsert:
            raise NotFound.item(operation.collection, operation.key)
        guard(operation, current)
        value = patched({} if current is None else current.value, operation.changes)
        return self.write(operation.collection, operation.key, value)

    def delete(self, operation: Delete) -> None:
        current = self.current(operation.collection, operation.key)
        guard(operation, current)
        path = operation.collection, operation.key
        if operation.purge:
            self.items.pop(path, None)
        elif current is not None:
            self.items[path].append(Link(tombstone_ref(current.ref), None, deleted=True))

    def delete_collection(self, operation: DeleteCollection) -> None:
        for things in (self.items, self.events, self.relations):
            for path in [path for path in things if path[0] == operation.collection]:
                del things[path]  # type: ignore[attr-defined]

    def list(self, operation: List) -> list[Item]:
        return [
            Item(collection=collection, key=key, ref=links[-1].ref, value=links[-1].value)
            for (collection, key), links in sorted(self.items.items(), key=lambda entry: entry[0])
            if collection == operation.collection
            and not links[-1].deleted
            and (operation.start is None or key >= operation.start)
            and (operation.after is None or key > operation.after)
            and (operation.before is None or key < operation.before)
            and (operation.end is None or key <= operation.end)
        ]

    def list_refs(self, operation: ListRefs) -> list[Version]:
        links = self.items.get((operation.collection, operation.key))
        if links is None:
            raise NotFound.item(operation.collection, operation.key)
        return [
            Version(
                collection=operation.collection,
                key=operation.key,
                ref=None if link.deleted else link.ref,
                reftime=None,
                value=link.value if operation.values else None,
                deleted=link.deleted,
            )
            for link in reversed(links)
        ]

    # -- events ------------------------------------------------------------------------------------

    def event(self, operation: Any) -> Link:
        link = self.events.get(event_path(operation))
        if link is None:
            raise NotFound.item(operation.collection, operation.key)
        return link

    def get_event(self, operation: GetEvent) -> EventItem:
        return event_item(event_path(operation), self.event(operation))

    def post_event(self, operation: PostEvent) -> EventWritten:
        path = event_path(operation)
        if path in self.events:
            raise AlreadyExists.of_ref(path[0], path[1], None, self.events[path].ref)
        self.events[path] = Link(value_ref(None, operation.value), operation.value)
        return event_written(path, self.events[path])

    def put_event(self, operation: PutEvent) -> EventWritten:
        old = self.event(operation)
        guard(operation, old)
        path = event_path(operation)
        self.events[path] = Link(value_ref(old.ref, operation.value), operation.value)
        return event_written(path, self.events[path])

    def delete_event(self, operation: DeleteEvent) -> None:
        path = event_path(operation)
        guard(operation, self.events.get(path))
        self.events.pop(path, None)

    def list_events(self, operation: ListEvents) -> list[EventItem]:
        return [
            event_item(path, link)
            for path, link in sorted(self.events.items(), key=lambda entry: entry[0][3:], reverse=True)
            if path[:3] == (operation.collection, operation.key, operation.type)
            and (operation.start is None or compare(path, operation.start) >= 0)
            and (operation.after is None or compare(path, operation.after) > 0)
            and (operation.before is None or compare(path, operation.before) < 0)
            and (operation.end is None or compare(path, operation.end) <= 0)
        ]

    # -- relations ---------------------------------------------------------------------------------

    def ends(self, operation: Any) -> None:
        for end in ((operation.collection, operation.key), (operation.to_collection, operation.to_key)):
            if self.current(*end) is None:
                raise NotFound.item(*end)

    def living(self, path: RelationPath) -> bool:
        """Whether both ends of a relation have values: only then it is found."""
        collection, key, _, to_collection, to_key = path
        return self.current(collection, key) is not None and self.current(to_collection, to_key) is not None

    def get_relation(self, operation: GetRelation) -> RelationItem:
        link = self.relations.get(relation_path(operation))
        if link is None or not self.living(relation_path(operation)):
            raise RelationNotFound()
        collection, key, kind, to_collection, to_key = relation_path(operation)
        return RelationItem(
            collection=collection,
            key=key,
            kind=kind,
            to_collection=to_collection,
            to_key=to_key,
            ref=link.ref,
            value=link.value,
        )

    def put_relation(self, operation: PutRelation) -> Written:
        self.ends(operation)
        path = relation_path(operation)
        old = self.relations.get(path)
        guard(operation, old)
        ref = value_ref(old.ref if old else None, operation.value)
        self.relations[path] = Link(ref, operation.value)
        return Written(collection=path[0], key=path[1], ref=ref)

    def delete_relation(self, operation: DeleteRelation) -> None:
        path = relation_path(operation)
        if path not in self.relations:
            self.ends(operation)
        guard(operation, self.relations.get(path))
        self.relations.pop(path, None)

    def list_relations(self, operation: ListRelations) -> list[Item]:
        self.get(Get(collection=operation.collection, key=operation.key))
        reached = {(operation.collection, operation.key): None}
        for kind in operation.kinds:
            reached = {
                (to_collection, to_key): None
                for collection, key, of_kind, to_collection, to_key in self.relations
                if (collection, key) in reached
                and of_kind == kind
                and self.current(to_collection, to_key) is not None
            }
        return [self.get(Get(collection=collection, key=key)) for collection, key in reached]

    # -- several -----------------------------------------------------------------------------------

    def batch(self, operation: Batch) -> BatchResult:
        before = copy.deepcopy((self.items, self.events, self.relations))
        outcomes: list[Any] = []
        for write in operation.operations:
            try:
                outcomes.append(HANDLERS[type(write)](self, write))
            except OrcodmError as error:
                outcomes.append(error)
        if self.atomic and any(isinstance(outcome, OrcodmError) for outcome in outcomes):
            self.items, self.events, self.relations = before
            outcomes = [out if isinstance(out, OrcodmError) else Aborted() for out in outcomes]
        return BatchResult(outcomes)

    def matches(self, collection: str, predicate: Callable[[Any], bool]) -> list[str]:
        """The keys of a collection whose values meet a predicate, in their order."""
        return [found.key for found in self.list(List(collection=collection)) if predicate(found.value)]


HANDLERS: dict[type[Any], Callable[[Model, Any], Any]] = {
    Get: Model.get,
    Put: Model.put,
    Patch: Model.patch,
    Delete: Model.delete,
    DeleteCollection: Model.delete_collection,
    List: Model.list,
    ListRefs: Model.list_refs,
    GetEvent: Model.get_event,
    PostEvent: Model.post_event,
    PutEvent: Model.put_event,
    DeleteEvent: Model.delete_event,
    ListEvents: Model.list_events,
    GetRelation: Model.get_relation,
    PutRelation: Model.put_relation,
    DeleteRelation: Model.delete_relation,
    ListRelations: Model.list_relations,
    Batch: Model.batch,
}


def guard(operation: Any, current: Link | None) -> None:
    condition: Condition = operation.condition
    ref = current.ref if current else None
    if isinstance(condition, IfAbsent) and ref is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, ref)
    if isinstance(condition, IfMatch) and condition.ref != ref:
        raise Conflict.of_ref(operation.collection, operation.key, condition.ref, ref)


def patched(value: Any, changes: JsonPatch | MergePatch) -> Any:
    """Only what the state machine asks for: a merge of one level."""
    assert isinstance(changes, MergePatch)
    merged = dict(value) if isinstance(value, dict) else {}
    for name, member in changes.value.items():
        merged.pop(name, None) if member is None else merged.update({name: member})
    return merged


def compare(path: EventPath, bound: EventBound) -> int:
    """Where an event lies from a bound: below, on, or above it."""
    if bound.ordinal is None:
        return (path[3] > bound.timestamp) - (path[3] < bound.timestamp)
    moment = bound.timestamp, bound.ordinal
    return (path[3:] > moment) - (path[3:] < moment)


def event_path(operation: Any) -> EventPath:
    return operation.collection, operation.key, operation.type, operation.timestamp, operation.ordinal


def relation_path(operation: Any) -> RelationPath:
    return (
        operation.collection,
        operation.key,
        operation.kind,
        operation.to_collection,
        operation.to_key,
    )


def _event(path: EventPath) -> dict[str, Any]:
    return dict(zip(("collection", "key", "type", "timestamp", "ordinal"), path, strict=True))


def event_item(path: EventPath, link: Link) -> EventItem:
    return EventItem(**_event(path), ref=link.ref, value=link.value)


def event_written(path: EventPath, link: Link) -> EventWritten:
    return EventWritten(**_event(path), ref=link.ref)


def timeless(result: Any) -> Any:
    """A result without what the model does not know."""
    unknown = {"reftime": None, "score": None, "distance": None}
    if attrs.has(type(result)):
        names = attrs.fields_dict(type(result))
        return attrs.evolve(result, **{name: None for name in unknown if name in names})
    return result


def said(error: OrcodmError) -> tuple[Any, ...]:
    """What of an error the model foretells."""
    conflict = (error.expected, error.current) if isinstance(error, Conflict) else ()
    return type(error), *conflict


def outcome(execute: Callable[[Any], Any], operation: Any) -> Any:
    """The result of an operation, comparable: an error as its class and refs, times left out."""
    try:
        result = execute(operation)
    except OrcodmError as error:
        return said(error)
    if isinstance(result, BatchResult):
        return [said(out) if isinstance(out, OrcodmError) else out for out in result.outcomes]
    if isinstance(result, Iterable):
        return [timeless(entry) for entry in result]
    return timeless(result)
