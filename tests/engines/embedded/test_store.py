"""The file: its version, its damage, its limits, and several processes and threads in it at once."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.engines.connect import connect
from orcodm.engines.embedded import schema, store
from orcodm.engines.embedded.engine import HANDLERS, EmbeddedEngine
from orcodm.engines.embedded.records import _PHASES
from orcodm.engines.embedded.relations import _walk
from orcodm.errors import (
    Conflict,
    CorruptDatabase,
    DatabaseBusy,
    DiskFull,
    NewerDatabase,
    NotFound,
    OrcodmError,
    ReadOnly,
    SessionClosed,
    StorageError,
)
from orcodm.operations import (
    Batch,
    Delete,
    Dump,
    Get,
    IfAbsent,
    IfMatch,
    Item,
    List,
    ListRefs,
    ListRelations,
    Ping,
    Put,
    PutRelation,
    all_operations,
)
from orcodm.refs import tombstone_ref, value_ref


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def engine(path: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(str(path))
    yield engine
    engine.close()


def put(engine: EmbeddedEngine, key: str, value: object, condition: object = None) -> str:
    return engine.execute(
        Put(collection="things", key=key, value=value, condition=condition)  # type: ignore[arg-type]
    ).ref


def get(engine: EmbeddedEngine, key: str) -> Item:
    return engine.execute(Get(collection="things", key=key))


def test_every_operation_has_a_handler() -> None:
    assert set(HANDLERS) == set(all_operations())


def test_refs_are_the_chain_also_over_tombstones(engine: EmbeddedEngine) -> None:
    first = put(engine, "a", {"n": 1})
    engine.execute(Delete(collection="things", key="a"))
    second = put(engine, "a", {"n": 1}, IfAbsent())
    assert first == value_ref(None, {"n": 1})
    assert second == value_ref(tombstone_ref(first), {"n": 1})
    versions = engine.execute(ListRefs(collection="things", key="a")).results
    assert [(version.ref, version.deleted) for version in versions] == [
        (second, False),
        (None, True),
        (first, False),
    ]
    with pytest.raises(NotFound):
        engine.execute(Get(collection="things", key="a", ref=tombstone_ref(first)))


def test_a_purge_starts_the_chain_anew(engine: EmbeddedEngine) -> None:
    first = put(engine, "a", 1)
    put(engine, "a", 2)
    engine.execute(Delete(collection="things", key="a", purge=True))
    with pytest.raises(NotFound):
        engine.execute(ListRefs(collection="things", key="a"))
    assert put(engine, "a", 1) == first
    assert len(engine.execute(ListRefs(collection="things", key="a")).results) == 1


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}"])
def test_any_key_and_value_survives(url: str, path: Path) -> None:
    values = [None, 2**64, -(2**63), 10**400, 1.5, "\0", "😀\u2028", {"": [{"\0": 10**30}]}, [[]] * 3]
    keys = ["\0", "a\0b", "a", "%2F/.", "..", "😀", "\U0010ffff", "ä", "a'--"]
    engine = connect(url.format(path))
    for key, value in zip(keys, values, strict=True):
        engine.execute(Put(collection="\0c", key=key, value=value))
    for key, value in zip(keys, values, strict=True):
        assert engine.execute(Get(collection="\0c", key=key)).value == value
    assert [item.key for item in engine.execute(List(collection="\0c")).results] == sorted(keys)
    engine.close()


def test_a_failed_batch_writes_nothing_and_names_every_failure(engine: EmbeddedEngine) -> None:
    put(engine, "old", 1)
    result = engine.execute(
        Batch(
            [
                Put(collection="things", key="new", value=1),
                Put(collection="things", key="old", value=2, condition=IfMatch("0")),
                Put(collection="things", key="new", value=2, condition=IfAbsent()),
                Put(collection="things", key="new", value=float("nan")),
            ]
        )
    )
    assert [type(outcome).__name__ for outcome in result.outcomes] == [
        "Aborted",
        "Conflict",
        "AlreadyExists",
        "InvalidValue",
    ]
    with pytest.raises(NotFound):
        get(engine, "new")


@pytest.mark.parametrize("size", [None, 4096])
def test_the_log_is_as_long_in_a_file_with_other_pages(
    path: Path, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if size is not None:  # as in the files of before
        monkeypatch.setattr(store, "PAGE_BYTES", size)
        EmbeddedEngine(str(path)).close()
        monkeypatch.undo()
    engine = EmbeddedEngine(str(path))
    put(engine, "a", "x" * 10_000)
    connection = engine._store._idle[0].connection
    pages = connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert connection.execute("PRAGMA page_size").fetchone()[0] == (size or store.PAGE_BYTES)
    assert pages * (size or store.PAGE_BYTES) == store.LOG_BYTES
    assert get(engine, "a").value == "x" * 10_000
    engine.close()


STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["put", "fail", "delete", "purge"])), max_size=12
)


@given(STEPS)
def test_engines_that_write_by_turns_each_know_how_far_the_file_is(steps: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engines = [EmbeddedEngine(os.path.join(folder, "app.db"), synchronous="NORMAL") for _ in range(2)]
        history: list[int | None] = []
        for moment, (number, step) in enumerate([*steps, (0, "put"), (1, "put")]):
            if step == "put":
                put(engines[number], "a", moment)
                history.append(moment)
            elif step == "fail":
                with pytest.raises(Conflict):
                    put(engines[number], "a", 0, IfMatch("0a"))
            else:
                engines[number].execute(Delete(collection="things", key="a", purge=step == "purge"))
                if step == "purge":
                    history.clear()
                elif history and history[-1] is not None:
                    history.append(None)
        found = engines[0].execute(ListRefs(collection="things", key="a", limit=100, values=True)).results
        assert [version.value for version in reversed(found)] == history
        for engine in engines:
            engine.close()


def test_a_closed_engine_says_so(path: Path) -> None:
    engine = EmbeddedEngine(str(path))
    engine.close()
    engine.close()
    with pytest.raises(SessionClosed):
        engine.execute(Ping())
    memory = EmbeddedEngine()
    memory.close()
    with pytest.raises(SessionClosed):
        memory.execute(Put(collection="a", key="b", value=1))


def test_a_version_that_is_written_between_two_pages_repeats_none(path: Path) -> None:
    engine = EmbeddedEngine(str(path))
    refs = [put(engine, "a", n) for n in range(7)]
    page = engine.execute(ListRefs(collection="things", key="a", limit=3))
    put(engine, "a", "new")
    assert page.next is not None
    assert [version.ref for version in engine.execute(page.next).results] == refs[3:0:-1]
    engine.close()


# -- versions and damage ---------------------------------------------------------------------------


def test_an_older_file_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EmbeddedEngine(str(path))
    put(engine, "a", 1)
    engine.close()

    def add_notes(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE notes (text TEXT)")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_notes))
    engine = EmbeddedEngine(str(path))
    assert get(engine, "a").value == 1
    engine.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert connection.execute("SELECT * FROM notes").fetchall() == []
    connection.close()


def test_a_file_of_the_first_version_gets_its_index(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        engine = EmbeddedEngine(str(path))
        put(engine, "a", 1)
        engine.execute(
            PutRelation(collection="things", key="a", kind="self", to_collection="things", to_key="a")
        )
        engine.close()
    engine = EmbeddedEngine(str(path))
    (version, relation) = engine.execute(Dump()).results
    assert (version.key, relation.kind) == ("a", "self")
    with engine._store.reading() as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {_PHASES['relations'].format('')}", (0,)).fetchall()
    assert [step[3] for step in plan] == ["SEARCH relations USING INDEX relations_by_age (id>?)"]
    engine.close()


def test_a_walk_in_a_file_of_the_second_version_does_not_lead_through_what_was_purged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EmbeddedEngine(str(path))
    for key, to in (("a", "b"), ("b", "c"), ("c", "a")):
        for one in (key, to):
            put(engine, one, 1)
        engine.execute(
            PutRelation(collection="things", key=key, kind="next", to_collection="things", to_key=to)
        )
    engine.execute(Delete(collection="things", key="b", purge=True))
    engine.close()
    with sqlite3.connect(path) as connection:  # the file as it was before there was a third version
        connection.execute("DELETE FROM heads WHERE seq = 0")
        connection.execute("DROP INDEX heads_gone")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    engine = EmbeddedEngine(str(path))

    def after(key: str, hops: int) -> list[str]:
        walk = ListRelations(collection="things", key=key, kinds=("next",) * hops)
        return [item.key for item in engine.execute(walk).results]

    assert (after("a", 2), after("c", 1), after("c", 2)) == ([], ["a"], [])
    put(engine, "b", 2)
    assert (after("a", 2), after("c", 2), after("c", 3)) == (["c"], ["b"], ["c"])
    engine.close()


def test_a_walk_in_a_file_of_the_third_version_need_not_read_the_relations(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        engine = EmbeddedEngine(str(path))
        for key in ("a", "b", "c"):
            put(engine, key, 1)
        for key in ("c", "b", "b"):  # the last one once more: it stays the younger one
            engine.execute(
                PutRelation(collection="things", key="a", kind="next", to_collection="things", to_key=key)
            )
        engine.close()
    engine = EmbeddedEngine(str(path))
    walk = ListRelations(collection="things", key="a", kinds=("next",))
    assert [item.key for item in engine.execute(walk).results] == ["c", "b"]
    with engine._store.reading() as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {_walk(1)}", ("things", "a", "next", 10, 0)).fetchall()
    assert [step[3] for step in plan if " r " in step[3]] == [
        "SEARCH r USING COVERING INDEX relations_by_path (collection=? AND key=? AND kind=?)"
    ]
    engine.close()


def test_an_older_file_that_cannot_be_written_to_is_refused_with_a_sentence(path: Path) -> None:
    EmbeddedEngine(str(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    with pytest.raises(ReadOnly, match="older orcodm: open it once where it may be written to"):
        schema.check(connection, str(path))
    connection.close()


def test_a_migration_that_fails_leaves_the_older_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EmbeddedEngine(str(path))
    put(engine, "a", 1)
    engine.close()

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE versions")
        connection.execute("SELECT * FROM nowhere")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, fail))
        with pytest.raises(StorageError, match="nowhere"):
            EmbeddedEngine(str(path))
    engine = EmbeddedEngine(str(path))
    assert get(engine, "a").value == 1
    engine.close()


def test_a_newer_file_is_refused_with_a_sentence(path: Path) -> None:
    EmbeddedEngine(str(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerDatabase, match=r"schema is version 99.*upgrade orcodm"):
        EmbeddedEngine(str(path))


def test_what_is_no_database_of_ours_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"certainly not a database, and long enough to be looked at" * 100)
    with pytest.raises(CorruptDatabase):
        EmbeddedEngine(str(path))
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(CorruptDatabase, match="another program's"):
        EmbeddedEngine(str(other))
    with pytest.raises(StorageError, match="no directory"):
        EmbeddedEngine(str(tmp_path / "nowhere" / "app.db"))


# -- limits ----------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing(engine: EmbeddedEngine) -> None:
    ref = put(engine, "a", 1)
    connection = engine._store._idle[0].connection
    connection.execute("PRAGMA max_page_count = 20")
    with pytest.raises(DiskFull):
        put(engine, "b", "x" * 200_000)
    assert get(engine, "a").ref == ref
    with pytest.raises(NotFound):
        get(engine, "b")
    connection.execute("PRAGMA max_page_count = 2000000")
    put(engine, "b", "x" * 200_000)


def test_a_limit_on_the_size_of_files_is_a_full_disk(path: Path) -> None:
    program = """
