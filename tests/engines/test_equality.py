"""Equality is exact: a number, a text and a boolean are three things, on every engine, indexed or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm import Document, Field, InvalidFilter, field
from orcodm.lucene.exact import equal
from orcodm.lucene.renderer import render
from orcodm.operations import Search
from orcodm.testing import Watched

from .asking import THINGS, delete, put, put_all

VALUES: dict[str, Any] = {
    "number": 36,
    "float": 36.0,
    "text": "36",
    "text of a float": "36.0",
    "true": True,
    "text of true": "true",
    "false": False,
    "text of false": "false",
    "one": 1,
    "text of one": "1",
    "zero": 0,
    "negative zero": -0.0,
    "empty": "",
    "null": None,
    "text of null": "null",
    "exponent": "1e3",
    "thousand": 1000,
    "both": [36, "1", True],
    "words": "36 true words",
    "long": 2**53 + 1,
    "longer": 2**53,
    "text of long": str(2**53 + 1),
    "beyond": 10**25,
    "beyond as float": 1e25,
}


def same(one: Any, other: Any) -> bool:
    if type(one) in (int, float) and type(other) in (int, float):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def holders(wanted: Any) -> set[str]:
    """The keys of the values that are, or have, what is wanted."""
    return {
        key
        for key, value in VALUES.items()
        if any(same(one, wanted) for one in (value if isinstance(value, list) else [value]))
    }


class Thing(Document, collection="exact"):
    any: Field[Any] = field(default=None)
    union: Field[int | str | bool | float | None] = field(default=None)
    members: Field[dict[str, Any]] = field(factory=dict)
    many: Field[list[Any]] = field(factory=list)


@pytest.fixture(params=["pending", "indexed"])
def things(watched: Watched, request: pytest.FixtureRequest) -> None:
    if request.param == "indexed":
        request.getfixturevalue("early")
        put_all(watched, {f"{n}": {} for n in range(60)}, collection="crowd")
    stored = {
        key: {
            "any": value,
            "union": None if key == "both" else value,
            "members": {"m": value},
            "many": [value],
        }
        for key, value in VALUES.items()
    }
    put_all(watched, stored, collection="exact")


WANTED = [
    36,
    36.0,
    "36",
    "36.0",
    True,
    False,
    "true",
    "false",
    1,
    "1",
    0,
    "",
    "1e3",
    1e3,
    2**53 + 1,
    2**53,
    10**25,
]


@pytest.mark.parametrize("wanted", WANTED, ids=repr)
def test_a_value_is_found_as_what_it_is(things: None, wanted: Any) -> None:
    found = holders(wanted) - ({"beyond as float"} if wanted == 10**25 else set())
    anything: Any = Thing.members["m"]
    union: Any = Thing.union
    for criterion in (
        Thing.any == wanted,
        union == wanted,
        anything == wanted,
        Thing.many.contains(wanted),
        Thing.any.is_in([wanted]),
        Thing.any.is_in([wanted, "nowhere"]),
    ):
        keys = {one.key for one in Thing.query.filter(criterion)} - {"beyond as float"}
        assert keys == (found - {"both"} if "union" in str(criterion) else found), str(criterion)
        assert Thing.query.filter(~criterion).count() == len(VALUES) - Thing.query.filter(criterion).count()


def test_null_is_no_value(things: None) -> None:
    assert [one.key for one in Thing.query.filter(Thing.any == None)] == ["null"]  # noqa: E711
    assert Thing.query.filter(Thing.any.is_in([None, "36"])).count() == 2
    assert Thing.query.filter(Thing.any == "null").one().key == "text of null"
    with pytest.raises(InvalidFilter, match="nulls in a list"):
        Thing.many.contains(None)


def test_the_most_frequent_values_are_told_apart(things: None) -> None:
    for expression in (Thing.any, Thing.members["m"], Thing.many):
        found = {
            (type(one.value).__name__, one.value): one.count
            for one in Thing.query.top(expression, 100).entries
        }
        counts = {("str" if name == "str" else name, value): count for (name, value), count in found.items()}
        numbers = {value: count for (name, value), count in counts.items() if name in ("int", "float")}
        assert numbers[36] == 3
        assert numbers[1] == 1
        assert counts["str", "36"] == 1
        assert counts["str", "1"] == 2
        assert counts["bool", True] == 2
        assert counts["str", "true"] == 1
        assert numbers[0] == 2


SCALARS = st.sampled_from(
    [*WANTED, "ada", "a b", "-1", -1, "01", "NaN", "1.", "36\n", "`36`", "TRUE", 0.1, "0.1"]
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(SCALARS, max_size=3) | SCALARS, max_size=6), SCALARS)
def test_equality_is_pythons_within_a_type(engine: Any, values: list[Any], wanted: Any) -> None:
    for n in range(6):
        delete(engine, f"{n}")
    for n, value in enumerate(values):
        put(engine, f"{n}", {"x": value})
    query = render(equal(wanted, "value.x"))
    found = {one.key for one in engine.execute(Search(query=query, collection=THINGS)).results}
    assert found == {
        f"{n}"
        for n, value in enumerate(values)
        if any(same(one, wanted) for one in (value if isinstance(value, list) else [value]))
    }
