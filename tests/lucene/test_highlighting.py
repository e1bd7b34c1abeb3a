"""Marks around what a query found."""

from __future__ import annotations

import html

import pytest
from hypothesis import given

from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import matches
from orcodm.lucene.highlighting import Highlight, highlight
from orcodm.lucene.parser import parse
from orcodm.lucene.tree import Fuzzy, Node, Term, Wildcard

from ..strategies import FIELDS, trees

ADA = entry(
    "item",
    {"key": "ada"},
    {
        "name": "Ada King, Countess of Lovelace",
        "tags": ["the Analytical Engine", "ADA", 36],
        "jp": "東京都",
    },
)


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("ada", ["[Ada] King, Countess of Lovelace", "[ADA]"]),
        ("tags:ada", ["[ADA]"]),
        ("name:(king lovelase~)", ["Ada [King], Countess of [Lovelace]"]),
        ("name:(king AND nobody)", ["Ada [King], Countess of Lovelace"]),
        ("name:ada -king", ["[Ada] King, Countess of Lovelace"]),
        ('"analytical engine"', ["the [Analytical] [Engine]"]),
        ('"engine analytical"~2^2', ["the [Analytical] [Engine]"]),
        ('"engine analytical"', []),
        ('"engine"', ["the Analytical [Engine]"]),
        ("name:(k* OR /c.*/)", ["Ada [King], [Countess] of Lovelace"]),
        ("`ADA`", ["[ADA]"]),
        ("`ADA` ada", ["[Ada] King, Countess of Lovelace", "[ADA]"]),
        ("東", ["[東]京都"]),
        ("36 @path.key:ada name:[a TO b] tags:* *", []),
    ],
)
def test_what_was_found_is_marked(query: str, marked: list[str]):
    assert [found.marked("[", "]") for found in highlight(parse(query), ADA)] == marked


def test_a_passage_begins_before_the_first_mark():
    text = "one two three four five six seven eight nine ten"
    found = highlight(parse("five OR ten"), entry("item", {}, {"text": text}))
    assert found == [Highlight("value.text", text, ((19, 23), (45, 48)))]
    assert found[0].marked("<", ">", width=12) == "…four <five> six…"
    assert found[0].marked("<", ">", width=100) == "one two three four <five> six seven eight nine <ten>"


def test_passages_do_not_overlap_and_are_as_many_as_asked():
    text = " ".join(f"word{number}" if number % 10 else "engine" for number in range(60))
    (found,) = highlight(parse("engine"), entry("item", {}, {"text": text}))
    passages = found.fragments("<", ">", width=30, most=3)
    assert len(passages) == 3
    for passage in passages:
        assert passage.count("<engine>") == 1
        assert passage.replace("<", "").replace(">", "").strip("…") in text
    assert passages[0].startswith("<engine> word1")
    assert len(found.fragments(width=30, most=99)) == 6
    assert "".join(found.fragments("", "", width=len(text))) == text


def test_scripts_without_white_space_are_cut_anywhere():
    text = "東京都の" * 100 + "寿司" + "京都の" * 100
    (found,) = highlight(parse("`x` OR text:寿"), entry("item", {}, {"text": text}))
    (passage,) = found.fragments("<", ">", width=20)
    assert 20 <= len(passage) <= 30
    assert "<寿>司" in passage


def test_only_the_text_is_escaped():
    (found,) = highlight(parse("b"), entry("item", {}, {"text": "a & <b> & c"}))
    assert found.marked("<i>", "</i>", escape=html.escape) == "a &amp; &lt;<i>b</i>&gt; &amp; c"


@given(trees(FIELDS[:4], ("ada", "love", "engine"), max_leaves=1))
def test_what_a_word_matches_it_marks(tree: Node):
    texts = {"name": "Ada loves engines", "tags": ["love", "engine"]}
    if isinstance(tree, Term | Wildcard | Fuzzy):
        found = entry("item", {}, texts)
        assert bool(highlight(tree, found)) is matches(tree, found)
