"""orcodm on its embedded engine: every version is kept, and everything is searchable."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from orcodm import Document, Events, Field, Related, Relations, Series, Session, bind, connect
from orcodm import Event as BaseEvent

from ..wordnet import Synset
from .store import Store


class Reading(BaseEvent):
    place: Field[str]
    degrees: Field[float]


class WordRelations(Relations):
    hyponym: Related[Word]


class WordEvents(Events):
    reading: Series[Reading]


class Word(Document, collection="words"):
    lemma: Field[str]
    part: Field[str]
    lexicon: Field[int]
    words: Field[list[str]]
    gloss: Field[str]
    relations: ClassVar[WordRelations]
    events: ClassVar[WordEvents]


class Ours(Store):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"sqlite:///{folder / 'words.db'}?synchronous=NORMAL"
        self.engine = connect(self.url)

    def load(self, synsets: Sequence[Synset]) -> int:
        with Session(self.engine) as session:
            for outcome in session.bulk(documents(synsets)):
                assert outcome.error is None
            assert session.query(Word).search("gloss:the").count()  # searchable, not yet ranked
        return len(synsets)

    def index(self) -> None:
        """Wait until the search index is made: a query whose results are ranked does."""
        with Session(self.engine) as session:
            next(session.query(Word).search("gloss:the").pages(10))

    def settle(self) -> None:
        """See that the search index has every change: it takes them up once queries looked at them often."""
        for _ in range(100):
            self.index()
        time.sleep(0.2)

    def read(self, keys: Sequence[str]) -> Iterator[Word]:
        with Session(self.engine) as session:
            for key in keys:
                yield session.get(Word, key)

    def get(self, keys: Sequence[str]) -> int:
        """Outside of any session, which would hold them."""
        bind(self.engine)
        count = sum(1 for _ in map(Word.get, keys))
        bind(None)
        return count

    def save(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                session.get(Word, key).lexicon = next(self.numbers)
        return len(keys)

    def add(self, count: int) -> int:
        for word in documents(self.others(count)):
            with Session(self.engine) as session:
                session.add(word)
        return count

    def change(self, keys: Sequence[str]) -> None:
        """Change documents in one commit."""
        with Session(self.engine) as session:
            for key in keys:
                session.get(Word, key).gloss += " (changed)"

    def find(self, lemmas: Sequence[str]) -> int:
        for lemma in lemmas:
            with Session(self.engine) as session:
                word = session.query(Word).filter(Word.lemma == lemma).first()
                assert word is not None
                word.lexicon = next(self.numbers)
        return len(lemmas)

    def walk(self) -> int:
        with Session(self.engine) as session:
            return sum(1 for _ in session.query(Word))

    def close(self) -> None:
        self.engine.close()


def documents(synsets: Iterable[Synset]) -> Iterator[Word]:
    return (Word(key=synset.key, **synset.value) for synset in synsets)
