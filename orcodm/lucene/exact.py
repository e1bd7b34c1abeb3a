"""The nodes of `==`: a value is found as what it is, a text, a number or a boolean.

A verbatim term finds all three by their JSON: `36` the number and the text. So it is what finds texts that
look like neither a number nor a boolean, as nearly all do. The others are found by ranges from a value to
itself, in which quotes tell texts from numbers: every server of the protocol reads these.
"""

from __future__ import annotations

import re
from typing import Final

from .tree import Bound, Node, Range, Verbatim

NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
BOOLEANS: Final[dict[str, bool]] = {"true": True, "false": False}


def equal(value: str | bool | int | float, field: str | None = None) -> Node:
    """The node that finds this value in a field, and no value of another type."""
    if isinstance(value, bool):
        return only(Bound("true" if value else "false"), field)
    if not isinstance(value, str):
        return only(Bound(repr(value)), field)
    if (field or "").startswith("@path.") or not (value in BOOLEANS or NUMBER.fullmatch(value)):
        return Verbatim(value, field)
    return only(Bound(value, quoted=True), field)


def only(bound: Bound, field: str | None) -> Range:
    """The range that is one value."""
    return Range(bound, bound, field)


def only_value(node: Range) -> Bound | None:
    """The value that is all of a range; None for one of more or of none."""
    lower = node.lower
    return lower if lower is not None and lower.inclusive and lower == node.upper else None


def is_boolean(node: Range) -> bool:
    """Whether a range is one of booleans: from one to another, without quotes."""
    return (
        node.lower is not None
        and node.upper is not None
        and not (node.lower.quoted or node.upper.quoted)
        and node.lower.text in BOOLEANS
        and node.upper.text in BOOLEANS
    )


def booleans(node: Range) -> tuple[bool, ...]:
    """The booleans in a range of booleans; false is before true."""
    assert node.lower is not None
    assert node.upper is not None
    low, high = BOOLEANS[node.lower.text], BOOLEANS[node.upper.text]
    return tuple(
        value
        for value in (False, True)
        if (low < value or (node.lower.inclusive and low == value))
        and (value < high or (node.upper.inclusive and value == high))
    )
