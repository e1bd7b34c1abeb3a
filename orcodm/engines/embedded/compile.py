"""A query tree to a query of the index. Pure: the meaning of a node is the evaluator's, said in terms.

Not every node can be said exactly. A `Plan` therefore never finds too little, and says whether it may find
too much (`exact` is False); its hits are then put to the evaluator. Where a clause is excluded it is the
other way round: what is excluded must not be too much, so an inexact clause is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import tantivy
from attrs import frozen
from tantivy import Occur as Must
from tantivy import Query

from ...lucene.analysis import analyze, normalize
from ...lucene.entries import DAY, KIND, date, field_name, is_day
from ...lucene.literals import BOOLEANS, Number, number
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
    Term,
    Verbatim,
    Wildcard,
)
from . import terms
from .automata import between, literal, wildcard
from .documents import KINDS
from .terms import BEGINNING, COLLECTION, SCHEMA, UNINDEXED, UNIT, part, plain, prefix

STRINGS: Final = "[se]"


@frozen(eq=False)
class Plan:
    """What to ask of the index, and whether its hits are the matches (`exact`)."""

    query: tantivy.Query
    exact: bool = True
    constant: bool = False
    """Whether all hits have the same score."""


def compile_plan(tree: Node) -> Plan:
    """The plan of a tree. It does not say which kinds and collections are searched: see `within`."""
    return _compile(tree) or _NOTHING


def within(plan: Plan, scope: str) -> tantivy.Query:
    """The plan's query among the documents of a scope, which does not change the score."""
    inside = Query.const_score_query(Query.term_query(SCHEMA, "scope", scope), 0.0)
    return Query.boolean_query([(Must.Must, plan.query), (Must.Must, inside)])


def among(query: tantivy.Query, ids: Sequence[int]) -> tantivy.Query:
    """The query among the documents with these ids."""
    inside = Query.term_set_query(SCHEMA, "id", ids)
    return Query.boolean_query([(Must.Must, query), (Must.Must, inside)])


_NOTHING: Final = Plan(Query.empty_query())
_ALL: Final = Plan(Query.const_score_query(Query.all_query(), 1.0), constant=True)
_ANYTHING: Final = Plan(_ALL.query, exact=False)
"""What the index knows nothing about."""


def _compile(node: Node) -> Plan | None:
    """None if analysis leaves nothing of the node: its Boolean then does without it."""
    compiler = _COMPILERS.get(type(node))
    return _ANYTHING if compiler is None else compiler(node)


# -- words -----------------------------------------------------------------------------------------


def _is_path(field: str | None) -> bool:
    return field is not None and field.startswith("@path.")


def _place(field: str | None) -> tuple[str, str]:
    """The index field that has the words of a field, and what they begin with there."""
    name = field_name(field)
    return ("words", "") if name is None else (part(name), prefix(name))


def _term(node: Term) -> Plan | None:
    if _is_path(node.field):
        return _verbatim(Verbatim(node.text, node.field))
    words = analyze(node.text)
    return _any_word(words, node.text, node.field) if words else None


def _any_word(words: list[str], text: str, field: str | None) -> Plan:
    place, start = _place(field)
    plans = [Plan(Query.term_query(SCHEMA, place, start + word)) for word in dict.fromkeys(words)]
    return _either([*plans, *_scalars(text, field)])


def _phrase(node: Phrase) -> Plan | None:
    if _is_path(node.field):
        return _verbatim(Verbatim(node.text, node.field))
    words = analyze(node.text)
    if len(words) < 2:
        return _any_word(words, node.text, node.field) if words else None
    place, start = _place(node.field)
    if node.slop or place == "words":
        # Tantivy counts moves otherwise, and `words` has no positions: so all of the words, and the
        # evaluator says how they stand.
        clauses = [(Must.Must, Query.term_query(SCHEMA, place, start + word)) for word in set(words)]
        together = Plan(Query.boolean_query(clauses), exact=False)
    else:
        together = Plan(Query.phrase_query(SCHEMA, place, [start + word for word in words]))
    return _either([together, *_scalars(node.text, node.field)])


