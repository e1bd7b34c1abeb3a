"""A query tree to a query of the index. Pure: the meaning of a node is the evaluator's, said in terms.

Not every node can be said exactly. A `Plan` therefore never finds too little, and says whether it may find
too much (`exact` is False); its hits are then put to the evaluator. Where a clause is excluded it is the
other way round: what is excluded must not be too much, so an inexact clause is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nextafter
from typing import Any, ClassVar, Final, TypeAlias

import tantivy
from attrs import evolve, frozen
from tantivy import FieldType, Query
from tantivy import Occur as Must

from ...lucene.analysis import MAX_TOKEN_LENGTH, analyze, normalize
from ...lucene.casts import DATE, DAY, DECIMAL, Cast, Ordered, cast_of, date, is_day, is_sure
from ...lucene.effort import check
from ...lucene.entries import KIND, LATITUDES, LONGITUDES, field_name
from ...lucene.exact import BOOLEANS, booleans, is_boolean, only_value
from ...lucene.geometry import UNITS, around
from ...lucene.literals import Number, number
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
)
from ...names import last, parent
from .automata import MAX_COST, Pattern, beginning, between, literal, regexp, wildcard
from .documents import KINDS
from .layout import DATES, DECIMALS, NUMBERS, SCHEMA, SHARED, STRINGS, WORDS, Column, Layout
from .terms import (
    BEGINNING,
    COLLECTION,
    EXACT,
    UNINDEXED,
    UNIT,
    boolean,
    cut,
    nearest,
    plain,
    prefix,
    rounded,
)

IndexTerm: TypeAlias = tuple[str, str | float]
"""A field of the index and a term of it."""
Interval: TypeAlias = tuple[float | None, float | None]


@frozen(eq=False)
class Plan:
    """What to ask of the index, and whether its hits are the matches (`exact`)."""

    query: tantivy.Query
    exact: bool = True
    score: float | None = None
    """What every hit scores, where all score the same."""
    costly: bool = False
    """Whether it takes a walk through the terms of the index to answer it."""
    needs: tuple[IndexTerm, ...] = ()
    """Terms that every hit has: there are no more hits than documents with one of these."""


def compile_plan(tree: Node, layout: Layout) -> Plan:
    """The plan of a tree, for an index of this layout as it is now.

    It does not say which kinds and collections are searched: see `within`.
    """
    return _Compiler(layout).compile(tree) or _NOTHING


def within(plan: Plan, scope: str) -> tantivy.Query:
    """The plan's query among the documents of a scope, which does not change the score."""
    return Query.boolean_query([(Must.Must, plan.query), (Must.Must, inside(scope))])


def inside(scope: str) -> tantivy.Query:
    """The documents of a scope, which does not change a score."""
    return Query.const_score_query(Query.term_query(SCHEMA, "scope", scope), 0.0)


def among(query: tantivy.Query, ids: Sequence[int]) -> tantivy.Query:
    """The query among the documents with these ids."""
    return Query.boolean_query([(Must.Must, query), (Must.Must, _these(ids))])


def but(query: tantivy.Query, ids: Sequence[int]) -> tantivy.Query:
    """The query without the documents with these ids."""
    return Query.boolean_query([(Must.Must, query), (Must.MustNot, _these(ids))])


def _these(ids: Sequence[int]) -> tantivy.Query:
    """The documents with these ids, which does not change a score."""
    # A set of terms would be an automaton that is run over the ids of all documents.
    one_of = [(Must.Should, Query.term_query(SCHEMA, "id", identity)) for identity in ids]
    return Query.const_score_query(Query.boolean_query(one_of), 0.0)


_NOTHING: Final = Plan(Query.empty_query())
_ALL: Final = Plan(Query.const_score_query(Query.all_query(), 1.0), score=1.0)
_ANYTHING: Final = Plan(_ALL.query, exact=False)
"""What the index knows nothing about."""


