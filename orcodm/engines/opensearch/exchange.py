"""Requests as values, and who sends them: one client of `opensearch-py` for all threads, one for each loop.

A flow yields requests and pauses and is sent the answers; `Exchange` runs it, blocking or awaiting. A node
that does not answer is not asked again for a while: the client remembers it, and sends the next request to
another one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Generator
from typing import Any, Final, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

import opensearchpy
import orjson
from attrs import field, frozen
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ImproperlyConfigured,
    OpenSearchException,
    SerializationError,
)
from opensearchpy.serializer import JSONSerializer

from ...errors import (
    BadRequest,
    DatabaseBusy,
    InvalidURL,
    OrcodmError,
    ProtocolError,
    SessionClosed,
    StorageError,
    TooLarge,
    TransportError,
    Unauthorized,
)
from .address import Address

R = TypeVar("R")

_log = logging.getLogger("orcodm.opensearch")

TRIES: Final = 12
"""How often a request is sent that the cluster is too busy for, or that no node answers."""

_LONGEST_PAUSE: Final = 2.0


@frozen
class Request:
    """A request to the cluster; the answer to it is the JSON of its body."""

    method: str
    path: str
    params: dict[str, Any] | None = None
    body: bytes | None = field(default=None, repr=False)


@frozen
class Pause:
    """Wait for some seconds."""

    seconds: float


Steps: TypeAlias = "Generator[Request | Pause, Any, R]"
"""What gives an `R` in the end, and has requests answered until then."""

_ANSWERS: Final = (400, 403, 404, 409, 413, 429, 503)
"""Statuses whose bodies say more than the client's exceptions do."""

_BUSY: Final = frozenset({429, 503})
_GATEWAY: Final = frozenset({502, 504})
"""What a proxy says that has no answer from its node."""


def ask(method: str, path: str, body: Any = None, **params: Any) -> Steps[Any]:
    """The JSON that answers a request; what is not there or conflicts is an answer too.

    Raises `DatabaseBusy` where the cluster is too busy or has too few copies at hand for longer than it
    pays to wait, `BadRequest` for what it cannot understand, `TooLarge`, `Unauthorized` and `StorageError`.
    """
    if body is not None and type(body) is not bytes:
        body = orjson.dumps(body)
    for attempt in range(TRIES):
        answer = yield Request(method, path, dict(params), body)
        if (
            not isinstance(answer, dict)
            or "error" not in answer
            or type(status := answer.get("status")) is not int
        ):
            return answer
        if status in (404, 409) or error_type(answer) == "resource_already_exists_exception":
            return answer
        if status not in _BUSY and not is_blocked(answer):
            raise _refused(answer["error"], status)
        yield backoff(attempt)
    raise DatabaseBusy(f"the cluster does not take the request: {_reason(answer['error'])}")


def repeat(method: str, path: str, body: Any = None, **params: Any) -> Steps[Any]:
    """The answer to a request that can be sent again: also after it was lost."""
    for attempt in range(TRIES):
        try:
            return (yield from ask(method, path, body, **params))
        except (OutOfTime, ServerFailure):
            raise
        except TransportError:
            if attempt == TRIES - 1:
                raise
        yield backoff(attempt)
    raise AssertionError("unreachable")


def backoff(attempt: int) -> Pause:
    """A pause that doubles with each attempt, shorter or longer by what the process is."""
    grown = min(_LONGEST_PAUSE, 0.02 * 2**attempt)
    return Pause(grown * (0.5 + (os.getpid() * 7 + threading.get_ident() + attempt) % 16 / 16))


def is_blocked(answer: Any) -> bool:
    """Whether an index takes no writes for the moment, because its successor is about to take over."""
    error = answer.get("error")
    return isinstance(error, dict) and "FORBIDDEN/8/" in str(error.get("reason"))


def error_type(answer: Any) -> str | None:
    """What the cluster calls an error; None for an answer that is none."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return None
    return str(error.get("type"))


def _reason(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)[:300]
    causes = error.get("root_cause") or [error]
    failed = [
        shard["reason"] for shard in error.get("failed_shards") or [] if isinstance(shard.get("reason"), dict)
    ]
    return "; ".join(
        dict.fromkeys(f"{cause.get('type')}: {cause.get('reason')}" for cause in failed or causes)
    )[:500]


def _refused(error: Any, status: int) -> OrcodmError:
    reason = _reason(error)
    if status == 413:
        return TooLarge(f"The cluster refuses the request as too large: {reason}")
    if status == 403:
        return StorageError(f"the cluster forbids it: {reason}")
    return BadRequest(f"The cluster refuses the request ({status}): {reason}")


class _Serializer(JSONSerializer):
    def loads(self, s: Any) -> Any:
        try:
            return orjson.loads(s)
        except ValueError as error:
            raise SerializationError(s[:200], error) from error


class _Text(JSONSerializer):
    """What is no JSON: a proxy's words."""

    mimetype = "text/html"

    def loads(self, s: Any) -> Any:
        return s


class OutOfTime(TransportError):
    """Nothing was heard for as long as an operation may take."""


class ServerFailure(TransportError):
    """A node that fails in the middle of a request, which it would again: how far it came is unknown."""


