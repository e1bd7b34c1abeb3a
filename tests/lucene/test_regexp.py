"""Lucene's regular expressions, against Python's where the two languages are the same."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.errors import InvalidQuery
from orcodm.lucene.regexp import MAX_NODES, regexp, size

from ..strategies import regexps

TABLE = [
    ("", ["", "!a"]),
    ("a", ["a", "!", "!aa", "!b"]),
    ("JO[A-Z]n", ["john", "!jo1n"]),
    ("a.c", ["abc", "a\nc", "a😀c", "!ac"]),
    ("a(b|c)*d?", ["a", "abcb", "acd", "!add"]),
    ("a+b{2}c{1,2}d{2,}", ["abbcdd", "aabbccdddd", "!abcdd", "!abbcccdd", "!abbcd"]),
    ("(ab){0,2}", ["", "ab", "abab", "!ababab"]),
    ("(a?){3}b", ["b", "aaab", "!aaaab"]),
    ("[^a-c]x", ["dx", "!ax"]),
    ("[a\\-c]", ["a", "-", "c", "!b"]),
    ("\\d+\\s\\w", ["12 a", "!a a"]),
    ("[\\d_]+\\D", ["1_2x", "!123"]),
    ("\\.\\\\\\*", [".\\*", "!a\\*"]),
    ("~(ab)", ["", "a", "abc", "!ab"]),
    ("~~a", ["a", "!b"]),
    ("a~(.*b.*)c", ["ac", "axxc", "!axbc"]),
    ("a.*&.*b", ["ab", "axb", "!a", "!b"]),
    ("~(~(.*a.*)&~(.*b.*))", ["a", "xb", "!x"]),
    ("@", ["", "abc"]),
    ("a@b", ["ab", "axxb", "!a"]),
    ("a|#", ["a", "!", "!#"]),
    ("a#", ["!a", "!a#"]),
    ('"a.*"b', ["a.*b", "!axb"]),
    ("()", ["", "!a"]),
    ("a()b", ["ab"]),
    ("<1-31>", ["1", "31", "007", "!0", "!32", "!", "!1a"]),
    ("<01-31>", ["01", "31", "!1", "!001", "!32"]),
    ("<31-1>x", ["5x"]),
    ("*a", ["*a", "!a"]),
    ("a||b", ["a", "|b", "!b"]),
    ("[]]", ["]"]),
    ("[a", None),
    ("[b-a]", None),
    ("(a", None),
    ("a)", None),
    ("a|", None),
    ("a\\", None),
    ("\\x", None),
    ("a{", None),
    ("a{x}", None),
    ("a{2,1}", None),
    ("a{9999999}", None),
    ('"a', None),
    ("<a>", None),
    ("<1-2", None),
    ("(" * 60 + "a" + ")" * 60, None),
    ("((((a{0,99}){0,99}){0,99}){0,99}){0,9999}", None),
    ("a++++", ["a", "aa", "!", "!b"]),
    ("(ab)+*?+", ["", "abab", "!aba"]),
    ("a??b", ["b", "ab", "!aab"]),
    ("(a*){2,3}b", ["b", "aaaab"]),
    ("(a*){0}b", ["b", "!ab"]),
    ("(a|()){2}b", ["b", "ab", "aab", "!aaab"]),
    ("(a*b?)*c", ["c", "aabbac", "!ca"]),
    ("a*a*a", ["a", "aaa", "!"]),
    ("(a+){2}", ["aa", "aaa", "!a"]),
]


@pytest.mark.parametrize(("pattern", "tokens"), TABLE)
def test_a_pattern_matches_these_and_not_those(pattern: str, tokens: list[str] | None):
    if tokens is None:
        with pytest.raises(InvalidQuery, match="In the regular expression"):
            regexp(pattern)
    else:
        matches = regexp(pattern)
        assert [token for token in tokens if matches(token.removeprefix("!")) is token.startswith("!")] == []


def test_case_counts_where_it_is_kept():
    assert regexp("Ad[A-Z]", lower=False)("AdA")
    assert not regexp("Ad[A-Z]", lower=False)("ada")


PLAIN = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]"]),
    lambda inner: (
        st.builds("{}{}".format, inner, inner)
        | st.builds("({}|{})".format, inner, inner)
        | st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}"]))
    ),
    max_leaves=6,
)
TOKENS = st.text(alphabet="abc", max_size=6)


@given(PLAIN, TOKENS)
def test_plain_patterns_match_as_in_python(pattern: str, token: str):
    assert regexp(pattern)(token) == bool(re.fullmatch(pattern, token, re.DOTALL))


@given(regexps(), regexps(), st.text(alphabet="adl1é", max_size=5))
def test_operators_are_logic(one: str, two: str, token: str):
    a, b = regexp(one)(token), regexp(two)(token)
    assert regexp(f"({one})|({two})")(token) == (a or b)
    assert regexp(f"({one})&({two})")(token) == (a and b)
    assert regexp(f"~({one})")(token) == (not a)


@given(st.text(alphabet='ab\\()[]{}|&~<>#@"*+?.-^1,2', max_size=12), st.text(max_size=4))
def test_any_text_is_a_pattern_or_an_error(pattern: str, token: str):
    try:
        matches = regexp(pattern)
    except InvalidQuery as error:
        position = error.position
    else:
        position = 0
        assert matches(token) in (True, False)
    assert position in range(len(pattern) + 1)


@pytest.mark.parametrize(
    ("pattern", "token"),
    [
        ("(a*)*b", "a" * 5000),
        ("(a|aa)+c", "a" * 5000),
        ("(a?){200}a{200}", "a" * 399),
        ("(.*a.{200}){2}", "ab" * 1000),
        ("(~(a.*b))*c", "ab" * 120),
        ("((.*a.*)&(.*b.*)&~(.*c.*))*d", "ab" * 100),
    ],
)
def test_no_pattern_takes_more_than_linear_time(pattern: str, token: str):
    regexp(pattern)(token)  # for ever, were it to backtrack


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless")
def test_threads_share_an_automaton():
    tokens = ["".join(random.Random(seed).choices("ab", k=12)) for seed in range(200)]
    python = re.compile("(a|b)*a(a|b){6}")
    expected = [python.fullmatch(token) is not None for token in tokens]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(40):
            matches = regexp("(a|b)*a(a|b){6}")
            for answers in threads.map(lambda _, test=matches: list(map(test, tokens)), range(4)):
                assert answers == expected


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a" + "+" * 5_000, 10),
        ("(" * 45 + "a" + ")+" * 45, 10),
        ("(" * 40 + "a" + "+b)+" * 40, 200),
        ("a*" * 5_000 + "b", 10),
    ],
)
def test_what_says_nothing_new_adds_nothing(pattern: str, parts: int):
    assert size(pattern) <= parts


@pytest.mark.parametrize(
    "pattern",
    [
        "((((a|b){1,9}|b){1,9}|b){1,9}|b){1,9}",
        "(" * 45 + "ab" + "){2}" * 45,
        "(" * 45 + "ab" + "){2,}" * 45,
        "(" * 45 + "a|b" + "){0,3}" * 45,
        "(~" * 45 + "(ab){9}" + "){9}" * 45,
        f"(a|b){{{MAX_NODES // 4}}}(a|b){{{MAX_NODES // 4}}}",
    ],
)
def test_parts_are_counted_as_they_are_written_out(pattern: str):
    with pytest.raises(InvalidQuery, match="at most 10,000 parts"):
        size(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(" + "a?b?c?d?" * 600 + ")*e", "a*b*" * 2_000 + "c", ".?" * 3_000 + "b", "(.*a.{200}){20}"],
)
def test_a_token_takes_a_moment_or_is_too_much(pattern: str):
    with suppress(InvalidQuery):
        assert regexp(pattern)("abcd" * 60 + "x") in (True, False)
