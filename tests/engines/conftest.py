"""Every engine there is, each behind the fixture `engine`."""

from __future__ import annotations

import secrets
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from orcodm import bind
from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.engines.embedded import current
from orcodm.server.app import Application, create_app
from orcodm.testing import Watched

from .asking import Awaited
from .crash import index_early

# The drivers for event loops have tests of their own; that they answer everything alike is seen to by CI.
ENGINES = [
    "memory",
    "sqlite",
    "http",
    pytest.param("awaited", marks=pytest.mark.slow),
    pytest.param("http-awaited", marks=pytest.mark.slow),
    pytest.param("opensearch", marks=pytest.mark.cluster),
    pytest.param("opensearch-awaited", marks=[pytest.mark.cluster, pytest.mark.slow]),
]


class Server:
    """Our server on a port of its own, in a thread: one application for each API key."""

    def __init__(self) -> None:
        self.applications: dict[bytes, Application] = {}
        self.keys = (f"key-{number}" for number in count())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        application = self.applications[dict(scope["headers"])[b"authorization"]]
        await application(scope, receive, send)

    def serve(self, engine: Engine) -> str:
        """The key under which an engine is served from now on."""
        key = next(self.keys)
        self.applications[b"Basic " + b64encode(f"{key}:".encode())] = create_app(engine, [key])
        return key

    @cached_property
    def port(self) -> int:
        """The port; the thread begins when it is first asked for."""
        # Whoever connects before the thread listens waits in the socket's queue.
        # Without the protocol's number asyncio leaves Nagle's algorithm on, for 40 ms with every answer.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        config = uvicorn.Config(self, lifespan="off", log_config=None, ws="none")
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(
            target=self.uvicorn.run, kwargs={"sockets": [listening]}, name="server", daemon=True
        )
        self.thread.start()
        number: int = listening.getsockname()[1]
        return number

    def stop(self) -> None:
        if "port" in self.__dict__:
            self.uvicorn.should_exit = True
            self.thread.join()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@contextmanager
def on_cluster(cluster_url: str) -> Iterator[str]:
    """The engine URL of an index that is not there yet and is not left behind: without replicas, so quick."""
    prefix = f"t{secrets.token_hex(6)}"
    try:
        yield f"{cluster_url}/{prefix}?shards=2&replicas=0"
    finally:
        node = "http://" + urlsplit(cluster_url).netloc.split(",")[0]
        for path in (f"{prefix}~*", f"_index_template/{prefix}"):
            httpx.delete(f"{node}/{path}", timeout=60)


Opener = Callable[[str, Path], AbstractContextManager[Engine]]


@pytest.fixture(scope="session")
def opener(server: Server, request: pytest.FixtureRequest) -> Opener:
    """Opens an engine by its name, with nothing in it; its file goes into the folder."""

    @contextmanager
    def opened(name: str, folder: Path) -> Iterator[Engine]:
        behind: Engine | None = None
        if name.startswith("opensearch"):
            with on_cluster(request.getfixturevalue("cluster_url")) as url:
                engine = Awaited(connect(url)) if name == "opensearch-awaited" else connect(url)
                yield engine
                engine.close()
            return
        match name:
            case "memory":
                engine = connect("memory:")
            case "awaited":
                engine = Awaited(connect("memory:"))
            case "sqlite":
                engine = connect(f"sqlite:///{folder}/things.db?synchronous=NORMAL")
            case "http":
                behind = connect("memory:")
                key = server.serve(behind)
                engine = connect(f"http://{key}@127.0.0.1:{server.port}")
            case _:
                behind = connect("memory:")
                transport = httpx.ASGITransport(create_app(behind, ["key"]))
                engine = Awaited(connect("http://key@127.0.0.1", async_transport=transport))
        try:
            yield engine
        finally:
            engine.close()
            if behind is not None:
                behind.close()

    return opened


DIFFERS_ON_A_CLUSTER = {
    "compared_by_what_it_is[*-long]": "decimals of more than 15 digits are compared by the nearest double",
    "compared_by_what_it_is[*-opens]": "an order by times of day is refused",
    "test_decimals_are_summed_and_counted*": "sums are sums of doubles",
    "is_what_python_makes[*-@decimal.]": "texts and JSON numbers in one field are ordered and summed apart",
    "is_what_python_makes[*-@time.]": "an order by times of day is refused",
    "where_clocks_are_set[*-hour-Australia/Lord_Howe]": "half an hour that comes twice is one bucket",
}
"""What the README says that OpenSearch does otherwise: by test, why. One that passes again fails the run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if str(parameters.get("engine", "")).startswith("opensearch"):
            for pattern, reason in DIFFERS_ON_A_CLUSTER.items():
                before, _, after = pattern.partition("*")
                if before in item.name and item.name.endswith(after):
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, opener: Opener) -> Iterator[Engine]:
    """An empty engine; closed when the test ends."""
    folder = request.getfixturevalue("tmp_path") if request.param == "sqlite" else Path()
    with opener(request.param, folder) as engine:
        yield engine


@pytest.fixture
def watched(engine: Engine) -> Iterator[Watched]:
    """The engine as the default one of the mapper, with the operations it was asked for."""
    watched = Watched(engine)
    bind(watched)
    yield watched
    bind(None)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded engine makes its index for some dozens of items, so that tests need no thousands."""
    for name, number in index_early.items():
        monkeypatch.setattr(current, name, number)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database file that is not there yet."""
    return f"sqlite:///{tmp_path}/things.db"
