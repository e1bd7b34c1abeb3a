"""The identifiers of requests: UUIDs of version 1, as the service gave and clients expect."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Final


class RequestIds:
    """A source of identifiers; `uuid.uuid1` takes as long as answering a request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = 0
        self._last = 0
        self._tail = ""

    def next(self) -> str:
        """The next identifier, different from all others, also those of forked processes."""
        with self._lock:
            if self._process != os.getpid():
                node = random.SystemRandom().getrandbits(48) | 0x010000000000  # marked as no hardware address
                sequence = random.SystemRandom().getrandbits(14) | 0x8000
                self._process, self._tail = os.getpid(), f"{sequence:04x}-{node:012x}"
            now = time.time_ns() // 100 + 0x01B21DD213814000
            last = self._last = now if now > self._last else self._last + 1
        moment = f"{last & 0xFFFFFFFF:08x}-{last >> 32 & 0xFFFF:04x}-{last >> 48 & 0x0FFF | 0x1000:04x}"
        return f"{moment}-{self._tail}"


request_ids: Final = RequestIds()
