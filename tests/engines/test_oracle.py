"""What queries of expressions find, against plain Python: values of all types, mixed in fields and in lists.

The order of mixed values is booleans, numbers, texts; what is missing comes last, in both directions. Of
several values the one that comes first in the direction counts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Document, Field
from orcodm.engine import Engine
from orcodm.lucene.renderer import render
from orcodm.operations import START, Delete, Search
from orcodm.query.expressions import Criterion, conjunction

from ..strategies import examples
from .asking import THINGS, follow, put_all


class Thing(Document, collection=THINGS):
    x: Field[Any]


SCALARS: list[Any] = [
    *(True, False, "true", "false", "", "ada", "Ada", "ada lovelace", "36", "1", "-0", "1.0", "1e0", "null"),
    *("2020-01-01", "2020-01-01T00:00:00Z", "é", "\U0001f600", "\ufffd", "a.b", "\\", '"', "`"),
    *("z" * 200, "z" * 199 + "y", 0, -0.0, 1, 1.0, -1, 36, 0.1, 1e-300, -1e300, 10**25, 10**400),
    *(2**53, 2**53 + 1, 2.0**53, 2**63, 2**64 + 1, -(2**70), 1850000000000000002),
    *(1850000000000000001, 1850000000000000000, 1850000000000000000.0),
]
LEAVES = st.sampled_from(SCALARS) | st.integers(-3, 3) | st.text(max_size=3) | st.floats(-4, 4) | st.none()
VALUES = LEAVES | st.lists(LEAVES, max_size=3)
RANKS = {bool: 0, int: 1, float: 1, str: 2}

Test = Callable[[list[Any]], bool]
"""Whether a field with these leaves matches."""


def alike(one: Any, other: Any) -> bool:
    return RANKS[type(one)] == RANKS[type(other)]


def compared(name: str) -> st.SearchStrategy[tuple[Criterion, Test]]:
    compare = getattr(operator, name)
    bounds = LEAVES.filter(lambda one: one is not None and (type(one) is not bool or name == "eq"))
    return bounds.map(
        lambda bound: (
            compare(Thing.x, bound),
            lambda leaves: any(alike(leaf, bound) and compare(leaf, bound) for leaf in leaves),
        )
    )


def one_of(wanted: list[Any]) -> tuple[Criterion, Test]:
    def test(leaves: list[Any]) -> bool:
        return (None in wanted and not leaves) or any(
            one is not None and alike(leaf, one) and leaf == one for leaf in leaves for one in wanted
        )

    return Thing.x.is_in(wanted), test


def negated(pair: tuple[Criterion, Test]) -> tuple[Criterion, Test]:
    return ~pair[0], lambda leaves: not pair[1](leaves)


def both(pairs: tuple[Any, Any]) -> tuple[Criterion, Test]:
    (one, test), (other, also) = pairs
    return one & other, lambda leaves: test(leaves) and also(leaves)


def either(pairs: tuple[Any, Any]) -> tuple[Criterion, Test]:
    (one, test), (other, also) = pairs
    return one | other, lambda leaves: test(leaves) or also(leaves)


CRITERIA = st.recursive(
    st.one_of(
        *map(compared, ("eq", "lt", "le", "gt", "ge")),
        st.lists(LEAVES, max_size=3).map(one_of),
        st.just((Thing.x.exists(), bool)),
    ),
    lambda inner: (
        inner.map(negated) | st.tuples(inner, inner).map(both) | st.tuples(inner, inner).map(either)
    ),
    max_leaves=4,
)


def leaves_of(value: Any) -> list[Any]:
    return [leaf for leaf in (value if isinstance(value, list) else [value]) if leaf is not None]


def ranked(leaf: Any) -> tuple[int, Any]:
    return RANKS[type(leaf)], leaf


@pytest.fixture(params=["pending", "indexed"])
def where(engine: Engine, request: pytest.FixtureRequest) -> None:
    if request.param == "indexed":
        request.getfixturevalue("early")
        put_all(engine, {f"{n}": {"x": n, "y": f"{n}"} for n in range(60)}, collection="crowd")


@examples(60)
@given(st.lists(VALUES, max_size=12), st.lists(CRITERIA, min_size=1, max_size=6), st.booleans())
def test_queries_find_what_python_finds(
    engine: Engine, where: None, values: list[Any], criteria: list[tuple[Criterion, Test]], descending: bool
) -> None:
    for n in range(12):
        engine.execute(Delete(collection=THINGS, key=f"{n:02}"))
    stored = {f"{n:02}": value for n, value in enumerate(values)}
    put_all(engine, {key: {"x": value} for key, value in stored.items()})
    for criterion, test in criteria:
        text = render(conjunction([criterion]))
        page = engine.execute(Search(query=text, collection=THINGS, limit=20))
        expected = {key for key, value in stored.items() if test(leaves_of(value))}
        assert {one.key for one in page.results} == expected, text
        assert page.total == len(expected)
    best = max if descending else min
    there = sorted(key for key in stored if leaves_of(stored[key]))
    there.sort(key=lambda key: best(map(ranked, leaves_of(stored[key]))), reverse=descending)
    order = Thing.x.desc() if descending else Thing.x.asc()
    search = Search(query="*", collection=THINGS, sort=(order.sort,), limit=5, cursor=START)
    found = [one.key for one in follow(engine, search)]
    assert found == [*there, *sorted(key for key in stored if not leaves_of(stored[key]))]
