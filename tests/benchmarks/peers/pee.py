"""peewee: as SQLAlchemy, with the version guarded by hand, as its documentation shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import peewee
from playhouse.sqlite_ext import JSONField

from ..wordnet import Synset
from .store import Store


class WordModel(peewee.Model):
    key = peewee.TextField(primary_key=True)
    version = peewee.IntegerField(default=1)
    lemma = peewee.TextField(index=True)
    part = peewee.TextField()
    lexicon = peewee.IntegerField()
    words = JSONField()
    gloss = peewee.TextField()


class Peewee(Store):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.database = peewee.SqliteDatabase(
            folder / "words.db", pragmas={"journal_mode": "wal", "synchronous": "normal"}
        )
        self.database.bind([WordModel])
        self.database.create_tables([WordModel])

    def load(self, synsets: Sequence[Synset]) -> int:
        with self.database.atomic():
            WordModel.bulk_create((WordModel(key=one.key, **one.value) for one in synsets), batch_size=100)
        return len(synsets)

    def read(self, keys: Sequence[str]) -> Iterator[WordModel]:
        return map(WordModel.get_by_id, keys)

    def save(self, keys: Sequence[str]) -> int:
        for key in keys:
            self._changed(WordModel.get_by_id(key))
        return len(keys)

    def add(self, count: int) -> int:
        for other in self.others(count):
            WordModel.create(key=other.key, **other.value)
        return count

    def find(self, lemmas: Sequence[str]) -> int:
        for lemma in lemmas:
            self._changed(WordModel.get(WordModel.lemma == lemma))
        return len(lemmas)

    def walk(self) -> int:
        return sum(1 for _ in WordModel.select().iterator())

    def close(self) -> None:
        self.database.close()

    def _changed(self, word: WordModel) -> None:
        change = {"lexicon": next(self.numbers), "version": word.version + 1}
        same = (WordModel.key == word.key) & (WordModel.version == word.version)
        assert WordModel.update(change).where(same).execute() == 1
