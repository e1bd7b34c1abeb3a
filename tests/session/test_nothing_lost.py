"""No update is lost: what an aborted block changed, writes whose answers never came, older shapes, bulks."""

from __future__ import annotations

import asyncio
import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from orcodm import (
    CommitError,
    Conflict,
    Document,
    Field,
    NotFound,
    Session,
    TooLarge,
    TransportError,
    bind,
    errors,
    field,
)
from orcodm.errors import InternalError, OrcodmError, Problem
from orcodm.operations import Batch, Operation, Put
from orcodm.session import context
from orcodm.testing import Watched

from ..people import Login, User, ada

# ruff: noqa: PT012 - blocks that fail are what is tested here


class Failure(Exception):
    pass


# -- a block that fails ----------------------------------------------------------------------------


def test_a_failed_block_gives_everything_back(orcodm_engine: Watched) -> None:
    user = ada()
    user.events.login.add(ip="::1", at=5)
    User(key="bob", name="Bob").save()
    user.relations.friends.add(User.get("bob"))
    new, event = User(key="new", name="New"), Login(ip="::2")
    with pytest.raises(Failure), Session() as session:
        user = session.get(User, "ada")
        bob = session.get(User, "bob")
        login = user.events.login.latest()
        (relation,) = session.query(User).relations("friends")
        assert login is not None
        user.tags.append("changed")
        user.key = "other"
        login.ip = "changed"
        relation.properties["since"] = "changed"
        bob.name = "changed"
        session.delete(bob)
        session.add(new)
        user.key = "ada"
        user.events.login.add(event)
        user.key = "other"
        raise Failure
    assert (user.key, user.tags, login.ip, bob.name) == ("ada", ["maths", "engines"], "::1", "Bob")
    assert relation.properties == {}
    orcodm_engine.clear()
    for one in (user, login, bob, relation):
        one.save()
    assert orcodm_engine.operations == []
    with Session() as session:
        session.add(new)
        session.get(User, "ada").events.login.add(event)
    assert (User.get("new").name, len(user.events.login.all())) == ("New", 2)


def test_a_commit_that_fails_gives_everything_back(orcodm_engine: Watched, race: Any) -> None:
    ada()
    User(key="bob", name="Bob").save()
    with pytest.raises(Conflict) as caught, Session() as session:
        user, bob = session.get(User, "ada"), session.get(User, "bob")
        user.age, bob.age = 1, 2
        race(user, name="Theirs")
    assert (user.age, bob.age) == (36, None)
    assert caught.value.mine["age"] == 1
    bob.name = "Robert"
    bob.save()
    assert (User.get("bob").name, User.get("bob").age) == ("Robert", None)
    caught.value.merge().save()
    assert (User.get("ada").name, User.get("ada").age) == ("Theirs", 1)


def test_an_awaited_block_that_is_cancelled_gives_everything_back(orcodm_engine: Watched) -> None:
    ada()

    async def main() -> User:
        async with Session() as session:
            user = await session.aget(User, "ada")
            user.age = 1
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert User.get("ada").age == 36


def test_an_inner_session_that_fails_leaves_the_outer_one_alone(orcodm_engine: Watched) -> None:
    ada()
    with Session() as outer:
        user = outer.get(User, "ada")
        user.age = 1
        with pytest.raises(Failure), Session() as inner:
            inner.get(User, "ada").name = "inner"
            raise Failure
        with pytest.raises(Failure), outer:
            user.tags.append("again")
            raise Failure
        assert (user.age, user.tags) == (36, ["maths", "engines"])
        user.age = 2
    assert (User.get("ada").age, User.get("ada").name) == (2, "Ada Lovelace")


# -- answers that never come -----------------------------------------------------------------------


class Losing(Watched):
    """An engine whose next write is carried out or not, and whose answer does not come: `error` does."""

    error: BaseException | None = None
    carried_out = True

    def _lose(self, operation: Operation[Any], result: Callable[[], Any]) -> Any:
        from orcodm.operations import Write

        if self.error is None or not isinstance(operation, (*Write.__args__, Batch)):
            return result()
        error, self.error = self.error, None
        if self.carried_out:
            result()
        raise error

    def execute(self, operation: Operation[Any], /) -> Any:
        return self._lose(operation, lambda: self.engine.execute(operation))

    async def aexecute(self, operation: Operation[Any], /) -> Any:
        return self._lose(operation, lambda: self.engine.execute(operation))


class Unchained(Losing):
    """One whose refs are no chain."""

    @property
    def capabilities(self) -> Any:
        from attrs import evolve

        return evolve(self.engine.capabilities, ref_chain=False)


@pytest.fixture(params=[Losing, Unchained])
def losing(request: pytest.FixtureRequest, orcodm_engine: Watched) -> Losing:
    engine: Losing = request.param(orcodm_engine.engine)
    bind(engine)
    return engine


LOST: list[BaseException] = [
    TransportError("no answer"),
    InternalError(),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    TimeoutError(),
]


def save(one: Any) -> None:
    one.save()


