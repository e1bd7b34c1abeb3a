"""The closed set of nodes of a Lucene query.

`field` is a name as the query wrote it (`name`, `value.name`, `@path.key`), None where none was given.
Every leaf carries its own field: the parser hands the field of `name:(a b)` down to the leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

import attrs
from attrs import frozen


def _tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(values)


# Patterns are kept in one spelling, so that equal ones compare equal and survive text.

_PAIR = re.compile(r"\\(.?)", re.DOTALL)


def _wildcard(pattern: str) -> str:
    """A backslash stays only before `*`, `?` and itself; alone at the end it is doubled."""
    return _PAIR.sub(lambda pair: pair[0] if pair[1] in set("*?\\") else pair[1] or r"\\", pattern)


def _regexp(pattern: str) -> str:
    r"""A slash is plain: only the query text needs `\/`."""
    return _PAIR.sub(lambda pair: "/" if pair[1] == "/" else pair[0], pattern)


class Occur(Enum):
    """How a clause of a `Boolean` counts: MUST is `+`, MUST_NOT is `-`."""

    MUST = "+"
    SHOULD = ""
    MUST_NOT = "-"


@frozen
class Term:
    """A word, analysed: `name:steve`. A text of several tokens matches any of them."""

    text: str
    field: str | None = None


@frozen
class Verbatim:
    """The exact, unanalysed value: ``name:`New York` ``."""

    text: str
    field: str | None = None


@frozen
class Phrase:
    """Words in order, `"new york"`, with at most `slop` moves between them."""

    text: str
    field: str | None = None
    slop: int = 0


@frozen
class Wildcard:
    """A pattern of `*` (any characters) and `?` (any one); a prefix `jo*` is one too.

    A backslash makes the next character literal; only `*`, `?` and the backslash itself need one. The
    pattern `*` alone is `Exists`, or `MatchAll`.
    """

    pattern: str = attrs.field(converter=_wildcard)
    field: str | None = None


@frozen
class Regexp:
    """A pattern in Lucene's regexp syntax, which matches a whole token."""

    pattern: str = attrs.field(converter=_regexp)
    field: str | None = None


@frozen
class Fuzzy:
    """Words within `edits` (0 to 2) insertions, deletions, replacements or transpositions."""

    text: str
    field: str | None = None
    edits: int = 2


@frozen
class Bound:
    """One end of a range. `quoted` (in quotes or backticks) is text, never a number or a date."""

    text: str
    inclusive: bool = True
    quoted: bool = False


@frozen
class Range:
    """Values between two bounds; None is an open end."""

    lower: Bound | None
    upper: Bound | None
    field: str | None = None


@frozen
class Exists:
    """The field has a value that is not null: `field:*`."""

    field: str


@frozen
class MatchAll:
    """`*` or `*:*`."""


@frozen
class Near:
    """Points within a radius: `field:NEAR:{lat:0 lon:0 dist:5km}`; `unit` as written (`km`, `mi`, ...)."""

    latitude: float
    longitude: float
    distance: float
    unit: str
    field: str | None = None


@frozen
class Box:
    """Points within a box: `field:IN:{north:1 east:1 south:0 west:0}`; west > east crosses the date line."""

    north: float
    east: float
    south: float
    west: float
    field: str | None = None


@frozen
class Boost:
    """A node whose score counts `factor` times: `steve^2`."""

    node: Node
    factor: float


@frozen
class Clause:
    occur: Occur
    node: Node


@frozen
class Boolean:
    """Clauses together. One without MUST needs a SHOULD to match; one of only MUST_NOT matches nothing.

    One without any clause matches nothing, wherever it stands. A single SHOULD clause means no more than
    its node, and is read back from text as that.
    """

    clauses: tuple[Clause, ...] = attrs.field(converter=_tuple)


Leaf = Term | Verbatim | Phrase | Wildcard | Regexp | Fuzzy | Range | Exists | MatchAll | Near | Box
Node = Leaf | Boost | Boolean


def leaves(node: Node) -> list[Leaf]:
    """Every leaf of a tree, from left to right, those that are excluded among them."""
    if isinstance(node, Boolean):
        return [leaf for clause in node.clauses for leaf in leaves(clause.node)]
    return leaves(node.node) if isinstance(node, Boost) else [node]
