from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import BadRequest, InvalidQuery, NotFound, UsageError
from orcodm.operations import (
    Batch,
    Dump,
    Get,
    IfMatch,
    List,
    ListRelations,
    ListTerms,
    PostEvent,
    Put,
    PutRelation,
    Restore,
    Search,
    SortField,
    TermCount,
    Terms,
    TopValues,
)
from orcodm.server.keys import Keys
from orcodm.server.namespace import Namespaced


def basic(key: str) -> bytes:
    return b"Basic " + b64encode(f"{key}:".encode())


def test_a_key_is_shown_once_and_stored_hashed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = Keys(path=path)
    key, entry = keys.create("shop")
    assert key not in path.read_text()
    assert key not in repr(list(keys))
    assert keys.application(basic(key)) == "shop"
    assert Keys(path=path).application(basic(key)) == "shop"
    assert keys.application(basic(key + "x")) is None
    assert keys.revoke(entry.id).application == "shop"
    assert keys.application(basic(key)) is None
    with pytest.raises(UsageError):
        keys.revoke(entry.id)


def test_a_running_server_sees_new_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    running, tool = Keys(path=path), Keys(path=path)
    key, _ = tool.create("shop")
    running._checked = 0.0
    assert running.application(basic(key)) == "shop"


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"no": 1}')
    with pytest.raises(UsageError, match="no file of API keys"):
        Keys(path=path)
    assert os.listdir(tmp_path) == ["keys.json"]


def test_processes_that_create_keys_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    program = f"""if True:
        from orcodm.server.keys import Keys
        for _ in range(10):
            print(Keys(path={str(path)!r}).create("shop")[0])
    """
    makers = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    made = [key for maker in makers for key in maker.communicate()[0].split()]
    keys = Keys(path=path)
    assert len(made) == 30
    assert {keys.application(basic(key)) for key in made} == {"shop"}


def test_a_file_that_gets_damaged_leaves_the_keys_that_were_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    keys = Keys(path=path)
    key, _ = keys.create("shop")
    path.write_text('[{"id": 1')
    keys._checked = -10.0
    assert keys.application(basic(key)) == "shop"
    assert str(path) in caplog.text
    with pytest.raises(UsageError, match="no file of API keys"):
        keys.create("shop")
    assert path.read_text() == '[{"id": 1'
    path.unlink()
    keys._checked = -10.0
    assert keys.application(basic(key)) is None


