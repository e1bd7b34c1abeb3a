"""`Tracked`: what documents and events have in common: a version they stand on, and a session."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Never, cast

from ..errors import UsageError
from ..mistakes import refuse
from ..session import context, flows
from ..session.flows import OnConflict
from ..session.session import Session
from ..session.state import NEW, Mapped, State
from ..session.tracking import read_from
from ..times import Timestamp
from .metadata import metadata


class Tracked:
    """Something stored that a session tracks, and whose every write is guarded by its ref.

    Two are equal where they stand for the same stored thing, whichever version of it and whatever was changed
    in them. One that has no key yet is equal to itself only, and cannot be in a set.
    """

    _state: State = NEW
    _session: Session | None = None

    @property
    def stored(self) -> bool:
        """Whether it stands on a version that is, or was when it was read, in the store."""
        return self._state.ref is not None and not self._state.deleted

    @property
    def ref(self) -> str:
        """The ref of the version that this object stands on. Raises `UsageError` where it is not `stored`."""
        if self._state.ref is None or self._state.deleted:
            reason = "was deleted" if self._state.deleted else "is not stored yet"
            raise UsageError(f"this {type(self).__name__} {reason}, so it has no ref")
        return self._state.ref

    @metadata("@path.reftime", datetime)
    def reftime(self) -> Timestamp | None:
        """When that version was written, where the engine said it."""
        return None if self._state.reftime is None else Timestamp.of(self._state.reftime)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Tracked):
            return NotImplemented
        identity = self._mapped()._identity
        return identity is not None and identity == other._mapped()._identity

    def __hash__(self) -> int:
        identity = self._mapped()._identity
        if identity is None:
            raise UsageError(
                f"this {type(self).__name__} has no key yet, which tells it from others in a set or dict: "
                "save it before, or give it a key"
            )
        return hash(identity)

    def save(self, *, force: bool = False, on_conflict: OnConflict = None, **wrong: Never) -> None:
        """Write it at once, if it changed.

        A new one is only created (`AlreadyExists`), a stored one only replaces the version that was read
        (`Conflict`). `on_conflict` resolves that: "merge", "mine", "theirs", or a function of the `Conflict`
        that returns one of these, the value to write, or None to raise it. `force` overwrites whatever is
        there. Raises `InvalidDocument` before anything is sent.
        """
        if wrong:
            refuse("save", wrong, ("force", "on_conflict"))
        session = self._own_session()
        session.run(flows.save(session.unit, self._mapped(), force, on_conflict))

    async def asave(self, *, force: bool = False, on_conflict: OnConflict = None, **wrong: Never) -> None:
        if wrong:
            refuse("asave", wrong, ("force", "on_conflict"))
        session = self._own_session()
        await session.arun(flows.save(session.unit, self._mapped(), force, on_conflict))

    def delete(self, *, force: bool = False, purge: bool = False, **wrong: Never) -> None:
        """Delete it at once, if it is still the version that was read (`Conflict`).

        The history of a document stays, unless `purge`; an event has none. Deleting it again does nothing.
        `force` deletes whatever is there.
        """
        if wrong:
            refuse("delete", wrong, ("force", "purge"))
        session = self._own_session()
        session.run(flows.delete(session.unit, self._mapped(), force, purge))

    async def adelete(self, *, force: bool = False, purge: bool = False, **wrong: Never) -> None:
        if wrong:
            refuse("adelete", wrong, ("force", "purge"))
        session = self._own_session()
        await session.arun(flows.delete(session.unit, self._mapped(), force, purge))

    def refresh(self) -> None:
        """Read the current version, dropping what was changed. Raises `NotFound`."""
        session = self._own_session()
        session.run(flows.refresh(session.unit, self._mapped()))

    async def arefresh(self) -> None:
        session = self._own_session()
        await session.arun(flows.refresh(session.unit, self._mapped()))

    def __getstate__(self) -> dict[str, Any]:
        # A copy, or what is sent to another process, belongs to no session.
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def _later(self, name: str) -> Any:
        read, document = read_from(self._mapped()), cast("Any", self)
        if read is None:
            return super()._later(name)  # type: ignore[misc]
        # Whoever asks at the same time gets the same object.
        return self.__dict__.setdefault(name, document.schema().later(self, name, read))

    def _complete(self) -> None:
        read = read_from(self._mapped())
        if read is not None:
            cast("Any", self).schema().complete(self, read)

    def _own(self, value: Any) -> Any:
        return cast("Any", self).schema().own(self, value)

    def _noted(self, value: Any, before: Any) -> Any:
        return cast("Any", self).schema().note(self, self._mapped()._upgraded(value), before)

    def _taken_back(self) -> None:
        """Be again what was read."""
        if self._state.ref is not None:
            document = self._mapped()
            document._fill(document._upgraded(self._state.base_value))

    def _own_session(self) -> Session:
        return context.session_of(self)

    def _mapped(self) -> Mapped:
        return cast("Mapped", self)
