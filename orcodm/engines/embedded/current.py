"""Search that is fresh: the index, and beside it the documents that it has not seen.

Everything the database committed after the index's `applied` is *pending*: kept in memory, read once,
and evaluated by each query beside the index, whose own hits for these documents are passed over. A save
thus costs no commit of the index. When queries have spent as long on them as indexing them takes, a thread
brings the index up to date; when there are so many that evaluating them would be slow, the search does so
itself and waits. Where that is impossible (a read-only directory, another process that keeps the writer)
queries read the whole collection, which is slow and correct.

The order of steps is what makes it right: first the searcher and its `applied` are taken, then the database
is looked at. So the index never holds anything that this look at the database does not.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import tantivy
from attrs import define, frozen

from ...errors import OrcodmError, ReadOnly, SessionClosed
from ...lucene.entries import Entry
from ...lucene.entries import entry as flatten
from .documents import Latest, Stored, changes, entries, index_mark, latest, mark_indexed
from .index import Generation, IndexDirectory, IndexFailure, Writer, WriterBusy
from .layout import Layout
from .store import LATELY, Connection, Store

R = TypeVar("R")

_log = logging.getLogger("orcodm.index")

FEW: Final = 500
"""So many documents are evaluated without an index being there at all."""
SOME: Final = 1_000
"""So many pending ones start the thread, where there is an index."""
COMMIT: Final = 200
"""A commit of the index takes as long as indexing so many documents."""
MANY: Final = 2_500
"""More than so many pending ones are waited for."""
READING: Final = 4
"""So many documents are read and evaluated in the time that it takes to index one."""
SCREENING: Final = 10
"""So many documents are screened in the time that it takes to read one and look inside."""
BREATH: Final = 16
"""After so many documents the thread stands back, if anybody is at work: it only prepares, they wait."""
STANDING_BACK: Final = 0.001
"""Seconds; Python's own turns are five times as long."""
WINDOW: Final = 5_000
"""Sequence numbers that are read at once while catching up."""
PATIENCE: Final = 10.0
"""Seconds to wait for another process that is indexing."""
PAUSE: Final = 5.0
"""Seconds until indexing is tried again after it failed."""
REFUSED_QUERIES: Final = 1_000
"""How many texts of queries are remembered that the index cannot answer."""


@define(eq=False)
class Pending:
    """What a document became since `applied`; `stored` is None where it is gone."""

    seq: int
    stored: Stored | None
    _entry: Entry | None = None

    @property
    def entry(self) -> Entry:
        """Made when somebody looks inside, and once."""
        if self._entry is None:
            self._entry = _GONE if self.stored is None else self.stored.entry()
        return self._entry

    @staticmethod
    def look_inside(several: Iterable[Pending]) -> None:
        """Make the entries of several that are not gone, for less than one by one."""
        found = [(one, one.stored) for one in several if one._entry is None and one.stored is not None]
        for (one, _), entry in zip(found, entries([stored for _, stored in found]), strict=True):
            one._entry = entry


@define(eq=False)
class Progress:
    """How far the index is, and what is beyond it. Another index state is another object."""

    searcher: tantivy.Searcher | None = None
    layout: Layout = attrs.field(factory=Layout)
    last: int = 0
    """No document of the index has a greater id."""
    applied: int = 0
    upto: int = 0
    pending: dict[int, Pending] = attrs.field(factory=dict)
    """Changed only while no search looks at it, else replaced."""
    looked: float = 0
    """How often queries had to look inside of a pending document, or took as long to screen some."""
    readers: int = 0
    holders: dict[str, dict[str, set[int]] | int] = attrs.field(factory=dict)
    """For fields that were asked for: from a string to the pending documents that have, or had, it. At first
    how many documents were screened for want of that."""
    known: dict[Any, Any] = attrs.field(factory=dict)
    """What searches found out about this state of the index, for the next ones."""

    def extend(self, changed: Mapping[int, Pending], upto: int) -> None:
        if self.readers:
            self.pending = dict(self.pending)
        self.pending.update(changed)
        self.upto = upto
        for field, holders in self.holders.items():
            if not isinstance(holders, int):
                _hold(holders, field, changed)


@frozen
class View:
    """One state of the database and of the index, for one search. Without `complete`, read everything."""

    connection: Connection
    progress: Progress
    pending: Mapping[int, Pending]
    sequence: int
    complete: bool = True

    @property
    def searcher(self) -> tantivy.Searcher | None:
        return self.progress.searcher

    @property
    def layout(self) -> Layout:
        return self.progress.layout

    @property
    def applied(self) -> int:
        return self.progress.applied

    def stale(self) -> list[int]:
        """The ids of pending documents that the index may have, as they were."""
        return [identity for identity in self.pending if identity <= self.progress.last]


