"""The engine that sends: any server that speaks Orchestrate v0, sync and async, over pooled connections.

What to send and how to read the answer is the codec's; when to try again and what to believe of a lost
answer is decided in `attempts`; connections are opened in `pools`. Here are the exchanges over them, and
the credentials, which go to one host only and show nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from base64 import b64encode
from collections.abc import Iterable
from contextlib import aclosing, closing
from importlib.metadata import version
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote, unquote, urlsplit

import httpx
from attrs import evolve, field, frozen

from ..engine import Capabilities, Closing
from ..errors import (
    Aborted,
    ApiError,
    InvalidURL,
    InvalidValue,
    OrcodmError,
    ProtocolError,
    TransportError,
    Unsupported,
)
from ..operations import Batch, BatchResult, Operation, Ping
from ..wire.codec import decode_capabilities, decode_response, encode_request
from ..wire.extensions import HEADER, REPLAYED, TOKEN
from ..wire.faults import retry_after
from ..wire.messages import Request, Response, header
from ..wire.requests import is_posted
from ..wire.routes import MAX_TARGET
from .attempts import (
    Attempt,
    Learn,
    Pause,
    Persistence,
    Reply,
    Retries,
    Server,
    needs,
    persist,
    require,
    stages,
)
from .bounds import Bounded, Timeouts
from .foreign import uses_casts, without_casts
from .pools import Pools

R = TypeVar("R")

MAX_RESPONSE: Final = 256 * 2**20
"""How many bytes an answer may have, before and after it is unpacked."""

MAX_CONNECTIONS: Final = 64
"""How many connections are open at once, for all threads, and for each event loop."""

CONCURRENCY: Final = 32
"""How many operations of one batch are under way at once, where the server has no batches."""

MAX_SENT_TARGET: Final = 60_000
"""How long path and query may be: httpx takes little more, and no server known."""

_log = logging.getLogger("orcodm.http")

_TIMEOUTS: Final = Timeouts()
_RETRIES: Final = Retries()
_SAME: Final[Any] = object()
_NO_PING: Final = frozenset({404, 405, 501})
"""How a server answers to a ping that knows the protocol, but not this part of it."""


@frozen
class _Settings:
    """What views of one engine may differ in. The header with the key is not among what is shown."""

    headers: httpx.Headers = field(repr=False)
    timeouts: dict[str, float | None]
    retries: Retries


class HTTPEngine(Closing):
    """An engine over HTTP: `https://KEY@host[:port]`. One serves any number of threads, tasks and sessions.

    `timeout` is in seconds, or `Timeouts`; `headers` go with each request; `retries` say how often and how
    patiently a failure is tried again; `verify` is a file of certificates to trust, or False. `transport`
    and `async_transport` replace the network, as httpx takes them.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float | Timeouts | None = _TIMEOUTS,
        headers: dict[str, str] | None = None,
        retries: Retries = _RETRIES,
        max_connections: int = MAX_CONNECTIONS,
        max_response: int = MAX_RESPONSE,
        concurrency: int = CONCURRENCY,
        verify: str | bool = True,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        origin, path, key = _read_url(url)
        fields = httpx.Headers(
            {
                "Accept-Encoding": "gzip",
                "Connection": "keep-alive",
                "User-Agent": f"orcodm/{version('orcodm')}",
                **(headers or {}),
            }
        )
        if key is not None:
            # httpx shows this header as [secure], so no repr and no traceback has the key.
            fields["Authorization"] = "Basic " + b64encode(f"{key}:".encode()).decode()
        # Without TLS there is nothing to verify, and loading the certificates takes longer than a request.
        verify = verify if origin.scheme == "https" else False
        self._pools = Pools(max_connections, verify, transport, async_transport)
        self._settings = _Settings(fields, Timeouts.of(timeout).by_name, retries)
        self._origin = origin
        self._path = path
        self._max_response = max_response
        self._concurrency = concurrency
        self._server = Server()

    def __repr__(self) -> str:
        return f"HTTPEngine({str(self._origin)!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What the server announces; it is asked once. Raises what asking raises."""
        if self._server.capabilities is None:
            try:
                self.execute(Ping())
            except ApiError:
                if self._server.capabilities is None:
                    raise
        return self._server.known()

    def with_options(
        self,
        *,
        headers: dict[str, str] | None = None,
        timeout: float | Timeouts | None = _SAME,
        retries: Retries | None = None,
    ) -> HTTPEngine:
        """The same engine, over the same connections, with other headers, time-outs or retries."""
        settings = self._settings
        if headers:
            merged = settings.headers.copy()
            merged.update(headers)
            settings = evolve(settings, headers=merged)
        if timeout is not _SAME:
            settings = evolve(settings, timeouts=Timeouts.of(timeout).by_name)
        if retries is not None:
            settings = evolve(settings, retries=retries)
        view = object.__new__(HTTPEngine)
        view.__dict__.update(self.__dict__, _settings=settings)
        return view

    # -- sync --------------------------------------------------------------------------------------

    def execute(self, operation: Operation[R], /) -> R:
        """The answer to an operation; may be called from several threads."""
        if isinstance(operation, Batch):
            self.capabilities  # noqa: B018 - asks, where nobody has yet
            if not self._server.is_ours:
                return cast("R", BatchResult([self._outcome(part) for part in operation.operations]))
        elif needs(operation):
            require(operation, self.capabilities)
        if uses_casts(operation) and not self.capabilities.casts:
            operation = without_casts(operation)
        flow = self._persist(operation)
        try:
            step = next(flow)
            while True:
                step = flow.send(self._answer(step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except InvalidValue:
            return cast("R", _unsent(operation))

    def _outcome(self, operation: Operation[Any]) -> Any:
        try:
            return self.execute(operation)
        except OrcodmError as error:
            return error

    def _answer(self, step: Attempt | Pause | Learn) -> Any:
        if isinstance(step, Attempt):
            request = self._request(step)
            try:
                with closing(self._pools.sync().send(request, auth=None, stream=True)) as response:
                    body = self._bounded(response)
                    for chunk in response.iter_raw():
                        body.take(chunk)
                return self._reply(step, response, body.whole())
            except (OrcodmError, httpx.HTTPError) as error:
                return Reply(_as_ours(error), 0)
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        return self.capabilities

    # -- async -------------------------------------------------------------------------------------

    async def aexecute(self, operation: Operation[R], /) -> R:
        """The answer to an operation, without blocking the event loop."""
        if self._server.capabilities is None and not isinstance(operation, Ping):
            # The first one asks, so that `capabilities`, which cannot be awaited, need not.
            await self._learn()
        if isinstance(operation, Batch) and not self._server.is_ours:
            return cast("R", await self._each(operation))
        if needs(operation):
            require(operation, self._server.known())
        if uses_casts(operation) and not self._server.known().casts:
            operation = without_casts(operation)
        flow = self._persist(operation)
        try:
            step = next(flow)
            while True:
                step = flow.send(await self._aanswer(step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except InvalidValue:
            return cast("R", _unsent(operation))

    async def _aanswer(self, step: Attempt | Pause | Learn) -> Any:
        if isinstance(step, Attempt):
            request = self._request(step)
            try:
                async with (
                    self._pools.asynchronous().client() as client,
                    aclosing(await client.send(request, auth=None, stream=True)) as response,
                ):
                    body = self._bounded(response)
                    async for chunk in response.aiter_raw():
                        body.take(chunk)
                return self._reply(step, response, body.whole())
            except (OrcodmError, httpx.HTTPError) as error:
                return Reply(_as_ours(error), 0)
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return self._server.known()

    async def _learn(self) -> None:
        async with self._pools.asynchronous().asking:
            if self._server.capabilities is None:
                try:
                    await self.aexecute(Ping())
                except ApiError:
                    if self._server.capabilities is None:
                        raise

    async def _each(self, batch: Batch) -> BatchResult:
        """The outcomes of a batch's operations, each sent by itself, many at once.

        Those of one key follow each other, and relations wait for the items before them.
        """
        outcomes: list[Any] = [None] * len(batch.operations)
        free = asyncio.Semaphore(self._concurrency)

        async def follow(indexes: Iterable[int]) -> None:
            for index in indexes:
                async with free:
                    try:
                        outcomes[index] = await self.aexecute(batch.operations[index])
                    except OrcodmError as error:
                        outcomes[index] = error

        for stage in stages(batch.operations):
            async with asyncio.TaskGroup() as tasks:
                for indexes in stage:
                    tasks.create_task(follow(indexes))
        return BatchResult(outcomes)

    # -- both --------------------------------------------------------------------------------------

    def _persist(self, operation: Operation[R]) -> Persistence[R]:
        return persist(operation, self._settings.retries, lambda: secrets.token_hex(16), random.random)

    def _request(self, attempt: Attempt) -> httpx.Request:
        sent = encode_request(attempt.operation)
        headers = self._settings.headers.copy()
        for name, value in sent.headers:
            headers[name] = value
        if attempt.token is not None:
            headers[TOKEN] = attempt.token
        self._check_length(sent)
        target = (self._path + sent.target).encode("ascii")
        # The client's own build_request merges and normalises what needs neither, for half of its time.
        return httpx.Request(
            sent.method,
            self._origin.copy_with(raw_path=target),
            headers=headers,
            content=sent.body or None,
            extensions={"timeout": self._settings.timeouts},
        )

    def _check_length(self, sent: Request) -> None:
        length, most = len(sent.target), MAX_SENT_TARGET
        if is_posted(sent) and not self.capabilities.long_queries:
            length, most = length + len(sent.body) + 1, MAX_TARGET
        if length > most:
            raise Unsupported(
                f"Path and query take {length} characters in a URL, and this server is asked for at most "
                f"{most}: ask for less at once."
            )

    def _bounded(self, response: httpx.Response) -> Bounded:
        return Bounded(response.headers.get("content-encoding"), self._max_response)

    def _reply(self, attempt: Attempt, response: httpx.Response, body: bytes) -> Reply:
        headers = tuple(response.headers.multi_items())
        operation, status = attempt.operation, response.status_code
        if type(operation) is Ping and (200 <= status < 300 or status in _NO_PING):
            announced = header(headers, HEADER.lower())
            self._server.capabilities = decode_capabilities(announced)
            self._server.is_ours = announced is not None
        if 300 <= status < 400:
            return Reply(_redirected(status, response), status)
        try:
            outcome: Any = decode_response(operation, Response(status, headers, body))
        except OrcodmError as error:
            outcome = error
            if status >= 500:
                _log.info("%s was answered %d", type(operation).__name__, status)
        return Reply(
            outcome, status, retry_after(headers, time.time()), header(headers, REPLAYED.lower()) is not None
        )

    def close(self) -> None:
        """Close the connections of the sync side. Later operations raise `SessionClosed`."""
        self._pools.close()

    async def aclose(self) -> None:
        """Close all connections. Later operations raise `SessionClosed`."""
        await self._pools.aclose()


# -- addresses -------------------------------------------------------------------------------------


def _read_url(url: str) -> tuple[httpx.URL, str, str | None]:
    """The origin, the path before `/v0`, and the API key of an engine's URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        shown = f"{parts.scheme or '...'}://{parts.hostname or '...'}"
        raise InvalidURL(f"{shown} is no engine URL: it has the form https://KEY@host[:port][/path]")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = httpx.URL(f"{parts.scheme}://{host}" + (f":{port}" if port is not None else ""))
    path = quote(unquote(parts.path), safe="/!$&'()*+,;=:@~").rstrip("/").removesuffix("/v0")
    return origin, path, unquote(parts.username) if parts.username else None


# -- answers ---------------------------------------------------------------------------------------


_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def _as_ours(error: Exception) -> OrcodmError:
    """The error of ours for one of httpx's, whose own text names hosts but no keys."""
    if isinstance(error, OrcodmError):
        return error
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    ours = TransportError(f"The server did not answer ({what}).", sent=not isinstance(error, _NOT_SENT))
    ours.__cause__ = error
    return ours


def _redirected(status: int, response: httpx.Response) -> ProtocolError:
    try:
        target = httpx.URL(response.headers.get("location", ""))
        shown = f"{target.scheme}://{target.host}" if target.host else target.path[:80]
    except (httpx.InvalidURL, TypeError):
        shown = "nowhere"
    return ProtocolError(f"The server answered {status}, a redirect to {shown}, which is not followed.")


def _unsent(operation: Operation[Any]) -> BatchResult:
    """The outcomes of a batch with values that no request can hold. Raises for any other operation."""
    if not isinstance(operation, Batch):
        raise
    outcomes: list[OrcodmError] = []
    for part in operation.operations:
        try:
            encode_request(part)
        except InvalidValue as error:
            outcomes.append(error)
        else:
            outcomes.append(
                Aborted("not sent, because the value of another operation of the batch is no JSON")
            )
    return BatchResult(outcomes)
