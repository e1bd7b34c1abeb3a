"""A query in words, and which parts of it an entry matches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from attrs import frozen

from .analysis import analyze
from .entries import Entry, field_name
from .evaluator import compile_query
from .exact import only_value
from .renderer import number, render
from .tree import (
    Boolean,
    Boost,
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


@frozen
class Contribution:
    """What a leaf adds to a score: how much, and how many of how many documents have what it asks for."""

    score: float
    found: int
    documents: int


@frozen
class Explanation:
    """What a node of a query asks for, and, of an entry, whether it has it and what that adds to its score.

    `occur` is how the node counts in the one above it; `matches` is None where no entry was asked about,
    `score` where nobody said it. As a string it is an indented tree.
    """

    text: str
    occur: Occur | None = None
    matches: bool | None = None
    parts: tuple[Explanation, ...] = ()
    score: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        return "\n".join(self._lines(""))

    def _lines(self, indent: str) -> list[str]:
        verdict = {None: "", True: "[yes] ", False: "[no]  "}[self.matches]
        occur = f"{_OCCURS[self.occur]}: " if self.occur else ""
        score = "" if self.score is None else f" = {self.score:.4f}"
        reason = f" ({self.reason})" if self.reason else ""
        lines = [f"{indent}{verdict}{occur}{self.text}{score}{reason}"]
        for part in self.parts:
            lines += part._lines(indent + "  ")
        return lines


_OCCURS = {Occur.MUST: "must", Occur.SHOULD: "may", Occur.MUST_NOT: "must not"}


def explain(
    tree: Node, entry: Entry | None = None, contributions: Mapping[Node, Contribution] | None = None
) -> Explanation:
    """The query in words; with an entry, also which of its parts the entry matches.

    `contributions` are what the `scored` leaves of the entry add to its score.
    """
    return _explain(tree, entry, None, 1.0, contributions)


def scored(tree: Node, entry: Entry) -> list[Node]:
    """What makes an entry's score: the leaves that it matches and that are not excluded, boosted."""
    return list(dict.fromkeys(_scored(tree, entry, 1.0)))


def _scored(node: Node, entry: Entry, factor: float) -> Iterator[Node]:
    if not compile_query(node)(entry):
        return
    inner, factor = _unboosted(node, factor)
    if not isinstance(inner, Boolean):
        yield _weighted(inner, factor)
        return
    for clause in inner.clauses:
        if clause.occur is not Occur.MUST_NOT:
            yield from _scored(clause.node, entry, factor)


def _unboosted(node: Node, factor: float) -> tuple[Node, float]:
    while isinstance(node, Boost):
        factor *= node.factor
        node = node.node
    return node, factor


def _weighted(leaf: Node, factor: float) -> Node:
    return leaf if factor == 1 else Boost(leaf, factor)


def _explain(
    node: Node,
    entry: Entry | None,
    occur: Occur | None,
    factor: float,
    contributions: Mapping[Node, Contribution] | None,
) -> Explanation:
    matches = None if entry is None else compile_query(node)(entry)
    inner, factor = _unboosted(node, factor)
    if not matches or occur is Occur.MUST_NOT:
        contributions = None  # whatever is in it adds nothing
    if isinstance(inner, Boolean):
        parts = tuple(
            _explain(clause.node, entry, clause.occur, factor, contributions) for clause in inner.clauses
        )
        scores = [part.score for part in parts if part.score is not None]
        return Explanation(_describe(node), occur, matches, parts, sum(scores) if scores else None)
    contribution = contributions.get(_weighted(inner, factor)) if contributions else None
    if contribution is None:
        return Explanation(_describe(node), occur, matches)
    reason = f"in {contribution.found} of {contribution.documents}"
    if entry is not None and isinstance(inner, Term | Phrase) and (words := _words(inner, entry)):
        reason = f"{words}, {reason}"
    return Explanation(_describe(node), occur, matches, (), contribution.score, reason)


def _words(leaf: Term | Phrase, entry: Entry) -> str:
    """How many of the words of a field are those that a leaf asks for."""
    name, wanted = field_name(leaf.field), set(analyze(leaf.text))
    fields = entry.leaves if name is None else (name,)
    words = [word for field in fields for tokens in entry.tokens(field) for word in tokens]
    return f"{sum(word in wanted for word in words)} of {len(words)} words" if words else ""


def _describe(node: Node) -> str:
    match node:
        case Boolean():
            return _describe_boolean(node)
        case Boost():
            return f"{_describe(node.node)}, counted {number(node.factor)} times"
        case MatchAll():
            return "anything"
        case Exists():
            return f"{_where(node.field)} has a value"
        case Term():
            return f"{_where(node.field)} has a word of {node.text!r}"
        case Verbatim():
            return f"{_where(node.field)} is exactly {node.text!r}"
        case Phrase():
            slop = f", up to {node.slop} moves apart" if node.slop else ""
            return f"{_where(node.field)} has the words {node.text!r} together{slop}"
        case Wildcard():
            return f"{_where(node.field)} has a word like {node.pattern}"
        case Regexp():
            return f"{_where(node.field)} has a word that fits /{node.pattern}/"
        case Fuzzy():
            edits = "1 edit" if node.edits == 1 else f"{node.edits} edits"
            return f"{_where(node.field)} has a word within {edits} of {node.text!r}"
        case Range():
            if (one := only_value(node)) is not None:
                return f"{_where(node.field)} is exactly {repr(one.text) if one.quoted else one.text}"
            return f"{_where(node.field)} is in {render(Range(node.lower, node.upper))}"
        case Near():
            centre = f"{number(node.latitude)}, {number(node.longitude)}"
            return f"{_where(node.field)} is within {number(node.distance)}{node.unit} of {centre}"
        case Box():
            south_west = f"{number(node.south)}, {number(node.west)}"
            return (
                f"{_where(node.field)} is between {south_west} and {number(node.north)}, {number(node.east)}"
            )
        case _:
            assert_never(node)


def _describe_boolean(node: Boolean) -> str:
    occurs = {clause.occur for clause in node.clauses}
    if not occurs or occurs == {Occur.MUST_NOT}:
        return "nothing, since nothing is asked for"
    if Occur.MUST in occurs:
        return "what must and must not" if Occur.MUST_NOT in occurs else "all that must"
    return "any of these"


def _where(field: str | None) -> str:
    return field_name(field) or "any field"
