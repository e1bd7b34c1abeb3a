"""How long reads may take: walks, lists and histories end in time, and what they used goes on to work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.errors import QueryTimeout
from orcodm.operations import (
    Batch,
    Dump,
    EventBound,
    IfAbsent,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    Operation,
    PostEvent,
    Put,
    PutRelation,
    Search,
    TopValues,
)

from ...serving import serving

HOPS = ("knows",) * 100
WALK = ListRelations(collection="people", key="0", kinds=HOPS)


def fill(engine: Engine, people: int = 60) -> None:
    """Everybody knows everybody."""
    keys = [str(number) for number in range(people)]
    puts = [Put(collection="people", key=key, value={"n": key}, condition=IfAbsent()) for key in keys]
    assert not engine.execute(Batch(puts)).failed
    ends = {"collection": "people", "kind": "knows", "to_collection": "people"}
    relations = [PutRelation(key=one, to_key=other, **ends) for one in keys for other in keys]
    assert not engine.execute(Batch(relations)).failed


@pytest.fixture(params=["memory", "sqlite"])
def hurried(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedEngine]:
    """An engine with little time for a read."""
    path = None if request.param == "memory" else str(tmp_path / "app.db")
    engine = EmbeddedEngine(path, search_seconds=0.02)
    yield engine
    engine.close()


def test_a_walk_ends_in_time(hurried: EmbeddedEngine) -> None:
    fill(hurried)
    for _ in range(3):
        with pytest.raises(
            QueryTimeout, match=r"walk of 100 hops from people/0 took longer than 0.02 seconds"
        ):
            hurried.execute(WALK)
        # The connection goes on to work, for reads and for writes.
        assert (
            len(hurried.execute(ListRelations(collection="people", key="0", kinds=("knows",))).results) == 10
        )
        hurried.execute(Put(collection="people", key="new", value={}))
    assert hurried.execute(Search(collection="people", query="*")).total == 61


def test_a_walk_through_the_server_ends_as_a_search_does(hurried: EmbeddedEngine) -> None:
    fill(hurried)
    with serving(hurried) as url:
        answer = httpx.get(f"{url}/v0/people/0/relations/" + "/".join(HOPS))
        assert (answer.status_code, answer.json()["code"]) == (400, "search_query_timeout")
        engine = connect(url)
        with pytest.raises(QueryTimeout, match="walk of 100 hops"):
            engine.execute(WALK)
        engine.close()


@pytest.mark.parametrize(
    ("operation", "subject"),
    [
        (List(collection="people", limit=10_000), "List on people"),
        (Dump(collection=None, limit=10_000), "Dump on all collections"),
        (ListRefs(collection="people", key="0", limit=10_000), "history of people/0"),
        (
            ListEvents(collection="people", key="0", type="t", start=EventBound(0), limit=10_000),
            "events t of",
        ),
        (ListRelations(collection="people", key="0", kinds=("knows",)), "walk of 1 hop from people/0"),
        (Search(query="*", collection="people", limit=10_000), "query '\\*'"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Operation) else "",
)
def test_every_read_ends_in_time(operation: Operation[object], subject: str) -> None:
    engine = EmbeddedEngine(search_seconds=0)
    people = [
        Put(collection="people", key=str(number), value={}, condition=IfAbsent()) for number in range(2_000)
    ]
    versions = [Put(collection="people", key="0", value={"n": number}) for number in range(2_000)]
    events = [
        PostEvent(collection="people", key="0", type="t", value={}, timestamp=number)
        for number in range(2_000)
    ]
    to = {"collection": "people", "key": "0", "kind": "knows", "to_collection": "people"}
    relations = [PutRelation(to_key=str(number), **to) for number in range(2_000)]
    for writes in (people, versions, events, relations):
        assert not engine.execute(Batch(writes)).failed
    with pytest.raises(QueryTimeout, match=subject):
        engine.execute(operation)
    engine.close()


def test_many_aggregates_end_in_time_within_few_documents() -> None:
    engine = EmbeddedEngine(search_seconds=0.05)
    value = {f"f{number}": number for number in range(100)}
    puts = [Put(collection="c", key=str(key), value=value, condition=IfAbsent()) for key in range(900)]
    assert not engine.execute(Batch(puts)).failed
    aggregates = [TopValues(f"value.f{number}") for number in range(100)] * 10
    with pytest.raises(QueryTimeout, match="query '\\*'"):
        engine.execute(Search(collection="c", query="*", limit=1, aggregates=aggregates))
    engine.close()
