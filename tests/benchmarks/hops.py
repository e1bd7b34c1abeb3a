"""Walks along WordNet's relations: one, two and three hops from a synset, and what is at their end.

`values` are what the engine answers, and SQL by hand as well: keys and decoded JSON, each once. networkx has
the graph in RAM and gives keys only.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import orjson

from orcodm import Session
from orcodm.operations import Batch, ListRelations, PutRelation

from .ground import Ground
from .measure import OURS, Bar, Row, doing, within
from .peers.ours import Word

KIND: Final = "hyponym"
STARTS: Final = 100


def rows(ground: Ground) -> Iterator[Row]:
    ours, raw = ground.loaded(OURS), ground.loaded("sqlite3")
    _relate(ground, ours.engine)
    _link(ground, raw)
    # From those with many, but for the few whose walks would take all of the time.
    many = Counter({one.key: sum(kind == KIND for kind, _ in one.relations) for one in ground.synsets})
    starts = [key for key, _ in many.most_common(STARTS + 20)[20:]]
    graph = _graph(ground)
    for hops in (1, 2, 3):

        def row(what: str, walk: Callable[[str], object], *bars: Bar, hops: int = hops) -> Row:
            walks = {
                OURS: walk,
                "SQL by hand": partial(_joined, raw.execute, _by_hand(hops)),
                "recursive SQL": partial(_recursive, raw.execute, hops),
            }
            if graph is not None:
                walks["networkx"] = partial(_walked, graph, hops)
            costs = ground.by_turns({name: doing(_all, starts, walk) for name, walk in walks.items()})
            return Row("hops", f"{hops} {'hop' if hops == 1 else 'hops'}, {what}", ground.size, costs, bars)

        yield row("values", partial(_values, ours.engine, hops), within("SQL by hand", 1.5))
        yield row("documents", partial(_documents, ours.engine, hops))


def _all(starts: list[str], walk: Callable[[str], object]) -> int:
    for key in starts:
        walk(key)
    return len(starts)


def _values(engine: Any, hops: int, key: str) -> Any:
    return engine.execute(ListRelations(collection="words", key=key, kinds=(KIND,) * hops, limit=10_000))


def _documents(engine: Any, hops: int, key: str) -> list[Word]:
    with Session(engine) as session:
        related = session.get(Word, key).relations.hyponym
        for _ in range(hops - 1):
            related = related.hyponym
        return related.all()


def _by_hand(hops: int) -> str:
    ends = "SELECT DISTINCT target FROM links WHERE source = ? AND kind = ?"
    for _ in range(hops - 1):
        ends = f"SELECT DISTINCT target FROM links WHERE source IN ({ends}) AND kind = ?"
    return f"SELECT key, version, value FROM words WHERE key IN ({ends})"


def _joined(execute: Any, statement: str, key: str) -> list[Any]:
    hops = statement.count("kind = ?")
    rows = execute(statement, (key, *[KIND] * hops)).fetchall()
    return [(key, version, orjson.loads(value)) for key, version, value in rows]


def _recursive(execute: Any, hops: int, key: str) -> list[Any]:
    rows = execute(
        "WITH RECURSIVE walk (key, hops) AS (SELECT ?, 0 UNION SELECT target, hops + 1 FROM walk JOIN links "
        "ON source = walk.key AND kind = ? WHERE hops < ?) "
        "SELECT key, version, value FROM words WHERE key IN (SELECT key FROM walk WHERE hops = ?)",
        (key, KIND, hops, hops),
    ).fetchall()
    return [(key, version, orjson.loads(value)) for key, version, value in rows]


def _walked(graph: Any, hops: int, key: str) -> set[str]:
    ends = {key}
    for _ in range(hops):
        ends = {target for end in ends for target in graph[end]}
    return ends


def _relate(ground: Ground, engine: Any) -> None:
    writes = (
        PutRelation(collection="words", key=one.key, kind=kind, to_collection="words", to_key=target)
        for one in ground.synsets
        for kind, target in one.relations
    )
    while batch := tuple(itertools.islice(writes, 5_000)):
        assert not engine.execute(Batch(batch)).failed


def _link(ground: Ground, raw: Any) -> None:
    connection: sqlite3.Connection = raw.connection
    connection.execute("CREATE TABLE links (source TEXT, kind TEXT, target TEXT, "
                       "PRIMARY KEY (source, kind, target)) WITHOUT ROWID")  # fmt: skip
    with raw.transaction():
        connection.executemany(
            "INSERT INTO links VALUES (?, ?, ?)",
            ((one.key, kind, target) for one in ground.synsets for kind, target in one.relations),
        )


def _graph(ground: Ground) -> Any:
    try:
        import networkx
    except ImportError as error:
        ground.absent("networkx", error)
        return None
    graph = networkx.DiGraph()
    for one in ground.synsets:
        graph.add_node(one.key)
        graph.add_edges_from((one.key, target) for kind, target in one.relations if kind == KIND)
    return graph
