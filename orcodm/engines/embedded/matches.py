"""A match: a document that a query found, looked into and scored when somebody asks."""

from __future__ import annotations

from collections.abc import Callable

from ...lucene.entries import Entry
from .documents import Stored


class Match:
    """A stored document, its score (or what tells it of its entry), and its entry."""

    __slots__ = ("_entry", "_score", "stored")

    def __init__(
        self, stored: Stored, score: float | Callable[[Entry], float], entry: Entry | None = None
    ) -> None:
        self.stored = stored
        self._score = score
        self._entry = entry

    @property
    def score(self) -> float:
        if callable(self._score):
            self._score = self._score(self.entry)
        return self._score

    @property
    def entry(self) -> Entry:
        if self._entry is None:
            self._entry = self.stored.entry()
        return self._entry
