"""The terms of the index: how names and values are written in it. The compiler asks for the same; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from ...lucene.analysis import MAX_TOKEN_LENGTH, analyze
from ...lucene.entries import KIND, Entry
from ...names import parent
from ...operations import LONGEST_TERM

UNIT: Final = "\x1f"
LONGEST: Final = LONGEST_TERM
"""Longer strings of the value are indexed by their beginning and a hash: nobody asks for a whole text by
its end, and long unique terms are what indexing spends its time on. What may be suggested is read from
the index, and therefore whole there."""
BEGINNING: Final = 112
"""How much of a longer one is kept. Bounds of ranges up to this length are compared exactly."""

COLLECTION: Final = "@path.collection"
KEY: Final = "@path.key"
UNINDEXED: Final = frozenset({KIND, COLLECTION, "@path.ref"})
"""Metadata without terms of its own: `scope` has two of them, and nobody searches for the third."""

_LONG_NAME: Final = 200


@lru_cache(maxsize=10_000)
def prefix(field: str) -> str:
    """What the terms of a field (its full name) begin with."""
    # "value.name" to ".name": shorter, and still not to be confused with "@path.name".
    return plain(field if field.startswith("@") else field.removeprefix("value")) + UNIT


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """A name of any length and characters as one without white space, of limited length."""
    if len(name) > _LONG_NAME or not name.isprintable() or " " in name or name.startswith("#"):
        return "#" + blake2b(name.encode(), digest_size=16).hexdigest()
    return name


@lru_cache(maxsize=10_000)
def _names(fields: tuple[str, ...]) -> str:
    names = set()
    for field in fields:
        while field:
            names.add(prefix(field))
            field = parent(field)
    return " ".join(sorted(names))


def existing(entry: Entry) -> str:
    """The `has` terms: the fields that have a value, and every one above them."""
    return _names(tuple(entry.leaves))


@lru_cache(maxsize=10_000)
def scopes(kind: str, collection: str) -> tuple[str, str, str]:
    """The `scope` terms of a document: its kind, its collection, and both."""
    within = plain(collection)
    return kind, UNIT + within, kind + UNIT + within


def boolean(field: str, value: bool) -> str:
    """The `has` term of a field with this boolean."""
    return f"{prefix(field)}{value:d}"


_TOP: Final = 44
_NUMBER: Final = (1 << _TOP) - 1


def loose(number: int) -> int:
    """A number to be looked up: itself, with a bit on top that is set by no rule. `tight` takes it away.

    Numbers that rise with the documents are kept by Tantivy in blocks, and whoever looks up one of them
    reads the heads of all blocks before, a million documents' in 50 microseconds. Numbers without an order
    are found at once.
    """
    return number | (number * 0x9E3779B97F4A7C15 >> 63 & 1) << _TOP


def tight(numbers: Iterable[int]) -> list[int]:
    """Numbers that `loose` wrote."""
    return [number & _NUMBER for number in numbers]


ODD: Final = "~"
MANY: Final = "+"


def mark(field: str, sign: str) -> str:
    """The `has` term of a document whose values of a field no column says as they are (`ODD`), or that has
    several (`MANY`)."""
    return prefix(field) + sign


def cut(text: str) -> str:
    """A string as a term: long ones by their beginning and a hash. No two strings have the same."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:BEGINNING]}\x1e{blake2b(text.encode(), digest_size=8).hexdigest()}"


EXACT: Final = 2.0**53
"""From here on several integers share a float."""
_LARGEST: Final = math.nextafter(math.inf, 0)


def rounded(value: int | float) -> float:
    """The nearest float that the index can have: no infinity, and one zero."""
    try:
        return min(max(float(value) + 0.0, -_LARGEST), _LARGEST)
    except OverflowError:
        return _LARGEST if value > 0 else -_LARGEST


def nearest(value: int | Decimal) -> float:
    """The nearest float of an exact number that the index can have."""
    return rounded(float(value) if isinstance(value, Decimal) else value)


# Letters and digits that touch across one of these are one word to the analyser.
_JOINING: Final = re.compile(r"[.,:;'](?=\w)|_", re.ASCII).search
_LETTERS: Final = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))


def analysed(text: str) -> str:
    """The words of a text as `analyze` finds them, between white space: what the index cuts again."""
    # Plain English, which most of an index is made of, needs no analyser.
    if text.isascii() and len(text) <= MAX_TOKEN_LENGTH and _JOINING(text) is None:
        return text.translate(_LETTERS).strip()
    return " ".join(analyze(text))
