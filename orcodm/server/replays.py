"""The last answers to writes that carried a token, for clients who lost them; bounded in number and bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final

from ..wire.messages import Response

KEPT: Final = 10_000
KEPT_BYTES: Final = 2**25
"""How many answers, and bytes of their bodies, are kept. Whose answer is gone looks up the write."""


class Replays:
    """Answers by the tokens of their attempts; those under way among them."""

    def __init__(self, answers: int = KEPT, size: int = KEPT_BYTES) -> None:
        self._answers = answers
        self._room = size
        self._kept: OrderedDict[Any, asyncio.Future[Response]] = OrderedDict()

    def get(self, token: Any) -> asyncio.Future[Response] | None:
        """The answer to the attempt of a token, which may be under way still."""
        return self._kept.get(token)

    def begin(self, token: Any) -> asyncio.Future[Response]:
        """An attempt whose answer will be known."""
        answer = self._kept[token] = asyncio.get_running_loop().create_future()
        return answer

    def end(self, token: Any, response: Response) -> None:
        """Give the answer to all who wait, and keep it unless another attempt may do better."""
        answer = self._kept.pop(token)
        answer.set_result(response)
        if response.status < 500:
            self._kept[token] = answer
            self._room -= len(response.body)
        while len(self._kept) > self._answers or self._room < 0:
            if not self._drop_first():
                return

    def fail(self, token: Any, error: BaseException) -> None:
        """An attempt that has no answer; those who wait get its error."""
        answer = self._kept.pop(token)
        answer.cancel() if isinstance(error, asyncio.CancelledError) else answer.set_exception(error)
        # Who waits for it sees the error; where nobody does, nobody misses it.
        answer.cancelled() or answer.exception()

    def _drop_first(self) -> bool:
        for token, answer in self._kept.items():
            if answer.done():
                del self._kept[token]
                self._room += len(answer.result().body)
                return True
        return False
