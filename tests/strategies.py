"""Random JSON values, documents and query trees, for the properties of every layer.

Names and words come from small pools, so that random queries find something in random documents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from orcodm.lucene.tree import (
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


def examples(many: int) -> settings:
    """Of a property whose examples take long: so many in a thorough run, a quarter of them in a quick one."""
    if settings.get_current_profile_name() != "thorough":
        many = max(5, many // 4)
    return settings(max_examples=many, suppress_health_check=list(HealthCheck))


FIELDS = ("name", "value.name", "age", "tags", "address", "address.city", "value.born", "missing", "*")
WORDS = (
    "ada",
    "Ada",
    "love",
    "lovelace",
    "engine",
    "London",
    "36",
    "true",
    "3.5",
    "naïve",
    "東京",
    "a-b",
    "...",
)
NUMBERS = (0, 1, -1, 36, 36.0, 3.5, -0.5, 2**53, 2**53 + 1, 10**25, 1e25, 1e-7)
DATES = ("2014-01-01", "2014-01-01T12:30:00Z", "2014-12-31T23:59:59.5+01:00", "1815-12-10")

# The characters that mean something to the grammar, and some that mean nothing.
_SYNTAX = "ab1 \t\u3000+-&|!(){}[]^\"~*?:\\/`<>=.,_'#@AO"

texts = st.text(alphabet=st.sampled_from(_SYNTAX) | st.characters(exclude_categories=("Cs",)), max_size=12)
"""Texts full of the grammar's own characters."""


# -- values ----------------------------------------------------------------------------------------


def json_values(max_leaves: int = 10) -> st.SearchStrategy[Any]:
    """Any JSON value: deep, with any text, integers beyond 64 bits, and no NaN."""
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.integers(-(2**80), 2**80)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=max_leaves,
    )


def sentences(words: Sequence[str] = WORDS) -> st.SearchStrategy[str]:
    """Texts of a few words."""
    return st.lists(st.sampled_from(words), max_size=5).map(" ".join)


def documents(words: Sequence[str] = WORDS) -> st.SearchStrategy[dict[str, Any]]:
    """Objects whose members are those that `trees` asks for, in every type."""
    leaf = (
        sentences(words)
        | st.sampled_from(NUMBERS)
        | st.sampled_from(DATES)
        | st.booleans()
        | st.none()
        | st.sampled_from(words)
    )
    places = st.fixed_dictionaries(
        {"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)}, optional={"city": leaf}
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "name": leaf,
            "age": leaf,
            "tags": st.lists(leaf, max_size=3),
            "address": places | st.fixed_dictionaries({"city": leaf}) | st.lists(places, max_size=2) | leaf,
            "born": leaf,
        },
    )


# -- trees -----------------------------------------------------------------------------------------


def trees(
    fields: Sequence[str] = FIELDS, words: Sequence[str] = WORDS, max_leaves: int = 8
) -> st.SearchStrategy[Node]:
    """Trees that a text can have, over the fields and words given; every kind of node."""
    return _trees(leaves(st.sampled_from(fields), st.sampled_from(words)), max_leaves)


def any_trees(max_leaves: int = 6) -> st.SearchStrategy[Node]:
    """Trees with any text in any place: what the renderer has to survive."""
    some = texts.map(lambda text: text or "a")
    return _trees(leaves(some, some), max_leaves)


def leaves(names: st.SearchStrategy[str], words: st.SearchStrategy[str]) -> st.SearchStrategy[Node]:
    field = st.none() | names
    phrases = st.lists(words, max_size=3).map(" ".join)
    bounds = st.builds(
        Bound, words | st.sampled_from(NUMBERS).map(str) | st.sampled_from(DATES), st.booleans()
    ) | st.builds(Bound, st.just("") | words | st.sampled_from(DATES), st.booleans(), st.just(True))
    latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)
    units = st.sampled_from(["km", "m", "mi", "nmi", "ft"])
    kinds = [
        st.builds(Term, words, field),
        st.builds(Verbatim, phrases, field),
        st.builds(Phrase, phrases, field, st.integers(0, 5)),
        st.builds(Wildcard, patterns(words), field),
        st.builds(Regexp, regexps(), field),
        st.builds(Fuzzy, words, field, st.integers(0, 2)),
        st.builds(Range, st.none() | bounds, st.none() | bounds, field),
        st.builds(Exists, names),
        st.builds(MatchAll),
        st.builds(Near, latitudes, longitudes, st.floats(0, 1e6), units, field),
        st.builds(_box, st.lists(latitudes, min_size=2, max_size=2), longitudes, longitudes, field),
    ]
    return st.one_of(kinds)


def patterns(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Wildcard patterns: pieces of words between signs."""
    return st.lists(words | st.sampled_from("*?"), min_size=1, max_size=5).map(_pattern)


def _pattern(pieces: list[str]) -> str:
    """The pieces in one; with a sign at least, and not `*` alone, which is no Wildcard."""
    escaped = [piece if piece in "*?" else _SIGNS.sub(r"\\\g<0>", piece[:3]) for piece in pieces]
    pattern = "".join(escaped)
    return pattern if {"*", "?"} & set(pieces) and pattern != "*" else f"{pattern}?"


_SIGNS = re.compile(r"[*?\\]")


def regexps() -> st.SearchStrategy[str]:
    """Regular expressions in Lucene's syntax, with all that is optional in it."""
    atoms = st.sampled_from(
        ["a", "d", "l", ".", "[a-l]", "[^aeo]", "\\w", '"ad"', "<1-40>", "@", "()", "\\/"]
    )
    return st.recursive(
        atoms,
        lambda inner: (
            st.builds(lambda one, two: one + two, inner, inner)
            | st.builds("({}|{})".format, inner, inner)
            | st.builds("({}&{})".format, inner, inner)
            | st.builds("~({})".format, inner)
            | st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}"]))
        ),
        max_leaves=6,
    )


def _box(latitudes: list[float], east: float, west: float, field: str | None) -> Box:
    return Box(max(latitudes), east, min(latitudes), west, field)


def _trees(leaf: st.SearchStrategy[Node], max_leaves: int) -> st.SearchStrategy[Node]:
    factors = st.sampled_from([0.5, 2.0, 3.25, 1e-7, 1e21]) | st.floats(0, 1e30, allow_subnormal=False)
    return st.recursive(
        leaf,
        lambda inner: (
            st.builds(Boost, inner, factors)
            | st.lists(st.tuples(st.sampled_from(Occur), inner), min_size=1, max_size=4).map(_boolean)
        ),
        max_leaves=max_leaves,
    )


def _boolean(clauses: list[tuple[Occur, Node]]) -> Boolean:
    """A Boolean of the clauses; a single one is not optional, since that is no Boolean."""
    if len(clauses) == 1 and clauses[0][0] is Occur.SHOULD:
        clauses = [(Occur.MUST, clauses[0][1])]
    return Boolean(tuple(Clause(occur, node) for occur, node in clauses))
