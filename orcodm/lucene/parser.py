"""Query text to tree: the grammar of Lucene's classic query parser, and the API's extensions.

Hand-written, by recursive descent over one master expression for words. The rules are those of Lucene 9
(QueryParser.jj, QueryParserBase.addClause) with OR as the default operator and leading wildcards allowed:

- `AND` makes both of its neighbours required, `OR` changes nothing, so `a OR b AND c` is `a +b +c`;
  `&&`, `||` are the same, `NOT`, `!` and `-` exclude, `+` requires. A sign before white space is a word.
- A clause without words (`...`) is dropped by Lucene before `AND` looks for its left neighbour; so does this.
- A query in parentheses with one clause and no sign is that clause.
- What stands behind `~` and is no number is passed over, so `foo~bar` is `foo~2`.
- `*:*` is everything; before anything else `*` is the name of a field, which mostly is not there.

Extensions, all of them errors in Lucene or words that nobody writes: verbatim terms in backticks; `*` alone
for everything; `_exists_:field`; `>=`, `>`, `<=`, `<` after a field's colon; negative numbers there
(`age:-5`); `field:NEAR:{...}` and `field:IN:{...}`. One escape differs: `\\u0041` in a wildcard is the
letter, and not a u.

Errors are `InvalidQuery` with `position` and `expected`.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import Final

from ..errors import InvalidQuery
from .analysis import analyze
from .geometry import UNITS as UNITS
from .regexp import MAX_NODES, size
from .tree import (
    Boolean,
    Boost,
    Bound,
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

MAX_LENGTH: Final = 100_000
"""How many characters a query may have."""

MAX_CLAUSES: Final = 1024
"""How many leaves a query may have, as in Lucene."""

MAX_PATTERN: Final = 1024
"""How many characters a wildcard may have; no token is longer than 255."""

MAX_NESTING: Final = 100
"""How deep parentheses may nest."""


def parse(text: str, default_field: str | None = None) -> Node:
    """The tree of a query. Leaves without a field get `default_field`; None stands for all fields.

    Raises `InvalidQuery` for any text that is no query or exceeds a limit, and nothing else.
    """
    return _remembered(text, default_field) if len(text) <= _SHORT else _parse(text, default_field)


def _parse(text: str, default_field: str | None) -> Node:
    if (value := _ONE_VALUE(text)) is not None and len(text) <= MAX_LENGTH:
        return Verbatim(value[2], value[1])
    return _Parser(text, default_field).tree()


# Whoever makes a query looks at its tree, and so does the engine that is given its text.
_remembered: Final = lru_cache(maxsize=500)(_parse)
_SHORT: Final = 1_000


# A field and a value in backticks, nothing escaped, is what most programs ask for most of the time.
_ONE_VALUE: Final = re.compile(r"((?:value|@path)\.[A-Za-z_][\w.]*+):`([^`\\]*+)`", re.ASCII).fullmatch


# -- words -----------------------------------------------------------------------------------------

_SPACE = " \t\n\r\u3000"
_SPECIAL = rf"{_SPACE}!():^\[\]\"{{}}~*?\\/"

_PRIMARY = re.compile(
    rf"""[{_SPACE}]*+(?:
      (?P<word>(?:[^+\-`{_SPECIAL}]|\\.|[*?])(?:[^{_SPECIAL}]++|\\.|[*?])*+)(?P<colon>[{_SPACE}]*+:[{_SPACE}]*+)?+
    | (?P<quoted>"(?:[^"\\]++|\\.)*+")
    | (?P<open>\()
    | (?P<close>\))
    | (?P<dash>[+\-!][{_SPACE}])
    | (?P<sign>[+\-!])
    | (?P<range>[\[{{])
    | (?P<verbatim>`(?:[^`\\]++|\\.)*+`)
    | (?P<regexp>/(?:[^/\\]++|\\.)*+/)
    | (?P<end>\Z)
    )""",
    # Only the white space inside of classes is meant, which VERBOSE leaves alone.
    re.VERBOSE | re.DOTALL,
)
_SUFFIX = re.compile(rf"[{_SPACE}]*+(?=[~^])")
_FUZZY = re.compile(rf"~((?:[^{_SPECIAL}]|\\.)*+)", re.DOTALL)
# What Java reads as a float, after the white space it takes away.
_FLOAT = re.compile(
    r"[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?"
    r"|0[xX](?:[0-9a-fA-F]+\.?|[0-9a-fA-F]*\.[0-9a-fA-F]+)[pP][+-]?\d+[fFdD]?)",
    re.ASCII,
)
_BOOST = re.compile(r"\^(\d++(?:\.\d++)?+)")
_COMPARISON = re.compile(
    rf"""([<>]=?)[{_SPACE}]*+(?:
      "((?:[^"\\]++|\\.)*+)"
    | `((?:[^`\\]++|\\.)*+)`
    | ((?!\*+(?:[{_SPACE})^]|\Z))(?:[^{_SPACE}()"`^~\[\]{{}}<>\\]|\\.)(?:[^{_SPACE}()"`^~\[\]{{}}\\]|\\.)*+)
    )?+""",
    re.VERBOSE | re.DOTALL,
)
_NEGATIVE = re.compile(rf"-\d(?:[^{_SPECIAL}]|\\.)*+", re.DOTALL)
_BOUND = re.compile(
    rf"""[{_SPACE}]*+(?:
      "((?:[^"\\]++|\\.)*+)"(?=[{_SPACE}\]}}])
    | `((?:[^`\\]++|\\.)*+)`(?=[{_SPACE}\]}}])
    | ((?:[^{_SPACE}"`\]}}\\]|\\.)(?:[^{_SPACE}\]}}\\]|\\.)*+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_TO = re.compile(rf"[{_SPACE}]++TO(?=[{_SPACE}]|\Z)")
