"""More like this: a query for what resembles an entry."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

from .entries import Entry, field_name
from .tree import Boolean, Boost, Clause, Occur, Term

Frequency = Callable[[str | None, str], int]
"""In how many documents a field has a word; asked with full names of fields."""


def more_like(
    entry: Entry,
    documents: int,
    frequency: Frequency,
    *,
    fields: Iterable[str] | None = None,
    most: int = 25,
    least_documents: int = 2,
) -> Boolean:
    """A query for entries that share the words that tell this one apart.

    These are the `most` words with the highest weight: how often the entry has them, times how rare they
    are among all `documents`. They are optional, each boosted by its weight in proportion to the highest.
    `fields` limits where words are taken from and looked for. Words in fewer than `least_documents` are
    left out, since nobody else has them. Without any word left the query matches nothing. The entry itself
    matches too; who asks has to leave it out.
    """
    names = [name for field in fields if (name := field_name(field))] if fields is not None else entry.leaves
    weights: dict[tuple[str, str], float] = {}
    for name in names:
        counts = Counter(token for tokens in entry.tokens(name) for token in tokens)
        for word, count in counts.items():
            if (known := frequency(name, word)) >= least_documents:
                # The inverse document frequency of BM25, which is never negative.
                weights[name, word] = count * math.log1p((documents - known + 0.5) / (known + 0.5))
    best = sorted(weights, key=lambda key: (-weights[key], key))[:most]
    highest = weights[best[0]] if best else 1.0
    return Boolean(
        Clause(Occur.SHOULD, Boost(Term(word, name), round(weights[name, word] / highest, 4)))
        for name, word in best
    )
