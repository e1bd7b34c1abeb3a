"""The session: one object for each document, one batch for all changes, bulk, retry, and who may use it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import orcodm
from orcodm import (
    AlreadyExists,
    ConcurrentUse,
    Conflict,
    Document,
    Field,
    InvalidDocument,
    NoEngine,
    NotFound,
    Session,
    SessionClosed,
    UsageError,
    aretry,
    connect,
    retry,
)
from orcodm.errors import InvalidURL
from orcodm.operations import Batch
from orcodm.testing import Race, Watched

from ..people import Address, Film, Login, User, ada

Requests = list[Any]


def kinds(requests: Requests) -> list[str]:
    return [type(one).__name__ for one in requests]


@pytest.fixture
def engine(orcodm_engine: Watched) -> Watched:
    """An engine, bound as the default, on which ada is stored."""
    ada()
    User(key="bob", name="Bob").save()
    orcodm_engine.clear()
    return orcodm_engine


# -- the unit of work ------------------------------------------------------------------------------


def test_there_is_one_object_for_each_document(engine: Watched) -> None:
    with Session(engine) as session:
        a = session.get(User, "ada")
        assert a is session.get(User, "ada")
        assert a is User.get("ada")
        assert a in session.query(User).all()
        assert a in list(session)
        assert a in session
    assert kinds(engine.operations).count("Get") == 1


def test_sessions_do_not_share_objects(engine: Watched) -> None:
    with Session(engine) as one, Session(engine) as other:
        assert one.get(User, "ada") is not other.get(User, "ada")
    assert User.get("ada") is not User.get("ada")


def test_leaving_the_block_commits_everything_in_one_batch(engine: Watched) -> None:
    with Session(engine) as session:
        a, b = session.get(User, "ada"), session.get(User, "bob")
        assert a.address is not None
        a.address.city = "Ockham"
        a.tags.append("poetry")
        carl = User(key="carl", name="Carl")
        session.add(carl)
        session.delete(b)
        carl.events.login.add(ip="::1")
        a.relations.friends.add(carl)
        assert (session.new[0], session.dirty, session.deleted) == (carl, (a,), (b,))
        engine.clear()
    (batch,) = engine.operations
    assert isinstance(batch, Batch)
    assert len(batch.operations) == 5
    assert User.get("ada").address == Address(city="Ockham")
    assert User.get("ada").tags[-1] == "poetry"
    assert [friend.key for friend in User.get("ada").relations.friends] == ["carl"]
    assert [event.ip for event in User.get("carl").events.login] == ["::1"]
    assert User.get("bob", default=None) is None


def test_a_second_commit_has_nothing_to_send(engine: Watched) -> None:
    with Session(engine) as session:
        session.get(User, "ada").age = 5
        session.commit()
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        engine.clear()
    assert engine.operations == []


def test_an_exception_leaves_everything_unwritten(engine: Watched) -> None:
    with pytest.raises(ZeroDivisionError), Session(engine) as session:  # noqa: PT012
        a = session.get(User, "ada")
        a.age = 99
        session.add(User(key="carl", name="Carl"))
        session.delete(session.get(User, "bob"))
        a.events.login.add(ip="::1")
        a.relations.friends.add(session.get(User, "ada"))
        raise ZeroDivisionError
    assert "Batch" not in kinds(engine.operations)
    assert User.get("ada").age == 36
    assert User.get("bob").name == "Bob"
    assert User.get("carl", default=None) is None
    assert User.get("ada").events.login.all() == []
    assert User.get("ada").relations.friends.all() == []


def test_rollback_forgets_what_is_pending(engine: Watched) -> None:
    with Session(engine) as session:
        a, b = session.get(User, "ada"), session.get(User, "bob")
        a.tags.clear()
        carl = User(key="carl", name="Carl")
        session.add(carl)
        session.delete(b)
        a.events.login.add(ip="::1")
        a.relations.friends.add(b)
        session.rollback()
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        assert a.tags == ["maths", "engines"]
        assert carl not in session
        assert session.get(User, "bob") is b
    assert "Batch" not in kinds(engine.operations)


def test_a_document_to_be_deleted_cannot_be_got(engine: Watched) -> None:
    with Session(engine) as session:
        session.delete(session.get(User, "ada"))
        with pytest.raises(NotFound):
            session.get(User, "ada")
        assert session.get(User, "ada", default=None) is None
        session.rollback()
        assert session.get(User, "ada").age == 36


def test_a_document_to_be_deleted_is_still_so_after_its_replacement_was_dropped(engine: Watched) -> None:
    with Session(engine) as session:
        session.delete(session.get(User, "ada"))
        other = User(key="ada", name="Other")
        session.add(other)
        session.delete(other)
        assert session.get(User, "ada", default=None) is None
    assert User.get("ada", default=None) is None


def test_a_document_to_be_created_can_be_got(engine: Watched) -> None:
    with Session(engine) as session:
        carl = User(key="carl", name="Carl")
        session.add(carl)
        assert session.get(User, "carl") is carl
        session.delete(carl)
        assert session.new == ()
        assert session.get(User, "carl", default=None) is None


def test_deleting_what_was_only_added_takes_its_events_and_relations_along(engine: Watched) -> None:
    with Session(engine) as session:
        carl = User(key="carl", name="Carl")
        session.add(carl)
        carl.events.login.add(ip="::1")
        carl.relations.friends.add(session.get(User, "ada"))
        session.get(User, "ada").relations.friends.add(carl)
        session.delete(carl)
    assert "Batch" not in kinds(engine.operations)


def test_an_added_document_may_get_another_key(engine: Watched) -> None:
    with Session(engine) as session:
        carl = User(key="carl", name="Carl")
        session.add(carl)
        carl.key = "charles"
        assert session.get(User, "carl", default=None) is None
        session.commit()
        carl.age = 5
        assert session.dirty == (carl,)
    assert User.get("charles").age == 5


def test_the_key_of_a_stored_document_cannot_change(engine: Watched) -> None:
    with Session(engine) as session:
        a = session.get(User, "ada")
        a.key = "eve"
        with pytest.raises(UsageError, match="what is stored keeps its key"):
            session.commit()
        a.age = 1
        with pytest.raises(UsageError, match="what is stored keeps its key"):
            session.commit()
        session.close()


def test_expunged_documents_are_not_written(engine: Watched) -> None:
    with Session(engine) as session:
        a = session.get(User, "ada")
        a.age = 99
        session.expunge(a)
        assert a not in session
        assert session.get(User, "ada") is not a


def test_two_objects_with_one_key_are_refused(engine: Watched) -> None:
    with Session(engine) as session:
        session.get(User, "ada")
        with pytest.raises(UsageError, match="another object for User 'ada'"):
            session.add(User(key="ada", name="Eve"))


def test_an_object_whose_key_another_has_cannot_be_deleted_beside_it(engine: Watched) -> None:
    outside = User.get("ada")
    with Session(engine) as session:
        session.get(User, "ada")
        with pytest.raises(UsageError, match="another object for User 'ada'"):
            session.delete(outside)
    with Session(engine) as session:
        session.delete(outside)
    assert User.get("ada", default=None) is None


def test_an_object_of_another_session_is_refused_while_that_is_open(engine: Watched) -> None:
    with Session(engine) as one, Session(engine) as other:
        a = one.get(User, "ada")
        with pytest.raises(UsageError, match="belongs to another open session"):
            other.add(a)
    with Session(engine) as third:
        third.add(a)
        a.age = 5
    assert User.get("ada").age == 5


def test_a_changed_document_is_not_displaced_by_another_object(engine: Watched) -> None:
    outside = User.get("ada")
    session = Session(engine)
    with session:
        inside = session.get(User, "ada")
        inside.age = 1
        outside.age = 2
        outside.save()
        assert session.get(User, "ada") is inside
        with pytest.raises(Conflict):
            session.commit()
        session.close()
    assert User.get("ada").age == 2


def test_a_stored_document_is_of_one_class(engine: Watched) -> None:
    class Person(Document, collection="persons"):
        name: Field[str]

    class Employee(Document, collection="persons"):
        name: Field[str]

    Person(key="ada", name="Ada").save()
    with Session(engine) as session:
        session.get(Person, "ada")
        with pytest.raises(InvalidDocument, match="this session has it as a Person"):
            session.get(Employee, "ada")


def test_documents_are_readable_after_the_session(engine: Watched) -> None:
    with Session(engine) as session:
        a = session.get(User, "ada")
    engine.clear()
    assert session.closed
    assert (a.name, a.age, a.address, a.ref) == ("Ada Lovelace", 36, Address(city="London"), a.ref)
    assert "Ada Lovelace" in repr(a)
    repr((a.history, a.events, a.events.login, a.relations, a.relations.friends, User.query, session))
    assert engine.operations == []
    a.age = 37
    a.save()
    assert User.get("ada").age == 37


def test_a_closed_session_says_so(engine: Watched) -> None:
    with Session(engine) as session:
        pass
    for use in (
        lambda: session.get(User, "ada"),
        lambda: session.query(User).all(),
        lambda: session.add(User(name="x")),
        lambda: session.delete(User(name="x")),
        lambda: session.commit(),
        lambda: session.rollback(),
        lambda: session.save(User(name="x")),
        lambda: list(session.bulk([User(name="x")])),
        lambda: session.__enter__(),
    ):
        with pytest.raises(SessionClosed, match=r"open another one with Session\(engine\)"):
            use()
    assert repr(session) == "<Session closed>"


def test_a_session_needs_an_engine() -> None:
    orcodm.bind(None)
    with pytest.raises(NoEngine, match=r"Session\(connect\(url\)\)"):
        Session()
    with pytest.raises(NoEngine, match=r"orcodm\.bind\(connect\(url\)\)"):
        User.get("ada")
    with pytest.raises(NoEngine):
        User(name="x").save()
    wrong: Any = "memory:"
    with pytest.raises(UsageError, match="takes an engine"):
        Session(wrong)


@pytest.mark.parametrize("url", ["", "users.db", "sqlite:", "redis://x", "memory:x", "sqlite://app.db", None])
def test_an_engine_url_that_is_none(url: Any) -> None:
    with pytest.raises(InvalidURL, match="is no engine URL"):
        connect(url)


def test_without_an_engine_it_takes_the_default_one(engine: Watched) -> None:
    with Session() as session:
        assert session.get(User, "ada").age == 36


def test_an_invalid_document_stops_a_commit_before_anything_is_sent(engine: Watched) -> None:
    with Session(engine) as session:
        session.add(User(key="carl", name="Carl"))
        wrong: Any = session.get(User, "ada")
        wrong.age = "old"
        engine.clear()
        assert session.dirty == (wrong,)
        with pytest.raises(InvalidDocument, match="User 'ada' does not fit its model"):
            session.commit()
        assert engine.operations == []
        session.close()


def test_save_delete_and_patch_write_at_once_within_a_session(engine: Watched) -> None:
    with Session(engine) as session:
        a, b = session.get(User, "ada"), session.get(User, "bob")
        a.age = 1
        a.save()
        a.patch(User.age.inc())
        b.delete()
        engine.clear()
    assert engine.operations == []
    assert User.get("ada").age == 2
    assert User.get("bob", default=None) is None


# -- conflicts of a commit -------------------------------------------------------------------------


def test_every_conflict_of_a_commit_is_at_hand(engine: Watched, race: Race) -> None:
    session = Session(engine)
    a, b, carl = session.get(User, "ada"), session.get(User, "bob"), User(key="carl", name="Carl")
    session.add(carl)
    a.name, b.name = "mine", "mine"
    race(a, name="theirs")
    race.delete(b)
    race.create(carl)
    with pytest.raises(Conflict) as caught:
        session.commit()
    of = {one.document.key: one for one in caught.value.conflicts}
    assert set(of) == {"ada", "bob", "carl"}
    assert (of["ada"].mine["name"], of["ada"].base["name"], of["ada"].theirs["name"]) == (
        "mine", "Ada Lovelace", "theirs"
    )  # fmt: skip
    assert (of["ada"].expected, of["ada"].current) == (a.ref, User.get("ada").ref)
    assert (of["bob"].theirs, of["bob"].current) == (None, None)
    assert isinstance(of["carl"], AlreadyExists)
    assert (of["carl"].base, of["carl"].theirs["name"]) == (None, "Carl")


def test_a_conflict_of_a_commit_is_merged_and_committed_again(engine: Watched, race: Race) -> None:
    session = Session(engine)
    a = session.get(User, "ada")
    a.age = 40
    race(a, name="Ada King")
    with pytest.raises(Conflict) as caught:
        session.commit()
    assert caught.value.merge() is a
    assert (a.name, a.age) == ("Ada King", 40)
    session.commit()
    assert (User.get("ada").name, User.get("ada").age) == ("Ada King", 40)


def test_a_deletion_meets_a_newer_version(engine: Watched, race: Race) -> None:
    session = Session(engine)
    a = session.get(User, "ada")
    session.delete(a)
    race(a, age=1)
    with pytest.raises(Conflict):
        session.commit()
    assert session.deleted == (a,)
    session.refresh(a)
    session.commit()
    assert User.get("ada", default=None) is None


# -- bulk ------------------------------------------------------------------------------------------


def test_bulk_streams_in_and_out(orcodm_engine: Watched) -> None:
    taken = []

    def users() -> Iterator[User]:
        for number in range(25):
            taken.append(number)
            yield User(key=f"u{number:02}", name=str(number))

    outcomes = Session(orcodm_engine).bulk(users(), chunk=10)
    assert taken == []
    assert next(outcomes).document.key == "u00"
    assert len(taken) == 10
    assert [outcome.document.key for outcome in outcomes] == [f"u{number:02}" for number in range(1, 25)]
    assert kinds(orcodm_engine.operations) == ["Batch"] * 3
    assert User.query.count() == 25


def test_what_cannot_be_written_does_not_stop_the_others(engine: Watched, race: Race) -> None:
    invalid: Any = User(key="bad", name="x")
    invalid.name = 5
    stale, fine, exists = User.get("ada"), User(key="carl", name="Carl"), User(key="bob", name="Again")
    unchanged, nan = User.get("bob"), User(key="nan", name="x", score=float("nan"))
    stale.age = 5
    race(stale, age=6)
    with Session(engine) as session:
        outcomes = list(session.bulk([invalid, stale, fine, exists, unchanged, nan, User(name="no key")]))
        assert list(session) == []
    assert [type(outcome.error).__name__ for outcome in outcomes] == [
        "InvalidDocument", "Conflict", "NoneType", "AlreadyExists", "NoneType", "InvalidDocument", "NoneType"
    ]  # fmt: skip
    conflict = outcomes[1].error
    assert isinstance(conflict, Conflict)
    assert (conflict.mine["age"], conflict.base["age"], conflict.theirs["age"]) == (5, 36, 6)
    assert User.get("carl").ref == fine.ref
    assert outcomes[-1].document.key
    assert User.get("bob").name == "Bob"


def test_bulk_of_what_the_session_knows(engine: Watched) -> None:
    with Session(engine) as session:
        users = session.query(User).all()
        added = User(key="carl", name="Carl")
        session.add(added)
        for user in users:
            user.age = 7
        assert all(outcome.error is None for outcome in session.bulk([*users, added]))
        assert (session.new, session.dirty) == ((), ())
    assert [user.age for user in User.query] == [7, 7, None]


@pytest.mark.parametrize("chunk", [0, -1, 1.5, None])
def test_a_chunk_is_a_positive_number(engine: Watched, chunk: Any) -> None:
    with pytest.raises(UsageError, match="expected a whole number from 1"):
        list(Session(engine).bulk([User(name="x")], chunk=chunk))


async def numbered(count: int) -> AsyncIterator[User]:
    for number in range(count):
        yield User(key=str(number), name=str(number))


@pytest.mark.parametrize("source", [lambda: numbered(5), lambda: [User(name="x") for _ in range(5)]])
def test_bulk_takes_async_iterables(orcodm_engine: Watched, source: Any) -> None:
    async def main() -> list[Any]:
        return [outcome async for outcome in Session(orcodm_engine).abulk(source(), chunk=2)]

    assert [outcome.error for outcome in asyncio.run(main())] == [None] * 5
    assert kinds(orcodm_engine.operations) == ["Batch"] * 3


# -- retry -----------------------------------------------------------------------------------------


def birthday(session: Session) -> int:
    user = session.get(User, "ada")
    user.age = (user.age or 0) + 1
    return user.age


def test_a_function_is_run_again_after_a_conflict(engine: Watched, race: Race) -> None:
    race(User.get("ada"), age=50)
    assert retry(engine, birthday) == 51
    assert User.get("ada").age == 51


def test_the_last_conflict_is_raised(engine: Watched) -> None:
    calls = []

    def lose(session: Session) -> None:
        calls.append(session)
        session.get(User, "ada").name = "mine"
        with Session(engine) as other:
            other.get(User, "ada").tags.append("theirs")

    with pytest.raises(Conflict):
        retry(engine, lose, attempts=2)
    assert len(set(calls)) == 2


@pytest.mark.parametrize("attempts", [0, -1, "3"])
def test_attempts_are_a_positive_number(engine: Watched, attempts: Any) -> None:
    with pytest.raises(UsageError):
        retry(engine, birthday, attempts=attempts)


def test_no_update_is_lost_among_threads(engine: Watched) -> None:
    def work() -> None:
        for _ in range(5):
            retry(engine, birthday, attempts=200)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.get("ada").age == 36 + 20


def test_no_update_is_lost_among_tasks(engine: Watched) -> None:
    async def abirthday(session: Session) -> None:
        user = await session.aget(User, "ada")
        await asyncio.sleep(0)
        user.age = (user.age or 0) + 1

    async def main() -> None:
        await asyncio.gather(*(aretry(engine, abirthday, attempts=200) for _ in range(6)))

    asyncio.run(main())
    assert User.get("ada").age == 36 + 6


# -- who may use it --------------------------------------------------------------------------------


class Gated(Watched):
    """An engine whose next call waits until the gate is open."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.entered, self.gate = threading.Event(), threading.Event()

    def execute(self, operation: Any, /) -> Any:
        self.entered.set()
        assert self.gate.wait(10)
        return super().execute(operation)


