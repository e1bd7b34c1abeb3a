"""What a peer does in the table of the mapper."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..wordnet import Synset


class Store(abc.ABC):
    """Documents that can be read, found by their lemma, and written. An empty one in an empty folder."""

    largest: ClassVar[int | None] = None
    """More documents than that are too many for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count()

    @abc.abstractmethod
    def load(self, synsets: Sequence[Synset]) -> int:
        """Store documents, as fast as it can."""

    @abc.abstractmethod
    def read(self, keys: Sequence[str]) -> Iterator[Any]:
        """Documents, read one by one."""

    def get(self, keys: Sequence[str]) -> int:
        """Read documents of which nobody holds any longer than until the next one."""
        return sum(1 for _ in self.read(keys))

    def hold(self, keys: Sequence[str]) -> int:
        """Read documents that are held until all of them are there."""
        return len(list(self.read(keys)))

    @abc.abstractmethod
    def save(self, keys: Sequence[str]) -> int:
        """Read a document, change a number, write it; each in a transaction."""

    @abc.abstractmethod
    def add(self, count: int) -> int:
        """Store that many documents of `others`; each in a transaction."""

    @abc.abstractmethod
    def find(self, lemmas: Sequence[str]) -> int:
        """Find a document by its lemma, change a number, write it; each in a transaction."""

    @abc.abstractmethod
    def walk(self) -> int:
        """Go through every document."""

    @abc.abstractmethod
    def close(self) -> None: ...

    def others(self, count: int) -> Iterator[Synset]:
        """New documents that no search looks for."""
        for number in itertools.islice(self.numbers, count):
            value = {"lemma": f"another {number}", "part": "none", "lexicon": 0, "words": [], "gloss": ""}
            yield Synset(f"another {number}", value, ())
