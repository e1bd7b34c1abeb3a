"""What the index holds of a value: its fields, each in the forms that its values need. Pure.

A field has a form for each type that was ever stored in it, mapped when the first such value comes:

* `string:`   the string as it is, and below it `.words`, its analysed tokens;
* `long:`     the beginning and the hash of a string too long for a keyword;
* `date:`     a string that is a date, in milliseconds, and `instant:`, in microseconds;
* `other:`    in an array that has dates as well, the strings that are none;
* `number:`   the nearest double;
* `integer:`  numbers from 2**53 on exactly, as text whose order is theirs; `i` for integers, `f` for floats;
* `decimal:`  the nearest double of a string that is a decimal number;
* `boolean:`, `point:`.

Arrays are sets to most of OpenSearch's aggregations, and here each element counts. So `multiple` names the
fields that have several values, `again` says which of them repeat, and `nulls` which fields have nulls.
"""

from __future__ import annotations

import sys
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from math import inf
from typing import Any, Final, get_args

from attrs import frozen

from ...lucene.casts import date, decimal
from ...lucene.entries import LONGITUDES, ROOT, Entry, Leaf, entry
from ...names import last, parent
from ...names import member as written
from ...values import decode, encode
from .names import ITEM, path

STRING: Final = "string:"
LONG: Final = "long:"
DATE: Final = "date:"
INSTANT: Final = "instant:"
OTHER: Final = "other:"
NUMBER: Final = "number:"
INTEGER: Final = "integer:"
DECIMAL: Final = "decimal:"
BOOLEAN: Final = "boolean:"
POINT: Final = "point:"

WORDS: Final = ".words"

EXACT: Final = 2**53
"""From here on a double stands for more than one integer."""

LONGEST: Final = 8_191
"""UTF-16 units of a keyword; Lucene takes terms of 32,766 bytes."""
_SURELY_SHORT: Final = LONGEST // 2
BEGINNING: Final = 2_000

_SCALARS: Final = frozenset(get_args(Leaf))
_FIRST: Final = frozenset("0123456789-+.")
"""What dates and decimal numbers begin with."""
_DIGITS: Final = 9_999
_NINES: Final = str.maketrans("0123456789", "9876543210")


# -- single values ---------------------------------------------------------------------------------


def ordered(number: int | float) -> str:
    """An integer, or an infinity, as text whose order is the order of integers."""
    if number in (float("inf"), float("-inf")):
        return "2" if number > 0 else "/"
    digits = str(abs(number))
    if number >= 0:
        return f"1{len(digits):04}{digits}"
    return f"0{_DIGITS - len(digits):04}{digits.translate(_NINES)}"


def read_ordered(code: str) -> int | float:
    """The number of a value of `integer:`."""
    letter, sign, digits = code[0], code[1], code[6:]
    number = int(digits) if sign == "1" else -int(digits.translate(_NINES))
    return number if letter == "i" else float(number)


def is_long(text: str) -> bool:
    """Whether a string is too long for a keyword."""
    return len(text) > _SURELY_SHORT and len(text.encode("utf-16-le")) // 2 > LONGEST


def shortened(text: str) -> str:
    """What stands for a long string: in the order of its beginning."""
    return f"{text[:BEGINNING]}\x1e{blake2b(text.encode(), digest_size=16).hexdigest()}"


def repeated(field: str, leaf: Leaf | None, power: int) -> str:
    """The mark that a value of a field is there 2**power times more."""
    letter = "s" if type(leaf) is str else "v"
    return f"{mark(field)}{letter}{_short(_plain(leaf))}:{power}"


def absent(field: str, power: int) -> str:
    """The mark that a field has 2**power nulls."""
    return f"{mark(field)}:{power}"


@lru_cache(maxsize=10_000)
def mark(field: str) -> str:
    """What the marks of a field begin with."""
    return _short(field)


