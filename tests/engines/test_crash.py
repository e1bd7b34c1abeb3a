"""Processes that are killed while they write: what was acknowledged is there, and nothing by halves."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import NotFound
from orcodm.operations import (
    GetRelation,
    List,
    ListEvents,
    ListRefs,
    Search,
    SortField,
)

from .asking import follow, get, history, keys, verify
from .crash import COUNTER, KEYS, WORDS, Writer, matching
from .model import Model

LIMIT = 1000


def stored(engine: Engine, collection: str, model: Model) -> dict[str, Any]:
    """All that an engine holds of a collection.

    The model says under which keys to look; what is listed beside them is looked at as well.
    """
    listed = {item.key for item in follow(engine, List(collection=collection, limit=LIMIT))}
    everywhere = sorted(listed | {key for _, key in model.items} | set(KEYS))
    result: dict[str, Any] = {"items": {}, "events": {}, "relations": {}}
    for key in everywhere:
        try:
            versions = follow(engine, ListRefs(collection=collection, key=key, values=True, limit=LIMIT))
        except NotFound:
            versions = []
        if versions:
            refs = verify(versions)
            result["items"][collection, key] = [
                (ref, version.value, version.deleted)
                for ref, version in zip(refs, reversed(versions), strict=True)
            ]
            assert (key in listed) == (not versions[0].deleted)
        for type_ in ("log", "gone"):
            for event in follow(engine, ListEvents(collection=collection, key=key, type=type_, limit=LIMIT)):
                path = (collection, key, type_, event.timestamp, event.ordinal)
                result["events"][path] = (event.ref, event.value)
        for kind in [*WORDS, "next"]:
            path = (collection, key, kind, collection, "b1" if kind == "next" else key)
            try:
                relation = engine.execute(
                    GetRelation(
                        collection=collection, key=key, kind=kind, to_collection=collection, to_key=path[4]
                    )
                )
            except NotFound:
                continue
            result["relations"][path] = (relation.ref, relation.value)
    return result


def expected(model: Model) -> dict[str, Any]:
    """All that a model holds, as `stored` shows it."""
    return {
        "items": {
            path: [(link.ref, link.value, link.deleted) for link in links]
            for path, links in model.items.items()
        },
        "events": {path: (link.ref, link.value) for path, link in model.events.items()},
        "relations": {
            path: (link.ref, link.value) for path, link in model.relations.items() if model.living(path)
        },
    }


def settle(engine: Engine, writer: Writer) -> tuple[Model, int, int]:
    """Compare the engine with what a writer was promised; gives its model, and how often it counted.

    The operation that was under way is there as a whole or not at all.
    """
    model, under_way, counted = writer.promised()
    there = stored(engine, writer.collection, model)
    if there == expected(model):
        return model, counted, counted + (under_way is COUNTER)
    assert under_way is not COUNTER
    assert not isinstance(under_way, Search | None)
    further = copy.deepcopy(model)
    further.execute(under_way)
    assert stored(engine, writer.collection, further) == expected(further)
    return further, counted, counted


def search_agrees(engine: Engine, collection: str, model: Model) -> None:
    for query in ("*", *(f"word:{word}" for word in [*WORDS, "many"]), "tags:red", "n:[10 TO *]"):
        search = Search(query=query, collection=collection, limit=LIMIT, sort=(SortField("@path.key"),))
        page = engine.execute(search)
        found = model.matches(collection, lambda value, query=query: matching(query, value))  # type: ignore[misc]
        assert keys(page.results) == found, query
        assert page.total == len(found)
        values = {item.key: item.value for item in follow(engine, List(collection=collection, limit=LIMIT))}
        assert all(result.value == values[result.key] for result in page.results)


class Ordeal:
    """A file whose writers are killed, again and again, and looked through after each time."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.url = f"sqlite:///{folder}/things.db"
        self.chance = random.Random(seed)
        self.models: dict[str, Model] = {}
        self.counted = (0, 0)  # at least, at most
        self.kills = 0

    def round(self, writers: int) -> None:
        begun = [Writer(self.url, self.chance.getrandbits(32), f"c{self.kills}-{n}") for n in range(writers)]
        # A third of the victims die while they open the file, the others somewhere in their script.
        if self.chance.random() < 0.3:
            begun[0].listen(self.chance.uniform(0, 0.03))
        else:
            begun[0].listen(20, enough=self.chance.randint(1, 60))
            begun[0].listen(self.chance.uniform(0, 0.003))
        for writer in begun:
            writer.kill()
            self.kills += 1
        engine = connect(self.url)
        try:
            self.look_through(engine, begun)
        finally:
            engine.close()

    def survivor(self) -> None:
        """One of two is killed; the other goes on."""
        victim, survivor = (
            Writer(self.url, self.chance.getrandbits(32), f"c{self.kills}-{n}") for n in range(2)
        )
        victim.listen(20, enough=self.chance.randint(1, 40))
        victim.kill()
        survivor.listen(0)
        already = survivor.acknowledged
        survivor.listen(20, enough=already + 20)
        assert survivor.acknowledged == already + 20, "the survivor waits for the dead"
        survivor.kill()
        self.kills += 2
        engine = connect(self.url)
        try:
            self.look_through(engine, [victim, survivor])
        finally:
            engine.close()

    def look_through(self, engine: Engine, killed: list[Writer]) -> None:
        for writer in killed:
            model, least, most = settle(engine, writer)
            search_agrees(engine, writer.collection, model)
            self.models[writer.collection] = model
            self.counted = (self.counted[0] + least, self.counted[1] + most)
        if self.counted[0]:
            count = get(engine, COUNTER.key, collection=COUNTER.collection)["n"]
            assert self.counted[0] <= count <= self.counted[1]
            verify(history(engine, COUNTER.key, COUNTER.collection))

    def end(self) -> None:
        """Everything of every round is still there."""
        engine = connect(self.url)
        for collection, model in self.models.items():
            assert stored(engine, collection, model) == expected(model)
            search_agrees(engine, collection, model)
        engine.close()


@pytest.fixture
def ordeal(tmp_path: Path) -> Iterator[Ordeal]:
    ordeal = Ordeal(tmp_path, seed=random.SystemRandom().getrandbits(32))
    yield ordeal
    ordeal.end()


def test_killed_writers_lose_nothing(ordeal: Ordeal) -> None:
    ordeal.round(writers=1)
    ordeal.round(writers=1)
    ordeal.round(writers=2)
    ordeal.survivor()
    assert ordeal.kills == 6


@pytest.mark.slow
@pytest.mark.parametrize("run", range(10))
def test_two_hundred_killed_writers_lose_nothing(ordeal: Ordeal, run: int) -> None:
    while ordeal.kills < 21:
        ordeal.round(writers=1)
        ordeal.round(writers=2)
        ordeal.survivor()
