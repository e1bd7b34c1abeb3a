"""Guarded writes: the table of outcomes of the protocol's section 6.4, for everything that can be guarded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orcodm.engine import Engine
from orcodm.errors import AlreadyExists, Conflict, NotFound
from orcodm.operations import (
    Condition,
    Delete,
    IfAbsent,
    IfMatch,
    JsonPatch,
    MergePatch,
    Operation,
    Patch,
    Put,
)
from orcodm.refs import tombstone_ref, value_ref

from .asking import THINGS, delete, get, history, item, put

OTHER = "0123456789abcdef"
ZERO = "0" * 16


def never_written(engine: Engine) -> str | None:
    return None


def written(engine: Engine) -> str | None:
    put(engine, "a", {"n": 0})
    return put(engine, "a", {"n": 1})


def deleted(engine: Engine) -> str | None:
    ref = written(engine)
    delete(engine, "a")
    return ref


def purged(engine: Engine) -> str | None:
    ref = written(engine)
    delete(engine, "a", purge=True)
    return ref


def written_again(engine: Engine) -> str | None:
    deleted(engine)
    return put(engine, "a", {"n": 1})


State = Callable[[Engine], str | None]

ABSENT: list[State] = [never_written, deleted, purged]
PRESENT: list[State] = [written, written_again]


def a_put(condition: Condition) -> Operation[object]:
    return Put(collection=THINGS, key="a", value={"n": 2}, condition=condition)


def a_merge(condition: Condition) -> Operation[object]:
    return Patch(collection=THINGS, key="a", changes=MergePatch({"n": 2}), condition=condition)


def a_patch(condition: Condition) -> Operation[object]:
    changes = JsonPatch([{"op": "replace", "path": "n", "value": 2}])
    return Patch(collection=THINGS, key="a", changes=changes, condition=condition)


def a_delete(condition: Condition) -> Operation[object]:
    return Delete(collection=THINGS, key="a", condition=condition)


def a_purge(condition: Condition) -> Operation[object]:
    return Delete(collection=THINGS, key="a", condition=condition, purge=True)


Writing = Callable[[Condition], Operation[object]]

CHANGES: list[Writing] = [a_put, a_merge, a_patch]
REMOVALS: list[Writing] = [a_delete, a_purge]


@pytest.mark.parametrize("state", PRESENT)
@pytest.mark.parametrize("write", CHANGES)
def test_a_change_of_the_current_version_goes_through(engine: Engine, state: State, write: Writing) -> None:
    current = state(engine)
    assert current is not None
    engine.execute(write(IfMatch(current)))
    assert get(engine, "a") == {"n": 2}
    assert item(engine, "a").ref != current


@pytest.mark.parametrize("state", PRESENT)
@pytest.mark.parametrize("write", REMOVALS)
def test_a_removal_of_the_current_version_goes_through(engine: Engine, state: State, write: Writing) -> None:
    current = state(engine)
    assert current is not None
    engine.execute(write(IfMatch(current)))
    with pytest.raises(NotFound):
        get(engine, "a")


@pytest.mark.parametrize("expected", [OTHER, ZERO, "86754321", "f" * 16])
@pytest.mark.parametrize("write", [*CHANGES, *REMOVALS])
def test_another_ref_than_the_current_one_is_a_conflict(
    engine: Engine, write: Writing, expected: str
) -> None:
    current = written(engine)
    with pytest.raises(Conflict) as caught:
        engine.execute(write(IfMatch(expected)))
    error = caught.value
    assert type(error) is Conflict
    assert (error.status, error.code) == (412, "item_version_mismatch")
    assert (error.collection, error.key) == (THINGS, "a")
    assert (error.expected, error.current) == (expected, current)
    assert error.details["items"] == [{"collection": THINGS, "key": "a"}]
    assert (item(engine, "a").ref, get(engine, "a")) == (current, {"n": 1})
    assert len(history(engine, "a")) == 2


@pytest.mark.parametrize("write", [*CHANGES, *REMOVALS])
def test_a_superseded_ref_is_a_conflict(engine: Engine, write: Writing) -> None:
    old = put(engine, "a", {"n": 1})
    current = put(engine, "a", {"n": 2})
    with pytest.raises(Conflict) as caught:
        engine.execute(write(IfMatch(old)))
    assert (caught.value.expected, caught.value.current) == (old, current)


@pytest.mark.parametrize("write", [*CHANGES, *REMOVALS])
def test_a_value_that_went_and_came_back_is_a_conflict(engine: Engine, write: Writing) -> None:
    if not engine.capabilities.ref_chain:
        pytest.skip("only a chain of refs tells A, B, A from A")
    old = put(engine, "a", "A")
    put(engine, "a", "B")
    put(engine, "a", "A")
    with pytest.raises(Conflict):
        engine.execute(write(IfMatch(old)))


@pytest.mark.parametrize("state", ABSENT)
@pytest.mark.parametrize("write", [a_put, *REMOVALS])
def test_a_ref_where_there_is_no_value_is_a_conflict(engine: Engine, state: State, write: Writing) -> None:
    expected = state(engine) or OTHER
    with pytest.raises(Conflict) as caught:
        engine.execute(write(IfMatch(expected)))
    error = caught.value
    assert type(error) is Conflict
    assert (error.collection, error.key, error.expected, error.current) == (THINGS, "a", expected, None)
    with pytest.raises(NotFound):
        get(engine, "a")


@pytest.mark.parametrize("state", ABSENT)
@pytest.mark.parametrize("write", [a_merge, a_patch])
@pytest.mark.parametrize("guarded", [False, True])
def test_a_patch_where_there_is_no_value_is_not_found(
    engine: Engine, state: State, write: Writing, guarded: bool
) -> None:
    ref = state(engine) or OTHER
    with pytest.raises(NotFound) as caught:
        engine.execute(write(IfMatch(ref) if guarded else None))
    assert type(caught.value) is NotFound
    assert caught.value.details["items"] == [{"collection": THINGS, "key": "a"}]


@pytest.mark.parametrize("write", [a_put, a_delete])
def test_the_ref_of_a_tombstone_is_no_current_ref(engine: Engine, write: Writing) -> None:
    first = put(engine, "a", {"n": 1})
    assert not engine.capabilities.ref_chain or first == value_ref(None, {"n": 1})
    delete(engine, "a")
    with pytest.raises(Conflict) as caught:
        engine.execute(write(IfMatch(tombstone_ref(first))))
    assert caught.value.current is None


@pytest.mark.parametrize("state", ABSENT)
def test_create_only_creates_where_there_is_no_value(engine: Engine, state: State) -> None:
    state(engine)
    put(engine, "a", {"n": 2}, IfAbsent())
    assert get(engine, "a") == {"n": 2}


@pytest.mark.parametrize("state", PRESENT)
def test_create_only_refuses_where_there_is_a_value(engine: Engine, state: State) -> None:
    current = state(engine)
    with pytest.raises(AlreadyExists) as caught:
        put(engine, "a", {"n": 2}, IfAbsent())
    error = caught.value
    assert (error.status, error.code) == (412, "item_already_present")
    assert (error.collection, error.key, error.expected, error.current) == (THINGS, "a", None, current)
    assert (item(engine, "a").ref, get(engine, "a")) == (current, {"n": 1})


def test_null_is_a_value_that_create_only_meets(engine: Engine) -> None:
    put(engine, "a", None, IfAbsent())
    with pytest.raises(AlreadyExists):
        put(engine, "a", 1, IfAbsent())
    assert get(engine, "a") is None


def test_the_second_of_two_guarded_writers_loses(engine: Engine) -> None:
    ref = put(engine, "a", {"n": 1})
    mine = put(engine, "a", {"n": 2}, IfMatch(ref))
    with pytest.raises(Conflict) as caught:
        put(engine, "a", {"n": 3}, IfMatch(ref))
    assert caught.value.current == mine
    assert get(engine, "a") == {"n": 2}


def test_an_old_ref_cannot_bring_a_deleted_value_back(engine: Engine) -> None:
    ref = put(engine, "a", {"n": 1})
    delete(engine, "a", IfMatch(ref))
    with pytest.raises(Conflict):
        put(engine, "a", {"n": 2}, IfMatch(ref))
    assert [version.deleted for version in history(engine, "a")] == [True, False]
