"""Events of one document, one for each of the documents of this size, and a document of 10,000 versions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import orjson

from orcodm import Session
from orcodm.operations import Batch, PostEvent, Put

from .ground import Ground
from .measure import OURS, Bar, Row, doing, faster, within
from .peers.ours import Word

START: Final = 1_700_000_000_000
"""Milliseconds; the events are a second apart."""
SECOND: Final = 1_000
RANGE: Final = 100
VERSIONS: Final = 10_000
VALUE: Final = {"place": "roof", "degrees": 21.5}
KEY: Final = "weather"
OFTEN: Final = "often changed"

Sides = dict[str, Callable[[], int]]


def rows(ground: Ground) -> Iterator[Row]:
    ours, raw, orm = (ground.loaded(name) for name in (OURS, "sqlite3", "SQLAlchemy"))

    def row(work: str, sides: Sides, *bars: Bar) -> Row:
        costs = ground.by_turns({name: doing(do) for name, do in sides.items()})
        return Row("events", work, ground.size, costs, bars)

    count = max(ground.size, 10 * RANGE)
    _fill(count, ours, raw, orm)
    moments = itertools.count(START + SECOND * count, SECOND)
    latest = START + SECOND * (count - RANGE)
    ranges = [
        (start, start + SECOND * RANGE) for start in random.Random(7).sample(range(START, latest, SECOND), 50)
    ]

    def new() -> list[int]:
        return list(itertools.islice(moments, 200))

    append: Sides = {OURS: lambda: _append(ours, new()), "sqlite3": lambda: _insert(raw, new())}
    between: Sides = {
        OURS: lambda: _each(_between, ours, ranges),
        "sqlite3": lambda: _each(_select, raw, ranges),
    }
    if orm is not None:
        from .peers import alchemy

        append["SQLAlchemy"] = lambda: alchemy.append(orm, KEY, new())
        between["SQLAlchemy"] = lambda: _each(alchemy.between, orm, ranges)
    yield row("append an event", append, faster("SQLAlchemy", 3))
    yield row("a range of 100 events", between, faster("SQLAlchemy", 1))

    oldest = _versions(ours, raw)
    yield row(
        "all of 10,000 versions",
        {OURS: partial(_history, ours), "sqlite3": partial(_select_history, raw)},
        within("sqlite3", 3),
    )
    yield row(
        "the oldest of 10,000 versions",
        {OURS: partial(_at, ours, oldest), "sqlite3": partial(_select_version, raw)},
    )
    saves: Sides = {OURS: partial(_save, ours, OFTEN), "a save on few": partial(_save, ours, KEY)}
    yield row("a save on 10,000 versions", saves, within("a save on few", 1.5))


def _fill(count: int, ours: Any, raw: Any, orm: Any) -> None:
    with Session(ours.engine) as session:
        session.add(Word(key=KEY, lemma="weather", part="noun", lexicon=0, words=[], gloss=""))
    posts = (
        PostEvent(collection="words", key=KEY, type="reading", value=VALUE, timestamp=START + SECOND * number)
        for number in range(count)
    )
    while batch := tuple(itertools.islice(posts, 5_000)):
        assert not ours.engine.execute(Batch(batch)).failed
    raw.execute("CREATE TABLE readings (key TEXT, moment INT, value BLOB)")
    raw.execute("CREATE INDEX by_moment ON readings (key, moment)")
    text = orjson.dumps(VALUE)
    with raw.transaction():
        raw.connection.executemany(
            "INSERT INTO readings VALUES (?, ?, ?)",
            ((KEY, START + SECOND * number, text) for number in range(count)),
        )
    if orm is not None:
        from .peers import alchemy

        alchemy.fill(orm, KEY, [START + SECOND * number for number in range(count)])


def _append(ours: Any, moments: list[int]) -> int:
    with Session(ours.engine) as session:
        word = session.get(Word, KEY)
    for moment in moments:
        with Session(ours.engine):
            word.events.reading.add(place="roof", degrees=21.5, at=moment)
    return len(moments)


def _insert(raw: Any, moments: list[int]) -> int:
    for moment in moments:
        raw.execute("INSERT INTO readings VALUES (?, ?, ?)", (KEY, moment, orjson.dumps(VALUE)))
    return len(moments)


def _each(between: Callable[..., Any], store: Any, ranges: list[tuple[int, int]]) -> int:
    for start, end in ranges:
        assert len(between(store, KEY, start, end)) == RANGE
    return len(ranges)


def _between(ours: Any, key: str, start: int, end: int) -> list[Any]:
    with Session(ours.engine) as session:
        return session.get(Word, key).events.reading.between(start, end).all()


def _select(raw: Any, key: str, start: int, end: int) -> list[Any]:
    rows = raw.execute(
        "SELECT moment, value FROM readings WHERE key = ? AND moment >= ? AND moment < ? "
        "ORDER BY moment DESC",
        (key, start, end),
    ).fetchall()
    return [orjson.loads(text) for _, text in rows]


def _versions(ours: Any, raw: Any) -> str:
    """Make the versions; the ref of the oldest."""
    raw.execute("CREATE TABLE versions (key TEXT, number INT, value BLOB, PRIMARY KEY (key, number))")
    values = [
        {"lemma": OFTEN, "part": "noun", "lexicon": n, "words": [], "gloss": ""} for n in range(VERSIONS)
    ]
    writes = (Put(collection="words", key=OFTEN, value=value) for value in values)
    refs: list[str] = []
    while batch := tuple(itertools.islice(writes, 1_000)):
        refs += [written.ref for written in ours.engine.execute(Batch(batch)).outcomes]
    with raw.transaction():
        rows = ((OFTEN, number, orjson.dumps(value)) for number, value in enumerate(values))
        raw.connection.executemany("INSERT INTO versions VALUES (?, ?, ?)", rows)
    return refs[0]


def _history(ours: Any) -> int:
    with Session(ours.engine) as session:
        assert len(session.get(Word, OFTEN).history.all()) >= VERSIONS
    return 1


def _select_history(raw: Any) -> int:
    rows = raw.execute(
        "SELECT number, value FROM versions WHERE key = ? ORDER BY number DESC", (OFTEN,)
    ).fetchall()
    assert len([orjson.loads(text) for _, text in rows]) == VERSIONS
    return 1


def _at(ours: Any, ref: str) -> int:
    with Session(ours.engine) as session:
        assert session.get(Word, OFTEN).history.at(ref).value["lexicon"] == 0
    return 1


def _select_version(raw: Any) -> int:
    row = raw.execute("SELECT value FROM versions WHERE key = ? AND number = 0", (OFTEN,)).fetchone()
    assert orjson.loads(row[0])["lexicon"] == 0
    return 1


def _save(ours: Any, key: str, count: int = 200) -> int:
    for _ in range(count):
        with Session(ours.engine) as session:
            session.get(Word, key).lexicon += 1
    return count
