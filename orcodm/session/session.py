"""The session: a unit of work over an engine, as pairs of one-line methods around the flows."""

from __future__ import annotations

import itertools
import random
import time
import warnings
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextvars import Token
from threading import Lock, get_ident
from types import TracebackType, coroutine
from typing import TYPE_CHECKING, Any, Final, Never, Self, TypeVar, overload

from ..engine import Engine
from ..errors import ConcurrentUse, Conflict, NoEngine, SessionClosed, UsageError, shortened
from ..flow import Flow, arun, run
from ..mistakes import refuse, unknown
from . import context, flows
from .flows import RAISE, OnConflict, Outcome
from .state import mapped
from .unit import Unit

if TYPE_CHECKING:
    from ..model.document import Document
    from ..model.events import Event
    from ..model.relation import Relation
    from ..query.query import Query

R = TypeVar("R")
D = TypeVar("D", bound="Document")
T = TypeVar("T")

RETRY_DELAY = 0.002
"""Seconds that the first retry waits at most; each further one twice as long, up to `RETRY_DELAY_MAX`."""

RETRY_DELAY_MAX = 0.25

_ELSEWHERE: Final = {
    "add_all": "write session.add(*documents)",
    "merge": "read it with session.get(User, key), change it, and commit",
    "flush": "write session.commit(), or document.save() to write one at once",
    "execute": "ask session.query(User), or session.engine for operations",
    "scalars": "ask session.query(User)",
    "begin": "write `with Session(engine) as session:`, which commits at its end",
    "remove": "write session.delete(document)",
}
"""What to write for the names that other libraries have."""


