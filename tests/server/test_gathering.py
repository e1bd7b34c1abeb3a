"""Writes that are gathered have the answers that they would have had one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve

from orcodm.engines.connect import connect
from orcodm.errors import AlreadyExists, Conflict, InternalError, NotFound, TransportError
from orcodm.operations import (
    Batch,
    BatchResult,
    Delete,
    Get,
    IfAbsent,
    IfMatch,
    JsonPatch,
    Patch,
    Post,
    Put,
    Written,
)
from orcodm.server.gathering import MOST, Gathering

from ..engines.scripted import Scripted


class Watched:
    """An engine that remembers how many writes came at once, and lets others run before it answers."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.capabilities = engine.capabilities
        self.sizes: list[int] = []

    async def aexecute(self, operation: Any) -> Any:
        self.sizes.append(len(operation.operations) if isinstance(operation, Batch) else 1)
        await asyncio.sleep(0)
        return self.engine.execute(operation)


def together(engine: Any, *operations: Any) -> list[Any]:
    """The outcomes of operations that are asked at the same time."""

    async def ask() -> list[Any]:
        gathering = Gathering(engine)
        await gathering.aexecute(Delete(collection="c", key="the first"))
        return await asyncio.gather(*map(gathering.aexecute, operations), return_exceptions=True)

    return asyncio.run(ask())


def put(key: str, value: Any = 1, **condition: Any) -> Put:
    return Put(collection="c", key=key, value=value, **condition)


def test_what_comes_while_another_commits_is_one_transaction() -> None:
    engine = Watched(connect("memory:"))
    outcomes = together(engine, *(put(str(number)) for number in range(10)))
    assert [outcome.key for outcome in outcomes] == [str(number) for number in range(10)]
    assert engine.sizes == [1, 10]
    engine.engine.close()


def test_reads_do_not_wait_and_groups_have_an_end() -> None:
    engine = Watched(connect("memory:"))
    outcomes = together(engine, *(put(str(n)) for n in range(MOST + 1)), Get(collection="c", key="nobody"))
    assert isinstance(outcomes.pop(), NotFound)
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert sorted(engine.sizes) == [1, 1, 1, MOST]
    engine.engine.close()


def test_a_conflict_is_told_to_its_own_write_only() -> None:
    engine = Watched(connect("memory:"))
    first, second, third, fourth, fifth = together(
        engine,
        put("a", condition=IfAbsent()),
        put("a", 2, condition=IfAbsent()),
        put("b", {}),
        Patch(collection="c", key="b", changes=JsonPatch([{"op": "add", "path": "n", "value": 1}])),
        put("b", condition=IfMatch("abc")),
    )
    assert isinstance(first, Written)
    assert isinstance(second, AlreadyExists)
    assert second.details["current"] == first.ref
    assert isinstance(fifth, Conflict)
    assert fifth.details["current"] == fourth.ref != third.ref
    assert engine.sizes == [1, 5, 3]
    assert engine.engine.execute(Get(collection="c", key="b")).value == {"n": 1}
    engine.engine.close()


def test_where_all_fail_nothing_is_tried_again() -> None:
    engine = Watched(connect("memory:"))
    outcomes = together(engine, *(put("a", condition=IfMatch("abc")) for _ in range(3)))
    assert [type(outcome) for outcome in outcomes] == [Conflict] * 3
    assert engine.sizes == [1, 3]
    engine.engine.close()


def test_a_writer_in_between_is_seen() -> None:
    engine = connect("memory:")

    class Raced(Watched):
        async def aexecute(self, operation: Any) -> Any:
            if self.sizes[1:] == [3]:  # after the first attempt, before the second
                engine.execute(put("a", "theirs"))
            return await super().aexecute(operation)

    outcomes = together(
        Raced(engine),
        put("a", "ours", condition=IfAbsent()),
        put("x", condition=IfMatch("abc")),
        put("b", condition=IfAbsent()),
    )
    assert [type(outcome) for outcome in outcomes] == [AlreadyExists, Conflict, Written]
    assert engine.execute(Get(collection="c", key="a")).value == "theirs"
    engine.close()


def test_a_write_that_was_perhaps_written_is_not_written_again() -> None:
    engine = Scripted(None, TransportError("lost", sent=True))
    outcomes = together(engine, Post(collection="c", value=1), Post(collection="c", value=2))
    assert [type(outcome) for outcome in outcomes] == [TransportError] * 2
    assert len(engine.asked) == 2


def test_one_that_breaks_the_engine_breaks_nothing_for_the_others() -> None:
    written = Written(collection="c", key="a", ref="ab")
    engine = Scripted(None, InternalError(), written, RuntimeError("huh"))
    assert together(engine, put("a"), put("b"))[0] is written
    assert [type(operation) for operation in engine.asked] == [Delete, Batch, Put, Put]


def test_engines_without_transactions_get_each_write_at_once() -> None:
    engine = Watched(connect("memory:"))
    engine.capabilities = evolve(engine.capabilities, atomic_batch=False)
    together(engine, *(put(str(number)) for number in range(3)))
    assert engine.sizes == [1, 1, 1, 1]
    engine.engine.close()


@pytest.mark.parametrize("seed", range(5))
def test_counters_under_contention(seed: int) -> None:
    engine = connect("memory:")
    place: Any = {"collection": "c", "key": "counter"}
    engine.execute(Put(**place, value=0))
    gathering = Gathering(engine)

    async def count() -> None:
        while True:
            item = await gathering.aexecute(Get(**place))
            try:
                await gathering.aexecute(Put(**place, value=item.value + 1, condition=IfMatch(item.ref)))
            except Conflict:
                continue
            return

    async def all_of_them() -> None:
        await asyncio.gather(*(count() for _ in range(20 + seed)))

    asyncio.run(all_of_them())
    assert engine.execute(Get(**place)).value == 20 + seed
    engine.close()


def test_a_stop_in_the_middle_leaves_nobody_waiting() -> None:
    class Stuck(Scripted):
        async def aexecute(self, operation: Any) -> Any:
            await asyncio.Event().wait()

    async def ask() -> list[Any]:
        gathering = Gathering(Stuck())
        gathering._is_atomic = True  # asked for in a thread it would come to each at another time
        tasks = [asyncio.ensure_future(gathering.aexecute(put(str(number)))) for number in range(3)]
        while gathering._committing is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        gathering._committing.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(ask())] == [asyncio.CancelledError] * 3


def test_a_batch_goes_as_it_is() -> None:
    result = BatchResult([None])
    engine = Scripted(result)

    async def ask() -> Any:
        return await Gathering(engine).aexecute(Batch([Delete(collection="c", key="k")]))

    assert asyncio.run(ask()) is result
