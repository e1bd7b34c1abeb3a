"""Relevance of documents that the index does not have, comparable to what Tantivy would say.

BM25 with Tantivy's constants, over the words of the query's positive leaves. How often a word occurs at all
is asked of the index where there is one, else counted among the documents at hand. Leaves that are not
words (ranges, verbatim terms, patterns) count 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, TypeAlias

from attrs import frozen

from ...lucene.analysis import analyze
from ...lucene.entries import Entry, field_name
from ...lucene.tree import Boolean, Boost, Leaf, Node, Occur, Phrase, Term

K1: Final = 1.2
B: Final = 0.75
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


class Scorer:
    """Scores entries that match a query. `compile_leaf` makes the test of whether a leaf matches."""

    def __init__(self, tree: Node, compile_leaf: Callable[[Node], Callable[[Entry], bool]]) -> None:
        self._leaves = [
            _Weighted(_every([*map(compile_leaf, groups), compile_leaf(leaf)]), boost, *_words(leaf))
            for leaf, boost, groups in _positive(tree, 1.0, ())
        ]

    def score(self, entry: Entry, corpus: Callable[[], Corpus]) -> float:
        """The relevance of an entry that matches; only words need the corpus."""
        total = 0.0
        for leaf in self._leaves:
            if not leaf.matches(entry):
                continue
            relevance = 0.0
            for word in leaf.words:
                if count := _count(entry, leaf.field, word):
                    relevance += _bm25(count, entry, leaf.field, word, corpus())
            # A number that equals a term has no words, and counts like any exact value.
            total += leaf.boost * (relevance or 1.0)
        return total


def _positive(
    node: Node, boost: float, groups: tuple[Node, ...]
) -> Iterator[tuple[Leaf, float, tuple[Node, ...]]]:
    """The leaves that can count, each with its boost and the groups that have to match for it."""
    match node:
        case Boolean(clauses=clauses):
            for clause in clauses:
                if clause.occur is Occur.SHOULD and isinstance(clause.node, Boolean | Boost):
                    yield from _positive(clause.node, boost, (*groups, clause.node))
                elif clause.occur is not Occur.MUST_NOT:
                    yield from _positive(clause.node, boost, groups)
        case Boost(node=inner, factor=factor):
            yield from _positive(inner, boost * factor, groups)
        case leaf:
            yield leaf, boost, groups


def _words(leaf: Leaf) -> tuple[str | None, tuple[str, ...]]:
    if isinstance(leaf, Term | Phrase) and not (leaf.field or "").startswith("@"):
        return field_name(leaf.field), tuple(analyze(leaf.text))
    return None, ()


def _every(tests: list[Callable[[Entry], bool]]) -> Callable[[Entry], bool]:
    if len(tests) == 1:
        return tests[0]
    return lambda entry: all(test(entry) for test in tests)


def _count(entry: Entry, field: str | None, word: str) -> int:
    fields = entry.leaves if field is None else (field,)
    return sum(tokens.count(word) for name in fields for tokens in entry.tokens(name))


def _length(entry: Entry, field: str | None) -> int:
    fields = entry.leaves if field is None else (field,)
    return sum(len(tokens) for name in fields for tokens in entry.tokens(name))


def _bm25(count: int, entry: Entry, field: str | None, word: str, corpus: Corpus) -> float:
    # A document that the index lacks may have a word that no indexed one has, or more than it counts.
    frequency = corpus.frequency(field, word)
    documents = max(corpus.documents, frequency, 1)
    rarity = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
    norm = K1 * (1 - B + B * _length(entry, field) / corpus.length(field))
    return rarity * (K1 + 1) * count / (count + norm)
