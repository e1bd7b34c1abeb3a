"""MongoEngine's mapping, and mongomock: a MongoDB in this process, which keeps dictionaries in RAM.

mongomock tries all documents to find one, so it is given a few of them, for the work that writes. What is
measured of the rest is the mapping alone: from a document to what MongoDB would be sent, and back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import mongoengine
import mongomock

from ..wordnet import Synset
from .store import Store

FEW: Final = 20


class WordDocument(mongoengine.Document):
    key = mongoengine.StringField(primary_key=True)
    lemma = mongoengine.StringField()
    part = mongoengine.StringField()
    lexicon = mongoengine.IntField()
    words = mongoengine.ListField(mongoengine.StringField())
    gloss = mongoengine.StringField()
    meta: ClassVar[dict[str, object]] = {"collection": "words"}


class MongoEngine(Store):
    largest = 200_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        mongoengine.disconnect()
        mongoengine.connect("words", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
        WordDocument.drop_collection()
        self.stored: dict[str, Any] = {}
        self.written: list[WordDocument] = []

    def load(self, synsets: Sequence[Synset]) -> int:
        for key, value, _ in synsets:
            document = WordDocument(key=key, **value)
            document.validate()
            self.stored[key] = document.to_mongo()
        return len(synsets)

    def read(self, keys: Sequence[str]) -> Iterator[WordDocument]:
        return (WordDocument._from_son(self.stored[key]) for key in keys)

    def save(self, keys: Sequence[str]) -> int:
        for word in self._few():
            self._changed(WordDocument.objects.get(key=word.key))
        return FEW

    def add(self, count: int) -> int:
        for other in self.others(count):
            WordDocument(key=other.key, **other.value).save(force_insert=True)
        return count

    def find(self, lemmas: Sequence[str]) -> int:
        for word in self._few():
            self._changed(WordDocument.objects(lemma=word.lemma).first())
        return FEW

    def walk(self) -> int:
        return sum(1 for _ in map(WordDocument._from_son, self.stored.values()))

    def close(self) -> None:
        mongoengine.disconnect()

    def _few(self) -> list[WordDocument]:
        if not self.written:
            self.written = [WordDocument._from_son(one) for one in list(self.stored.values())[:FEW]]
            for one in self.written:
                one.save(force_insert=True)
        return self.written

    def _changed(self, word: WordDocument) -> None:
        word.lexicon = next(self.numbers)
        word.save()
