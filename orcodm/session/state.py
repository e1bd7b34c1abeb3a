"""What the session remembers of a document, and what it needs to see of one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, Self

from attrs import define, frozen

from ..errors import UsageError, shortened
from ..operations import (
    Condition,
    Delete,
    DeleteEvent,
    Get,
    GetEvent,
    Post,
    PostEvent,
    Put,
    PutEvent,
)
from ..values import decode

Identity = tuple[Hashable, ...]
"""What a stored thing is found by: collection and key; of an event also type, timestamp and ordinal."""


@frozen
class Sent:
    """A write of which nobody knows whether it took effect: no answer came.

    `operation` writes the whole value, `patch` is what was sent in its place; `at` is when, in milliseconds.
    """

    operation: Any
    at: int
    patch: Any = None


@define(eq=False, weakref_slot=False)
class State:
    """The version a document stands on; another version is another one of these.

    `identity` is where it was stored and `ref` that version's ref (both None for a document that was
    never stored); `base` is the JSON text of the value last read or written; `reftime` its time in
    milliseconds since the epoch, where the engine said it; `deleted`, that the document was deleted; `read`,
    what its fields are read from; `written`, where that has yet to be made, the value that was written and
    what they were read from before; `sent`, the writes on top of this version whose answer never came.
    """

    identity: Identity | None = None
    ref: str | None = None
    base: bytes | None = None
    reftime: int | None = None
    deleted: bool = False
    read: tuple[Any, ...] | None = None
    written: tuple[Any, tuple[Any, ...]] | None = None
    sent: tuple[Sent, ...] = ()

    @property
    def base_value(self) -> Any:
        """The value last read or written, a fresh copy; None where there is none."""
        return None if self.base is None else decode(self.base)


NEW = State()
"""The state of a document that no engine knows."""


class Mapped(Protocol):
    """All that the session sees of a document or an event."""

    _state: State
    _session: Any

    @property
    def _identity(self) -> Identity | None:
        """Where it is or will be stored; None while the engine has yet to give the key."""

    def _dumped(self, validate: bool) -> dict[str, Any]:
        """Its JSON object; where validators are to be asked as well, what they refuse is an error too."""

    def _encoded(self, validate: bool) -> tuple[dict[str, Any], bytes]:
        """The same, and its JSON text."""

    def _validate(self) -> None:
        """Ask the validators alone. Raises `InvalidDocument`."""

    def _untouched(self, read: tuple[Any, ...]) -> bool:
        """Whether it is known that its fields are what was read, and that it is where it was stored."""

    def _revised(self, read: tuple[Any, ...]) -> dict[str, Any]:
        """The members that are to be written otherwise than they were read; `MISSING` for what is gone.

        Raises any exception where one does not fit.
        """

    def _own(self, value: Any) -> Any:
        """A value that was made of it, without what it has in its fields as well."""

    def _noted(self, value: Any, before: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """What its fields are read from, now that it is stored as this value."""

    def _complete(self) -> None:
        """Set the fields that were not asked for yet."""

    @classmethod
    def _read_of(cls, value: Any, key: str | None) -> tuple[Any, ...] | None:
        """What the fields of a stored value are read from; None where it has none, or does not fit."""

    def _fill(self, value: Any) -> None:
        """Take over a stored value, whole."""

    def _taken_back(self) -> None:
        """Be again what was read; one that was only added is as if it had not been."""

    @classmethod
    def from_value(cls, value: Any) -> Self: ...

    @classmethod
    def _normal(cls, value: Any) -> tuple[Any, bytes]:
        """What a load and save make of a stored value, and its JSON text."""

    @classmethod
    def _upgraded(cls, value: Any) -> Any:
        """A stored value in the shape of today's model."""

    def _read(self) -> Get | GetEvent: ...

    def _write(self, value: Any, text: bytes, condition: Condition) -> Put | Post | PutEvent | PostEvent:
        """The operation that writes a value, which has that JSON text."""

    def _erase(self, condition: Condition, purge: bool) -> Delete | DeleteEvent: ...

    def _stored(self, result: Any) -> None:
        """Note the key that a write or a read answered with."""


def mapped(given: Any) -> Mapped:
    """What the session sees of a document, an event or a relation. Raises `UsageError` for anything else."""
    see = None if isinstance(given, type) else getattr(given, "_mapped", None)
    if see is None:
        remedy = (
            ": give them one by one, as in session.add(*documents)" if isinstance(given, list | tuple) else ""
        )
        raise UsageError(f"a session takes documents, events and relations, not {shortened(given)}{remedy}")
    seen: Mapped = see()
    return seen
