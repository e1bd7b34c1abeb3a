"""A query tree to the query language of OpenSearch, node by node. Pure: the meaning is the evaluator's.

`query_string` would read a text its own way; here each node becomes what it means on the forms of a field
(`fields`). Whole values count 1, whatever their type; words have their BM25. A leaf without a field asks all
fields. Words have there the BM25 of the field where they count most, with the frequencies of all fields
taken together. For whole values and patterns each field that the index has of the type is named, so it is the
slow way to ask.

What stays inexact: points lie on a grid of about a centimetre, and edges are a grain too wide rather than
too narrow; a phrase has less slop than the gap between elements; of strings beyond 8,191 characters only
the beginning has an order; decimal numbers of more than 15 digits are compared by the nearest double.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from ...errors import InvalidQuery, Unsupported
from ...lucene.analysis import analyze, lower
from ...lucene.casts import DATE as DATE_CAST
from ...lucene.casts import DAY, Cast, cast_of, date, is_day
from ...lucene.casts import DECIMAL as DECIMAL_CAST
from ...lucene.entries import field_name
from ...lucene.exact import BOOLEANS, booleans, is_boolean, only_value
from ...lucene.geometry import RADIUS, UNITS
from ...lucene.literals import Number, number
from ...lucene.regexp import regexp
from ...lucene.tree import (
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
from .fields import (
    BOOLEAN,
    DECIMAL,
    EXACT,
    INSTANT,
    INTEGER,
    LONG,
    NUMBER,
    OTHER,
    POINT,
    STRING,
    WORDS,
    double,
    is_long,
    ordered,
    shortened,
)
from .mapping import GAP, MAX_REGEXP
from .names import RELATIONSHIP, path

Query: TypeAlias = dict[str, Any]
Known: TypeAlias = Callable[[str], list[str]]
"""The fields that the index has of a form: what a leaf without a field looks at."""

NOTHING: Final[Query] = {"match_none": {}}

PATHS: Final = {
    **{f"@path.{name}": name for name in ("kind", "collection", "key", "ref", "type", "relation")},
    "@path.source.collection": "collection",
    "@path.source.key": "key",
    "@path.destination.collection": "to_collection",
    "@path.destination.key": "to_key",
}
"""Metadata that is text, and what the index calls it."""
NUMBERS: Final = {f"@path.{name}": name for name in ("reftime", "timestamp", "ordinal")}
"""Metadata that is a number of 64 bits."""

_MOST_FIELDS: Final = 900
"""Lucene takes 1,024 clauses in one query."""

# Lucene's sphere is the mean one, the protocol's the equatorial.
SPHERE: Final = 6_371_008.7714 / RADIUS
_GRAIN: Final = 1e-7
"""Degrees: the grid that points lie on is a little finer."""
_STEP: Final = 0.02
"""Metres: the diagonal of a grain, rounded up."""

_LARGEST: Final = 1e30

_SYNTAX: Final = "COMPLEMENT|EMPTY|INTERSECTION|INTERVAL|ANYSTRING"
"""All that a regular expression may have. (What OpenSearch calls ALL is without the complement.)"""


def needs_fields(tree: Node) -> bool:
    """Whether a query has something in it for which all fields have to be known."""
    return any(
        leaf.field is None
        and (
            isinstance(leaf, Verbatim | Range | Near | Box | Wildcard | Regexp | Fuzzy)
            or (isinstance(leaf, Term | Phrase) and (leaf.text in BOOLEANS or number(leaf.text) is not None))
        )
        for leaf in leaves(tree)
        if not isinstance(leaf, MatchAll)
    )


def has_words(tree: Node) -> bool:
    """Whether there is something in a query that does not count the same wherever it is found."""
    return any(isinstance(leaf, Term | Phrase) and not _is_path(leaf.field) for leaf in leaves(tree))


def compile_tree(tree: Node, known: Known) -> Query:
    """The query of a tree. Raises `InvalidQuery` for a malformed regexp, or too many fields to ask."""
    return _Compiler(known).compile(tree, 1.0) or NOTHING


class _Compiler:
    def __init__(self, known: Known) -> None:
        self._known = known

    def compile(self, node: Node, boost: float) -> Query | None:
        """None if analysis leaves nothing of the node: its Boolean then does without it."""
        cast = cast_of(field_name(getattr(node, "field", None)))
        if cast is not None:
            return self._whole(_cast_query(node, *cast), boost)
        match node:
            case Term():
                return self._term(node, boost)
            case Verbatim():
                return self._whole(self._verbatim(node.text, node.field), boost)
            case Phrase():
                return self._phrase(node, boost)
            case Wildcard():
                return self._tokens(node.field, "wildcard", _cased(node.pattern, node.field), boost)
            case Regexp():
                return self._regexp(node, boost)
            case Fuzzy():
                return self._fuzzy(node, boost)
            case Range():
                return self._whole(self._range(node), boost)
            case Exists():
                return self._whole([_exists(node.field)], boost)
            case MatchAll():
                return {"match_all": {"boost": boost}}
            case Near():
                return self._whole(self._near(node), boost)
            case Box():
                return self._whole(self._box(node), boost)
            case Boost():
                return self.compile(node.node, min(boost * node.factor, _LARGEST))
            case Boolean():
                return self._boolean(node, boost)

    # -- words -------------------------------------------------------------------------------------

    def _term(self, node: Term, boost: float) -> Query | None:
        if _is_path(node.field):
            return self._whole(self._verbatim(node.text, node.field), boost)
        words = analyze(node.text)
        return self._words(words, node.text, node.field, boost) if words else None

    def _words(self, words: list[str], text: str, field: str | None, boost: float) -> Query:
        found = [self._word(word, field, boost) for word in dict.fromkeys(words)]
        return _either([*found, *self._scalar(text, field, boost)])

    def _word(self, word: str, field: str | None, boost: float) -> Query:
        if field is None:
            return self._anywhere({"query": word, "type": "cross_fields", "boost": boost})
        return {"term": {_words(field): {"value": word, "boost": boost}}}

    def _phrase(self, node: Phrase, boost: float) -> Query | None:
        if _is_path(node.field):
            return self._whole(self._verbatim(node.text, node.field), boost)
        words = analyze(node.text)
        if len(words) < 2:
            return self._words(words, node.text, node.field, boost) if words else None
        phrase = {"query": node.text, "slop": min(node.slop, GAP - 1), "boost": boost}
        if node.field is None:
            found = self._anywhere(phrase | {"type": "phrase"})
        else:
            found = {"match_phrase": {_words(node.field): phrase}}
        return _either([found, *self._scalar(node.text, node.field, boost)])

    def _anywhere(self, words: dict[str, Any]) -> Query:
        self._names(STRING)  # raises where they are too many
        return {"multi_match": words | {"fields": [f"{STRING}*{WORDS}"]}}

    def _scalar(self, text: str, field: str | None, boost: float) -> list[Query]:
        """The query for the number or boolean that a text is."""
        found = self._scalars(text, field)
        return [self._whole(found, boost)] if found else []

    def _tokens(self, field: str | None, kind: str, pattern: str, boost: float, **more: Any) -> Query:
        value = {"value": pattern, "boost": boost, **more}
        if field is None:
            return self._whole([{kind: {name + WORDS: value}} for name in self._names(STRING)], boost)
        if not _is_path(field):
            return {kind: {_words(field): value}}
        name = PATHS.get(field or "")
        return NOTHING if name is None else _of_kind(field, {kind: {name: value}})

    def _regexp(self, node: Regexp, boost: float) -> Query:
        regexp(node.pattern, lower=not _is_path(node.field))  # raises where it is none
        pattern = node.pattern if _is_path(node.field) else _lowered(node.pattern)
        if len(pattern) > MAX_REGEXP:
            raise InvalidQuery(
                f"The regular expression has {len(pattern)} characters; at most {MAX_REGEXP} are allowed."
            )
        return self._tokens(
            node.field, "regexp", pattern, boost, flags=_SYNTAX, max_determinized_states=1_000_000
        )

    def _fuzzy(self, node: Fuzzy, boost: float) -> Query:
        more = {"fuzziness": node.edits, "transpositions": True, "rewrite": "constant_score"}
        return self._tokens(node.field, "fuzzy", _cased(node.text, node.field), boost, **more)

    # -- whole values ------------------------------------------------------------------------------

    def _whole(self, queries: list[Query], boost: float) -> Query:
        if queries == [NOTHING] or not queries:
            return NOTHING
        return {"constant_score": {"filter": _either(queries), "boost": boost}}

    def _verbatim(self, text: str, field: str | None) -> list[Query]:
        if _is_path(field):
            return [*_paths(field, "term", text), *self._scalars(text, field)]
        return [*self._string(text, field), *self._scalars(text, field)]

    def _string(self, text: str, field: str | None) -> list[Query]:
        kind, value = (LONG, shortened(text)) if is_long(text) else (STRING, text)
        return self._each(field, kind, "term", value)

    def _scalars(self, text: str, field: str | None) -> list[Query]:
        if text in BOOLEANS:
            return self._each(field, BOOLEAN, "term", BOOLEANS[text])
        found = number(text)
        if found is None:
            return []
        if _is_path(field):
            name = NUMBERS.get(field or "")
            fits = type(found.exact) is int and -(2**63) <= found.exact < 2**63
            # Not `term`: a shard whose numbers are all others would drop the whole query because of it, and
            # with it the frequencies of its words, which scores depend on.
            return [{"terms": {name: [found.exact]}}] if name and fits else []
        if abs(found.nearest) < EXACT:
            return self._each(field, NUMBER, "term", found.nearest + 0.0)
        codes = ["i" + ordered(found.exact)] if type(found.exact) is int else []
        if type(found.nearest) is int or math.isfinite(found.nearest):
            codes.append("f" + ordered(int(found.nearest)))
        return self._each(field, INTEGER, "terms", codes) if codes else []

    def _each(self, field: str | None, kind: str, query: str, value: Any) -> list[Query]:
        """A query on one form of a field, or of all fields."""
        if field is not None:
            return [{query: {kind + path(field_name(field) or ""): value}}]
        return [{query: {name: value}} for name in self._names(kind)]

    def _names(self, kind: str) -> list[str]:
        """The fields that the index has of a form."""
        names = self._known(kind)
        if len(names) > _MOST_FIELDS:
            raise InvalidQuery(
                f"The query looks in all fields, which are more than {_MOST_FIELDS}: "
                "name the field, as in name:lovelace."
            )
        return names

    # -- ranges ------------------------------------------------------------------------------------

    def _range(self, node: Range) -> list[Query]:
        field = node.field
        bounds = [bound for bound in (node.lower, node.upper) if bound is not None]
        if not bounds:
            return [_exists(field or "value")]
        plain = not any(bound.quoted for bound in bounds)
        numeric = plain and all(number(bound.text) is not None for bound in bounds)
        if _is_path(field):
            texts = _paths(field, "range", _texts(node.lower, node.upper))
            return [*texts, *(_path_numbers(node) if numeric else [])]
        if numeric:
            return self._number_range(node)
        if is_boolean(node):
            return [query for value in booleans(node) for query in self._each(field, BOOLEAN, "term", value)]
        if plain and all(date(bound.text) is not None for bound in bounds):
            return self._date_range(node)
        return self._text_range(node)

    def _number_range(self, node: Range) -> list[Query]:
        low = None if node.lower is None else number(node.lower.text)
        high = None if node.upper is None else number(node.upper.text)
        with_low, with_high = _closed(node.lower), _closed(node.upper)
        near = _interval(low and _nearest(low), with_low, high and _nearest(high), with_high)
        exact = _interval(
            low and _integer(low.exact, 1 if with_low else -1),
            with_low,
            high and _integer(high.exact, -1 if with_high else 1),
            with_high,
        )
        found = self._each(node.field, INTEGER, "range", _coded("i", exact))
        if all(abs(bound.nearest) < EXACT for bound in (low, high) if bound is not None):
            return [*found, *self._each(node.field, NUMBER, "range", near)]
        # A double from 2**53 on may stand for an integer beside it, so there it is not asked.
        floats = _interval(
            low and _integer(low.nearest, 0), with_low, high and _integer(high.nearest, 0), with_high
        )
        found += self._each(node.field, INTEGER, "range", _coded("f", floats))
        clamped = _clamped(near)
        return found if clamped is None else [*found, *self._each(node.field, NUMBER, "range", clamped)]

    def _date_range(self, node: Range) -> list[Query]:
        # In instants, from the first that is in to the first that is not; a day is all of its instants.
        instants = {}
        if node.lower is not None:
            first = date(node.lower.text) or 0
            whole = DAY if is_day(node.lower.text) else 1
            instants["gte"] = first if node.lower.inclusive else first + whole
        if node.upper is not None:
            last = date(node.upper.text) or 0
            whole = DAY if is_day(node.upper.text) else 1
            instants["lt"] = last + whole if node.upper.inclusive else last
        texts = _texts(node.lower, node.upper)
        found = [
            *self._each(node.field, INSTANT, "range", instants),
            *self._each(node.field, OTHER, "range", texts),
        ]
        # Strings that are no dates are compared as text all the same; those beside dates are `other:`.
        for query in self._each(node.field, STRING, "range", texts):
            (name,) = query["range"]
            dated = {"exists": {"field": INSTANT + name.removeprefix(STRING)}}
            found.append({"bool": {"filter": [query], "must_not": [dated]}})
        return [*found, *self._each(node.field, LONG, "range", texts)]

    def _text_range(self, node: Range) -> list[Query]:
        if (one := only_value(node)) is not None:
            return self._string(one.text, node.field)
        texts = _texts(node.lower, node.upper)
        return [
            *self._each(node.field, STRING, "range", texts),
            *self._each(node.field, LONG, "range", texts),
        ]

    # -- points ------------------------------------------------------------------------------------

    def _near(self, node: Near) -> list[Query]:
        metres = node.distance * UNITS[node.unit] * SPHERE + _STEP
        centre = {"lat": node.latitude, "lon": node.longitude}
        names = self._each(node.field, POINT, "name", None)
        within = {"distance": f"{min(metres, 1e9)}m", "ignore_unmapped": True}
        return [{"geo_distance": within | {_name(query): centre}} for query in names]

    def _box(self, node: Box) -> list[Query]:
        crosses = node.west > node.east
        west, east = max(-180.0, node.west - _GRAIN), min(180.0, node.east + _GRAIN)
        if crosses and west <= east:  # the gap between them is no wider than a grain
            west, east = -180.0, 180.0
        box = {
            "top": min(90.0, node.north + _GRAIN),
            "bottom": max(-90.0, node.south - _GRAIN),
            "left": west,
            "right": east,
        }
        names = self._each(node.field, POINT, "name", None)
        return [{"geo_bounding_box": {"ignore_unmapped": True, _name(query): box}} for query in names]

    # -- together ----------------------------------------------------------------------------------

    def _boolean(self, node: Boolean, boost: float) -> Query | None:
        if not node.clauses:
            return NOTHING
        compiled = [(clause.occur, self.compile(clause.node, boost)) for clause in node.clauses]
        kept = [(occur, query) for occur, query in compiled if query is not None]
        if not kept:
            return None
        must = [query for occur, query in kept if occur is Occur.MUST]
        should = [query for occur, query in kept if occur is Occur.SHOULD]
        must_not = [query for occur, query in kept if occur is Occur.MUST_NOT]
        if not must and not should:
            return NOTHING
        together: Query = {}
        if must:
            together["must"] = must
        if should:
            together["should"] = should
            together["minimum_should_match"] = 0 if must else 1
        if must_not:
            together["must_not"] = must_not
        return {"bool": together}


# -- pieces ----------------------------------------------------------------------------------------


FORMS_OF_CASTS: Final = {DATE_CAST: (INSTANT,), DECIMAL_CAST: (DECIMAL, NUMBER)}
"""Where the values of casts are."""


def forms_of_cast(cast: Cast) -> tuple[str, ...]:
    """The forms that have the values of a cast. Raises `Unsupported`."""
    if cast not in FORMS_OF_CASTS:
        raise Unsupported(f"OpenSearch does not order or compare texts as @{cast.name} says.")
    return FORMS_OF_CASTS[cast]


def _cast_query(node: Any, cast: Cast, name: str) -> list[Query]:
    names = [form + path(name) for form in forms_of_cast(cast)]
    if not isinstance(node, Range):
        return [{"exists": {"field": each}} for each in names] if isinstance(node, Exists) else []
    low, high = (None if bound is None else cast.read(bound.text) for bound in (node.lower, node.upper))
    if (low is None and node.lower is not None) or (high is None and node.upper is not None):
        return []
    if cast is DECIMAL_CAST:
        low, high = (None if edge is None else double(edge) for edge in (low, high))  # type: ignore[assignment]
    interval = _interval(low, _closed(node.lower), high, _closed(node.upper))
    return [{"range": {each: interval}} for each in names]


def _is_path(field: str | None) -> bool:
    return field is not None and field.startswith("@path.")


def _cased(text: str, field: str | None) -> str:
    return text if _is_path(field) else lower(text)


def _lowered(pattern: str) -> str:
    r"""A regular expression with its literals in lower case; `\W` and its like stay what they are."""
    return _LITERALS.sub(lambda piece: piece[0] if piece[0] in _CLASSES else lower(piece[0]), pattern)


_LITERALS: Final = re.compile(r"\\.|[^\\]+", re.DOTALL)
_CLASSES: Final = frozenset({"\\W", "\\D", "\\S"})


def _words(field: str) -> str:
    return STRING + path(field_name(field) or "") + WORDS


def _name(query: Query) -> str:
    (name,) = query["name"]
    return str(name)


def _either(queries: list[Query]) -> Query:
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should": queries, "minimum_should_match": 1}}


def _exists(field: str) -> Query:
    name = field_name(field) or ""
    if not _is_path(name):
        return {"term": {"has": path(name)}}
    found = [
        _of_kind(full, {"exists": {"field": short}})
        for full, short in (PATHS | NUMBERS).items()
        if full == name or full.startswith(name + ".")
    ]
    return _either(found) if found else NOTHING


def _paths(field: str | None, query: str, value: Any) -> list[Query]:
    """A query on text of the metadata."""
    name = PATHS.get(field or "")
    return [] if name is None else [_of_kind(field, {query: {name: value}})]


def _of_kind(field: str | None, query: Query) -> Query:
    # Only relations have a source; what is its collection is everybody's.
    if not (field or "").startswith("@path.source."):
        return query
    return {"bool": {"filter": [query, {"term": {"kind": RELATIONSHIP}}]}}


def _path_numbers(node: Range) -> list[Query]:
    name = NUMBERS.get(node.field or "")
    if name is None:
        return []
    bounds = {}
    for bound, sign, direction in ((node.lower, "g", 1), (node.upper, "l", -1)):
        if bound is None or (found := number(bound.text)) is None:
            continue
        edge = _integer(found.exact, direction if bound.inclusive else -direction)
        if -(2**63) <= edge < 2**63:
            bounds[sign + ("te" if bound.inclusive else "t")] = edge
        elif (edge > 0) == (direction > 0):
            return []
    return [{"range": {name: bounds}}]


def _texts(lower: Bound | None, upper: Bound | None) -> dict[str, str]:
    return _interval(lower and lower.text, _closed(lower), upper and upper.text, _closed(upper))


def _interval(low: Any, with_low: bool, high: Any, with_high: bool) -> dict[str, Any]:
    found = {}
    if low is not None:
        found["gte" if with_low else "gt"] = low
    if high is not None:
        found["lte" if with_high else "lt"] = high
    return found


def _coded(letter: str, interval: dict[str, int | float]) -> dict[str, str]:
    """A range of integers as one of their codes, all of which begin with a letter."""
    codes = {sign: letter + ordered(value) for sign, value in interval.items()}
    if not codes.keys() & {"gte", "gt"}:
        codes["gte"] = letter
    if not codes.keys() & {"lte", "lt"}:
        codes["lt"] = chr(ord(letter) + 1)
    return codes


def _closed(bound: Bound | None) -> bool:
    return bound is not None and bound.inclusive


def _nearest(found: Number) -> float:
    try:
        return float(found.nearest) + 0.0
    except OverflowError:
        return math.inf if found.nearest > 0 else -math.inf


def _integer(value: int | float, direction: int) -> int | float:
    """The nearest integer in a direction; an infinity stays one."""
    if type(value) is int or not math.isfinite(value):
        return value
    return math.ceil(value) if direction > 0 else math.floor(value)


def _clamped(near: dict[str, float]) -> dict[str, float] | None:
    """The part of a range where doubles are exact; None where there is none."""
    clamped = {"gt": -float(EXACT), "lt": float(EXACT)}
    for sign, value in near.items():
        if sign in ("gte", "gt"):
            if value >= EXACT:
                return None
            if value > -EXACT:
                clamped.pop("gt")
                clamped[sign] = value
        else:
            if value <= -EXACT:
                return None
            if value < EXACT:
                clamped.pop("lt")
                clamped[sign] = value
    return clamped


def all_of(queries: Iterable[Query]) -> Query:
    """What matches all of these, without a score."""
    return {"bool": {"filter": list(queries)}}
