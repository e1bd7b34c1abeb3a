"""Values survive unchanged, through every way that they can be read."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from orcodm.engine import Engine
from orcodm.errors import InvalidValue, NotFound
from orcodm.operations import (
    GetEvent,
    GetRelation,
    List,
    ListEvents,
    ListRefs,
    MergePatch,
    Patch,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
)
from orcodm.values import MAX_DEPTH

from ..test_values import nested, typed
from .asking import THINGS, get, history, item, listed, put
from .strategies import json_values

VALUES: list[Any] = [
    None,
    True,
    0,
    "",
    "text",
    [],
    {},
    [None, [], {}, ""],
    {"missing is not null": None, "empty": {}, "none": []},
    {"": {"": ""}},
    {"a.b": {"c": 1}, "a": {"b.c": 2}},
    {"@path": {"key": "x"}, "value": {"value": 1}},
    [-(2**63), 2**63 - 1, 2**63, 2**64, -(2**200), 10**400],
    [0.1, -0.0, 1e-320, 5e-324, 1.7976931348623157e308, 1e22, 1.0, 100.0],
    [1, 1.0, True, "1"],
    {"z": 1, "a": 2, "m": 3},
    "\x00\x01\x1f\x7f\u2028\ufeff\uffff😀",
    {"\x00": "nul", "😀": "e", "e\u0301": 1, "é": 2},
    '"quotes" \\ / <script> & %s {0}',
    "x" * 200_000,
    ["word"] * 20_000,
    {f"field {n}": n for n in range(1000)},
    nested(MAX_DEPTH),
    {"latitude": 1, "lon": "x"},
    {"born": "2014-01-31", "not born": "2014-13-99T99:99:99Z", "number": "1e5"},
    [1, "two", None, {"three": [3]}, [4.0]],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_a_value_survives(engine: Engine, value: Any) -> None:
    put(engine, "a", value)
    assert typed(get(engine, "a")) == typed(value)
    assert [typed(version.value) for version in history(engine, "a")] == [typed(value)]
    assert [typed(thing.value) for thing in engine.execute(List(collection=THINGS)).results] == [typed(value)]


def test_members_keep_their_order(engine: Engine) -> None:
    put(engine, "a", {"z": 1, "a": {"y": 1, "b": 2}})
    assert list(get(engine, "a")) == ["z", "a"]
    assert list(get(engine, "a")["a"]) == ["y", "b"]


@pytest.mark.parametrize("value", VALUES[:12], ids=lambda value: ascii(value)[:30])
def test_the_value_of_an_event_survives(engine: Engine, value: Any) -> None:
    event = engine.execute(PostEvent(collection=THINGS, key="a", type="log", value=value))
    at = {"collection": THINGS, "key": "a", "type": "log"}
    got = engine.execute(GetEvent(**at, timestamp=event.timestamp, ordinal=event.ordinal))
    assert typed(got.value) == typed(value)
    assert [typed(result.value) for result in engine.execute(ListEvents(**at)).results] == [typed(value)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values())
def test_any_value_survives(engine: Engine, value: Any) -> None:
    ref = put(engine, "a", value)
    thing = item(engine, "a")
    assert thing.ref == ref
    assert typed(thing.value) == typed(value)


def test_the_engine_keeps_no_hold_on_the_caller_s_objects(engine: Engine) -> None:
    value = {"tags": ["a"]}
    put(engine, "a", value)
    value["tags"].append("b")
    assert get(engine, "a") == {"tags": ["a"]}
    got = get(engine, "a")
    got["tags"].clear()
    assert get(engine, "a") == {"tags": ["a"]}


REFUSED: list[tuple[Any, str]] = [
    ({"a": [1, math.nan]}, "a[1]"),
    ({"a": math.inf}, "a"),
    ({"a": {"b": "x\ud800"}}, "a.b"),
    ({"a": {1, 2}}, "a"),
    ({"a": {3: 4}}, "a"),
    (nested(MAX_DEPTH + 1), "[0]" * MAX_DEPTH),
    (object(), ""),
]


@pytest.mark.parametrize(("value", "path"), REFUSED, ids=lambda value: ascii(value)[:20])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(
    engine: Engine, value: Any, path: str
) -> None:
    refs = [put(engine, key, {"n": 1}) for key in ("a", "b")]
    event = engine.execute(PostEvent(collection=THINGS, key="a", type="log", value=1))
    relation = {"collection": THINGS, "key": "a", "kind": "next", "to_collection": THINGS, "to_key": "b"}
    for operation in (
        Put(collection=THINGS, key="a", value=value),
        Put(collection=THINGS, key="new", value=value),
        Post(collection=THINGS, value=value),
        PostEvent(collection=THINGS, key="a", type="other", value=value),
        PutEvent(
            collection=THINGS,
            key="a",
            type="log",
            timestamp=event.timestamp,
            ordinal=event.ordinal,
            value=value,
        ),
        PutRelation(**relation, value=value),
    ):
        with pytest.raises(InvalidValue) as caught:
            engine.execute(operation)
        assert caught.value.path == path
    with pytest.raises(InvalidValue):
        engine.execute(Patch(collection=THINGS, key="a", changes=MergePatch({"deep": value})))

    assert [item(engine, key).ref for key in ("a", "b")] == refs
    assert listed(engine) == ["a", "b"]
    with pytest.raises(NotFound):
        engine.execute(ListRefs(collection=THINGS, key="new"))
    with pytest.raises(NotFound):
        engine.execute(GetRelation(**relation))
    assert engine.execute(ListEvents(collection=THINGS, key="a", type="other")).results == ()
    log = engine.execute(ListEvents(collection=THINGS, key="a", type="log"))
    assert [event.value for event in log.results] == [1]
