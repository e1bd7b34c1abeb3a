"""Relevance of documents that the index does not have, comparable to what Tantivy would say.

BM25 with Tantivy's constants, over the words of the query's positive leaves. How often a word occurs at all
is asked of the index where there is one, else counted among the documents at hand. Leaves that are not
words (ranges, verbatim terms, patterns) count 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, TypeAlias

from attrs import frozen

from ...lucene.analysis import analyze
from ...lucene.effort import check
from ...lucene.entries import Entry, field_name
from ...lucene.tree import Boolean, Boost, Leaf, Node, Occur, Phrase, Term

K1: Final = 1.2
B: Final = 0.75
FEW: Final = 8
"""Of so many words the occurrences are quicker counted one by one."""
SAMPLE: Final = 50
"""How many documents say what an average length is."""

Length: TypeAlias = Callable[[str | None], float]
"""How many words a field (None: all together) has on average."""
Frequency: TypeAlias = Callable[[str | None, str], int]
"""In how many documents a field (None: any) has a word."""


@frozen
class Corpus:
    """What BM25 needs to know of all documents."""

    documents: int
    length: Length
    frequency: Frequency


def corpus(entries: Sequence[Entry]) -> Corpus:
    """The documents at hand, where there are no others."""

    @cache  # every match asks for the same few words
    def frequency(field: str | None, word: str) -> int:
        check()
        return sum(word in entry.words(field) for entry in entries)

    @cache
    def length(field: str | None) -> float:
        lengths = [_length(entry, field) for entry in entries[:SAMPLE]]
        return sum(lengths) / len(lengths) if any(lengths) else 1.0

    return Corpus(len(entries), length, frequency)


@frozen
class _Weighted:
    """A leaf of the query: when it counts, how much, and which words make the score (none: a constant)."""

    matches: Callable[[Entry], bool]
    boost: float
    field: str | None
    words: tuple[str, ...]

    def score(self, entry: Entry, corpus: Callable[[], Corpus]) -> float:
        if not self.matches(entry):
            return 0.0
        found = _occurrences(entry, self.field, self.words)
        length = _length(entry, self.field) if found else 0
        relevance = sum(_bm25(count, length, self.field, word, corpus()) for word, count in found)
        # A number that equals a term has no words, and counts like any exact value.
        return self.boost * (relevance or 1.0)


@frozen
class _Group:
    """Several of them, which count where a part of the query matches."""

    matches: Callable[[Entry], bool]
    parts: tuple[_Weighted | _Group, ...]

    def score(self, entry: Entry, corpus: Callable[[], Corpus]) -> float:
        check()
        return sum(part.score(entry, corpus) for part in self.parts) if self.matches(entry) else 0.0


class Scorer:
    """Scores entries that match a query. `compile_part` makes the test of whether a node matches."""

    def __init__(self, tree: Node, compile_part: Callable[[Node], Callable[[Entry], bool]]) -> None:
        self._compile = compile_part
        self._parts = tuple(self._positive(tree, 1.0))

    def score(self, entry: Entry, corpus: Callable[[], Corpus]) -> float:
        """The relevance of an entry that matches; only words need the corpus."""
        return sum(part.score(entry, corpus) for part in self._parts)

    def _positive(self, node: Node, boost: float) -> Iterator[_Weighted | _Group]:
        """What can count, in the groups that have to match for it."""
        match node:
            case Boolean(clauses=clauses):
                for clause in clauses:
                    if clause.occur is Occur.SHOULD and isinstance(clause.node, Boolean | Boost):
                        parts = tuple(self._positive(clause.node, boost))
                        yield _Group(self._compile(clause.node), parts)
                    elif clause.occur is not Occur.MUST_NOT:
                        yield from self._positive(clause.node, boost)
            case Boost(node=inner, factor=factor):
                yield from self._positive(inner, boost * factor)
            case leaf:
                yield _Weighted(self._compile(leaf), boost, *_words(leaf))


def _words(leaf: Leaf) -> tuple[str | None, tuple[str, ...]]:
    if isinstance(leaf, Term | Phrase) and not (leaf.field or "").startswith("@"):
        return field_name(leaf.field), tuple(analyze(leaf.text))
    return None, ()


def _occurrences(entry: Entry, field: str | None, words: Sequence[str]) -> Sequence[tuple[str, int]]:
    """How often each of the words that an entry has is in a field (None: in all of them)."""
    if not words:
        return ()
    fields = entry.leaves if field is None else (field,)
    texts = [tokens for name in fields for tokens in entry.tokens(name)]
    if len(words) <= FEW:
        counts = [(word, sum(tokens.count(word) for tokens in texts)) for word in words]
    else:
        counted = Counter(token for tokens in texts for token in tokens)
        counts = [(word, counted[word]) for word in words]
    return [pair for pair in counts if pair[1]]


def _length(entry: Entry, field: str | None) -> int:
    fields = entry.leaves if field is None else (field,)
    return sum(len(tokens) for name in fields for tokens in entry.tokens(name))


def _bm25(count: int, length: int, field: str | None, word: str, corpus: Corpus) -> float:
    # A document that the index lacks may have a word that no indexed one has, or more than it counts.
    frequency = corpus.frequency(field, word)
    documents = max(corpus.documents, frequency, 1)
    rarity = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
    norm = K1 * (1 - B + B * length / corpus.length(field))
    return rarity * (K1 + 1) * count / (count + norm)
