"""Connections and transactions: everything that is done *to* SQLite rather than asked of it.

Connections are pooled, last in first out, so that one thread keeps meeting the page cache it filled. One
thread of a process writes at a time, on a lock of ours: waiting on SQLite's own lock means sleeping and
looking again, which is for other processes. `memory:` is one connection that threads take turns on.

No connection is open while the process forks: what SQLite remembers of the locks of a process is copied, the
locks are not, so that a child would write without any, and lose that when the parent's last connection takes
the log away. The parent opens others when it goes on.

This is the one module that translates sqlite3's exceptions.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import quote

from ...errors import (
    CorruptDatabase,
    DatabaseBusy,
    DiskFull,
    OrcodmError,
    ReadOnly,
    SessionClosed,
    StorageError,
)
from .deadlines import Deadline
from .schema import check, migrate
from .texts import Damaged

R = TypeVar("R")
Operation = TypeVar("Operation")

Told: TypeAlias = tuple[int, tuple[Any, ...] | None]
"""An id, and the row that was written under it; None: it is gone."""

Synchronous = Literal["NORMAL", "FULL"]

BUSY_SECONDS: Final = 30.0
"""How long another writer is waited for (`DatabaseBusy` after that)."""

PAGE_BYTES: Final = 2_048
"""Of a new file. A save writes two pages to the log: half of SQLite's default is half as much to the disk."""

LOG_BYTES: Final = 2**24
"""So long may the log get before it is moved into the file, which is four times SQLite's default: what was
written many times is moved only once."""

STEPS: Final = 10_000
"""After so many instructions of SQLite's machine, a fraction of a millisecond, the clock is looked at."""

FORK_SECONDS: Final = 10.0
"""So long a fork waits for operations that are under way in other threads."""

POLL_SECONDS: Final = 0.002
"""How long to wait, at most, before the lock of writers is asked for again. SQLite waits ever longer, and
would hardly ever find it free where another process commits without a pause."""

LATELY: Final = 1_000
"""So many writes are remembered."""

LAST_SEQUENCE: Final = """
SELECT max(ifnull((SELECT max(seq) FROM versions), 0), ifnull((SELECT max(seq) FROM events), 0),
           ifnull((SELECT max(seq) FROM relations), 0), ifnull((SELECT max(seq) FROM erased), 0))
"""


class Connection(sqlite3.Connection):
    """A connection whose statements end at a deadline, where there is one."""

    deadline: Deadline | None = None

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # Not a bound method, which would be a circle, and keep the connection until it is collected.
        this = weakref.ref(self)
        self.set_progress_handler(lambda: _late(this()), STEPS)


def _late(connection: Connection | None) -> bool:
    return connection is not None and connection.deadline is not None and connection.deadline.passed()


class Cursor(sqlite3.Cursor):
    """The cursor that a connection keeps, so that not every statement has to make one."""

    last: tuple[int, int] | None = None
    """SQLite's number for what other connections have changed, and the last sequence number at that time."""


class Transaction:
    """A write transaction under way: one statement at a time goes through `execute` or `executemany`."""

    __slots__ = ("changed", "execute", "executemany", "now", "sequence", "told")

    def __init__(self, cursor: Cursor) -> None:
        self.execute = cursor.execute
        self.executemany = cursor.executemany
        self.now = int(time.time() * 1000)
        self.changed: int = cursor.execute("PRAGMA data_version").fetchone()[0]
        last = cursor.last
        self.sequence: int = (
            last[1]
            if last is not None and last[0] == self.changed
            else cursor.execute(LAST_SEQUENCE).fetchone()[0]
        )
        self.told: dict[int, Told] = {}
        """By sequence number what was written, as far as handlers say."""

    def advance(self) -> int:
        """The next sequence number."""
        self.sequence += 1
        return self.sequence