def _wildcard(node: Wildcard) -> Plan:
    if _is_path(node.field):
        return _values(node.field, STRINGS + wildcard(node.pattern))
    place, start = _place(node.field)
    return _pattern(place, literal(start) + wildcard(normalize(node.pattern)))


def _fuzzy(node: Fuzzy) -> Plan:
    if _is_path(node.field):
        return _ANYTHING
    place, start = _place(node.field)
    # The edits may also hit the name of the field, so the hits are put to the evaluator.
    query = Query.fuzzy_term_query(SCHEMA, place, start + normalize(node.text), node.edits)
    return Plan(query, exact=False)


# -- whole values ----------------------------------------------------------------------------------


def _verbatim(node: Verbatim) -> Plan:
    name = field_name(node.field)
    if name == KIND:
        return _constant(Query.term_query(SCHEMA, "scope", node.text)) if node.text in KINDS else _NOTHING
    if name == COLLECTION:
        return _constant(Query.term_query(SCHEMA, "scope", UNIT + plain(node.text)))
    text = terms.string(node.text, whole=_is_path(name))
    return _either([_value(node.field, text), *_scalars(node.text, node.field)])


def _scalars(text: str, field: str | None) -> list[Plan]:
    """The plans for the number or boolean that a text is."""
    if text in BOOLEANS:
        return [_value(field, terms.exact(BOOLEANS[text])[0])]
    found = number(text)
    if found is None:
        return []
    wanted = dict.fromkeys(map(terms.number, (found.exact, found.nearest)))
    plans = [_value(field, term) for term in wanted]
    # Of 1e23 no float is the value, and the float next to it also stands for an integer that is not.
    return plans if found.exact == found.nearest else [Plan(plan.query, exact=False) for plan in plans]


def _value(field: str | None, term: str) -> Plan:
    """Documents that have a value with this term."""
    name = field_name(field)
    if name is None:
        return _values(None, literal(term))
    if name in UNINDEXED:
        return _ANYTHING
    return _constant(Query.term_query(SCHEMA, "exact", prefix(name) + term))


def _values(field: str | None, pattern: str | None) -> Plan:
    """Documents that have a value whose term fits the pattern."""
    name = field_name(field)
    if pattern is None:
        return _NOTHING
    if name is None:
        # Names of fields of the value begin with a dot, or are none, or are a hash.
        return _pattern("exact", f"(?:[.#][^{literal(UNIT)}]*)?{literal(UNIT)}{pattern}")
    if name in UNINDEXED:
        return _ANYTHING
    return _pattern("exact", literal(prefix(name)) + pattern)


def _exists(node: Exists) -> Plan:
    name = field_name(node.field)
    assert name is not None
    if _is_path(name):
        return _ALL if name in UNINDEXED else _ANYTHING
    return _constant(Query.term_query(SCHEMA, "has", prefix(name)))


def _point(node: Near | Box) -> Plan:
    name = field_name(node.field)
    return _ANYTHING if name is None else Plan(_exists(Exists(name)).query, exact=False)


# -- ranges ----------------------------------------------------------------------------------------


def _range(node: Range) -> Plan:
    field, lower, upper = node.field, node.lower, node.upper
    bounds = [bound for bound in (lower, upper) if bound is not None]
    if not bounds:
        return _ANYTHING if field is None else _exists(Exists(field))
    plain = not any(bound.quoted for bound in bounds)
    numeric = plain and all(number(bound.text) for bound in bounds)
    if _is_path(field):
        plans = [_text_range(node), *([_number_range(node)] if numeric else [])]
        return _either(plans)
    if numeric:
        return _number_range(node)
    if plain and all(date(bound.text) is not None for bound in bounds):
        # Strings that are no dates are compared as text all the same.
        return _either([_date_range(node), _text_range(node, "s")])
    return _text_range(node)


def _number_range(node: Range) -> Plan:
    exact = True

    def edge(bound: Bound | None, step: int) -> str | None:
        nonlocal exact
        found = None if bound is None else number(bound.text)
        if found is None:
            return None
        if _precise(found):
            return terms.number(found.nearest)[1:]
        # Among integers beyond 2**53 several share a float: one float further, and the evaluator decides.
        exact = False
        return terms.ordered(terms.neighbour(found.nearest, step))

    lower, upper = edge(node.lower, -1), edge(node.upper, 1)
    pattern = between(lower, upper, with_lower=_closed(node.lower), with_upper=_closed(node.upper))
    if not exact:
        pattern = between(lower, upper)
    plan = _values(node.field, None if pattern is None else "n" + pattern)
    return plan if exact else Plan(plan.query, exact=False)


