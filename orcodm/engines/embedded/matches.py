"""A match: a document that a query found, flattened when somebody looks inside."""

from __future__ import annotations

from ...lucene.entries import Entry
from .documents import Stored


class Match:
    """A stored document, its score, and its entry once it is asked for."""

    __slots__ = ("_entry", "score", "stored")

    def __init__(self, stored: Stored, score: float, entry: Entry | None = None) -> None:
        self.stored = stored
        self.score = score
        self._entry = entry

    @property
    def entry(self) -> Entry:
        if self._entry is None:
            self._entry = self.stored.entry()
        return self._entry