def _plain(leaf: Leaf | None) -> str:
    # 1 and 1.0 are one value, and True is another.
    return str(int(leaf)) if type(leaf) is float and leaf.is_integer() else str(leaf)


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def powers(count: int) -> list[int]:
    """The powers of two that a number is the sum of."""
    return [power for power in range(count.bit_length()) if count >> power & 1]


# -- whole values ----------------------------------------------------------------------------------


def indexed(value: Any, has_nulls: bool) -> dict[str, Any]:
    """What the index is given of a value. `has_nulls` says whether there may be nulls in it."""
    flat = _flat(value, has_nulls) if type(value) is dict else None
    return _any(value, has_nulls) if flat is None else flat


def _flat(value: dict[str, Any], has_nulls: bool) -> dict[str, Any] | None:
    """What it is given of an object of scalars and arrays of them, as most values are; None for any other.

    Those of one model have the same members, so what follows from their names is known from the last one.
    """
    present = {name: leaf for name, leaf in value.items() if leaf is not None} if has_nulls else value
    shape = _shape(tuple(present))
    if shape.may_be_point:
        return None
    source: dict[str, Any] = {"has": shape.existing}
    multiple: list[str] = []
    for (name, at), leaf in zip(shape.members, present.values(), strict=True):
        if type(leaf) is list or type(leaf) is tuple:
            if not leaf or not _SCALARS.issuperset(map(type, leaf)):
                return None
            if len(leaf) > 1:
                multiple.append(mark(name))
                _several(source, name, list(leaf))
                continue
            leaf = leaf[0]
        elif type(leaf) not in _SCALARS:
            return None
        _one(source, at, leaf)
    if multiple:
        source["multiple"] = multiple
    if len(present) < len(value):
        source["nulls"] = [
            absent(f"{ROOT}.{written(name)}", 0) for name, leaf in value.items() if leaf is None
        ]
    return source


@frozen
class _Shape:
    """What follows from the names of an object's members."""

    existing: tuple[str, ...]
    members: tuple[tuple[str, str], ...]
    """Each by its full name, and by what the index calls it."""
    may_be_point: bool


@lru_cache(maxsize=1_000)
def _shape(members: tuple[str, ...]) -> _Shape:
    names = tuple(f"{ROOT}.{written(member)}" for member in members)
    return _Shape(
        _existing(names),
        tuple((name, path(name)) for name in names),
        any(map(_may_be_longitude, names)),
    )


def _any(value: Any, has_nulls: bool) -> dict[str, Any]:
    found = entry(ITEM, {}, value)
    if not all(_SCALARS.issuperset(map(type, leaves)) for leaves in found.leaves.values()):
        return indexed(decode(encode(value)), has_nulls)  # a UUID, say, is stored as its text
    source: dict[str, Any] = {"has": _existing(tuple(found.leaves))}
    multiple: list[str] = []
    for name, leaves in found.leaves.items():
        if len(leaves) == 1:
            _one(source, path(name), leaves[0])
        else:
            multiple.append(mark(name))
            _several(source, name, leaves)
    if any(map(_may_be_longitude, found.leaves)):
        _points(source, found)
    if multiple:
        source["multiple"] = multiple
    if has_nulls:
        counts: Counter[str] = Counter()
        _nulls(ROOT, value, counts)
        source["nulls"] = [absent(name, power) for name, count in counts.items() for power in powers(count)]
    return source


def _is_plain(text: str) -> bool:
    """Whether a glance says that a string is neither a date, a decimal number, nor too long for a keyword."""
    return not text or (text[0] not in _FIRST and len(text) <= _SURELY_SHORT)


