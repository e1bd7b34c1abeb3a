"""Texts of queries that are JSON numbers or booleans, and when a value equals them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from attrs import frozen

from .entries import Leaf
from .exact import BOOLEANS, NUMBER

_LONGEST = 4000
"""Digits; Python refuses integers of more than 4,300."""


@frozen
class Number:
    """A number as a query wrote it.

    Integers are compared with `exact`, floats with `nearest`, so that both `1e23` (which no float is
    exactly) and `9007199254740993` find the value that was written like them. Python compares integers
    with floats by value, without rounding.
    """

    exact: int | float
    nearest: int | float

    def equals(self, leaf: Leaf) -> bool:
        """Whether a leaf is this number; strings and booleans never are."""
        kind = type(leaf)
        if kind is int:
            return leaf == self.exact
        return kind is float and leaf == self.nearest


@lru_cache(maxsize=1_000)  # whoever compiles a query asks for the same texts
def number(text: str) -> Number | None:
    """The number whose JSON the text is: `36`, `-0.5`, `1e3`; None for `036`, `.5`, `+1`, `NaN`."""
    match = NUMBER.fullmatch(text)
    if match is None or len(text) > _LONGEST:
        return None
    fraction, exponent = match.groups()
    if fraction is None and exponent is None:
        return Number(int(text), int(text))
    nearest = float(text)
    if len(exponent or "") > 5 or abs(int((exponent or "e0")[1:])) > _LONGEST:
        return Number(nearest, nearest)
    exact = Decimal(text)
    return Number(int(exact) if exact == exact.to_integral_value() else nearest, nearest)


def equality(text: str) -> Callable[[Leaf], bool] | None:
    """Whether a number or boolean is what the text says; None where it says no such thing."""
    if text in BOOLEANS:
        boolean = BOOLEANS[text]
        return lambda leaf: leaf is boolean
    if found := number(text):
        return found.equals
    return None
