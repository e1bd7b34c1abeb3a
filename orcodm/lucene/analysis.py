"""Texts to tokens, as Lucene's StandardAnalyzer makes them: one analyser for index and evaluator.

Words by UAX #29 with Lucene's additions: Han and Hiragana character by character; Thai, Lao, Khmer and
their neighbours as whole runs (nobody finds their words without a dictionary); emoji sequences as tokens.
Lower case by code point, no stop words, tokens longer than 255 UTF-16 units cut there.

Lucene has a scanner that takes the longest match. Here a text is first translated to classes, one ASCII
letter for each character (see `_wordbreak`), and one regular expression finds the tokens among these. Its
quantifiers are possessive: it is linear, and its first match is the longest. Texts in ASCII, which is
nearly all of them, need neither step.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, cached_property
from itertools import islice
from typing import Final

from ._wordbreak import RANGES
from .effort import check

MAX_TOKEN_LENGTH = 255
"""In UTF-16 units, since that is what Lucene counts."""

# Letters join over . ' : and digits over . , ; ' but only where the same stands on both sides. The character
# is looked at first: most often it is a space, and nothing joins.
_JOINED = r"[.':](?<=[a-z].)(?=[a-z])\w++|[.,;'](?<=[0-9].)(?=[0-9])\w++"
_ASCII = re.compile(rf"\w++(?:{_JOINED})*+", re.ASCII).findall


def analyze(text: str) -> list[str]:
    """The tokens of a text, in their order. Repeated ones repeat; a text without words has none."""
    if text.isascii():
        tokens: list[str] = _ASCII(text.lower())
        if len(text) <= MAX_TOKEN_LENGTH or max(map(len, tokens), default=0) <= MAX_TOKEN_LENGTH:
            # Underscores join words but are none.
            return [token for token in tokens if token.strip("_")] if "_" in text else tokens
    lowered = lower(text)
    return [lowered[start:end] for start, end in spans(text)]


def spans(text: str) -> list[tuple[int, int]]:
    """Where each token stands in the text, as (start, end)."""
    classes = text.translate(_CLASSES)
    if _LONG_JOINERS in classes:
        # A token has joiners of one end of a run at most; a look from each to a word would take its square.
        classes = _RUN_OF_JOINERS.sub(_hollow, classes)
    found: list[tuple[int, int]] = []
    for start, end in _pieces(classes):
        matches = _TOKEN.finditer(classes, start, end)
        while some := [match.span() for match in islice(matches, _PIECE)]:
            found += some
            check()
    # An astral character has two units, so from half of the length on a token may be too long.
    half = MAX_TOKEN_LENGTH // 2
    if "e" in classes or (len(text) > half and any(end - start > half for start, end in found)):
        return _exact_spans(text, classes)
    return found


def _pieces(classes: str) -> Iterator[tuple[int, int]]:
    """Parts of a text that no token goes beyond."""
    start, length = 0, len(classes)
    while length - start > _PIECE:
        end = classes.find(" ", start + _PIECE)
        if end < 0:
            break
        yield start, end
        start = end
    yield start, length


_PIECE: Final = 20_000
_LONG_JOINERS: Final = "_" * (2 * MAX_TOKEN_LENGTH + 1)
_RUN_OF_JOINERS: Final = re.compile(_LONG_JOINERS + "_*+")


def _hollow(run: re.Match[str]) -> str:
    end = "_" * MAX_TOKEN_LENGTH
    return end + " " * (len(run[0]) - 2 * MAX_TOKEN_LENGTH) + end


def lower(text: str) -> str:
    """Lower case code point by code point, as Java does it: no final sigma, no dot above the i."""
    if text.isascii():
        return text.lower()
    return text.replace("Σ", "σ").replace("İ", "i").lower()


def cases(letter: str) -> str:
    """The characters that become this one in lower case, itself among them."""
    return _cases().get(letter, letter)


@cache
def _cases() -> dict[str, str]:
    found: dict[str, str] = {}
    for character in map(chr, range(_CASED)):
        if (lowered := lower(character)) != character:
            found[lowered] = found.get(lowered, lowered) + character
    return found


_CASED: Final = 0x20000
"""From here on Unicode has no letters in two cases."""

normalize = lower
"""What becomes of patterns and fuzzy terms, which are not cut into tokens."""


# -- classes of characters -------------------------------------------------------------------------


class _Classes(dict[int, str]):
    """From a code point to its class, a space where it is in none; filled as characters are met."""

    @cached_property
    def _runs(self) -> list[tuple[int, int, str]]:
        runs = []
        for name, ranges in RANGES.items():
            for item in ranges.split():
                first, _, last = item.partition("-")
                runs.append((int(first, 16), int(last or first, 16), name))
        return sorted(runs)

    def __missing__(self, point: int) -> str:
        position = bisect_right(self._runs, (point, 0x110000, "")) - 1
        first, last, name = self._runs[position] if position >= 0 else (0, -1, "")
        self[point] = found = name if first <= point <= last else " "
        return found


_CLASSES = _Classes()


# -- the grammar, over classes ---------------------------------------------------------------------


def _word() -> str:
    """Words and numbers; the comments name the rules of UAX #29."""
    marks = "[mjstcgGfN]*+"  # 4: these cling to what stands before them
    letter, hebrew, digit, joiner = f"[ahe]{marks}", f"h{marks}", f"[01]{marks}", f"(?:_{marks})"
    between_letters, between_digits = f"[.':]{marks}", f"[.',]{marks}"
    piece = (
        f'(?>{hebrew}"{marks}{hebrew}'  # 7b, 7c
        f"|{hebrew}'{marks}"  # 7a
        f"|(?:[ae]++{marks}|{hebrew})(?:{between_letters}{letter})*+"  # 5, 6, 7
        f"|[01]++{marks}(?:{between_digits}{digit})*+)"  # 8, 11, 12
    )
    run = f"(?>(?:k{marks})++|(?:{piece})++)"  # 9, 10, 13
    # Bounded, since a run of joiners that no word follows would be scanned again from each of them.
    joiners = f"{joiner}{{,{MAX_TOKEN_LENGTH}}}+"
    # By far the most words are letters and then nothing that could go on, so these are tried first.
    others = f"a++(?![^ ,])|i{marks}|(?:[nN]{marks})++"
    return f"{others}|(?>{joiners}{run}(?:{joiner}++{run})*+{joiner}*+)"  # 13a, 13b


