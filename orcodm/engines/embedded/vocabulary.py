"""Vocabularies: the words or the values of one field, in the order of the alphabet, with their counts.

The index finds documents by a word and cannot tell its words, so these are read from the data, once for each
field that is asked for, and kept in memory: the terms, and for every item which it has. Afterwards only what
was written since is read. A vocabulary can always be made again, so only a few are kept.
"""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest
from itertools import chain, islice
from typing import Final, TypeAlias

from ...lucene.analysis import lower
from ...lucene.entries import ROOT
from ...operations import LONGEST_TERM, TermCount
from ...values import decode
from .documents import ITEM, Stored, changes, latest, scan
from .store import Store
from .terms import analysed

KEPT: Final = 4
SEVERAL: Final = 100
"""So many new terms at once are sorted in, fewer are put in their places."""
REMEMBERED: Final = 1_000
"""So many answers are kept until something is written."""

Name: TypeAlias = tuple[str, str, bool]
Extract: TypeAlias = Callable[[Stored], list[str]]
"""From an item to the terms of a field, some perhaps repeated."""


class Vocabulary:
    """The terms of one field as of a sequence number."""

    def __init__(self, documents: Iterable[Stored], extract: Extract, upto: int) -> None:
        self._extract = extract
        self._same: dict[str, str] = {}
        self._held: dict[int, tuple[str, ...]] = {}
        self._asked: dict[tuple[str, int], list[TermCount]] = {}
        for stored in documents:
            if terms := extract(stored):
                self._held[stored.id] = self._distinct(terms)
        self._counts = Counter(chain.from_iterable(self._held.values()))
        self._sort()
        self.upto = upto

    def _distinct(self, terms: list[str]) -> tuple[str, ...]:
        """The terms, each once, and all the same object for the same text: there are many of a word."""
        same = self._same
        if len(terms) == 1:
            return (same.setdefault(terms[0], terms[0]),)
        return tuple({same.setdefault(term, term) for term in terms})

    def _sort(self) -> None:
        # Terms that nobody has any more stay until then.
        rows = sorted((lower(text), text) for text, count in self._counts.items() if count)
        self._counts = Counter({text: self._counts[text] for _, text in rows})
        self._same = {text: text for _, text in rows}
        self._lowered = [row[0] for row in rows]
        self._texts = [row[1] for row in rows]

    def apply(self, changed: Mapping[int, Stored | None]) -> None:
        """Work in what became of some items; None where one is gone."""
        added: list[str] = []
        for identity, stored in changed.items():
            self._counts.subtract(self._held.pop(identity, ()))
            terms = () if stored is None else self._distinct(self._extract(stored))
            if terms:
                self._held[identity] = terms
                added += [term for term in terms if term not in self._counts]
                self._counts.update(terms)
        if changed:
            self._asked.clear()
        if len(added) > SEVERAL:
            self._sort()
            return
        for text in dict.fromkeys(added):
            place = bisect_left(self._lowered, lower(text))
            while self._lowered[place : place + 1] == [lower(text)] and self._texts[place] < text:
                place += 1
            self._lowered.insert(place, lower(text))
            self._texts.insert(place, text)

    def suggest(self, prefix: str, limit: int) -> list[TermCount]:
        """The most frequent terms that begin with a text, case apart."""
        start = lower(prefix)
        if (known := self._asked.get((start, limit))) is None:
            if len(self._asked) >= REMEMBERED:
                self._asked.clear()
            known = self._asked[start, limit] = self._suggest(start, limit)
        return known

    def _suggest(self, start: str, limit: int) -> list[TermCount]:
        length = len(start)
        low = bisect_left(self._lowered, start)
        high = bisect_right(self._lowered, start, lo=low, key=lambda text: text[:length])
        texts = self._texts[low:high]
        counts = list(map(self._counts.__getitem__, texts))
        best = nlargest(limit, counts)
        if not best:
            return []
        # Of those with the count of the last place the first by the alphabet, without sorting the others.
        edge = max(best[-1], 1)
        above = [(-count, place) for place, count in enumerate(counts) if count > edge]
        tied = (place for place, count in enumerate(counts) if count == edge)
        places = [place for _, place in sorted(above)]
        places += islice(tied, limit - len(places))
        return [TermCount(texts[place], counts[place]) for place in places]


class Vocabularies:
    """The vocabularies of one engine, most recently used last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: dict[Name, Vocabulary] = {}

    def suggest(self, name: Name, prefix: str, limit: int) -> list[TermCount]:
        """The most frequent terms of a field that begin with a text, as of now."""
        with self._lock:
            with self._store.reading() as connection:
                vocabulary = self._current(connection, name)
            self._kept[name] = vocabulary
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
            return vocabulary.suggest(prefix, limit)

    def _current(self, connection: sqlite3.Connection, name: Name) -> Vocabulary:
        collection, field, whole = name
        last = latest(connection)
        vocabulary = self._kept.pop(name, None)
        if vocabulary is None or vocabulary.upto > last.sequence:
            documents = scan(connection, (ITEM,), collection)
            return Vocabulary(documents, _extractor(field, whole), last.sequence)
        changed = changes(connection, vocabulary.upto, last)
        vocabulary.apply(
            {
                identity: stored
                for identity, stored in changed.items()
                if stored is None or (stored.kind, stored.collection) == (ITEM, collection)
            }
        )
        vocabulary.upto = last.sequence
        return vocabulary


def _extractor(field: str, whole: bool) -> Extract:
    """How the terms of a field are found in an item."""
    strings = _strings(field)

    def values(stored: Stored) -> list[str]:
        return [text for text in strings(stored) if 0 < len(text) <= LONGEST_TERM]

    def words(stored: Stored) -> list[str]:
        found: list[str] = []
        for text in strings(stored):
            found += analysed(text).split()
        return found

    return values if whole else words


def _strings(field: str) -> Callable[[Stored], list[str]]:
    """How the strings of a field are found in an item."""
    root, _, member = field.partition(".")

    def anywhere(stored: Stored) -> list[str]:
        return [leaf for leaf in stored.entry().values(field) if type(leaf) is str]

    def at_the_top(stored: Stored) -> list[str]:
        # Which most fields are: so that not all of a document is flattened for one of them.
        value = decode(stored.text)
        found = value.get(member) if type(value) is dict else None
        if type(found) is str:
            return [found]
        return [] if found is None else anywhere(stored)

    return anywhere if root != ROOT or not member or "." in member else at_the_top
