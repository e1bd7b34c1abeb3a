"""Generated keys and event ordinals: 64-bit integers whose order is the order of their making.

The upper 40 bits are milliseconds since 2014-01-01 UTC, the scheme of the service; the lower 24 are a
node of 12 bits, drawn at random for each process, and a sequence of 12.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

EPOCH_MS = 1_388_534_400_000
"""2014-01-01T00:00:00Z in milliseconds since the Unix epoch."""


class Identifiers:
    """A source of identifiers, each greater than the one before; safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.time, node: int | None = None) -> None:
        self._clock = clock
        self._node = _random_node() if node is None else node & 0xFFF
        self._lock = threading.Lock()
        self._moment = 0
        self._sequence = 0

    def next(self) -> int:
        """The next identifier, as an integer."""
        with self._lock:
            now = int(self._clock() * 1000) - EPOCH_MS
            if now > self._moment:
                self._moment, self._sequence = now, 0
            elif self._sequence < 0xFFF:
                self._sequence += 1
            else:  # 4,096 within a millisecond, or the clock went back: run ahead of it
                self._moment, self._sequence = self._moment + 1, 0
            return self._moment << 24 | self._node << 12 | self._sequence

    def next_ordinal(self) -> int:
        """The next identifier, as an event's ordinal: signed 64 bits, as the service's and SQLite's are.

        From June 2031 on they are negative, and still each greater than the one before.
        """
        number = self.next()
        return number if number < 2**63 else number - 2**64

    def next_key(self) -> str:
        """The next identifier, as a key: 16 lower-case hex digits."""
        return f"{self.next():016x}"

    def renew(self) -> None:
        """Draw another node, as a forked process must."""
        self._lock = threading.Lock()
        self._node = _random_node()


def _random_node() -> int:
    return int.from_bytes(os.urandom(2), "big") & 0xFFF


identifiers = Identifiers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=identifiers.renew)
