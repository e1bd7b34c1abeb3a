"""The connections of the HTTP engine: one client for all threads, and lanes for each event loop.

They are opened when they are first needed, by the thread, the loop or the forked process that needs them.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any, cast
from weakref import WeakKeyDictionary

import httpx

from ..errors import SessionClosed, UsageError

if find_spec("sniffio") is None:
    # httpcore tries to import it several times in each request of an event loop. Where it is not there, each
    # attempt searches the whole path, for half of a request's time; this makes it fail at once.
    sys.modules.setdefault("sniffio", cast("Any", None))


class Lanes:
    """The connections of one event loop: clients of one connection each, the last used first.

    A pool of many connections looks at all of them, and at all requests that wait, for each request, which
    with a thousand tasks takes ten times as long as the requests themselves.
    """

    def __init__(self, most: int, new: Callable[[], httpx.AsyncClient]) -> None:
        self._free = asyncio.Semaphore(most)
        self._new = new
        self._idle: list[httpx.AsyncClient] = []
        self.asking = asyncio.Lock()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client for one request."""
        async with self._free:
            client = self._idle.pop() if self._idle else self._new()
            try:
                yield client
            finally:
                self._idle.append(client)

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()


class Pools:
    """The connections: one client for all threads, and one for each event loop."""

    def __init__(
        self,
        max_connections: int,
        verify: str | bool,
        transport: httpx.BaseTransport | None,
        async_transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        self._verify = verify
        self._context: ssl.SSLContext | None = None
        self._transport = transport
        self._async_transport = async_transport
        self._lock = threading.Lock()
        self._sync: httpx.Client | None = None
        self._async: WeakKeyDictionary[asyncio.AbstractEventLoop, Lanes] = WeakKeyDictionary()
        self._most = max_connections
        self._closed = False
        self._process = os.getpid()

    def sync(self) -> httpx.Client:
        if self._process != os.getpid():
            # A child process has the sockets of its parent, and must not speak over them.
            self._process, self._lock, self._sync = os.getpid(), threading.Lock(), None
        if self._sync is None or self._closed:
            with self._lock:
                self._check()
                if self._transport is None and self._async_transport is not None:
                    raise UsageError("This engine has an async transport only: use the awaited forms.")
                self._sync = self._sync or httpx.Client(
                    transport=self._transport, limits=self._limits, verify=self._trust()
                )
        return self._sync

    def asynchronous(self) -> Lanes:
        loop = asyncio.get_running_loop()
        lanes = self._async.get(loop)
        if lanes is None or self._closed:
            self._check()
            lanes = self._async[loop] = Lanes(self._most, self._new_async)
        return lanes

    def _new_async(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._async_transport, verify=self._trust())

    def _trust(self) -> ssl.SSLContext | bool:
        """What to verify with, read once: it takes longer than many requests."""
        if self._context is None and self._verify is not False:
            trusted = self._verify if isinstance(self._verify, str) else None
            self._context = (
                httpx.create_ssl_context() if trusted is None else ssl.create_default_context(cafile=trusted)
            )
        return self._context or False

    def _check(self) -> None:
        if self._closed:
            raise SessionClosed("The engine was closed.")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._sync is not None:
                self._sync.close()

    async def aclose(self) -> None:
        self.close()
        await self.close_loop()

    async def close_loop(self) -> None:
        """Close the connections of the running event loop; the next operation opens new ones."""
        lanes = self._async.pop(asyncio.get_running_loop(), None)
        if lanes is not None:
            await lanes.aclose()
