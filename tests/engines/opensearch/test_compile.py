"""The cluster finds what the evaluator accepts: compiled queries on random documents, against the oracle."""

from __future__ import annotations

from itertools import count
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm.engine import Engine
from orcodm.engines.opensearch.compile import compile_tree
from orcodm.errors import InvalidQuery
from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import compile_query
from orcodm.lucene.parser import parse
from orcodm.lucene.renderer import render
from orcodm.lucene.tree import Boolean, Boost, Box, Clause, Near, Node

from ...strategies import documents, trees
from ..asking import found as found_keys
from ..asking import put_all
from ..embedded.test_index import QUERIES, VALUES

pytestmark = pytest.mark.cluster

_numbers = count()

MORE = [
    "mixed:[2014-01-01 TO 2014-12-31]",
    "mixed:[2014 TO 2015]",
    "big:[9007199254740992 TO *]",
    "big:{9007199254740992 TO *]",
    "big:[* TO 9007199254740993}",
    "big:9007199254740993",
    "big:1e23",
    "big:[1e23 TO 1e23]",
    "big:{1e23 TO *]",
    "big:[* TO 1e999]",
    "big:[-1e999 TO 0]",
    "big:[1.5 TO 9007199254740992.5]",
    "[9007199254740993 TO *]",
    "long:[a TO z]",
    "long:`" + "long " * 2_000 + "`",
    "long:`" + "long " * 1_999 + "`",
    'words:"one two"~5',
    'words:"two one"~1',
    "name:/~(a)/",
    "name:/~(ada)&<1-40>|@/",
    "born:{2014-02-01T10:00:00Z TO *]",
    "born:[* TO 2014-02-01T10:00:00.000001Z]",
]
MORE_VALUES: list[Any] = [
    {"mixed": ["2014-06-01", "2014-06"]},
    {"mixed": ["2014-06-01", "zebra"]},
    {"mixed": ["2015-06-01", "2014-06", 5]},
    {"mixed": "2014-06"},
    {"mixed": ["2014-07-01T00:00:00.000001Z", "2013-01-01"]},
    {"big": 2**53},
    {"big": 2**53 + 1},
    {"big": float(2**53)},
    {"big": [10**23, 5]},
    {"big": 1e23},
    {"big": int(1e23)},
    {"big": -(2**53) - 1},
    {"big": 10**400},
    {"big": -(10**400)},
    {"big": 1.7976931348623157e308},
    {"big": -0.0},
    {"long": "long " * 2_000},
    {"long": "long " * 2_000 + "x"},
    {"words": ["one", "two"]},
    {"words": ["one x two", "two one"]},
    {"born": "2014-02-01T10:00:00.0000015Z"},
    {"born": "2014-02-01T10:00:00.000001Z"},
]


def check(engine: Engine, values: list[Any], nodes: list[Node]) -> None:
    collection = f"c{next(_numbers)}"
    put_all(engine, {f"{number}": value for number, value in enumerate(values)}, collection)
    for node in nodes:
        matches = compile_query(node)
        path = {"collection": collection}
        expected = {
            f"{number}"
            for number, value in enumerate(values)
            if matches(entry("item", path | {"key": f"{number}"}, value))
        }
        assert set(found_keys(engine, render(node), collection, limit=100)) == expected, render(node)


def test_the_cluster_agrees_with_the_evaluator(shared: Engine) -> None:
    # Places and times are the cluster's own, so queries for them are not compared.
    queries = [
        query for query in QUERIES if not query.startswith(("@path.ref", "@path.ref", "@path.collection"))
    ]
    check(shared, [*VALUES, *MORE_VALUES], [parse(query) for query in [*queries, *MORE]])


def coarse(node: Any) -> Any:
    """A tree whose points lie on a grid coarser than the index's."""
    match node:
        case Boolean():
            return Boolean(tuple(Clause(clause.occur, coarse(clause.node)) for clause in node.clauses))
        case Boost():
            return Boost(coarse(node.node), node.factor)
        case Near() | Box():
            names = {"latitude", "longitude", "north", "east", "south", "west"} & {
                field.name for field in attrs.fields(type(node))
            }
            return attrs.evolve(node, **{name: round(getattr(node, name), 3) for name in names})
        case _:
            return node


def rounded(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: round(inner, 3) if name in ("lat", "lon") else rounded(inner)
                for name, inner in value.items()
            }
        case list():
            return [rounded(inner) for inner in value]
        case _:
            return value


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(documents().map(rounded), min_size=1, max_size=8),
    st.lists(trees().map(coarse), min_size=5, max_size=20),
)
def test_any_query_finds_what_the_evaluator_accepts(
    shared: Engine, values: list[Any], nodes: list[Node]
) -> None:
    check(shared, values, nodes)


@pytest.mark.parametrize("query", ["ada", '"ada lovelace"', "ad*", "/ad./", "lovelase~", "`Ada`"])
def test_what_looks_in_more_fields_than_a_query_may_have_says_to_name_one(query: str) -> None:
    with pytest.raises(InvalidQuery, match=r"more than 900: name the field, as in name:lovelace\."):
        compile_tree(parse(query), lambda kind: [f"{kind}/{number}" for number in range(901)])