class Store:
    """The database file (None: in memory), from any thread and across forks."""

    def __init__(
        self,
        path: str | None,
        *,
        synchronous: Synchronous = "FULL",
        busy_seconds: float = BUSY_SECONDS,
        create: bool = True,
    ) -> None:
        self.path = path if path is None else os.path.realpath(path)
        if self.path is not None:
            _check_file(self.path, create)
        self._synchronous = synchronous
        self._busy_seconds = busy_seconds
        self._closed = False
        self._idle: list[Cursor] = []
        self._all: set[Cursor] = set()
        """The idle ones, and those in use."""
        self._opening = threading.Lock()
        self._forking: threading.Event | None = None
        self._forked_at_work = False
        self._abandoned = self._closing_what_is_left()
        self._writing = threading.Lock()
        self._turn = threading.RLock()
        self.taken = 0
        """How often a connection was taken: whether anybody is at work, for who wants to stand back."""
        self.lately: dict[int, Told] = {}
        """What handlers told of the last commits of this process, which a search then need not read."""
        self.after_fork: list[Callable[[], None]] = []
        """What else has to happen in the child of a fork."""
        with self._translated():
            cursor = self._open()
            self._all.add(cursor)
            connection = cursor.connection
            try:
                read_only = path is not None and connection.execute("PRAGMA query_only").fetchone()[0]
                (check if read_only else migrate)(connection, self.name)
                self.database: str = connection.execute(
                    "SELECT value FROM properties WHERE name = 'database'"
                ).fetchone()[0]
            except BaseException:
                self._close(cursor)
                raise
        self._idle.append(cursor)
        _stores.add(self)

    @property
    def name(self) -> str:
        return self.path or "memory:"

    @property
    def ready(self) -> bool:
        """Whether a read would not have to wait for another thread."""
        if self.path is not None:
            return True
        if free := self._turn.acquire(blocking=False):
            self._turn.release()
        return free

    def point(self, handler: Callable[[Cursor, Operation], R], operation: Operation) -> R:
        """Answer with a handler that needs one statement, which is its own transaction."""
        cursor = self._take()
        try:
            return handler(cursor, operation)
        except sqlite3.Error as error:
            raise self._translate(error) from error
        finally:
            self._give(cursor)

    @contextmanager
    def reading(self, deadline: Deadline | None = None) -> Iterator[Connection]:
        """A connection on which all statements see one state of the database, until a deadline.

        The deadline may be set, or moved, later: on the connection.
        """
        cursor = self._take()
        connection: Connection = cursor.connection  # type: ignore[assignment]
        try:
            cursor.execute("BEGIN")
            connection.deadline = deadline
            yield connection
        except sqlite3.Error as error:
            if connection.deadline is not None and _primary(error) == sqlite3.SQLITE_INTERRUPT:
                raise connection.deadline.error() from error
            raise self._translate(error) from error
        finally:
            connection.deadline = None
            _end(cursor, "COMMIT")
            self._give(cursor)

    def write(self, handler: Callable[[Transaction, Operation], R], operation: Operation) -> R:
        """Answer with a handler that writes: committed when it returns, nothing written when it raises."""
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise self._busy()
        try:
            cursor = self._take()
            try:
                self._begin(cursor)
                transaction = Transaction(cursor)
                result = handler(transaction, operation)
                cursor.last = None  # an exception may come between the commit and the next line
                cursor.execute("COMMIT")
                cursor.last = transaction.changed, transaction.sequence
                self._remember(transaction.told)
                return result
            except BaseException as error:
                _end(cursor, "ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._translate(error) from error
                raise
            finally:
                self._give(cursor)
        finally:
            self._writing.release()

    def _begin(self, cursor: Cursor) -> None:
        """Begin to write as soon as no other process does."""
        if self.path is None:
            cursor.execute("BEGIN IMMEDIATE")
            return
        deadline = time.monotonic() + self._busy_seconds
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    cursor.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(random.uniform(0, POLL_SECONDS))
                else:
                    return
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(1000 * self._busy_seconds)}")

    def _remember(self, told: dict[int, Told]) -> None:
        if len(told) + len(self.lately) > LATELY:
            self.lately = {}  # another one: a search may be looking at the old one
        if len(told) <= LATELY:
            self.lately.update(told)

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the file itself, as far as readers allow."""
        self.point(_checkpoint, None)

    def close(self) -> None:
        """Close every idle connection; those in use are closed as they come back."""
        self._closed = True
        with self._turn if self.path is None else nullcontext():
            self._close_idle()

    def _closing_what_is_left(self) -> weakref.finalize[..., Store]:
        # An engine that nobody closed must not leave open what Python 3.13 then complains of. Not at the end
        # of the process, where SQLite's own clean-up is enough and threads may still be at work.
        left = weakref.finalize(self, _close_all, self._idle)
        left.atexit = False
        return left

    # -- connections -------------------------------------------------------------------------------

    def _take(self) -> Cursor:
        if self.path is None:
            self._turn.acquire()
            if self._closed:
                self._turn.release()
                raise SessionClosed("the engine is closed")
            self.taken += 1
            return self._idle[0]
        if self._closed:
            raise SessionClosed("the engine is closed")
        if self._forking is not None:
            self._forking.wait()
        if self._forked_at_work:
            raise StorageError(
                f"{self.name}: this process was forked in the middle of an operation on it, so it cannot use "
                "it safely: fork between operations, or start processes with the method spawn"
            )
        self.taken += 1
        try:
            return self._idle.pop()
        except IndexError:
            with self._opening, self._translated():
                cursor = self._open()
                self._all.add(cursor)
                return cursor

    def _give(self, cursor: Cursor) -> None:
        if self.path is None:
            self._turn.release()
        else:
            self._idle.append(cursor)
            if self._closed:
                self.close()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._close(self._idle.pop())

    def _close(self, cursor: Cursor) -> None:
        cursor.connection.close()
        self._all.discard(cursor)

    def _open(self) -> Cursor:
        if self.path is None:
            connection = self._connect(":memory:")
            connection.execute("PRAGMA temp_store = MEMORY")
            return connection.cursor(Cursor)
        address = "file:" + quote(self.path)
        if not os.path.exists(self.path):
            directory = os.path.dirname(self.path)
            if not os.path.isdir(directory):
                raise StorageError(f"cannot create {self.path}: there is no directory {directory}")
        elif not os.access(self.path, os.W_OK) or not os.access(os.path.dirname(self.path), os.W_OK):
            return self._open_read_only(address).cursor(Cursor)
        connection = self._connect(address)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # means nothing to a file that is there
            self._write_ahead(connection)
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA cache_size = -32768")
            page_bytes: int = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // page_bytes}")
        except BaseException:
            connection.close()
            raise
        return connection.cursor(Cursor)

    def _open_read_only(self, address: str) -> sqlite3.Connection:
        # Readers of a write-ahead log need its index file, which may neither exist nor be creatable here.
        # A file that nobody can have open for writing may be read without.
        for mode in ("mode=ro", "immutable=1"):
            connection = self._connect(f"{address}?{mode}")
            try:
                connection.execute("PRAGMA query_only = ON")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            except sqlite3.OperationalError:
                connection.close()
                if mode == "immutable=1" or Path(f"{self.path}-wal").exists():
                    raise
            else:
                return connection
        raise AssertionError("unreachable")

    def _connect(self, address: str) -> sqlite3.Connection:
        return sqlite3.connect(
            address,
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=Connection,
        )

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        # Changing the mode of a new file does not wait for another process that is doing the same.
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                return

    # -- forks -------------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        """Have no operation under way, and no connection open."""
        deadline = time.monotonic() + FORK_SECONDS
        if self.path is None:  # which is copied with the process
            self._turn.acquire(timeout=FORK_SECONDS)
            return
        self._forking = threading.Event()
        self._opening.acquire(timeout=FORK_SECONDS)
        self._close_idle()
        while self._all and time.monotonic() < deadline:
            time.sleep(0.001)
            self._close_idle()

    def _after_fork_in_parent(self) -> None:
        if self.path is None:
            with suppress(RuntimeError):  # it was not to be had
                self._turn.release()
        elif self._forking is not None:
            with suppress(RuntimeError):
                self._opening.release()
            self._forking.set()
            self._forking = None

    def _after_fork_in_child(self) -> None:
        if self._all and self.path is not None:
            # They must not be used here, nor closed: that would drop the parent's locks.
            self._abandoned.detach()
            _inherited.append(self._all)
            self._all, self._idle, self._forked_at_work = set(), [], True
        self._forking = None
        self._writing = threading.Lock()
        self._opening = threading.Lock()
        self._turn = threading.RLock()
        for renew in self.after_fork:
            renew()

    # -- errors ------------------------------------------------------------------------------------

    def damaged(self, damaged: Damaged) -> CorruptDatabase:
        """The error for a stored text that is damaged, with the place that it is found at."""
        found: Any = None
        with self.reading() as connection:
            for table in ("versions", "events", "relations"):
                found = (
                    found
                    or connection.execute(
                        f"SELECT collection, key, ref FROM {table} WHERE value = ?",
                        (bytearray(damaged.text),),
                    ).fetchone()
                )
        collection, key, ref = found or ("?", "?", "?")
        error = CorruptDatabase(
            f"{self.name}: what is stored at {collection}/{key} as {ref} is damaged ({damaged}); all else "
            "can be read: orcodm verify names what is damaged, and orcodm export leaves it out"
        )
        error.path = {"collection": collection, "key": key, "ref": ref}
        error.beyond = damaged.beyond
        return error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def _busy(self) -> DatabaseBusy:
        return DatabaseBusy(
            f"{self.name}: another writer held the database for more than {self._busy_seconds:g} seconds"
        )

    def _translate(self, error: sqlite3.Error) -> OrcodmError:
        if self._closed:
            return SessionClosed("the engine is closed")
        extended = getattr(error, "sqlite_errorcode", None) or 0
        primary = extended & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self._busy()
        if primary == sqlite3.SQLITE_FULL or extended in _NO_ROOM:
            return DiskFull(f"{self.name}: there is no room for the write, so nothing of it was stored")
        if primary == sqlite3.SQLITE_READONLY:
            return ReadOnly(f"{self.name} cannot be written to: {error}")
        if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return CorruptDatabase(f"{self.name} is damaged or no database: {error}")
        if primary == sqlite3.SQLITE_CANTOPEN:
            return StorageError(f"{self.name} cannot be opened: {error}")
        return StorageError(f"{self.name}: {error} ({getattr(error, 'sqlite_errorname', 'no code')})")


# A write that fails for another reason than ENOSPC (a quota, a limit on the size of files) is an I/O error to
# SQLite, and a lack of room to everybody else.
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})


def _primary(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _end(cursor: Cursor, word: str) -> None:
    # Some errors (a full disk among them) have rolled the transaction back already.
    if cursor.connection.in_transaction:
        with suppress(sqlite3.Error):
            cursor.execute(word)


def _check_file(path: str, create: bool) -> None:
    """Look at a file before SQLite does. Raises `StorageError`."""
    try:
        found = os.stat(path)
    except OSError:
        if create:
            return
        raise StorageError(f"no such file: {path}") from None
    if stat.S_ISDIR(found.st_mode):
        raise StorageError(f"{path} is a directory: name the file of the database")
    if found.st_nlink > 1:
        # SQLite keeps a log for each name: writers by two names would lose each other's commits.
        raise StorageError(
            f"{path} has {found.st_nlink} names (hard links), and writers that use different ones would lose "
            "each other's commits: remove the others, or make them symbolic links"
        )
    if not create and found.st_size == 0:
        raise StorageError(f"{path} is empty: there is no database in it")


def _close_all(cursors: list[Cursor]) -> None:
    while cursors:
        cursors.pop().connection.close()


def _checkpoint(cursor: Cursor, operation: None) -> None:
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_inherited: list[set[Cursor]] = []


def _with_all(do: Callable[[Store], None]) -> Callable[[], None]:
    def with_all() -> None:
        for store in list(_stores):
            do(store)

    return with_all


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_with_all(Store._before_fork),
        after_in_parent=_with_all(Store._after_fork_in_parent),
        after_in_child=_with_all(Store._after_fork_in_child),
    )
