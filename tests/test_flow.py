"""Flows by script: what they ask, what they are told, and the same from both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from blinker import Signal

from orcodm.engine import Engine
from orcodm.errors import Conflict, NotFound, UsageError
from orcodm.flow import Flow, arun, perform, run, send
from orcodm.operations import Get, IfAbsent, IfMatch, Item, Put, Written

from .engines.scripted import Scripted

R = TypeVar("R")
Drive = Callable[[Flow[Any], Engine], Any]


def drive_async(flow: Flow[R], engine: Engine) -> R:
    return asyncio.run(arun(flow, engine))


@pytest.fixture(params=[run, drive_async], ids=["run", "arun"])
def drive(request: pytest.FixtureRequest) -> Drive:
    """Both drivers, as functions of a flow and an engine."""
    driver: Drive = request.param
    return driver


@pytest.fixture
def signal() -> Iterator[Signal]:
    signal = Signal()
    yield signal
    signal._clear_state()


def touch(collection: str, key: str) -> Flow[Written]:
    """Write the value at a key again; an empty one where there is none."""
    try:
        item = yield from perform(Get(collection=collection, key=key))
    except NotFound:
        put = Put(collection=collection, key=key, value={}, condition=IfAbsent())
    else:
        put = Put(collection=collection, key=key, value=item.value, condition=IfMatch(item.ref))
    return (yield from perform(put))


THING = Item(collection="things", key="a", ref="0a", value={"n": 1})


def test_an_answer_is_the_value_of_perform(drive: Drive) -> None:
    engine = Scripted(THING, "0b")
    assert drive(touch("things", "a"), engine) == Written(collection="things", key="a", ref="0b")
    assert engine.asked == [
        Get(collection="things", key="a"),
        Put(collection="things", key="a", value={"n": 1}, condition=IfMatch("0a")),
    ]


def test_an_error_is_raised_where_the_flow_asked(drive: Drive) -> None:
    engine = Scripted(NotFound.item("things", "a"), "0b")
    drive(touch("things", "a"), engine)
    assert engine.asked[1] == Put(collection="things", key="a", value={}, condition=IfAbsent())


def test_an_error_that_the_flow_lets_pass_reaches_the_caller(drive: Drive) -> None:
    conflict = Conflict()
    with pytest.raises(Conflict) as caught:
        drive(touch("things", "a"), Scripted(THING, conflict))
    assert caught.value is conflict


def test_a_flow_may_return_while_it_handles_an_error(drive: Drive) -> None:
    def exists() -> Flow[bool]:
        try:
            yield from perform(Get(collection="things", key="a"))
        except NotFound:
            return False
        return True

    assert drive(exists(), Scripted(NotFound())) is False
    assert drive(exists(), Scripted(THING)) is True


def test_a_flow_that_asks_nothing(drive: Drive) -> None:
    def nothing() -> Flow[int]:
        return 7
        yield

    engine = Scripted()
    assert drive(nothing(), engine) == 7
    assert engine.asked == []


def test_what_a_flow_raises_by_itself_reaches_the_caller(drive: Drive) -> None:
    def broken() -> Flow[None]:
        yield from perform(Get(collection="things", key="a"))
        raise LookupError("of the flow's own")

    with pytest.raises(LookupError, match="of the flow's own"):
        drive(broken(), Scripted(THING))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), SystemExit(3), MemoryError()])
def test_a_flow_can_clean_up_after_any_exception(error: BaseException) -> None:
    cleaned: list[BaseException] = []

    def careful() -> Flow[None]:
        try:
            yield from perform(Get(collection="things", key="a"))
        except BaseException as met:
            cleaned.append(met)
            raise

    with pytest.raises(type(error)):
        run(careful(), Scripted(error))
    assert cleaned == [error]


def test_a_cancelled_task_is_seen_by_its_flow() -> None:
    class Stuck(Scripted):
        async def aexecute(self, operation: Any) -> Any:
            self.asked.append(operation)
            await asyncio.Event().wait()

    seen: list[type[BaseException]] = []

    def careful() -> Flow[None]:
        try:
            yield from perform(Get(collection="things", key="a"))
        except BaseException as error:
            seen.append(type(error))
            raise

    async def cancel() -> None:
        engine = Stuck()
        task = asyncio.create_task(arun(careful(), engine))
        while not engine.asked:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert seen == [asyncio.CancelledError]


# -- signals ---------------------------------------------------------------------------------------


class Thing:
    """A sender."""


def announce(signal: Signal) -> Flow[str]:
    yield from send(signal, Thing, document="d")
    written = yield from perform(Put(collection="things", key="a", value=1))
    return written.ref


def test_a_signal_is_sent_before_the_flow_goes_on(drive: Drive, signal: Signal) -> None:
    engine = Scripted("0a")
    heard: list[Any] = []

    def receiver(sender: Any, **payload: Any) -> None:
        heard.append((sender, payload, len(engine.asked)))

    signal.connect(receiver)
    assert drive(announce(signal), engine) == "0a"
    assert heard == [(Thing, {"document": "d"}, 0)]


def test_a_signal_nobody_listens_to_costs_no_step(signal: Signal) -> None:
    assert list(send(signal, Thing, document="d")) == []


def test_a_receiver_that_raises_stops_the_flow(drive: Drive, signal: Signal) -> None:
    def receiver(sender: Any, **payload: Any) -> None:
        raise LookupError("no")

    signal.connect(receiver)
    engine = Scripted()
    with pytest.raises(LookupError, match="no"):
        drive(announce(signal), engine)
    assert engine.asked == []


def test_async_receivers_are_awaited_by_arun_beside_sync_ones(signal: Signal) -> None:
    heard: list[str] = []

    async def awaited(sender: Any, **payload: Any) -> None:
        await asyncio.sleep(0)
        heard.append("awaited")

    def called(sender: Any, **payload: Any) -> None:
        heard.append("called")

    signal.connect(awaited)
    signal.connect(called)
    assert drive_async(announce(signal), Scripted("0a")) == "0a"
    assert sorted(heard) == ["awaited", "called"]


def test_async_receivers_are_refused_by_run(signal: Signal) -> None:
    async def awaited(sender: Any, **payload: Any) -> None:
        raise AssertionError("never called")

    signal.connect(awaited)
    engine = Scripted("0a")
    with pytest.raises(UsageError, match="awaited by the a-methods"):
        run(announce(signal), engine)
    assert engine.asked == []


# -- the scripted engine itself --------------------------------------------------------------------


def test_a_script_that_is_too_short_fails_the_test(drive: Drive) -> None:
    with pytest.raises(AssertionError, match=r"no answer to Put\("):
        drive(touch("things", "a"), Scripted(THING))


def test_the_scripted_engine_is_an_engine() -> None:
    assert isinstance(Scripted(), Engine)
