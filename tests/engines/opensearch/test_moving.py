"""Moving to a new index: nothing is lost, and writers go on meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from orcodm.engines.connect import connect
from orcodm.engines.opensearch import mapping, moving
from orcodm.engines.opensearch.engine import OpenSearchEngine
from orcodm.operations import (
    Delete,
    Dump,
    IfMatch,
    JsonPatch,
    Patch,
    PostEvent,
    Put,
    PutRelation,
    Search,
    SortField,
)

from ..asking import THINGS, delete, found, get, history, item, put, put_all, verify

pytestmark = pytest.mark.cluster


@pytest.fixture
def engine(url: str) -> Any:
    engine = OpenSearchEngine(url)
    yield engine
    engine.close()


def records(engine: Any) -> list[Any]:
    found: list[Any] = []
    page: Any = Dump(limit=500)
    while page is not None:
        dumped = engine.execute(page)
        found += dumped.results
        page = dumped.next
    return found


def indexes(engine: OpenSearchEngine) -> list[str]:
    address = engine._context.address
    return sorted(httpx.get(f"http://{address.hosts[0]}/{address.prefix}").json())


def test_everything_is_there_afterwards(engine: OpenSearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "CHUNK", 7)
    put_all(engine, {f"{n:02}": {"n": n, "word": ["red", "green"][n % 2]} for n in range(30)})
    for n in range(5):
        put(engine, "00", {"n": 100 + n, "word": "blue"})
    delete(engine, "01")
    delete(engine, "02", purge=True)
    engine.execute(PostEvent(collection=THINGS, key="a", type="t", value={"word": "red"}, timestamp=5))
    engine.execute(
        PutRelation(collection=THINGS, key="03", kind="next", to_collection=THINGS, to_key="04", value={})
    )
    before = records(engine)
    red = found(engine, "word:red", sort=[SortField("n")])
    assert indexes(engine) == [f"{engine._context.alias}~000001"]
    engine.reindex()
    assert indexes(engine) == [f"{engine._context.alias}~000002"]
    assert records(engine) == before
    assert found(engine, "word:red", sort=[SortField("n")]) == red
    assert len(verify(history(engine, "00"))) == 6
    put(engine, "00", {"n": 1}, IfMatch(item(engine, "00").ref))
    engine.reindex()
    assert indexes(engine) == [f"{engine._context.alias}~000003"]
    assert len(verify(history(engine, "00"))) == 7


def test_a_field_that_had_no_room_has_some_in_an_index_with_more(
    engine: OpenSearchEngine, cluster_url: str
) -> None:
    from orcodm.errors import IndexingConflict

    address = engine._context.address
    small = connect(f"{cluster_url}/{address.prefix}", fields=100, shards=1, replicas=0)
    with pytest.raises(IndexingConflict):
        put(small, "a", {f"n{n:03}": n for n in range(120)})
    small.close()
    assert found(engine, "n119:119") == []
    engine.reindex()
    assert found(engine, "n119:119") == ["a"]


def test_writers_go_on_while_it_moves(engine: OpenSearchEngine, url: str) -> None:
    """Counters, things that come and things that go, by several writers, through three moves."""
    put_all(engine, {f"counter{n}": {"n": 0} for n in range(3)})
    errors: list[BaseException] = []
    done = threading.Event()
    counts = [0] * 3
    left: list[set[str]] = [set() for _ in range(3)]

    def count(number: int) -> None:
        writer = connect(url)
        plus = JsonPatch([{"op": "inc", "path": "n"}])
        try:
            while not done.is_set():
                writer.execute(Patch(collection=THINGS, key=f"counter{number}", changes=plus))
                counts[number] += 1
                key = f"{number}-{counts[number]}"
                field = f"field{counts[number] % 20}"
                writer.execute(Put(collection="others", key=key, value={field: counts[number]}))
                left[number].add(key)
                if counts[number] % 3 == 0:
                    writer.execute(Delete(collection="others", key=key, purge=True))
                    left[number].discard(key)
        except BaseException as error:
            errors.append(error)
        finally:
            writer.close()

    threads = [threading.Thread(target=count, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        engine.reindex()
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [get(engine, f"counter{n}")["n"] for n in range(3)] == counts
    for number in range(3):
        assert len(verify(history(engine, f"counter{number}"))) == counts[number] + 1
    expected = sorted(key for keys in left for key in keys)
    engine.execute(Search(query="*", limit=0))
    assert sorted(found(engine, "*", "others", limit=1000)) == expected
    total = engine.execute(
        Search(query=" ".join(f"field{n}:*" for n in range(20)), collection="others")
    ).total
    assert total == len(expected)


def test_an_index_of_the_first_version_goes_on_and_moves_to_this_one(url: str) -> None:
    """It copied the words of all fields into one, where those without a field were looked for."""
    engine = OpenSearchEngine(url)
    address = engine._context.address
    host = f"http://{address.hosts[0]}"
    words = {"type": "text", "analyzer": "standard", "position_increment_gap": 1000}
    name: dict[str, Any] = {"type": "keyword", "ignore_above": 8191, "copy_to": ["words"]}
    name["fields"] = {"words": {**words, "fielddata": True}}
    first = {"dynamic": False, "_meta": {"orcodm": 1}, "properties": mapping.PROPERTIES | {"words": words}}
    first["properties"]["string:/name"] = name
    made = {"mappings": first, "settings": {"number_of_shards": 2}, "aliases": {address.prefix: {}}}
    httpx.put(f"{host}/{address.prefix}~000001", json=made, timeout=30).raise_for_status()
    put_all(engine, {"a": {"name": "Ada Lovelace"}, "b": {"name": "Babbage", "note": "knew Ada"}})
    for _ in range(2):
        assert found(engine, "ada", sort=[SortField("@path.key")]) == ["a", "b"]
        assert found(engine, '"ada lovelace"') == ["a"]
        assert found(engine, "bab*") == ["b"]
        engine.reindex()
    [index] = httpx.get(f"{host}/{address.prefix}/_mapping").json().values()
    assert index["mappings"]["_meta"]["orcodm"] == mapping.VERSION == 3
    assert "words" not in index["mappings"]["properties"]
    engine.close()
