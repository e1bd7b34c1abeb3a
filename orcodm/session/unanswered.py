"""What became of a write whose answer never came: cancelled, timed out, interrupted, lost on the wire.

The document notes what was sent (`State.sent`). Before it is written the next time, it is looked up whether
the write took effect: on a ref chain by the ref that it makes, which the history has also where somebody has
written on top of it; elsewhere by the value. If it did, the document stands on it as if the answer had come;
if not, on what it stood on before, so that the next write meets a conflict or none by the usual rule.

What the engine names (items without a key, events) has no such ref. It is looked for among what was
written at that time: of two writers of equal values at one time, one may take the other's for its own.
"""

from __future__ import annotations

import time
from typing import Any, Final

from attrs import evolve, frozen

from ..errors import ApiError, NotFound, OrcodmError, TransportError
from ..flow import Flow, perform
from ..identifiers import EPOCH_MS
from ..operations import (
    Delete,
    DeleteEvent,
    DeleteRelation,
    EventBound,
    EventItem,
    Get,
    IfMatch,
    Item,
    List,
    ListEvents,
    Post,
    PostEvent,
    Put,
)
from ..refs import value_ref
from ..values import canonical, decode, encode
from .conflicts import merged
from .state import Identity, Mapped, Sent
from .tracking import stand_on
from .unit import Unit

CLOCKS_APART_MS: Final = 60_000
"""How far the clocks of the writer and of the engine may be apart."""


@frozen
class _Stored:
    """What a write has left: an answer as the engine would have given it, with the JSON text."""

    answer: Any
    text: bytes


_DELETED: Final = object()


def is_unanswered(error: BaseException) -> bool:
    """Whether a write that ended in this error may have taken effect all the same."""
    if isinstance(error, TransportError):
        return error.sent
    if isinstance(error, ApiError):
        return error.status >= 500
    return not isinstance(error, OrcodmError)


def note(document: Mapped, operation: Any, patch: Any = None) -> None:
    """Remember that nobody knows what became of a write of the document."""
    state = document._state
    document._state = evolve(state, sent=(*state.sent, Sent(operation, _now(), patch)))


def settle(unit: Unit, document: Mapped) -> Flow[Sent | None]:
    """The write that took effect though it had no answer, on which the document then stands; or None."""
    for sent in reversed(document._state.sent):
        found = yield from _find(unit, document, sent)
        if found is _DELETED:
            unit.forget(document)
            document._state = evolve(document._state, deleted=True, sent=())
            return sent
        if found is not None:
            value = decode(found.text)
            if sent.patch is not None:  # the document has yet to hear of it
                document._fill(merged(document, document._state.base_value, document._dumped(False), value))
                value = None
            document._stored(found.answer)
            stand_on(document, found.answer.ref, found.text, value=value)
            unit.settle(document)
            return sent
    return None


def _find(unit: Unit, document: Mapped, sent: Sent) -> Flow[Any]:
    operation = sent.operation
    match operation:
        case Post():
            return (yield from _among(unit, operation.value, _posted(operation, sent.at)))
        case PostEvent():
            return (yield from _among(unit, operation.value, _posted_event(operation, sent.at)))
    current = yield from _look(document._read())
    if isinstance(operation, Delete | DeleteEvent | DeleteRelation):
        return _DELETED if current is None else None
    condition, value = operation.condition, operation.value
    previous = condition.ref if isinstance(condition, IfMatch) else None
    if unit.owner.engine.capabilities.ref_chain and condition is not None:
        mine = value_ref(previous, value)
        if current is not None and current.ref == mine:
            return _Stored(current, encode(current.value))
        if isinstance(operation, Put):
            older = yield from _look(Get(collection=operation.collection, key=operation.key, ref=mine))
            if older is not None:
                return _Stored(older, encode(older.value))
        if previous is not None:
            return None
        # A key that was deleted before goes on from its tombstone, whose ref is nowhere to be read.
    if current is None or current.ref == previous or canonical(current.value) != canonical(value):
        return None
    return _Stored(current, encode(current.value))


def _look(read: Any) -> Flow[Any]:
    try:
        return (yield from perform(read))
    except NotFound:
        return None


def _among(unit: Unit, value: Any, first: Any) -> Flow[Any]:
    """The newest of what was written at the time that has the value and is not known to the session."""
    found, text = None, canonical(value)
    operation = first
    while operation is not None:
        page = yield from perform(operation)
        for item in page.results:
            if canonical(item.value) == text and unit.known(_identity(item)) is None:
                found = item
        operation = page.next
    return None if found is None else _Stored(found, encode(found.value))


def _identity(item: Item | EventItem) -> Identity:
    if isinstance(item, Item):
        return (item.collection, item.key)
    return (item.collection, item.key, item.type, item.timestamp, item.ordinal)


def _posted(operation: Post, at: int) -> List:
    """The items of which the engine made the keys at that time: these begin with it."""
    first, last = (
        f"{max(0, moment - EPOCH_MS) << 24:016x}"
        for moment in (at - CLOCKS_APART_MS, _now() + CLOCKS_APART_MS)
    )
    return List(collection=operation.collection, start=first, end=last, limit=100)


def _posted_event(operation: PostEvent, at: int) -> ListEvents:
    time_ = operation.timestamp
    first, last = (at - CLOCKS_APART_MS, _now() + CLOCKS_APART_MS) if time_ is None else (time_, time_)
    return ListEvents(
        collection=operation.collection,
        key=operation.key,
        type=operation.type,
        start=EventBound(first),
        end=EventBound(last),
        limit=100,
    )


def _now() -> int:
    return int(time.time() * 1000)
