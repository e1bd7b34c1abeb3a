"""JSON out and back without a loss, and a refusal with a path for what JSON cannot hold."""

from __future__ import annotations

import json
import math
import sys
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orcodm import values
from orcodm.errors import InvalidValue
from orcodm.values import MAX_DEPTH, canonical, check, decode, encode

from .engines.strategies import json_values


def nested(depth: int, innermost: Any = 0) -> Any:
    """Lists in lists, `depth` of them."""
    value = innermost
    for _ in range(depth):
        value = [value]
    return value


def typed(value: Any) -> Any:
    """The value with the type of each scalar beside it, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {name: typed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [typed(member) for member in value]
    return type(value), repr(value)


@given(json_values())
@example(10**400)
@example([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1])
@example({"small": 1e-320, "big": 1.7976931348623157e308, "round": 1e22, "zero": -0.0, "huge": 2**70})
@example({"": {"\x00": "\x7f\u2028 😀"}})
def test_decoding_an_encoded_value_gives_it_back(value: Any) -> None:
    assert typed(decode(encode(value))) == typed(value)
    assert typed(decode(canonical(value))) == typed(value)


@settings(max_examples=50)
@given(json_values())
def test_what_is_written_is_compact_json_in_utf8(value: Any) -> None:
    text = encode(value).decode()
    assert json.loads(text) == value
    assert "\n" not in text
    assert decode(text) == value


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=3), json_values(max_leaves=3), max_size=6), st.randoms())
def test_the_canonical_form_does_not_know_the_order_of_members(value: dict[str, Any], random: Any) -> None:
    try:
        check(value)
    except InvalidValue:
        return
    members = list(value.items())
    random.shuffle(members)
    assert canonical(dict(members)) == canonical(value)


@settings(max_examples=50)
@given(json_values(), json_values())
def test_only_equal_values_have_the_same_canonical_form(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (one == other and typed(one) == typed(other))


def test_members_keep_their_order_where_the_form_is_not_canonical() -> None:
    assert encode({"b": 1, "a": [1, 2]}) == b'{"b":1,"a":[1,2]}'
    assert canonical({"b": 1, "a": [1, 2]}) == b'{"a":[1,2],"b":1}'
    assert canonical({"b": 2**70, "a": "é"}) == b'{"a":"\xc3\xa9","b":1180591620717411303424}'


def test_the_canonical_order_is_by_code_point_with_and_without_large_integers() -> None:
    names = ["Z", "a", "é", "\uffff", "😀"]
    assert list(decode(canonical(dict.fromkeys(reversed(names), 1)))) == names
    assert list(decode(canonical(dict.fromkeys(reversed(names), 2**70)))) == names


def test_a_tuple_is_written_as_a_list() -> None:
    assert encode({"a": (1, (2,))}) == b'{"a":[1,[2]]}'


def test_the_canonical_form_of_numbers_stays_what_it_is_since_refs_are_made_of_it() -> None:
    numbers = [1e16, 1.5e300, 1e15, 1e-5, 1e-7, 5e-324, -0.0, 100.0, 2**63, -(2**70), 12345678901234567890.0]
    text = "[1e16,1.5e300,1000000000000000.0,0.00001,1e-7,5e-324,-0.0,100.0,9223372036854775808,"
    assert canonical(numbers).decode() == text + "-1180591620717411303424,1.2345678901234567e19]"


class Colour(Enum):
    RED = "red"
    PAIR = (1, 2.5)


def test_what_is_encoded_without_being_json_has_the_canonical_form_of_its_text() -> None:
    value = {"id": UUID(int=1), "colours": [Colour.RED, Colour.PAIR]}
    assert canonical(value) == canonical(decode(encode(value)))


class Text(str):
    """A subclass of str: it would come back as something else."""


circle: list[Any] = []
circle.append(circle)


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (math.nan, "", "JSON has no nan; use None"),
        ({"a": {"b": [1, math.inf]}}, "a.b[1]", "JSON has no inf; use None"),
        ({"a": [{"b": -math.inf, "c": 2**70}]}, "a[0].b", "JSON has no -inf; use None"),
        ({"a": "x\ud800"}, "a", "a lone surrogate at position 1"),
        (["\udfff😀"], "[0]", "a lone surrogate at position 0"),
        ({"a": {"\ud83d": 1}}, "a.'\\ud83d'", "a lone surrogate at position 0"),
        ({1: "one"}, "", "the name 1 of a member is no string"),
        ({"a": {None: 1}}, "a", "the name None of a member is no string"),
        ({"a": {1, 2}}, "a", "JSON cannot hold a set ({1, 2})"),
        ({"a": b"bytes"}, "a", "JSON cannot hold a bytes"),
        ({"when": datetime(2020, 1, 1)}, "when", "JSON cannot hold a datetime"),
        ([Text("t")], "[0]", "JSON cannot hold a Text"),
        ({"a": object}, "a", "JSON cannot hold a type"),
        ({"n": 10**5000}, "n", "an integer of so many digits"),
        (nested(MAX_DEPTH + 1), "[0]" * MAX_DEPTH, f"nested deeper than {MAX_DEPTH} levels"),
        (nested(MAX_DEPTH + 1, math.nan), "[0]" * MAX_DEPTH, "nested deeper"),
        (circle, "[0]" * MAX_DEPTH, "nested deeper"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_path(value: Any, path: str, reason: str) -> None:
    for write in (encode, check):
        with pytest.raises(InvalidValue) as caught:
            write(value)
        assert caught.value.path == path
        assert reason in str(caught.value)


def test_a_value_may_nest_as_deep_as_is_stated() -> None:
    deep = nested(MAX_DEPTH)
    assert decode(encode(deep)) == deep
    wide = [nested(MAX_DEPTH - 1, "[[[{{{") for _ in range(3)]
    assert decode(encode(wide)) == wide
    huge = nested(MAX_DEPTH, 2**70)
    assert decode(encode(huge)) == huge


@pytest.mark.parametrize("innermost", [0, 2**70])
def test_a_text_may_hold_values_of_that_depth(innermost: int) -> None:
    value = nested(MAX_DEPTH, innermost)
    assert decode(b'{"results":[{"value":' + encode(value) + b"}]}") == {"results": [{"value": value}]}


@pytest.mark.parametrize("value", ["null", {"null": "null"}, [None], {"nan": None}])
def test_null_is_not_mistaken_for_what_is_no_number(value: Any) -> None:
    assert decode(encode(value)) == value


LONG = "1234567890123456789012"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "NaN",
        "[1,]",
        "{'a':1}",
        '{"a":1}}',
        '"\\ud800"',
        "1e999",
        "\ufeff1",
        b"\xff",
        b'"\xed\xa0\x80"',
        "\ud800",
        f"[NaN,{LONG}]",
        f"[Infinity,{LONG}]",
        f"[1e999,{LONG}]",
        f'["\\ud800",{LONG}]',
        f"\ufeff{LONG}",
        f"{LONG} {LONG}",
        f"0{LONG}",
        "1" * 5000,
        "[" * 5000,
        "[" * 100_000 + LONG + "]" * 100_000,
        f"[{LONG},\x00]",
        f'"\n{LONG}"',
    ],
)
def test_what_is_no_json_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        decode(text)


@given(st.binary() | st.binary().map(lambda tail: b"[" + LONG.encode() + b"," + tail))
def test_any_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    try:
        value = decode(data)
    except ValueError:
        return
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" [ 1 , 2 ] \n", [1, 2]),
        ("1234567890123456789.5", 1234567890123456789.5),
        (LONG, int(LONG)),
        ("-" + LONG, -int(LONG)),
        ('"\\ud83d\\ude00"', "😀"),
        (f'["\\ud83d\\ude00",{LONG}]', ["😀", int(LONG)]),
        ("18446744073709551616", 2**64),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_decode(text: str, value: Any) -> None:
    assert typed(decode(text)) == typed(value)
    assert typed(decode(text.encode())) == typed(value)


# -- numbers from outside --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "0.12345678901234567890123",
        "0.1234567890123456789",
        "9007199254740993.0",
        "90071992547409930e-1",
        "1.00000000000000001",
        "123456789012345678901234567890.5",
        "1e400",
        "-1E400",
        "1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "3." + "1415926535897932384626" * 100,
    ],
)
@pytest.mark.parametrize("around", ["%s", '{"a": [%s]}', '{"text":"0.5","n":%s}'])
def test_a_number_that_no_float_is_is_refused(text: str, around: str) -> None:
    for data in (around % text, (around % text).encode()):
        with pytest.raises(InvalidValue, match=r"the number -?[0-9.eE]*.* cannot be stored as it is"):
            values.read(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("0.10000000000000001", 0.1),
        ("5.960464477539063e-8", 2.0**-24),
        ("0.1000000000000000055511151231257827", 0.1),
        ("1.50000000000000000000000000", 1.5),
        ("1.0" + "0" * 1000, 1.0),
        ("0.000000000000000000000000", 0.0),
        ("1e23", 1e23),
        ("1E+2", 100.0),
        ("1.7976931348623157e308", sys.float_info.max),
        ("5e-324", 5e-324),
        ("1850000000000000000", 1850000000000000000),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('"0.12345678901234567890123"', "0.12345678901234567890123"),
    ],
)
def test_a_number_that_a_float_is_is_read(text: str, value: Any) -> None:
    assert values.read(f" [{text}]") == [value]
    assert type(values.read(text)) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_way_to_write_a_float_is_read(number: float) -> None:
    for text in (repr(number), f"{number:.16e}", f"{number:.25e}", f"{Decimal(number):e}", f"{number:.17g}"):
        assert values.read(text) == number


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_it_is_or_refused(number: Decimal) -> None:
    text = f"{number:e}" if abs(number.adjusted()) > 30 else f"{number:f}"
    try:
        found = values.read(text)
    except InvalidValue:
        assert len(number.as_tuple().digits) > 15 or abs(number.adjusted()) > 290
    else:
        digits = max(1, len(bytes(number.as_tuple().digits).rstrip(b"\0")))
        assert found == number or Decimal(f"{found:.{digits - 1}e}") == number


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", "01", "1.", "NaN"])
def test_what_is_no_json_is_no_json_from_outside(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|truncated|[Ii]nvalid") as caught:
        values.read(text)
    assert not isinstance(caught.value, InvalidValue)
