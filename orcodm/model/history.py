"""`History`: every version of a document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .. import operations
from ..errors import NotFound, UsageError
from ..flow import Flow, perform
from ..operations import Get, ListRefs
from ..query.results import Unread
from ..session import context, flows
from ..session.merge import Change, difference
from ..session.tracking import stand_on, stand_on_nothing
from ..session.unit import Unit
from ..times import Timestamp, milliseconds
from ..values import encode

if TYPE_CHECKING:
    from .document import Document

D = TypeVar("D", bound="Document")

PAGE_SIZE = 500
"""How many versions a loop reads at once, where the engine allows that many."""


class Version(Generic[D]):
    """One version of a document: what it said, and when.

    `ref` names it (None for a deletion), `reftime` is when it was written, `value` the stored JSON and
    `deleted` says that it is a deletion. `document` is an object of the model with that value; a save of
    it is guarded by this version's ref. Fields of the document are attributes of the version too.
    """

    def __init__(self, model: type[D], version: operations.Version) -> None:
        self._model = model
        self.key = version.key
        self.ref = version.ref
        self.deleted = version.deleted
        self.value: Any = version.value
        self._reftime = version.reftime

    @property
    def reftime(self) -> Timestamp | None:
        """When the version was written; None where the engine does not say."""
        return None if self._reftime is None else Timestamp.of(self._reftime)

    @property
    def document(self) -> D:
        """The document as it was. Raises `UsageError` for a deletion."""
        if self.deleted or self.ref is None:
            raise UsageError(
                f"this version of {self._model.__name__} {self.key!r} is a deletion: it has no value"
            )
        document = self._model.from_value(self.value)
        document.key = self.key
        stand_on(document._mapped(), self.ref, encode(self.value), reftime=self._reftime)
        return document

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.document, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and (self.key, self.ref, self._reftime, self.deleted) == (
            other.key,
            other.ref,
            other._reftime,
            other.deleted,
        )

    def __hash__(self) -> int:
        return hash((self.key, self.ref, self._reftime))

    def __repr__(self) -> str:
        return f"<Version {self.ref or 'deleted'} of {self._model.__name__} {self.key!r}, {self.reftime}>"


class Versions(Unread, Generic[D]):
    """The history of one document, newest first."""

    def __init__(self, document: D) -> None:
        self._document = document

    def __iter__(self) -> Iterator[Version[D]]:
        session = context.session_of(self._document)
        operation: Any = self._listing(session.engine.capabilities.max_limit)
        met: set[Any] = set()
        while operation is not None:
            page = session.run(perform(operation))
            yield from self._unmet(page.results, met)
            operation = page.next

    async def __aiter__(self) -> AsyncIterator[Version[D]]:
        session = context.session_of(self._document)
        operation: Any = self._listing(session.engine.capabilities.max_limit)
        met: set[Any] = set()
        while operation is not None:
            page = await session.arun(perform(operation))
            for version in self._unmet(page.results, met):
                yield version
            operation = page.next

    def all(self) -> list[Version[D]]:
        """All versions, newest first."""
        return list(self)

    async def aall(self) -> list[Version[D]]:
        return [version async for version in self]

    def at(self, ref: str) -> Version[D]:
        """The version that a ref names. Raises `NotFound`."""
        return context.session_of(self._document).run(self._at(ref))

    async def aat(self, ref: str) -> Version[D]:
        return await context.session_of(self._document).arun(self._at(ref))

    def as_of(self, moment: datetime | int) -> Version[D]:
        """The version that was current at a moment: a datetime, or milliseconds since the epoch.

        Raises `NotFound` where there was none yet, or it was deleted at that time.
        """
        session = context.session_of(self._document)
        return session.run(self._as_of(moment, session.engine.capabilities.max_limit))

    async def aas_of(self, moment: datetime | int) -> Version[D]:
        session = context.session_of(self._document)
        return await session.arun(self._as_of(moment, session.engine.capabilities.max_limit))

    def diff(self, old: str | Version[D], new: str | Version[D]) -> tuple[Change, ...]:
        """What changed between two versions: each member with its path, before and after."""
        return context.session_of(self._document).run(self._diff(old, new))

    async def adiff(self, old: str | Version[D], new: str | Version[D]) -> tuple[Change, ...]:
        return await context.session_of(self._document).arun(self._diff(old, new))

    def restore(self, version: str | Version[D]) -> None:
        """Write an older value as the newest version, at once; the document then has it.

        Guarded like any save: raises `Conflict` where the document is not the version that was read.
        """
        session = context.session_of(self._document)
        session.run(self._restore(session.unit, version))

    async def arestore(self, version: str | Version[D]) -> None:
        session = context.session_of(self._document)
        await session.arun(self._restore(session.unit, version))

    # -- flows

    def _at(self, ref: str) -> Flow[Version[D]]:
        read = self._document._read()
        item = yield from perform(Get(collection=read.collection, key=read.key, ref=ref))
        return self._version(
            operations.Version(
                collection=item.collection, key=item.key, ref=item.ref, reftime=item.reftime, value=item.value
            )
        )

    def _as_of(self, moment: datetime | int, limit: int) -> Flow[Version[D]]:
        wanted = milliseconds(moment, "moment")
        operation: Any = self._listing(limit)
        while operation is not None:
            page = yield operation
            for version in page.results:
                if version.reftime is not None and version.reftime <= wanted:
                    if version.deleted:
                        raise NotFound.item(version.collection, version.key)
                    return self._version(version)
            operation = page.next
        read = self._document._read()
        raise NotFound.item(read.collection, read.key)

    def _diff(self, old: str | Version[D], new: str | Version[D]) -> Flow[tuple[Change, ...]]:
        values = []
        for version in (old, new):
            if not isinstance(version, Version):
                version = yield from self._at(version)
            values.append({} if version.value is None else version.value)
        return difference(*values)

    def _restore(self, unit: Unit, version: str | Version[D]) -> Flow[None]:
        if not isinstance(version, Version):
            version = yield from self._at(version)
        if version.deleted:
            raise UsageError(f"{version!r} is a deletion: use delete()")
        document = self._document
        if document._state.deleted:
            # Brought back on purpose; guarded against somebody else's new one.
            stand_on_nothing(document._mapped())
        yield from flows.restore(unit, document._mapped(), version.value)

    def _listing(self, limit: int) -> ListRefs:
        read = self._document._read()
        return ListRefs(collection=read.collection, key=read.key, values=True, limit=min(limit, PAGE_SIZE))

    def _unmet(self, versions: Iterable[operations.Version], met: set[Any]) -> Iterator[Version[D]]:
        """Those that were not met before: a version that is written meanwhile moves the older ones on."""
        unmet = list(dropwhile(lambda one: (one.ref, one.reftime) in met, versions))
        met.update((one.ref, one.reftime) for one in unmet)
        return map(self._version, unmet)

    def _version(self, version: operations.Version) -> Version[D]:
        return Version(type(self._document), version)

    def __repr__(self) -> str:
        return f"<Versions of {type(self._document).__name__} {self._document._shown_key()!r}>"


class History:
    """`document.history`."""

    @overload
    def __get__(self, instance: None, owner: type[D]) -> History: ...
    @overload
    def __get__(self, instance: D, owner: type[D]) -> Versions[D]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else Versions(instance)
