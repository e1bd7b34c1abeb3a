"""A database as lines and back: the same refs, the same history, as often as it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcodm import transfer
from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import Conflict, NotFound, OrcodmError, ProtocolError
from orcodm.operations import (
    Batch,
    Delete,
    Dump,
    Get,
    Item,
    ListRefs,
    ListRelations,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Restore,
)
from orcodm.transfer import Flaw, count, export, load, pages, verify

from .engines.strategies import json_values


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    engine.execute(Put(collection="users", key="ada", value={"n": 1}))
    engine.execute(Put(collection="users", key="ada", value={"n": 2**70}))
    engine.execute(Delete(collection="users", key="ada"))
    engine.execute(Put(collection="users", key="ada", value={"n": 3}))
    engine.execute(Put(collection="films", key="a/b", value=None))
    engine.execute(PostEvent(collection="users", key="ada", type="t", value=1, timestamp=5, ordinal=7))
    ends = {"collection": "users", "key": "ada", "kind": "liked", "to_collection": "films", "to_key": "a/b"}
    engine.execute(PutRelation(**ends, value={"a": 0}))
    engine.execute(PutRelation(**ends, value={"a": 1}))
    engine.execute(Put(collection="users", key="gone", value=1))
    engine.execute(PutRelation(**ends | {"to_collection": "users", "to_key": "gone"}, value={}))
    engine.execute(Delete(collection="users", key="gone"))
    nobody: Any = {"collection": "users", "key": "nobody", "type": "t", "timestamp": -1, "ordinal": 2**62}
    engine.execute(PostEvent(**nobody, value=1))
    engine.execute(PutEvent(**nobody, value=2))
    yield engine
    engine.close()


@pytest.fixture
def copy() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


def unchained(line: bytes) -> Any:
    """A line without what only records keep: the time, and the ref where there is no history to make it."""
    entry = json.loads(line)
    for part in (entry, entry["path"]):
        part.pop("reftime", None)
    if entry["path"]["kind"] != "item":
        del entry["path"]["ref"]
    return entry


def timeless(lines: Any) -> list[Any]:
    """Lines without the times of their writing, which are those of the import."""
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        entry.pop("reftime")
        entry["path"].pop("reftime")
    return entries


def test_a_round_trip_is_exact(engine: Engine, copy: Engine) -> None:
    lines = [*export(engine)]
    assert len(lines) == 11
    assert all(loaded.written and loaded.error is None for loaded in load(copy, lines))
    # To the byte: values, refs, times, ordinals, deletions, and the order of all of them.
    assert [*export(copy)] == lines
    for key in ("ada", "gone"):
        read = ListRefs(collection="users", key=key, values=True)
        assert copy.execute(read) == engine.execute(read)
    assert not [flaw for flaw in verify(copy) if isinstance(flaw, Flaw)]


@pytest.mark.parametrize("done", range(12))
def test_an_import_that_was_interrupted_is_run_again(engine: Engine, copy: Engine, done: int) -> None:
    lines = [*export(engine)]
    assert len([*load(copy, lines[:done])]) == done
    again = [*load(copy, lines)]
    assert [loaded.error for loaded in again] == [None] * 11
    assert [loaded.written for loaded in again] == [False] * done + [True] * (11 - done)
    assert [*export(copy)] == lines


@pytest.mark.parametrize("done", range(9))
def test_an_import_without_records_is_run_again_as_well(engine: Engine, copy: Engine, done: int) -> None:
    plain: Any = Plain(engine)
    lines = [*export(plain)]
    assert len(lines) == 9
    lines.pop()  # its end is deleted, so that it cannot be written
    target: Any = Plain(copy)
    assert len([*load(target, lines[:done])]) == done
    assert [loaded.error for loaded in load(target, lines)] == [None] * 8
    assert [*map(unchained, export(target))] == [*map(unchained, lines)]
    assert not [flaw for flaw in verify(target) if isinstance(flaw, Flaw)]


@pytest.mark.parametrize("size", [1, 3])
def test_pages_go_on_from_any_place(
    engine: Engine, copy: Engine, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(transfer, "CHUNK", size)
    whole = [*pages(engine, ["users", "films"])]
    lines = [line for some, _ in whole for line in some]
    for at, (_, place) in enumerate(whole, 1):
        rest = [line for some, _ in pages(engine, ["users", "films"], place) for line in some]
        assert [line for some, _ in whole[:at] for line in some] + rest == lines
    assert all(len(some) <= size for some, _ in whole)
    assert [loaded.error for loaded in load(copy, lines)] == [None] * len(lines)


def test_an_answer_that_is_too_large_is_asked_for_in_parts(engine: Engine) -> None:
    class Small(Plain):
        def execute(self, operation: Any) -> Any:
            if isinstance(operation, Dump) and operation.limit > 2:
                raise ProtocolError("The server's answer has more than 1 bytes.")
            return self.engine.execute(operation)

    small: Any = Small(engine)
    small.capabilities = engine.capabilities
    assert [*export(small)] == [*export(engine)]


def test_lines_of_others_begin_a_history_of_ours(copy: Engine) -> None:
    path = {"collection": "c", "key": "k", "kind": "item"}
    entries: list[Any] = [
        {"path": path | {"ref": f"0123456789abcde{number}"}, "value": number, "reftime": number}
        for number in range(3)
    ]
    entries += [
        {"source": {"collection": "c", "key": "k"}, "destination": {"collection": "c", "key": "k"}}
        | {"relation": "is", "value": {}},
        {"path": {"collection": "c", "key": "k", "kind": "event", "type": "t", "timestamp": 5, "ordinal": 6}}
        | {"value": 1},
    ]
    lines = [json.dumps(entry).encode() for entry in entries]
    assert [loaded.error for loaded in load(copy, lines)] == [None] * 5
    versions = copy.execute(ListRefs(collection="c", key="k", values=True)).results
    assert [version.value for version in versions] == [2, 1, 0]
    assert copy.execute(ListRelations(collection="c", key="k", kinds=["is"])).results
    assert [version.reftime for version in versions] == [2, 1, 0]
    assert [loaded.written for loaded in load(copy, lines)] == [False] * 5
    assert copy.execute(ListRefs(collection="c", key="k", values=True)).results == versions


def test_what_differs_is_told_and_what_is_equal_is_there(engine: Engine, copy: Engine) -> None:
    copy.execute(Put(collection="users", key="ada", value="mine"))
    copy.execute(Delete(collection="users", key="ada"))
    copy.execute(Put(collection="films", key="a/b", value="before"))
    copy.execute(Put(collection="films", key="a/b", value=None))
    failed = {loaded.line: loaded.error for loaded in load(copy, export(engine)) if loaded.error is not None}
    assert [type(error) for error in failed.values()] == [Conflict] * 4
    assert copy.execute(ListRefs(collection="users", key="ada")).results[0].deleted


def test_what_differs_is_not_overwritten(engine: Engine, copy: Engine) -> None:
    copy.execute(Put(collection="films", key="a/b", value="mine"))
    failed = [loaded for loaded in load(copy, export(engine)) if loaded.error is not None]
    assert [loaded.line for loaded in failed] == [5]
    assert copy.execute(Get(collection="films", key="a/b")).value == "mine"


def test_without_history_only_the_current_values_go(engine: Engine, copy: Engine) -> None:
    lines = [*export(engine, ["users"], history=False)]
    loaded = [*load(copy, lines)]
    refused = [type(each.error) for each in loaded if each.error is not None]
    assert set(refused) == {NotFound}  # relations to what is not there
    assert copy.execute(Get(collection="users", key="ada")).value == {"n": 3}
    assert len(copy.execute(ListRefs(collection="users", key="ada")).results) == 1
    assert not any(each.written for each in load(copy, lines))


def test_lines_that_are_none_are_named(copy: Engine) -> None:
    loaded = [*load(copy, [b"{", b"", b"{}", b'{"path":{"collection":"c","key":"k"},"value":1}'])]
    assert [(each.line, each.error is None) for each in loaded] == [(1, False), (3, False), (4, True)]
    assert "line 1" in str(loaded[0].error)


def test_how_much_there_is(engine: Engine) -> None:
    assert count(engine) >= 5
    assert count(engine, ["films"]) == 1


def test_a_sound_database_has_no_flaws(engine: Engine) -> None:
    found = [*verify(engine)]
    assert {item.key for item in found if isinstance(item, Item)} == {"ada", "a/b"}
    assert not [flaw for flaw in found if isinstance(flaw, Flaw)]


class Plain:
    """An engine as it is over the protocol without extensions: it has no records."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.capabilities = attrs.evolve(engine.capabilities, records=False)

    def execute(self, operation: Any) -> Any:
        assert not isinstance(operation, Dump | Restore)
        return self.engine.execute(operation)