def asave(one: Any) -> None:
    async def main() -> None:
        await one.asave()

    asyncio.run(main())


def bulk(one: Any) -> None:
    for outcome in Session().bulk([one]):
        if outcome.error is not None:
            raise outcome.error


def commit(one: Any) -> None:
    session = Session()
    session.add(one)
    try:
        session.commit()
    finally:
        session.expunge(one)


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("write", [save, asave, bulk, commit])
@pytest.mark.parametrize("kind", ["stored", "new", "keyless", "event", "stored event", "relation"])
def test_a_write_without_an_answer_is_looked_up(
    losing: Losing, kind: str, write: Any, carried_out: bool, error: BaseException
) -> None:
    user, login = ada(), Login(ip="::1")
    match kind:
        case "stored":
            user.age = 1
            document: Any = user
        case "new" | "keyless":
            document = User(key="new" if kind == "new" else None, name="New", age=1)
        case "event":
            login._document, login._type = user, "login"
            document = login
        case "stored event":
            document = user.events.login.add(login, at=7)
            document.ip = "::2"
        case _:
            user.relations.friends.add(user)
            (document,) = User.query.relations("friends")
            document.properties["since"] = 1833
    losing.error, losing.carried_out = error, carried_out
    with pytest.raises(type(error)):
        write(document)
    write(document)
    assert (User.get(document.key).age if kind in {"stored", "new", "keyless"} else 1) == 1
    assert User.query.count() == (2 if kind in {"new", "keyless"} else 1)
    assert len(user.events.login.all()) == ("event" in kind)
    match kind:
        case "stored event":
            assert user.events.login.all()[0].ip == "::2"
        case "relation":
            assert User.query.relations("friends").all()[0].properties == {"since": 1833}
        case "stored":
            assert len(user.history.all()) == 2
    if kind != "relation":
        document.save()
        document.delete()


def test_others_are_told_apart_from_ourselves(losing: Losing) -> None:
    """Somebody wrote after the write whose answer was lost, or instead of it."""
    user = ada()
    user.age = 1
    losing.error = TransportError("no answer")
    with pytest.raises(TransportError):
        user.save()
    theirs = User.get("ada")
    theirs.name = "Theirs"
    theirs.save()
    user.age = 2
    with pytest.raises(Conflict) as caught:
        user.save()
    chained = losing.capabilities.ref_chain  # elsewhere nobody can tell who wrote that age
    assert caught.value.base["age"] == (1 if chained else 36)
    user.save(on_conflict="merge" if chained else "mine")
    assert (User.get("ada").age, User.get("ada").name) == (2, "Theirs" if chained else "Ada Lovelace")


def test_a_change_that_was_taken_back_after_a_lost_answer_is_taken_back(losing: Losing) -> None:
    user = ada()
    user.age = 1
    losing.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        user.save()
    user.age = 36
    user.save()
    assert User.get("ada").age == 36


def test_a_write_that_arrives_later_than_it_is_looked_up(orcodm_engine: Watched) -> None:
    """It is cancelled while it is on its way, and lands just before it is sent again."""

    class Late(Losing):
        late: Operation[Any] | None = None
        arrived = False

        def execute(self, operation: Operation[Any], /) -> Any:
            if isinstance(operation, Put | Batch) and not self.arrived:
                if self.late is None:
                    self.late = operation
                    raise KeyboardInterrupt
                self.engine.execute(self.late)
                self.arrived = True
            return self.engine.execute(operation)

    for write in (save, commit):
        user = ada()
        bind(Late(orcodm_engine.engine))
        user.age = 1
        with pytest.raises(KeyboardInterrupt):
            write(user)
        user.name = "Later"
        write(user)
        bind(orcodm_engine)
        assert (User.get("ada").age, User.get("ada").name) == (1, "Later")
        user.refresh()
        user.delete(purge=True)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_deletion_without_an_answer_is_looked_up(losing: Losing, carried_out: bool) -> None:
    user = ada()
    losing.error, losing.carried_out = KeyboardInterrupt(), carried_out
    with pytest.raises(KeyboardInterrupt):
        user.delete()
    user.delete()
    assert User.get("ada", default=None) is None


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_patch_without_an_answer_is_looked_up(losing: Losing, carried_out: bool) -> None:
    user = ada()
    losing.error, losing.carried_out = KeyboardInterrupt(), carried_out
    with pytest.raises(KeyboardInterrupt):
        user.patch(User.age.inc())
    user.save()
    assert User.get("ada").age == user.age == (37 if carried_out else 36)


@pytest.mark.parametrize("carried_out", [True, False])
def test_the_same_patch_after_a_lost_answer_is_that_patch(losing: Losing, carried_out: bool) -> None:
    user = ada()
    losing.error, losing.carried_out = KeyboardInterrupt(), carried_out
    with pytest.raises(KeyboardInterrupt):
        user.patch(User.age.inc())
    user.patch(User.age.inc())
    assert User.get("ada").age == user.age == 37
    user.patch(User.age.inc())
    assert User.get("ada").age == 38