def _precise(found: Number) -> bool:
    return found.exact == found.nearest and abs(found.nearest) < 2**53


def _date_range(node: Range) -> Plan:
    # In instants, from the first that is in to the first that is not; a day is all of its instants.
    lower = upper = None
    if node.lower is not None:
        first = date(node.lower.text) or 0
        whole = DAY if is_day(node.lower.text) else 1
        lower = terms.moment(first if node.lower.inclusive else first + whole)
    if node.upper is not None:
        last = date(node.upper.text) or 0
        whole = DAY if is_day(node.upper.text) else 1
        upper = terms.moment(last + whole if node.upper.inclusive else last)
    pattern = between(lower and lower[1:], upper and upper[1:], with_upper=False)
    return _values(node.field, None if pattern is None else "d" + pattern)


def _text_range(node: Range, letters: str = STRINGS) -> Plan:
    lower = None if node.lower is None else node.lower.text
    upper = None if node.upper is None else node.upper.text
    with_lower, with_upper = _closed(node.lower), _closed(node.upper)
    exact = True
    if lower is not None and len(lower) > BEGINNING:
        lower, with_lower, exact = lower[:BEGINNING], True, False
    if upper is not None and len(upper) > BEGINNING:
        # Whatever begins like the bound may still be below it.
        upper, exact = None, False
    pattern = between(lower, upper, with_lower=with_lower, with_upper=with_upper)
    plan = _values(node.field, None if pattern is None else letters + pattern)
    return plan if exact else Plan(plan.query, exact=False)


def _closed(bound: Bound | None) -> bool:
    return bound is not None and bound.inclusive


# -- together --------------------------------------------------------------------------------------


def _boolean(node: Boolean) -> Plan | None:
    if not node.clauses:
        return _NOTHING
    compiled = [(clause.occur, _compile(clause.node)) for clause in node.clauses]
    kept = [(occur, plan) for occur, plan in compiled if plan is not None]
    if not kept:
        return None
    if all(occur is Occur.MUST_NOT for occur, _ in kept):
        return _NOTHING
    clauses = [
        (_OCCURS[occur], plan.query) for occur, plan in kept if plan.exact or occur is not Occur.MUST_NOT
    ]
    constant = all(plan.constant and occur is not Occur.SHOULD for occur, plan in kept)
    return Plan(Query.boolean_query(clauses), all(plan.exact for _, plan in kept), constant)


def _either(plans: list[Plan]) -> Plan:
    if len(plans) == 1:
        return plans[0]
    query = Query.boolean_query([(Must.Should, plan.query) for plan in plans])
    return Plan(query, exact=all(plan.exact for plan in plans))


def _boost(node: Boost) -> Plan | None:
    plan = _compile(node.node)
    return plan and Plan(Query.boost_query(plan.query, node.factor), plan.exact, plan.constant)


def _constant(query: tantivy.Query) -> Plan:
    return Plan(Query.const_score_query(query, 1.0), constant=True)


def _pattern(place: str, pattern: str) -> Plan:
    try:
        return _constant(Query.regex_query(SCHEMA, place, pattern))
    except ValueError:  # the automaton would be too large
        return _ANYTHING


_OCCURS: Final = {Occur.MUST: Must.Must, Occur.SHOULD: Must.Should, Occur.MUST_NOT: Must.MustNot}

_COMPILERS: Final[dict[type[Node], Callable[[Any], Plan | None]]] = {
    Term: _term,
    Verbatim: _verbatim,
    Phrase: _phrase,
    Wildcard: _wildcard,
    Fuzzy: _fuzzy,
    Range: _range,
    Exists: _exists,
    MatchAll: lambda node: _ALL,
    Near: _point,
    Box: _point,
    Boost: _boost,
    Boolean: _boolean,
}
