"""The only fork between sync and async.

A flow is a generator: it yields operations (and signals to send, functions to call), receives results,
and returns a value. It decides everything and does nothing; `run` and `arun` answer it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import isawaitable
from typing import Any, TypeAlias, TypeVar

from attrs import field, frozen
from blinker import Signal

from .engine import Engine
from .errors import UsageError
from .operations import Operation

R = TypeVar("R")


@frozen
class Send:
    """A signal to send."""

    signal: Signal
    sender: type
    payload: dict[str, Any] = field(factory=dict)


@frozen
class Call:
    """A function of the application to call; what it returns is awaited where it can be."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


Step: TypeAlias = "Operation[Any] | Send | Call"
Flow: TypeAlias = Generator[Step, Any, R]


def perform(operation: Operation[R]) -> Flow[R]:
    """Ask the engine; the answer is the value of `yield from`."""
    answer: R = yield operation
    return answer


def send(signal: Signal, sender: type, **payload: Any) -> Flow[None]:
    """Send a signal, where anybody listens."""
    if signal.receivers:
        yield Send(signal, sender, payload)


def run(flow: Flow[R], engine: Engine) -> R:
    """Drive a flow with the engine's `execute`."""
    execute = engine.execute
    try:
        step = next(flow)
        while True:
            try:
                answer = execute(step) if isinstance(step, Operation) else _do(step)
            except BaseException as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def arun(flow: Flow[R], engine: Engine) -> R:
    """Drive a flow with the engine's `aexecute`; async receivers of signals are awaited."""
    try:
        step = next(flow)
        while True:
            try:
                if isinstance(step, Operation):
                    answer = await engine.aexecute(step)
                else:
                    answer = await _ado(step)
            except BaseException as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _do(step: Send | Call) -> Any:
    if isinstance(step, Call):
        return step.function(*step.arguments)
    return step.signal.send(step.sender, _async_wrapper=_refuse, **step.payload)


async def _ado(step: Send | Call) -> Any:
    if isinstance(step, Call):
        answer = step.function(*step.arguments)
        return await answer if isawaitable(answer) else answer
    return await step.signal.send_async(step.sender, _sync_wrapper=_as_async, **step.payload)


def _refuse(receiver: Any) -> Any:
    def refused(*args: Any, **kwargs: Any) -> Any:
        raise UsageError(
            f"{receiver!r} is an async receiver of a signal: it is awaited by the a-methods "
            "(asave, acommit, ...), and cannot run under the sync ones"
        )

    return refused


def _as_async(receiver: Any) -> Any:
    async def called(*args: Any, **kwargs: Any) -> Any:
        return receiver(*args, **kwargs)

    return called
