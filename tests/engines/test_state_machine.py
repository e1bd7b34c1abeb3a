"""Engines beside a model of dictionaries: any operations, in any order, have the same outcomes.

The engines on a file are two, which share it, and are closed and opened again in between.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.engines.embedded import current
from orcodm.operations import (
    Batch,
    Condition,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    EventBound,
    Get,
    GetEvent,
    GetRelation,
    IfAbsent,
    IfMatch,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    MergePatch,
    Page,
    Patch,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Search,
    SortField,
)

from .asking import follow, found, streamed
from .model import Model, outcome
from .strategies import json_values

collections = st.sampled_from(["x", "y"])
names = st.sampled_from(["a", "b", "c", "a/b", "é😀"])
kinds = st.sampled_from(["likes", "knows"])
types = st.sampled_from(["log", "seen"])
moments = st.integers(-2, 3)
bounds = st.none() | st.builds(EventBound, moments, st.none() | moments)
words = st.sampled_from(["red", "green", "dark red", "Green Red"])

documents = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(-5, 5) | st.none() | st.floats(-5, 5).map(lambda number: round(number, 1)),
        "word": words | st.none(),
        "tags": st.lists(words, max_size=3),
    },
)
values = documents | documents | documents | json_values(max_leaves=4)

# How a condition is chosen: one that holds, or one that held before, or one that never did.
conditions = st.sampled_from(["none", "none", "absent", "current", "current", "first", "unknown"])


class Engines(RuleBasedStateMachine):
    """Two engines over one store (or one, where the store is RAM), and the model."""

    files = False

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.folder = tempfile.mkdtemp()
        self.engines: list[Engine] = [self.open() for _ in range(2 if self.files else 1)]
        self.turn = 0

    def open(self) -> Engine:
        return connect(f"sqlite:///{self.folder}/things.db" if self.files else "memory:")

    def teardown(self) -> None:
        for engine in self.engines:
            engine.close()
        shutil.rmtree(self.folder)

    # -- asking both -------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        self.turn += 1
        return self.engines[self.turn % len(self.engines)]

    def ask(self, operation: Any) -> None:
        engine = self.engine

        def execute(asked: Any) -> Any:
            result = engine.execute(asked)
            return follow(engine, asked) if isinstance(result, Page) else result

        assert outcome(execute, operation) == outcome(self.model.execute, operation)

    def condition(self, how: str, links: list[Any]) -> Condition:
        match how:
            case "absent":
                return IfAbsent()
            case "current" if links:
                return IfMatch(links[-1].ref)
            case "first" if links:
                return IfMatch(links[0].ref)
            case "unknown":
                return IfMatch("0123456789abcdef")
            case _:
                return None

    def of_item(self, how: str, collection: str, key: str) -> Condition:
        return self.condition(how, self.model.items.get((collection, key), []))

    def of_event(self, how: str, *path: Any) -> Condition:
        link = self.model.events.get(path)  # type: ignore[call-overload]
        return None if how == "absent" else self.condition(how, [link] if link else [])

    def of_relation(self, how: str, *path: Any) -> Condition:
        link = self.model.relations.get(path)  # type: ignore[call-overload]
        return self.condition(how, [link] if link else [])

    # -- items -------------------------------------------------------------------------------------

    @initialize(items=st.dictionaries(st.tuples(collections, names), values, max_size=6))
    def begin(self, items: dict[tuple[str, str], Any]) -> None:
        for (collection, key), value in items.items():
            self.ask(Put(collection=collection, key=key, value=value))

    @rule(collection=collections, key=names, value=values, how=conditions)
    def put(self, collection: str, key: str, value: Any, how: str) -> None:
        condition = self.of_item(how, collection, key)
        self.ask(Put(collection=collection, key=key, value=value, condition=condition))

    @precondition(lambda self: self.model.items)
    @rule(data=st.data())
    def put_again(self, data: st.DataObject) -> None:
        collection, key = data.draw(st.sampled_from(sorted(self.model.items)))
        link = self.model.current(collection, key)
        if link is not None:
            self.ask(Put(collection=collection, key=key, value=link.value, condition=IfMatch(link.ref)))

    @rule(collection=collections, key=names, changes=documents, how=conditions, upsert=st.booleans())
    def patch(self, collection: str, key: str, changes: Any, how: str, upsert: bool) -> None:
        condition = self.of_item("none" if upsert or how == "absent" else how, collection, key)
        merge = MergePatch(changes)
        self.ask(Patch(collection=collection, key=key, changes=merge, condition=condition, upsert=upsert))

    @rule(collection=collections, value=values)
    def post(self, collection: str, value: Any) -> None:
        written = self.engine.execute(Post(collection=collection, value=value))
        assert (collection, written.key) not in self.model.items
        assert self.model.write(collection, written.key, value) == written

    @rule(collection=collections, key=names, how=conditions, purge=st.booleans())
    def delete(self, collection: str, key: str, how: str, purge: bool) -> None:
        condition = self.of_item("none" if how == "absent" else how, collection, key)
        self.ask(Delete(collection=collection, key=key, condition=condition, purge=purge))

    @rule(collection=collections)
    def delete_collection(self, collection: str) -> None:
        for path in [path for path in self.model.relations if path[3] == collection]:
            self.ask(DeleteRelation(**relation(*path)))  # what becomes of them is not said
        self.ask(DeleteCollection(collection=collection))

    @rule(collection=collections, key=names, which=st.integers(0, 3))
    def get(self, collection: str, key: str, which: int) -> None:
        self.ask(Get(collection=collection, key=key))
        self.ask(ListRefs(collection=collection, key=key, values=True, limit=2))
        links = self.model.items.get((collection, key), [])
        if which < len(links):
            self.ask(Get(collection=collection, key=key, ref=links[which].ref))

    @rule(
        collection=collections,
        limit=st.integers(1, 4),
        sides=st.dictionaries(st.sampled_from(["start", "after", "before", "end"]), names | st.just("")),
    )
    def list(self, collection: str, limit: int, sides: dict[str, str]) -> None:
        self.ask(List(collection=collection, limit=limit, **sides))

    # -- events ------------------------------------------------------------------------------------

    @rule(collection=collections, key=names, type=types, at=moments, ordinal=moments, value=values)
    def post_event(self, collection: str, key: str, type: str, at: int, ordinal: int, value: Any) -> None:
        self.ask(PostEvent(**event(collection, key, type, at, ordinal), value=value))

    @precondition(lambda self: self.model.events)
    @rule(data=st.data(), value=values, how=conditions, delete=st.booleans())
    def change_event(self, data: st.DataObject, value: Any, how: str, delete: bool) -> None:
        path = data.draw(st.sampled_from(sorted(self.model.events)))
        condition = self.of_event(how, *path)
        self.ask(GetEvent(**event(*path)))
        if delete:
            self.ask(DeleteEvent(**event(*path), condition=condition))
        else:
            self.ask(PutEvent(**event(*path), value=value, condition=condition))
        self.ask(GetEvent(**event(*path)))

    @rule(
        collection=collections,
        key=names,
        type=types,
        limit=st.integers(1, 4),
        sides=st.dictionaries(st.sampled_from(["start", "after", "before", "end"]), bounds),
    )
    def list_events(
        self, collection: str, key: str, type: str, limit: int, sides: dict[str, EventBound | None]
    ) -> None:
        self.ask(ListEvents(collection=collection, key=key, type=type, limit=limit, **sides))

    # -- relations ---------------------------------------------------------------------------------

    @rule(path=st.tuples(collections, names, kinds, collections, names), value=documents, how=conditions)
    def put_relation(self, path: tuple[str, ...], value: Any, how: str) -> None:
        condition = self.of_relation(how, *path)
        self.ask(PutRelation(**relation(*path), value=value, condition=condition))
        self.ask(GetRelation(**relation(*path)))

    @precondition(lambda self: self.model.relations)
    @rule(data=st.data(), how=conditions)
    def delete_relation(self, data: st.DataObject, how: str) -> None:
        path = data.draw(st.sampled_from(sorted(self.model.relations)))
        condition = self.of_relation("none" if how == "absent" else how, *path)
        self.ask(DeleteRelation(**relation(*path), condition=condition))
        self.ask(GetRelation(**relation(*path)))

    @rule(collection=collections, key=names, hops=st.lists(kinds, min_size=1, max_size=1))
    def list_relations(self, collection: str, key: str, hops: list[str]) -> None:
        self.ask(ListRelations(collection=collection, key=key, kinds=hops, limit=2))

    @rule(collection=collections, key=names, hops=st.lists(kinds, min_size=2, max_size=4))
    def hop(self, collection: str, key: str, hops: list[str]) -> None:
        def reached(execute: Callable[[Any], Any]) -> Any:
            result = outcome(execute, ListRelations(collection=collection, key=key, kinds=hops, limit=100))
            return sorted((item.collection, item.key) for item in result) if type(result) is list else result

        assert reached(lambda asked: self.engine.execute(asked).results) == reached(self.model.execute)

    # -- several at once ---------------------------------------------------------------------------

    @rule(data=st.data(), size=st.integers(0, 5))
    def batch(self, data: st.DataObject, size: int) -> None:
        collection, key = data.draw(collections), data.draw(names)
        writes: list[Any] = []
        for _ in range(size):
            other = data.draw(names)
            condition = self.of_item(data.draw(conditions), collection, key)
            guarded = None if isinstance(condition, IfAbsent) else condition
            choices: list[Callable[[], Any]] = [
                lambda c=condition: Put(collection=collection, key=key, value=data.draw(values), condition=c),
                lambda k=other: Put(collection=collection, key=k, value=data.draw(values)),
                lambda c=guarded: Delete(collection=collection, key=key, condition=c),
                lambda k=other: Delete(collection=collection, key=k, purge=True),
                lambda k=other: PutRelation(**relation(collection, key, "likes", collection, k)),
                lambda k=other: PostEvent(**event(collection, k, "log", 0, data.draw(moments)), value=1),
            ]
            writes.append(data.draw(st.sampled_from(choices))())
        self.ask(Batch(writes))

    # -- searching ---------------------------------------------------------------------------------

    def finds(self, collection: str, query: str, predicate: Callable[[Any], bool]) -> None:
        sort = (SortField("@path.key"),)
        expected = self.model.matches(collection, predicate)
        engine = self.engine
        assert found(engine, query, collection, sort=sort, limit=3) == expected
        assert streamed(engine, query, collection, sort=sort, limit=2) == expected
        assert engine.execute(Search(query=query, collection=collection, limit=0)).total == len(expected)

    @rule(collection=collections)
    def search_all(self, collection: str) -> None:
        self.finds(collection, "*", lambda value: True)

    @rule(collection=collections, low=st.integers(-6, 6), high=st.integers(-6, 6))
    def search_range(self, collection: str, low: int, high: int) -> None:
        self.finds(
            collection,
            f"n:[{low} TO {high}]",
            lambda value: any(
                type(n) is not bool and low <= n <= high for n in members(value, "n", int, float)
            ),
        )

    @rule(collection=collections, word=st.sampled_from(["red", "green", "dark"]))
    def search_word(self, collection: str, word: str) -> None:
        self.finds(
            collection,
            f"tags:{word}",
            lambda value: any(word in tag.lower().split() for tag in members(value, "tags", str)),
        )

    @rule(collection=collections, word=words)
    def search_exact(self, collection: str, word: str) -> None:
        self.finds(collection, f"word:`{word}`", lambda value: word in members(value, "word", str))

    @rule(collection=collections, type=types)
    def search_kinds(self, collection: str, type: str) -> None:
        def total(query: str) -> int | None:
            return self.engine.execute(Search(query=query, collection=collection, limit=0)).total

        events = [path for path in self.model.events if path[0] == collection and path[2] == type]
        assert total(f"@path.kind:event AND @path.type:{type}") == len(events)
        relations = [path for path in self.model.relations if path[0] == collection]
        assert total("@path.kind:relationship") == len(relations)

    @rule(collection=collections, word=words)
    def search_exact_tag(self, collection: str, word: str) -> None:
        self.finds(collection, f"tags:`{word}`", lambda value: word in members(value, "tags", str))

    # -- the files ---------------------------------------------------------------------------------

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 1), index=st.booleans())
    def reopen(self, which: int, index: bool) -> None:
        self.engines[which].close()
        if index:
            self.engines[1 - which].close()
            shutil.rmtree(f"{self.folder}/things.db-index", ignore_errors=True)
            self.engines[1 - which] = self.open()
        self.engines[which] = self.open()

    @rule()
    def look_through_everything(self) -> None:
        for collection in ("x", "y"):
            self.ask(List(collection=collection, limit=100))
            self.finds(collection, "*", lambda value: True)
        for collection, key in self.model.items:
            self.ask(ListRefs(collection=collection, key=key, values=True, limit=100))
        for path in self.model.events:
            self.ask(GetEvent(**event(*path)))
        for path in self.model.relations:
            self.ask(GetRelation(**relation(*path)))


def members(value: Any, name: str, *types: type) -> list[Any]:
    """The values of those types under a name, directly or in a list."""
    member = value.get(name) if isinstance(value, dict) else None
    return [entry for entry in (member if type(member) is list else [member]) if type(entry) in types]


def event(collection: str, key: str, type: str, timestamp: int, ordinal: int) -> dict[str, Any]:
    return {"collection": collection, "key": key, "type": type, "timestamp": timestamp, "ordinal": ordinal}


def relation(collection: str, key: str, kind: str, to_collection: str, to_key: str) -> dict[str, str]:
    return {
        "collection": collection,
        "key": key,
        "kind": kind,
        "to_collection": to_collection,
        "to_key": to_key,
    }


class InMemory(Engines):
    """One engine in RAM."""


class OnFile(Engines):
    """Two engines on one file."""

    files = True


def run(machine: type[Engines], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(params=[False, True], ids=["", "index"])
def eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as it is, and once with an index from the first few documents on."""
    if request.param:
        for name, number in {"FEW": 2, "SOME": 1, "MANY": 4}.items():
            monkeypatch.setattr(current, name, number)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("machine", [InMemory, OnFile])
def test_an_engine_does_what_the_model_does(machine: type[Engines]) -> None:
    run(machine, examples=5, steps=30)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("machine", [InMemory, OnFile])
def test_an_engine_does_what_the_model_does_for_long(machine: type[Engines]) -> None:
    run(machine, examples=150, steps=50)
