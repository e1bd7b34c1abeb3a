"""Large requests and answers: in slices, bounded, and beside the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.engines.embedded.engine import HANDLERS, Handler, How
from orcodm.operations import Batch, List, ListRefs, ListRelations, Page, Put, Search, SortField, Written
from orcodm.server.app import create_app
from orcodm.server.bounded import execute_bounded
from orcodm.server.importing import SLICE_ENTRIES
from orcodm.server.replays import Replays
from orcodm.server.requests import Limits
from orcodm.wire.messages import Response

from ..engines.scripted import Scripted
from .test_app import asked, one

STREAM = {"Content-Type": "application/orchestrate-export-stream+json"}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


class Counted:
    """An engine that counts the operations of each transaction."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.capabilities = engine.capabilities
        self.sizes: list[int] = []

    def execute(self, operation: Any) -> Any:
        self.sizes.append(len(operation.operations) if isinstance(operation, Batch) else 1)
        return self.engine.execute(operation)

    async def aexecute(self, operation: Any) -> Any:
        return self.execute(operation)


def item(key: str) -> dict[str, Any]:
    return {"path": {"kind": "item", "collection": "c", "key": key}, "value": {"key": key}}


def related(key: str) -> dict[str, Any]:
    ends = {"source": {"collection": "c", "key": key}, "destination": {"collection": "c", "key": key}}
    return ends | {"relation": "is"}


def test_an_import_is_written_in_slices_and_a_failure_costs_its_slice_only(engine: Engine) -> None:
    counted = Counted(engine)
    entries: list[Any] = [item(f"k{number}") for number in range(5 * SLICE_ENTRIES)]
    entries[SLICE_ENTRIES + 7] = related("nobody")
    entries[SLICE_ENTRIES + 9] = related("k0")
    entries[SLICE_ENTRIES + 11] = {"huh": 1}
    answer = one(
        create_app(counted), "POST", "/v0", content="".join(map(json.dumps, entries)), headers=STREAM
    )
    results = answer.json()["results"]
    assert [entry["operation_index"] for entry in results] == list(range(5 * SLICE_ENTRIES))
    failed = [entry["operation_index"] for entry in results if entry["status"] == "failure"]
    assert failed == [SLICE_ENTRIES + 7, SLICE_ENTRIES + 11]
    assert answer.json()["success_count"] == 5 * SLICE_ENTRIES - 2
    whole = [SLICE_ENTRIES, SLICE_ENTRIES - 1, SLICE_ENTRIES - 2] + [SLICE_ENTRIES] * 3
    assert counted.sizes == whole
    assert engine.execute(Search(collection="c", query="*", limit=0)).total == 5 * SLICE_ENTRIES - 3
    assert {type(entry["item"]["path"]["reftime"]) for entry in results if "item" in entry} == {int}


def test_others_write_between_the_slices_of_an_import(engine: Engine) -> None:
    app = create_app(engine)
    content = "\n".join(json.dumps(item(f"k{number}")) for number in range(10 * SLICE_ENTRIES))

    async def ask() -> list[str]:
        ended: list[str] = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

            async def bulk() -> None:
                await client.post("/v0", content=content, headers=STREAM)
                ended.append("bulk")

            async def puts() -> None:
                for _ in range(3):
                    assert (await client.put("/v0/c/other", content="1")).status_code == 201
                ended.append("puts")

            await asyncio.gather(bulk(), puts())
        return ended

    assert asyncio.run(ask()) == ["puts", "bulk"]


@pytest.mark.parametrize(
    "operation",
    [
        List(collection="c", limit=7),
        Search(collection="c", query="*", limit=7, sort=[SortField("value.n")]),
        Search(collection="c", query="*", limit=7, cursor="*"),
        Search(collection="c", query="*", limit=7, with_fields=["n", "t"]),
        ListRefs(collection="c", key="k0", limit=7, values=True),
    ],
)
def test_a_page_of_large_values_ends_early_and_goes_on(engine: Engine, operation: Any) -> None:
    for number in range(10):
        engine.execute(Put(collection="c", key=f"k{number}", value={"n": number, "t": "x" * 1000}))
        engine.execute(Put(collection="c", key="k0", value={"n": -number, "t": "x" * 1000}))

    def walked(size: int) -> tuple[list[Any], list[int]]:
        results: list[Any] = []
        lengths: list[int] = []
        asked: Any = operation
        while asked is not None:
            page = asyncio.run(execute_bounded(engine, asked, size))
            results += page.results
            lengths.append(len(page.results))
            assert page.next is None or page.next.limit == 7
            asked = page.next
        return results, lengths

    everything, whole = walked(2**20)
    assert whole[0] == 7
    for size, most in ((3500, 3), (1, 1)):
        some, lengths = walked(size)
        assert some == everything
        assert max(lengths) == most