_RANGE_END = re.compile(rf"[{_SPACE}]*+([\]}}])")
_PLACE = re.compile(rf"(NEAR|IN)[{_SPACE}]*+:[{_SPACE}]*+\{{")
_PLACE_END = re.compile(rf"[{_SPACE},]*+\}}")
_PLACE_PART = re.compile(
    rf"[{_SPACE},]*+([A-Za-z]++)[{_SPACE}]*+:[{_SPACE}]*+([+-]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+)([A-Za-z]*+)"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)

_AND, _OR, _NOT = frozenset({"AND", "&&"}), frozenset({"OR", "||"}), frozenset({"NOT", "!"})
_OPERATORS = _AND | _OR | _NOT

_PLACES = ("NEAR", "IN")
_CLOSING = frozenset({"close", "end"})

_CLAUSE = "a term, a phrase, a range or a group"


class _Parser:
    """One run over one text; `position` is where reading goes on."""

    __slots__ = ("clauses", "default", "effort", "nesting", "position", "text")

    def __init__(self, text: str, default: str | None) -> None:
        self.text = text
        self.default = default
        self.position = 0
        self.clauses = 0
        self.effort = 0  # of regular expressions
        self.nesting = 0

    def tree(self) -> Node:
        if len(self.text) > MAX_LENGTH:
            raise self.error(f"at most {MAX_LENGTH:,} characters", MAX_LENGTH)
        if not self.text.isascii():
            try:
                self.text.encode()
            except UnicodeEncodeError as error:
                raise self.error("Unicode text without lone surrogates", error.start) from None
        node = self.query(None, False)
        if self.position < len(self.text):
            raise self.error("the end of the query (no parenthesis is open)", self.position)
        return node

    def query(self, field: str | None, given: bool) -> Node:
        """Clauses up to a closing parenthesis or the end, neither of which is read."""
        clauses: list[Clause] = []
        token = self.peek()
        while token.lastgroup not in _CLOSING or not clauses:
            conjunct = False
            if clauses and token.lastgroup == "word" and (token["word"] in _AND or token["word"] in _OR):
                if conjunct := token["word"] in _AND:
                    _require_last(clauses)
                token = self.peek(token.end())
            occur = Occur.MUST if conjunct else Occur.SHOULD
            if token.lastgroup == "sign" or (token.lastgroup == "word" and token["word"] == "NOT"):
                occur = Occur.MUST if token["sign"] == "+" else Occur.MUST_NOT
                token = self.peek(token.end())
            clauses.append(Clause(occur, self.clause(token, field, given)))
            token = self.peek()
        self.position = token.start(token.lastgroup or "")
        # With a sign the first clause counts as such even when it is alone.
        if len(clauses) == 1 and clauses[0].occur is Occur.SHOULD:
            return clauses[0].node
        return Boolean(tuple(clauses))

    def clause(self, token: re.Match[str], field: str | None, given: bool) -> Node:
        """One clause with its field and its boost."""
        kind = token.lastgroup or ""
        if given and (token["word"] or "").startswith(("<", ">")):
            return self.comparison(token.start("word"), field)
        if kind == "colon":
            name, start = token["word"], token.start("word")
            if name in _PLACES and _PLACE.match(self.text, start) and not self.is_range(token.end()):
                return self.boosted(self.place(start, field if given else self.default))
            return self.fielded(name, start, token.end())
        if kind == "open":
            return self.group(token, field, given)
        return self.leaf(token, field, given)

    def fielded(self, name: str, start: int, position: int) -> Node:
        """What follows `name:`, which has been seen at `start`; `position` is behind the colon."""
        if name in _OPERATORS:
            raise self.error(_CLAUSE, start)
        self.position = position
        if name == "_exists_":
            return self.boosted(self.existing())
        field = self.unescape(name, start)
        if name != "*" and _is_wild(name):
            raise self.error("the name of one field before the colon, without wildcards", start)
        if self.text.startswith(_PLACES, position) and _PLACE.match(self.text, position):
            return self.boosted(self.place(position, field))
        if self.text.startswith("-", position) and (match := _NEGATIVE.match(self.text, position)):
            self.position = match.end()
            return self.suffixed(match[0], position, field, True)
        if self.text.startswith(("<", ">"), position):
            return self.comparison(position, field)
        token = self.peek()
        if token.lastgroup == "open":
            return self.group(token, field, True)
        if token.lastgroup == "colon":
            raise self.error("one colon only (another is written \\:)", token.start("colon"))
        return self.leaf(token, field, True)

    def group(self, token: re.Match[str], field: str | None, given: bool) -> Node:
        start = token.start("open")
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error(f"at most {MAX_NESTING} levels of parentheses", start)
        self.position = token.end()
        node = self.query(field, given)
        if not self.text.startswith(")", self.position):
            raise self.error(f"a closing parenthesis (one was opened at {start})", self.position)
        self.position += 1
        self.nesting -= 1
        return self.boosted(node)

    def leaf(self, token: re.Match[str], field: str | None, given: bool) -> Node:
        """A clause that is neither a field nor a group."""
        kind = token.lastgroup or ""
        if kind == "word":
            word, start = token["word"], token.start("word")
            if word in _OPERATORS:
                raise self.error(_CLAUSE, start)
            self.position = token.end()
            return self.suffixed(word, start, field, given)
        if kind == "dash":
            self.position = token.start("dash") + 1  # the white space is not part of the word
            return self.suffixed(token["dash"][0], token.start("dash"), field, given)
        self.count(token.start(kind))
        name = field if given else self.default
        if kind == "quoted":
            self.position = token.end()
            text = self.unescape(token["quoted"][1:-1], token.start("quoted") + 1)
            return self.phrase(text, name)
        if kind == "range":
            return self.boosted(self.range(token, name))
        if kind == "verbatim":
            self.position = token.end()
            return self.boosted(Verbatim(_unquote(token["verbatim"][1:-1]), name))
        if kind == "regexp":
            return self.regexp(token, name)
        raise self.error(_CLAUSE, token.start(kind))

    def suffixed(self, word: str, start: int, field: str | None, given: bool) -> Node:
        """A word with what may stand behind it: `~` and `^`, in any order, each once."""
        self.count(start)
        name = field if given else self.default
        fuzzy, boost = self.suffixes()
        node: Node
        if ("*" in word or "?" in word) and _is_wild(word):
            # Lucene passes over `~` behind a pattern; it has no meaning there.
            pattern = self.unescape(word, start, keep="*?\\")
            if len(pattern) > MAX_PATTERN:
                raise self.error(f"a pattern of at most {MAX_PATTERN:,} characters", start)
            if pattern != "*":
                node = Wildcard(pattern, name)
            else:
                # `*:*` is everything; a field of the name * is as unlikely as any.
                node = Exists(field) if given and field not in (None, "*") else MatchAll()
        elif fuzzy is None:
            node = Term(self.unescape(word, start), name)
        else:
            text = self.unescape(word, start)
            node = Fuzzy(text, name, self.edits(fuzzy, text))
        return node if boost is None else Boost(node, boost)

    def suffixes(self) -> tuple[re.Match[str] | None, float | None]:
        fuzzy = boost = None
        while match := _SUFFIX.match(self.text, self.position):
            position = match.end()
            if self.text[position] == "~":
                if fuzzy is not None:
                    raise self.error("no second ~", position)
                fuzzy = _FUZZY.match(self.text, position)
                assert fuzzy is not None
                self.position = fuzzy.end()
            elif boost is not None:
                raise self.error("no second ^", position)
            else:
                boost = self.factor(position)
        return fuzzy, boost

    def boosted(self, node: Node) -> Node:
        """The node with the boost that may follow."""
        if match := _SUFFIX.match(self.text, self.position):
            if self.text[match.end()] == "~":
                raise self.error("no ~ here: it belongs behind words and phrases", match.end())
            node = Boost(node, self.factor(match.end()))
            if again := _SUFFIX.match(self.text, self.position):
                raise self.error("no second ^", again.end())
        return node

    def factor(self, position: int) -> float:
        match = _BOOST.match(self.text, position)
        factor = float(match[1]) if match else float("inf")
        if match is None or factor == float("inf"):
            raise self.error("a number after ^", position + 1)
        self.position = match.end()
        return factor

    def edits(self, fuzzy: re.Match[str], text: str) -> int:
        """Edits of a fuzzy term; what is below 1 is the old similarity, converted as Lucene does."""
        number = _java_float(fuzzy[1])
        if number is None:
            return 2
        if number < 0 or (number >= 1 and not number.is_integer()):
            raise self.error("a whole number of edits, or a similarity below 1", fuzzy.start(1))
        if number >= 1:
            return min(int(number), 2)
        if number == 0 or number != number:
            return 0
        return min(int((1 - number) * len(text)), 2)

    def phrase(self, text: str, field: str | None) -> Node:
        fuzzy, boost = self.suffixes()
        number = _java_float(fuzzy[1]) if fuzzy else None
        slop = 0 if number is None or number != number else int(max(min(number, 2**31 - 1), -1))
        if fuzzy and slop < 0:
            raise self.error("a number of moves from 0", fuzzy.start(1))
        node = Phrase(text, field, slop)
        return node if boost is None else Boost(node, boost)

    def regexp(self, token: re.Match[str], field: str | None) -> Node:
        self.position = token.end()
        _, boost = self.suffixes()
        node = Regexp(token["regexp"][1:-1], field)
        try:
            self.effort += size(node.pattern)
        except InvalidQuery as error:
            # Approximate where slashes are escaped, which the pattern no longer shows.
            position = token.start("regexp") + 1 + (error.position or 0)
            raise self.error(error.expected or "a regular expression", position) from None
        if self.effort > MAX_NODES:
            raise self.error(
                f"smaller regular expressions: at most {MAX_NODES:,} parts", token.start("regexp")
            )
        return node if boost is None else Boost(node, boost)

    def existing(self) -> Node:
        """The field of `_exists_:field`."""
        token = self.peek()
        start = token.start(token.lastgroup or "")
        self.count(start)
        self.position = token.end()
        if token.lastgroup == "quoted" and token["quoted"] != '""':
            return Exists(self.unescape(token["quoted"][1:-1], start))
        if token.lastgroup != "word" or _is_wild(token["word"]) or token["word"] in _OPERATORS:
            raise self.error("the name of a field", start)
        return Exists(self.unescape(token["word"], start))

    # -- ranges

    def range(self, token: re.Match[str], field: str | None) -> Node:
        lower_inclusive = token["range"] == "["
        self.position = token.end()
        lower = self.bound(lower_inclusive, "the lower bound")
        match = _TO.match(self.text, self.position)
        if match is None:
            raise self.error("TO between the bounds", self.skipped())
        self.position = match.end()
        upper = self.bound(True, "the upper bound")
        end = _RANGE_END.match(self.text, self.position)
        if end is None:
            raise self.error("] or } after the upper bound", self.skipped())
        self.position = end.end()
        if end[1] == "}" and upper is not None:
            upper = Bound(upper.text, False, upper.quoted)
        return Range(lower, upper, field)

    def is_range(self, position: int) -> bool:
        """Whether a range stands there: `NEAR:{a TO b}` is one of a field called NEAR."""
        bound = _BOUND.match(self.text, position + 1)
        return bound is not None and _TO.match(self.text, bound.end()) is not None

    def bound(self, inclusive: bool, expected: str) -> Bound | None:
        match = _BOUND.match(self.text, self.position)
        if match is None:
            raise self.error(expected, self.skipped())
        self.position = match.end()
        return self.bound_of(match, 1, inclusive)

    def bound_of(self, match: re.Match[str], group: int, inclusive: bool) -> Bound | None:
        """The bound in three groups: in quotes, in backticks, plain."""
        if (quoted := match[group]) is not None:
            return Bound(self.unescape(quoted, match.start(group)), inclusive, True)
        if (verbatim := match[group + 1]) is not None:
            return Bound(_unquote(verbatim), inclusive, True)
        plain = match[group + 2]
        return None if plain == "*" else Bound(self.unescape(plain, match.start(group + 2)), inclusive)

    def comparison(self, start: int, field: str | None) -> Node:
        """A range with one bound: `>=30`."""
        self.count(start)
        match = _COMPARISON.match(self.text, start)
        assert match is not None
        sign = match[1]
        self.position = match.end()
        if match.lastindex == 1:
            raise self.error("a value after the comparison", self.position)
        bound = self.bound_of(match, 2, sign.endswith("="))
        return self.boosted(Range(bound, None, field) if sign[0] == ">" else Range(None, bound, field))

    # -- places

    def place(self, start: int, field: str | None) -> Node:
        """`NEAR:{...}` or `IN:{...}` at `start`."""
        self.count(start)
        match = _PLACE.match(self.text, start)
        assert match is not None
        self.position = match.end()
        if match[1] == "IN":
            edges = self.parts(_EDGES, ("north", "east", "south", "west"))
            north, east, south, west = (edges[name][0] for name in _EDGES)
            if north < south:
                raise self.error("a north that is not below south", match.end())
            return Box(north, east, south, west, field)
        parts = self.parts(_CENTRE, ("latitude", "longitude", "distance"))
        distance, unit = parts["distance"]
        return Near(parts["latitude"][0], parts["longitude"][0], distance, unit, field)

    def parts(self, names: dict[str, str], needed: tuple[str, ...]) -> dict[str, tuple[float, str]]:
        """The numbers and units between braces, under their full names."""
        found: dict[str, tuple[float, str]] = {}
        while not (end := _PLACE_END.match(self.text, self.position)):
            part = _PLACE_PART.match(self.text, self.position)
            name = names.get(part[1].lower()) if part else None
            if part is None or name is None or name in found:
                missing = ", ".join(name for name in needed if name not in found)
                raise self.error(f"name:number for {missing}" if missing else "}", self.skipped(","))
            number = float(part[2])
            limit = _LIMITS[name]
            if not limit[0] <= number <= limit[1]:
                raise self.error(f"a {name} from {limit[0]:g} to {limit[1]:g}", part.start(2))
            if name == "distance" and part[3] not in UNITS:
                raise self.error(f"a unit behind the distance: {', '.join(UNITS)}", part.start(3))
            if name != "distance" and part[3]:
                raise self.error(f"a {name} without a unit", part.start(3))
            found[name] = (number, part[3])
            self.position = part.end()
        if missing := ", ".join(name for name in needed if name not in found):
            raise self.error(f"name:number for {missing}", self.skipped(","))
        self.position = end.end()
        return found

    # -- reading

    def peek(self, position: int | None = None) -> re.Match[str]:
        """The next token here, or there, which stays unread. What is no token at all is an error."""
        if position is not None:
            self.position = position
        match = _PRIMARY.match(self.text, self.position)
        if match is None:
            position = self.skipped()
            raise self.error(_REMEDIES.get(self.text[position], _CLAUSE), position)
        return match

    def skipped(self, also: str = "") -> int:
        """The position behind the white space here."""
        position = self.position
        while position < len(self.text) and self.text[position] in _SPACE + also:
            position += 1
        return position

    def count(self, position: int) -> None:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise self.error(f"at most {MAX_CLAUSES:,} clauses", position)

    def unescape(self, raw: str, start: int, keep: str = "") -> str:
        r"""The text without its backslashes; those before characters in `keep` stay."""
        if "\\" not in raw:
            return raw

        def character(match: re.Match[str]) -> str:
            if match[2] == "u":
                raise self.error("four hexadecimal digits after \\u", start + match.end())
            found = match[2] or chr(int(match[1], 16))
            return f"\\{found}" if found in keep else found

        text = _ESCAPE.sub(character, raw)
        if not text.isascii():
            try:
                # An astral character may be written as a pair: \ud83d\ude00.
                text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                raise self.error("no half of a surrogate pair", start) from None
        return text

    def error(self, expected: str, position: int) -> InvalidQuery:
        text = self.text
        found = repr(text[position]) if position < len(text) else "the end"
        before, after = text[max(0, position - 40) : position], text[position : position + 40]
        return InvalidQuery(
            f"{InvalidQuery.default_message} At position {position}: expected {expected}, found {found}. "
            f"{before} >>> {after}",
            details={"query": text[:200], "position": position, "expected": expected},
        )


