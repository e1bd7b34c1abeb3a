"""Group commit: writes that come while another is being committed are committed together.

A durable commit takes as long as the disk, however much is in it, and a database has one writer at a time. So
nothing waits in order to be gathered: the first write goes at once, and what has come by the time it is done
goes as one batch. What clients see is what they would have seen one after the other.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar, cast

from ..engine import Capabilities, Closing, Engine
from ..errors import Aborted, DatabaseBusy, TransportError
from ..operations import Batch, Operation, Write

R = TypeVar("R")

MOST: Final = 100
"""How many writes are committed together, so that the first of them does not wait for too many others."""

_WRITES: Final = frozenset(Write.__args__)


class Gathering(Closing):
    """An engine that gathers the awaited writes of an event loop for another engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._is_atomic: bool | None = None

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    def execute(self, operation: Operation[R], /) -> R:
        return self._engine.execute(operation)

    async def aexecute(self, operation: Operation[R], /) -> R:
        if type(operation) not in _WRITES or self._is_atomic is False:
            return await self._engine.aexecute(operation)
        if self._is_atomic is None:
            # An engine over a network has to ask for it.
            self._is_atomic = (await asyncio.to_thread(lambda: self._engine.capabilities)).atomic_batch
            return await self.aexecute(operation)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, answer))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return cast("R", await answer)

    async def _commit(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    outcomes = await apart(self._engine, [operation for operation, _ in group])
                except asyncio.CancelledError:
                    for _, answer in (*group, *self._waiting):
                        answer.cancel()
                    self._waiting = []
                    raise
                for (_, answer), outcome in zip(group, outcomes, strict=True):
                    if answer.done():
                        continue
                    if isinstance(outcome, Exception):
                        answer.set_exception(outcome)
                    else:
                        answer.set_result(outcome)
        finally:
            self._committing = None

    def close(self) -> None:
        self._engine.close()

    async def aclose(self) -> None:
        await self._engine.aclose()


# -- writes that stand for themselves --------------------------------------------------------------


async def apart(engine: Engine, operations: list[Any]) -> list[Any]:
    """The outcomes of writes that each stand for themselves, committed together: results and errors."""
    if len(operations) > 1:
        together = await _together(engine, operations)
        if together is not None:
            return together
    return [await _outcome(engine, operation) for operation in operations]


async def _together(engine: Engine, operations: list[Any]) -> list[Any] | None:
    """The outcomes of one transaction; None where each has to be tried by itself."""
    batch = await _outcome(engine, Batch(operations))
    if isinstance(batch, TransportError | DatabaseBusy):
        # Perhaps it was written: nothing may be tried again. Or there is no getting to write for anybody.
        return [batch] * len(operations)
    if isinstance(batch, Exception):
        return None
    outcomes = list(batch.outcomes)
    # Nothing was written. What failed had seen what came before it, and left nothing to what comes after:
    # so without it the others go as before, unless another process was faster.
    again = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Aborted)]
    if again:
        batch = await _outcome(engine, Batch([operations[index] for index in again]))
        if isinstance(batch, TransportError | DatabaseBusy):
            return [batch if isinstance(outcome, Aborted) else outcome for outcome in outcomes]
        if isinstance(batch, Exception) or any(isinstance(one, Aborted) for one in batch.outcomes):
            return None
        for index, outcome in zip(again, batch.outcomes, strict=True):
            outcomes[index] = outcome
    return outcomes


async def _outcome(engine: Engine, operation: Any) -> Any:
    try:
        return await engine.aexecute(operation)
    except Exception as error:
        return error
