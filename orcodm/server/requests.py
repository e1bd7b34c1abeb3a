"""From an ASGI scope to the request the codec reads: bounds on everything, bodies unpacked."""

from __future__ import annotations

import asyncio
import re
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
    (b"user-agent", "User-Agent"),
    (b"x-orcodm", "X-Orcodm"),
)
"""The headers that the codec looks at."""

_SINGLE: Final = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"x-orcodm", b"x-orcodm-token"}
)
"""Headers that mean something to the server and are no lists: a second one with another value is refused."""


@frozen(kw_only=True)
class Limits:
    """What one request may cost. `body` counts the bytes before and after unpacking.

    `page` is how many bytes the values of a page have, unless one value has more: the page ends before them.
    `seconds` is what a client has for the body; as many it has for the head, where `orcodm serve` runs it.
    """

    body: int = 32 * 2**20
    headers: int = 32 * 2**10
    target: int = 64 * 2**10
    page: int = 8 * 2**20
    seconds: float = 60.0


MEMBERS: Final = 1_000
"""How many members the gzip of one body may have."""


_HOST: Final = re.compile(rb"(?:\[[0-9A-Za-z:.%]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?").fullmatch
"""Whether a value of Host is one (RFC 3986, 3.2.2); it may be empty."""


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


def given_headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers by their names in lower case; lists that came in several lines are joined (RFC 9110, 5.3).

    Raises `BadRequest` for a header that came twice and is no list, where HTTP/1.1 has not one Host, and for
    a Host that is none (RFC 9112, 3.2).
    """
    headers = list(scope["headers"])
    given: dict[bytes, bytes] = dict(headers)
    if len(given) != len(headers):
        given = {}
        for name, value in headers:
            if name not in given:
                given[name] = value
            elif name not in _SINGLE:
                given[name] += b", " + value
            elif given[name] != value or name == b"host":
                raise BadRequest(f"The header {name.decode('latin-1')} came more than once.")
    host = given.get(b"host")
    if host is None:
        if scope.get("http_version") == "1.1":
            raise BadRequest("HTTP/1.1 requires the header Host.")
    elif not _HOST(host):
        raise BadRequest(f"The header Host is no name of a host: {host.decode('latin-1'):.60}")
    return given


def is_sound(scope: Scope) -> bool:
    """Whether the headers of a request are those of one."""
    try:
        given_headers(scope)
    except BadRequest:
        return False
    return True


def members(value: bytes) -> list[bytes]:
    """The members of a header that is a list, in lower case."""
    return [member.strip().lower() for member in value.split(b",")]


def accepts_gzip(value: bytes) -> bool:
    """Whether `Accept-Encoding` allows gzip: named, or covered by `*`, with a weight above zero."""
    weights: dict[bytes, bool] = {}
    for member in members(value):
        coding, *parameters = (part.strip() for part in member.split(b";"))
        weight = next((part[2:] for part in parameters if part.startswith(b"q=")), b"1")
        try:
            weights[coding] = float(weight) > 0
        except ValueError:
            weights[coding] = False
    return any(weights[coding] for coding in (b"gzip", b"x-gzip") if coding in weights) or (
        weights.get(b"*", False) and b"gzip" not in weights
    )


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
    # A few bytes can be many, so the packed size does not tell how long it takes.
    return await asyncio.to_thread(_unpack, body, limits.body)


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
    """The body without its gzip, whose members follow each other (RFC 1952, 2.2), up to `most` bytes."""
    parts: list[bytes] = []
    position, room = 0, most
    for _ in range(MEMBERS):
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not unzip.eof:
            # A part at a time, since what is left behind a member is copied.
            chunk = body[position : position + 2**14]
            if not chunk:
                raise BadRequest("The body ends in the middle of its gzip.")
            try:
                part = unzip.decompress(chunk, room + 1)
            except zlib.error as error:
                raise BadRequest(f"The body is not gzip: {error}") from None
            room -= len(part)
            if room < 0:
                raise TooLarge(f"A body has at most {most} bytes, also unpacked.")
            parts.append(part)
            position += len(chunk) - len(unzip.unused_data)
        # Some writers fill the last block with zeros, as gzip(1) allows.
        if position == len(body) or (body[position] == 0 and not body[position:].strip(b"\0")):
            return b"".join(parts)
    raise TooLarge(f"A body has at most {MEMBERS} members of gzip.")
