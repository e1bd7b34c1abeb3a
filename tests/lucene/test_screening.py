"""Screening a JSON text: never a no to what matches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import matches
from orcodm.lucene.parser import parse
from orcodm.lucene.screening import screen
from orcodm.lucene.tree import Node
from orcodm.values import encode

from ..strategies import documents, trees


@given(trees(), documents())
def test_what_matches_passes(tree: Node, value: Any) -> None:
    may_match = screen(tree, encode)
    if may_match is not None and matches(tree, entry("item", {"key": "a"}, value)):
        assert may_match(encode(value))


@pytest.mark.parametrize(
    ("query", "value", "passes"),
    [
        ("warm", {"a": "It is WARM"}, True),
        ("warm", {"a": "cold"}, False),
        ("warm", {"a": "kalt é"}, True),  # whatever is not ASCII is looked at
        ("a:warm", {"b": "warm"}, True),  # which field it is in does not show
        ('a:`Q "x" \\y`', {"a": 'Q "x" \\y'}, True),
        ('a:`Q "x" \\y`', {"a": "Q x y"}, False),
        ("warm cold", {"a": "cold"}, True),
        ("warm cold", {"a": "mild"}, False),
        ("+warm cold", {"a": "cold"}, False),
        ("warm AND n:[1 TO 2]", {"a": "cold", "n": 1}, False),
        ('"very warm"', {"a": "very"}, True),
        ('"very warm"', {"a": "a"}, False),
        ("-warm", {"a": "cold"}, True),
        ("warm^2", {"a": "cold"}, False),
        ("(warm OR n:1) AND cold", {"a": "mild"}, False),
        ("x", {"a": "\u212a"}, True),
        ("w?rm*", {"a": "It is WARM"}, True),
        ("Wa*m", {"a": "cold"}, False),
        (r"\war*", {"a": "warm"}, True),
        ("wa*", {"a": "cold"}, False),
        ("/war[a-m]+/", {"a": "WARM"}, True),
        ("/war[a-m]+/", {"a": "cold"}, False),
        ("/wx*arm/", {"a": "warm"}, True),
    ],
)
def test_what_is_sorted_out(query: str, value: Any, passes: bool) -> None:
    may_match = screen(parse(query), encode)
    assert (may_match is None or may_match(encode(value))) == passes


@pytest.mark.parametrize(
    "query",
    [
        "n:36",
        "n:`36.0`",
        "true",
        "warm OR n:1",
        "??",
        "/.*wa/",
        "/w?x/",
        "/wa|x/",
        "*:*",
        "@path.key:a",
        "@path.key:`a`",
    ],
)
def test_anything_may_match(query: str) -> None:
    assert screen(parse(query), encode) is None
