"""Relations: typed and undeclared, several hops in one operation, and pending within a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from orcodm import (
    CommitError,
    Document,
    Field,
    InvalidModel,
    NotFound,
    Related,
    RelationNotFound,
    Relations,
    Session,
    UsageError,
)
from orcodm.operations import DeleteRelation, GetRelation, ListRelations, Put, PutRelation
from orcodm.testing import Watched

from ..people import Film, User, ada


class Reader(Document, collection="readers"):
    pass


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    return orcodm_engine


@pytest.fixture
def people() -> tuple[User, User, User]:
    """ada, who is a friend of bob, who is a friend of carl; bob likes two films, carl one of them."""
    users = ada(), User(key="bob", name="Bob"), User(key="carl", name="Carl")
    films = Film(key="f1", title="One"), Film(key="f2", title="Two")
    for document in (*users[1:], *films, Reader(key="r")):
        document.save()
    a, b, c = users
    a.relations.friends.add(b)
    b.relations.friends.add(c)
    for film in films:
        b.relations.liked.add(film)
    c.relations.liked.add(films[0])
    return users


People = tuple[User, User, User]


def keys(documents: Any) -> list[str]:
    return [document.key for document in documents]


def names(engine: Watched) -> list[str]:
    return [type(one).__name__ for one in engine.operations]


def test_a_relation_leads_to_documents_of_its_class(people: People) -> None:
    a, b, c = people
    (friend,) = a.relations.friends
    assert (type(friend), friend.key, friend.ref) == (User, "bob", b.ref)
    assert [film.title for film in b.relations.liked] == ["One", "Two"]
    assert (b in a.relations.friends, c in a.relations.friends) == (True, False)
    a.relations.friends.remove(b)
    a.relations.friends.remove(b)
    assert (a.relations.friends.all(), b in a.relations.friends) == ([], False)


def test_several_hops_are_one_request(people: People, engine: Watched) -> None:
    a, _, c = people
    engine.clear()
    assert keys(a.relations.friends.liked) == ["f1", "f2"]
    assert keys(a.relations.friends.friends) == ["carl"]
    assert keys(a.relations.friends.friends.liked) == ["f1"]
    assert keys(a.relations["friends"]["liked"]) == ["f1", "f2"]
    assert c in a.relations.friends.friends
    assert c not in a.relations.friends.liked
    assert names(engine) == ["ListRelations"] * 6
    first = engine.operations[0]
    assert isinstance(first, ListRelations)
    assert first.kinds == ("friends", "liked")


def test_cycles_end(people: People) -> None:
    a, b, _ = people
    b.relations.friends.add(a)
    assert keys(a.relations.friends.friends) == ["carl", "ada"]
    a.relations.friends.add(a)
    assert keys(a.relations.friends) == ["bob", "ada"]


def test_properties(people: People, engine: Watched) -> None:
    a, b, c = people
    a.relations.friends.add(b, since=1833, met={"at": "a party"})
    assert a.relations.friends.properties(b) == {"since": 1833, "met": {"at": "a party"}}
    a.relations.friends.add(b, since=1834)
    assert a.relations.friends.properties(b) == {"since": 1834}
    assert keys(a.relations.friends) == ["bob"]
    assert b.relations.friends.properties(c) == {}
    with pytest.raises(RelationNotFound):
        a.relations.friends.properties(c)


def test_a_loop_pages_lazily(people: People, engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.model.relations.PAGE_SIZE", 1)
    _, b, _ = people
    engine.clear()
    films = iter(b.relations.liked)
    assert engine.operations == []
    assert next(films).key == "f1"
    assert names(engine) == ["ListRelations"]
    assert keys(films) == ["f2"]


def test_what_was_deleted_is_passed_over(people: People) -> None:
    a, b, _ = people
    b.delete()
    assert a.relations.friends.all() == []
    assert b not in a.relations.friends
    with pytest.raises(NotFound):
        b.relations.friends.all()


# -- undeclared ------------------------------------------------------------------------------------


def test_any_kind_works_by_its_name(people: People) -> None:
    a, b, _ = people
    a.relations["works with"].add(b)
    assert keys(a.relations["works with"]) == ["bob"]
    film = Film.get("f1")
    film.relations.sequel.add(Film.get("f2"))
    (sequel,) = film.relations.sequel
    assert type(sequel) is Film
    film.relations.seen_by.add(Reader.get("r"))
    assert type(film.relations.seen_by.all()[0]) is Reader


def test_of_several_classes_the_one_that_the_session_knows(people: People, engine: Watched) -> None:
    class Early(Document, collection="critics"):
        pass

    class Later(Document, collection="critics"):
        pass

    Early(key="r").save()
    Film.get("f1").relations.seen_by.add(Early.get("r"))
    with Session(engine) as session:
        critic = session.get(Early, "r")
        assert list(session.get(Film, "f1").relations.seen_by) == [critic]
    with pytest.raises(InvalidModel, match=r"Early and .*Later"):
        Film.get("f1").relations.seen_by.all()


def test_in_its_own_collection_a_document_finds_its_own_class() -> None:
    class Early(Document, collection="chefs"):
        pass

    class Later(Document, collection="chefs"):
        pass

    early = Early(key="a")
    early.save()
    early.relations["taught"].add(early)
    assert type(early.relations["taught"].all()[0]) is Early


def test_a_class_that_declares_some_knows_no_others(people: People) -> None:
    relations: Any = people[0].relations
    with pytest.raises(AttributeError, match="UserRelations declares no relation of kind 'freinds'"):
        _ = relations.freinds
    with pytest.raises(AttributeError, match="UserRelations declares no relation of kind 'lkied'"):
        _ = relations.friends.lkied


def test_a_collection_without_a_class(people: People, engine: Watched) -> None:
    a, _, _ = people
    engine.execute(Put(collection="stamps", key="x", value={"price": 5, "color": {"name": "red"}}))
    engine.execute(
        PutRelation(collection="users", key="ada", kind="owns", to_collection="stamps", to_key="x")
    )
    (stamp,) = a.relations["owns"]
    assert (stamp.key, stamp.price, stamp.color) == ("x", 5, {"name": "red"})
    with pytest.raises(AttributeError, match="has no member 'nothing'"):
        _ = stamp.nothing


def test_targets_may_be_subclasses() -> None:
    class Pet(Document, collection="pets"):
        name: Field[str]

    class Snake(Pet):
        length: Field[int]

    class KeeperRelations(Relations):
        pets: Related[Pet]

    class Keeper(Document, collection="keepers"):
        relations: ClassVar[KeeperRelations]

    keeper, snake = Keeper(key="k"), Snake(key="s", name="Kaa", length=10)
    keeper.save()
    snake.save()
    keeper.relations.pets.add(snake)
    assert type(keeper.relations.pets.all()[0]) is Snake


# -- within a session ------------------------------------------------------------------------------


def test_relations_wait_for_the_commit_and_are_seen_before(people: People, engine: Watched) -> None:
    with Session(engine) as session:
        a, b, c = (session.get(User, key) for key in ("ada", "bob", "carl"))
        engine.clear()
        a.relations.friends.add(c, since=1)
        a.relations.friends.remove(b)
        assert keys(a.relations.friends) == ["carl"]
        assert (b in a.relations.friends, c in a.relations.friends) == (False, True)
        assert a.relations.friends.properties(c) == {"since": 1}
        with pytest.raises(RelationNotFound):
            a.relations.friends.properties(b)
        a.relations.friends.remove(c)
        with pytest.raises(RelationNotFound):
            a.relations.friends.properties(c)
        a.relations.friends.add(c, since=2)
        a.relations.friends.add(b)
        assert keys(a.relations.friends) == ["bob", "carl"]
        assert set(names(engine)) == {"ListRelations"}
    assert names(engine)[-1] == "Batch"
    assert keys(User.get("ada").relations.friends) == ["carl", "bob"]
    assert User.get("ada").relations.friends.properties(c) == {"since": 2}


def test_documents_that_wait_are_related_in_the_same_commit(engine: Watched) -> None:
    with Session(engine) as session:
        a, film = User(name="A"), Film(title="F")
        session.add(a, film)
        a.relations.liked.add(film)
        assert list(a.relations.liked) == [film]
        assert film in a.relations.liked
    assert names(engine).count("Batch") == 1
    assert a.key is not None
    assert keys(User.get(a.key).relations.liked) == [film.key]


def test_a_relation_to_what_is_deleted_in_the_same_commit(people: People, engine: Watched) -> None:
    with Session(engine) as session:
        a, b = session.get(User, "ada"), session.get(User, "bob")
        a.relations.friends.remove(b)
        session.delete(b)
    assert User.get("ada").relations.friends.all() == []
    assert User.get("bob", default=None) is None


def test_a_relation_that_cannot_be_written_stops_the_commit(people: People, engine: Watched) -> None:
    session = Session(engine)
    with session:
        a = session.get(User, "ada")
        a.age = 99
        a.relations.friends.add(User(key="nobody", name="x"))
        with pytest.raises((NotFound, CommitError), match="nobody"):
            session.commit()
        session.close()
    assert User.get("ada").age == 36


def test_documents_come_from_the_identity_map(people: People, engine: Watched) -> None:
    with Session(engine) as session:
        b = session.get(User, "bob")
        assert list(session.get(User, "ada").relations.friends) == [b]
        assert next(iter(session.get(User, "ada").relations.friends)) is b


# -- mistakes --------------------------------------------------------------------------------------


MISTAKES: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda a: a.relations.friends.add(Film.get("f1")), UsageError, "declared as a relation to User, not"),
    (lambda a: a.relations.friends.add("bob"), UsageError, "leads to a document, not to 'bob'"),
    (lambda a: a.relations.friends.add(User(name="x")), UsageError, "has no key yet"),
    (lambda a: User(name="x").relations.friends.add(a), UsageError, "this User has no key"),
    (lambda a: a.relations.friends.friends.add(a), UsageError, r"friends\.friends is several hops"),
    (lambda a: a.relations.friends.friends.remove(a), UsageError, "is several hops"),
    (lambda a: a.relations.friends.add(User(key="nobody", name="x")), NotFound, "users/nobody"),
    (lambda a: User(key="nobody", name="x").relations.friends.add(a), NotFound, "users/nobody"),
    (lambda a: a.relations[""].add(a), Exception, "must not be empty"),
    (lambda a: a.relations.friends.add(a, x=float("nan")), Exception, "JSON has no nan"),
    (lambda a: "bob" in a.relations.friends, UsageError, "leads to a document"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES)
def test_mistakes(people: People, mistake: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mistake(people[0])
    assert keys(people[0].relations.friends) == ["bob"]


def test_a_collection_that_is_not_there(people: People) -> None:
    class Ghost(Document, collection="ghosts"):
        pass

    with pytest.raises(NotFound, match="ghosts/x"):
        people[0].relations["haunted by"].add(Ghost(key="x"))


def test_the_awaitable_relations(people: People) -> None:
    a, b, c = people

    async def main() -> None:
        await a.relations.friends.aadd(c, since=1)
        assert await a.relations.friends.aproperties(c) == {"since": 1}
        assert await a.relations.friends.acontains(c)
        await a.relations.friends.aremove(b)
        assert not await a.relations.friends.acontains(b)
        assert [one.key async for one in a.relations.friends] == ["carl"]
        assert keys(await a.relations.friends.liked.aall()) == ["f1"]

    asyncio.run(main())


def test_what_is_pending_is_seen_by_the_awaitable_ones_too(people: People, engine: Watched) -> None:
    async def main() -> None:
        async with Session(engine) as session:
            a, b, c = [await session.aget(User, key) for key in ("ada", "bob", "carl")]
            await a.relations.friends.aremove(b)
            await a.relations.friends.aadd(c)
            assert [friend async for friend in a.relations.friends] == [c]
            await a.events.login.aadd(ip="a")
            assert [event.ip async for event in a.events.login] == ["a"]

    asyncio.run(main())
    assert keys(people[0].relations.friends) == ["carl"]


def test_asking_is_one_operation(people: People, engine: Watched) -> None:
    a, b, _ = people
    engine.clear()
    assert b in a.relations.friends
    a.relations.friends.remove(b)
    assert [type(one) for one in engine.operations] == [GetRelation, DeleteRelation]


def test_reprs_say_where(people: People) -> None:
    assert repr(people[0].relations) == "<UserRelations of User 'ada'>"
    assert repr(people[0].relations.friends.liked) == "<Related friends.liked of User 'ada'>"
