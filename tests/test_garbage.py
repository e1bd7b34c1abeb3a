"""Whatever an attribute of an operation is given, there is an answer or an error of orcodm's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Client, connect
from orcodm import operations as ops
from orcodm.engine import Engine
from orcodm.errors import InvalidParameter, OrcodmError, UsageError, shortened
from orcodm.operations import Put, Search


class Odd:
    """What a program may give by mistake: it cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@attrs.frozen(repr=False)
class Shown:
    """A value that hypothesis may show, whatever it is."""

    value: Any

    def __repr__(self) -> str:
        return f"Shown({shortened(self.value)})"


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


HUGE = [2**63, -(2**63) - 1, 1 << 62, 2**53, 10**400, -(10**5000), 10**5000]
# fmt: off
GARBAGE: list[Any] = [
    None, True, False, -1, 0, 1.5, float("nan"), float("inf"), -float("inf"), *HUGE, "", " ", "\ud800",
    "a\udfff", "x" * 100_000, "ä" * 2_000, "value.n:desc", "\0", "0a", b"", b"\xff", Decimal("1.5"), (),
    [], {}, set(), [None], [1], [()], [[]], [{}], [""], ["\ud800"], ["x"] * 2, ("value.n:asc",),
    [float("nan")], [(None, None)], [(1, 2, 3)], [("a", "b")], [(float("nan"), 1)], [(10**5000, None)],
    [1, "a", None], {"a": 1}, {"a": {"b": Odd()}}, {1: 2}, {"\ud800": 1}, nested(300), nested(100_000),
    [nested(100_000)], Odd(), [Odd()], object, len, datetime(2020, 1, 1), range(5), ["x"] * 20_000, ...,
    1j,
]
# fmt: on


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


PLACE: dict[str, Any] = {"collection": "a", "key": "k"}
EVENT = PLACE | {"type": "t", "timestamp": 1, "ordinal": 2}
RELATION = PLACE | {"kind": "r", "to_collection": "a", "to_key": "k"}
VALID: dict[type[Any], dict[str, Any]] = {
    ops.Ping: {},
    ops.Get: PLACE,
    ops.Put: PLACE | {"value": {}},
    ops.Post: {"collection": "a", "value": {}},
    ops.Patch: PLACE | {"changes": ops.MergePatch({"n": 1})},
    ops.Delete: PLACE,
    ops.DeleteCollection: {"collection": "a"},
    ops.List: {"collection": "a"},
    ops.ListRefs: PLACE,
    ops.Search: {"query": "home:NEAR:{lat:1 lon:2 dist:5km}", "collection": "a"},
    ops.ListTerms: {"collection": "a", "field": "value.t"},
    ops.PostEvent: PLACE | {"type": "t", "value": {}},
    ops.GetEvent: EVENT,
    ops.PutEvent: EVENT | {"value": {}},
    ops.PatchEvent: EVENT | {"changes": ops.MergePatch({})},
    ops.DeleteEvent: EVENT,
    ops.ListEvents: PLACE | {"type": "t"},
    ops.PutRelation: RELATION,
    ops.GetRelation: RELATION,
    ops.DeleteRelation: RELATION,
    ops.ListRelations: PLACE | {"kinds": ("r",)},
    ops.Dump: {},
    ops.Restore: {"records": []},
    ops.Batch: {"operations": []},
    ops.IfMatch: {"ref": "0a"},
    ops.IfAbsent: {},
    ops.JsonPatch: {"operations": []},
    ops.MergePatch: {"value": {}},
    ops.EventBound: {"timestamp": 1},
    ops.SortField: {"field": "value.n"},
    ops.SortDistance: {"field": "value.home"},
    ops.SortRandom: {},
    ops.Stats: {"field": "value.n"},
    ops.Ranges: {"field": "value.n", "buckets": [(0, 1)]},
    ops.Distances: {"field": "value.home", "buckets": [(0, 1)]},
    ops.TimeSeries: {"field": "value.n", "interval": "day"},
    ops.TopValues: {"field": "value.n"},
}


def asked(made: Any) -> ops.Operation[Any]:
    """An operation in which a value is used."""
    search = VALID[ops.Search]
    match made:
        case ops.IfMatch() | ops.IfAbsent():
            return Put(**PLACE, value={}, condition=made)
        case ops.JsonPatch() | ops.MergePatch():
            return ops.Patch(**PLACE, changes=made, upsert=True)
        case ops.EventBound():
            return ops.ListEvents(**PLACE, type="t", start=made)
        case ops.SortField() | ops.SortDistance() | ops.SortRandom():
            return Search(**search, sort=(made,))
        case ops.Operation():
            return made
    return Search(**search, aggregates=(made,))


