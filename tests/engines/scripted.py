"""An engine that answers from a list and remembers what it was asked, for the tests of flows."""

from __future__ import annotations

from typing import Any, TypeVar

from orcodm.engine import Capabilities, Closing
from orcodm.errors import SessionClosed
from orcodm.operations import EventWritten, Operation, PostEvent, PutEvent, Written

R = TypeVar("R")


class Scripted(Closing):
    """Each operation gets the next answer: a result, or an exception, which is raised.

    A text stands for the answer to a write whose new ref it is, so a script reads
    `Scripted(Item(...), "r2", Conflict())`. `asked` has the operations in their order; more operations
    than answers fail the test that asked them.
    """

    def __init__(self, *answers: Any, capabilities: Capabilities | None = None) -> None:
        self.asked: list[Operation[Any]] = []
        self.answers = list(answers)
        self.closed = False
        self.capabilities = capabilities or Capabilities(
            atomic_batch=True, keyset=True, ref_chain=False, max_limit=1000, own_writes=True
        )

    def execute(self, operation: Operation[R]) -> R:
        if self.closed:
            raise SessionClosed("The engine was closed.")
        self.asked.append(operation)
        if not self.answers:
            raise AssertionError(f"the script has no answer to {operation!r}")
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return _written(operation, answer) if isinstance(answer, str) else answer  # type: ignore[no-any-return]

    async def aexecute(self, operation: Operation[R]) -> R:
        return self.execute(operation)

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.close()


def _written(operation: Any, ref: str) -> Any:
    if isinstance(operation, PostEvent | PutEvent):
        return EventWritten(
            collection=operation.collection,
            key=operation.key,
            type=operation.type,
            timestamp=operation.timestamp or 0,
            ordinal=operation.ordinal or 0,
            ref=ref,
        )
    return Written(collection=operation.collection, key=getattr(operation, "key", "generated"), ref=ref)
