"""A loop within a session: what is held or changed stays in the session, the rest is let go of by pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from orcodm import Event, Relation, Session
from orcodm.testing import Watched

from ..people import Login, User

PAGE = 5
NUMBER = 40

Loop = Callable[[Session], Iterator[Any]]
AwaitedLoop = Callable[[Session], AsyncIterator[Any]]


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Users u00 to u39, friends of u00, with logins of u00; loops read five at once."""
    for module in ("query.query", "model.events", "model.relations"):
        monkeypatch.setattr(f"orcodm.{module}.PAGE_SIZE", PAGE)
    users = [User(key=f"u{number:02}", name="x", age=number) for number in range(NUMBER)]
    with Session() as session:
        session.add(*users)
    with Session() as session:
        first = session.get(User, "u00")
        for number in range(NUMBER):
            first.events.login.add(ip="::1", at=number)
            first.relations.friends.add(users[number], since=number)
    return orcodm_engine


def change(found: Any) -> None:
    match found:
        case User():
            found.name = "changed"
        case Event():
            found.ip = "changed"  # type: ignore[attr-defined]
        case Relation():
            found.properties["since"] = "changed"


def changed() -> tuple[int, int, int]:
    """How many documents, events and relations were changed."""
    logins = User.query.events(Login).all()
    relations = User.query.relations("friends").all()
    return (
        sum(user.name == "changed" for user in User.query),
        sum(login.ip == "changed" for login in logins),
        sum(relation.properties["since"] == "changed" for relation in relations),
    )


def pages(session: Session) -> Iterator[User]:
    return (user for page in session.query(User).pages(PAGE) for user in page)


async def apages(session: Session) -> AsyncIterator[User]:
    async for page in session.query(User).apages(PAGE):
        for user in page:
            yield user


def series(session: Session) -> Any:
    return session.get(User, "u00").events.login


def related(session: Session) -> Any:
    return session.get(User, "u00").relations.friends


LOOPS: dict[str, tuple[Any, Any, int]] = {
    "keys": (lambda session: session.query(User), None, 0),
    "sorted": (lambda session: session.query(User).order_by(-User.age), None, 0),
    "words": (lambda session: session.query(User).filter(User.name.matches("x")), None, 0),
    "pages": (pages, apages, 0),
    "events": (lambda session: session.query(User).events(Login), None, 1),
    "relations": (lambda session: session.query(User).relations("friends"), None, 2),
    "series": (series, None, 1),
    "related": (related, None, 0),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("hold", [False, True])
def test_what_is_changed_is_stored_whoever_holds_it_and_whenever(
    name: str, awaited: bool, hold: bool
) -> None:
    """Every third is changed in the loop; where they are held, the others are changed after it."""
    loop, awaited_loop, kind = LOOPS[name]
    held: list[Any] = []
    most = 0

    def look(session: Session, index: int, found: Any) -> None:
        nonlocal most
        if index % 3 == 0:
            change(found)
        if hold:
            held.append(found)
        else:
            most = max(most, len(list(session)) - len(session.dirty))

    def end() -> None:
        for found in held:
            change(found)

    async def go_through() -> None:
        async with Session() as session:
            index = 0
            async for found in (awaited_loop or loop)(session):
                look(session, index, found)
                index += 1
            end()

    if awaited:
        asyncio.run(go_through())
    else:
        with Session() as session:
            for index, found in enumerate(loop(session)):
                look(session, index, found)
            end()
    assert changed()[kind] == (NUMBER if hold else (NUMBER + 2) // 3)
    # Three pages, the last of the one before, and u00, whose events and friends these are.
    assert most <= 3 * PAGE + 2


def test_a_key_that_was_changed_is_not_let_go_of() -> None:
    with Session() as session:
        for user in session.query(User):
            if user.key == "u01":
                user.key = "other"
        assert "other" in {one.key for one in session}
        session.expunge(next(one for one in session if one.key == "other"))