class _Compiler:
    """Nodes to plans; None if analysis leaves nothing of a node: its Boolean then does without it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._left = MOST_COST
        """Of what automata may cost."""

    def compile(self, node: Node) -> Plan | None:
        cast = cast_of(field_name(getattr(node, "field", None)))
        return self._METHODS[type(node)](self, node) if cast is None else self._cast(node, *cast)

    def _cast(self, node: Node, cast: Cast, name: str) -> Plan:
        """Documents whose values of a field, as they are read, may be what a node asks for."""
        bounds = (node.lower, node.upper) if isinstance(node, Range) else ()
        edges = [None if bound is None else cast.read(bound.text) for bound in bounds]
        forms = _FORMS_OF_CASTS.get(cast)
        if not isinstance(node, Range) or forms is None or _is_path(name):
            return _ANYTHING if _is_path(name) else self._having(name)
        if any(edge is None for edge, bound in zip(edges, bounds, strict=True) if bound is not None):
            return _NOTHING
        plans = []
        for sort, kind in forms.items():
            column = self._layout.column(sort, name)
            if column is None:
                continue
            if not column.name:
                return self._having(name)
            plans.append(_cast_interval(node, column, kind, *edges))
        return _either(plans)

    # -- words ---------------------------------------------------------------------------------------

    def _places(self, field: str | None) -> list[tuple[str, str]]:
        """The index fields that have the words of a field, and what they begin with there."""
        name = field_name(field)
        if name is None:
            return [("words", "")]
        column = self._layout.column(WORDS, name)
        return [] if column is None else [(column.name, column.start)]

    def _term(self, node: Term) -> Plan | None:
        if _is_path(node.field):
            return self._verbatim(Verbatim(node.text, node.field))
        words = analyze(node.text)
        return self._any_word(words, node.text, node.field) if words else None

    def _any_word(self, words: list[str], text: str, field: str | None) -> Plan:
        plans = [
            Plan(Query.term_query(SCHEMA, place, start + word), needs=((place, start + word),))
            for place, start in self._places(field)
            for word in dict.fromkeys(words)
        ]
        return _either([*plans, *self._scalars(text, field)])

    def _phrase(self, node: Phrase) -> Plan | None:
        if _is_path(node.field):
            return self._verbatim(Verbatim(node.text, node.field))
        words = analyze(node.text)
        if len(words) < 2:
            return self._any_word(words, node.text, node.field) if words else None
        plans = []
        for place, start in self._places(node.field):
            terms = tuple((place, start + word) for word in words)
            if node.slop or place == "words" or len(words) > MANY_WORDS:
                # Tantivy counts moves otherwise, `words` has no positions, and many words are slow: so all of
                # the words (of many the longest, which are rare), and the evaluator says how they stand.
                terms = tuple(sorted(set(terms), key=lambda term: (-len(term[1]), term))[:MANY_WORDS])
                clauses = [(Must.Must, Query.term_query(SCHEMA, *term)) for term in terms]
                plans.append(Plan(Query.boolean_query(clauses), exact=False, needs=terms))
            else:
                phrase = Query.phrase_query(SCHEMA, place, [term for _, term in terms])
                plans.append(Plan(phrase, needs=terms))
        return _either([*plans, *self._scalars(node.text, node.field)])

    def _wildcard(self, node: Wildcard) -> Plan:
        if _is_path(node.field):
            return self._strings(node.field, wildcard(node.pattern))
        return self._words(node.field, wildcard(normalize(node.pattern)))

    def _regexp(self, node: Regexp) -> Plan:
        pattern = regexp(node.pattern, lower=not _is_path(node.field))
        find = self._strings if _is_path(node.field) else self._words
        return find(node.field, pattern)

    def _words(self, field: str | None, pattern: Pattern) -> Plan:
        """Documents with a word that fits the pattern."""
        return _either([self._pattern(place, start, pattern, field) for place, start in self._places(field)])

    def _pattern(self, place: str, start: str, pattern: Pattern, field: str | None) -> Plan:
        """Documents with a term that fits the pattern, behind what the terms of the field begin with."""
        check()
        text = None if start == _NAMES else beginning(pattern.text)
        if text is not None:
            # The automaton of an expression takes as long to make as the search takes; this one does not.
            query = Query.fuzzy_term_query(SCHEMA, place, start + text, distance=0, prefix=True)
        elif pattern.cost > min(MAX_COST, self._left):
            return self._undecided(field)
        else:
            self._left -= pattern.cost
            ahead = start if start == _NAMES else literal(start)
            try:
                query = Query.regex_query(SCHEMA, place, ahead + pattern.text)
            except ValueError:  # the automaton would be too large
                return self._undecided(field)
        plan = Plan(Query.const_score_query(query, 1.0), score=1.0, costly=True)
        return plan if pattern.exact else _inexact(plan)

    def _undecided(self, field: str | None) -> Plan:
        """Documents that may have anything in a field (None: in any): the evaluator decides."""
        name = field_name(field)
        return _ANYTHING if name is None or _is_path(name) else self._having(name)

    def _fuzzy(self, node: Fuzzy) -> Plan:
        if _is_path(node.field):
            name = field_name(node.field) or ""
            column = self._layout.column(STRINGS, name)
            places = [] if column is None else [(column.name, column.start)]
            return self._known(name, [self._close(*place, node.text, node) for place in places])
        text = normalize(node.text)
        if len(text) > MAX_TOKEN_LENGTH + node.edits:
            return _NOTHING  # no word is as long
        return _either([self._close(*place, text, node) for place in self._places(node.field)])

    def _close(self, place: str, start: str, text: str, node: Fuzzy) -> Plan:
        """Documents with a term that a fuzzy node means."""
        cost = COST_OF_EDITS * len(start + text)
        if cost > min(MAX_COST, self._left):
            return self._undecided(node.field)
        self._left -= cost
        # The edits may also hit what all terms of the field begin with.
        query = Query.fuzzy_term_query(SCHEMA, place, start + text, node.edits)
        return Plan(query, exact=not start, score=1.0, costly=True)

    # -- whole values --------------------------------------------------------------------------------

    def _columns(self, sort: str, field: str | None) -> list[tuple[str, Column]]:
        """The columns that may have a value of a field (None: of any of the value's), and their fields."""
        name = field_name(field)
        if name is None:
            return [pair for pair in self._layout.columns(sort) if not pair[0].startswith("@")]
        column = self._layout.column(sort, name)
        return [] if column is None else [(name, column)]

    def _verbatim(self, node: Verbatim) -> Plan:
        name = field_name(node.field)
        if name == KIND:
            return _having_term("scope", node.text) if node.text in KINDS else _NOTHING
        if name == COLLECTION:
            return _having_term("scope", UNIT + plain(node.text))
        return self._known(name, [*self._string(node.text, name), *self._scalars(node.text, node.field)])

    def _string(self, text: str, name: str | None) -> list[Plan]:
        """The plans for a whole string in a field (its full name)."""
        term = text if _is_path(name) else cut(text)
        plans = [_having_term(column.name, column.start + term) for _, column in self._columns(STRINGS, name)]
        if name is None and self._layout.full(STRINGS):
            plans.append(self._pattern(SHARED[STRINGS], _NAMES, _named(literal(term)), None))
        return plans

    def _known(self, name: str | None, plans: list[Plan]) -> Plan:
        """One of the plans, but for fields that are not in the index."""
        return _ANYTHING if name in UNINDEXED else _either(plans)

    def _scalars(self, text: str, field: str | None) -> list[Plan]:
        """The plans for the number or boolean that a text is."""
        if text in BOOLEANS:
            return [self._boolean_value(field, BOOLEANS[text])]
        found = number(text)
        return [] if found is None else self._number(field, found)

    def _number(self, field: str | None, found: Number) -> list[Plan]:
        # Of 1e23 no float is the value, and the float next to it also stands for integers that are not.
        exact = _precise(found)
        plans = []
        for name, column in self._columns(NUMBERS, field):
            if not column.name:
                plans.append(self._having(name))
                continue
            plan = _having_term(column.name, rounded(found.nearest))
            plans.append(plan if exact else _inexact(plan))
        return [*plans, *self._elsewhere(NUMBERS, field)]

    def _elsewhere(self, sort: str, field: str | None) -> list[Plan]:
        """What else to look at where no field is named, and some have no column."""
        return [_ANYTHING] if field_name(field) is None and self._layout.full(sort) else []

    def _boolean_value(self, field: str | None, value: bool) -> Plan:
        name = field_name(field)
        if name is None:
            return self._pattern("has", _NAMES, _named(f"{value:d}"), None)
        return _having_term("has", boolean(name, value))

    def _strings(self, field: str | None, pattern: Pattern) -> Plan:
        """Documents with a whole string that fits the pattern."""
        name = field_name(field)
        return self._known(
            name,
            [
                self._pattern(column.name, column.start, pattern, field)
                for _, column in self._columns(STRINGS, name)
            ],
        )

    def _exists(self, node: Exists) -> Plan:
        name = field_name(node.field)
        assert name is not None
        if _is_path(name):
            return _ALL if name in UNINDEXED else _ANYTHING
        return _having_term("has", prefix(name))

    def _having(self, name: str) -> Plan:
        """Documents that have a field; what it has there is for the evaluator to see."""
        return _inexact(self._exists(Exists(name)))

    # -- ranges --------------------------------------------------------------------------------------

    def _range(self, node: Range) -> Plan:
        bounds = [bound for bound in (node.lower, node.upper) if bound is not None]
        if not bounds:
            return _ANYTHING if node.field is None else self._exists(Exists(node.field))
        plain = not any(bound.quoted for bound in bounds)
        numeric = plain and all(number(bound.text) for bound in bounds)
        if _is_path(node.field):
            plans = [*self._text_range(node), *(self._number_range(node) if numeric else [])]
        elif numeric:
            plans = self._number_range(node)
        elif is_boolean(node):
            plans = [self._boolean_value(node.field, value) for value in booleans(node)]
        elif plain and all(date(bound.text) is not None for bound in bounds):
            # Strings that are no dates are compared as text all the same.
            plans = [*self._date_range(node), *self._text_range(node, but_dates=True)]
        else:
            plans = self._text_range(node)
        return self._known(field_name(node.field), plans)

    def _number_range(self, node: Range) -> list[Plan]:
        if (one := only_value(node)) is not None and (found := number(one.text)):
            return self._number(node.field, found)
        lower, with_lower, exact_lower = _edge(node.lower, -inf)
        upper, with_upper, exact_upper = _edge(node.upper, inf)
        plans = []
        for name, column in self._columns(NUMBERS, node.field):
            if not column.name:
                plans.append(self._having(name))
                continue
            plan = _interval(column.name, FieldType.Float, lower, upper, with_lower, with_upper)
            plans.append(plan if exact_lower and exact_upper else _inexact(plan))
        return [*plans, *self._elsewhere(NUMBERS, node.field)]

    def _date_range(self, node: Range) -> list[Plan]:
        # In instants, from the first that is in to the last; a day is all of its instants.
        lower = upper = None
        if node.lower is not None:
            first = date(node.lower.text) or 0
            lower = first if node.lower.inclusive else first + _length(node.lower)
        if node.upper is not None:
            last = date(node.upper.text) or 0
            upper = (last + _length(node.upper) if node.upper.inclusive else last) - 1
        return [
            _interval(column.name, FieldType.Integer, lower, upper) if column.name else self._having(name)
            for name, column in self._columns(DATES, node.field)
        ] + self._elsewhere(DATES, node.field)

    def _text_range(self, node: Range, *, but_dates: bool = False) -> list[Plan]:
        if (one := only_value(node)) is not None and not but_dates:
            return self._string(one.text, field_name(node.field))
        pattern = between(
            None if node.lower is None else node.lower.text,
            None if node.upper is None else node.upper.text,
            with_lower=_closed(node.lower),
            with_upper=_closed(node.upper),
            longest=BEGINNING,
        )
        if pattern is None:
            return []
        plans = []
        for name, column in self._columns(STRINGS, node.field):
            if but_dates and not column.mixed:
                continue
            plan = self._pattern(column.name, column.start, pattern, name)
            sure = not (but_dates and self._layout.column(DATES, name))
            plans.append(plan if sure else _inexact(plan))
        if field_name(node.field) is None and self._layout.full(STRINGS):
            plan = self._pattern(SHARED[STRINGS], _NAMES, pattern, None)
            plans.append(_inexact(plan) if but_dates else plan)
        return plans

    # -- places --------------------------------------------------------------------------------------

    def _near(self, node: Near) -> Plan:
        south, north, west, east = around(node.latitude, node.longitude, node.distance * UNITS[node.unit])
        return self._place(node.field, south, north, west, east)

    def _box(self, node: Box) -> Plan:
        return self._place(node.field, node.south, node.north, node.west, node.east)

    def _place(self, field: str | None, south: float, north: float, west: float, east: float) -> Plan:
        """Documents with numbers that may be a point in a box, by the columns of latitudes and longitudes."""
        name = field_name(field)
        if self._layout.full(NUMBERS):
            return _ANYTHING if name is None else self._having(name)
        meridians: list[Interval] = [(west, east)] if west <= east else [(west, None), (None, east)]
        latitudes = self._between(name, LATITUDES, [(south, north)])
        longitudes = self._between(name, LONGITUDES, meridians)
        both = [(Must.Must, latitudes.query), (Must.Must, longitudes.query)]
        return Plan(Query.const_score_query(Query.boolean_query(both), 1.0), exact=False, score=1.0)

    def _between(self, name: str | None, members: Sequence[str], ranges: list[Interval]) -> Plan:
        plans = []
        for field, column in self._layout.columns(NUMBERS):
            if last(field).lower() in members and name in (None, parent(field)) and column.name:
                plans += [_interval(column.name, FieldType.Float, low, high) for low, high in ranges]
        return _either(plans)

    # -- together ------------------------------------------------------------------------------------

    def _boolean(self, node: Boolean) -> Plan | None:
        if not node.clauses:
            return _NOTHING
        compiled = [(clause.occur, self.compile(clause.node)) for clause in node.clauses]
        kept = [(occur, plan) for occur, plan in compiled if plan is not None]
        if not kept:
            return None
        if all(occur is Occur.MUST_NOT for occur, _ in kept):
            return _NOTHING
        clauses = [
            (_OCCURS[occur], plan.query) for occur, plan in kept if plan.exact or occur is not Occur.MUST_NOT
        ]
        return Plan(
            Query.boolean_query(clauses),
            exact=all(plan.exact for _, plan in kept),
            score=_sum([plan.score for occur, plan in kept if occur is Occur.MUST])
            if all(occur is not Occur.SHOULD for occur, _ in kept)
            else None,
            costly=any(plan.costly for _, plan in kept),
            needs=tuple(term for occur, plan in kept if occur is Occur.MUST for term in plan.needs),
        )

    def _boost(self, node: Boost) -> Plan | None:
        plan = self.compile(node.node)
        if plan is None:
            return None
        score = None if plan.score is None else plan.score * node.factor
        return evolve(plan, query=Query.boost_query(plan.query, node.factor), score=score)

    _METHODS: ClassVar[dict[type[Node], Callable[[_Compiler, Any], Plan | None]]] = {
        Term: _term,
        Verbatim: _verbatim,
        Phrase: _phrase,
        Wildcard: _wildcard,
        Regexp: _regexp,
        Fuzzy: _fuzzy,
        Range: _range,
        Exists: _exists,
        MatchAll: lambda self, node: _ALL,
        Near: _near,
        Box: _box,
        Boost: _boost,
        Boolean: _boolean,
    }


_OCCURS: Final = {Occur.MUST: Must.Must, Occur.SHOULD: Must.Should, Occur.MUST_NOT: Must.MustNot}
MOST_COST: Final = 30_000
"""What the automata of one query may cost together, in the unit of `automata.MAX_COST`."""


COST_OF_EDITS: Final = 10
"""What a character costs in the automaton of a fuzzy term."""
MANY_WORDS: Final = 64
"""A phrase of more words is looked for by some of them."""


def _named(text: str) -> Pattern:
    """The pattern of a term that stands behind the name of any field."""
    return Pattern(text, cost=_COST_OF_NAMES)


_COST_OF_NAMES: Final = 100
# Names of fields of the value begin with a dot, or are none, or are a hash.
_NAMES: Final = f"(?:[.#][^{literal(UNIT)}]*)?{literal(UNIT)}"


def _is_path(field: str | None) -> bool:
    return field is not None and field.startswith("@path.")


def _closed(bound: Bound | None) -> bool:
    return bound is not None and bound.inclusive


def _length(bound: Bound) -> int:
    """How many microseconds the bound of a range of dates is long."""
    return DAY if is_day(bound.text) else 1


def _precise(found: Number) -> bool:
    return found.exact == found.nearest and abs(found.nearest) < EXACT


def _edge(bound: Bound | None, outward: float) -> tuple[float | None, bool, bool]:
    """A bound as a float, whether it is included, and whether that is exact."""
    found = None if bound is None else number(bound.text)
    if bound is None or found is None:
        return None, True, True
    if _precise(found):
        return rounded(found.nearest), bound.inclusive, True
    # Among integers beyond 2**53 several share a float: one float further, and the evaluator decides.
    return rounded(nextafter(rounded(found.nearest), outward)), True, False


_FORMS_OF_CASTS: Final = {
    DATE: {DATES: FieldType.Integer},
    DECIMAL: {DECIMALS: FieldType.Float, NUMBERS: FieldType.Float},
}
"""The columns that have the values of casts."""


def _cast_interval(
    node: Range, column: Column, kind: FieldType, low: Ordered | None, high: Ordered | None
) -> Plan:
    closed = node.lower is None or node.lower.inclusive, node.upper is None or node.upper.inclusive
    if kind is FieldType.Integer:
        return _interval(column.name, kind, low, high, *closed)  # type: ignore[arg-type]
    lower, upper = (None if edge is None else nearest(edge) for edge in (low, high))
    if not column.odd and all(is_sure(edge) for edge in (low, high) if edge is not None):
        return _interval(column.name, kind, lower, upper, *closed)
    # Of more digits several share a float, and the evaluator decides.
    return _inexact(_interval(column.name, kind, lower, upper))


def _sum(scores: list[float | None]) -> float | None:
    return sum(known) if len(known := [each for each in scores if each is not None]) == len(scores) else None


def _interval(
    name: str,
    kind: FieldType,
    lower: float | None,
    upper: float | None,
    with_lower: bool = True,
    with_upper: bool = True,
) -> Plan:
    low, high = (-inf if lower is None else lower), (inf if upper is None else upper)
    if low > high or (low == high and not (with_lower and with_upper)):
        return _NOTHING
    return _constant(Query.range_query(SCHEMA, name, kind, lower, upper, with_lower, with_upper))


def _either(plans: list[Plan]) -> Plan:
    if not plans:
        return _NOTHING
    if len(plans) == 1:
        return plans[0]
    query = Query.boolean_query([(Must.Should, plan.query) for plan in plans])
    return Plan(query, exact=all(plan.exact for plan in plans), costly=any(plan.costly for plan in plans))


def _inexact(plan: Plan) -> Plan:
    return evolve(plan, exact=False)


def _constant(query: tantivy.Query, *needs: IndexTerm) -> Plan:
    return Plan(Query.const_score_query(query, 1.0), score=1.0, needs=needs)


def _having_term(place: str, term: str | float) -> Plan:
    return _constant(Query.term_query(SCHEMA, place, term), (place, term))