import resource, signal, sys
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.errors import DiskFull
from orcodm.operations import Get, Put
engine = EmbeddedEngine(sys.argv[1])
engine.execute(Put(collection="things", key="a", value=1))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    engine.execute(Put(collection="things", key="b", value="x" * 1_000_000))
except DiskFull:
    print("full")
print(engine.execute(Get(collection="things", key="a")).value)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
engine.execute(Put(collection="things", key="b", value="x" * 1_000_000))
print(len(engine.execute(Get(collection="things", key="b")).value))
engine.close()
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    assert done.stdout.split() == ["full", "1", "1000000"], done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("clean", [True, False])
def test_a_read_only_directory_can_be_read(tmp_path: Path, clean: bool) -> None:
    directory = tmp_path / "shelf"
    directory.mkdir()
    path = directory / "app.db"
    engine = EmbeddedEngine(str(path))
    put(engine, "a", 1)
    if clean:
        engine.close()
    program = """
import os, sys
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.errors import ReadOnly
from orcodm.operations import Get, Put, Search
if os.getuid() == 0:
    os.setuid(65534)
engine = EmbeddedEngine(sys.argv[1])
print(engine.execute(Get(collection="things", key="a")).value)
print(engine.execute(Search(collection="things", query="* OR n:1")).total)
try:
    engine.execute(Put(collection="things", key="b", value=1))
except ReadOnly:
    print("read-only")
engine.close()
"""
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o444)
    directory.chmod(0o555)
    try:
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    finally:
        directory.chmod(0o755)
        engine.close()
    assert done.stdout.split() == ["1", "1", "read-only"], done.stderr


