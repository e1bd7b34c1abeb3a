"""Batches: all or nothing, every error reported, each operation seeing those before it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import (
    Aborted,
    AlreadyExists,
    BadRequest,
    Conflict,
    InvalidValue,
    NotFound,
    PatchConflict,
)
from orcodm.operations import (
    Batch,
    Delete,
    DeleteEvent,
    DeleteRelation,
    EventWritten,
    GetRelation,
    IfAbsent,
    IfMatch,
    JsonPatch,
    ListEvents,
    ListRefs,
    ListRelations,
    MergePatch,
    Patch,
    PatchEvent,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Written,
)
from orcodm.refs import value_ref

from .asking import THINGS, delete, found, get, history, item, listed, put, put_all, verify

OTHER = "0123456789abcdef"
LOG: dict[str, Any] = {"collection": THINGS, "key": "a", "type": "log"}
NEXT: dict[str, Any] = {
    "collection": THINGS,
    "key": "a",
    "kind": "next",
    "to_collection": THINGS,
    "to_key": "b",
}


def a_put(key: str, value: Any, condition: Any = None) -> Put:
    return Put(collection=THINGS, key=key, value=value, condition=condition)


def outcomes(engine: Engine, *operations: Any) -> tuple[Any, ...]:
    result = engine.execute(Batch(operations))
    assert len(result.outcomes) == len(operations)
    return result.outcomes


def needs_atomic(engine: Engine) -> None:
    if not engine.capabilities.atomic_batch:
        pytest.skip("the batches of this engine are not atomic")


def test_an_empty_batch(engine: Engine) -> None:
    assert outcomes(engine) == ()


def test_every_kind_of_write_has_its_result(engine: Engine) -> None:
    put_all(engine, {"a": {"n": 1}, "b": {"n": 1}, "c": 1})
    event = engine.execute(PostEvent(**LOG, value={"n": 1}, timestamp=1, ordinal=1))
    at = {**LOG, "timestamp": 1, "ordinal": 1}
    results = outcomes(
        engine,
        a_put("d", {"n": 2}),
        Post(collection=THINGS, value="posted"),
        Patch(collection=THINGS, key="a", changes=MergePatch({"n": 2})),
        Delete(collection=THINGS, key="c"),
        PostEvent(**LOG, value="posted", timestamp=2),
        PutEvent(**at, value={"n": 2}),
        PatchEvent(**at, changes=JsonPatch([{"op": "inc", "path": "n"}])),
        DeleteEvent(**{**at, "ordinal": 99}),
        PutRelation(**NEXT, value={"n": 2}),
        DeleteRelation(**{**NEXT, "kind": "other"}),
    )
    a_written, posted, patched, deleted, event_posted, event_put, event_patched, *rest = results
    assert a_written == Written(collection=THINGS, key="d", ref=item(engine, "d").ref)
    assert isinstance(posted, Written)
    assert re.fullmatch("[0-9a-f]{16}", posted.key)
    assert get(engine, posted.key) == "posted"
    assert patched == Written(collection=THINGS, key="a", ref=item(engine, "a").ref)
    assert deleted is None
    assert isinstance(event_posted, EventWritten)
    assert event_posted.timestamp == 2
    assert event_put.ref != event.ref
    assert (event_patched.timestamp, event_patched.ordinal) == (1, 1)
    event_deleted, related, unrelated = rest
    assert (event_deleted, unrelated) == (None, None)
    assert related.ref == engine.execute(GetRelation(**NEXT)).ref
    assert [e.value for e in engine.execute(ListEvents(**LOG)).results] == ["posted", {"n": 3}]
    assert listed(engine) == sorted(["a", "b", "d", posted.key])


def test_an_operation_sees_those_before_it(engine: Engine) -> None:
    needs_atomic(engine)
    first = value_ref(None, {"n": 1})
    results = outcomes(
        engine,
        a_put("a", {"n": 1}, IfAbsent()),
        a_put("a", {"n": 2}, IfMatch(first)),
        Patch(collection=THINGS, key="a", changes=JsonPatch([{"op": "inc", "path": "n"}])),
        Delete(collection=THINGS, key="a"),
        a_put("a", {"n": 4}, IfAbsent()),
        a_put("b", {"n": 5}),
        PutRelation(**NEXT),
        PostEvent(**LOG, value=1, timestamp=1, ordinal=1),
        PutEvent(**LOG, timestamp=1, ordinal=1, value=2),
    )
    assert not any(isinstance(result, Exception) for result in results)
    assert get(engine, "a") == {"n": 4}
    versions = history(engine, "a")
    assert [version.value for version in versions] == [{"n": 4}, None, {"n": 3}, {"n": 2}, {"n": 1}]
    verify(versions)
    page = engine.execute(ListRelations(collection=THINGS, key="a", kinds=("next",)))
    assert [found.value for found in page.results] == [{"n": 5}]
    assert [event.value for event in engine.execute(ListEvents(**LOG)).results] == [2]


def test_one_error_means_that_nothing_is_written(engine: Engine) -> None:
    needs_atomic(engine)
    ref = put(engine, "a", {"n": 1})
    put_all(engine, {"b": 1, "c": 1})
    results = outcomes(
        engine,
        a_put("a", {"n": 2}),
        a_put("new", 1),
        Post(collection=THINGS, value=1),
        Delete(collection=THINGS, key="c", purge=True),
        PostEvent(**LOG, value=1),
        PutRelation(**NEXT),
        a_put("a", {"n": 3}, IfMatch(OTHER)),
        a_put("after", 1),
    )
    assert [type(result) for result in results] == [*[Aborted] * 6, Conflict, Aborted]
    assert (item(engine, "a").ref, len(history(engine, "a"))) == (ref, 1)
    assert listed(engine) == ["a", "b", "c"]
    with pytest.raises(NotFound):
        engine.execute(ListRefs(collection=THINGS, key="new"))
    assert engine.execute(ListEvents(**LOG)).results == ()
    assert engine.execute(ListRelations(collection=THINGS, key="a", kinds=("next",))).results == ()


def test_every_error_is_reported(engine: Engine) -> None:
    needs_atomic(engine)
    current = put(engine, "a", {"n": 1})
    broken = JsonPatch([{"op": "inc", "path": "missing"}])
    results = outcomes(
        engine,
        a_put("a", 2, IfMatch(OTHER)),
        a_put("a", 2, IfAbsent()),
        Patch(collection=THINGS, key="nobody", changes=MergePatch({})),
        Patch(collection=THINGS, key="a", changes=broken),
        Patch(collection=THINGS, key="a", changes=JsonPatch([{"op": "frobnicate", "path": "n"}])),
        Delete(collection=THINGS, key="nobody", condition=IfMatch(OTHER)),
        PutRelation(**NEXT),
        PutEvent(**LOG, timestamp=1, ordinal=1, value=1),
        a_put("fine", 1),
    )
    assert [type(result) for result in results] == [
        Conflict,
        AlreadyExists,
        NotFound,
        PatchConflict,
        BadRequest,
        Conflict,
        NotFound,
        NotFound,
        Aborted,
    ]
    assert (results[0].expected, results[0].current) == (OTHER, current)
    assert (results[1].expected, results[1].current) == (None, current)
    assert (results[5].key, results[5].current) == ("nobody", None)
    assert results[6].details["items"] == [{"collection": THINGS, "key": "b"}]
    assert listed(engine) == ["a"]


def test_a_failed_operation_leaves_no_trace_for_those_after_it(engine: Engine) -> None:
    needs_atomic(engine)
    put(engine, "a", {"n": 1})
    changes = JsonPatch([{"op": "inc", "path": "n"}, {"op": "remove", "path": "missing"}])
    results = outcomes(
        engine,
        Patch(collection=THINGS, key="a", changes=changes),
        Patch(collection=THINGS, key="a", changes=JsonPatch([{"op": "test", "path": "n", "value": 1}])),
        a_put("b", 1, IfMatch(OTHER)),
        a_put("b", 1, IfAbsent()),
    )
    assert [type(result) for result in results] == [PatchConflict, Aborted, Conflict, Aborted]


def test_a_value_that_json_cannot_hold_is_an_outcome_too(engine: Engine) -> None:
    needs_atomic(engine)
    results = outcomes(engine, a_put("a", 1), a_put("b", {"x": float("nan")}), a_put("c", 1))
    assert [type(result) for result in results] == [Aborted, InvalidValue, Aborted]
    assert results[1].path == "x"
    assert listed(engine) == []


def test_a_batch_that_failed_can_be_sent_again(engine: Engine) -> None:
    needs_atomic(engine)
    put(engine, "b", 0)
    batch = [a_put("a", 1, IfAbsent()), a_put("b", 1, IfAbsent())]
    assert [type(result) for result in outcomes(engine, *batch)] == [Aborted, AlreadyExists]
    delete(engine, "b")
    assert [type(result) for result in outcomes(engine, *batch)] == [Written, Written]
    assert listed(engine) == ["a", "b"]


def test_a_large_batch(engine: Engine) -> None:
    put_all(engine, {f"{n:04}": {"n": n} for n in range(1000)})
    assert len(listed(engine, limit=100)) == 1000
    assert get(engine, "0999") == {"n": 999}


def test_the_engine_goes_on_after_an_error_in_a_batch(engine: Engine) -> None:
    outcomes(engine, a_put("a", 1), a_put("b", 1, IfMatch(OTHER)))
    ref = put(engine, "c", 1)
    assert item(engine, "c").ref == ref


def test_only_the_first_of_two_creations_of_a_key_creates(engine: Engine) -> None:
    needs_atomic(engine)
    batch = [a_put("a", 1, IfAbsent()), a_put("b", 1, IfAbsent()), a_put("a", 2, IfAbsent())]
    assert [type(result) for result in outcomes(engine, *batch)] == [Aborted, Aborted, AlreadyExists]
    assert listed(engine) == []
    assert [type(result) for result in outcomes(engine, *batch[:2])] == [Written, Written]


def test_created_together_or_each_by_itself_is_the_same(engine: Engine) -> None:
    put(engine, "gone", 0)
    delete(engine, "gone")
    values = {"a": {"z": 1, "a": [1.0, 10**30]}, "gone": None, "é/?": "x"}
    together = outcomes(engine, *(a_put(key, value, IfAbsent()) for key, value in values.items()))
    other = [
        engine.execute(Put(collection="others", key=key, value=value, condition=IfAbsent()))
        for key, value in values.items()
        if key != "gone"
    ]
    refs = {result.key: result.ref for result in together}
    assert {result.key: result.ref for result in other} == {key: refs[key] for key in refs if key != "gone"}
    assert {key: get(engine, key) for key in values} == values
    assert [version.deleted for version in history(engine, "gone")] == [False, True, False]
    for key in values:
        verify(history(engine, key))
    assert found(engine, "*:*") == sorted(values)


def test_a_creation_that_json_cannot_hold_is_an_outcome_too(engine: Engine) -> None:
    needs_atomic(engine)
    results = outcomes(engine, a_put("a", 1, IfAbsent()), a_put("b", {"x": float("nan")}, IfAbsent()))
    assert [type(result) for result in results] == [Aborted, InvalidValue]
    assert listed(engine) == []
