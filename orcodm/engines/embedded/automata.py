"""Patterns over index terms, in the syntax of the index's regular expressions. Pure.

The terms of one type of one field lie next to each other in the index, in the order of their values. A
range of values is therefore a range of texts, and a range of texts is a regular expression: `between` says
digit by digit what may stand there while the text is still on the edge of a bound.

Tantivy writes the automaton of an expression out, 4 kB for each state, and holds Python's lock meanwhile: an
expression of 30 characters can take seconds. So the states are counted before, and what would have too many
is left open from some point on: the index finds more then, and the evaluator decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from ...lucene.regexp import Nodes, parse

ANY: Final = "(?s:.)*"
NONE: Final = "[^\\x{0}-\\x{10ffff}]"

MAX_COST: Final = 6_000
"""States and what they consist of: Tantivy needs about 10 microseconds for each."""
MAX_STEPS: Final = 10_000
"""How much counting the states may take."""
MAX_DEPTH: Final = 60
"""How deep groups may nest in an expression of the index."""
MAX_BEGINNING: Final = 50
"""How many characters are kept of what is left open otherwise."""
MAX_DIGITS: Final = 8
"""How many characters of a bound are compared, from where it differs from the other bound."""
_BYTES: Final = 11
"""A character that may be any is so many states more, one byte after another."""

_LAST: Final = 0x10FFFF
_EVERY: Final = ((0, _LAST),)
_LITERAL: Final = re.compile(r"(?:[0-9A-Za-z]|\\x\{[0-9a-f]+\})*")
_CODE: Final = re.compile(r"\\x\{([0-9a-f]+)\}")
_PARTS: Final = re.compile(r"\\(.)|([*?])|([^\\*?]+)|\\", re.DOTALL)


@frozen
class Pattern:
    """An expression of the index, whether it is for exactly what was asked or for more, and its cost."""

    text: str
    exact: bool = True
    cost: int = 0


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


def wildcard(pattern: str) -> Pattern:
    """The pattern for a query's wildcard: `*`, `?`, and a backslash before what is literal."""
    nodes = Nodes()
    pieces = []
    for escaped, sign, plain in _PARTS.findall(pattern):
        if sign:
            one = nodes.set(_EVERY)
            pieces.append(one if sign == "?" else nodes.star(one))
        else:
            pieces += [nodes.set(((ord(sign), ord(sign)),)) for sign in escaped or plain or "\\"]
    return _Writer(nodes).pattern(_chain(nodes, pieces))


def regexp(pattern: str, *, lower: bool) -> Pattern:
    """The pattern for a query's regular expression.

    What the index's have no word for (complements, intersections, numbers) is left open there.
    """
    nodes, expression = parse(pattern, lower)
    return _Writer(nodes).pattern(expression)


def _chain(nodes: Nodes, pieces: Iterable[int]) -> int:
    expression = nodes.empty()
    for piece in reversed(list(pieces)):
        expression = nodes.then(piece, expression)
    return expression


class _Writer:
    """Writes expressions of some nodes for the index."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._any = nodes.star(nodes.set(_EVERY))
        self._exact = True

    def pattern(self, expression: int) -> Pattern:
        found = self._open(expression, 0)
        cost = _cost(self._nodes, found)
        if cost > MAX_COST:
            found, self._exact = self._beginning(found), False
            cost = _cost(self._nodes, found)
        return Pattern(self._write(found), self._exact, cost)

    def _open(self, expression: int, depth: int) -> int:
        """The same or more, of nodes that the index's expressions have."""
        nodes = self._nodes
        match nodes.nodes[expression]:
            case ("empty",) | ("set", _):
                return expression
            case ("then", _, _):
                return _chain(nodes, [self._open(piece, depth) for piece in self._pieces(expression)])
            case ("any", frozenset(parts)) if depth < MAX_DEPTH:
                return nodes.any([self._open(part, depth + 1) for part in parts])
            case ("star", int(inner)) if depth < MAX_DEPTH:
                return nodes.star(self._open(inner, depth + 1))
            case ("plus", int(inner)) if depth < MAX_DEPTH:
                return nodes.plus(self._open(inner, depth + 1))
            case _:
                self._exact = False
                return self._any

    def _pieces(self, expression: int) -> list[int]:
        """What stands one after another in an expression."""
        nodes, pieces = self._nodes.nodes, []
        while (node := nodes[expression])[0] == "then":
            _, first, expression = node  # type: ignore[assignment]
            assert isinstance(first, int)
            pieces.append(first)
        return [*pieces, expression]

    def _beginning(self, expression: int) -> int:
        """What begins like the expression, as far as that is plain."""
        plain = []
        for piece in self._pieces(expression)[:MAX_BEGINNING]:
            if self._nodes.nodes[piece][0] != "set":
                break
            plain.append(piece)
        return _chain(self._nodes, [*plain, self._any])

    def _write(self, expression: int) -> str:
        match self._nodes.nodes[expression]:
            case ("empty",):
                return ""
            case ("set", tuple(ranges)):
                return _set(ranges)
            case ("then", _, _):
                return "".join(map(self._write, self._pieces(expression)))
            case ("any", frozenset(parts)):
                return f"(?:{'|'.join(map(self._write, sorted(parts)))})" if parts else NONE
            case ("star", int(inner)):
                return f"{self._one(inner)}*"
            case ("plus", int(inner)):
                return f"{self._one(inner)}+"
            case other:
                raise AssertionError(other)

    def _one(self, inner: int) -> str:
        text = self._write(inner)
        return text if self._nodes.nodes[inner][0] == "set" else f"(?:{text})"


