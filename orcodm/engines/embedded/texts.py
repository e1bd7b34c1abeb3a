"""Stored texts to values. A text that is no JSON any more, as on a failing disk, is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...values import decode, decode_all


class Damaged(Exception):
    """A stored text is damaged. The engine tells where it is: `CorruptDatabase`.

    `beyond` is where a listing can go on behind it, in the words of its operation.
    """

    def __init__(self, text: bytes, reason: str) -> None:
        super().__init__(reason)
        self.text = text
        self.beyond: str | None = None


def stored_value(text: bytes) -> Any:
    """The value of a stored text. Raises `Damaged`."""
    try:
        return decode(text)
    except ValueError as error:
        raise Damaged(text, str(error)) from None


def stored_values(texts: Sequence[bytes]) -> list[Any]:
    """The values of some, for less than one by one. Raises `Damaged`."""
    try:
        values = decode_all(texts)
    except ValueError:
        values = []
    # A damaged text may be two values, or a half.
    return values if len(values) == len(texts) else list(map(stored_value, texts))
