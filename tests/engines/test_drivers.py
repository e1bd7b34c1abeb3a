"""An engine from many threads and tasks at once, and after it was closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orcodm.engine import Capabilities, Engine
from orcodm.engines.connect import connect
from orcodm.errors import Conflict, NotFound, SessionClosed
from orcodm.operations import Get, IfAbsent, IfMatch, Ping, Put, Search

from .asking import THINGS, Awaited, found, get, history, item, listed, put, verify

COUNTER = Get(collection=THINGS, key="counter")


@pytest.fixture(params=["memory:", "sqlite"])
def plain(request: pytest.FixtureRequest, url: str) -> Iterator[Engine]:
    """An engine without anything around it."""
    engine = connect(url if request.param == "sqlite" else request.param)
    yield engine
    engine.close()


def test_an_engine_says_what_it_can_do(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert isinstance(engine.capabilities, Capabilities)
    assert engine.capabilities.max_limit >= 100


def test_an_awaited_operation_has_the_same_answer(plain: Engine) -> None:
    async def both() -> None:
        written = await plain.aexecute(Put(collection=THINGS, key="a", value={"n": 1}))
        assert plain.execute(Get(collection=THINGS, key="a")).ref == written.ref
        assert await plain.aexecute(Get(collection=THINGS, key="a")) == item(plain, "a")
        page = await plain.aexecute(Search(query="n:1", collection=THINGS))
        assert page == plain.execute(Search(query="n:1", collection=THINGS))
        with pytest.raises(NotFound):
            await plain.aexecute(Get(collection=THINGS, key="b"))
        with pytest.raises(Conflict):
            await plain.aexecute(Put(collection=THINGS, key="a", value=2, condition=IfAbsent()))

    asyncio.run(both())


def test_an_engine_outlives_the_loop_it_was_used_on(plain: Engine) -> None:
    for n in range(3):
        asyncio.run(_increment(plain))
        assert get(plain, "counter") == n + 1


async def _increment(engine: Engine) -> None:
    while True:
        try:
            item = await engine.aexecute(COUNTER)
        except NotFound:
            put = Put(collection=THINGS, key="counter", value=1, condition=IfAbsent())
        else:
            put = Put(collection=THINGS, key="counter", value=item.value + 1, condition=IfMatch(item.ref))
        try:
            await engine.aexecute(put)
        except Conflict:
            continue
        return


def test_tasks_lose_no_update(plain: Engine) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(*(_increment(plain) for _ in range(30)))

    asyncio.run(all_at_once())
    assert get(plain, "counter") == 30
    assert len(verify(history(plain, "counter"))) == 30


def test_threads_lose_no_update(plain: Engine) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: [asyncio.run(_increment(plain)) for _ in range(5)], range(6)))
    assert get(plain, "counter") == 30
    verify(history(plain, "counter"))


def test_threads_search_while_others_write(plain: Engine) -> None:
    def write(thread: int) -> None:
        for n in range(20):
            put(plain, f"{thread}-{n}", {"thread": thread})

    def search(thread: int) -> None:
        counts = [len(found(plain, f"thread:{thread}", limit=100)) for _ in range(20)]
        assert counts == sorted(counts)

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(work, thread) for thread in range(4) for work in (write, search)]:
            future.result()
    assert len(found(plain, "*", limit=100)) == 80


def test_a_cancelled_task_leaves_the_engine_whole(plain: Engine) -> None:
    async def cancel_some() -> None:
        for n in range(20):
            task = asyncio.create_task(plain.aexecute(Put(collection=THINGS, key=f"{n:02}", value=n)))
            for _ in range(n % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await plain.aexecute(Put(collection=THINGS, key="last", value=1))

    asyncio.run(cancel_some())
    keys = listed(plain)
    assert keys[-1] == "last"
    assert all(get(plain, key) == int(key) for key in keys[:-1])
    # What was cancelled may still be under way in a thread, and come between two looks.
    assert set(keys) <= set(found(plain, "*", limit=100)) <= set(listed(plain))


@pytest.mark.parametrize(
    "operation", [Ping(), COUNTER, Search(query="*"), Put(collection="c", key="k", value=1)]
)
def test_a_closed_engine_says_so(plain: Engine, operation: object) -> None:
    put(plain, "a", 1)
    plain.close()
    with pytest.raises(SessionClosed):
        plain.execute(operation)  # type: ignore[arg-type]
    with pytest.raises(SessionClosed):
        asyncio.run(plain.aexecute(operation))  # type: ignore[arg-type]
    plain.close()
    asyncio.run(plain.aclose())


def test_closing_while_tasks_are_under_way(plain: Engine) -> None:
    async def close_early() -> list[object]:
        tasks = [
            asyncio.create_task(plain.aexecute(Put(collection=THINGS, key=f"{n}", value=n)))
            for n in range(10)
        ]
        await asyncio.sleep(0)
        await plain.aclose()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(close_early())
    assert all(not isinstance(result, Exception) or type(result) is SessionClosed for result in results)


def test_engines_in_ram_are_apart() -> None:
    one, other = connect("memory:"), connect("memory:")
    put(one, "a", 1)
    assert listed(other) == []
    one.close()
    assert listed(other) == []
    other.close()


def test_two_engines_on_a_file_are_one_store(url: str) -> None:
    one, other = connect(url), Awaited(connect(url))
    put(one, "a", {"n": 1})
    assert (get(other, "a"), found(other, "n:1")) == ({"n": 1}, ["a"])
    ref = put(other, "a", {"n": 2}, IfMatch(item(one, "a").ref))
    assert (item(one, "a").ref, found(one, "n:2"), found(one, "n:1")) == (ref, ["a"], [])
    one.close()
    assert put(other, "b", {"n": 2})
    assert found(other, "n:2") == ["a", "b"]
    other.close()


def test_a_file_keeps_everything(url: str, tmp_path: Path) -> None:
    engine = connect(url)
    refs = [put(engine, "a", {"n": n}) for n in range(3)]
    assert found(engine, "n:2") == ["a"]
    engine.close()
    engine = connect(url)
    assert item(engine, "a").ref == refs[2]
    assert verify(history(engine, "a")) == refs
    assert found(engine, "n:2") == ["a"]
    engine.close()
