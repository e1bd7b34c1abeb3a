"""What a search sees of stored things."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.lucene.analysis import analyze
from orcodm.lucene.casts import date
from orcodm.lucene.entries import Entry, entry, field_name

from ..strategies import json_values

ADA = {
    "name": "Ada Lovelace",
    "age": 36,
    "tags": ["math", None, "analytical engine", 7],
    "address": {"city": "London", "zip": None},
    "homes": [{"city": "London", "lat": 51.5, "lng": -0.1}, {"city": ["Paris", "Nice"]}],
    "empty": "",
    "nothing": {},
    "ok": False,
}


def of(value: Any) -> Entry:
    return entry("item", {"collection": "users", "key": "ada"}, value)


def test_members_are_fields_and_arrays_are_transparent():
    assert of(ADA).leaves == {
        "value.name": ["Ada Lovelace"],
        "value.age": [36],
        "value.tags": ["math", "analytical engine", 7],
        "value.address.city": ["London"],
        "value.homes.city": ["London", "Paris", "Nice"],
        "value.homes.lat": [51.5],
        "value.homes.lng": [-0.1],
        "value.empty": [""],
        "value.ok": [False],
    }


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        ("x", {"value": ["x"]}),
        (None, {}),
        ([], {}),
        ([1, [2, [3]], {"a": [[4]]}], {"value": [1, 2, 3], "value.a": [4]}),
        ({"a.b": 1, "a": {"b": 2}}, {"value.a\\.b": [1], "value.a.b": [2]}),
        ({"": {"": 1}}, {"value..": [1]}),
        ({"value": 1}, {"value.value": [1]}),
    ],
)
def test_any_root_has_leaves(value: Any, leaves: dict[str, list[Any]]):
    assert of(value).leaves == leaves


@given(json_values())
def test_one_field_has_the_leaves_that_it_has_among_all(value: Any):
    leaves = of(value).leaves
    for field in [*leaves, "value", "value.", "value.a", "value.a.b"]:
        assert of(value).values(field) == leaves.get(field, [])


TEXTS = st.lists(
    st.sampled_from(
        ["the", "The", "K", "İ", "İth", "e", "'", ".", ",", "3", " ", "\n", "Σ", "\u0308", "\u200d"]
    )
).map("".join)


@given(st.lists(TEXTS, max_size=3), TEXTS)
def test_a_word_is_looked_for_without_cutting_the_text_and_found_the_same(texts: list[str], other: str):
    for word in [*of(texts).words("value"), *analyze(other)]:
        assert of(texts).has_word("value", word) is (word in of(texts).words("value"))
        assert of(texts).has_word(None, word) is (word in of(texts).words(None))


def test_metadata_is_under_path():
    event = entry("event", {"key": "ada", "ordinal": 3, "source.key": "b", "reftime": None}, {})
    assert event.kind == "event"
    assert event.path == {
        "@path.key": ["ada"],
        "@path.ordinal": [3],
        "@path.source.key": ["b"],
        "@path.kind": ["event"],
    }
    assert event.values("@path.ordinal") == [3]
    assert event.values("@path.reftime") == []


@pytest.mark.parametrize(
    ("written", "full"),
    [
        (None, None),
        ("name", "value.name"),
        ("value.name", "value.name"),
        ("value", "value"),
        ("values", "value.values"),
        ("@path.key", "@path.key"),
        ("@type", "value.@type"),
    ],
)
def test_names_of_fields(written: str | None, full: str | None):
    assert field_name(written) == full


def test_tokens_are_kept_apart_by_element():
    ada = of(ADA)
    assert ada.tokens("value.tags") == [["math"], ["analytical", "engine"]]
    assert ada.words("value.tags") == {"math", "analytical", "engine"}
    assert ada.words(None) == {"ada", "lovelace", "math", "analytical", "engine", "london", "paris", "nice"}
    assert ada.words("value.missing") == set()


def test_a_field_exists_with_what_is_below_it():
    ada = of(ADA)
    there = [
        "value",
        "value.name",
        "value.address",
        "value.homes",
        "value.empty",
        "value.ok",
        "@path.key",
        "@path",
    ]
    assert [field for field in there if not ada.exists(field)] == []
    absent = ["value.addr", "value.nothing", "value.address.zip", "value.homes.city.x", "@path.type"]
    assert [field for field in absent if ada.exists(field)] == []


@pytest.mark.parametrize(
    ("value", "points"),
    [
        ({"lat": 1, "lon": 2}, {"value": [(1, 2)]}),
        ({"at": {"Latitude": 1.5, "LONG": -2}}, {"value.at": [(1.5, -2)]}),
        ({"at": [{"lat": 1, "lng": 2}, {"lat": 3, "longitude": 4}]}, {"value.at": [(1, 2), (3, 4)]}),
        ({"lat": 1, "latitude": 2, "lon": 3, "long": 4}, {"value": [(2, 3)]}),
        ({"lat": "1", "lon": 2}, {}),
        ({"lat": True, "lon": 2}, {}),
        ({"lat": 91, "lon": 2}, {}),
        ({"lat": 1, "lon": -181}, {}),
        ({"lat": 1}, {}),
    ],
)
def test_points(value: Any, points: dict[str, list[tuple[float, float]]]):
    found = of(value)
    for field in ("value", "value.at"):
        assert found.points(field) == points.get(field, [])
    assert found.points(None) == [point for some in points.values() for point in some]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00:00Z", 86_400_000_000),
        ("1970-01-01T01:00", 3_600_000_000),
        ("1970-01-01 01:00:00.5+01:00", 500_000),
        ("1970-01-01T00:00:00.1234567Z", 123_456),
        ("1969-12-31T23:59:59,999-0000", -1_000),
        ("0001-01-01", -62_135_596_800_000_000),
        ("2014-02-30", None),
        ("2014-01-01T25:00", None),
        ("2014", None),
        ("2014-01", None),
        ("20140101", 1_388_534_400_000_000),
        ("2014-W01-1", 1_388_361_600_000_000),
        ("x2014-01-01", None),
        ("2014-01-01T10", 1_388_570_400_000_000),
        ("２０１４-01-01", None),
        ("9999-12-31T23:59:59-12:00", 253_402_343_999_000_000),
        ("0001-01-01T00:00+01:00", -62_135_600_400_000_000),
    ],
)
def test_dates(text: str, instant: int | None):
    assert date(text) == instant


def test_dates_of_a_field():
    assert of({"at": ["1970-01-01", "soon", 5, "1970-01-01T00:00:01Z"]}).dates("value.at") == [0, 1_000_000]


@given(json_values())
def test_every_scalar_of_a_value_is_a_leaf(value: Any):
    def scalars(inner: Any) -> list[Any]:
        if isinstance(inner, dict):
            return [leaf for member in inner.values() for leaf in scalars(member)]
        if isinstance(inner, list):
            return [leaf for element in inner for leaf in scalars(element)]
        return [] if inner is None else [inner]

    found = [leaf for leaves in of(value).leaves.values() for leaf in leaves]
    assert sorted(map(repr, found)) == sorted(map(repr, scalars(value)))