def _emoji() -> str:
    """The emoji sequences of UTS #51: joined, tagged, under a key cap, and flags."""
    # A joiner before another emoji is the joint; elsewhere it is a mark like others.
    marks = "(?:[mcgGfN]|j(?!j*+[pef]))*+"
    element = f"(?>j*+[pe]{marks}s?+|f{marks})"
    joint = f"(?:j{element}|(?<!s)j++f{marks})"
    key = "[#1][mjcfgGN]*s?c[mjcfgGN]*+"
    flag = "R[mjstcgGfN]*+"
    return f"(?>{element}(?:g++G|{joint}*+)|{key}|{flag}{flag})"


_EMOJI = re.compile(_emoji())
_TOKEN = re.compile(f"{_word()}|{_emoji()}")


# -- the rare cases --------------------------------------------------------------------------------

_WINDOW = 2 * MAX_TOKEN_LENGTH


def _exact_spans(text: str, classes: str) -> list[tuple[int, int]]:
    """The same as `spans`, where tokens are too long or start with what is letter and emoji at once."""
    found = []
    position = 0
    while position < len(text):
        check()
        match = _TOKEN.search(classes, position, position + _WINDOW)
        if match is None:
            position += _WINDOW - MAX_TOKEN_LENGTH  # any token from here on would have been seen
            continue
        start = match.start()
        limit = _limit(text, start)
        readings = (_TOKEN.match(classes, start, limit), _EMOJI.match(classes, start, limit))
        ends = [reading.end() for reading in readings if reading]
        position = max(ends, default=start + 1)
        if ends:
            found.append((start, position))
    return found


def _limit(text: str, start: int) -> int:
    """Where the longest slice from `start` ends that has no more than 255 UTF-16 units."""
    units = 0
    for index, character in enumerate(text[start : start + MAX_TOKEN_LENGTH], start):
        units += 2 if character > "\uffff" else 1
        if units > MAX_TOKEN_LENGTH:
            return index
    return start + MAX_TOKEN_LENGTH
