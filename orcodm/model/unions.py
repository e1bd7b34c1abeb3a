"""Fields of several types: `int | str`, `Cat | Dog`, `datetime | str | None`.

A stored value becomes the first of the types that reads it, objects first the model that knows most of the
members, texts as texts last. So that what is written is read back as what it was, a dump loads it again and
compares: `"2020-01-01"` in a `date | str` would come back as a date, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Convert = Callable[[Any], Any]
Codec = tuple[Convert, Convert]


class NoMember(ValueError):
    """No type of a union takes a value; `reasons` has why, for each."""

    def __init__(self, reasons: list[Exception]) -> None:
        self.reasons = reasons
        super().__init__("; or ".join(dict.fromkeys(map(str, reasons))))


def union(members: tuple[Any, ...], codec: Callable[[Any], Codec]) -> Codec:
    """How values of a union are loaded from JSON and dumped to it."""
    ordered = sorted(members, key=lambda member: member is str)
    codecs = {member: codec(member) for member in ordered}

    def load(value: Any) -> Any:
        loaded = _first(value, (codecs[member][0] for member in _by_members(ordered, value)))
        return next(loaded)

    def dump(value: Any) -> Any:
        for made in _first(value, (dump for _, dump in codecs.values())):
            if load(made) == value:
                return made
        raise NoMember([ValueError(f"it would be read back as {load(made)!r}")])

    return load, dump


def _first(value: Any, converts: Iterator[Convert]) -> Iterator[Any]:
    """What each of the functions makes of a value. Raises `NoMember` where none takes it."""
    reasons: list[Exception] = []
    taken = False
    for convert in converts:
        try:
            made = convert(value)
        except (ValueError, TypeError, ExceptionGroup) as error:
            reasons.append(error)
        else:
            taken = True
            yield made
    if not taken:
        raise NoMember(reasons)


def _by_members(types: list[Any], value: Any) -> list[Any]:
    """The types in the order to try: of models, first the one that knows most members of an object."""
    if not isinstance(value, dict):
        return types

    def known(type_: Any) -> int:
        schema = getattr(type_, "schema", None)
        return 0 if schema is None else len(schema().members.keys() & value.keys())

    return sorted(types, key=known, reverse=True)
