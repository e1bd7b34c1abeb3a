"""Every engine there is, each behind the fixture `engine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect

from .asking import Awaited

Opener = Callable[[Path], Engine]

ENGINES: dict[str, Opener] = {
    "memory": lambda folder: connect("memory:"),
    "sqlite": lambda folder: connect(f"sqlite:///{folder}/things.db"),
    "awaited": lambda folder: Awaited(connect(f"sqlite:///{folder}/things.db")),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty engine; closed when the test ends."""
    engine = ENGINES[request.param](tmp_path)
    yield engine
    engine.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database file that is not there yet."""
    return f"sqlite:///{tmp_path}/things.db"