def try_out(engine: Engine, kind: type[Any], name: str, value: Any) -> None:
    """Make it, and ask it on an engine with something in it."""
    try:
        made = kind(**VALID[kind] | {name: value})
    except OrcodmError as error:
        shown, made = str(error), None
    if made is None:
        assert len(shown) < 500, (kind, name)
        return
    number = getattr(made, name, None)
    if type(number) is int and name != "value":
        most = 2**128 if (kind, name) == (ops.ListRefs, "at") else 2**63
        assert -(2**63) <= number < most, "every number is bounded"
    filled = {"n": 1, "t": "x y", "home": {"lat": 1, "lon": 2}}
    engine.execute(Put(collection="a", key="k", value=filled))
    with suppress(OrcodmError):
        engine.execute(asked(made))


def test_all_values_of_operations_are_tried() -> None:
    assert ops.all_operations() < set(VALID)
    for union in (ops.Sort, ops.Aggregate, ops.Changes):
        assert set(union.__args__) <= set(VALID)


@pytest.mark.parametrize("kind", VALID, ids=lambda kind: kind.__name__)
def test_garbage_gets_an_error_or_an_answer(engine: Engine, kind: type[Any]) -> None:
    for one in attrs.fields(kind):
        for value in GARBAGE:
            try_out(engine, kind, one.name, value)


@given(
    place=st.sampled_from([(kind, one.name) for kind in VALID for one in attrs.fields(kind)]),
    value=st.recursive(
        st.integers(0, len(GARBAGE) - 1).map(lambda index: GARBAGE[index])
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
        ),
        max_leaves=4,
    ).map(Shown),
)
def test_any_value_gets_an_error_or_an_answer(
    engine: Engine, place: tuple[type[Any], str], value: Shown
) -> None:
    try_out(engine, *place, value.value)


@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (lambda: Search(query="*", limit=1 << 62), "limit"),
        (lambda: Search(query="*", limit="x"), "limit"),
        (lambda: Search(query="*", offset=1 << 62), "offset"),
        (lambda: Search(query="*", sort=["value.n:asc"]), "sort"),
        (lambda: Search(query="*", sort="value.n:asc"), "sort"),
        (lambda: Search(query="*", aggregates=[None]), "aggregates"),
        (lambda: Search(query="*", values=1), "values"),
        (lambda: Search(query="*", with_fields=[1]), "with_fields"),
        (lambda: Search(query="*", without_fields=7), "without_fields"),
        (lambda: ops.ListRefs(**PLACE, offset=2**60), "offset"),
        (lambda: ops.ListEvents(**PLACE, type="t", start=5), "start"),
        (lambda: ops.ListRelations(**PLACE, kinds=("r",) * 101), "kinds"),
        (lambda: ops.TopValues("value.n", offset=2**40), "offset"),
        (lambda: ops.Ranges("value.n", [(float("nan"), 1)]), "buckets"),
        (lambda: ops.Ranges("value.n", [(0, 10**400)]), "buckets"),
        (lambda: ops.Ranges("value.n", [(0, 1, 2)]), "buckets"),
        (lambda: ops.Delete(**PLACE, purge="no"), "purge"),
        (lambda: Put(**PLACE, value={}, text="{}"), "text"),
        (lambda: ops.Patch(**PLACE, changes={"n": 1}), "changes"),
    ],
)
def test_the_error_names_the_attribute(make: Any, attribute: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        make()
    assert attribute in str(caught.value)
    assert attribute in caught.value.details


def test_the_client_takes_the_text_of_the_api() -> None:
    with Client("memory:") as client:
        things = client.collection("things")
        for key, n in (("a", 1), ("b", 2), ("c", 2)):
            things.key(key).put({"n": n, "name": key})
        page = things.search("*", sort="value.n:desc,value.name:asc", aggregate="value.n:stats")
        assert [item.key for item in page.results] == ["b", "c", "a"]
        assert page.aggregates[0].sum == 5  # type: ignore[union-attr]
        assert things.search("*", aggregates="value.n:top_values").aggregates[0].value_count == 3
        assert [item.key for item in client.search("*", sort="value.name:desc").results] == ["c", "b", "a"]
        for wrong in (
            {"sort": "value.n:sideways:x"},
            {"aggregate": "value.n:median"},
            {"sort": 5},
            {"limit": "5"},
        ):
            with pytest.raises(InvalidParameter, match=next(iter(wrong))):
                things.search("*", **wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="two names of one option"):
            things.search("*", aggregate="value.n:stats", aggregates="value.n:stats")
        with pytest.raises(UsageError, match="a moment and an ordinal"):
            things.key("a").event("t").list(start=(1, 2, 3))  # type: ignore[arg-type]
        for patch in ("abc", 5, ["abc"], [5]):
            with pytest.raises(InvalidParameter, match="changes"):
                things.key("a").patch(patch)  # type: ignore[arg-type]
