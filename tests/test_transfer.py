"""A database as lines and back: the same refs, the same history, as often as it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import OrcodmError
from orcodm.operations import Batch, Delete, Get, Item, ListRefs, PostEvent, Put, PutRelation
from orcodm.transfer import Flaw, count, export, load, verify

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
    engine.execute(PutRelation(**ends, value={"a": 1}))
    yield engine
    engine.close()


@pytest.fixture
def copy() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


def timeless(lines: Any) -> list[Any]:
    """Lines without the times of their writing, which are those of the import."""
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        entry.pop("reftime")
        entry["path"].pop("reftime")
    return entries


def test_a_round_trip_is_exact(engine: Engine, copy: Engine) -> None:
    lines = [*export(engine)]
    assert len(lines) == 7
    assert all(loaded.written and loaded.error is None for loaded in load(copy, lines))
    assert timeless(export(copy)) == timeless(lines)
    history = [ops.execute(ListRefs(collection="users", key="ada")).results for ops in (engine, copy)]
    assert [[version.ref for version in versions] for versions in history] == [
        [version.ref for version in history[0]]
    ] * 2


@pytest.mark.parametrize("done", range(8))
def test_an_import_that_was_interrupted_is_run_again(engine: Engine, copy: Engine, done: int) -> None:
    lines = [*export(engine)]
    assert len([*load(copy, lines[:done])]) == done
    again = [*load(copy, lines)]
    assert [loaded.error for loaded in again] == [None] * 7
    assert timeless(export(copy)) == timeless(lines)


def test_what_differs_is_not_overwritten(engine: Engine, copy: Engine) -> None:
    copy.execute(Put(collection="films", key="a/b", value="mine"))
    failed = [loaded for loaded in load(copy, export(engine)) if loaded.error is not None]
    assert [loaded.line for loaded in failed] == [1]
    assert copy.execute(Get(collection="films", key="a/b")).value == "mine"


def test_without_history_only_the_current_values_go(engine: Engine, copy: Engine) -> None:
    lines = [*export(engine, ["users"], history=False)]
    assert len(lines) == 3
    loaded = [*load(copy, lines)]
    assert [type(each.error).__name__ for each in loaded] == ["NoneType", "NoneType", "NotFound"]
    assert copy.execute(Get(collection="users", key="ada")).value == {"n": 3}
    assert [each.written for each in load(copy, lines[:2])] == [False, False]


def test_lines_that_are_none_are_named(copy: Engine) -> None:
    loaded = [*load(copy, [b"{", b"", b"{}", b'{"path":{"collection":"c","key":"k"},"value":1}'])]
    assert [(each.line, each.error is None) for each in loaded] == [(1, False), (3, False), (4, True)]
    assert "line 1" in str(loaded[0].error)


def test_how_much_there_is(engine: Engine) -> None:
    assert count(engine) == 4
    assert count(engine, ["films"]) == 1


def test_a_sound_database_has_no_flaws(engine: Engine) -> None:
    found = [*verify(engine)]
    assert {item.key for item in found if isinstance(item, Item)} == {"ada", "a/b"}
    assert not [flaw for flaw in found if isinstance(flaw, Flaw)]


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

    lines = [*export(engine, history=False)]
    target = connect("memory:")
    errors: list[OrcodmError | None] = [loaded.error for loaded in load(Watched(target), lines)]  # type: ignore[arg-type]
    assert (errors, asked) == ([None] * 4, [Batch])
    target.close()
