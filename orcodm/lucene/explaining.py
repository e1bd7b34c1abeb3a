"""A query in words, and which parts of it an entry matches."""

from __future__ import annotations

from typing import assert_never

from attrs import frozen

from .entries import Entry, field_name
from .evaluator import compile_query
from .renderer import number, render
from .tree import (
    Boolean,
    Boost,
    Box,
    Clause,
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
class Explanation:
    """What a node of a query asks for, and, of an entry, whether it has it.

    `occur` is how the node counts in the one above it; `matches` is None where no entry was asked about.
    As a string it is an indented tree.
    """

    text: str
    occur: Occur | None = None
    matches: bool | None = None
    parts: tuple[Explanation, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self._lines(""))

    def _lines(self, indent: str) -> list[str]:
        verdict = {None: "", True: "[yes] ", False: "[no]  "}[self.matches]
        occur = f"{_OCCURS[self.occur]}: " if self.occur else ""
        lines = [f"{indent}{verdict}{occur}{self.text}"]
        for part in self.parts:
            lines += part._lines(indent + "  ")
        return lines


_OCCURS = {Occur.MUST: "must", Occur.SHOULD: "may", Occur.MUST_NOT: "must not"}


def explain(tree: Node, entry: Entry | None = None) -> Explanation:
    """The query in words; with an entry, also which of its parts the entry matches."""
    return _explain(tree, entry, None)


def _explain(node: Node, entry: Entry | None, occur: Occur | None) -> Explanation:
    matches = None if entry is None else compile_query(node)(entry)
    clauses: tuple[Clause, ...] = ()
    inner = node
    while isinstance(inner, Boost):
        inner = inner.node
    if isinstance(inner, Boolean):
        clauses = inner.clauses
    parts = tuple(_explain(clause.node, entry, clause.occur) for clause in clauses)
    return Explanation(_describe(node), occur, matches, parts)


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
