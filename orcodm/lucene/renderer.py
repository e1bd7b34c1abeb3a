r"""Tree to query text: `parse(render(tree)) == tree`, and no value can change what a query means.

All the escaping is here. Text is escaped as little as the grammar allows, for these texts are read:
words by backslashes, phrases in quotes, verbatim terms in backticks.

A tree that no text has (see `tree`) is rendered as the one that means the same: a Boolean with a single
optional clause as that clause, an empty Boolean, which matches nothing, as `-*:*`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import assert_never

from .tree import (
    Boolean,
    Boost,
    Bound,
    Box,
    Exists,
    Fuzzy,
    MatchAll,
    Near,
    Node,
    Occur,
    Phrase,
    Range,
    Regexp,
    Term,
    Verbatim,
    Wildcard,
)


def render(node: Node) -> str:
    """The query text of a tree: `name:ada AND NOT age:[40 TO *]`."""
    if not isinstance(node, Boolean):
        return _leaf(node)
    occurs = [clause.occur for clause in node.clauses]
    if not occurs:
        return "-*:*"
    if occurs == [Occur.SHOULD]:
        return render(node.clauses[0].node)
    parts = [_operand(clause.node) for clause in node.clauses]
    if len(parts) > 1 and Occur.SHOULD not in occurs and occurs[0] is Occur.MUST:
        negated = ("NOT " if occur is Occur.MUST_NOT else "" for occur in occurs)
        return " AND ".join(f"{sign}{part}" for sign, part in zip(negated, parts, strict=True))
    if all(occur is Occur.SHOULD for occur in occurs):
        return " OR ".join(parts)
    return " ".join(f"{occur.value}{part}" for occur, part in zip(occurs, parts, strict=True))


def _operand(node: Node) -> str:
    """The text as a part of something larger."""
    if isinstance(node, Boolean):
        if len(node.clauses) == 1 and node.clauses[0].occur is Occur.SHOULD:
            return _operand(node.clauses[0].node)
        return f"({render(node)})"
    return _leaf(node)


def _leaf(node: Node) -> str:
    match node:
        case Term():
            return _prefix(node.field) + (_word(node.text) if node.text else '""')
        case Verbatim():
            return f"{_prefix(node.field)}`{_BACKTICK.sub(_ESCAPED, node.text)}`"
        case Phrase():
            slop = f"~{node.slop}" if node.slop else ""
            return f'{_prefix(node.field)}"{_QUOTE.sub(_ESCAPED, node.text)}"{slop}'
        case Wildcard():
            return _prefix(node.field) + _pattern(node.pattern)
        case Regexp():
            return f"{_prefix(node.field)}/{_SLASH.sub(_slash, node.pattern)}/"
        case Fuzzy():
            return f"{_prefix(node.field)}{_word(node.text)}~{node.edits}"
        case Range():
            return _prefix(node.field) + _range(node)
        case Exists():
            # Before a colon * would be everything.
            return f"{_prefix(node.field)}*" if node.field != "*" else "_exists_:\\*"
        case MatchAll():
            return "*:*"
        case Near():
            return (
                f"{_prefix(node.field)}NEAR:{{lat:{number(node.latitude)} lon:{number(node.longitude)} "
                f"dist:{number(node.distance)}{node.unit}}}"
            )
        case Box():
            return (
                f"{_prefix(node.field)}IN:{{north:{number(node.north)} east:{number(node.east)} "
                f"south:{number(node.south)} west:{number(node.west)}}}"
            )
        case Boost():
            inner = node.node
            text = f"({render(inner)})" if isinstance(inner, Boolean | Boost) else _leaf(inner)
            return f"{text}^{number(node.factor)}"
        case Boolean():
            return _operand(node)
        case _:
            assert_never(node)


def number(value: float) -> str:
    """A number in plain decimal digits: no exponent, no fraction where it is whole."""
    whole = int(value)
    return str(whole) if whole == value else f"{Decimal(repr(value)):f}"


# -- escapes ---------------------------------------------------------------------------------------

_ESCAPED = r"\\\g<0>"
_BACKTICK = re.compile(r"[`\\]")
_QUOTE = re.compile(r'["\\]')
_SLASH = re.compile(r"\\.|/", re.DOTALL)
# Inside of a word + and - are plain; a backtick would be, but is easily overlooked.
_SPECIAL = re.compile(r'^[+\-<>]|[ \t\n\r\u3000!():^\[\]"{}~*?\\/`]')
_IN_BOUND = re.compile(r'^["*]|[ \t\n\r\u3000`\]}\\]')
# What would be an operator, or the start of an extension.
_RESERVED = frozenset({"AND", "OR", "NOT", "&&", "||"})
_RESERVED_FIELDS = _RESERVED | {"NEAR", "IN", "_exists_"}


@lru_cache(maxsize=1_000)
def _prefix(field: str | None) -> str:
    return "" if field is None else f"{_word(field, _RESERVED_FIELDS)}:"


def _word(text: str, reserved: frozenset[str] = _RESERVED) -> str:
    return f"\\{text}" if text in reserved else _SPECIAL.sub(_ESCAPED, text)


def _pattern(pattern: str) -> str:
    """A wildcard pattern, whose own backslashes stay as they are."""
    if pattern in _RESERVED:
        return f"\\{pattern}"
    parts = _WILDCARDS.split(pattern)
    escaped = [part if index % 2 else _SPECIAL.sub(_ESCAPED, part) for index, part in enumerate(parts)]
    # Only the first part is at the start of the word.
    return "".join(escaped)


_WILDCARDS = re.compile(r"(\\[*?\\]|[*?])")


def _slash(match: re.Match[str]) -> str:
    return "\\/" if match[0] == "/" else match[0]


def _range(node: Range) -> str:
    lower, upper = node.lower, node.upper
    opening = "[" if lower is None or lower.inclusive else "{"
    closing = "]" if upper is None or upper.inclusive else "}"
    return f"{opening}{_bound(lower)} TO {_bound(upper)}{closing}"


def _bound(bound: Bound | None) -> str:
    if bound is None:
        return "*"
    if bound.quoted or not bound.text:
        return f'"{_QUOTE.sub(_ESCAPED, bound.text)}"'
    return f"\\{bound.text}" if bound.text == "TO" else _IN_BOUND.sub(_ESCAPED, bound.text)
