"""The mapper on the embedded engine beside SQLAlchemy's ORM on SQLite, and tantivy called directly.

Both write to files in WAL at synchronous=NORMAL. Ours also keeps every version and is searchable; theirs has
an index on the column that is looked up, and no text index.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
import tantivy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm import Session as OrmSession

from orcodm import Document, Engine, Field, Session, connect

from .measure import Row, Side, compare, rate
from .wordnet import Synset

Synsets = list[tuple[str, Synset]]


class Word(Document, collection="words"):
    lemma: Field[str]
    part: Field[str]
    lexicon: Field[int]
    words: Field[list[str]]
    gloss: Field[str]


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


class Ground:
    """A folder with the same documents on both sides, and in a tantivy index."""

    def __init__(self, synsets: Synsets) -> None:
        self.synsets = synsets
        self.keys = [key for key, _ in synsets]
        self._numbers = itertools.count()
        self.folder = tempfile.TemporaryDirectory(prefix="orcodm-benchmark-")
        self.engine = self.new_engine()
        self.orm = self.new_orm()
        with Session(self.engine) as session:
            for outcome in session.bulk(self.documents()):
                assert outcome.error is None
        with OrmSession(self.orm) as orm:
            orm.add_all(self.rows())
            orm.commit()
        indexed(self.engine)

    def new_engine(self) -> Engine:
        return connect(f"sqlite:///{self.path()}?synchronous=NORMAL")

    def new_orm(self) -> sqlalchemy.Engine:
        orm = sqlalchemy.create_engine(f"sqlite:///{self.path()}")

        @sqlalchemy.event.listens_for(orm, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        Base.metadata.create_all(orm)
        return orm

    def documents(self) -> Iterator[Word]:
        return (Word(key=key, **value) for key, value in self.synsets)

    def rows(self) -> Iterator[WordRow]:
        return (WordRow(key=key, **value) for key, value in self.synsets)

    def sample(self, count: int) -> list[str]:
        return random.Random(7).sample(self.keys, min(count, len(self.keys)))

    def close(self) -> None:
        self.engine.close()
        self.orm.dispose()
        self.folder.cleanup()

    def path(self) -> Path:
        return Path(self.folder.name) / f"{next(self._numbers)}.db"


def indexed(engine: Engine) -> None:
    """Wait until the search index has everything: a query whose results are ranked does."""
    with Session(engine) as session:
        assert next(session.query(Word).search("gloss:warm").pages(1)).total


def counted(engine: Engine) -> None:
    """Search: any query is right at once, whether the index is there yet or not."""
    with Session(engine) as session:
        assert session.query(Word).search("gloss:warm").count()


def get(ground: Ground, count: int = 5_000) -> Row:
    keys = ground.sample(count)

    def ours(_: None) -> int:
        with Session(ground.engine) as session:
            for key in keys:
                session.get(Word, key)
        return len(keys)

    def theirs(_: None) -> int:
        with OrmSession(ground.orm) as orm:
            for key in keys:
                assert orm.get(WordRow, key) is not None
        return len(keys)

    return compare(
        "get a document not in the identity map", Side("orcodm", ours), Side("SQLAlchemy", theirs), 4
    )


def save(ground: Ground, count: int = 1_000) -> Row:
    keys, numbers = ground.sample(count), itertools.count()

    def ours(_: None) -> int:
        for key in keys:
            with Session(ground.engine) as session:
                session.get(Word, key).lexicon = next(numbers)
        return len(keys)

    def theirs(_: None) -> int:
        for key in keys:
            with OrmSession(ground.orm) as orm:
                orm.get_one(WordRow, key).lexicon = next(numbers)
                orm.commit()
        return len(keys)

    return compare("get, change a field, save", Side("orcodm", ours), Side("SQLAlchemy", theirs), 3)


def find(ground: Ground, count: int = 1_000) -> Row:
    values = dict(ground.synsets)
    lemmas, numbers = [values[key]["lemma"] for key in ground.sample(count)], itertools.count()

    def ours(_: None) -> int:
        for lemma in lemmas:
            with Session(ground.engine) as session:
                word = session.query(Word).filter(Word.lemma == lemma).first()
                assert word is not None
                word.lexicon = next(numbers)
        return len(lemmas)

    def theirs(_: None) -> int:
        for lemma in lemmas:
            with OrmSession(ground.orm) as orm:
                row = orm.scalars(sqlalchemy.select(WordRow).where(WordRow.lemma == lemma).limit(1)).one()
                row.lexicon = next(numbers)
                orm.commit()
        return len(lemmas)

    return compare(
        "find by an exact field, change, save", Side("orcodm", ours), Side("SQLAlchemy", theirs), 1.5
    )


def bulk(ground: Ground) -> Row:
    return _bulk(ground, "bulk load, searchable at the end", counted, 1.5)


def bulk_indexed(ground: Ground) -> Row:
    return _bulk(ground, "bulk load, until the index is made", indexed, 0)


def _bulk(ground: Ground, work: str, search: Callable[[Engine], None], goal: float) -> Row:
    def ours(engine: Engine) -> int:
        with Session(engine) as session:
            for outcome in session.bulk(ground.documents()):
                assert outcome.error is None
        search(engine)
        return len(ground.synsets)

    def theirs(orm: sqlalchemy.Engine) -> int:
        with OrmSession(orm) as session:
            session.add_all(ground.rows())
            session.commit()
        return len(ground.synsets)

    return compare(
        work,
        Side("orcodm", ours, ground.new_engine, lambda engine: engine.close()),
        Side("SQLAlchemy", theirs, ground.new_orm, lambda orm: orm.dispose()),
        goal,
    )


def iterate(ground: Ground) -> Row:
    def ours(_: None) -> int:
        with Session(ground.engine) as session:
            return sum(1 for _ in session.query(Word))

    def theirs(_: None) -> int:
        with OrmSession(ground.orm) as orm:
            return sum(1 for _ in orm.scalars(sqlalchemy.select(WordRow)))

    return compare("every document through a query", Side("orcodm", ours), Side("SQLAlchemy", theirs), 0.8)


def iteration_memory(ground: Ground) -> tuple[int, int]:
    """The peak of traced memory, in bytes, of a loop over a tenth and over all of the documents."""

    def peak(query: Any) -> int:
        tracemalloc.start()
        try:
            for _ in query:
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    with Session(ground.engine) as session:
        tenth = peak(session.query(Word)[: len(ground.synsets) // 10])
    with Session(ground.engine) as session:
        return tenth, peak(session.query(Word))


def top_ten(ground: Ground, count: int = 300) -> tuple[float, float]:
    """Milliseconds of a top 10 text query: ours, documents and all, and tantivy's own, without them."""
    common = ["water", "large", "person", "small", "made", "genus", "used", "plant", "family", "body"]
    words = list(itertools.islice(itertools.cycle(common), count))
    index = _tantivy(ground)

    def ours(_: None) -> int:
        with Session(ground.engine) as session:
            for word in words:
                page = next(session.query(Word).filter(Word.gloss.matches(word)).pages(10))
                assert len(page) == 10
        return len(words)

    def theirs(_: None) -> int:
        for word in words:
            query = tantivy.Query.term_query(index.schema, "gloss", word)
            assert len(index.searcher().search(query, 10).hits) == 10
        return len(words)

    sides = [Side("orcodm", ours), Side("tantivy", theirs)]
    best = [max(rate(side) for _ in range(3)) for side in sides]
    return 1000 / best[0], 1000 / best[1]


def _tantivy(ground: Ground) -> tantivy.Index:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw")
    builder.add_text_field("gloss", stored=False)
    path = ground.path()
    path.mkdir()
    index = tantivy.Index(builder.build(), path=str(path))
    writer = index.writer(heap_size=128_000_000)
    for key, value in ground.synsets:
        writer.add_document(tantivy.Document(key=key, gloss=value["gloss"]))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index


ROWS: tuple[Callable[[Ground], Row], ...] = (get, save, find, bulk, bulk_indexed, iterate)
