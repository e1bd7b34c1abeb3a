"""Requests and responses as values: what stands on the wire, without the wire."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from .. import values

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

    @property
    def value(self) -> Any:
        """The JSON value of the body, None where there is no body. Raises `ValueError`."""
        return values.decode(self.body) if self.body else None

    def header(self, name: str) -> str | None:
        """The first header of a name, however it is written."""
        return header(self.headers, name.lower())


def header(headers: Headers, name: str) -> str | None:
    """The first header of a name (given in lower case; written in any), or None."""
    for written, value in headers:
        if len(written) == len(name) and written.lower() == name:
            return value
    return None