class Session:
    """A unit of work: one object for each stored document, and one commit for all changes.

    Changes of attributes, `add` and `delete`, and events and relations added while it is open are
    written by `commit`, all in one batch; leaving the `with` block commits. An exception in the block,
    or of that commit, rolls back: nothing more is written, and changed objects have the values again that
    were read.
    What a document's own `save`, `delete` and `patch` write is written at once. A session serves one
    thread or task at a time, and says so (`ConcurrentUse`); the engine may be shared. Without an engine
    it takes the default one (`NoEngine`).
    """

    def __init__(self, engine: Engine | None = None, *, _tracking: bool = True, **wrong: Never) -> None:
        if wrong:
            refuse("Session", wrong, ())
        if engine is None:
            engine = context.default_engine()
            if engine is None:
                raise NoEngine("a session needs an engine: Session(connect(url)), or orcodm.bind one before")
        if not hasattr(engine, "execute"):  # isinstance of a protocol costs more than a read
            raise UsageError(f"a session takes an engine, such as connect(url) gives, not {engine!r}")
        self.engine = engine
        self.closed = False
        self.unit = Unit(self, tracking=_tracking)
        """The identity map, and what waits for the commit."""
        self._lock = Lock()
        self._user: tuple[int, Any] | None = None
        self._tokens: list[tuple[Token[Session | None], Any]] = []
        self.around: Session | None = None
        """The session in whose block this one was entered."""

    # -- as a block

    def __enter__(self) -> Self:
        self.check_open()
        around = context.innermost()
        if around is not self:
            self.around = around
        self._tokens.append((context.opened.set(self), context.enter(self)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.closed:
                self.commit()
        except BaseException:
            self.unit.rollback()
            raise
        finally:
            self._leave(kind is not None)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.closed:
                await self.acommit()
        except BaseException:
            self.unit.rollback()
            raise
        finally:
            self._leave(kind is not None)

    def _leave(self, failed: bool) -> None:
        if failed:
            self.unit.rollback()
        token, task = self._tokens.pop()
        context.leave(self, task)
        try:
            context.opened.reset(token)
        except ValueError:  # left in another context than entered, as a generator fixture may
            if context.opened.get() is self:
                context.opened.set(self.around)
        if not self._tokens:
            self.close()

    def close(self) -> None:
        """Let go of all documents, which stay readable. What was not committed is not written."""
        self.closed = True
        self.unit.close()

    # -- reading

    @overload
    def get(self, model: type[D], key: str) -> D: ...
    @overload
    def get(self, model: type[D], key: str, default: T) -> D | T: ...
    def get(self, model: type[D], key: str, default: Any = RAISE) -> Any:
        """The document at a key. Raises `NotFound`, unless there is a default."""
        return self.run(model._get_flow(self.unit, key, default))

    @overload
    async def aget(self, model: type[D], key: str) -> D: ...
    @overload
    async def aget(self, model: type[D], key: str, default: T) -> D | T: ...
    async def aget(self, model: type[D], key: str, default: Any = RAISE) -> Any:
        return await self.arun(model._get_flow(self.unit, key, default))

    def query(self, model: type[D]) -> Query[D]:
        """A query that runs in this session, wherever it is used."""
        return model.query._in(self)

    # -- the unit of work

    def add(self, *documents: Document | Event | Relation[Any, Any]) -> None:
        """Plan to write documents at the next commit.

        Raises `UsageError` where another object of this session has the same key.
        """
        self.check_open()
        for document in documents:
            self.unit.add(mapped(document))

    def delete(self, document: Document | Event | Relation[Any, Any]) -> None:
        """Plan to delete a document at the next commit, if it is still the version that was read."""
        self.check_open()
        self.unit.delete(mapped(document))

    def expunge(self, document: Document | Event | Relation[Any, Any]) -> None:
        """Take a document out of the session, with whatever was changed in it."""
        self.unit.drop(mapped(document))

    @property
    def new(self) -> tuple[Any, ...]:
        """The documents that the next commit will create."""
        return tuple(self.unit.added.values())

    @property
    def dirty(self) -> tuple[Any, ...]:
        """The stored documents with changes, found by comparison with what was read."""
        return self.unit.dirty()

    @property
    def deleted(self) -> tuple[Any, ...]:
        """The documents that the next commit will delete."""
        return tuple(self.unit.deleted.values())

    def __contains__(self, document: object) -> bool:
        return id(document) in self.unit.added or any(document is one for one in self.unit.identity.values())

    def __iter__(self) -> Iterator[Any]:
        seen = dict.fromkeys(map(id, self.unit.added.values()))
        yield from self.unit.added.values()
        yield from (one for one in self.unit.identity.values() if id(one) not in seen)

    def commit(self, **wrong: Never) -> None:
        """Write everything that is pending, in one batch.

        Raises `InvalidDocument` before anything is sent, and `Conflict` with every conflict in
        `conflicts`. On an engine with `capabilities.atomic_batch` a commit that raises has written nothing;
        elsewhere the error says what was written (`written`, `failed`, `untried`), and what was not is
        still pending.
        """
        if wrong:
            refuse("commit", wrong, (), "a conflict is resolved by save(on_conflict=...), or by orcodm.retry")
        self.run(flows.commit(self.unit))

    async def acommit(self, **wrong: Never) -> None:
        if wrong:
            refuse(
                "acommit", wrong, (), "a conflict is resolved by asave(on_conflict=...), or by orcodm.aretry"
            )
        await self.arun(flows.commit(self.unit))

    def rollback(self) -> None:
        """Forget what is pending; changed documents get back the values that were read."""
        self.check_open()
        self.unit.rollback()

    # -- one document at once

    def save(
        self,
        document: Document | Event | Relation[Any, Any],
        *,
        force: bool = False,
        on_conflict: OnConflict = None,
    ) -> None:
        """Write one document now, as its own `save` does."""
        self.run(flows.save(self.unit, mapped(document), force, on_conflict))

    async def asave(
        self,
        document: Document | Event | Relation[Any, Any],
        *,
        force: bool = False,
        on_conflict: OnConflict = None,
    ) -> None:
        await self.arun(flows.save(self.unit, mapped(document), force, on_conflict))

    def refresh(self, document: Document | Event | Relation[Any, Any]) -> None:
        """Read the current version into a document, dropping what was changed. Raises `NotFound`."""
        self.run(flows.refresh(self.unit, mapped(document)))

    async def arefresh(self, document: Document | Event | Relation[Any, Any]) -> None:
        await self.arun(flows.refresh(self.unit, mapped(document)))

    # -- many documents at once

    def bulk(self, documents: Iterable[Any], chunk: int = 500, **wrong: Never) -> Outcomes:
        """Save documents as they come, `chunk` of them in one batch; one `Outcome` for each, in order.

        A document that cannot be written does not stop the others. Nothing is sent before the outcomes
        are asked for (who never does is warned), and nothing is kept in the session, so a million of them
        need no more memory than a chunk.
        """
        if wrong:
            refuse("bulk", wrong, ("chunk",))
        return Outcomes(self._bulk(_many(documents), _positive(chunk)))

    def _bulk(self, documents: Iterable[Any], chunk: int) -> Iterator[Outcome]:
        source = iter(documents)
        while batch := list(itertools.islice(source, chunk)):
            yield from self.run(flows.bulk(self.unit, batch))

    def abulk(
        self, documents: Iterable[Any] | AsyncIterable[Any], chunk: int = 500, **wrong: Never
    ) -> AsyncOutcomes:
        if wrong:
            refuse("abulk", wrong, ("chunk",))
        return AsyncOutcomes(self._abulk(_many(documents), _positive(chunk)))

    async def _abulk(
        self, documents: Iterable[Any] | AsyncIterable[Any], chunk: int
    ) -> AsyncIterator[Outcome]:
        batch: list[Any] = []
        if isinstance(documents, AsyncIterable):
            async for document in documents:
                batch.append(document)
                if len(batch) >= chunk:
                    for outcome in await self.arun(flows.bulk(self.unit, batch)):
                        yield outcome
                    batch = []
        else:
            source = iter(documents)
            while batch := list(itertools.islice(source, chunk)):
                for outcome in await self.arun(flows.bulk(self.unit, batch)):
                    yield outcome
        if batch:
            for outcome in await self.arun(flows.bulk(self.unit, batch)):
                yield outcome

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise unknown(self, name, _ELSEWHERE)

    # -- for what is mapped: documents, events, relations, and queries of them

    def run(self, flow: Flow[R]) -> R:
        """The result of a flow over this session's `unit`. Raises `SessionClosed` and `ConcurrentUse`."""
        if not self.unit.tracking or not self._enter(None):
            return run(flow, self.engine)
        try:
            return run(flow, self.engine)
        finally:
            self._exit()

    async def arun(self, flow: Flow[R]) -> R:
        """The same without blocking the event loop."""
        if not self.unit.tracking or not self._enter(_current_task()):
            return await arun(flow, self.engine)
        try:
            # Where an engine answers without waiting, another task would never meet this one: that a session
            # is shared should be told on every engine, or a test passes where a server fails.
            await _turn()
            return await arun(flow, self.engine)
        finally:
            self._exit()

    def _enter(self, task: Any) -> bool:
        """Claim the session; False where the same thread and task has it already, as a signal's receiver."""
        self.check_open()
        user = (get_ident(), task)
        if self._lock.acquire(False):
            self._user = user
            return True
        holder = self._user
        if holder is not None and holder[0] == user[0] and holder[1] in (None, _current_task()):
            return False
        raise ConcurrentUse(
            "this session is at work in another thread or task: give each its own Session; "
            "the engine may be shared"
        )

    def _exit(self) -> None:
        self._user = None
        self._lock.release()

    def check_open(self) -> None:
        """Raise `SessionClosed` where the session was closed."""
        if self.closed:
            raise SessionClosed("this session is closed: open another one with Session(engine)")

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.unit.identity)} documents"
        return f"<Session {state}>"