def test_a_database_that_stays_busy_is_an_error_of_its_own(path: Path) -> None:
    engine = EmbeddedEngine(str(path), busy_seconds=0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        put(engine, "a", 1)
    other.execute("ROLLBACK")
    other.close()
    put(engine, "a", 1)
    engine.close()


# -- many at once ----------------------------------------------------------------------------------


def count_up(engine: EmbeddedEngine, times: int) -> None:
    """Increment a counter under If-Match, trying again after a conflict."""
    for _ in range(times):
        while True:
            item = get(engine, "counter")
            try:
                put(engine, "counter", item.value + 1, IfMatch(item.ref))
            except Conflict:
                continue
            break


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}"])
def test_threads_lose_no_update(url: str, path: Path) -> None:
    engine = connect(url.format(path))
    assert isinstance(engine, EmbeddedEngine)
    put(engine, "counter", 0)
    threads = [threading.Thread(target=count_up, args=(engine, 25)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(engine, "counter").value == 200
    engine.close()


def _count_in_a_process(path: str) -> None:
    engine = EmbeddedEngine(path)
    count_up(engine, 25)
    engine.close()


def test_processes_lose_no_update(engine: EmbeddedEngine, path: Path) -> None:
    put(engine, "counter", 0)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count_in_a_process, args=(str(path),)) for _ in range(3)]
    for process in processes:
        process.start()
    count_up(engine, 25)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert get(engine, "counter").value == 100


def test_a_forked_child_has_connections_of_its_own(engine: EmbeddedEngine) -> None:
    put(engine, "counter", 0)
    child = os.fork()
    if not child:
        status = 1
        try:
            count_up(engine, 25)
            status = 0
        finally:
            os._exit(status)
    count_up(engine, 25)
    assert os.waitpid(child, 0)[1] == 0
    assert get(engine, "counter").value == 50


def test_a_killed_writer_leaves_what_was_acknowledged(path: Path) -> None:
    program = """
import sys
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.operations import Put
engine = EmbeddedEngine(sys.argv[1])
for number in range(1_000_000):
    engine.execute(Put(collection="things", key=f"{number}", value=number))
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(50):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    acknowledged = 50 + len(process.stdout.readlines())
    process.wait()
    process.stdout.close()
    engine = EmbeddedEngine(str(path))
    for number in range(acknowledged):
        assert get(engine, f"{number}").value == number
    engine.close()


def test_many_new_engines_on_a_new_file(path: Path) -> None:
    errors: list[OrcodmError] = []

    def open_and_write(number: int) -> None:
        try:
            engine = EmbeddedEngine(str(path))
            put(engine, str(number), number)
            engine.close()
        except OrcodmError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_and_write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
