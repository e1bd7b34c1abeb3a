"""Patterns over index terms, in the syntax of the index's regular expressions. Pure.

The terms of one type of one field lie next to each other in the index, in the order of their values. A
range of values is therefore a range of texts, and a range of texts is a regular expression: `between` says
digit by digit what may stand there while the text is still on the edge of a bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ...lucene.regexp import parse

ANY: Final = "(?s:.)*"
NONE: Final = "[^\\x{0}-\\x{10ffff}]"

_LAST: Final = 0x10FFFF
_LITERAL: Final = re.compile(r"(?:[0-9A-Za-z]|\\x\{[0-9a-f]+\})*")
_CODE: Final = re.compile(r"\\x\{([0-9a-f]+)\}")
_PARTS: Final = re.compile(r"\\(.)|([*?])|([^\\*?]+)|\\", re.DOTALL)


def literal(text: str) -> str:
    """A pattern for exactly this text."""
    return "".join(
        character if character.isascii() and character.isalnum() else f"\\x{{{ord(character):x}}}"
        for character in text
    )


def beginning(pattern: str) -> str | None:
    """The text, if a pattern is for whatever begins with a text, and that is not empty."""
    start = pattern.removesuffix(ANY)
    if start in (pattern, "") or _LITERAL.fullmatch(start) is None:
        return None
    return _CODE.sub(lambda code: chr(int(code[1], 16)), start)


def wildcard(pattern: str) -> str:
    """A pattern for a query's wildcard: `*`, `?`, and a backslash before what is literal."""
    pieces = []
    for escaped, sign, plain in _PARTS.findall(pattern):
        if sign:
            pieces.append(ANY if sign == "*" else "(?s:.)")
        else:
            pieces.append(literal(escaped or plain or "\\"))
    return "".join(pieces)


def regexp(pattern: str, *, lower: bool) -> tuple[str, bool]:
    """A pattern for a query's regular expression, and whether it is that exactly, or more.

    What the index's have no word for (complements, intersections) is left open there.
    """
    nodes, expression = parse(pattern, lower)
    exact = True

    def write(expression: int) -> str:
        nonlocal exact
        match nodes[expression]:
            case ("empty",):
                return ""
            case ("set", tuple(ranges)):
                return _set(ranges)
            case ("then", _, _):
                return _chain(expression)
            case ("any", frozenset(parts)):
                return f"(?:{'|'.join(map(write, sorted(parts)))})" if parts else NONE
            case ("star", int(inner)):
                return f"(?:{write(inner)})*"
            case _:
                exact = False
                return ANY

    def _chain(expression: int) -> str:
        pieces = []
        while (node := nodes[expression])[0] == "then":
            _, first, rest = node
            assert isinstance(first, int)
            assert isinstance(rest, int)
            pieces.append(write(first))
            expression = rest
        return "".join([*pieces, write(expression)])

    return write(expression), exact


def _set(ranges: Iterable[tuple[int, int]]) -> str:
    pieces = []
    for first, last in ranges:
        # Surrogates are no characters.
        for low, high in ((first, min(last, 0xD7FF)), (max(first, 0xE000), last)):
            if low <= high:
                pieces.append(f"\\x{{{low:x}}}-\\x{{{high:x}}}")
    return f"[{''.join(pieces)}]" if pieces else NONE


def between(
    lower: str | None, upper: str | None, *, with_lower: bool = True, with_upper: bool = True
) -> str | None:
    """A pattern for the texts between two, by code point; None as a bound is an open end.

    The answer None is a range that has nothing in it, which is no pattern.
    """
    if upper is None:
        return ANY if lower is None else _above(lower, with_lower)
    if lower is None:
        return _below(upper, with_upper)
    if lower >= upper:
        return literal(lower) if lower == upper and with_lower and with_upper else None
    shared = next((i for i, (a, b) in enumerate(zip(lower, upper, strict=False)) if a != b), len(lower))
    head, lower, upper = literal(lower[:shared]), lower[shared:], upper[shared:]
    high, rest = ord(upper[0]), _below(upper[1:], with_upper)
    ways = [] if rest is None else [literal(upper[0]) + rest]
    if lower:
        low = ord(lower[0])
        ways.append(literal(lower[0]) + _above(lower[1:], with_lower))
        ways += _one_of(low + 1, high - 1)
    else:
        # The lower bound is the beginning of the upper: everything here is longer than it.
        ways += _one_of(0, high - 1)
        if with_lower:
            ways.append("")
    if len(ways) == 1:
        return head + ways[0]
    return f"{head}(?:{'|'.join(ways)})" if ways else None


def _above(bound: str, included: bool) -> str:
    """Texts that are the bound (if included), or begin with it and go on, or are greater somewhere."""
    pattern = ANY if included else f"(?s:.){ANY}"
    for character in reversed(bound):
        pattern = f"(?:{'|'.join([*_one_of(ord(character) + 1, _LAST), literal(character) + pattern])})"
    return pattern


def _below(bound: str, included: bool) -> str | None:
    """Texts that are the bound (if included), or its beginning, or less somewhere."""
    pattern: str | None = "" if included else None
    for character in reversed(bound):
        ways = ["", *_one_of(0, ord(character) - 1)]
        if pattern is not None:
            ways.append(literal(character) + pattern)
        pattern = f"(?:{'|'.join(ways)})"
    return pattern


def _one_of(first: int, last: int) -> list[str]:
    """Texts that begin with one of these characters: one pattern, or none."""
    # Surrogates are no characters, so a range must not end among them.
    first = 0xE000 if 0xD800 <= first <= 0xDFFF else first
    last = 0xD7FF if 0xD800 <= last <= 0xDFFF else last
    return [f"[\\x{{{first:x}}}-\\x{{{last:x}}}]{ANY}"] if first <= last else []
