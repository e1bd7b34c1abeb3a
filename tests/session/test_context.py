"""Which session a call belongs to."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import orcodm
from orcodm import NoEngine, Session, connect
from orcodm.session import context
from orcodm.testing import Watched

from ..people import User, ada


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    ada()
    return orcodm_engine


def test_the_innermost_open_session_serves_a_call(engine: Watched) -> None:
    with Session(engine) as outer:
        with Session(engine) as inner:
            assert context.current() is inner
        assert context.current() is outer
    assert not context.current().unit.tracking


def test_a_document_belongs_to_the_session_that_read_it(engine: Watched) -> None:
    with Session(engine) as outer:
        a = outer.get(User, "ada")
        with Session(engine):
            assert context.session_of(a) is outer
            a.age = 1
            a.save()
        assert outer.dirty == ()
    assert User.get("ada").age == 1


def test_a_block_in_a_block_of_the_same_session(engine: Watched) -> None:
    with Session(engine) as session:
        with session:
            session.get(User, "ada").age = 1
        assert User.get("ada").age == 1
        assert not session.closed
    assert session.closed


def test_a_session_closed_within_its_block_commits_nothing(engine: Watched) -> None:
    with Session(engine) as session:
        session.get(User, "ada").age = 1
        session.close()
        assert User.get("ada").age == 36
    assert User.get("ada").age == 36


def test_another_thread_has_no_open_session(engine: Watched) -> None:
    seen = []
    with Session(engine) as session:
        thread = threading.Thread(target=lambda: seen.append(context.current()))
        thread.start()
        thread.join()
    assert seen[0] is not session


def test_tasks_have_each_their_own(engine: Watched) -> None:
    async def one() -> bool:
        async with Session(engine) as session:
            await asyncio.sleep(0)
            return context.current() is session

    async def main() -> list[bool]:
        return [*await asyncio.gather(one(), one())]

    assert asyncio.run(main()) == [True, True]


def test_a_generator_may_leave_a_session_elsewhere(engine: Watched) -> None:
    @contextmanager
    def opened() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    with opened() as session:
        assert context.current() is session
    assert session.closed


def test_a_session_may_be_left_in_another_context(engine: Watched) -> None:
    session = Session(engine)
    contextvars.copy_context().run(session.__enter__)
    session.get(User, "ada").age = 1
    session.__exit__(None, None, None)
    assert session.closed
    assert User.get("ada").age == 1
    assert not context.current().unit.tracking


def test_the_default_engine_can_be_changed(engine: Watched) -> None:
    other = connect("memory:")
    orcodm.bind(other)
    assert context.default_engine() is other
    assert User.get("ada", default=None) is None
    orcodm.bind(None)
    with pytest.raises(NoEngine):
        User.get("ada")
    other.close()
