"""The threads that run operations for an event loop: what is quick never waits behind what is slow.

Operations that may take long have threads of their own, since there is no telling a slow search from a quick
one before it ran. A few threads are best for quick ones. Where these all are slow, so that none has ended for
a while, what waits goes to further threads; their number is bounded, and what is slow ends at its deadline.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

A = TypeVar("A")
R = TypeVar("R")

WORKERS: Final = 4
"""How many operations of an event loop run at once, of those that may take long and of all others; writes
take turns anyway."""

MORE_WORKERS: Final = 32
"""How many operations that may take long run beside those, where all of those are slow."""

SLOW_SECONDS: Final = 0.05
"""How long no operation may have ended for all that run to be called slow."""


class Workers:
    """The threads of one engine, each started when it is needed first."""

    def __init__(self) -> None:
        self._short = ThreadPoolExecutor(WORKERS, thread_name_prefix="orcodm")
        self._lengthy = ThreadPoolExecutor(WORKERS, thread_name_prefix="orcodm-lengthy")
        self._more = ThreadPoolExecutor(MORE_WORKERS, thread_name_prefix="orcodm-more")
        self._counting = threading.Lock()
        self._unfinished = 0
        self._ended = time.monotonic()

    async def run(self, function: Callable[[A], R], argument: A, lengthy: bool) -> R:
        """What the function gives, from another thread."""
        if not lengthy:
            return await asyncio.wrap_future(self._short.submit(function, argument))
        future = self._lengthy.submit(function, argument)
        with self._counting:
            self._unfinished += 1
        future.add_done_callback(self._end)
        answer = asyncio.wrap_future(future)
        while self._unfinished > WORKERS and not future.running():
            await _settled(answer, SLOW_SECONDS)
            if answer.done():
                break
            if time.monotonic() - self._ended >= SLOW_SECONDS and future.cancel():
                answer = asyncio.wrap_future(self._more.submit(function, argument))
                break
        return await answer

    def _end(self, future: Future[R]) -> None:
        with self._counting:
            self._unfinished -= 1
        if not future.cancelled():
            self._ended = time.monotonic()

    def shutdown(self) -> None:
        """End the threads, after what is under way."""
        for executor in (self._short, self._lengthy, self._more):
            executor.shutdown()


async def _settled(answer: asyncio.Future[R], seconds: float) -> None:
    """Wait for an answer so long; whoever gives up waiting gives up the answer as well."""
    try:
        await asyncio.wait((answer,), timeout=seconds)
    except asyncio.CancelledError:
        answer.cancel()
        raise
