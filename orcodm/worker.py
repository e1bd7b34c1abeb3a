"""The application of `orcodm serve`, for one process or for each of several, and how uvicorn runs it."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from functools import partial
from typing import Any, Final

from attrs import field, frozen

from .engines.connect import connect
from .server.app import Application, create_app
from .server.connection import Connection
from .server.keys import ApiKey, Keys
from .server.requests import Limits

GRACE_SECONDS: Final = 10.0
"""How long a server that is stopped takes at most."""
SWITCH_SECONDS: Final = 0.001
"""How long a thread keeps the interpreter while others wait: a quick request needs it several times, and each
time waits so long for each of the slow ones."""
CLOSE_PART: Final = 0.2
"""The part of that time in which the engine has to close; requests under way have the rest."""


@frozen(kw_only=True)
class Settings:
    """What a process needs to serve an engine; calling it makes the application.

    Workers get it over the pipe that starts them: the environment, where others may look, has neither the
    engine's URL nor the hashes of the keys.
    """

    url: str = field(repr=False)
    keys: tuple[ApiKey, ...] | None = None
    keys_path: str | None = None
    limits: Limits = field(factory=Limits)
    log_level: str = "info"
    cors: tuple[str, ...] = ()
    relation_status: int | None = None
    grace: float = GRACE_SECONDS

    def __call__(self) -> Application:
        start_logging(self.log_level)
        sys.setswitchinterval(SWITCH_SECONDS)
        return create_app(
            connect(self.url),
            None if self.keys is None else Keys(self.keys, self.keys_path),
            limits=self.limits,
            cors=self.cors,
            relation_status=self.relation_status,
            owns_engine=True,
            stopping=partial(_end_after, self.grace * CLOSE_PART),
        )


def _end_after(seconds: float) -> None:
    """End the process then, for an operation that cannot be interrupted would keep it alive."""

    def end() -> None:
        logging.getLogger("orcodm.server").warning("stopped while operations were under way")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def options(limits: Limits, grace: float = GRACE_SECONDS) -> dict[str, Any]:
    """How uvicorn is to run an application: what each of our servers has in common."""
    return {
        "http": partial(Connection, seconds=limits.seconds),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": grace * (1 - CLOSE_PART),
    }


def listen(host: str, port: int) -> socket.socket:
    """A socket for a server to accept from.

    It says that it is TCP, which a socket need not: without that asyncio leaves Nagle's algorithm on for
    its connections, and an answer in two parts waits 40 ms for the second.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(address)
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


def address(listening: socket.socket, tls: bool) -> str:
    """Where a socket is reached, as a URL."""
    host, port = listening.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def start_logging(level: str) -> None:
    """One line for each request, on the standard error stream."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
