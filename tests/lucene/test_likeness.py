"""Queries for what is alike."""

from __future__ import annotations

from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import matches
from orcodm.lucene.likeness import more_like
from orcodm.lucene.renderer import render

TEXTS = ["the analytical engine", "the difference engine", "the the the house", "an engine", "a rare zebra"]
ENTRIES = [entry("item", {}, {"text": text, "year": 1833}) for text in TEXTS]


def frequency(field: str | None, word: str) -> int:
    return sum(word in each.words(field) for each in ENTRIES)


def test_rare_words_count_more_and_unique_ones_are_left_out():
    query = more_like(ENTRIES[2], 5, frequency, least_documents=1)
    assert render(query) == "value.text:the^1 OR value.text:house^0.8573"
    assert render(more_like(ENTRIES[0], 5, frequency)) == "value.text:engine^1 OR value.text:the^1"
    assert render(more_like(ENTRIES[0], 5, frequency, most=1)) == "value.text:engine^1"


def test_what_is_alike_matches():
    query = more_like(ENTRIES[0], 5, frequency, fields=["text"])
    assert [matches(query, each) for each in ENTRIES] == [True, True, True, True, False]


def test_without_words_in_common_nothing_is_alike():
    query = more_like(ENTRIES[4], 5, frequency)
    assert not any(matches(query, each) for each in ENTRIES)
    assert not query.clauses
