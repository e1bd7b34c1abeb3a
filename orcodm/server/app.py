"""The server: decode, execute, encode, over any engine.

The protocol is the codec's and the data the engine's. Here is what lies between: who asks, how much they
may send, what they are answered when something fails, and the answers that are kept for those who lost them.
Requests below `/v0` do not pass through a router, since the codec's table is one.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as WebRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as WebResponse
from starlette.routing import Route as WebRoute

from ..engine import Engine
from ..errors import ApiError, BadRequest, InternalError, MethodNotAllowed, OrcodmError, Unauthorized
from ..operations import Ping, PutRelation
from ..wire.batches import Import
from ..wire.codec import (
    Request,
    Response,
    decode_request,
    encode_capabilities,
    encode_response,
)
from ..wire.extensions import HEADER, REPLAYED, TOKEN
from ..wire.faults import CONTENT_TYPE, encode_fault
from .bounded import INLINE_BYTES, PAGED, execute_bounded, is_long
from .gathering import Gathering
from .identify import request_ids
from .importing import execute_import
from .keys import WHOLE, Keys
from .namespace import Namespaced
from .openapi import describe
from .replays import Replays
from .requests import (
    Disconnected,
    Limits,
    Receive,
    Scope,
    Send,
    accepts_gzip,
    check_head,
    given_headers,
    headers_of,
    is_sound,
    members,
    read_body,
    target_of,
)

PACK_FROM: Final = 1024
"""The smallest body that is worth gzip."""

METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
EXPOSED: Final = ("Content-Location", "ETag", "Link", "Location", "X-ORCHESTRATE-REQ-ID")
"""What a page of another origin may do, and the headers of answers that it may read."""

_log = logging.getLogger("orcodm.server")


def create_app(
    engine: Engine,
    keys: Keys | Iterable[str] | None = None,
    *,
    limits: Limits | None = None,
    cors: Iterable[str] = (),
    relation_status: int | None = None,
    owns_engine: bool = False,
    stopping: Callable[[], None] | None = None,
) -> Application:
    """An ASGI application that serves an engine.

    `keys` are API keys (texts: they see the whole database), or `Keys`; None lets everybody in. Pages of the
    origins in `cors` may ask from browsers ("*": all pages). PUT of a relation is answered `relation_status`,
    201 or 204; None goes by what the client knows. With `owns_engine` the engine is closed when the server
    stops; `stopping` is called before.
    """
    if keys is not None and not isinstance(keys, Keys):
        keys = Keys.of(*keys)
    service = Service(Gathering(engine), keys, limits or Limits(), relation_status)
    return Application(service, owns_engine, tuple(cors), stopping)


class Application:
    """The protocol under `/v0`; beside it health, readiness and the description of the routes."""

    def __init__(
        self,
        service: Service,
        owns_engine: bool,
        cors: tuple[str, ...] = (),
        stopping: Callable[[], None] | None = None,
    ) -> None:
        self.service = service

        async def health(request: WebRequest) -> JSONResponse:
            return JSONResponse({"status": "ok"})

        async def ready(request: WebRequest) -> JSONResponse:
            try:
                await service.engine.aexecute(Ping())
            except OrcodmError:
                return JSONResponse({"status": "unavailable"}, 503)
            return JSONResponse({"status": "ok"})

        async def refuse(request: WebRequest, error: Exception) -> WebResponse:
            fault = encode_fault(MethodNotAllowed(details={"allow": ["GET", "HEAD"]}))
            return WebResponse(fault.body, fault.status, dict(fault.headers))

        async def openapi(request: WebRequest) -> JSONResponse:
            return JSONResponse(describe())

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            if stopping is not None:
                stopping()
            if owns_engine:
                await service.engine.aclose()

        endpoints = {"/health": health, "/ready": ready, "/openapi.json": openapi}
        self._beside = frozenset(endpoints)
        self._pages = Starlette(
            routes=[WebRoute(path, endpoint) for path, endpoint in endpoints.items()],
            lifespan=lifespan,
            exception_handlers={405: refuse},
        )
        self._answer: Any = self._dispatch
        if cors:
            self._answer = CORSMiddleware(
                self._dispatch,
                allow_origins=cors,
                allow_methods=METHODS,
                allow_headers=["*"],
                expose_headers=EXPOSED,
                max_age=3600,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)

    def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and (scope["path"] not in self._beside or not is_sound(scope)):
            return self.service(scope, receive, send)
        return self._pages(scope, receive, send)


class Service:
    """Orchestrate v0 over an engine."""

    def __init__(
        self, engine: Engine, keys: Keys | None, limits: Limits, relation_status: int | None = None
    ) -> None:
        self.engine = engine
        self._relation_status = relation_status
        self._keys = keys
        self._limits = limits
        self._replays = Replays()
        self._engines: dict[str, Engine] = {WHOLE: engine}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        identifier = request_ids.next()
        target = target_of(scope)
        try:
            given = given_headers(scope)
            response = await self._respond(scope, receive, given, target, identifier)
        except BadRequest as error:
            given, response = dict(scope["headers"]), encode_fault(error)
        except Disconnected:
            return
        except asyncio.CancelledError:
            # The server is being stopped. As from a proxy, for whether a write took effect is not known.
            given, response = (
                dict(scope["headers"]),
                encode_fault(ApiError.of(504, "internal_error", "The server was stopped.")),
            )
        await _send(send, scope, given, response, identifier)
        if _log.isEnabledFor(logging.INFO):
            elapsed = (time.perf_counter() - started) * 1000
            _log.info("%s %s %d %.1f ms %s", scope["method"], target, response.status, elapsed, identifier)

    async def _respond(
        self, scope: Scope, receive: Receive, given: dict[bytes, bytes], target: str, identifier: str
    ) -> Response:
        request = None
        try:
            check_head(scope, target, self._limits)
            engine = self._engine_for(given.get(b"authorization"))
            has_body = b"content-length" in given or b"transfer-encoding" in given
            body = await read_body(receive, given, self._limits) if has_body else b""
            request = Request(scope["method"], target, headers_of(given), body)
            token = given.get(_TOKEN)
            if token is None:
                return await self._execute(engine, request)
            place = (given.get(b"authorization"), request.method, target, token)
            return await self._execute_once(engine, request, place)
        except OrcodmError as error:
            return encode_fault(error)
        except (Disconnected, asyncio.CancelledError):
            raise
        except Exception:
            # Nothing of it is the client's to know; the log has it under the same identifier.
            _log.exception("%s %s failed %s", scope["method"], target, identifier)
            return encode_fault(InternalError())

    async def _execute(self, engine: Engine, request: Request) -> Response:
        if len(request.body) > INLINE_BYTES:
            operation = await asyncio.to_thread(decode_request, request)
        else:
            operation = decode_request(request)
        try:
            if isinstance(operation, Import):
                return await execute_import(engine, operation)
            if type(operation) in PAGED:
                outcome = await execute_bounded(engine, operation, self._limits.page)
            else:
                outcome = await engine.aexecute(operation)
        except OrcodmError as error:
            outcome = error
        # HEAD is answered as GET; the body is left away at the very end, when its length is known.
        form = attrs.evolve(request, method="GET") if request.method == "HEAD" else request
        if is_long(outcome):
            response = await asyncio.to_thread(encode_response, operation, outcome, form)
        else:
            response = encode_response(operation, outcome, form)
        if self._relation_status is not None and type(operation) is PutRelation and response.status < 300:
            response = attrs.evolve(response, status=self._relation_status)
        if type(operation) is Ping:
            announced = (HEADER, encode_capabilities(engine.capabilities))
            return Response(response.status, (*response.headers, announced), response.body)
        return response

    async def _execute_once(self, engine: Engine, request: Request, token: Any) -> Response:
        """Execute, or give the answer again that the same attempt was given before."""
        answer = self._replays.get(token)
        if answer is not None:
            # The first attempt may be under way still.
            response = await asyncio.shield(answer)
            return Response(response.status, (*response.headers, (REPLAYED, "1")), response.body)
        self._replays.begin(token)
        try:
            response = await self._execute(engine, request)
        except BaseException as error:
            self._replays.fail(token, error)
            raise
        self._replays.end(token, response)
        return response

    def _engine_for(self, authorization: bytes | None) -> Engine:
        if self._keys is None:
            return self.engine
        application = self._keys.application(authorization)
        if application is None:
            raise Unauthorized
        engine = self._engines.get(application)
        if engine is None:
            engine = self._engines[application] = Namespaced(self.engine, application)
        return engine


_ONE_REQUEST: Final = ("0.9", "1.0")
"""The versions of HTTP that have one request a connection."""

_TOKEN: Final = TOKEN.lower().encode()
_CONTENT_TYPE: Final = (CONTENT_TYPE[0].encode(), CONTENT_TYPE[1].encode())


# -- out -------------------------------------------------------------------------------------------


async def _send(
    send: Send, scope: Scope, given: dict[bytes, bytes], response: Response, identifier: str
) -> None:
    body = response.body
    headers = [_CONTENT_TYPE]
    headers += [
        (name.encode(), value.encode("latin-1"))
        for name, value in response.headers
        if name is not CONTENT_TYPE[0]
    ]
    headers.append((b"x-orchestrate-req-id", identifier.encode()))
    # Uvicorn says that a connection ends in a line of its own, unless this one says it.
    asked = given.get(b"connection", b"keep-alive")
    closes = scope.get("http_version") in _ONE_REQUEST or (
        asked != b"keep-alive" and b"close" in members(asked)
    )
    headers.append((b"connection", b"close" if closes else b"keep-alive"))
    if len(body) >= PACK_FROM and accepts_gzip(given.get(b"accept-encoding", b"")):
        # The service marked the ETag of a packed answer; clients had to take the mark off again.
        pack = gzip.compress
        body = await asyncio.to_thread(pack, body, 5) if len(body) > 2**17 else pack(body, 5)
        headers.append((b"content-encoding", b"gzip"))
    if response.status not in (204, 304):
        # Also with HEAD: where nothing tells the length, h11 says that the body is chunked, which none is.
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