def test_a_cancelled_save_is_looked_up_with_a_real_task(orcodm_engine: Watched) -> None:
    async def main() -> None:
        user = await User.aget("ada")
        user.age = 1
        task = asyncio.create_task(user.asave())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await user.asave()
        user.name = "Ada"
        await user.asave()

    ada()
    asyncio.run(main())
    assert (User.get("ada").age, User.get("ada").name) == (1, "Ada")


# -- older shapes ----------------------------------------------------------------------------------


class Person(Document, collection="persons"):
    first: Field[str]
    last: Field[str]
    age: Field[int] = field(default=0)

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "name" in value:
            value["first"], value["last"] = value.pop("name").split()
        return value


def test_a_patch_of_an_older_shape_writes_the_upgraded_whole(orcodm_engine: Watched) -> None:
    orcodm_engine.execute(Put(collection="persons", key="ada", value={"name": "Ada Lovelace", "more": [1]}))
    person = Person.get("ada")
    person.patch(Person.age.inc(), Person.last.set("King"))
    assert (person.first, person.last, person.age) == ("Ada", "King", 1)
    (version, _) = person.history.all()
    assert version.value == {"first": "Ada", "last": "King", "age": 1, "more": [1]}
    assert Person.get("ada").last == "King"
    person.patch(Person.age.inc())
    assert person.history.all()[0].value["age"] == 2


# -- bulks that nobody loops over ------------------------------------------------------------------


def test_a_bulk_that_nobody_loops_over_warns(orcodm_engine: Watched) -> None:
    for call in (Session().bulk, Session().abulk):
        with pytest.warns(RuntimeWarning, match=r"nothing was written.*for outcome in session"):
            call([User(key="a", name="A")])
    assert User.query.count() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(Session().bulk([User(key="a", name="A")]))


# -- which session a call belongs to ---------------------------------------------------------------


def test_a_thread_that_was_given_the_context_has_its_session_but_gives_none_back(
    orcodm_engine: Watched,
) -> None:
    """As a web framework runs synchronous dependencies: enter, use and leave in a thread pool."""
    ada()

    async def request() -> None:
        async with Session() as outer:
            assert await asyncio.to_thread(context.current) is outer
            inner = Session()
            await asyncio.to_thread(inner.__enter__)
            assert context.current() is outer
            user = inner.get(User, "ada")
            user.age = 1
            await asyncio.to_thread(user.save)
            user.age = 2
            await asyncio.to_thread(inner.__exit__, None, None, None)
            assert context.current() is outer
        assert User.get("ada").age == 2

    asyncio.run(request())


def test_a_session_that_is_left_elsewhere_is_passed_over(orcodm_engine: Watched) -> None:
    async def main() -> None:
        with Session() as outer:
            inner = Session()
            inner.__enter__()
            await asyncio.to_thread(inner.__exit__, None, None, None)
            assert context.current() is outer

    asyncio.run(main())


# -- errors that travel ----------------------------------------------------------------------------


def all_errors(kind: type[OrcodmError] = OrcodmError) -> list[type[OrcodmError]]:
    ours = [] if not kind.__module__.startswith("orcodm.") else [kind]
    return [*ours, *(one for sub in kind.__subclasses__() for one in all_errors(sub))]


def made(kind: type[OrcodmError]) -> OrcodmError:
    if issubclass(kind, errors.InvalidDocument):
        error: OrcodmError = kind("User", "ada", [Problem("age", "x", "no number")])
    elif kind is CommitError:
        error = CommitError([NotFound("a"), TooLarge("b")], written=[1], failed=[2, 3], untried=[4])
    elif issubclass(kind, errors.ApiError):
        error = kind("what happened", details={"a": [1]})
        error.status = 499
    else:
        error = kind("what happened")
    error.anything = {"more": [1, 2]}  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy]
)
def test_every_error_arrives_as_what_it_was(kind: type[OrcodmError], travel: Any) -> None:
    error = made(kind)
    arrived = travel(error)
    assert (type(arrived), str(arrived), arrived.args) == (kind, str(error), error.args)
    assert {name: repr(value) for name, value in vars(arrived).items()} == {
        name: repr(value) for name, value in vars(error).items()
    }


@pytest.mark.parametrize(
    "travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy]
)
def test_a_conflict_of_a_commit_arrives_and_merges(orcodm_engine: Watched, race: Any, travel: Any) -> None:
    ada()
    session = Session()
    user = session.get(User, "ada")
    user.age = 1
    race(user, name="Theirs")
    with pytest.raises(Conflict) as caught:
        session.commit()
    conflict = caught.value
    arrived = travel(conflict)
    assert (arrived.mine, arrived.base, arrived.theirs) == (conflict.mine, conflict.base, conflict.theirs)
    assert (arrived.key, arrived.expected, arrived.current) == ("ada", conflict.expected, conflict.current)
    assert [one.key for one in arrived.conflicts] == ["ada"]
    session.expunge(user)
    arrived.merge().save()
    assert (User.get("ada").name, User.get("ada").age) == ("Theirs", 1)
