"""Fixtures for the tests of applications; pytest finds them where orcodm is installed.

`orcodm_engine` is a fresh engine in memory for each test, and the default engine while it runs;
`orcodm_session` an open session on it; `orcodm_requests` the list of operations that the engine was asked
for; `race` another writer, who is faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .session.session import Session
    from .testing import Race, Watched


@pytest.fixture
def orcodm_engine() -> Iterator[Watched]:
    """A fresh engine in memory, bound as the default one while the test runs."""
    # Imported here, so that a plugin which every pytest run loads costs nothing where it is not used.
    from . import bind, connect
    from .session.context import default_engine
    from .testing import Watched

    engine = Watched(connect("memory:"))
    before = default_engine()
    bind(engine)
    try:
        yield engine
    finally:
        bind(before)
        engine.close()


@pytest.fixture
def orcodm_session(orcodm_engine: Watched) -> Iterator[Session]:
    """An open session on `orcodm_engine`. It is not committed at the end of the test."""
    from .session.session import Session

    session = Session(orcodm_engine)
    with session:
        try:
            yield session
        finally:
            session.close()


@pytest.fixture
def orcodm_requests(orcodm_engine: Watched) -> list[Any]:
    """The operations that `orcodm_engine` was asked for; clear() it to count from there."""
    return orcodm_engine.operations


@pytest.fixture
def race(orcodm_engine: Watched) -> Iterator[Race]:
    """`race(ada, age=37)`: somebody else sets ada's age just before her next save arrives.

    Fails the test where the race was planned and never run: the test then wrote nothing.
    """
    from .testing import Race

    yield Race(orcodm_engine)
    if orcodm_engine.waiting:
        pytest.fail(
            f"{orcodm_engine.waiting} planned race(s) never ran: nothing was written to that document"
        )
