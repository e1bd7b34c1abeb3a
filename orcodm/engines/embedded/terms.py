"""What the index holds of an entry: its terms. The compiler asks for the same terms; both are pure.

Field names differ from document to document, so the index has a few fixed fields and the name is part of
the term:

* `text0` to `text16`  analysed words of one field, `name␟word`, with positions. The length of a text
  counts in its score, and Tantivy knows one length for each of its fields: so the names are spread over
  several, and a long biography rarely makes a name less relevant;
* `words`  the same words without the field, for queries that name none;
* `exact`  whole values, `name␟` and then a letter for the type: `s` a string, `e` a string that is a date,
  `d` its instant, `n` a number, `b` a boolean. Within a type the order of terms is the order of values, so
  that ranges are ranges of terms;
* `has`    the names of the fields that have a value, and of those above them;
* `scope`  kind and collection, together and apart.

`seq` and `id` are the document's numbers.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zlib import crc32

import tantivy

from ...lucene.entries import KIND, Entry, Leaf, date

UNIT: Final = "\x1f"
LONGEST: Final = 2000
"""Strings are indexed so far; beyond it a hash stands for the rest."""

COLLECTION: Final = "@path.collection"
UNINDEXED: Final = frozenset({KIND, COLLECTION, "@path.ref"})
"""Metadata without `exact` terms: `scope` has two of them, and nobody searches for the third."""

PARTS: Final = 17
"""How many index fields the words are spread over."""

_LONG_NAME: Final = 200


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed, since deleting by term makes a signed term of a Python integer, which finds no unsigned one.
    builder.add_integer_field("id", indexed=True, fast=True)
    builder.add_integer_field("seq", fast=True)
    builder.add_text_field("scope", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("has", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("exact", tokenizer_name="raw", index_option="basic")
    for part in range(PARTS):
        builder.add_text_field(f"text{part}", tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="position")
    return builder.build()


SCHEMA: Final = _schema()
"""The fields of the index."""


@lru_cache(maxsize=10_000)
def prefix(field: str) -> str:
    """What the terms of a field (its full name) begin with."""
    # "value.name" to ".name": shorter, and still not to be confused with "@path.name".
    name = field.removeprefix("value") if not field.startswith("@") else field
    if len(name) > _LONG_NAME or not name.isprintable() or " " in name:
        name = "#" + blake2b(name.encode(), digest_size=16).hexdigest()
    return name + UNIT


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


def scopes(kind: str, collection: str) -> tuple[str, str, str]:
    """The `scope` terms of a document."""
    return kind, UNIT + collection, kind + UNIT + collection


def number(value: int | float) -> str:
    """A number as a term whose order is the number's, also across integers and floats.

    The digits are those of the nearest float; an integer that is not itself a float has its decimal
    digits behind a tilde, so that equal terms are equal numbers.
    """
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.copysign(math.inf, value)
    digits = ordered(nearest)
    return f"n{digits}" if nearest == value else f"n{digits}~{value}"


def ordered(value: float) -> str:
    """16 hex digits in the order of floats."""
    bits: int = struct.unpack(">Q", struct.pack(">d", value + 0.0))[0]  # -0.0 + 0.0 is 0.0
    return f"{bits ^ (2**64 - 1) if bits >> 63 else bits | 1 << 63:016x}"


def neighbour(value: float, step: int) -> float:
    """The next float down (-1) or up (1)."""
    return math.nextafter(value, step * math.inf)


def moment(microseconds: int) -> str:
    """An instant as a term."""
    return f"d{microseconds + 2**63:016x}"


def string(text: str) -> str:
    """A string as a term: itself, in the order of code points, or its beginning and a hash of all of it."""
    letter = "s" if date(text) is None else "e"
    if len(text) <= LONGEST:
        return letter + text
    return f"{letter}{text[:LONGEST]}\x1e{blake2b(text.encode(), digest_size=16).hexdigest()}"


def exact(leaf: Leaf) -> tuple[str, ...]:
    """The terms of a whole value, without their prefix. A string that is a date has two."""
    if type(leaf) is str:
        instant = date(leaf)
        return (string(leaf),) if instant is None else (string(leaf), moment(instant))
    if type(leaf) is bool:
        return ("b1" if leaf else "b0",)
    assert not isinstance(leaf, str)
    return (number(leaf),)