class Outcomes(Iterator[Outcome]):
    """The outcomes of `Session.bulk`, each document's when it is asked for."""

    def __init__(self, outcomes: Iterator[Outcome]) -> None:
        self._outcomes = outcomes
        self._asked = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome:
        self._asked = True
        return next(self._outcomes)

    def __del__(self) -> None:
        if not self._asked:
            _warn_of_bulk("for outcome in session.bulk(documents): ...")


class AsyncOutcomes(AsyncIterator[Outcome]):
    """The outcomes of `Session.abulk`."""

    def __init__(self, outcomes: AsyncIterator[Outcome]) -> None:
        self._outcomes = outcomes
        self._asked = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        self._asked = True
        return await anext(self._outcomes)

    def __del__(self) -> None:
        if not self._asked:
            _warn_of_bulk("async for outcome in session.abulk(documents): ...")


def _warn_of_bulk(remedy: str) -> None:
    warnings.warn(
        f"nothing was written: a bulk saves while its outcomes are asked for, as in `{remedy}`",
        RuntimeWarning,
        stacklevel=3,
    )


def bind(engine: Engine | None) -> None:
    """Make an engine the default, for calls outside of any session; None unbinds it."""
    context.set_default(None if engine is None else Session(engine, _tracking=False))


def retry(engine: Engine, function: Callable[[Session], R], attempts: int = 5) -> R:
    """What `function` returns, called with a fresh session that is then committed.

    After a `Conflict` it is called again, on another session that reads anew, up to `attempts` times in all;
    then the conflict is raised. It must not have other effects than through its session.
    """
    for attempt in range(1, _positive(attempts) + 1):
        try:
            with Session(engine) as session:
                return function(session)
        except Conflict:
            if attempt == attempts:
                raise
            time.sleep(_delay(attempt))
    raise AssertionError


async def aretry(engine: Engine, function: Callable[[Session], Awaitable[R]], attempts: int = 5) -> R:
    import asyncio  # a tenth of our own import, and whoever awaits has it already

    for attempt in range(1, _positive(attempts) + 1):
        try:
            async with Session(engine) as session:
                return await function(session)
        except Conflict:
            if attempt == attempts:
                raise
            await asyncio.sleep(_delay(attempt))
    raise AssertionError


@coroutine
def _turn() -> Generator[None, None, None]:
    """Let other tasks of the event loop run."""
    yield


def _current_task() -> Any:
    import asyncio

    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None


def _delay(attempt: int) -> float:
    # Full jitter: writers that met once should not meet again in step.
    return random.uniform(0, min(RETRY_DELAY_MAX, RETRY_DELAY * 2.0**attempt))


def _many(documents: Any) -> Any:
    if isinstance(documents, Iterable | AsyncIterable) and not isinstance(documents, str | bytes | Mapping):
        return documents
    raise UsageError(f"bulk takes documents one after another, as a list of them, not {shortened(documents)}")


def _positive(number: int) -> int:
    if type(number) is not int or number < 1:
        raise UsageError(f"expected a whole number from 1, not {number!r}")
    return number
