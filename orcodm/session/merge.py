"""Base, mine and theirs: the three-way merge of JSON values, and the difference of two. Pure.

Objects merge member by member. A list is one thing: two sides that changed it differently are a conflict,
since no rule about positions is right for every list.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import adler32

from attrs import frozen

from ..values import canonical


class _Missing:
    """The absence of a member, as apart from null."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final[Any] = _Missing()


class Overlap(Exception):
    """Both sides changed the same members; `paths` names them, in dots."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths
        super().__init__(", ".join(paths))


@frozen
class Change:
    """One difference between two values: `path` in dots, `before` and `after` (`MISSING` for absent)."""

    path: str
    before: Any
    after: Any


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: True is not 1, and 1 is not 1.0."""
    if one is other:
        return True
    if one is MISSING or other is MISSING:
        return False
    return canonical(one) == canonical(other)


def may_be_same(one: bytes, other: bytes) -> bool:
    """Whether two JSON texts may be of the same value: they have the same bytes, in whatever order.

    That the sum of these differs is seen much sooner than that the values do.
    """
    return len(one) == len(other) and (adler32(one) ^ adler32(other)) & 0xFFFF == 0


def merge(base: Any, mine: Any, theirs: Any) -> Any:
    """The value with both sides' changes. Raises `Overlap` where both changed one member differently."""
    overlaps: list[str] = []
    merged = _merge(base, mine, theirs, "", overlaps)
    if overlaps:
        raise Overlap(tuple(overlaps))
    return merged


def difference(before: Any, after: Any) -> tuple[Change, ...]:
    """Every member that differs, leaves only; objects are compared member by member."""
    changes: list[Change] = []
    _difference(before, after, "", changes)
    return tuple(changes)


def keep_spelling(current: Any, normal: Any, raw: Any) -> Any:
    """`current` with everything that equals `normal` written as it is in `raw`.

    `normal` is what a load and save make of `raw`. A member that was not changed since then keeps its
    stored form: a date with another spelling, a member that is missing where the model has a default.
    """
    if same(current, normal):
        return raw
    if isinstance(current, dict) and isinstance(normal, dict) and isinstance(raw, dict):
        if raw.keys() - normal.keys():
            return current  # names that are spelled otherwise, dates perhaps: nobody knows which is which
        kept = {}
        for name, member in current.items():
            value = keep_spelling(member, normal.get(name, MISSING), raw.get(name, MISSING))
            if value is not MISSING:
                kept[name] = value
        return kept
    if (
        isinstance(current, list)
        and isinstance(normal, list)
        and isinstance(raw, list)
        and len(current) == len(normal) == len(raw)
    ):
        # Objects stand where they stood. Other elements may not: of a set, they are sorted in `normal`.
        triples = zip(current, normal, raw, strict=True)
        return [keep_spelling(*triple) if isinstance(triple[0], dict) else triple[0] for triple in triples]
    return current


def _merge(base: Any, mine: Any, theirs: Any, path: str, overlaps: list[str]) -> Any:
    if same(mine, theirs) or same(base, theirs):
        return mine
    if same(base, mine):
        return theirs
    if (
        isinstance(mine, dict)
        and isinstance(theirs, dict)
        and (isinstance(base, dict) or base in (None, MISSING))
    ):
        before = base if isinstance(base, dict) else {}
        merged = {}
        for name in [*theirs, *(name for name in mine if name not in theirs)]:
            value = _merge(
                before.get(name, MISSING),
                mine.get(name, MISSING),
                theirs.get(name, MISSING),
                f"{path}.{name}" if path else name,
                overlaps,
            )
            if value is not MISSING:
                merged[name] = value
        return merged
    overlaps.append(path)
    return mine


def _difference(before: Any, after: Any, path: str, changes: list[Change]) -> None:
    if same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            _difference(
                before.get(name, MISSING),
                after.get(name, MISSING),
                f"{path}.{name}" if path else name,
                changes,
            )
    else:
        changes.append(Change(path, before, after))
