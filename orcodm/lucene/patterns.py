"""Tests on single tokens: wildcards and fuzzy terms. Both take time proportional to the token at most.

A test is a function from a token to a bool, made once for each query. Nothing here is ever handed to `re`
as the user wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .effort import check

TokenTest = Callable[[str], bool]

_PARTS = re.compile(r"\\(.)|([*?])|([^\\*?]+)", re.DOTALL)


class Remembered(dict[str, bool]):
    """What a slow test said of the tokens it has seen: documents repeat each other's words."""

    def __init__(self, test: TokenTest, room: int) -> None:
        super().__init__()
        self._test = test
        self._room = self._left = room

    def __missing__(self, token: str) -> bool:
        check()
        found = self._test(token)
        self._left -= _ENTRY + len(token)
        if self._left < 0:
            self.clear()
            self._left = self._room
        self[token] = found
        return found


MOST_REMEMBERED = 1_000_000
"""Of how many characters the tokens are that the tests of a query remember, with `_ENTRY` for each."""
_ENTRY = 100


def wildcard(pattern: str) -> TokenTest:
    """Whether a whole token fits a pattern of `*`, `?` and backslash escapes, case-sensitively."""
    parts = _PARTS.findall(pattern)
    if [sign for _, sign, _ in parts if sign] == ["*"] and parts[-1][1] == "*":
        prefix = "".join(escaped or plain for escaped, _, plain in parts)
        return lambda token: token.startswith(prefix)
    # A star takes as little as lets the next piece fit, and never reconsiders: for patterns without
    # other repetition that finds a fit where there is one. Only the last star takes what remains.
    pieces = [""]
    for escaped, sign, plain in parts:
        if sign == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if sign else re.escape(escaped or plain)
    if len(pieces) == 1:
        expression = pieces[0]
    else:
        middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
        expression = f"{pieces[0]}{middle}.*{pieces[-1]}"
    fits = re.compile(expression, re.DOTALL).fullmatch
    return lambda token: fits(token) is not None


def fuzzy(text: str, edits: int) -> TokenTest:
    """Whether a token is within so many edits: insert, delete, replace, or swap two neighbours.

    No character is edited twice (the distance of Lucene's automata, also called optimal string
    alignment), so `ca` is three edits from `abc`.
    """
    from rapidfuzz.distance import OSA  # here, since few queries need it

    distance = OSA.distance
    return lambda token: distance(text, token, score_cutoff=edits) <= edits
