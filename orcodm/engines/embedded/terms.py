"""What the index holds of an entry: its terms. The compiler asks for the same terms; both are pure.

Field names differ from document to document, so the index has a few fixed fields and the name is part of
the term:

* `text0` to `text16`  analysed words of one field, `name␟word`, with positions. The length of a text
  counts in its score, and Tantivy knows one length for each of its fields: so the names are spread over
  several, and a long biography rarely makes a name less relevant;
* `words`  the same words without the field and without positions, for queries that name none;
* `exact`  whole values, `name␟` and then a letter for the type: `s` a string, `e` a string that is a date,
  `d` its instant, `n` a number, `b` a boolean. Within a type the order of terms is the order of values, so
  that ranges are ranges of terms;
* `has`    the names of the fields that have a value, and of those above them;
* `scope`  kind and collection, together and apart.

`seq` and `id` are the document's numbers.
"""

from __future__ import annotations

import math
import re
import struct
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zlib import crc32

import tantivy

from ...lucene.analysis import MAX_TOKEN_LENGTH, analyze
from ...lucene.entries import KIND, Entry, Leaf, date

UNIT: Final = "\x1f"
LONGEST: Final = 40
"""Longer strings of the value are indexed by their beginning and a hash: nobody asks for a whole text by
its end, and long unique terms are what indexing spends its time on."""
BEGINNING: Final = 32
"""How much of a longer one is kept. Bounds of ranges up to this length are compared exactly."""

COLLECTION: Final = "@path.collection"
UNINDEXED: Final = frozenset({KIND, COLLECTION, "@path.ref"})
"""Metadata without `exact` terms: `scope` has two of them, and nobody searches for the third."""

PARTS: Final = 17
"""How many index fields the words are spread over."""

_LONG_NAME: Final = 200

_DOUBLE: Final = struct.Struct(">d").pack
_SIGN: Final = 1 << 63
_ALL_BITS: Final = 2**64 - 1


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed, since deleting by term makes a signed term of a Python integer, which finds no unsigned one.
    builder.add_integer_field("id", indexed=True, fast=True)
    builder.add_integer_field("seq", fast=True)
    builder.add_text_field("scope", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("has", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("exact", tokenizer_name="raw", index_option="basic")
    for part in range(PARTS):
        builder.add_text_field(f"text{part}", tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    return builder.build()


SCHEMA: Final = _schema()
"""The fields of the index."""


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
def part(field: str) -> str:
    """The index field that has the words of a field."""
    return f"text{crc32(field.encode()) % PARTS}"


@lru_cache(maxsize=10_000)
def _names(fields: tuple[str, ...]) -> str:
    names = set()
    for field in fields:
        while field:
            names.add(prefix(field))
            field = field.rpartition(".")[0]
    return " ".join(sorted(names))


def existing(entry: Entry) -> str:
    """The `has` terms: the fields that have a value, and every one above them."""
    return _names(tuple(entry.leaves))


@lru_cache(maxsize=10_000)
def scopes(kind: str, collection: str) -> tuple[str, str, str]:
    """The `scope` terms of a document: its kind, its collection, and both."""
    within = plain(collection)
    return kind, UNIT + within, kind + UNIT + within


@lru_cache(maxsize=10_000)
def number(value: int | float) -> str:
    """A number as a term whose order is the number's, also across integers and floats.

    The digits are those of the nearest float; an integer that is not itself a float has its decimal
    digits behind a tilde, so that equal terms are equal numbers.
    """
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf if value > 0 else -math.inf
    digits = ordered(nearest)
    return f"n{digits}" if nearest == value else f"n{digits}~{value}"


def ordered(value: float) -> str:
    """16 hex digits in the order of floats."""
    bits = int.from_bytes(_DOUBLE(value + 0.0))  # -0.0 + 0.0 is 0.0
    return f"{bits ^ _ALL_BITS if bits & _SIGN else bits | _SIGN:016x}"


def neighbour(value: float, step: int) -> float:
    """The next float down (-1) or up (1)."""
    return math.nextafter(value, step * math.inf)


def moment(microseconds: int) -> str:
    """An instant as a term."""
    return f"d{microseconds + 2**63:016x}"


def string(text: str, *, whole: bool = False) -> str:
    """A string as a term, in the order of code points; metadata is indexed `whole`."""
    return _string(text, date(text), whole)


def _string(text: str, instant: int | None, whole: bool) -> str:
    letter = "s" if instant is None else "e"
    if whole or len(text) <= LONGEST:
        return letter + text
    return f"{letter}{text[:BEGINNING]}\x1e{blake2b(text.encode(), digest_size=8).hexdigest()}"


def exact(leaf: Leaf, *, whole: bool = False) -> tuple[str, ...]:
    """The terms of a whole value, without their prefix. A string that is a date has two."""
    if type(leaf) is str:
        if (len(leaf) < 10 or leaf[4] != "-") and (whole or len(leaf) <= LONGEST):
            return ("s" + leaf,)  # the common case without a call
        instant = date(leaf)
        text = _string(leaf, instant, whole)
        return (text,) if instant is None else (text, moment(instant))
    if type(leaf) is bool:
        return ("b1" if leaf else "b0",)
    assert not isinstance(leaf, str)
    return (number(leaf),)


# Letters and digits that touch across one of these are one word to the analyser.
_JOINING: Final = re.compile(r"[.,:;'](?=\w)|_", re.ASCII).search
_LETTERS: Final = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))


def words(text: str) -> list[str]:
    """`analyze(text)`, faster for the plain English that most of an index is made of."""
    if text.isalnum() and text.isascii() and len(text) <= MAX_TOKEN_LENGTH:
        return [text.lower()]
    if text.isascii() and len(text) <= MAX_TOKEN_LENGTH and _JOINING(text) is None:
        return text.translate(_LETTERS).split()
    return analyze(text)
