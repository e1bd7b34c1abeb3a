"""The order of results, as keys that compare, and cursors, which are such a key as text.

A key has one part for each sort clause and ends with the document's place, so that no two are equal. A part
is `(missing, value)`: what is missing comes last in both directions. Values of different types compare by
rank, in all directions alike: booleans, numbers, strings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from ...errors import InvalidParameter
from ...lucene.entries import Entry, field_name
from ...operations import Sort, SortDistance, SortField, SortRandom
from ...values import decode, encode
from .matches import Match

RANKS: Final[dict[type, int]] = {bool: 0, int: 1, float: 1, Decimal: 1, str: 2}

Key: TypeAlias = tuple[Any, ...]
Measure: TypeAlias = Callable[[str | None], Callable[[Entry], list[float]]]
"""From a field to the distances of an entry's points from the centre of the NEAR clause on that field."""


class Reversed:
    """A value that compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


Ordering: TypeAlias = Callable[[Match], Key]

MISSING: Final = (1,)
SCORE: Final = "score"


def ordering(sort: tuple[Sort, ...], measure: Measure) -> Ordering:
    """The key of a match; without sort clauses by place, which is how a stream goes."""
    parts = [_part(clause, measure) for clause in sort]

    def key(match: Match) -> Key:
        return (*[part(match) for part in parts], match.stored.place)

    return key


def best_first(match: Match) -> Key:
    """The key of a search without a sort: by score, then by place."""
    return -match.score, match.stored.place


def _part(clause: Sort, measure: Measure) -> Callable[[Match], Any]:
    match clause:
        case SortField(field=field, descending=descending) if field == SCORE:
            return lambda match: (0, Reversed(match.score) if descending else match.score)
        case SortField(field=field, descending=descending):
            return _by_field(field_name(field) or field, descending)
        case SortDistance(field=field, descending=descending):
            return _by_distance(measure(field), descending)
        case SortRandom(seed=seed):
            salt = hashlib.blake2b((seed or "").encode(), digest_size=16).digest()
            # By id, so that a document keeps its place in this order while it changes.
            return lambda match: hashlib.blake2b(b"%d" % match.stored.id, key=salt, digest_size=8).digest()


def _by_field(field: str, descending: bool) -> Callable[[Match], Any]:
    # Of several values the one that comes first in the direction counts.
    def part(match: Match) -> Any:
        ranked = [(RANKS[type(leaf)], leaf) for leaf in match.entry.values(field)]
        if not ranked:
            return MISSING
        return 0, Reversed(max(ranked)) if descending else min(ranked)

    return part


def _by_distance(distances: Callable[[Entry], list[float]], descending: bool) -> Callable[[Match], Any]:
    def part(match: Match) -> Any:
        found = distances(match.entry)
        if not found:
            return MISSING
        return 0, Reversed(max(found)) if descending else min(found)

    return part


# -- cursors ---------------------------------------------------------------------------------------


def write_cursor(key: Key) -> str:
    """A key as opaque text."""
    return base64.urlsafe_b64encode(encode(_plain(key))).decode().rstrip("=")


def read_cursor(cursor: str, clauses: int) -> Key:
    """The key of a cursor. Raises `InvalidParameter` where it is not one of ours for so many clauses."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key: Key = _restored(decode(data))
        collection, name, identity = key[-1]
        if len(key) != clauses + 1 or (type(collection), type(name), type(identity)) != (str, str, int):
            raise ValueError
    except (ValueError, TypeError, KeyError, IndexError, binascii.Error, RecursionError):
        raise InvalidParameter(
            f"{cursor!r} is no cursor of this search; use the `next` of a page, or {'*'!r} to begin",
            details={"cursor": "Not a cursor."},
        ) from None
    return key


def _plain(part: Any) -> Any:
    match part:
        case tuple():
            return [_plain(inner) for inner in part]
        case Reversed(value=value):
            return {"r": _plain(value)}
        case bytes():
            return {"b": part.hex()}
        case Decimal():
            return {"d": str(part)}
        case _:
            return part


def _restored(part: Any) -> Any:
    match part:
        case list():
            return tuple(_restored(inner) for inner in part)
        case {"r": value}:
            return Reversed(_restored(value))
        case {"b": digits}:
            return bytes.fromhex(digits)
        case {"d": digits}:
            return Decimal(digits)
        case _:
            return part
