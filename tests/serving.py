"""A server for the tests: in a thread of this process over real sockets, or in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
import uvicorn

from orcodm.engine import Engine
from orcodm.server.app import create_app
from orcodm.server.requests import Limits
from orcodm.worker import listen, options


@contextmanager
def serving(engine: Engine, keys: Any = None, **options: Any) -> Iterator[str]:
    """The URL of a server over an engine, in a thread."""
    with serving_app(create_app(engine, keys, **options)) as url:
        yield url


@contextmanager
def serving_app(app: Any) -> Iterator[str]:
    """The URL of any ASGI application, in a thread.

    All of them share one listening server, since starting and stopping one takes longer than most tests:
    each has a host name of its own, which the system takes for this machine.
    """
    with _lock:
        port = _port or _start()
        host = f"127.0.0.{next(_hosts) % 250 + 2}"
        _apps[host] = app
    try:
        yield f"http://{host}:{port}"
    finally:
        _apps.pop(host, None)


_lock = threading.Lock()
_hosts = count()
_apps: dict[str, Any] = {}
_port = 0


def _start() -> int:
    global _port
    listener = listen("0.0.0.0", 0)
    config = uvicorn.Config(_switch, lifespan="off", **options(Limits()))
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    wait_for(lambda: server.started)
    _port = listener.getsockname()[1]
    return _port


async def _switch(scope: Any, receive: Any, send: Any) -> None:
    await _apps[scope["server"][0]](scope, receive, send)


@contextmanager
def serving_process(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The URL of `orcodm serve` in a process of its own, and the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "orcodm.cli", "serve", *arguments, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: is_ready(url, process))
        yield url, process
    finally:
        process.terminate()
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read().decode())
    try:
        return httpx.get(f"{url}/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(done: Any, seconds: float = 20) -> None:
    """Wait until something is so; polls, since a server tells nobody that it listens."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.005)
