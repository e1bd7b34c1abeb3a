"""Numbers and booleans as queries write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.lucene.literals import Number, equality, number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", Number(0, 0)),
        ("-5", Number(-5, -5)),
        ("36.0", Number(36, 36.0)),
        ("3.5", Number(3.5, 3.5)),
        ("1e23", Number(10**23, 1e23)),
        ("2E-1", Number(0.2, 0.2)),
        ("1e999", Number(10**999, float("inf"))),
        ("1e99999", Number(float("inf"), float("inf"))),
        ("9007199254740993", Number(2**53 + 1, 2**53 + 1)),
        *[
            (text, None)
            for text in ("", "a", "036", ".5", "5.", "+1", "1e", "NaN", "Infinity", "0x1", " 1", "１")
        ],
        ("9" * 5000, None),
    ],
)
def test_a_text_is_a_number_or_not(text: str, found: Number | None):
    assert number(text) == found


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_found_by_its_json(value: float):
    equal = equality(json.dumps(value))
    assert equal is not None
    assert equal(value)


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_integers_are_never_rounded(one: int, other: int):
    equal = equality(str(one))
    assert equal is not None
    assert equal(other) is (one == other)


def test_types_are_kept_apart():
    true, one = equality("true"), equality("1")
    assert true is not None
    assert one is not None
    assert [true(True), true(False), true(1), true("true")] == [True, False, False, False]
    assert [one(1), one(1.0), one(True), one("1")] == [True, True, False, False]
    assert equality("True") is equality("yes") is None