class Forged:
    """An engine whose answers about one key are not what was written."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.capabilities = engine.capabilities

    def execute(self, operation: Any) -> Any:
        answer = self.engine.execute(operation)
        if isinstance(operation, ListRefs):
            forged = tuple(attrs.evolve(version, value="forged") for version in answer.results)
            return attrs.evolve(answer, results=forged)
        return answer


def test_a_forged_value_breaks_its_chain(engine: Engine) -> None:
    flaws: list[Any] = [flaw for flaw in verify(Forged(engine), ["films"]) if isinstance(flaw, Flaw)]  # type: ignore[arg-type]
    assert [(flaw.collection, flaw.key) for flaw in flaws] == [("films", "a/b")]
    assert "should have the ref" in flaws[0].reason


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | json_values(max_leaves=4).map(lambda v: [v])),
        max_size=8,
    )
)
def test_any_history_survives(writes: list[Any]) -> None:
    engine, copy = connect("memory:"), connect("memory:")
    for key, boxed in writes:
        place = {"collection": "c", "key": key}
        engine.execute(Delete(**place) if boxed is None else Put(**place, value=boxed[0]))
    lines = [*export(engine)]
    assert [loaded.error for loaded in load(copy, lines)] == [None] * len(lines)
    assert timeless(export(copy)) == timeless(lines)
    engine.close()
    copy.close()


def test_batches_are_used(engine: Engine) -> None:
    asked: list[Any] = []

    class Watched(Forged):
        def execute(self, operation: Any) -> Any:
            asked.append(type(operation))
            return self.engine.execute(operation)

    lines = [*export(engine, ["films"], history=False), *export(engine)]
    target = connect("memory:")
    errors: list[OrcodmError | None] = [loaded.error for loaded in load(Watched(target), lines)]  # type: ignore[arg-type]
    assert errors == [None] * 12
    assert asked[:2] == [Restore, Batch]
    assert set(asked[2:]) <= {Get}
    target.close()


@pytest.mark.parametrize("number", ["0.12345678901234567890123", "1e400"])
def test_a_line_with_a_number_that_would_be_rounded_is_named(copy: Engine, number: str) -> None:
    path = '{"path":{"collection":"c","key":"k%d"},"value":{"n":%s}}'
    lines = [(path % (at, n)).encode() for at, n in enumerate(["1.5", number, "2"])]
    loaded = {each.line: each for each in load(copy, lines)}
    assert {line: each.written for line, each in loaded.items()} == {1: True, 2: False, 3: True}
    assert f"the number {number} cannot be stored as it is" in str(loaded[2].error)