def _one(source: dict[str, Any], at: str, leaf: Leaf) -> None:
    if type(leaf) is str:
        source[STRING + at] = leaf
        if _is_plain(leaf):
            return
        if (number := decimal(leaf)) is not None:
            source[DECIMAL + at] = double(number)
        if (instant := date(leaf)) is not None:
            source[DATE + at], source[INSTANT + at] = instant // 1000, instant
        elif is_long(leaf):
            source[LONG + at] = shortened(leaf)
    elif type(leaf) is bool:
        source[BOOLEAN + at] = leaf
    elif -EXACT < leaf < EXACT:  # type: ignore[operator]
        source[NUMBER + at] = leaf + 0.0 if type(leaf) is float else leaf  # -0.0 is 0.0
    else:
        _several(source, at, [leaf], at)


def double(number: Decimal | float) -> float:
    """The nearest finite double: what an index has of a number. Minus zero is zero, as it is stored."""
    try:
        nearest = float(number)
    except OverflowError:  # an integer; of a Decimal it is infinity
        nearest = inf if number > 0 else -inf
    return min(max(nearest, -sys.float_info.max), sys.float_info.max) + 0.0


def _several(source: dict[str, Any], name: str, leaves: list[Leaf], at: str | None = None) -> None:
    strings = [leaf for leaf in leaves if type(leaf) is str]
    if len(strings) == len(leaves) == len(set(strings)) and all(map(_is_plain, strings)):
        source[STRING + path(name)] = strings  # by far the most arrays are tags
        return
    forms: dict[str, list[Any]] = {}
    dates: set[int] = set()
    for position, text in enumerate(strings):
        forms.setdefault(STRING, []).append(text)
        if (number := decimal(text)) is not None:
            forms.setdefault(DECIMAL, []).append(double(number))
        instant = date(text)
        if instant is not None:
            dates.add(position)
            forms.setdefault(DATE, []).append(instant // 1000)
            forms.setdefault(INSTANT, []).append(instant)
        elif is_long(text):
            forms.setdefault(LONG, []).append(shortened(text))
    if dates and len(dates) < len(strings):
        others = [text for position, text in enumerate(strings) if position not in dates]
        forms[OTHER] = [shortened(text) if is_long(text) else text for text in others]
    for leaf in leaves:
        if type(leaf) is bool:
            forms.setdefault(BOOLEAN, []).append(leaf)
        elif type(leaf) is int or type(leaf) is float:
            if abs(leaf) >= EXACT:
                forms.setdefault(INTEGER, []).append(("i" if type(leaf) is int else "f") + ordered(int(leaf)))
            try:
                forms.setdefault(NUMBER, []).append(float(leaf) + 0.0)
            except OverflowError:  # only `integer:` can say it
                if not forms[NUMBER]:
                    del forms[NUMBER]
    at = path(name) if at is None else at
    source.update((form + at, found) for form, found in forms.items())
    if len(leaves) > 1:
        counts = Counter((type(leaf) is str, _plain(leaf)) for leaf in leaves)
        if len(counts) < len(leaves):
            again = source.setdefault("again", [])
            for leaf in {(type(leaf) is str, _plain(leaf)): leaf for leaf in leaves}.values():
                extra = counts[type(leaf) is str, _plain(leaf)] - 1
                again += [repeated(name, leaf, power) for power in powers(extra)]


def _points(source: dict[str, Any], found: Entry) -> None:
    found.points(None)
    for name, points in (found._points or {}).items():
        source[POINT + path(name)] = [[longitude, latitude] for latitude, longitude in points]


@lru_cache(maxsize=20_000)
def _may_be_longitude(name: str) -> bool:
    return last(name).lower() in LONGITUDES


@lru_cache(maxsize=10_000)
def _existing(names: tuple[str, ...]) -> tuple[str, ...]:
    found = set()
    for name in names:
        while name:
            found.add(path(name))
            name = parent(name)
    return tuple(sorted(found))


def _nulls(name: str, value: Any, counts: Counter[str]) -> None:
    if value is None:
        counts[name] += 1
    elif type(value) is dict:
        for member, inner in value.items():
            _nulls(f"{name}.{written(member)}", inner, counts)
    elif type(value) is list or type(value) is tuple:
        for element in value:
            _nulls(name, element, counts)