@pytest.mark.parametrize("name", ["Shop", "a:b", "a" * 65])
def test_names_of_applications(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        Keys(path=tmp_path / "keys.json").create(name)


# -- what an application sees ----------------------------------------------------------------------


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


@pytest.fixture
def shop(engine: Engine) -> Namespaced:
    return Namespaced(engine, "shop")


@pytest.fixture
def bank(engine: Engine) -> Namespaced:
    return Namespaced(engine, "bank")


def put(engine: Any, key: str, value: Any, collection: str = "users") -> None:
    engine.execute(Put(collection=collection, key=key, value=value))


def test_collections_are_each_applications_own(shop: Namespaced, bank: Namespaced) -> None:
    put(shop, "ada", {"n": 1})
    with pytest.raises(NotFound) as missing:
        bank.execute(Get(collection="users", key="ada"))
    assert missing.value.details == {"items": [{"collection": "users", "key": "ada"}]}
    assert "bank" not in str(missing.value)
    item = shop.execute(Get(collection="users", key="ada"))
    assert (item.collection, item.value) == ("users", {"n": 1})
    with pytest.raises(NotFound):
        bank.execute(Get(collection="shop:users", key="ada"))


def test_pages_lead_to_pages_of_the_same_application(shop: Namespaced) -> None:
    for key in "abc":
        put(shop, key, {"n": 1})
    for operation in (
        List(collection="users", limit=2),
        Search(collection="users", query="n:1", limit=2),
        Search(query="n:1", limit=2),
    ):
        page: Any = shop.execute(operation)  # type: ignore[arg-type]
        rest: Any = shop.execute(page.next)
        assert [item.key for item in (*page.results, *rest.results)] == ["a", "b", "c"]
        assert {item.collection for item in page.results} == {"users"}
        assert page.next.collection == operation.collection


def search(engine: Any, query: str, **more: Any) -> list[str]:
    page = engine.execute(Search(query=query, sort=[SortField("@path.key")], **more))
    return [f"{item.collection}/{item.key}" for item in page.results]


def test_a_search_everywhere_stays_within_the_application(shop: Namespaced, bank: Namespaced) -> None:
    put(shop, "ada", {"n": 1})
    put(shop, "film", {"n": 1}, "films")
    put(bank, "bob", {"n": 1})
    assert search(shop, "*") == ["users/ada", "films/film"]
    assert search(shop, "n:1 OR *") == ["users/ada", "films/film"]
    assert search(shop, "@path.collection:`films`") == ["films/film"]
    assert search(shop, "@path.collection:fil*") == ["films/film"]
    assert search(shop, "@path.collection:[u TO *]") == ["users/ada"]
    assert search(shop, "@path.collection:/.*/") == ["users/ada", "films/film"]
    assert search(shop, "@path.collection:`bank:users`") == []
    assert search(shop, "NOT n:1") == []
    assert search(bank, "*:*") == ["users/bob"]
    page = shop.execute(Search(query="*", aggregates=[TopValues("@path.collection")]))
    assert [item.score for item in page.results] == [1.0, 1.0]
    with pytest.raises(InvalidQuery) as raised:
        shop.execute(Search(query="a:("))
    assert raised.value.position is not None


def test_relations_and_events_are_shown_under_their_own_names(shop: Namespaced) -> None:
    put(shop, "ada", {})
    put(shop, "film", {}, "films")
    ends = {"collection": "users", "key": "ada", "kind": "liked", "to_collection": "films"}
    written = shop.execute(PutRelation(**ends, to_key="film"))
    assert written.collection == "users"
    page = shop.execute(ListRelations(collection="users", key="ada", kinds=["liked"]))
    assert [item.collection for item in page.results] == ["films"]
    with pytest.raises(NotFound) as missing:
        shop.execute(PutRelation(**ends, to_key="nobody"))
    assert missing.value.details == {"items": [{"collection": "films", "key": "nobody"}]}
    event = shop.execute(PostEvent(collection="users", key="ada", type="t", value=1))
    assert event.collection == "users"
    assert search(shop, "@path.kind:relationship AND @path.source.collection:`users`") == ["users/ada"]


def test_outcomes_of_a_batch_are_shown_too(shop: Namespaced) -> None:
    conflict = Put(collection="users", key="a", value=1, condition=IfMatch("ab"))

    async def write() -> Any:
        return await shop.aexecute(Batch([conflict, Put(collection="users", key="b", value=1)]))

    first, second = asyncio.run(write()).outcomes
    assert first.details["items"] == [{"collection": "users", "key": "a"}]
    assert "shop" not in f"{first}{second}"


def test_a_name_that_becomes_too_long_is_refused(shop: Namespaced) -> None:
    with pytest.raises(BadRequest):
        put(shop, "k", 1, "c" * 1024)


def test_records_are_those_of_the_application(shop: Namespaced, bank: Namespaced) -> None:
    put(shop, "ada", {"n": 1})
    put(bank, "bob", {"n": 1})
    put(shop, "film", {}, "films")
    ends = {"collection": "users", "key": "ada", "kind": "liked", "to_collection": "films", "to_key": "film"}
    shop.execute(PutRelation(**ends))
    records: list[Any] = []
    page: Any = Dump(limit=1)
    while page is not None:
        dumped = shop.execute(page)
        records += dumped.results
        page = dumped.next
    assert [(record.collection, record.key) for record in records] == [
        ("users", "ada"),
        ("films", "film"),
        ("users", "ada"),
    ]
    assert records[2].to_collection == "films"
    assert shop.execute(Dump(collection="films")).results == (records[1],)
    assert shop.execute(Restore(records)).outcomes == (False, False, False)
    assert bank.execute(Restore(records[:1])).outcomes == (True,)
    assert bank.execute(Get(collection="users", key="ada")).value == {"n": 1}


def test_terms_are_those_of_the_application(shop: Namespaced, bank: Namespaced) -> None:
    put(shop, "ada", {"name": "Ada"})
    put(bank, "bob", {"name": "Adam"})
    for application, text in ((shop, "ada"), (bank, "adam")):
        found = application.execute(ListTerms(collection="users", field="name", prefix="a"))
        assert found == Terms(documents=1, terms=[TermCount(text, 1)])


def test_large_batches_and_pages_are_rewritten_as_small_ones(shop: Namespaced) -> None:
    writes = [Put(collection="users", key=f"k{number:03}", value=1) for number in range(300)]

    async def ask() -> Any:
        written = await shop.aexecute(Batch(writes))
        return written, await shop.aexecute(List(collection="users", limit=300))

    written, page = asyncio.run(ask())
    assert {outcome.collection for outcome in written.outcomes} == {"users"}
    assert [(item.collection, item.key) for item in page.results] == [("users", put.key) for put in writes]