def _require_last(clauses: list[Clause]) -> None:
    """What AND does to its left: the last clause that has words becomes required, unless excluded.

    Those without words on the way there do as well, which means nothing, but reads as it was written.
    """
    for index in range(len(clauses) - 1, -1, -1):
        clause = clauses[index]
        if clause.occur is Occur.SHOULD:
            clauses[index] = Clause(Occur.MUST, clause.node)
        if not _is_empty(clause.node):
            return


def _is_empty(node: Node) -> bool:
    """Whether Lucene drops the clause since analysis leaves nothing of it."""
    if isinstance(node, Term | Phrase):
        if node.field is not None and node.field.startswith("@path."):
            return False
        return not analyze(node.text)
    if isinstance(node, Boost):
        return _is_empty(node.node)
    return isinstance(node, Boolean) and all(_is_empty(clause.node) for clause in node.clauses)


def _is_wild(raw: str) -> bool:
    return _UNESCAPED_WILD.search(raw) is not None


def _unquote(raw: str) -> str:
    """The text between backticks, where a backslash only escapes a backtick or itself."""
    return _IN_BACKTICKS.sub(r"\1", raw) if "\\" in raw else raw


def _java_float(text: str) -> float | None:
    """The 32-bit number that Java's `Float.parseFloat` makes of a text; None where it is none."""
    text = text.strip("".join(map(chr, range(0x21))))
    if not _FLOAT.fullmatch(text):
        return None
    digits = text.rstrip("fFdD")
    number = float.fromhex(digits) if "x" in digits.lower() else float(digits)
    try:
        (rounded,) = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        return float("-inf" if number < 0 else "inf")
    found: float = rounded
    return found