def test_the_page_that_a_server_ends_early_has_its_link(engine: Engine) -> None:
    for number in range(10):
        engine.execute(Put(collection="c", key=f"k{number}", value="x" * 1000))
    app = create_app(engine, limits=Limits(page=3500))
    keys: list[str] = []
    target = "/v0/c?limit=8"
    while target:
        page = one(app, "GET", target).json()
        keys += [entry["path"]["key"] for entry in page["results"]]
        target = page.get("next")
        assert target is None or "limit=8" in target
    assert keys == [f"k{number}" for number in range(10)]


def test_answers_are_kept_by_their_bytes() -> None:
    async def ask() -> None:
        replays = Replays(answers=3, size=100)
        for token in range(5):
            replays.begin(token)
            replays.end(token, Response(200, (), b"x" * 10))
        assert [token for token in range(5) if replays.get(token)] == [2, 3, 4]
        under_way = replays.begin("slow")
        replays.begin("large")
        replays.end("large", Response(200, (), b"x" * 101))
        assert not any(map(replays.get, (2, 3, 4, "large")))
        assert replays.get("slow") is under_way
        replays.end("slow", Response(503))
        assert replays.get("slow") is None
        assert (await under_way).status == 503
        replays.begin("small")
        replays.end("small", Response(200, (), b"x" * 100))
        assert replays.get("small")

    asyncio.run(ask())


def test_a_large_body_and_a_large_answer_are_those_of_small_ones(engine: Engine) -> None:
    app = create_app(engine)
    value = {"text": "x" * 200_000}
    put, got, listed = asked(
        app,
        ("PUT", "/v0/c/k", {"content": json.dumps(value)}),
        ("GET", "/v0/c/k"),
        ("GET", "/v0/c"),
    )
    assert put.status_code == 201
    assert got.json() == value
    assert [entry["value"] for entry in listed.json()["results"]] == [value]
    broken = one(app, "PUT", "/v0/c/k", content="[" + "1," * 100_000)
    assert (broken.status_code, broken.json()["code"]) == (400, "api_bad_request")
    scripted = Scripted(Written("c", "k", "ab"))
    assert one(create_app(scripted), "PUT", "/v0/c/k", content=json.dumps(value)).status_code == 201
    assert scripted.asked == [Put(collection="c", key="k", value=value)]


def test_slow_searches_hold_up_no_quick_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect(f"sqlite:///{tmp_path}/a.db")
    free = threading.Event()

    def wait(_: Any, operation: Search) -> Any:
        if operation.query == "slow":
            free.wait(20)
        return Page(results=())

    monkeypatch.setitem(HANDLERS, Search, Handler(How.SEARCH, wait))

    async def ask() -> None:
        async def search(query: str) -> Any:
            return await asyncio.wait_for(engine.aexecute(Search(query=query)), 15)

        slow = [asyncio.ensure_future(search("slow")) for _ in range(12)]
        for _ in range(3):
            await asyncio.wait_for(asyncio.gather(*(search("quick") for _ in range(8))), 5)
        assert not any(request.done() for request in slow)
        # Whoever gives up while waiting for a thread leaves nothing behind.
        given_up = asyncio.ensure_future(search("quick"))
        await asyncio.sleep(0)
        given_up.cancel()
        assert isinstance((await asyncio.gather(given_up, return_exceptions=True))[0], asyncio.CancelledError)
        free.set()
        await asyncio.gather(*slow)

    asyncio.run(ask())
    engine.close()


def test_slow_requests_take_no_thread_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect(f"sqlite:///{tmp_path}/a.db")
    app = create_app(engine, owns_engine=True)
    free = threading.Event()

    def wait(*given: Any) -> Any:
        free.wait(20)
        return Page(results=())

    monkeypatch.setitem(HANDLERS, Search, Handler(How.SEARCH, wait))
    monkeypatch.setitem(HANDLERS, ListRelations, Handler(How.READ, wait))

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            slow = [
                asyncio.ensure_future(client.get(path))
                for path in ("/v0/c?query=a", "/v0/c/k/relations/a/b") * 6
            ]
            await asyncio.sleep(0.05)
            for method, path in (
                ("PUT", "/v0/c/k"),
                ("GET", "/v0/c/k"),
                ("GET", "/v0/c"),
                ("GET", "/v0/c/k/refs"),
                ("GET", "/ready"),
                ("GET", "/health"),
            ):
                answer = await asyncio.wait_for(client.request(method, path, content="1"), 5)
                assert answer.is_success
            assert not any(request.done() for request in slow)
            free.set()
            assert {answer.status_code for answer in await asyncio.gather(*slow)} == {200}

    asyncio.run(ask())
    engine.close()
