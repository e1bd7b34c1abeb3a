r"""Lucene's regular expressions on whole tokens, in time linear in the token.

The syntax is that of Lucene's RegExp with everything optional switched on: `~a` is what is not `a`, `a&b`
both, `<1-50>` a number, `@` anything, `#` nothing, `"..."` literal, `\d \D \s \S \w \W`. A sign where
something to repeat or to join is expected stands for itself, as it does there (`*a`, `a||b`).

An expression is matched by its derivatives (Brzozowski; Antimirov): what may follow after one character is
again an expression, or a set of them. Sets met before are remembered, which makes a deterministic automaton
that grows only as tokens ask for it. Complement and intersection need no special treatment in this, and
nothing ever backtracks.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from typing import Final

from ..errors import InvalidQuery
from .analysis import lower as lowered
from .effort import check

MAX_NODES: Final = 10_000
"""How large an expression may be, everything that it says more than once written out."""

MAX_NESTING: Final = 50

MAX_LEARNED: Final = 200_000
"""How many expressions, derivatives and members of states one token may need; more is an error."""

Ranges = tuple[tuple[int, int], ...]
# An expression is the number of a node in its `Nodes`. A node is one of
#   ("empty",)   ("set", ranges)   ("then", a, b)   ("any", {a, b})   ("all", {a, b})   ("not", a)
#   ("star", a)  ("plus", a)  ("number", low, high, digits, value so far, digits so far)
Node = tuple[object, ...]

_LAST = 0x10FFFF
_EVERY: Ranges = ((0, _LAST),)


def regexp(pattern: str, lower: bool = True) -> Callable[[str], bool]:
    """The test whether a whole token matches the pattern, whose literals are lower-cased first.

    Raises `InvalidQuery` for what is no expression (`position` counts in the pattern) or is too large.
    """
    matches, start = _Automaton(pattern, lower).matches, beginning(pattern)
    return (lambda token: token.startswith(start) and matches(token)) if start else matches


def beginning(pattern: str) -> str:
    """What every match begins with, as far as that is quickly seen."""
    start = _START(pattern) if "|" not in pattern else None
    return start[0] if start else ""


def size(pattern: str) -> int:
    """How many parts the expression has, written out. Raises `InvalidQuery` as `regexp` does."""
    nodes, expression = parse(pattern)
    return nodes.sizes[expression]


def parse(pattern: str, lower: bool = True) -> tuple[Nodes, int]:
    """The nodes of an expression and the number of the outermost. Raises `InvalidQuery` as `regexp` does."""
    nodes = Nodes()
    return nodes, _Reader(pattern, lower, nodes).expression()


class _Automaton:
    """The deterministic automaton of a pattern, as far as it was needed. Any number of threads may use it."""

    __slots__ = ("_lower", "_pattern", "_table")

    def __init__(self, pattern: str, lower: bool) -> None:
        self._pattern = pattern
        self._lower = lower
        self._table = _Table(pattern, lower)

    def matches(self, token: str) -> bool:
        table = self._table  # another thread may replace it meanwhile
        if table.full:
            # What was learned is forgotten, so that memory stays bounded.
            table = self._table = _Table(self._pattern, self._lower)
        moves, state = table.moves, 1
        for character in token:
            following = moves[state].get(character)
            if following is None:
                following = table.learn(state, character)
            if not following:
                return False
            state = following
        return table.accepts[state]


class _Table:
    """The states of an automaton by number, and the moves between them that were learned.

    Whoever holds a number of a state finds everything about it without the lock: states are only ever added,
    and a move is written when the state that it leads to is complete.
    """

    __slots__ = ("_enough", "_learned", "_lock", "_nodes", "_numbers", "_sets", "accepts", "moves")

    def __init__(self, pattern: str, lower: bool) -> None:
        self._lock = threading.Lock()
        self._nodes, expression = parse(pattern, lower)
        # All expressions of a query together have a largest size, and so have what their tables keep.
        self._enough = self._nodes.kept + 1_000 + 50 * self._nodes.sizes[expression]
        self._learned = 0
        self._numbers: dict[frozenset[int], int] = {}
        self._sets: list[frozenset[int]] = []
        self.moves: list[dict[str, int]] = []
        self.accepts: list[bool] = []
        self._state(frozenset())  # 0: nothing can follow
        self._state(frozenset((expression,)))

    @property
    def full(self) -> bool:
        """Whether so much was learned that it is better forgotten."""
        return self._learned + self._nodes.kept > self._enough

    def learn(self, state: int, character: str) -> int:
        """The state that a character leads to, which is found without asking from now on.

        Raises `InvalidQuery` where one token needs too many states, and what `check` raises.
        """
        check()
        with self._lock:
            following = self._state(self._nodes.follow(self._sets[state], ord(character)))
            self.moves[state][character] = following
            self._learned += 1
            if self._learned + self._nodes.kept > MAX_LEARNED:
                raise _error(0, "a smaller expression: this one is in too many states at once")
            return following

    def _state(self, expressions: frozenset[int]) -> int:
        number = self._numbers.get(expressions)
        if number is None:
            number = self._numbers[expressions] = len(self._sets)
            self._sets.append(expressions)
            self.moves.append({})
            self.accepts.append(any(self._nodes.nullable[e] for e in expressions))
            self._learned += 2 + len(expressions)
        return number


class Nodes:
    """Expressions, each kept once, so that equal ones have equal numbers."""

    __slots__ = ("_followers", "_joints", "_memory", "_numbers", "nodes", "nullable", "sizes")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.nullable: list[bool] = []
        self.sizes: list[int] = []
        """How many parts each expression has, written out: as a tree in which nothing is shared."""
        self._numbers: dict[Node, int] = {}
        self._memory: dict[tuple[int, int], frozenset[int]] = {}
        self._joints: dict[tuple[int, int], int] = {}
        self._followers = 0

    @property
    def kept(self) -> int:
        """How much is kept in all: expressions, derivatives, and what these consist of."""
        return len(self.nodes) + len(self._joints) + len(self._memory) + self._followers

    def _node(self, node: Node, nullable: bool, size: int) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
            self.nullable.append(nullable)
            self.sizes.append(size)
            if number % _BETWEEN == 0:
                check()
                if number > MAX_LEARNED:
                    raise _too_large()
        return number

    # -- making

    def empty(self) -> int:
        return self._node(("empty",), True, 0)

    def set(self, ranges: Ranges) -> int:
        return self._node(("set", ranges), False, 1 + len(ranges) // 8)

    def then(self, first: int, second: int) -> int:
        kind, following = self.nodes[first], self.nodes[second]
        if kind[0] == "empty":
            return second
        if following[0] == "empty":
            return first
        if kind[0] == "then":
            return self._joined(first, second)
        if kind[0] == "star" and first in (second, following[1] if following[0] == "then" else None):
            return second  # a*a* is a*
        size = self.sizes[first] + self.sizes[second]
        return self._node(("then", first, second), self.nullable[first] and self.nullable[second], size)

    def _joined(self, chain: int, second: int) -> int:
        """The links of a chain and what follows it as one chain, which leans to the right."""
        links, end = [], second
        while (node := self.nodes[chain])[0] == "then":
            if (known := self._joints.get((chain, end))) is not None:
                second = known
                break
            _, link, rest = node
            links.append((chain, link))
            chain = rest  # type: ignore[assignment]
        else:
            second = self.then(chain, second)
        # The ends of a chain are joined to the same again and again.
        for part, link in reversed(links):
            second = self._joints[part, end] = self.then(link, second)  # type: ignore[arg-type]
        return second

    def any(self, parts: Iterable[int]) -> int:
        """One of the parts; without any, what nothing matches."""
        members = frozenset(parts)
        if len(members) == 1:
            return next(iter(members))
        nullable = any(self.nullable[part] for part in members)
        return self._node(("any", members), nullable, 1 + sum(self.sizes[part] for part in members))

    def all(self, parts: Iterable[int]) -> int:
        members = frozenset(parts)
        if len(members) == 1:
            return next(iter(members))
        nullable = all(self.nullable[part] for part in members)
        return self._node(("all", members), nullable, 1 + sum(self.sizes[part] for part in members))

    def without(self, inner: int) -> int:
        return self._node(("not", inner), not self.nullable[inner], 1 + self.sizes[inner])

    def optional(self, inner: int) -> int:
        return inner if self.nullable[inner] else self.any((inner, self.empty()))

    def star(self, inner: int) -> int:
        # (a+)* and (a?)* are a*.
        inner = self._without_empty(inner)
        kind = self.nodes[inner]
        if kind[0] in ("star", "empty"):
            return inner
        if kind[0] == "plus":
            (_, inner) = kind  # type: ignore[assignment]
        return self._node(("star", inner), True, 1 + self.sizes[inner])

    def plus(self, inner: int) -> int:
        if self.nullable[inner]:
            return self.star(inner)
        if self.nodes[inner][0] == "plus":
            return inner
        return self._node(("plus", inner), False, 1 + self.sizes[inner])

    def number(self, low: int, high: int, digits: int, value: int = 0, read: int = 0) -> int:
        done = low <= value <= high and (read == digits if digits else read > 0)
        return self._node(("number", low, high, digits, value, read), done, 1)

    def repeat(self, inner: int, least: int, most: int | None) -> int:
        """From `least` to `most` times; None is without end."""
        if max(least, most or 0) > MAX_NODES // 4:
            raise _error(0, f"at most {MAX_NODES // 4} repetitions")
        if self.nullable[inner]:
            if most is None:
                return self.star(inner)
            # Repeating what may be empty: that it may is said once, not at every repetition.
            inner, least = self._without_empty(inner), 0
            if self.nodes[inner][0] == "star":
                return inner if most else self.empty()
            if self.nullable[inner]:
                inner = self.all((inner, self.plus(self.set(_EVERY))))
        if (most or least) * (1 + self.sizes[inner]) > MAX_NODES:
            raise _too_large()
        result = self.star(inner) if most is None else self.empty()
        for _ in range((most or least) - least):
            result = self.optional(self.then(inner, result))
        for _ in range(least):
            result = self.then(inner, result)
        return result

    def _without_empty(self, expression: int) -> int:
        """The expression without the empty text, where that is one of its alternatives."""
        kind, *members = self.nodes[expression]
        empty = self.empty()
        if kind != "any" or not isinstance(members[0], frozenset) or empty not in members[0]:
            return expression
        return self.any(members[0] - {empty})

    # -- derivatives

    def follow(self, expressions: Iterable[int], character: int) -> frozenset[int]:
        """The expressions for what may follow after any of some and the character; none if it cannot be."""
        found = set[int]()
        todo = list(expressions)
        seen = set(todo)  # alternatives and chains share their ends, which are looked at once

        def also(others: Iterable[int]) -> None:
            new = [other for other in others if other not in seen]
            todo.extend(new)
            seen.update(new)

        steps = 0
        while todo:
            if (steps := steps + 1) % _BETWEEN == 0:
                check()
            expression = todo.pop()
            match self.nodes[expression]:
                case ("set", tuple(ranges)):
                    if any(low <= character <= high for low, high in ranges):
                        found.add(self.empty())
                case ("then", int(first), int(rest)):
                    found.update(self.then(follower, rest) for follower in self._after(first, character))
                    if self.nullable[first]:
                        also((rest,))
                case ("any", frozenset(parts)):
                    also(parts)
                case ("star", int(inner)):
                    found.update(
                        self.then(follower, expression) for follower in self._after(inner, character)
                    )
                case ("plus", int(inner)):
                    if followers := self._after(inner, character):
                        star = self.star(inner)
                        found.update(self.then(follower, star) for follower in followers)
                case ("all", frozenset(parts)):
                    all_followers = [self._after(part, character) for part in parts]
                    if all(all_followers):
                        found.add(self.all(map(self.any, all_followers)))
                case ("not", int(inner)):
                    found.add(self.without(self.any(self._after(inner, character))))
                case ("number", int(low), int(high), int(digits), int(value), int(read)):
                    value = value * 10 + character - ord("0")
                    digit = ord("0") <= character <= ord("9")
                    if digit and value <= high and not (digits and read == digits):
                        # Without a fixed width leading zeros are free, so only that there was a digit counts.
                        found.add(self.number(low, high, digits, value, read + 1 if digits else 1))
        return frozenset(found)

    def _after(self, expression: int, character: int) -> frozenset[int]:
        """What follows after one expression, remembered."""
        key = (expression, character)
        found = self._memory.get(key)
        if found is None:
            found = self._memory[key] = self.follow((expression,), character)
            self._followers += len(found)
        return found


_BETWEEN: Final = 1_000
"""After so many steps it is looked at whether there is still time."""


# -- the syntax ------------------------------------------------------------------------------------

_CLASSES: Final[dict[str, Ranges]] = {
    "d": ((48, 57),),
    "s": ((9, 10), (13, 13), (32, 32)),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
}
_LETTER = re.compile("[A-Za-z]")
_INTERVAL = re.compile(r"(\d+)-(\d+)>", re.ASCII)
_START = re.compile(r"[a-z0-9]+(?![?*+{])").match
_COUNT = re.compile(r"(\d+)(,?)(\d*)\}", re.ASCII)


def _error(position: int, expected: str) -> InvalidQuery:
    return InvalidQuery(
        f"{InvalidQuery.default_message} In the regular expression, at position {position}: "
        f"expected {expected}.",
        details={"position": position, "expected": expected},
    )


def _too_large() -> InvalidQuery:
    return _error(0, f"a smaller expression: at most {MAX_NODES:,} parts, repetitions written out")


def _complement(ranges: Ranges) -> Ranges:
    gaps, start = [], 0
    for low, high in sorted(ranges):
        if start < low:
            gaps.append((start, low - 1))
        start = max(start, high + 1)
    return (*gaps, (start, _LAST)) if start <= _LAST else tuple(gaps)


class _Reader:
    """Reads one pattern, from the loosest operator to the tightest."""

    __slots__ = ("_lower", "_nesting", "_nodes", "_position", "_text")

    def __init__(self, text: str, lower: bool, nodes: Nodes) -> None:
        self._text = text
        self._lower = lower
        self._nodes = nodes
        self._position = 0
        self._nesting = 0

    def expression(self) -> int:
        if not self._text:
            return self._nodes.empty()
        found = self._union()
        if self._position < len(self._text):
            raise _error(self._position, "the end of the expression")
        return self._checked(found)

    def _checked(self, expression: int) -> int:
        """The expression, unless it is too large."""
        if self._nodes.sizes[expression] > MAX_NODES or len(self._nodes.nodes) > 2 * MAX_NODES:
            raise _too_large()
        return expression

    def _take(self, sign: str) -> bool:
        if self._text.startswith(sign, self._position):
            self._position += len(sign)
            return True
        return False

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _union(self) -> int:
        parts = [self._intersection()]
        while self._take("|"):
            parts.append(self._intersection())
        return self._checked(self._nodes.any(parts))

    def _intersection(self) -> int:
        parts = [self._sequence()]
        while self._take("&"):
            parts.append(self._sequence())
        return self._checked(self._nodes.all(parts))

    def _sequence(self) -> int:
        parts = [self._repeated()]
        while self._peek() and self._peek() not in ")|&":
            parts.append(self._repeated())
        found = parts.pop()
        for part in reversed(parts):
            found = self._checked(self._nodes.then(part, found))
        return found

    def _repeated(self) -> int:
        found = self._complemented()
        while True:
            if self._take("?"):
                found = self._nodes.optional(found)
            elif self._take("*"):
                found = self._nodes.star(found)
            elif self._take("+"):
                found = self._nodes.plus(found)
            elif self._take("{"):
                found = self._counted(found)
            else:
                return found
            self._checked(found)

    def _counted(self, inner: int) -> int:
        match = _COUNT.match(self._text, self._position)
        if match is None:
            raise _error(self._position, "a number of repetitions, as in {2}, {2,} or {2,5}")
        least, comma, most = match.groups()
        if max(len(least), len(most)) > 6 or (most and int(least) > int(most)):
            raise _error(self._position, "two small numbers in ascending order")
        self._position = match.end()
        limit = int(least) if not comma else int(most) if most else None
        return self._nodes.repeat(inner, int(least), limit)

    def _complemented(self) -> int:
        negations = 0
        while self._take("~"):
            negations += 1
        found = self._atom()
        return self._nodes.without(found) if negations % 2 else found

    def _atom(self) -> int:
        start, nodes = self._position, self._nodes
        if self._take("["):
            return nodes.set(self._class())
        if self._take("."):
            return nodes.set(_EVERY)
        if self._take("#"):
            return nodes.any(())
        if self._take("@"):
            return nodes.star(nodes.set(_EVERY))
        if self._take('"'):
            end = self._text.find('"', self._position)
            if end < 0:
                raise _error(start, 'a closing "')
            text = self._text[self._position : end]
            self._position = end + 1
            return self._literal(text)
        if self._take("("):
            return nodes.empty() if self._take(")") else self._group(start)
        if self._take("<"):
            return self._interval()
        return nodes.set(self._predefined() or self._character())

    def _group(self, start: int) -> int:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise _error(start, f"at most {MAX_NESTING} levels of parentheses")
        found = self._union()
        if not self._take(")"):
            raise _error(self._position, ")")
        self._nesting -= 1
        return found

    def _literal(self, text: str) -> int:
        found = self._nodes.empty()
        for character in reversed(text):
            point = self._cased(character)
            found = self._nodes.then(self._nodes.set(((point, point),)), found)
        return found

    def _interval(self) -> int:
        match = _INTERVAL.match(self._text, self._position)
        if match is None or max(len(match[1]), len(match[2])) > 10:
            raise _error(self._position, "two small numbers, as in <1-50>")
        self._position = match.end()
        low, high = sorted((int(match[1]), int(match[2])))
        return self._nodes.number(low, high, len(match[1]) if len(match[1]) == len(match[2]) else 0)

    def _class(self) -> Ranges:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while True:
            ranges += self._predefined() or self._class_range()
            if self._take("]"):
                break
        return _complement(tuple(ranges)) if negated else tuple(ranges)

    def _class_range(self) -> Ranges:
        start = self._position
        ((low, _),) = self._character()
        if not self._take("-"):
            return ((low, low),)
        ((high, _),) = self._character()
        if high < low:
            raise _error(start, "a range in ascending order")
        return ((low, high),)

    def _predefined(self) -> Ranges | None:
        r"""`\d` and its kin; None where something else stands."""
        if self._peek() != "\\":
            return None
        sign = self._text[self._position + 1 : self._position + 2]
        ranges = _CLASSES.get(sign.lower())
        if ranges is None:
            if _LETTER.match(sign):
                raise _error(self._position, r"\d, \s, \w or one of these in upper case")
            return None
        self._position += 2
        return _complement(ranges) if sign.isupper() else ranges

    def _character(self) -> Ranges:
        self._take("\\")
        if self._position >= len(self._text):
            raise _error(self._position, "a character")
        point = self._cased(self._text[self._position])
        self._position += 1
        return ((point, point),)

    def _cased(self, character: str) -> int:
        return ord(lowered(character) if self._lower else character)
