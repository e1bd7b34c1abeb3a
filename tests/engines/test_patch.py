"""Partial updates, as the engine carries them out: all or nothing, guarded, and a version each.

What each operation does to a value is tested in tests/test_patch.py; here one of each goes through.
"""

from __future__ import annotations

from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import AlreadyExists, BadRequest, Conflict, NotFound, PatchConflict
from orcodm.operations import (
    Changes,
    IfAbsent,
    IfMatch,
    JsonPatch,
    MergePatch,
    Patch,
    Written,
)

from .asking import THINGS, delete, get, history, item, put


def patch(engine: Engine, changes: Changes, **more: Any) -> Written:
    return engine.execute(Patch(collection=THINGS, key="a", changes=changes, **more))


def json_patch(*operations: dict[str, Any]) -> JsonPatch:
    return JsonPatch(operations)


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "add", "path": "/new", "value": 1}, {"n": 1, "tags": ["a"], "in": {"m": 2}, "new": 1}),
        ({"op": "add", "path": "/tags/-", "value": "b"}, {"n": 1, "tags": ["a", "b"], "in": {"m": 2}}),
        ({"op": "remove", "path": "in.m"}, {"n": 1, "tags": ["a"], "in": {}}),
        ({"op": "replace", "path": "/n", "value": None}, {"n": None, "tags": ["a"], "in": {"m": 2}}),
        ({"op": "move", "from": "/in/m", "path": "/m"}, {"n": 1, "tags": ["a"], "in": {}, "m": 2}),
        ({"op": "copy", "from": "in.m", "path": "m"}, {"n": 1, "tags": ["a"], "in": {"m": 2}, "m": 2}),
        ({"op": "test", "path": "n", "value": 1}, {"n": 1, "tags": ["a"], "in": {"m": 2}}),
        ({"op": "inc", "path": "n"}, {"n": 2, "tags": ["a"], "in": {"m": 2}}),
        ({"op": "inc", "path": "in.m", "value": -3}, {"n": 1, "tags": ["a"], "in": {"m": -1}}),
        ({"op": "init", "path": "n", "value": 9}, {"n": 1, "tags": ["a"], "in": {"m": 2}}),
        (
            {"op": "append", "path": "tags", "value": ["b", "c"]},
            {"n": 1, "tags": ["a", "b", "c"], "in": {"m": 2}},
        ),
        (
            {"op": "merge", "path": "in", "value": {"m": None, "k": 1}},
            {"n": 1, "tags": ["a"], "in": {"k": 1}},
        ),
        (
            {"op": "patch", "path": "in", "value": [{"op": "inc", "path": "m"}]},
            {"n": 1, "tags": ["a"], "in": {"m": 3}},
        ),
    ],
    ids=lambda value: value.get("op"),
)
def test_every_operation_goes_through(engine: Engine, operation: dict[str, Any], after: Any) -> None:
    put(engine, "a", {"n": 1, "tags": ["a"], "in": {"m": 2}})
    written = patch(engine, json_patch(operation))
    assert (written.collection, written.key) == (THINGS, "a")
    assert item(engine, "a").ref == written.ref
    assert get(engine, "a") == after
    assert len(history(engine, "a")) == 2


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ({"n": 1, "m": 2}, {"n": None, "k": {"j": None, "i": 1}}, {"m": 2, "k": {"i": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, [1, 2], [1, 2]),
        ([1, 2], {"a": 1}, {"a": 1}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_a_merge_patch(engine: Engine, before: Any, changes: Any, after: Any) -> None:
    put(engine, "a", before)
    patch(engine, MergePatch(changes))
    assert get(engine, "a") == after
    assert len(history(engine, "a")) == 2


def test_large_integers_and_exact_decimals_go_through_a_patch(engine: Engine) -> None:
    put(engine, "a", {"big": 2**70, "n": 2**63 - 1})
    patch(engine, json_patch({"op": "inc", "path": "n"}, {"op": "inc", "path": "big", "value": -(2**69)}))
    assert get(engine, "a") == {"big": 2**69, "n": 2**63}


FAILING = [
    ({"op": "remove", "path": "/missing"}, {"info"}),
    ({"op": "replace", "path": "/missing", "value": 1}, {"info"}),
    ({"op": "add", "path": "/missing/deeper", "value": 1}, {"info"}),
    ({"op": "move", "from": "missing", "path": "n"}, {"info"}),
    ({"op": "test", "path": "n", "value": 2}, {"info", "expected"}),
    ({"op": "test", "path": "n", "value": 1, "negate": True}, {"info"}),
    ({"op": "test", "path": "missing"}, {"info"}),
    ({"op": "inc", "path": "missing"}, {"info"}),
    ({"op": "inc", "path": "text"}, {"info"}),
    ({"op": "append", "path": "n", "value": 1}, {"info"}),
]


@pytest.mark.parametrize(
    ("failing", "details"), FAILING, ids=lambda value: value.get("op") if type(value) is dict else ""
)
def test_an_operation_that_fails_undoes_those_before_it(
    engine: Engine, failing: dict[str, Any], details: set[str]
) -> None:
    ref = put(engine, "a", {"n": 1, "text": "x"})
    with pytest.raises(PatchConflict) as caught:
        patch(
            engine, json_patch({"op": "inc", "path": "n"}, {"op": "inc", "path": "n", "value": -1}, failing)
        )
    error = caught.value
    assert (error.status, error.code) == (409, "patch_conflict")
    assert error.details["op"] == failing
    assert error.details["opIndex"] == 2
    assert details <= set(error.details)
    assert (item(engine, "a").ref, get(engine, "a")) == (ref, {"n": 1, "text": "x"})
    assert len(history(engine, "a")) == 1


@pytest.mark.parametrize(
    ("operation", "word"),
    [({"op": "frobnicate", "path": "n"}, "frobnicate"), ({"op": "add"}, ""), ({"path": "n"}, "")],
)
def test_a_malformed_operation_is_a_bad_request(engine: Engine, operation: dict[str, Any], word: str) -> None:
    ref = put(engine, "a", {"n": 1})
    with pytest.raises(BadRequest) as caught:
        patch(engine, json_patch({"op": "inc", "path": "n"}, operation))
    assert (caught.value.status, caught.value.code) == (400, "api_bad_request")
    assert word in str(caught.value)
    assert item(engine, "a").ref == ref


def test_a_missing_item_is_noticed_before_a_malformed_patch(engine: Engine) -> None:
    with pytest.raises(NotFound):
        patch(engine, json_patch({"op": "frobnicate"}))


def test_an_upsert_patches_an_empty_object(engine: Engine) -> None:
    written = patch(engine, json_patch({"op": "add", "path": "n", "value": 1}), upsert=True)
    assert (item(engine, "a").ref, get(engine, "a")) == (written.ref, {"n": 1})
    patch(engine, MergePatch({"m": 2}), upsert=True)
    assert get(engine, "a") == {"n": 1, "m": 2}
    delete(engine, "a")
    patch(engine, MergePatch({"m": 3}), upsert=True)
    assert get(engine, "a") == {"m": 3}


def test_an_upsert_that_fails_creates_nothing(engine: Engine) -> None:
    with pytest.raises(PatchConflict):
        patch(engine, json_patch({"op": "inc", "path": "n"}), upsert=True)
    with pytest.raises(NotFound):
        get(engine, "a")
    with pytest.raises(NotFound):
        history(engine, "a")


def test_an_upsert_may_be_create_only(engine: Engine) -> None:
    patch(engine, MergePatch({"n": 1}), upsert=True, condition=IfAbsent())
    with pytest.raises(AlreadyExists):
        patch(engine, MergePatch({"n": 2}), upsert=True, condition=IfAbsent())
    assert get(engine, "a") == {"n": 1}


def test_a_guarded_patch_of_an_older_version_is_a_conflict_before_it_is_tried(engine: Engine) -> None:
    old = put(engine, "a", {"n": 1})
    current = put(engine, "a", {"n": 2})
    with pytest.raises(Conflict) as caught:
        patch(engine, json_patch({"op": "remove", "path": "missing"}), condition=IfMatch(old))
    assert (caught.value.expected, caught.value.current) == (old, current)


def test_a_conditional_block_is_skipped_where_its_test_fails(engine: Engine) -> None:
    put(engine, "a", {"n": 1})
    nested = [{"op": "test", "path": "n", "value": 2}, {"op": "replace", "path": "n", "value": 99}]
    patch(
        engine,
        json_patch(
            {"op": "patch", "path": "/", "value": nested, "conditional": True},
            {"op": "add", "path": "done", "value": True},
        ),
    )
    assert get(engine, "a") == {"n": 1, "done": True}
