"""Queries in words."""

from __future__ import annotations

import pytest
from hypothesis import given

from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import matches
from orcodm.lucene.explaining import Contribution, explain, scored
from orcodm.lucene.parser import parse
from orcodm.lucene.renderer import render
from orcodm.lucene.tree import Node

from ..strategies import any_trees

ADA = entry("item", {}, {"name": "Ada", "age": 36})


def test_a_query_is_explained_as_a_tree():
    query = parse("name:ada AND NOT (age:[40 TO *] OR x*^2)")
    assert str(explain(query)) == (
        "what must and must not\n"
        "  must: value.name has a word of 'ada'\n"
        "  must not: any of these\n"
        "    may: value.age is in [40 TO *]\n"
        "    may: any field has a word like x*, counted 2 times"
    )
    assert str(explain(query, ADA)) == (
        "[yes] what must and must not\n"
        "  [yes] must: value.name has a word of 'ada'\n"
        "  [no]  must not: any of these\n"
        "    [no]  may: value.age is in [40 TO *]\n"
        "    [no]  may: any field has a word like x*, counted 2 times"
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("*", "anything"),
        ("-a", "nothing, since nothing is asked for"),
        ("+a b", "all that must"),
        ("a:*", "value.a has a value"),
        ("a:`b`", "value.a is exactly 'b'"),
        ('"a b"~2', "any field has the words 'a b' together, up to 2 moves apart"),
        ("a:/b.*/", "value.a has a word that fits /b.*/"),
        ("a:b~1", "value.a has a word within 1 edit of 'b'"),
        ("a:NEAR:{lat:1 lon:2.5 dist:3km}", "value.a is within 3km of 1, 2.5"),
        ("a:IN:{north:1 east:2 south:-1 west:-2}", "value.a is between -1, -2 and 1, 2"),
    ],
)
def test_nodes_in_words(query: str, text: str):
    assert explain(parse(query)).text == text


def test_what_makes_a_score_is_shown_where_it_arises():
    query = parse("(name:ada^2 age:36)^3 OR (name:ada AND name:zed) -name:nobody")
    leaves = scored(query, ADA)
    assert [render(leaf) for leaf in leaves] == ["name:ada^6", "age:36^3"]
    contributions = {leaf: Contribution(number + 0.5, 3, 9) for number, leaf in enumerate(leaves)}
    assert str(explain(query, ADA, contributions)) == (
        "[yes] any of these = 2.0000\n"
        "  [yes] may: any of these, counted 3 times = 2.0000\n"
        "    [yes] may: value.name has a word of 'ada', counted 2 times = 0.5000 (1 of 1 words, in 3 of 9)\n"
        "    [yes] may: value.age has a word of '36' = 1.5000 (in 3 of 9)\n"
        "  [no]  may: all that must\n"
        "    [yes] must: value.name has a word of 'ada'\n"
        "    [no]  must: value.name has a word of 'zed'\n"
        "  [no]  must not: value.name has a word of 'nobody'"
    )


@given(any_trees())
def test_an_explanation_ends_where_the_evaluator_does(tree: Node):
    explanation = explain(tree, ADA)
    assert explanation.matches is matches(tree, ADA)
    assert explain(tree).matches is None
    assert str(explanation)
