"""Patterns that the index is asked for: for no less than what was meant, and at a cost that is limited."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.engines.embedded.automata import MAX_COST, Pattern, between, regexp, wildcard
from orcodm.lucene import patterns
from orcodm.lucene.regexp import regexp as matcher
from orcodm.lucene.tree import Wildcard

from ...strategies import examples, regexps

TEXTS = st.text("abdl1é\n", max_size=6)


def fits(pattern: Pattern, text: str) -> bool:
    in_python = re.sub(r"\\x\{([0-9a-f]+)\}", lambda code: f"\\U{int(code[1], 16):08x}", pattern.text)
    return re.fullmatch(in_python, text) is not None


@examples(300)
@given(regexps(), st.lists(TEXTS, max_size=5))
def test_a_regular_expression_of_the_index_is_for_all_that_is_meant(text: str, tokens: list[str]):
    pattern, matches = regexp(text, lower=True), matcher(text)
    for token in tokens:
        assert fits(pattern, token) >= matches(token)
        if pattern.exact:
            assert fits(pattern, token) == matches(token)


@given(st.text("abdl1é*?\\", max_size=6), st.lists(TEXTS, max_size=5))
def test_so_is_a_wildcard(text: str, tokens: list[str]):
    text = Wildcard(text).pattern
    pattern, matches = wildcard(text), patterns.wildcard(text)
    for token in tokens:
        assert fits(pattern, token) >= matches(token)
        if pattern.exact:
            assert fits(pattern, token) == matches(token)


BOUNDS = (
    st.none()
    | st.text("abc", max_size=4).map(lambda text: "b" * 10 + text)
    | st.text("ab\ud7ff", max_size=14)
)


@examples(300)
@given(BOUNDS, BOUNDS, st.booleans(), st.booleans(), st.sampled_from([None, 11, 5]), st.lists(BOUNDS))
def test_so_is_a_range(
    lower: str | None,
    upper: str | None,
    with_lower: bool,
    with_upper: bool,
    longest: int | None,
    texts: list[str | None],
):
    pattern = between(lower, upper, with_lower=with_lower, with_upper=with_upper, longest=longest)
    for text in [*texts, lower, upper]:
        if text is None:
            continue
        inside = (lower is None or lower < text or (with_lower and lower == text)) and (
            upper is None or text < upper or (with_upper and upper == text)
        )
        found = pattern is not None and fits(pattern, text)
        assert found >= inside
        if pattern is None or pattern.exact:
            assert found == inside


@pytest.mark.parametrize(
    "pattern",
    [
        "a" + "+" * 22,
        "(" * 45 + "a" + "+b)+" * 45,
        "(" + "a?b?c?d?" * 600 + ")*e",
        ".?" * 200,
        "x.*" + "a.{20}" * 9,
        "(a|b)*a(a|b){12}",
        "a{0,2000}",
        "[^a-c]{300}",
        "abcde" * 1_000,
        "~(a.*)" * 300,
    ],
)
def test_a_pattern_is_written_up_to_a_cost(pattern: str):
    start = time.perf_counter()
    found = regexp(pattern, lower=True)
    assert found.cost <= MAX_COST
    assert len(found.text) < 20_000
    assert time.perf_counter() - start < 2  # a tenth of it where nothing else runs


def test_what_is_left_open_begins_as_it_is_written():
    found = regexp("ab" + "(.?" * 20 + ")?" * 20 + ".*a.{99}", lower=True)
    assert (found.text, found.exact) == ("ab(?s:.)*", False)