def test_two_threads_in_one_session_are_told_so(engine: Watched) -> None:
    gated = Gated(engine)
    session = Session(gated)
    thread = threading.Thread(target=lambda: session.get(User, "ada"))
    thread.start()
    assert gated.entered.wait(10)
    with pytest.raises(ConcurrentUse, match="give each its own Session"):
        session.get(User, "bob")
    gated.gate.set()
    thread.join()
    assert session.get(User, "ada").age == 36


class Slow(Watched):
    """An engine whose awaitable calls let other tasks run."""

    async def aexecute(self, operation: Any, /) -> Any:
        await asyncio.sleep(0)
        return await super().aexecute(operation)


def test_two_tasks_in_one_session_are_told_so(engine: Watched) -> None:
    async def main() -> Any:
        session = Session(Slow(engine))

        async def sync() -> User:
            return session.get(User, "bob")

        return await asyncio.gather(
            session.aget(User, "ada"), session.aget(User, "bob"), sync(), return_exceptions=True
        )

    first, *others = asyncio.run(main())
    assert first.age == 36
    assert [type(one) for one in others] == [ConcurrentUse, ConcurrentUse]


def test_a_session_that_was_left_does_not_wait_for_the_garbage_collector(engine: Watched) -> None:
    gc.disable()
    try:
        with Session(engine) as session:
            session.get(User, "ada").age += 1
            session.add(Film(key="new", title="New"))
        left = weakref.ref(session)
        del session
        assert left() is None
    finally:
        gc.enable()


