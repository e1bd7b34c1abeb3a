"""Texts and their tokens, in many scripts; the same as Lucene's (see test_against_lucene)."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.lucene.analysis import MAX_TOKEN_LENGTH, analyze, cases, lower, spans

TEXTS = [
    ("", []),
    ("... !?", []),
    ("The quick brown Fox", ["the", "quick", "brown", "fox"]),
    ("new-york rock'n'roll O'Neil's", ["new", "york", "rock'n'roll", "o'neil's"]),
    ("ada@example.com www.example.com", ["ada", "example.com", "www.example.com"]),
    ("3.5 1,000,000 12:30 v1.2 1.a a.1", ["3.5", "1,000,000", "12", "30", "v1.2", "1", "a", "a", "1"]),
    ("snake_case __init__ _ __", ["snake_case", "__init__"]),
    ("a:b C++ #tag", ["a:b", "c", "tag"]),
    ("Zürich ÅNGSTRÖM naïve", ["zürich", "ångström", "naïve"]),
    ("cafe\u0301 x", ["cafe\u0301", "x"]),
    ("İstanbul ΣΟΦΟΣ Straße", ["istanbul", "σοφοσ", "straße"]),
    ("Привет, мир", ["привет", "мир"]),
    ("שלום צה״ל ג'", ["שלום", "צה״ל", "ג'"]),
    ('צה"ל', ['צה"ל']),
    ("مرحبا بالعالم ١٢٣", ["مرحبا", "بالعالم", "١٢٣"]),
    ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ("สวัสดีชาวโลก ok", ["สวัสดีชาวโลก", "ok"]),
    ("ជំរាបសួរ", ["ជំរាបសួរ"]),
    ("東京都", ["東", "京", "都"]),
    ("ひらがな", ["ひ", "ら", "が", "な"]),
    ("カタカナ テスト", ["カタカナ", "テスト"]),
    ("한국어 텍스트", ["한국어", "텍스트"]),
    ("日本語text混在", ["日", "本", "語", "text", "混", "在"]),
    ("人々", ["人", "々"]),
    ("𠀀𠀁", ["𠀀", "𠀁"]),
    ("１２３ ＡＢＣ", ["１２３", "ａｂｃ"]),
    ("I ❤️ you 😀😀", ["i", "❤️", "you", "😀", "😀"]),
    ("👩‍👩‍👧 👍🏽", ["👩‍👩‍👧", "👍🏽"]),
    ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
    ("1️⃣ #️⃣", ["1️⃣", "#️⃣"]),
    ("zero\u200bwidth soft\u00adhyphen", ["zero", "width", "soft\u00adhyphen"]),
]


@pytest.mark.parametrize(("text", "tokens"), TEXTS)
def test_a_text_has_these_tokens(text: str, tokens: list[str]):
    assert analyze(text) == tokens


def test_long_tokens_are_cut():
    assert list(map(len, analyze("a" * 600))) == [MAX_TOKEN_LENGTH, MAX_TOKEN_LENGTH, 90]
    assert list(map(len, analyze("é" * 256))) == [MAX_TOKEN_LENGTH, 1]
    # An astral character is two UTF-16 units, and stays whole.
    assert list(map(len, analyze("𐐀" * 130))) == [127, 3]


@given(st.text(max_size=40))
def test_tokens_are_pieces_of_the_text_in_order(text: str):
    found = spans(text)
    assert [lower(text[start:end]) for start, end in found] == analyze(text)
    ends = [0, *(end for _, end in found)]
    assert all(before <= start < end for before, (start, end) in zip(ends, found, strict=False))


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_the_short_way_for_ascii_is_the_long_way(text: str):
    assert analyze(text) == [lower(text[start:end]) for start, end in spans(text)]


@given(st.text(alphabet="aא'\"_.1\u0301 東", max_size=30), st.text(max_size=10))
def test_tokens_are_stable(text: str, other: str):
    """Tokens are found again in themselves, and white space separates for good."""
    assert analyze(f"{text} {other}") == analyze(text) + analyze(other)


@pytest.mark.parametrize("text", ["a'" * 20_000, "é_" * 20_000, "_" * 20_000 + "é", "j\u200d🏽" * 10_000])
def test_no_text_takes_more_than_linear_time(text: str):
    analyze(text)  # hours, were it to backtrack


def test_every_letter_is_among_the_cases_of_its_lower_one() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        assert character in cases(lower(character))
    assert set(cases("k")) == {"k", "K", "\N{KELVIN SIGN}"}
