"""`python -m tests.benchmarks.http`: client and server, each beside what it is measured against.

Everything runs on this machine, the servers in processes of their own; the numbers are those of one run.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import requests
from rich.console import Console
from rich.table import Table

from orcodm.engines.http import HTTPEngine
from orcodm.operations import Get, IfAbsent, Ping, Put

from ..serving import serving_process, wait_for
from .measure import Row, Side, compare

VALUE = {"name": "Ada Lovelace", "age": 36, "tags": ["a", "b"], "text": "x" * 100}
BODY = b'{"name":"Ada Lovelace","age":36,"tags":["a","b"],"text":"' + b"x" * 100 + b'"}'

BARE = f"""
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


def client(url: str, plain: Any, name: str, goal: float) -> Row:
    """A GET by the engine, and by another client."""
    engine, operation = HTTPEngine(url), Get(collection="c", key="k")

    def ours(ground: object) -> int:
        for _ in range(500):
            engine.execute(operation)
        return 500

    def theirs(ground: object) -> int:
        for _ in range(500):
            plain.get(f"{url}/v0/c/k").raise_for_status()
        return 500

    row = compare("GET, client", Side("orcodm", ours), Side(name, theirs), goal, rounds=7)
    engine.close()
    plain.close()
    return row


def server(port: int, other: int, what: str, request: bytes, rounds: int, goal: float) -> Row:
    ours = Side("orcodm", lambda ground: load(port, request, rounds))
    theirs = Side("starlette", lambda ground: load(other, request, rounds))
    return compare(what, ours, theirs, goal, rounds=7)


def saves(url: str, rounds: int = 5) -> tuple[float, float]:
    """The seconds of 1,000 conditional writes at 20 ms, one after the other and together: medians."""
    one_by_one, together = zip(*(_saves(url, f"{number}") for number in range(rounds)), strict=True)
    return statistics.median(one_by_one), statistics.median(together)


def _saves(url: str, place: str) -> tuple[float, float]:
    """The seconds of one round, from 50 writes one after the other, and from all together."""

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
        one_by_one = (time.perf_counter() - started) * 20
        puts = [
            Put(collection=f"all-{place}", key=str(n), value=VALUE, condition=IfAbsent()) for n in range(1000)
        ]
        started = time.perf_counter()
        await asyncio.gather(*map(engine.aexecute, puts))
        together = time.perf_counter() - started
        await engine.aclose()
        return one_by_one, together

    return asyncio.run(measure())


def main() -> int:
    table = Table("work", "orcodm /s", "against", "/s", "ratio", "spread", "goal")
    with tempfile.TemporaryDirectory() as folder, bare() as other:
        file = Path(folder) / "a.db"
        with serving_process(f"sqlite:///{file}", "--log-level", "warning") as (url, _):
            httpx.put(f"{url}/v0/c/k", content=BODY)
            port = int(url.rpartition(":")[2])
            get = b"GET /v0/c/k HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n"
            put = b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
            rows = [
                client(url, httpx.Client(), "httpx", 1 / 1.35),
                client(url, requests.Session(), "requests", 1 / 0.85),
                server(port, other, "GET, server", get, 60, 0.35),
                server(port, other, "durable PUT, server", put, 20, 0.15),
            ]
            one_by_one, together = saves(url)
    for row in rows:
        ratios = f"{min(row.ratios):.2f} to {max(row.ratios):.2f}"
        numbers = (
            f"{max(row.our_rates):,.0f}",
            row.theirs,
            f"{max(row.their_rates):,.0f}",
            f"{row.ratio:.2f}",
        )
        table.add_row(row.work, *numbers, ratios, f"{row.goal:.2f}")
    faster = one_by_one / together
    table.add_row(
        "1,000 async saves at 20 ms",
        f"{1000 / together:,.0f}",
        "one by one",
        f"{1000 / one_by_one:,.0f}",
        f"{faster:.0f}",
        "",
        "20",
    )
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
