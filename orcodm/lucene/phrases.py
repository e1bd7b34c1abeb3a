"""Whether the words of a phrase stand together in a list of tokens, as Lucene's sloppy phrases do.

Take for each word of the phrase one of its positions in the tokens, less its place in the phrase. The words
stand in order, side by side, when these differences are equal; the slop is how far the largest may be from
the smallest. So one word in between costs 1, and two words in the wrong order cost 2. A word that is twice
in the phrase needs two positions.

A text may have a million tokens and a phrase ten thousand words, so both tests only ever go forward.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

from .effort import check

SHORT: Final = 16
"""A phrase of so many words is compared at each place where its first word is."""
BETWEEN: Final = 1_000
"""After so many steps it is looked at whether there is still time."""


def phrase(words: list[str], slop: int) -> Callable[[list[str]], bool]:
    """The test for a phrase of at least two words on the tokens of one text."""
    if slop:
        return _Sloppy(words, slop).found
    return lambda tokens: next(together(tokens, words), None) is not None


def together(tokens: list[str], words: list[str]) -> Iterator[int]:
    """Where in the tokens the words stand side by side."""
    return _compared(tokens, words) if len(words) <= SHORT else _searched(tokens, words)


def _compared(tokens: list[str], words: list[str]) -> Iterator[int]:
    first, length = words[0], len(words)
    last = len(tokens) - length
    start = -1
    while start < last:
        try:
            start = tokens.index(first, start + 1, last + 1)
        except ValueError:
            return
        if tokens[start : start + length] == words:
            yield start


def _searched(tokens: list[str], words: list[str]) -> Iterator[int]:
    """As one string in another, which takes time in proportion to the longer one. No token has a space."""
    text, wanted = f" {' '.join(tokens)} ", f" {' '.join(words)} "
    position, start = -1, 0
    counted = 0
    while (position := text.find(wanted, position + 1)) >= 0:
        start += text.count(" ", counted, position)
        counted = position
        check()
        yield start


class _Sloppy:
    def __init__(self, words: list[str], slop: int) -> None:
        self._slop = slop
        self._places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            self._places.setdefault(word, []).append(place)
        self._earliest = -len(words)

    def found(self, tokens: list[str]) -> bool:
        check()
        positions: dict[str, list[int]] = {word: [] for word in self._places}
        for position, token in enumerate(tokens):
            if token in positions:
                positions[token].append(position)
        words = [_Word(places, positions[word], self._slop) for word, places in self._places.items()]
        # The least difference that all words agree to; each says how far it must be raised for its sake.
        start: int | None = self._earliest
        agreed = steps = 0
        while start is not None:
            if (steps := steps + 1) % BETWEEN == 0:
                check()
            word = words[steps % len(words)]
            least = word.least(start)
            agreed = agreed + 1 if least == start else 0
            if agreed == len(words):
                return True
            start = least
        return False


class _Word:
    """A word of the phrase: its places in it, and its positions in a text."""

    def __init__(self, places: list[int], positions: list[int], slop: int) -> None:
        self._places = places
        self._positions = positions
        self._slop = slop
        self._missed = (0, 0)
        """From which place on the positions followed each other until one was too far away."""

    def least(self, start: int) -> int | None:
        """The least difference from `start` on at which this word may have positions for all its places.

        Each place needs a position of its own with a difference from there to `slop` further. Places ascend,
        and so do their windows, which are equally wide: the first free position is never the wrong one to
        take. It only moves forward as the start does, so one that is too far away says where to go on.
        """
        places, positions, slop = self._places, self._positions, self._slop
        first, last = self._missed  # most likely too far away again
        if last:
            free = bisect_left(positions, start + places[first]) + last - first
            if free >= len(positions):
                return None
            if positions[free] > start + places[last] + slop:
                return positions[free] - places[last] - slop
        free = first = 0
        for number, place in enumerate(places):
            if number % BETWEEN == BETWEEN - 1:
                check()
            at = bisect_left(positions, start + place, free)
            if at > free:
                first = number
            free = at
            if free == len(positions):
                return None
            if positions[free] > start + place + slop:
                self._missed = first, number
                return positions[free] - place - slop
            free += 1
        return start
