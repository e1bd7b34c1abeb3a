"""HTTP: our client beside other clients, our server beside a bare Starlette application, saves from afar.

The servers run in processes of their own on this machine; the load comes from one Python process, which may
be what holds back the faster of two servers.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import httpx

from orcodm.engines.http import HTTPEngine
from orcodm.operations import Get, IfAbsent, Ping, Put

from ..serving import serving_process, wait_for
from .ground import Ground
from .measure import OURS, Bar, Row, Side, doing, faster, within

VALUE = {"name": "Ada Lovelace", "age": 36, "tags": ["a", "b"], "text": "x" * 100}
BODY = b'{"name":"Ada Lovelace","age":36,"tags":["a","b"],"text":"' + b"x" * 100 + b'"}'
GET: Final = b"GET /v0/c/k HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n"
PUT: Final = b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

BARE: Final = f"""
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def get(request):
    return Response({BODY!r}, media_type="application/json")
async def put(request):
    await request.body()
    return Response(b"", 201)
app = Starlette(routes=[Route("/v0/c/k", get), Route("/v0/c/k", put, methods=["PUT"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@contextmanager
def bare() -> Iterator[int]:
    """The port of a Starlette application that answers with constants."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)])
    try:
        wait_for(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def load(port: int, request: bytes, rounds: int, connections: int = 16) -> int:
    """Send requests over connections that stay open, and read the answers."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for _ in range(rounds):
        for each in sockets:
            each.sendall(request)
        for each in sockets:
            _read(each)
    for each in sockets:
        each.close()
    return rounds * connections


def _read(connection: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


def rows(ground: Ground) -> Iterator[Row]:
    """What stands on one document of its own."""
    database = f"sqlite:///{ground.folder() / 'served.db'}"
    with bare() as other, serving_process(database, "--log-level", "warning") as (url, _):
        httpx.put(f"{url}/v0/c/k", content=BODY).raise_for_status()
        port = int(url.rpartition(":")[2])

        def row(work: str, sides: dict[str, Side], *bars: Bar) -> Row:
            return Row("http", work, None, ground.by_turns(sides), bars)

        def served(request: bytes, rounds: int) -> dict[str, Side]:
            ports = {OURS: port, "Starlette": other}
            return {name: doing(load, one, request, rounds) for name, one in ports.items()}

        yield row("GET, client", clients(ground, url), within("httpx", 1.35), within("requests", 0.85))
        yield row("GET, server", served(GET, 60), within("Starlette", 1 / 0.35))
        yield row("durable PUT, server", served(PUT, 20), within("Starlette", 1 / 0.15))
        costs = saves(url, ground.rounds)
        yield Row("http", "a save at 20 ms, of 1,000 async ones", None, costs, (faster("one by one", 20),))


def clients(ground: Ground, url: str) -> dict[str, Side]:
    """A GET by our engine, and by other clients."""
    engine, operation = HTTPEngine(url), Get(collection="c", key="k")
    asking: dict[str, Callable[[], Any]] = {
        OURS: lambda: engine.execute(operation),
        "httpx": partial(_plain, httpx.Client(), url),
    }
    try:
        import requests
    except ImportError as error:
        ground.absent("requests", error)
    else:
        asking["requests"] = partial(_plain, requests.Session(), url)
    return {name: doing(_often, ask) for name, ask in asking.items()}


def _plain(client: Any, url: str) -> None:
    client.get(f"{url}/v0/c/k").raise_for_status()


def _often(ask: Callable[[], Any], count: int = 500) -> int:
    for _ in range(count):
        ask()
    return count


def saves(url: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of one of 1,000 conditional writes at 20 ms, all together and one after the other."""
    measured = [_saves(url, f"{number}") for number in range(rounds)]
    return {OURS: [one for one, _ in measured], "one by one": [one for _, one in measured]}


def _saves(url: str, place: str) -> tuple[float, float]:
    class Far(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.02)
            return await super().handle_async_request(request)

    async def measure() -> tuple[float, float]:
        engine = HTTPEngine(url)
        engine._pools._new_async = lambda: httpx.AsyncClient(transport=Far(verify=False))  # type: ignore[method-assign]
        await engine.aexecute(Ping())
        started = time.perf_counter()
        for number in range(50):
            await engine.aexecute(
                Put(collection=f"one-{place}", key=str(number), value=VALUE, condition=IfAbsent())
            )
        one_by_one = (time.perf_counter() - started) / 50
        puts = [
            Put(collection=f"all-{place}", key=str(n), value=VALUE, condition=IfAbsent()) for n in range(1000)
        ]
        started = time.perf_counter()
        await asyncio.gather(*map(engine.aexecute, puts))
        together = (time.perf_counter() - started) / 1000
        await engine.aclose()
        return 1000 * together, 1000 * one_by_one

    return asyncio.run(measure())
