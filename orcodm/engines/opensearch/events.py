"""Events: what a write makes of one, and reading them. Deciding is pure.

The ref of an update is chained to the ref before it, as an item's is. A deleted event leaves nothing, ref
included.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from ... import patch
from ...errors import AlreadyExists, Conflict, NotFound
from ...operations import (
    DeleteEvent,
    EventBound,
    EventItem,
    EventWritten,
    GetEvent,
    IfMatch,
    ListEvents,
    Page,
    PatchEvent,
    PostEvent,
    PutEvent,
)
from ...refs import link
from ...values import canonical, encode
from .context import Context
from .documents import Draft, Moment, Source, as_event
from .exchange import Steps
from .names import EVENT, event_id

Existing = GetEvent | PutEvent | PatchEvent | DeleteEvent


# -- deciding --------------------------------------------------------------------------------------


def post_event(
    operation: PostEvent, timestamp: int, ordinal: int, current: Draft | None, moment: Moment
) -> tuple[Draft, EventWritten]:
    if current is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, current.ref)
    place = {
        "collection": operation.collection,
        "key": operation.key,
        "type": operation.type,
        "timestamp": timestamp,
        "ordinal": ordinal,
    }
    return _next(place, None, operation.value, moment)


def put_event(operation: PutEvent, current: Draft | None, moment: Moment) -> tuple[Draft, EventWritten]:
    current = _existing(current, operation)
    _check(operation, current)
    return _next(_place(operation), current, operation.value, moment)


def patch_event(operation: PatchEvent, current: Draft | None, moment: Moment) -> tuple[Draft, EventWritten]:
    current = _existing(current, operation)
    _check(operation, current)
    return _next(_place(operation), current, patch.apply(current.value, operation.changes), moment)


def delete_event(operation: DeleteEvent, current: Draft | None) -> None:
    """Raise where the event may not be deleted."""
    if type(operation.condition) is IfMatch:  # If-None-Match means nothing to a deletion
        _check(operation, current)


def _next(
    place: dict[str, Any], current: Draft | None, value: Any, moment: Moment
) -> tuple[Draft, EventWritten]:
    text = encode(value)
    ref = link(None if current is None else current.ref, canonical(value))
    before = None if current is None else current.source
    stamp = moment.after(None if before is None else before["stamp"])
    source: Source = {
        "kind": EVENT,
        **place,
        "ref": ref,
        "reftime": moment.now if before is None else max(moment.now, before["reftime"]),
        "born": stamp if before is None else before["born"],
        "stamp": stamp,
        "value": text.decode(),
    }
    return Draft(source, value), EventWritten(**place, ref=ref, reftime=source["reftime"])


def _place(operation: Existing | EventItem) -> dict[str, Any]:
    return {
        "collection": operation.collection,
        "key": operation.key,
        "type": operation.type,
        "timestamp": operation.timestamp,
        "ordinal": operation.ordinal,
    }


def _existing(current: Draft | None, operation: Existing) -> Draft:
    if current is None:
        raise NotFound.item(operation.collection, operation.key)
    return current


def _check(operation: PutEvent | PatchEvent | DeleteEvent, current: Draft | None) -> None:
    condition = operation.condition
    if condition is None:
        return
    ref = None if current is None else current.ref
    if type(condition) is IfMatch:
        if ref != condition.ref:
            raise Conflict.of_ref(operation.collection, operation.key, condition.ref, ref)
    elif ref is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, ref)


# -- reading ---------------------------------------------------------------------------------------


def get_event(context: Context, operation: GetEvent) -> Steps[EventItem]:
    source = yield from context.get(event_id(**_id_parts(operation)))
    if source is None:
        raise NotFound.item(operation.collection, operation.key)
    return as_event(source, operation)


def _id_parts(operation: Existing | EventItem) -> dict[str, Any]:
    place = _place(operation)
    return {("type_" if name == "type" else name): value for name, value in place.items()}


def identity(operation: Existing | EventItem) -> str:
    """The id of the event that an operation is about."""
    return event_id(**_id_parts(operation))


_SIGNS: Final = {"start": "gte", "after": "gt", "before": "lt", "end": "lte"}


def list_events(context: Context, operation: ListEvents) -> Steps[Page[EventItem]]:
    clauses: list[Any] = [
        {"term": {"kind": EVENT}},
        *({"term": {name: getattr(operation, name)}} for name in ("collection", "key", "type")),
    ]
    for side, sign in _SIGNS.items():
        bound: EventBound | None = getattr(operation, side)
        if bound is not None:
            clauses.append(_within(sign, bound))
    limit = operation.limit
    body = {
        "query": {"bool": {"filter": clauses}},
        "sort": [{"timestamp": "desc"}, {"ordinal": "desc"}],
        "size": limit + 1,
        "track_total_hits": False,
    }
    hits = (yield from context.search(body))["hits"]["hits"]
    results = [as_event(hit["_source"], operation) for hit in hits[:limit]]
    following = None
    if results and len(hits) > limit:
        last = EventBound(results[-1].timestamp, results[-1].ordinal)
        following = evolve(operation, end=None, before=last)
    return Page(results=results, next=following)


def _within(sign: str, bound: EventBound) -> dict[str, Any]:
    if bound.ordinal is None:
        return {"range": {"timestamp": {sign: bound.timestamp}}}
    same = [{"term": {"timestamp": bound.timestamp}}, {"range": {"ordinal": {sign: bound.ordinal}}}]
    beyond = {"range": {"timestamp": {sign[:2]: bound.timestamp}}}
    return {"bool": {"should": [beyond, {"bool": {"filter": same}}], "minimum_should_match": 1}}
