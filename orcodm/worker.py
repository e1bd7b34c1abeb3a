"""The application of a server that has several worker processes, each with an engine of its own."""

from __future__ import annotations

import json
import logging
import os
import socket
from functools import partial
from typing import Any, Final

from attrs import asdict

from .engines.connect import connect
from .server.app import Application, create_app
from .server.connection import Connection
from .server.keys import ApiKey, Keys
from .server.requests import Limits

SETTINGS: Final = "ORCODM_SERVE"
"""The environment variable with what a worker has to know; of API keys it has the hashes."""


def write_settings(url: str, keys: Keys | None, path: str | None, limits: Limits, level: str) -> None:
    """Leave the settings for the workers to come."""
    given = None if keys is None else [asdict(key) for key in keys.given]
    os.environ[SETTINGS] = json.dumps(
        {"url": url, "keys": given, "path": path, "limits": asdict(limits), "level": level}
    )


def create() -> Application:
    """The application of one worker."""
    settings = json.loads(os.environ[SETTINGS])
    start_logging(settings["level"])
    keys = None
    if settings["keys"] is not None:
        keys = Keys([ApiKey(**key) for key in settings["keys"]], settings["path"])
    return create_app(connect(settings["url"]), keys, limits=Limits(**settings["limits"]), owns_engine=True)


def options(limits: Limits) -> dict[str, Any]:
    """How uvicorn is to run an application: what each of our servers has in common."""
    return {
        "http": partial(Connection, seconds=limits.seconds),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": 30,
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


def start_logging(level: str) -> None:
    """One line for each request, on the standard error stream."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