class Current:
    """The index of one database and what is beyond it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._temporary: str | None = None
        self._reset()
        store.after_fork.append(self._forked)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._indexing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._opened = False
        self._closed = False
        self._failed_at = -PAUSE
        self._generation: Generation | None = None
        self._progress = Progress()
        self._refused: set[str] = set()
        self._directory: IndexDirectory | None = None

    @contextmanager
    def view(self, *, indexed: bool = True, ranked: bool = True) -> Iterator[View]:
        """A consistent view of everything that was committed before.

        One that need not be `ranked` is not waited for where reading everything takes less time.
        """
        if not indexed:
            with self._store.reading() as connection:
                yield View(connection, Progress(), {}, 0, complete=False)
            return
        if not self._opened:
            self._open()
        deadline = time.monotonic() + PATIENCE
        while True:
            with self._store.reading() as connection:
                view = self._look(connection)
                if view is None:
                    continue
                try:
                    waited = time.monotonic() > deadline
                    if view.complete or waited or (not ranked and self._faster_read(view)):
                        yield view
                        break
                finally:
                    with self._lock:
                        view.progress.readers -= 1
            if not self._wait():
                deadline = 0
        if self._worth_indexing(view):
            self._start()

    def ask(self, query: str, answer: Callable[[View], R], *, ranked: bool = True) -> R:
        """What is answered from a view; from one without an index, where the index fails the query."""
        try:
            with self.view(ranked=ranked) as view:
                return answer(view)
        except IndexFailure:
            self._fail(query)
        with self.view(indexed=False) as view:
            return answer(view)

    def _faster_read(self, view: View) -> bool:
        """Whether reading all documents takes less time than indexing those that are not."""
        missing = view.sequence - self._progress.applied
        return missing * READING > view.sequence and not self._indexing.locked()

    def _worth_indexing(self, view: View) -> bool:
        if not view.complete:
            return True
        if view.searcher is None:
            return len(view.pending) > FEW
        pending = len(view.pending)
        return pending > SOME or view.progress.looked > READING * (pending + COMMIT)

    def rebuild(self) -> None:
        """Make the index anew from the data."""
        if not self._opened:
            self._open()
        with self._indexing:
            self._catch_up(anew=True)

    def _fail(self, query: str) -> None:
        """The index failed a query: where its files are damaged, the next search rebuilds it.

        Where they are not, the query is too much for any index, and the files are not looked at for it again.
        """
        with self._lock:
            generation, directory = self._generation, self._directory
            if query in self._refused or generation is None or directory is None:
                return
            if directory.damaged(generation):
                _log.warning("the search index of %s is damaged, and is rebuilt", self._store.name)
                self._generation = None
                self._progress = Progress()
                directory.forget()
                return
            if len(self._refused) >= REFUSED_QUERIES:
                self._refused.clear()
            self._refused.add(query)
            _log.warning("the search index cannot answer %.200r: all documents are evaluated", query)

    def close(self) -> None:
        """Stop indexing, and remove what a database in memory had on disk."""
        self._closed = True
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._generation = None
        self._progress = Progress()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _forked(self) -> None:
        """In the child of a fork: no thread came along, and the index is opened again."""
        self._temporary = None  # the parent's to remove
        self._reset()

    # -- looking -----------------------------------------------------------------------------------

    def _look(self, connection: Connection) -> View | None:
        """The view of this transaction; None if another thread is further than it: look again."""
        progress = self._progress
        last = latest(connection)
        sequence = last.sequence
        with self._lock:
            if progress is not self._progress or sequence < progress.upto:
                return None
            if sequence > progress.upto:
                if sequence - progress.upto > 2 * MANY:
                    return View(connection, Progress(), {}, sequence, complete=False)
                changed = self._told(progress.upto, sequence)
                if changed is None:
                    changed = _pending(connection, progress.upto, last)
                progress.extend(changed, sequence)
            pending = progress.pending
            progress.readers += 1
        return View(connection, progress, pending, sequence, complete=len(pending) <= MANY)

    def _told(self, after: int, upto: int) -> dict[int, Pending] | None:
        """What became of every id between two numbers of writes; None where not all were told here."""
        lately, changed = self._store.lately, {}
        if upto - after > LATELY:
            return None
        for seq in range(after + 1, upto + 1):
            if (told := lately.get(seq)) is None:
                return None
            identity, row = told
            changed[identity] = Pending(seq, None if row is None else Stored(*row))
        return changed

    def holding(self, view: View, field: str, text: str) -> Collection[Pending]:
        """The pending documents that may have this string in a field: few of them, where that is known."""
        with self._lock:
            progress = view.progress
            holders = progress.holders.get(field, 0)
            if isinstance(holders, int):
                if holders <= SCREENING * len(progress.pending):
                    progress.holders[field] = holders + len(view.pending)
                    return view.pending.values()
                holders = progress.holders[field] = {}
                for pending in (view.pending, progress.pending):  # others may be further than this view
                    _hold(holders, field, pending)
            ids = sorted(holders.get(text, ()))
        return [view.pending[identity] for identity in ids if identity in view.pending]

    # -- indexing ----------------------------------------------------------------------------------

    def _open(self) -> None:
        with self._indexing:
            if self._opened:
                return
            if self._store.path is not None:
                self._directory = IndexDirectory(Path(f"{self._store.path}-index"), self._store.database)
                state = self._state(self._directory)
                generation = None if state is None else self._directory.open(state)
                if generation is not None:
                    self._adopt(generation)
            self._opened = True

    def _start(self) -> None:
        if self._indexing.locked() or self._closed or time.monotonic() < self._failed_at + PAUSE:
            return
        self._thread = threading.Thread(target=self._in_background, name="orcodm-index", daemon=True)
        self._thread.start()

    def _in_background(self) -> None:
        if self._indexing.acquire(blocking=False):
            try:
                self._catch_up()
            except (SessionClosed, WriterBusy):
                pass
            except OrcodmError as error:
                # A search says what is wrong where it matters; without an index it is only slower.
                _log.warning(
                    "the search index of %s cannot be brought up to date: %s", self._store.name, error
                )
                self._failed_at = time.monotonic()
            except Exception:
                _log.exception("the search index of %s cannot be brought up to date", self._store.name)
                self._failed_at = time.monotonic()
            finally:
                self._indexing.release()

    def _wait(self) -> bool:
        """Bring the index up to date before going on; False where that cannot be done now."""
        if time.monotonic() < self._failed_at + PAUSE:
            return False
        with self._indexing:
            try:
                self._catch_up()
            except WriterBusy:
                time.sleep(0.05)
            except IndexFailure:
                self._failed_at = time.monotonic()
                return False
        return True

    def _catch_up(self, anew: bool = False) -> None:
        directory = self._directory
        if directory is None:
            self._temporary = tempfile.mkdtemp(prefix="orcodm-")
            directory = self._directory = IndexDirectory(Path(self._temporary), self._store.database)
        with directory.locked():
            generation = None if anew else self._refreshed(directory)
            if generation is None:
                generation = directory.begin()
            with directory.writing(generation) as writer:
                applied = self._apply(writer, generation.applied)
                if applied == generation.applied:
                    return
                writer.commit(applied, self._mark(directory))
                generation.reload(applied, generation.layout)
                self._adopt(generation)

    def _mark(self, directory: IndexDirectory) -> str | None:
        """Leave in the database what the state of the index will name: see `IndexDirectory`."""
        if self._store.path is None:
            return None
        mark = secrets.token_hex(8)
        directory.announce(mark)
        try:
            self._store.write(mark_indexed, mark)
        except ReadOnly:
            with self._store.reading() as connection:
                return index_mark(connection)
        return mark

    def _refreshed(self, directory: IndexDirectory) -> Generation | None:
        """The valid generation, as far as another process may have brought it."""
        generation = self._generation
        state = self._state(directory)
        if state is None:
            return None
        if generation is None or generation.name != state["generation"]:
            generation = directory.open(state)
            if generation is not None:
                self._adopt(generation)
        elif state["applied"] > generation.applied:
            generation.reload(state["applied"], Layout(state["layout"]))
            self._adopt(generation)
        return generation

    def _state(self, directory: IndexDirectory) -> dict[str, Any] | None:
        """The state of the index, if it is one of this database's past and not of another's future."""
        state = directory.state()
        while state is not None:
            with self._store.reading() as connection:
                last, mark = latest(connection).sequence, index_mark(connection)
            if state["applied"] <= last and mark in (state["mark"], state["next"]):
                return state
            before, state = state, directory.state()  # another process may just have gone on
            if state == before:
                return None
        return None

    def _apply(self, writer: Writer, applied: int) -> int:
        """Hand the writer every change after `applied`; returns the last one's number."""
        while not self._closed:
            with self._store.reading() as connection:
                last = latest(connection).sequence
                upto = min(last, applied + WINDOW)
                changed = changes(connection, applied, upto)
            known = self._progress.pending
            taken = self._store.taken
            for number, (identity, stored) in enumerate(changed.items()):
                if number % BREATH == 0 and taken != self._store.taken and self._in_thread():
                    taken = self._store.taken
                    time.sleep(STANDING_BACK)
                if stored is None:
                    writer.delete(identity)
                    continue
                pending = known.get(identity)
                same = pending is not None and pending.stored == stored
                writer.put(stored, pending.entry if pending and same else stored.entry())
            applied = upto
            if applied == last:
                return applied
        raise SessionClosed("the engine is closed")

    def _in_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _adopt(self, generation: Generation) -> None:
        """From now on this generation answers, and what it contains is no longer pending."""
        applied = generation.applied
        with self._lock:
            old = self._progress
            self._generation = generation
            left = {identity: one for identity, one in old.pending.items() if one.seq > applied}
            self._progress = Progress(
                generation.searcher, generation.layout, generation.last, applied, max(applied, old.upto), left
            )


_GONE: Final = flatten("", {}, None)


def _hold(holders: dict[str, set[int]], field: str, changed: Mapping[int, Pending]) -> None:
    for identity, pending in changed.items():
        for leaf in pending.entry.values(field):
            if type(leaf) is str:
                holders.setdefault(leaf, set()).add(identity)


def _pending(connection: sqlite3.Connection, after: int, upto: Latest) -> dict[int, Pending]:
    return {
        # Of what is gone the number is not known; the last one it can be is safe.
        identity: Pending(upto.sequence if stored is None else stored.seq, stored)
        for identity, stored in changes(connection, after, upto).items()
    }
