"""What the index is given of a value."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orcodm.engines.opensearch.fields import LONGEST, indexed, ordered, powers, read_ordered, repeated
from orcodm.engines.opensearch.mapping import definition, form
from orcodm.engines.opensearch.names import field_of, item_id, path, relation_id
from orcodm.names import normal

from ..strategies import json_values, scalars

MARKS = ("has", "multiple", "again", "nulls")


def given_to_the_index(value: Any) -> dict[str, Any]:
    return indexed(value, has_nulls=True)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("text", {"string:": "text"}),
        ({"name": "Ada"}, {"string:/name": "Ada"}),
        ({"a": {"b": 5}}, {"number:/a/b": 5}),
        ({"n": -0.0}, {"number:/n": 0.0}),
        ({"n": True}, {"boolean:/n": True}),
        ({"n": None}, {}),
        ({"n": 2**53}, {"number:/n": [2.0**53], "integer:/n": ["i1" + "0016" + str(2**53)]}),
        ({"n": 10**400}, {"integer:/n": ["i10401" + str(10**400)]}),
        (
            {"d": "2014-01-31"},
            {"string:/d": "2014-01-31", "date:/d": 1391126400000, "instant:/d": 1391126400000000},
        ),
        ({"tags": ["a", "b"]}, {"string:/tags": ["a", "b"]}),
        ({"x": [{"y": 1}, {"y": "z"}]}, {"string:/x/y": ["z"], "number:/x/y": [1.0]}),
        (
            {"p": {"Latitude": 1, "lng": 2}},
            {"number:/p/Latitude": 1, "number:/p/lng": 2, "point:/p": [[2.0, 1.0]]},
        ),
        ({"p": {"lat": 91, "lon": 2}}, {"number:/p/lat": 91, "number:/p/lon": 2}),
        (
            {"m": ["2014-01-31", "x"]},
            {
                "string:/m": ["2014-01-31", "x"],
                "date:/m": [1391126400000],
                "instant:/m": [1391126400000000],
                "other:/m": ["x"],
            },
        ),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_the_forms_of_a_field(value: Any, fields: dict[str, Any]) -> None:
    given = given_to_the_index(value)
    assert {name: found for name, found in given.items() if name not in MARKS} == fields


def test_a_long_string_has_its_words_and_stands_in_the_order_of_its_beginning() -> None:
    short, long = "x" * LONGEST, "x" * (LONGEST + 1)
    assert set(given_to_the_index({"t": short})) - set(MARKS) == {"string:/t"}
    assert given_to_the_index({"t": long})["long:/t"].startswith("xxx")
    # An astral character is two units to Java.
    assert "long:/t" in given_to_the_index({"t": "😀" * (LONGEST // 2 + 1)})
    assert "long:/t" not in given_to_the_index({"t": "😀" * (LONGEST // 2)})


def test_arrays_are_marked_where_counting_needs_it() -> None:
    given = given_to_the_index({"a": [1, 1.0, True, "1", "1", "1"], "b": 5, "c": [None, None, None]})
    assert len(given["multiple"]) == 1
    assert sorted(given["again"]) == sorted(
        [repeated("value.a", 1, 0), repeated("value.a", "1", 1)]  # one more, and two more
    )
    assert len(given["nulls"]) == 2  # 3 is 1 + 2
    assert given["has"] == ("", "/a", "/b")


@given(st.integers(0, 10**6))
def test_powers_add_up(count: int) -> None:
    assert sum(2**power for power in powers(count)) == count


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
@example(-(10**400), -(10**399))
def test_codes_are_in_the_order_of_their_numbers(one: int, other: int) -> None:
    assert (ordered(one) < ordered(other)) == (one < other)
    assert (ordered(one) == ordered(other)) == (one == other)
    assert read_ordered("i" + ordered(one)) == one
    assert ordered(float("-inf")) < ordered(one) < ordered(float("inf"))


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
@example("a.b", "a/b")
@example("", ".")
@example("A", "a")
@example("~2f;", "/")
@example("\u124e" * 60, "")
@example("a" * 201, "b" * 199)
def test_fields_have_names_of_their_own(one: str, other: str) -> None:
    one, other = normal(one), normal(other)
    paths = {path(f"value.{name}") for name in (one, other)} | {path("value")}
    assert len(paths) == len({one, other}) + 1
    assert not any(character in name for name in paths for character in '.*,:"\\#\n\x00')
    if path(f"value.{one}").startswith("/"):  # what is too long becomes a hash
        assert field_of("string:" + path(f"value.{one}")) == f"value.{one}"


@given(json_values())
def test_any_value_has_fields_that_can_be_mapped(value: Any) -> None:
    for name in given_to_the_index(value):
        assert (form(name) is None) == (name in MARKS)
        if form(name):
            assert definition(name)["type"]


@given(st.dictionaries(st.sampled_from(("a", "b", "b.c", "", "lat", "lng")), scalars | st.lists(scalars)))
@example({"when": "2014-01-31", "tags": ["a", "b"], "n": None, "big": [2**60, 1.5], "none": []})
@example({"lat": 1, "lng": 2, "again": ["x", "x"]})
@example({"a.b": 1, "": [None]})
def test_an_object_has_the_same_fields_wherever_it_is(value: dict[str, Any]) -> None:
    # At the root most objects are taken apart in one go, and below it none is.
    above, below = given_to_the_index(value), given_to_the_index({"in": value})
    assert {name.replace(":", ":/in", 1): found for name, found in above.items() if form(name)} == {
        name: found for name, found in below.items() if form(name)
    }
    assert {*above["has"]} == {name.removeprefix("/in") for name in below["has"]}
    for kind in ("multiple", "again", "nulls"):
        assert len(above.get(kind, ())) == len(below.get(kind, ()))


def test_what_is_stored_as_text_is_given_as_text() -> None:
    one = UUID(int=1)
    text = str(one)
    assert given_to_the_index({"id": one})["string:/id"] == text
    assert given_to_the_index({"ids": [one, "x"]})["string:/ids"] == [text, "x"]
    assert given_to_the_index({"in": {"id": one}})["string:/in/id"] == text


def test_ids_are_short_and_depend_on_where_names_end() -> None:
    assert len(item_id("c" * 1024, "k" * 1024)) == 32
    assert item_id("ab", "c") != item_id("a", "bc")
    assert relation_id("a", "b", "c", "d", "e") != relation_id("a", "b", "c", "de", "e")
