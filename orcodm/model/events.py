"""`Event`, `Events` and `Series`: the time series of a document.

An event is a mapped thing like a document: a session tracks it, and every write of it is guarded by its ref.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from attrs import frozen

from ..errors import InvalidKey, UnknownAttribute, UsageError
from ..flow import Flow
from ..mistakes import meant
from ..operations import (
    Condition,
    DeleteEvent,
    EventBound,
    EventItem,
    EventWritten,
    GetEvent,
    ListEvents,
    Page,
    PostEvent,
    PutEvent,
)
from ..query.results import Unread
from ..session import context, flows
from ..session.flows import RAISE
from ..session.session import Session
from ..session.state import Identity
from ..session.unit import Unit
from ..times import Timestamp, milliseconds
from .declaration import declare_kinds, declared_kinds, kind_class, register
from .metadata import metadata
from .model import Model
from .schema import Read
from .tracked import Tracked

if TYPE_CHECKING:
    from .document import Document

V = TypeVar("V", bound="Event")
T = TypeVar("T")

PAGE_SIZE = 500
"""How many events a loop reads at once, where the engine allows that many."""

_FIRST, _LAST = -(2**63), 2**63 - 1


@frozen
class Place:
    """The document of an event that was found by itself: where it is, without what it says."""

    collection: str
    key: str

    def _shown_key(self) -> str:
        return self.key


class Placed(Tracked):
    """Where an event is: in which series of which document (or its `Place`), and when."""

    _document: Any = None
    _type: str = ""
    _timestamp: int | None = None
    _ordinal: int | None = None


class Event(Placed, Model):
    """One event in a series: it declares fields, and has a timestamp and an ordinal.

    `Login(...)` makes one that is nowhere yet; `series.add(event)` stores it.
    """

    @metadata("@path.timestamp", datetime)
    def timestamp(self) -> Timestamp:
        """When it happened. Raises `UsageError` where the engine has yet to say."""
        if self._timestamp is None:
            raise UsageError("this event is not stored yet, and was added without a time")
        return Timestamp.of(self._timestamp)

    @metadata("@path.ordinal", int)
    def ordinal(self) -> int:
        """What tells it from others of the same millisecond. Raises `UsageError` until it is stored."""
        if self._ordinal is None:
            raise UsageError("this event is not stored yet: it has no ordinal")
        return self._ordinal

    @metadata("@path.key", str)
    def document_key(self) -> str | None:
        """The key of the document it belongs to; None where it, or its document, is nowhere yet."""
        return None if self._document is None else self._document._shown_key()

    @metadata("@path.type", str)
    def event_type(self) -> str:
        """The name of its series; empty where it is in none yet."""
        return self._type

    # -- what the session sees

    def _own_session(self) -> Session:
        if self._document is None:
            raise UsageError(
                "this event belongs to no series: add it first, as in ada.events.login.add(event)"
            )
        return context.session_of(self)

    @property
    def _identity(self) -> Identity | None:
        if self._ordinal is None:
            return None
        return (self._document.collection, self._document.key, self._type, self._timestamp, self._ordinal)

    def _place(self) -> dict[str, Any]:
        return {"collection": self._document.collection, "key": self._document.key, "type": self._type}

    def _point(self) -> dict[str, Any]:
        return {**self._place(), "timestamp": self._timestamp, "ordinal": self.ordinal}

    def _read(self) -> GetEvent:
        return GetEvent(**self._point())

    def _write(self, value: Any, text: bytes, condition: Condition) -> PostEvent | PutEvent:
        if self._state.ref is None:
            return PostEvent(**self._place(), value=value, timestamp=self._timestamp)
        return PutEvent(**self._point(), value=value, condition=condition)

    def _erase(self, condition: Condition, purge: bool) -> DeleteEvent:
        return DeleteEvent(**self._point(), condition=condition)

    def _untouched(self, read: Read) -> bool:
        return self._identity == self._state.identity and super()._untouched(read)

    def _stored(self, result: EventItem | EventWritten) -> None:
        self._timestamp, self._ordinal = result.timestamp, result.ordinal

    def _taken_back(self) -> None:
        super()._taken_back()
        if self._state.ref is None:  # it can be added again
            del self._document, self._type, self._timestamp

    def _shown_key(self) -> str | None:
        return None if self._document is None else f"{self._document._shown_key()}/{self._type}"


class UntypedEvent(Event):
    """An event of a type that no class declares: its members are attributes."""

    def __getattr__(self, name: str) -> Any:
        extra = self.__dict__.get("_extra") or {}
        if name in extra:
            return extra[name]
        raise AttributeError(f"this event of type {self._type!r} has no member {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.other_members[name] = value


def load_event(unit: Unit, item: EventItem, make: flows.Make, fresh: list[Any], model: type = object) -> Any:
    """The event of a stored one: the object that the session knows (a `model`), or the one that is made."""
    identity = (item.collection, item.key, item.type, item.timestamp, item.ordinal)
    return flows.load(unit, item, identity, make, fresh, model)


def event_maker(
    model: type[V], document: Document | Place, type_: str
) -> Callable[[EventItem], tuple[V, Read]]:
    """What makes the events of a series from what is stored."""

    def make(item: EventItem) -> tuple[V, Read]:
        event, read = model._made(item.value, None)
        event._document, event._type = document, type_
        event._stored(item)
        return event, read

    return make


class Series(Unread, Generic[V]):
    """The events of one type of one document, newest first."""

    def __init__(self, document: Document, type_: str, model: type[V]) -> None:
        self._document = document
        self._type = type_
        self._model = model

    def add(self, event: V | None = None, *, at: datetime | int | None = None, **fields: Any) -> V:
        """Add an event: one that was made, or its fields.

        `at` is when it happened, a datetime (a naive one is UTC) or milliseconds since the epoch; without it,
        the engine's now. Within an open session it is written by the commit, which gives
        it its ordinal; else at once. Raises `InvalidDocument` for fields that do not fit.
        """
        made, session = self._prepared(event, at, fields)
        if session.unit.tracking:
            session.add(made)
        else:
            session.run(flows.save(session.unit, made._mapped()))
        return made

    async def aadd(self, event: V | None = None, *, at: datetime | int | None = None, **fields: Any) -> V:
        made, session = self._prepared(event, at, fields)
        if session.unit.tracking:
            session.add(made)
        else:
            await session.arun(flows.save(session.unit, made._mapped()))
        return made

    @overload
    def get(self, timestamp: datetime | int, ordinal: int) -> V: ...
    @overload
    def get(self, timestamp: datetime | int, ordinal: int, default: T) -> V | T: ...
    def get(self, timestamp: datetime | int, ordinal: int, default: Any = RAISE) -> Any:
        """One event. Raises `NotFound`, unless there is a default."""
        session = context.session_of(self._document)
        return session.run(self._get_flow(session.unit, timestamp, ordinal, default))

    @overload
    async def aget(self, timestamp: datetime | int, ordinal: int) -> V: ...
    @overload
    async def aget(self, timestamp: datetime | int, ordinal: int, default: T) -> V | T: ...
    async def aget(self, timestamp: datetime | int, ordinal: int, default: Any = RAISE) -> Any:
        session = context.session_of(self._document)
        return await session.arun(self._get_flow(session.unit, timestamp, ordinal, default))

    def __iter__(self) -> Iterator[V]:
        return iter(self.between())

    def __aiter__(self) -> AsyncIterator[V]:
        return aiter(self.between())

    def between(self, start: datetime | int | None = None, end: datetime | int | None = None) -> Span[V]:
        """The events from `start` (included) to `end` (excluded), newest first; None is open."""
        return Span(self, start, end)

    def latest(self) -> V | None:
        """The newest event, or None."""
        return next(iter(Span(self, None, None, limit=1)), None)

    async def alatest(self) -> V | None:
        async for event in Span(self, None, None, limit=1):
            return event
        return None

    def all(self) -> list[V]:
        """All events, newest first."""
        return list(self)

    async def aall(self) -> list[V]:
        return [event async for event in self]

    def _prepared(self, event: V | None, at: Any, fields: dict[str, Any]) -> tuple[V, Session]:
        if event is None:
            event = self._model.__new__(self._model) if self._model is UntypedEvent else self._model(**fields)
            if self._model is UntypedEvent:
                event.other_members.update(fields)
        elif fields:
            raise UsageError("add takes an event, or the fields of one, not both")
        elif not isinstance(event, self._model):
            raise UsageError(f"a series of {self._model.__name__} takes no {type(event).__name__}")
        elif event._document is not None:
            raise UsageError("this event is in a series already: make another one")
        session = context.session_of(self._document)
        if session.unit.tracking:
            self._document._name_it()
        moment = None if at is None else milliseconds(at, "at")
        _ = self._document.key  # or there is nothing to add an event to
        event._document, event._type, event._timestamp = self._document, self._type, moment
        return event, session

    def _get_flow(self, unit: Unit, timestamp: datetime | int, ordinal: int, default: Any) -> Flow[Any]:
        moment = milliseconds(timestamp, "timestamp")
        document = self._document
        operation = GetEvent(
            collection=document.collection,
            key=document._read().key,
            type=self._type,
            timestamp=moment,
            ordinal=ordinal,
        )
        identity = (document.collection, document.key, self._type, moment, ordinal)
        make = event_maker(self._model, document, self._type)
        return flows.get(unit, operation, identity, make, default)

    def _load_page(self, unit: Unit, operation: ListEvents) -> Flow[tuple[list[V], Any]]:
        page: Page[EventItem] = yield operation
        make = event_maker(self._model, self._document, self._type)
        events = yield from flows.load_all(
            unit, page.results, lambda unit, item, fresh: load_event(unit, item, make, fresh)
        )
        return events, page.next

    def __repr__(self) -> str:
        return f"<Series {self._type} of {type(self._document).__name__} {self._document._shown_key()!r}>"


class Span(Unread, Generic[V]):
    """The events of a series between two times, to loop over, newest first."""

    def __init__(
        self,
        series: Series[V],
        start: datetime | int | None,
        end: datetime | int | None,
        limit: int | None = None,
    ) -> None:
        self._series = series
        self._start = None if start is None else EventBound(milliseconds(start, "start"))
        self._end = None if end is None else EventBound(milliseconds(end, "end"))
        self._limit = limit

    def __iter__(self) -> Iterator[V]:
        session = context.session_of(self._series._document)
        operation: Any = self._operation(session)
        waiting = self._waiting(session)
        last: list[V] = []
        while operation is not None:
            events, operation = session.run(self._series._load_page(session.unit, operation))
            yield from self._limited(_interleaved(waiting, events, operation is None))
            if self._limit is not None:
                return
            session.unit.release(events, last)

    async def __aiter__(self) -> AsyncIterator[V]:
        session = context.session_of(self._series._document)
        operation: Any = self._operation(session)
        waiting = self._waiting(session)
        last: list[V] = []
        while operation is not None:
            events, operation = await session.arun(self._series._load_page(session.unit, operation))
            for event in self._limited(_interleaved(waiting, events, operation is None)):
                yield event
            if self._limit is not None:
                return
            session.unit.release(events, last)

    def all(self) -> list[V]:
        """All of them."""
        return list(self)

    async def aall(self) -> list[V]:
        return [event async for event in self]

    def _operation(self, session: Session) -> ListEvents:
        document = self._series._document
        limit = min(PAGE_SIZE if self._limit is None else self._limit, session.engine.capabilities.max_limit)
        return ListEvents(
            collection=document.collection,
            key=document._read().key,
            type=self._series._type,
            limit=limit,
            start=self._start,
            before=self._end,
        )

    def _waiting(self, session: Session) -> list[Any]:
        """The events of this span that the session has yet to write, newest first."""
        low = _FIRST if self._start is None else self._start.timestamp
        high = _LAST if self._end is None else self._end.timestamp
        now = milliseconds(datetime.now(UTC))
        waiting = [
            (now if event._timestamp is None else event._timestamp, event)
            for event in session.new
            if isinstance(event, Event)
            and event._document is self._series._document
            and event._type == self._series._type
        ]
        waiting = [one for one in waiting if low <= one[0] < high]
        return sorted(waiting, key=lambda one: one[0], reverse=True)

    def _limited(self, events: Iterator[Any]) -> Iterator[Any]:
        return events if self._limit is None else islice(events, self._limit)


def _interleaved(waiting: list[Any], stored: list[Any], last: bool) -> Iterator[Any]:
    """Stored events with those that wait for a commit between them, where their time says."""
    if not waiting:
        yield from stored
        return
    for event in stored:
        while waiting and waiting[0][0] >= event._timestamp:
            yield waiting.pop(0)[1]
        yield event
    while last and waiting:
        yield waiting.pop(0)[1]


class Events:
    """The events of a document, a `Series` for each type: as attribute, or `events["type"]`.

    A subclass declares the types: `login: Series[Login]`. Without declarations any type is an attribute.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        register(cls)
        declare_kinds(cls)

    def __init__(self, document: Document) -> None:
        self._document = document

    if not TYPE_CHECKING:  # to a type checker only the declared ones are there

        def __getattr__(self, name: str) -> Any:
            declared = declared_kinds(type(self), Events)
            if name.startswith("__") or (declared and name not in declared):
                raise UnknownAttribute(
                    f"{type(self).__name__} declares no events of type {name!r}{meant(name, declared)}"
                )
            return self[name]

    def __getitem__(self, name: str) -> Series[Any]:
        if not isinstance(name, str):
            raise InvalidKey(f"the type of events is a string, not {name!r:.100}")
        return Series(self._document, name, event_class(type(self), name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self._document).__name__} {self._document._shown_key()!r}>"


def event_class(events: type, type_: str) -> type[Any]:
    """The class of the events of a type; `UntypedEvent` where none is declared."""
    return kind_class(events, Events, type_) or UntypedEvent
