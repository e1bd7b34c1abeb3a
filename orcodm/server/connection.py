"""A connection of uvicorn that does not wait for ever: a request's head has to come, in time and in bounds.

Uvicorn ends connections that say nothing between two requests. One that says a byte now and then it listens
to for as long as it lasts, and of its two parsers the faster one collects as much as is sent. Bodies have
bounds of their own, where they are read.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ..errors import ApiError, BadRequest
from ..wire.faults import encode_fault
from .identify import request_ids

MAX_HEAD: Final = 128 * 2**10
"""How many bytes may come without being a whole head: more than any limit that is checked afterwards."""

_Auto: Any = AutoHTTPProtocol
_Uvicorn: Any = object
"""What `Patient` is mixed into; uvicorn has no type for what its two protocols have in common."""


class Patient(_Uvicorn):  # type: ignore[misc]
    """The part of a connection that has some seconds for the head of each request, and no more."""

    def __init__(self, *given: Any, seconds: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._seconds = seconds
        self._late: asyncio.TimerHandle | None = None
        self._unfinished = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, error: Exception | None) -> None:
        self._has_head()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._late is not None:
                self._has_head()
            return
        # No request is under way: this was a part of a head, or is left of the body of one that is answered.
        if self._late is None:
            self._expect_head()
        if cycle is None or not cycle.more_body:
            self._unfinished += len(data)
            if self._unfinished > MAX_HEAD:
                self._refuse(
                    ApiError.of(431, "api_bad_request", f"The head is longer than {MAX_HEAD} bytes.")
                )

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            # Answered before its body had come: uvicorn takes no note of its end, and we tell by it.
            self.cycle.more_body = False

    def _expect_head(self) -> None:
        late = ApiError.of(408, "api_bad_request", f"The head took more than {self._seconds:g} s.")
        self._late = self.loop.call_later(self._seconds, self._refuse, late)

    def _has_head(self) -> None:
        self._unfinished = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def send_400_response(self, msg: str) -> None:
        """The answer to what is no HTTP, which no application sees: as any other error's."""
        self._answer(BadRequest(details={"info": msg}))
        self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        if self._unfinished:
            self._answer(error)
        self.transport.close()

    def _answer(self, error: ApiError) -> None:
        response = encode_fault(error)
        headers = (
            *response.headers,
            ("X-ORCHESTRATE-REQ-ID", request_ids.next()),
            ("Date", formatdate(usegmt=True)),
            ("Content-Length", str(len(response.body))),
            ("Connection", "close"),
        )
        lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + response.body)


class Connection(Patient, _Auto):  # type: ignore[misc]
    """Uvicorn's connection, over httptools where that is installed, else over h11."""