class Patience:
    """How long an operation still waits. Whenever something is answered, the time begins anew.

    A request has a third of it, so that another node can be asked.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._failure: OrcodmError | None = None

    def arguments(self, step: Request) -> dict[str, Any]:
        """How a request is sent. Raises `OutOfTime` where there is no time for it."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            why = f": {self._failure}" if self._failure is not None else "."
            raise OutOfTime(
                f"The cluster gave no answer within {self._seconds:g} seconds{why}"
            ) from self._failure
        each = max(0.05, min(left, self._seconds / 3))
        params = step.params
        if params is not None and "timeout" in params:
            # The cluster gives up a little earlier, and says why.
            params = params | {"timeout": f"{max(1, int(each * 800))}ms"}
        return {"params": params, "body": step.body, "ignore": _ANSWERS, "timeout": each}

    def pause(self, step: Pause) -> float:
        return max(0.0, min(step.seconds, self._deadline - time.monotonic()))

    def answered(self, answer: Any) -> Any:
        if not (isinstance(answer, dict) and answer.get("status") in _BUSY):
            self._deadline = time.monotonic() + self._seconds
        return answer

    def failed(self, error: OrcodmError) -> OrcodmError:
        self._failure = error
        return error


class _Quiet:
    """A connection that logs the cluster's warnings: they are about our requests, not the application's."""

    def _raise_warnings(self, warning_headers: Any) -> None:
        for warning in warning_headers or ():
            _log.info("the cluster warns: %s", warning)


class _Connection(_Quiet, opensearchpy.Urllib3HttpConnection):
    pass


class _AsyncConnection(_Quiet, opensearchpy.AIOHttpConnection):
    pass


class Exchange:
    """The clients of one engine. They connect when they are first needed, by whom they are needed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._sync: Any = None
        self._async: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        self._process = os.getpid()
        self._closed = False

    def run(self, steps: Steps[R]) -> R:
        """Run a flow, sending its requests from this thread."""
        client, patience = self._client(), Patience(self._address.timeout)
        try:
            step = next(steps)
            while True:
                try:
                    answer = None
                    if isinstance(step, Pause):
                        time.sleep(patience.pause(step))
                    else:
                        answer = _send(client, step, patience)
                except OrcodmError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            return cast("R", stop.value)

    async def arun(self, steps: Steps[R]) -> R:
        """Run a flow, awaiting the answers on the running loop."""
        client, patience = self._aclient(), Patience(self._address.timeout)
        try:
            step = next(steps)
            while True:
                try:
                    answer = None
                    if isinstance(step, Pause):
                        await asyncio.sleep(patience.pause(step))
                    else:
                        answer = await _asend(client, step, patience)
                except OrcodmError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            return cast("R", stop.value)

    def close(self) -> None:
        """Close the connections of the threads. Later operations raise `SessionClosed`."""
        with self._lock:
            self._closed = True
            client, self._sync = self._sync, None
        if client is not None and self._process == os.getpid():
            client.close()

    async def aclose(self) -> None:
        """Close the connections of the threads and of this loop."""
        self.close()
        client = self._async.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _client(self) -> Any:
        if self._process != os.getpid():
            # The child of a fork must not speak over its parent's connections.
            self._process, self._lock, self._sync = os.getpid(), threading.Lock(), None
        if self._sync is None:
            with self._lock:
                self._check()
                self._sync = self._sync or self._made(opensearchpy.OpenSearch, _Connection)
        return self._sync

    def _aclient(self) -> Any:
        self._check()
        loop = asyncio.get_running_loop()
        client = self._async.get(loop)
        if client is None:
            client = self._async[loop] = self._made(opensearchpy.AsyncOpenSearch, _AsyncConnection)
        return client

    def _check(self) -> None:
        if self._closed:
            raise SessionClosed("the engine is closed")

    def _made(self, factory: Any, connection: Any) -> Any:
        try:
            return factory(
                **self._address.client,
                connection_class=connection,
                serializers={"application/json": _Serializer(), "text/html": _Text()},
                # Whether to ask again is for the flows: they know what an answer that was lost may mean.
                max_retries=0,
                retry_on_timeout=True,  # which is how a node that is cut off is put aside as well
            )
        except (ImproperlyConfigured, OSError, ValueError) as error:
            raise InvalidURL(f"{self._address.shown} cannot be used: {error}") from error


def _send(client: Any, step: Request, patience: Patience) -> Any:
    more = patience.arguments(step)
    try:
        answer = client.transport.perform_request(step.method, step.path, **more)
    except OpenSearchException as error:
        raise patience.failed(_translated(error)) from error
    return patience.answered(answer)


async def _asend(client: Any, step: Request, patience: Patience) -> Any:
    more = patience.arguments(step)
    try:
        answer = await client.transport.perform_request(step.method, step.path, **more)
    except OpenSearchException as error:
        raise patience.failed(_translated(error)) from error
    return patience.answered(answer)


def _translated(error: OpenSearchException) -> OrcodmError:
    if isinstance(error, AuthenticationException | AuthorizationException):
        return Unauthorized()
    if isinstance(error, SerializationError):
        return ProtocolError(f"The cluster's answer is no JSON: {error}")
    status = getattr(error, "status_code", None)
    if type(status) is int:
        kind = TransportError if status in _GATEWAY else ServerFailure if status >= 500 else StorageError
        return kind(f"The cluster failed ({status}): {_reason(getattr(error, 'info', None) or {})}")
    # A node may have got the request, and die or be cut off before it answered.
    what = getattr(error, "error", None) or error
    return TransportError(f"No node of the cluster answered ({type(error).__name__}: {what!s:.300}).")
