"""The embedded engine: a table from operation to handler, and who runs a handler how.

A handler is a function of a cursor, connection or transaction and an operation. POINT handlers need one
statement, READ handlers one state of the database over several, WRITE handlers a transaction that commits
when they return, SEARCH handlers the search index as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from attrs import frozen

from ...engine import Capabilities, Closing
from ...errors import (
    Aborted,
    InvalidValue,
    OrcodmError,
    SessionClosed,
    StorageError,
    Unsupported,
)
from ...operations import (
    MAX_RESULTS,
    Batch,
    BatchResult,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    Dump,
    Get,
    GetEvent,
    GetRelation,
    IfAbsent,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    ListTerms,
    Operation,
    Patch,
    PatchEvent,
    Ping,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Restore,
    Search,
    Write,
    Written,
)
from . import events, items, records, relations, search, suggestions
from .deadlines import SEARCH_SECONDS, ReadDeadline
from .store import BUSY_SECONDS, Cursor, Store, Synchronous, Transaction
from .texts import Damaged

if TYPE_CHECKING:
    from .workers import Workers

R = TypeVar("R")


class How(Enum):
    """What a handler needs."""

    POINT = "one statement"
    READ = "one state of the database"
    WRITE = "a transaction"
    SEARCH = "the search index"


@frozen
class Handler:
    how: How
    function: Callable[..., Any]


class EmbeddedEngine(Closing):
    """SQLite holds the data, Tantivy the search index. `path` None keeps both for this object only.

    Safe to share between threads, tasks and processes, also forked ones. Raises `StorageError` or one
    of its subclasses where the file cannot be opened.
    """

    capabilities = Capabilities(
        atomic_batch=True,
        keyset=True,
        ref_chain=True,
        max_limit=MAX_RESULTS,
        own_writes=True,
        records=True,
        terms=True,
        long_queries=True,
        local=True,
        casts=True,
    )

    def __init__(
        self,
        path: str | None = None,
        *,
        synchronous: Synchronous = "FULL",
        busy_seconds: float = BUSY_SECONDS,
        search_seconds: float = SEARCH_SECONDS,
        create: bool = True,
    ) -> None:
        self._store = Store(path, synchronous=synchronous, busy_seconds=busy_seconds, create=create)
        self._searcher = search.Searcher(self._store, search_seconds)
        self._workers: Workers | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._store.after_fork.append(self._forked)

    def __repr__(self) -> str:
        return f"EmbeddedEngine({self._store.name!r})"

    def execute(self, operation: Operation[R], /) -> R:
        """The answer to an operation, from any thread."""
        try:
            handler = HANDLERS[type(operation)]
        except KeyError:
            raise Unsupported(f"the embedded engine does not know {operation!r}") from None
        try:
            return self._handle(handler, operation)
        except Damaged as damaged:
            raise self._store.damaged(damaged) from None

    def _handle(self, handler: Handler, operation: Operation[R]) -> R:
        how = handler.how
        if how is How.POINT:
            return self._store.point(handler.function, operation)  # type: ignore[no-any-return]
        if how is How.WRITE:
            try:
                return self._store.write(handler.function, operation)  # type: ignore[no-any-return]
            except _Failed as failed:
                return failed.outcome  # type: ignore[return-value]
        if how is How.READ:
            deadline = ReadDeadline(operation, self._searcher.seconds)
            with self._store.reading(deadline) as connection:
                return handler.function(connection, operation)  # type: ignore[no-any-return]
        return handler.function(self._searcher, operation)  # type: ignore[no-any-return]

    async def aexecute(self, operation: Operation[R], /) -> R:
        """The answer to an operation; only reads of one row, which take microseconds, run on the loop."""
        if type(operation) in INLINE and self._store.ready:
            return self.execute(operation)
        return await self._running_workers().run(self.execute, operation, type(operation) in LENGTHY)

    def reindex(self) -> None:
        """Make the search index anew from the data.

        It is never needed, since a damaged index is noticed; it is for whoever wants to see that.
        """
        self._searcher.current.rebuild()

    def close(self) -> None:
        """Close the file. Later operations raise `SessionClosed`; closing again does nothing."""
        with self._starting:
            self._closed = True
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.shutdown()
        self._searcher.close()
        self._store.close()

    async def aclose(self) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    def _forked(self) -> None:
        # The threads stayed with the parent, and one of them may have held the lock.
        self._workers = None
        self._starting = threading.Lock()

    def _running_workers(self) -> Workers:
        with self._starting:
            if self._closed:
                raise SessionClosed("the engine is closed")
            if self._workers is None:
                from .workers import Workers  # it imports asyncio, which others should not wait for

                self._workers = Workers()
            return self._workers


def ping(cursor: Cursor, operation: Ping) -> None:
    cursor.execute("SELECT 1").fetchone()


def batch(transaction: Transaction, operation: Batch) -> BatchResult:
    if (created := _created(transaction, operation.operations)) is not None:
        return BatchResult(created)
    outcomes: list[Any] = []
    failed = False
    for write in operation.operations:
        try:
            outcomes.append(HANDLERS[type(write)].function(transaction, write))
        except StorageError:
            raise
        except OrcodmError as error:
            # The following are tried all the same, so that every conflict is reported at once.
            outcomes.append(error)
            failed = True
    result = BatchResult(outcomes)
    if failed:
        raise _Failed(result)
    return result


def _created(transaction: Transaction, writes: Sequence[Write]) -> list[Written] | None:
    """The results where all are new items, which go faster together; None where it takes one by one."""
    if len(writes) < 2 or not all(type(one) is Put and type(one.condition) is IfAbsent for one in writes):
        return None
    try:
        return items.create(transaction, cast("Sequence[Put]", writes))
    except InvalidValue:
        return None


class _Failed(Exception):
    """Carries the outcomes of a batch past the end of its transaction, which it thereby rolls back."""

    def __init__(self, result: BatchResult) -> None:
        super().__init__()
        self.outcome = BatchResult(
            outcome
            if isinstance(outcome, OrcodmError)
            else Aborted("not written, because another operation of the same batch failed")
            for outcome in result.outcomes
        )


HANDLERS: Final[dict[type[Operation[Any]], Handler]] = {
    Ping: Handler(How.POINT, ping),
    Get: Handler(How.POINT, items.get),
    Put: Handler(How.WRITE, items.put),
    Post: Handler(How.WRITE, items.post),
    Patch: Handler(How.WRITE, items.patch_item),
    Delete: Handler(How.WRITE, items.delete),
    DeleteCollection: Handler(How.WRITE, items.delete_collection),
    List: Handler(How.READ, items.list_),
    ListRefs: Handler(How.READ, items.list_refs),
    Search: Handler(How.SEARCH, search.search),
    ListTerms: Handler(How.SEARCH, suggestions.list_terms),
    PostEvent: Handler(How.WRITE, events.post_event),
    GetEvent: Handler(How.POINT, events.get_event),
    PutEvent: Handler(How.WRITE, events.put_event),
    PatchEvent: Handler(How.WRITE, events.patch_event),
    DeleteEvent: Handler(How.WRITE, events.delete_event),
    ListEvents: Handler(How.READ, events.list_events),
    PutRelation: Handler(How.WRITE, relations.put_relation),
    GetRelation: Handler(How.POINT, relations.get_relation),
    DeleteRelation: Handler(How.WRITE, relations.delete_relation),
    ListRelations: Handler(How.READ, relations.list_relations),
    Dump: Handler(How.READ, records.dump),
    Restore: Handler(How.WRITE, records.restore),
    Batch: Handler(How.WRITE, batch),
}

INLINE: Final = frozenset({Ping, Get, GetEvent, GetRelation})

LENGTHY: Final = frozenset({Search, ListTerms, ListRelations})
"""What may take as long as a search is allowed to; of relations a walk."""
