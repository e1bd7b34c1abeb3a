"""Screening: what the JSON text of a value must contain if a query is to match it.

To read a value and flatten it costs many times as much as to search its text for a word. So whoever goes
through many documents without an index screens their texts first. A screen never says no to a match; what it
says yes to may be none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .analysis import analyze, normalize
from .exact import only_value
from .literals import equality
from .regexp import beginning
from .tree import Boolean, Boost, Node, Occur, Phrase, Range, Regexp, Term, Verbatim, Wildcard

# Of a pattern what must be there as it is. A backslash may be before any character.
_PIECES = re.compile(r"(?<!\\)[a-z0-9]+").findall

Needles = tuple[bytes, ...]
"""Texts in lower case of which one must be there."""


Encode = Callable[[str], bytes]
"""Writes a string as JSON, as it is written in the texts that are screened."""


def screen(tree: Node, encode: Encode) -> Callable[[bytes], bool] | None:
    """Whether a value with this JSON text may match; None where any may."""
    needles = _needles(tree, encode)
    if needles is None:
        return None
    if len(needles) == 1:
        (needle,) = needles
        # Beyond ASCII there is more than one way to be the same word in lower case.
        return lambda text: not text.isascii() or text.lower().count(needle) > 0

    def may_match(text: bytes) -> bool:
        if not text.isascii():
            return True
        lowered = text.lower()
        return any(needle in lowered for needle in needles)

    return may_match


def _needles(node: Node, encode: Encode) -> Needles | None:
    """None where nothing is known that must be in the text."""
    if isinstance(node, Boost):
        return _needles(node.node, encode)
    if isinstance(node, Boolean):
        return _of_clauses(node, encode)
    if isinstance(node, Range):
        one = only_value(node)
        is_text = one is not None and one.quoted and not (node.field or "").startswith("@")
        return (encode(one.text)[1:-1].lower(),) if one is not None and is_text else None
    if not isinstance(node, Term | Phrase | Verbatim | Wildcard | Regexp):
        return None
    if (node.field or "").startswith("@"):
        return None  # it is not in the value
    if isinstance(node, Wildcard):
        pieces = _PIECES(normalize(node.pattern))
        return (max(pieces, key=len).encode(),) if pieces else None
    if isinstance(node, Regexp):
        start = beginning(node.pattern)
        return (start.encode(),) if start else None
    if equality(node.text) is not None:
        return None  # a number is written in more than one way
    if isinstance(node, Verbatim):
        return (encode(node.text)[1:-1].lower(),)
    words = tuple(dict.fromkeys(analyze(node.text)))
    if not words or not node.text.isascii():
        return None
    # No letter of a word is escaped in JSON.
    needles = tuple(word.encode() for word in words)
    return needles if isinstance(node, Term) else (max(needles, key=len),)


def _of_clauses(node: Boolean, encode: Encode) -> Needles | None:
    required = [_needles(clause.node, encode) for clause in node.clauses if clause.occur is Occur.MUST]
    if required:
        return max((needles for needles in required if needles is not None), key=_worth, default=None)
    optional = [_needles(clause.node, encode) for clause in node.clauses if clause.occur is Occur.SHOULD]
    known = [needles for needles in optional if needles is not None]
    if not known or len(known) < len(optional):
        return None
    return tuple(dict.fromkeys(needle for needles in known for needle in needles))


def _worth(needles: Needles) -> int:
    """How much a look for them sorts out, roughly."""
    return min(map(len, needles)) - len(needles)
