"""What an exchange may take: seconds, and the bytes of an answer."""

from __future__ import annotations

import zlib

from attrs import frozen

from ..errors import ProtocolError


@frozen
class Timeouts:
    """Seconds to wait: for a connection, for each part of an answer, to send, and for a free connection."""

    connect: float | None = 5.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 60.0

    @classmethod
    def of(cls, timeout: float | Timeouts | None) -> Timeouts:
        """One number stands for all; None waits for ever."""
        return timeout if isinstance(timeout, Timeouts) else cls(timeout, timeout, timeout, timeout)

    @property
    def by_name(self) -> dict[str, float | None]:
        """As httpx takes them with a request."""
        return {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.pool}


class Bounded:
    """The body of an answer, unpacked, up to a bound: a few bytes of gzip can be gigabytes."""

    def __init__(self, encoding: str | None, most: int) -> None:
        self._most = most
        self._room = most
        self._parts: list[bytes] = []
        encoding = (encoding or "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise ProtocolError(f"The server packed its answer as {encoding!r:.40}, which was not asked for.")
        self._unzip = None if encoding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 16)

    def take(self, chunk: bytes) -> None:
        if self._unzip is not None and chunk:
            try:
                chunk = self._unzip.decompress(chunk, self._room + 1)
            except zlib.error as error:
                raise ProtocolError(f"The server's answer is not the gzip it says it is: {error}") from error
        self._room -= len(chunk)
        if self._room < 0:
            raise ProtocolError(f"The server's answer has more than {self._most} bytes.")
        self._parts.append(chunk)

    def whole(self) -> bytes:
        if self._unzip is not None and self._parts and not self._unzip.eof:
            raise ProtocolError("The server's answer ends in the middle of its gzip.")
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
