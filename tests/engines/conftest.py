"""Every engine there is, each behind the fixture `engine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect

from .asking import Awaited

# The driver for event loops has tests of its own; that it answers everything alike is seen to by CI.
ENGINES = ["memory", "sqlite", pytest.param("awaited", marks=pytest.mark.slow)]

Opener = Callable[[str, Path], AbstractContextManager[Engine]]


@pytest.fixture(scope="session")
def opener() -> Opener:
    """Opens an engine by its name, with nothing in it; its file goes into the folder."""

    @contextmanager
    def opened(name: str, folder: Path) -> Iterator[Engine]:
        engine: Engine
        match name:
            case "memory":
                engine = connect("memory:")
            case "awaited":
                engine = Awaited(connect("memory:"))
            case _:
                engine = connect(f"sqlite:///{folder}/things.db")
        try:
            yield engine
        finally:
            engine.close()

    return opened


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, opener: Opener, tmp_path: Path) -> Iterator[Engine]:
    """An empty engine; closed when the test ends."""
    with opener(request.param, tmp_path) as engine:
        yield engine


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database file that is not there yet."""
    return f"sqlite:///{tmp_path}/things.db"