def _cost(nodes: Nodes, expression: int) -> int:
    """The states of an expression's automaton and what they consist of; more than `MAX_COST` is too much."""
    state = frozenset((expression,))
    states, todo = {state}, [state]
    cost = steps = 0
    while todo:
        state = todo.pop()
        sets = _first(nodes, state)
        cost += (1 + len(state)) * (_BYTES if any(high > 0x7F for _, high in sets) else 1)
        edges = {0, *(edge for low, high in sets for edge in (low, high + 1) if edge <= _LAST)}
        steps += len(edges) * len(state)
        if cost > MAX_COST or steps > MAX_STEPS:
            return MAX_COST + 1
        # All characters between two edges lead to the same state.
        for edge in edges:
            following = nodes.follow(state, edge)
            if following and following not in states:
                states.add(following)
                todo.append(following)
    return cost


def _first(nodes: Nodes, expressions: Iterable[int]) -> set[tuple[int, int]]:
    """The characters that one of some expressions may begin with, as ranges."""
    found = set[tuple[int, int]]()
    todo = list(expressions)
    seen = set(todo)
    while todo:
        match nodes.nodes[todo.pop()]:
            case ("set", tuple(ranges)):
                found.update(ranges)
                inner: Iterable[int] = ()
            case ("then", int(first), int(rest)):
                inner = (first, rest) if nodes.nullable[first] else (first,)
            case ("any", frozenset(parts)):
                inner = parts
            case ("star" | "plus", int(repeated)):
                inner = (repeated,)
            case _:
                inner = ()
        new = [one for one in inner if one not in seen]
        todo += new
        seen.update(new)
    return found


def _set(ranges: Sequence[tuple[int, int]]) -> str:
    if ranges == _EVERY:
        return "(?s:.)"
    pieces = []
    for first, last in ranges:
        # Surrogates are no characters.
        for low, high in ((first, min(last, 0xD7FF)), (max(first, 0xE000), last)):
            if low == high and chr(low).isascii() and chr(low).isalnum() and len(ranges) == 1:
                return chr(low)
            if low <= high:
                pieces.append(f"\\x{{{low:x}}}" if low == high else f"\\x{{{low:x}}}-\\x{{{high:x}}}")
    if len(pieces) == 1 and "-" not in pieces[0]:
        return pieces[0]
    return f"[{''.join(pieces)}]" if pieces else NONE


def between(
    lower: str | None,
    upper: str | None,
    *,
    with_lower: bool = True,
    with_upper: bool = True,
    longest: int | None = None,
) -> Pattern | None:
    """The pattern for the texts between two, by code point; None as a bound is an open end.

    Bounds are looked at up to a longest length, and not much further than where they differ: beyond that the
    pattern is for more. The answer None is a range that has nothing in it, which is no pattern.
    """
    if lower is not None and upper is not None and lower >= upper:
        if lower > upper or not (with_lower and with_upper):
            return None
        if longest is None or len(lower) <= longest:
            return Pattern(literal(lower))
        return Pattern(literal(lower[:longest]) + ANY, exact=False)
    shared = 0
    if lower is not None and upper is not None:
        shared = next((i for i, (a, b) in enumerate(zip(lower, upper, strict=False)) if a != b), len(lower))
    most = shared + MAX_DIGITS if longest is None else min(shared + MAX_DIGITS, longest)
    exact, end = True, "" if with_upper else None
    if lower is not None and len(lower) > most:
        lower, with_lower, exact = lower[:most], True, False
    if upper is not None and len(upper) > most:
        upper, end, exact = upper[:most], ANY, False  # what begins like the bound may still be below it
    low, high = (None if bound is None else bound[shared:] for bound in (lower, upper))
    head = literal((lower or "")[:shared])
    digits = len(low or "") + len(high or "")
    text = _between(low, high, with_lower, end)
    return None if text is None else Pattern(head + text, exact, len(head) + 500 + 80 * digits)


def _between(lower: str | None, upper: str | None, with_lower: bool, end: str | None) -> str | None:
    """Of texts that begin differently. `end` is what may follow where a text begins with the upper bound."""
    if upper is None:
        return ANY if lower is None else _above(lower, with_lower)
    if lower is None:
        return _below(upper, end)
    if not upper:  # both were cut where they were still the same
        return end
    high, rest = ord(upper[0]), _below(upper[1:], end)
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
        return ways[0]
    return f"(?:{'|'.join(ways)})" if ways else None


def _above(bound: str, included: bool) -> str:
    """Texts that are the bound (if included), or begin with it and go on, or are greater somewhere."""
    pattern = ANY if included else f"(?s:.){ANY}"
    for character in reversed(bound):
        pattern = f"(?:{'|'.join([*_one_of(ord(character) + 1, _LAST), literal(character) + pattern])})"
    return pattern


def _below(bound: str, end: str | None) -> str | None:
    """Texts that are the bound and its `end`, where it has one, or its beginning, or less somewhere."""
    pattern = end
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
