"""Signals: who is told of what, on every path; who can stop a write; and who is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from orcodm import (
    AlreadyExists,
    Conflict,
    Document,
    Field,
    InvalidDocument,
    Session,
    UsageError,
    field,
    signals,
)
from orcodm.testing import Race, Watched

from .people import Login, User, ada

ALL = {
    "pre_save": signals.pre_save,
    "post_save": signals.post_save,
    "pre_delete": signals.pre_delete,
    "post_delete": signals.post_delete,
    "post_load": signals.post_load,
    "conflict": signals.conflict,
}


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    return orcodm_engine


@pytest.fixture
def user() -> User:
    return ada()


@pytest.fixture
def told(user: User) -> Iterator[list[Any]]:
    """What the receivers were told: the signal and the key, or the ip of an event."""
    seen: list[Any] = []
    receivers = []
    with ExitStack() as stack:
        for name, signal in ALL.items():

            def receive(sender: Any, *, document: Any, session: Session, name: str = name, **_: Any) -> None:
                assert sender is type(document)
                assert isinstance(session, Session)
                seen.append((name, document.ip if isinstance(document, Login) else document.key))

            receivers.append(receive)
            stack.enter_context(signal.connected_to(receive))
        yield seen


def save(user: User) -> None:
    user.age = 40
    user.save()


def commit(user: User) -> None:
    with Session() as session:
        session.add(user)
        user.age = 40


def commit_new(user: User) -> None:
    with Session() as session:
        session.add(User(key="bob", name="Bob"))


def commit_deletion(user: User) -> None:
    with Session() as session:
        session.add(user)
        session.delete(user)


def bulk(user: User) -> None:
    user.age = 40
    list(Session().bulk([user, User(key="bob", name="Bob"), User(key="ada", name="x")]))


def commit_event(user: User) -> None:
    with Session():
        user.events.login.add(ip="b")


def change_event(user: User) -> None:
    event = user.events.login.add(ip="a")
    event.ip = "b"
    event.save()
    event.delete()


def restore(user: User) -> None:
    user.history.restore(user.history.all()[-1])
    user.age = 40
    user.save()
    user.history.restore(user.history.all()[-1])


SAVED = [("pre_save", "ada"), ("post_save", "ada")]
DELETED = [("pre_delete", "ada"), ("post_delete", "ada")]

PATHS: list[tuple[Callable[[User], Any], list[Any]]] = [
    (save, SAVED),
    (lambda user: user.save(), []),
    (lambda user: user.save(force=True), SAVED),
    (lambda user: user.patch(User.age.inc()), SAVED),
    (lambda user: user.delete(), DELETED),
    (lambda user: user.delete(purge=True), DELETED),
    (lambda user: user.refresh(), [("post_load", "ada")]),
    (lambda user: User.get("ada"), [("post_load", "ada")]),
    (lambda user: User.query.all(), [("post_load", "ada")]),
    (commit, SAVED),
    (commit_new, [("pre_save", "bob"), ("post_save", "bob")]),
    (commit_deletion, DELETED),
    (bulk, [("pre_save", "ada"), ("pre_save", "bob"), ("pre_save", "ada"), ("post_save", "ada"),
            ("post_save", "bob"), ("conflict", "ada")]),
    (lambda user: user.events.login.add(ip="a"), [("pre_save", "a"), ("post_save", "a")]),
    (commit_event, [("pre_save", "b"), ("post_save", "b")]),
    (change_event, [("pre_save", "a"), ("post_save", "a"), ("pre_save", "b"), ("post_save", "b"),
                    ("pre_delete", "b"), ("post_delete", "b")]),
    (lambda user: user.events.login.latest(), []),
    (restore, [("pre_save", "ada"), *SAVED, *SAVED]),
]  # fmt: skip


@pytest.mark.parametrize(("write", "expected"), PATHS)
def test_receivers_are_told_on_every_path(
    user: User, told: list[Any], write: Callable[[User], Any], expected: list[Any]
) -> None:
    write(user)
    assert sorted(told) == sorted(expected)
    assert [one for one in told if one[0].startswith("pre")] == [
        one for one in expected if one[0].startswith("pre")
    ]


def test_a_conflict_is_told_with_its_values(user: User, race: Race) -> None:
    seen: list[Conflict] = []

    def receive(sender: type, *, document: Any, conflict: Conflict, **_: Any) -> None:
        seen.append(conflict)

    with signals.conflict.connected_to(receive, sender=User):
        race(user, age=99)
        user.age = 40
        user.save(on_conflict="mine")
        with pytest.raises(AlreadyExists):
            User(key="ada", name="x").save()
    assert [(one.mine["age"], one.theirs["age"]) for one in seen] == [(40, 99), (None, 40)]


class Refused(Exception):
    pass


def refuse(sender: type, **_: Any) -> None:
    raise Refused


STOPPED: list[tuple[str, Callable[[User], Any]]] = [
    ("pre_save", save),
    ("pre_save", commit),
    ("pre_save", commit_new),
    ("pre_save", lambda user: user.patch(User.age.inc())),
    ("pre_save", lambda user: user.events.login.add(ip="a")),
    ("pre_save", commit_event),
    ("pre_delete", lambda user: user.delete()),
    ("pre_delete", commit_deletion),
]


@pytest.mark.parametrize(("name", "write"), STOPPED)
def test_a_receiver_that_raises_before_a_write_stops_it(
    user: User, engine: Watched, name: str, write: Callable[[User], Any]
) -> None:
    engine.clear()
    with ALL[name].connected_to(refuse), pytest.raises(Refused):
        write(user)
    assert engine.operations == []


def test_in_bulk_it_stops_its_own_document_only(user: User) -> None:
    def refuse_bob(sender: type, *, document: User, **_: Any) -> None:
        if document.key == "bob":
            raise Refused

    with signals.pre_save.connected_to(refuse_bob):
        outcomes = list(Session().bulk([User(key=key, name=key) for key in ("a", "bob", "c")]))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), Refused, type(None)]
    assert User.get("bob", default=None) is None


def test_one_that_raises_after_a_write_does_not_undo_it(user: User) -> None:
    with signals.post_save.connected_to(refuse):
        with pytest.raises(Refused):
            save(user)
        outcomes = list(Session().bulk([User(key=key, name=key) for key in "ab"]))
    assert User.get("ada").age == 40
    assert [type(outcome.error) for outcome in outcomes] == [Refused, Refused]
    assert User.get("b").ref == outcomes[1].document.ref


def test_a_receiver_may_change_what_is_written(user: User) -> None:
    def stamp(sender: type, *, document: User, **_: Any) -> None:
        document.bio = "stamped"

    with signals.pre_save.connected_to(stamp, sender=User):
        save(user)
        list(Session().bulk([User(key="bob", name="Bob")]))
        commit(User.get("bob"))
    assert {one.bio for one in User.query} == {"stamped"}


def test_a_receiver_may_mend_what_does_not_fit(user: User) -> None:
    def mend(sender: type, *, document: User, **_: Any) -> None:
        document.age = int(document.age or 0)

    wrong: Any = user
    wrong.age = "41"
    with pytest.raises(InvalidDocument):
        user.save()
    with signals.pre_save.connected_to(mend):
        user.save()
    assert User.get("ada").age == 41


def test_a_receiver_that_takes_the_change_back_writes_nothing(user: User, engine: Watched) -> None:
    seen: list[Any] = []

    def undo(sender: type, *, document: User, **_: Any) -> None:
        document.age = 36

    with signals.pre_save.connected_to(undo), signals.post_save.connected_to(seen.append):
        engine.clear()
        save(user)
    assert (engine.operations, seen) == ([], [])


def test_a_receiver_may_use_the_session(user: User) -> None:
    def count(sender: type, *, document: Any, session: Session, **_: Any) -> None:
        if document.key != "bob":
            session.get(User, "bob").age = (session.get(User, "bob").age or 0) + 1

    User(key="bob", name="Bob").save()
    with signals.pre_save.connected_to(count):
        commit(user)
    assert (User.get("ada").age, User.get("bob").age) == (40, 1)


def test_outside_of_a_session_nothing_can_wait(user: User, engine: Watched) -> None:
    def add(sender: type, *, session: Session, **_: Any) -> None:
        session.add(User(key="log", name="log"))

    engine.clear()
    with signals.pre_save.connected_to(add), pytest.raises(UsageError, match="nothing waits for a commit"):
        save(user)
    assert engine.operations == []


def test_what_a_receiver_adds_is_written_by_the_same_commit(user: User) -> None:
    def add(sender: type, *, document: User, session: Session, **_: Any) -> None:
        if document.key == "ada":
            session.add(User(key="log", name="log"))

    with signals.pre_save.connected_to(add):
        commit(user)
    assert User.get("log").name == "log"


def test_only_the_senders_that_were_asked_for(user: User, told: list[Any]) -> None:
    seen: list[Any] = []

    def receive(sender: type, *, document: Any, **_: Any) -> None:
        seen.append(document)

    with signals.pre_save.connected_to(receive, sender=Login):
        save(user)
        event = user.events.login.add(ip="a")
    assert seen == [event]


# -- async receivers -------------------------------------------------------------------------------


def test_async_receivers_are_awaited_by_the_a_methods(user: User) -> None:
    seen: list[Any] = []

    async def receive(sender: type, *, document: Any, session: Session, **_: Any) -> None:
        await asyncio.sleep(0)
        await session.aget(User, "ada")
        seen.append(document)

    async def main() -> None:
        with signals.pre_save.connected_to(receive):
            user.age = 1
            await user.asave()
            async with Session() as session:
                session.add(user)
                user.age = 2
            await user.apatch(User.age.inc())
            async for _ in Session().abulk([User(key="bob", name="Bob")]):
                pass
            await user.events.login.aadd(ip="a")

    asyncio.run(main())
    assert [type(one).__name__ for one in seen] == ["User", "User", "User", "User", "Login"]


@pytest.mark.parametrize("write", [save, commit, commit_new, lambda user: user.patch(User.age.inc())])
def test_the_sync_methods_refuse_them_before_anything_is_written(
    user: User, engine: Watched, write: Callable[[User], Any]
) -> None:
    async def receive(sender: type, **_: Any) -> None: ...

    engine.clear()
    with signals.pre_save.connected_to(receive), pytest.raises(UsageError, match="is an async receiver"):
        write(user)
    assert engine.operations == []


def test_sync_receivers_work_with_the_a_methods(user: User, told: list[Any]) -> None:
    user.age = 1
    asyncio.run(user.asave())
    assert told == SAVED


def test_a_receiver_of_a_class_hears_of_its_subclasses_once(orcodm_session: Any) -> None:
    class Animal(Document, collection="heard_animals"):
        name: Field[str] = field(default="")

    class Dog(Animal):
        pass

    heard: list[Any] = []

    def receiver(sender: Any, *, document: Any, **_: Any) -> None:
        heard.append((sender.__name__, document.key))

    signals.post_save.connect(receiver, sender=Animal)
    signals.post_save.connect(receiver)
    Animal(key="cat").save()
    Dog(key="dog").save()
    assert heard == [("Animal", "cat"), ("Dog", "dog")]
    signals.post_save.disconnect(receiver)
    Dog(key="other").save()
    assert heard[2:] == []
