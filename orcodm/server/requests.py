"""From an ASGI scope to the request the codec reads: bounds on everything, bodies unpacked."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import chain
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from ..errors import ApiError, BadRequest, TooLarge
from ..wire.messages import Headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_READ: Final = (
    (b"content-type", "Content-Type"),
    (b"if-match", "If-Match"),
    (b"if-none-match", "If-None-Match"),
    (b"x-orcodm", "X-Orcodm"),
)
"""The headers that the codec looks at."""


@frozen(kw_only=True)
class Limits:
    """What one request may cost. `body` counts the bytes before and after unpacking.

    `seconds` is what a client has for the body; as many it has for the head, where `orcodm serve` runs it.
    """

    body: int = 32 * 2**20
    headers: int = 32 * 2**10
    target: int = 16 * 2**10
    seconds: float = 60.0


class Disconnected(Exception):
    """The client went away before its request was complete."""


def target_of(scope: Scope) -> str:
    """Path and query as they stood on the request line; `scope["path"]` is decoded already."""
    raw = scope.get("raw_path")
    path = (
        quote(scope["path"], safe="/%:@!$&'()*+,;=~")
        if raw is None
        else raw.partition(b"?")[0].decode("utf-8", "surrogateescape")
    )
    query = scope["query_string"]
    return f"{path}?{query.decode('utf-8', 'surrogateescape')}" if query else path


def check_head(scope: Scope, target: str, limits: Limits) -> None:
    """Raise the error for a request line or headers beyond the limits."""
    if len(target) > limits.target:
        raise ApiError.of(
            414, "api_bad_request", f"The path and query are longer than {limits.target} bytes."
        )
    if sum(map(len, chain.from_iterable(scope["headers"]))) > limits.headers:
        raise ApiError.of(431, "api_bad_request", f"The headers are longer than {limits.headers} bytes.")


def headers_of(given: dict[bytes, bytes]) -> Headers:
    """The headers for the codec."""
    return tuple((shown, given[name].decode("latin-1")) for name, shown in _READ if name in given)


async def read_body(receive: Receive, given: dict[bytes, bytes], limits: Limits) -> bytes:
    """The body, unpacked. Raises `TooLarge`, `BadRequest`, or `Disconnected`."""
    announced = given.get(b"content-length", b"")
    if announced.isdigit() and (len(announced) > 15 or int(announced) > limits.body):
        raise TooLarge(f"A body has at most {limits.body} bytes.")
    try:
        # A client that sends byte by byte holds memory, not a worker; still it has to finish.
        async with asyncio.timeout(limits.seconds):
            body = await _collect(receive, limits.body)
    except TimeoutError:
        raise ApiError.of(408, "api_bad_request", f"The body took more than {limits.seconds:g} s.") from None
    encoding = given.get(b"content-encoding", b"identity").lower()
    if encoding == b"identity" or not body:
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise ApiError.of(415, "api_bad_request", f"The body is packed as {encoding!r:.40}, not as gzip.")
    if len(body) > 2**20:
        return await asyncio.to_thread(_unpack, body, limits.body)
    return _unpack(body, limits.body)


async def _collect(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise TooLarge(f"A body has at most {most} bytes.")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _unpack(body: bytes, most: int) -> bytes:
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unzip.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequest(f"The body is not gzip: {error}") from None
    if len(unpacked) > most:
        raise TooLarge(f"A body has at most {most} bytes, also unpacked.")
    if not unzip.eof:
        raise BadRequest("The body ends in the middle of its gzip.")
    return unpacked