def test_tasks_with_sessions_of_their_own_share_an_engine(engine: Watched) -> None:
    async def one(key: str) -> str:
        async with Session(Slow(engine)) as session:
            assert (await User.aget(key)) is await session.aget(User, key)
            await asyncio.sleep(0)
            return (await User.aget(key)).name

    async def main() -> list[str]:
        return [*await asyncio.gather(one("ada"), one("bob"))]

    assert asyncio.run(main()) == ["Ada Lovelace", "Bob"]


def test_the_awaitable_session(engine: Watched) -> None:
    async def main() -> None:
        async with Session(engine) as session:
            a = await session.aget(User, "ada")
            a.age = 1
            await session.acommit()
            a.age = 2
            await session.asave(a)
            a.age = 3
            await session.arefresh(a)
            assert a.age == 2
            session.add(User(key="carl", name="Carl"))
            await a.relations.friends.aadd(User.get("bob"))
            await a.events.login.aadd(Login(ip="::1"))
        assert (await User.aget("carl")).name == "Carl"
        with pytest.raises(NotFound):
            await session_free_get()
        assert await Film.aget("none", default=None) is None

    async def session_free_get() -> Film:
        return await Film.aget("none")

    asyncio.run(main())
    assert [friend.key for friend in User.get("ada").relations.friends] == ["bob"]


def test_an_exception_in_an_awaitable_block_leaves_everything_unwritten(engine: Watched) -> None:
    async def main() -> None:
        async with Session(engine) as session:
            (await session.aget(User, "ada")).age = 99
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert User.get("ada").age == 36