# Escapes are read in pairs, so that the second of two backslashes escapes nothing.
_UNESCAPED_WILD = re.compile(r"(?:^|[^\\])(?:\\\\)*[*?]")
_IN_BACKTICKS = re.compile(r"\\([`\\])")

_CENTRE = {
    **dict.fromkeys(("latitude", "lat"), "latitude"),
    **dict.fromkeys(("longitude", "lon", "long", "lng"), "longitude"),
    **dict.fromkeys(("distance", "dist", "dst", "radius", "rad"), "distance"),
}
_EDGES = {name: name for name in ("north", "east", "south", "west")}
_LIMITS = {
    **dict.fromkeys(("latitude", "north", "south"), (-90.0, 90.0)),
    **dict.fromkeys(("longitude", "east", "west"), (-180.0, 180.0)),
    "distance": (0.0, 1e308),
}
_REMEDIES = {
    '"': 'a closing " somewhere behind',
    "`": "a closing ` somewhere behind",
    "/": "a closing / somewhere behind (a plain slash is written \\/)",
    "\\": "a character after the backslash",
    ":": "the name of a field before the colon (a plain colon is written \\:)",
    "~": "a term before the ~ (a plain one is written \\~)",
    "^": "a term before the ^ (a plain one is written \\^)",
}
