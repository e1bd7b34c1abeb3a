"""Does a tree match an entry? The meaning of every node, and so the oracle of every index.

A tree is compiled to closures once, then called for each entry. What the nodes mean:

Fields
    A leaf without a field looks at all of the value, never at `@path`. On a missing field nothing matches.
    Fields under `@path` have whole values: every node compares them as they are, case-sensitively.
Term, Phrase
    Both are analysed. A term matches a string if any of its tokens is among the string's; a phrase if its
    tokens stand together in one element of an array (see `phrases`). On numbers and booleans both match
    by their JSON: `36`, `36.0` and `"36"` match 36, `true` matches true. What analysis leaves nothing of
    (`...`) is dropped from its Boolean, as Lucene does, and matches nothing alone.
Verbatim
    The whole string, exactly; or the number or boolean with this JSON.
Wildcard, Regexp, Fuzzy
    Lower-cased, against single tokens of strings. They do not see numbers.
Range
    If every bound given is a number (and not in quotes), it matches numbers, and nothing else does; if both
    are booleans, it matches booleans: `[true TO true]`. Otherwise it matches strings: as instants if every
    bound and the string are ISO 8601 dates, else by code point, the whole string, case-sensitively. A date
    without a time is a whole day: `[* TO 2014-12-31]` includes that day's evening, `{2014-01-01 TO *]`
    excludes all of that day. Without any bound it is Exists. On a field with a cast (see `casts`) what values
    and bounds stand for is compared.
Exists
    A value that is not null, in the field or below it.
Near, Box
    A point in the field is within, edges included.
Boolean
    All MUST, no MUST_NOT, and without MUST at least one SHOULD. Only MUST_NOT matches nothing, also inside
    of others. Boosts change the order of results, not the results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice
from typing import Any, Final

from .analysis import analyze, normalize
from .casts import DAY, Cast, cast_of, date, is_day
from .effort import check
from .entries import KIND, Entry, Leaf, field_name
from .exact import booleans, is_boolean
from .geometry import UNITS, distance_from
from .literals import equality, number
from .patterns import MOST_REMEMBERED, Remembered, TokenTest, fuzzy, wildcard
from .phrases import phrase
from .regexp import regexp
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
    leaves,
)

Matcher = Callable[[Entry], bool]
LeafTest = Callable[[Leaf], bool]


def compile_query(tree: Node) -> Matcher:
    """The function that says whether an entry matches. Raises `InvalidQuery` for a malformed regexp."""
    tested = sum(isinstance(leaf, Regexp | Fuzzy) for leaf in leaves(tree))
    return _compile(tree, MOST_REMEMBERED // max(tested, 1)) or _nothing


def matches(tree: Node, entry: Entry) -> bool:
    """Whether one entry matches; for several, compile the tree once."""
    return compile_query(tree)(entry)


def mentions_kind(tree: Node) -> bool:
    """Whether the query says anything about `@path.kind`; where it does not, only items are searched."""
    return any(leaf.field == KIND for leaf in leaves(tree) if not isinstance(leaf, MatchAll))


def find_near(tree: Node, field: str | None = None) -> Near | None:
    """The first NEAR of a query (on a field, where one is given): the centre of its distances."""
    wanted = field_name(field)
    for leaf in leaves(tree):
        if isinstance(leaf, Near) and (field is None or field_name(leaf.field) == wanted):
            return leaf
    return None


def distance(tree: Node, entry: Entry) -> float | None:
    """How far the entry's nearest point is from the centre of the query's NEAR, in the unit of that NEAR.

    None where the query has no NEAR, or the entry no point in its field.
    """
    near = find_near(tree)
    if near is None:
        return None
    points = entry.points(field_name(near.field))
    metres = distance_from(near.latitude, near.longitude)
    return min(map(metres, points)) / UNITS[near.unit] if points else None


# -- nodes to closures -----------------------------------------------------------------------------


def _compile(node: Node, room: int) -> Matcher | None:
    """The matcher of a node; None if analysis leaves nothing of it. `room` is what each `Remembered` has."""
    match node:
        case Boolean():
            return _boolean(node, room)
        case Boost():
            return _compile(node.node, room)
        case Regexp():
            test = regexp(node.pattern, lower=not _is_path(node.field))
            return _tokens(node.field, Remembered(test, room).__getitem__)
        case Fuzzy():
            test = fuzzy(_cased(node.text, node.field), node.edits)
            return _tokens(node.field, Remembered(test, room).__getitem__)
        case _:
            return _COMPILERS[type(node)](node)


def _nothing(entry: Entry) -> bool:
    return False


def _everything(entry: Entry) -> bool:
    return True


def _term(node: Term) -> Matcher | None:
    if _is_path(node.field):
        return _verbatim(Verbatim(node.text, node.field))
    tokens = analyze(node.text)
    return _words(tokens, node.text, node.field) if tokens else None


def _words(tokens: list[str], text: str, field: str | None) -> Matcher:
    """Any of the tokens in a string of the field, or the number or boolean that the text is."""
    name, scalar = field_name(field), _scalar(text, field)
    if len(tokens) == 1:
        (token,) = tokens

        def single(entry: Entry) -> bool:
            return entry.has_word(name, token)

        return _either(single, scalar)
    wanted = frozenset(tokens)

    def several(entry: Entry) -> bool:
        return not wanted.isdisjoint(entry.words(name))

    return _either(several, scalar)


def _phrase(node: Phrase) -> Matcher | None:
    if _is_path(node.field):
        return _verbatim(Verbatim(node.text, node.field))
    tokens = analyze(node.text)
    if len(tokens) < 2:
        return _words(tokens, node.text, node.field) if tokens else None
    together = phrase(tokens, node.slop)
    wanted = frozenset(tokens)
    name = field_name(node.field)

    def match(entry: Entry) -> bool:
        if not wanted <= entry.words(name):
            return False
        names = entry.leaves if name is None else (name,)
        return any(together(tokens) for name_ in names for tokens in entry.tokens(name_))

    return _either(match, _scalar(node.text, node.field))


def _verbatim(node: Verbatim) -> Matcher:
    name, text = field_name(node.field), node.text
    if name is None:

        def anywhere(entry: Entry) -> bool:
            return any(text in leaves for leaves in entry.leaves.values())

        return _either(anywhere, _scalar(text, node.field))
    return _either(lambda entry: text in entry.values(name), _scalar(text, node.field))


def _wildcard(node: Wildcard) -> Matcher:
    return _tokens(node.field, wildcard(_cased(node.pattern, node.field)))


def _range(node: Range) -> Matcher:
    if (cast := cast_of(field_name(node.field))) is not None:
        return _cast_range(node, cast[0])
    bounds = [bound for bound in (node.lower, node.upper) if bound is not None]
    if not bounds:
        return _exists(Exists(node.field)) if node.field is not None else lambda entry: bool(entry.leaves)
    textual = _leaves(node.field, _text_range(node.lower, node.upper))
    if any(bound.quoted for bound in bounds):
        return textual
    if is_boolean(node) and not _is_path(node.field):
        found = booleans(node)
        return _leaves(node.field, lambda leaf: type(leaf) is bool and leaf in found)
    if all(number(bound.text) is not None for bound in bounds):
        numeric = _leaves(node.field, _number_range(node.lower, node.upper))
        # Metadata is either a number or text for every entry, so bounds have no say in it.
        return _either(numeric, textual) if _is_path(node.field) else numeric
    if not _is_path(node.field) and all(date(bound.text) is not None for bound in bounds):
        return _leaves(node.field, _date_range(node.lower, node.upper))
    return textual


def _exists(node: Exists) -> Matcher:
    name = field_name(node.field)
    assert name is not None
    return lambda entry: entry.exists(name)


def _near(node: Near) -> Matcher:
    name, radius = field_name(node.field), node.distance * UNITS[node.unit]
    metres = distance_from(node.latitude, node.longitude)
    return lambda entry: any(metres(point) <= radius for point in entry.points(name))


def _box(node: Box) -> Matcher:
    name = field_name(node.field)

    def within(point: tuple[float, float]) -> bool:
        latitude, longitude = point
        if not node.south <= latitude <= node.north:
            return False
        if node.west > node.east:  # across the date line
            return longitude >= node.west or longitude <= node.east
        return node.west <= longitude <= node.east

    return lambda entry: any(map(within, entry.points(name)))


def _boolean(node: Boolean, room: int) -> Matcher | None:
    if not node.clauses:
        return _nothing
    compiled = [(clause.occur, _compile(clause.node, room)) for clause in node.clauses]
    kept = [(occur, matcher) for occur, matcher in compiled if matcher is not None]
    if not kept:
        return None
    must = tuple(matcher for occur, matcher in kept if occur is Occur.MUST)
    should = tuple(matcher for occur, matcher in kept if occur is Occur.SHOULD)
    must_not = tuple(matcher for occur, matcher in kept if occur is Occur.MUST_NOT)
    if must:
        required = must[0] if len(must) == 1 else _all(must)
    elif should:
        required = should[0] if len(should) == 1 else _any(should)
    else:
        return _nothing
    if not must_not:
        return required
    excluded = _any(must_not)
    return lambda entry: required(entry) and not excluded(entry)


# -- pieces ----------------------------------------------------------------------------------------


def _is_path(field: str | None) -> bool:
    return field is not None and field.startswith("@path.")


def _cased(text: str, field: str | None) -> str:
    return text if _is_path(field) else normalize(text)


def _all(matchers: tuple[Matcher, ...]) -> Matcher:
    if len(matchers) > MANY:
        return _all(tuple(_checked(_all(matchers[i : i + MANY])) for i in range(0, len(matchers), MANY)))

    def match(entry: Entry) -> bool:
        for matcher in matchers:  # noqa: SIM110 (a generator costs more than most matchers)
            if not matcher(entry):
                return False
        return True

    return match


def _any(matchers: tuple[Matcher, ...]) -> Matcher:
    if len(matchers) > MANY:
        return _any(tuple(_checked(_any(matchers[i : i + MANY])) for i in range(0, len(matchers), MANY)))

    def match(entry: Entry) -> bool:
        for matcher in matchers:  # noqa: SIM110
            if matcher(entry):
                return True
        return False

    return match


def _checked(matcher: Matcher) -> Matcher:
    """Looks whether there is still time, then matches."""

    def match(entry: Entry) -> bool:
        check()
        return matcher(entry)

    return match


MANY: Final = 16
FEW_TOKENS: Final = 500
"""So many clauses and tokens are looked at between two looks at the clock."""


def _either(first: Matcher, second: Matcher | None) -> Matcher:
    return first if second is None else lambda entry: first(entry) or second(entry)


def _scalar(text: str, field: str | None) -> Matcher | None:
    """The number or boolean that the text is; None where it is neither, which is the usual case."""
    equal = equality(text)
    return None if equal is None else _leaves(field, equal)


def _leaves(field: str | None, test: LeafTest) -> Matcher:
    """Any leaf of the field passes."""
    name = field_name(field)
    if name is None:
        return lambda entry: any(test(leaf) for leaves in entry.leaves.values() for leaf in leaves)
    return lambda entry: any(map(test, entry.values(name)))


def _tokens(field: str | None, test: TokenTest) -> Matcher:
    """Any token of the field passes; of metadata, any whole string."""
    name = field_name(field)
    if name is not None and _is_path(name):
        return lambda entry: any(test(leaf) for leaf in entry.values(name) if type(leaf) is str)
    if name is None:
        return lambda entry: _passes(test, entry.words(None))

    def match(entry: Entry) -> bool:
        for tokens in entry.tokens(name):  # noqa: SIM110
            if _passes(test, tokens):
                return True
        return False

    return match


def _passes(test: TokenTest, tokens: Collection[str]) -> bool:
    """Any of the tokens passes."""
    if len(tokens) <= FEW_TOKENS:
        return any(map(test, tokens))
    left = iter(tokens)
    while some := list(islice(left, FEW_TOKENS)):
        check()
        if any(map(test, some)):
            return True
    return False


# -- ranges ----------------------------------------------------------------------------------------


def _number_range(lower: Bound | None, upper: Bound | None) -> LeafTest:
    low, high = lower and number(lower.text), upper and number(upper.text)
    integers = _interval(low and low.exact, _closed(lower), high and high.exact, _closed(upper))
    floats = _interval(low and low.nearest, _closed(lower), high and high.nearest, _closed(upper))

    def test(leaf: Leaf) -> bool:
        kind = type(leaf)
        return integers(leaf) if kind is int else kind is float and floats(leaf)

    return test


def _text_range(lower: Bound | None, upper: Bound | None) -> LeafTest:
    between = _interval(lower and lower.text, _closed(lower), upper and upper.text, _closed(upper))
    return lambda leaf: type(leaf) is str and between(leaf)


def _date_range(lower: Bound | None, upper: Bound | None) -> LeafTest:
    """Instants where the leaf is a date; another string is compared as text."""
    low = high = None
    low_closed, high_closed = _closed(lower), _closed(upper)
    if lower is not None and (low := date(lower.text)) is not None and is_day(lower.text):
        low, low_closed = (low, True) if low_closed else (low + DAY, True)
    if upper is not None and (high := date(upper.text)) is not None and is_day(upper.text):
        high, high_closed = (high + DAY, False) if high_closed else (high, False)
    between = _interval(low, low_closed, high, high_closed)
    as_text = _text_range(lower, upper)

    def test(leaf: Leaf) -> bool:
        if type(leaf) is not str:
            return False
        instant = date(leaf)
        return as_text(leaf) if instant is None else between(instant)

    return test


def _cast_range(node: Range, cast: Cast) -> Matcher:
    """What a value stands for is between what the bounds stand for; nothing, where one of these does not."""
    low, high = (None if bound is None else cast.read(bound.text) for bound in (node.lower, node.upper))
    if (low is None and node.lower is not None) or (high is None and node.upper is not None):
        return _nothing
    return _leaves(node.field, _interval(low, _closed(node.lower), high, _closed(node.upper)))


def _closed(bound: Bound | None) -> bool:
    return bound is not None and bound.inclusive


def _interval(low: Any, low_closed: bool, high: Any, high_closed: bool) -> Callable[[Any], bool]:
    """Whether a value is between two others of its kind; None is an open end."""

    def within(value: Any) -> bool:
        if low is not None and not (low < value or (low_closed and low == value)):
            return False
        return high is None or value < high or (high_closed and value == high)

    return within


# Of the nodes that neither contain others nor remember anything.
_COMPILERS: dict[type[Node], Callable[[Any], Matcher | None]] = {
    Term: _term,
    Verbatim: _verbatim,
    Phrase: _phrase,
    Wildcard: _wildcard,
    Range: _range,
    Exists: _exists,
    MatchAll: lambda node: _everything,
    Near: _near,
    Box: _box,
}
