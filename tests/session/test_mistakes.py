"""What newcomers do: wrong things in a session, a query as a condition, documents in sets, gather."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import orcodm
from orcodm import ConcurrentUse, Session, SessionClosed, UsageError
from orcodm.operations import Ping
from orcodm.testing import Watched

from ..people import User, ada


@pytest.mark.parametrize("wrong", [[User(key="a", name="A")], {"name": "A"}, None, User, "a", 5])
def test_what_is_no_document_is_refused_by_name(orcodm_engine: Watched, wrong: Any) -> None:
    session = Session()
    for call in (session.add, session.delete, session.expunge, session.save, session.refresh):
        with pytest.raises(UsageError, match="a session takes documents, events and relations, not "):
            call(wrong)
    outcomes = list(session.bulk([User(key="b", name="B"), wrong]))
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, UsageError)


def test_what_has_not_been_read_has_no_truth_value(orcodm_engine: Watched) -> None:
    user = ada()
    for unread in (
        User.query,
        User.query.highlight(),
        user.relations.friends,
        user.events.login,
        user.events.login.between(1, 2),
        user.history,
    ):
        with pytest.raises(UsageError, match="has no truth value"):
            bool(unread)


def test_documents_are_equal_where_they_stand_for_the_same_stored_thing(orcodm_engine: Watched) -> None:
    user = ada()
    other = User.get("ada")
    other.name = "changed"
    assert user in User.query.all()
    assert user == other
    assert {user, other} == {user}
    assert user != User(key="bob", name="Bob")
    new = User(name="New")
    assert new == new
    assert new != User(name="New")
    with pytest.raises(UsageError, match="has no key yet"):
        hash(new)


def test_tasks_that_share_a_session_are_told_so_on_every_engine(orcodm_engine: Watched) -> None:
    async def main() -> list[Any]:
        async with Session() as session:
            gets = (session.aget(User, key, default=None) for key in "abc")
            return await asyncio.gather(*gets, return_exceptions=True)

    assert [type(one) for one in asyncio.run(main())] == [type(None), ConcurrentUse, ConcurrentUse]


def test_an_engine_is_a_block_that_closes_it(tmp_path: Any) -> None:
    for url in ("memory:", f"sqlite:///{tmp_path}/a.db"):
        with orcodm.connect(url) as engine:
            engine.execute(Ping())
        with pytest.raises(SessionClosed):
            engine.execute(Ping())

        async def main(url: str) -> None:
            async with orcodm.connect(url) as engine:
                await engine.aexecute(Ping())

        asyncio.run(main(url))
