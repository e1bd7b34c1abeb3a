"""Requests and responses as values: what stands on the wire, without the wire."""

from __future__ import annotations

from attrs import frozen

Headers = tuple[tuple[str, str], ...]


@frozen
class Request:
    """A request. `target` is path and query as on the request line, percent-encoded."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""


@frozen
class Response:
    """A response. A header that occurs twice stands twice."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def header(headers: Headers, name: str) -> str | None:
    """The first header of a name (given in lower case; written in any), or None."""
    for written, value in headers:
        if len(written) == len(name) and written.lower() == name:
            return value
    return None
