"""MongoEngine's mapping, on mongomock: a MongoDB in this process, which keeps dictionaries in RAM.

It looks for a document by trying all, so what is measured of `get` is the mapping alone, and of the others few.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import mongoengine
import mongomock

from ..wordnet import Synset
from .store import Store


class WordDocument(mongoengine.Document):
    key = mongoengine.StringField(primary_key=True)
    lemma = mongoengine.StringField()
    part = mongoengine.StringField()
    lexicon = mongoengine.IntField()
    words = mongoengine.ListField(mongoengine.StringField())
    gloss = mongoengine.StringField()
    meta: ClassVar[dict[str, object]] = {"collection": "words"}


class MongoEngine(Store):
    largest = 10_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        mongoengine.disconnect()
        mongoengine.connect("words", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
        WordDocument.drop_collection()

    def load(self, synsets: Sequence[Synset]) -> int:
        WordDocument.objects.insert([WordDocument(key=one.key, **one.value) for one in synsets])
        self.stored = {one["_id"]: one for one in WordDocument._get_collection().find()}
        return len(synsets)

    def get(self, keys: Sequence[str]) -> int:
        for key in keys:
            WordDocument._from_son(self.stored[key])
        return len(keys)

    def save(self, keys: Sequence[str]) -> int:
        few = keys[:10]
        for key in few:
            self._changed(WordDocument.objects.get(key=key))
        return len(few)

    def find(self, lemmas: Sequence[str]) -> int:
        few = lemmas[:10]
        for lemma in few:
            self._changed(WordDocument.objects(lemma=lemma).first())
        return len(few)

    def walk(self) -> int:
        return sum(1 for _ in WordDocument.objects)

    def close(self) -> None:
        mongoengine.disconnect()

    def _changed(self, word: WordDocument) -> None:
        word.lexicon = next(self.numbers)
        word.save()
