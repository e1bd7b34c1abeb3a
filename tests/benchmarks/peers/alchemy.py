"""SQLAlchemy's ORM: a column for each field, an index on the lemma, a version that guards updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ..wordnet import Synset
from .store import Store


class Base(DeclarativeBase):
    pass


class WordRow(Base):
    __tablename__ = "words"
    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    lemma: Mapped[str] = mapped_column(index=True)
    part: Mapped[str]
    lexicon: Mapped[int]
    words: Mapped[list[str]] = mapped_column(sqlalchemy.JSON)
    gloss: Mapped[str]

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as SQLAlchemy documents it)


class ReadingRow(Base):
    __tablename__ = "readings"
    number: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    moment: Mapped[int]
    place: Mapped[str]
    degrees: Mapped[float]
    __table_args__ = (sqlalchemy.Index("by_moment", "key", "moment"),)


class SQLAlchemy(Store):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"sqlite:///{folder / 'words.db'}"
        self.engine = sqlalchemy.create_engine(self.url)

        @sqlalchemy.event.listens_for(self.engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        Base.metadata.create_all(self.engine)

    def load(self, synsets: Sequence[Synset]) -> int:
        with Session(self.engine) as session:
            session.add_all(WordRow(key=synset.key, **synset.value) for synset in synsets)
            session.commit()
        return len(synsets)

    def read(self, keys: Sequence[str]) -> Iterator[WordRow]:
        with Session(self.engine) as session:
            for key in keys:
                yield session.get_one(WordRow, key)

    def save(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                session.get_one(WordRow, key).lexicon = next(self.numbers)
                session.commit()
        return len(keys)

    def add(self, count: int) -> int:
        for other in self.others(count):
            with Session(self.engine) as session:
                session.add(WordRow(key=other.key, **other.value))
                session.commit()
        return count

    def find(self, lemmas: Sequence[str]) -> int:
        for lemma in lemmas:
            with Session(self.engine) as session:
                found = sqlalchemy.select(WordRow).where(WordRow.lemma == lemma).limit(1)
                session.scalars(found).one().lexicon = next(self.numbers)
                session.commit()
        return len(lemmas)

    def walk(self) -> int:
        with Session(self.engine) as session:
            return sum(1 for _ in session.scalars(sqlalchemy.select(WordRow)))

    def close(self) -> None:
        self.engine.dispose()


def fill(store: SQLAlchemy, key: str, moments: Sequence[int]) -> None:
    """Events of a key, all at once."""
    with Session(store.engine) as session:
        readings = [{"key": key, "moment": moment, "place": "roof", "degrees": 21.5} for moment in moments]
        session.execute(sqlalchemy.insert(ReadingRow), readings)
        session.commit()


def append(store: SQLAlchemy, key: str, moments: Sequence[int]) -> int:
    for moment in moments:
        with Session(store.engine) as session:
            session.add(ReadingRow(key=key, moment=moment, place="roof", degrees=21.5))
            session.commit()
    return len(moments)


def between(store: SQLAlchemy, key: str, start: int, end: int) -> Sequence[ReadingRow]:
    """The events of a key from `start` to `end`, newest first."""
    wanted = (ReadingRow.key == key, ReadingRow.moment >= start, ReadingRow.moment < end)
    with Session(store.engine) as session:
        found = sqlalchemy.select(ReadingRow).where(*wanted).order_by(ReadingRow.moment.desc())
        return session.scalars(found).all()
