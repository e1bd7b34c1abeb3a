"""The standard library's sqlite3 by hand: the limit of what stands on SQLite. Values are JSON text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from ..wordnet import Synset
from .store import Store

INSERT: Final = "INSERT INTO words VALUES (?, ?, ?, ?)"


class RawSqlite(Store):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.connection = sqlite3.connect(folder / "words.db", isolation_level=None)
        self.execute = self.connection.execute
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")
        self.execute("CREATE TABLE words (key TEXT PRIMARY KEY, version INT, lemma TEXT, value BLOB)")
        self.execute("CREATE INDEX by_lemma ON words (lemma)")

    def load(self, synsets: Sequence[Synset]) -> int:
        with self.transaction():
            self.connection.executemany(INSERT, map(_row, synsets))
        return len(synsets)

    def read(self, keys: Sequence[str]) -> Iterator[Any]:
        for key in keys:
            row = self.execute("SELECT version, value FROM words WHERE key = ?", (key,)).fetchone()
            yield orjson.loads(row[1])

    def save(self, keys: Sequence[str]) -> int:
        for key in keys:
            row = self.execute("SELECT key, version, value FROM words WHERE key = ?", (key,)).fetchone()
            self._changed(row)
        return len(keys)

    def add(self, count: int) -> int:
        for other in self.others(count):
            self.execute(INSERT, _row(other))
        return count

    def find(self, lemmas: Sequence[str]) -> int:
        for lemma in lemmas:
            row = self.execute("SELECT key, version, value FROM words WHERE lemma = ?", (lemma,)).fetchone()
            self._changed(row)
        return len(lemmas)

    def walk(self) -> int:
        return sum(1 for row in self.execute("SELECT key, value FROM words") if orjson.loads(row[1]))

    def transaction(self) -> sqlite3.Connection:
        """For a `with` that commits."""
        self.execute("BEGIN IMMEDIATE")
        return self.connection

    def close(self) -> None:
        self.connection.close()

    def _changed(self, row: Any) -> None:
        key, version, text = row
        value = {**orjson.loads(text), "lexicon": next(self.numbers)}
        done = self.execute(
            "UPDATE words SET version = ?, value = ? WHERE key = ? AND version = ?",
            (version + 1, orjson.dumps(value), key, version),
        )
        assert done.rowcount == 1


def _row(synset: Synset) -> tuple[Any, ...]:
    return synset.key, 1, synset.value["lemma"], orjson.dumps(synset.value)
