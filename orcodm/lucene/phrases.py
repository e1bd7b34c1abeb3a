"""Whether the words of a phrase stand together in a list of tokens, as Lucene's sloppy phrases do.

Take for each word of the phrase one of its positions in the tokens, less its place in the phrase. The words
stand in order, side by side, when these differences are equal; the slop is how far the largest may be from
the smallest. So one word in between costs 1, and two words in the wrong order cost 2. A word that is twice
in the phrase needs two positions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence


def phrase(words: Sequence[str], slop: int) -> Callable[[Sequence[str]], bool]:
    """The test for a phrase of at least two words on the tokens of one text."""
    return _exact(list(words)) if slop == 0 else _sloppy(words, slop)


def _exact(words: list[str]) -> Callable[[Sequence[str]], bool]:
    first, length = words[0], len(words)

    def found(tokens: Sequence[str]) -> bool:
        last = len(tokens) - length
        start = -1
        while start < last:
            try:
                start = tokens.index(first, start + 1, last + 1)
            except ValueError:
                return False
            if tokens[start : start + length] == words:
                return True
        return False

    return found


def _sloppy(words: Sequence[str], slop: int) -> Callable[[Sequence[str]], bool]:
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        places.setdefault(word, []).append(place)

    def found(tokens: Sequence[str]) -> bool:
        positions: dict[str, list[int]] = {word: [] for word in places}
        for position, token in enumerate(tokens):
            if token in positions:
                positions[token].append(position)
        if any(len(positions[word]) < len(places[word]) for word in places):
            return False
        starts = {at - place for word in places for place in places[word] for at in positions[word]}
        return any(
            all(_fits(places[word], positions[word], start, slop) for word in places) for start in starts
        )

    return found


def _fits(places: list[int], positions: list[int], start: int, slop: int) -> bool:
    """Whether each place of a word finds a position of its own with a difference from start to start + slop.

    Places ascend and so do their windows, which are equally wide: the first free position is never the
    wrong one to take.
    """
    free = 0
    for place in places:
        free = bisect_left(positions, start + place, free)
        if free == len(positions) or positions[free] > start + place + slop:
            return False
        free += 1
    return True
