"""Events and relations as queries: found by what they say and where they are, and changed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from orcodm import (
    Conflict,
    Document,
    Event,
    Events,
    Field,
    InvalidDocument,
    InvalidFilter,
    NotFound,
    Relation,
    Series,
    Session,
    Timestamp,
    UsageError,
)
from orcodm.model import document
from orcodm.model.registry import Registry
from orcodm.operations import Batch, Delete, DeleteRelation, IfMatch, PostEvent, Put, PutEvent, PutRelation
from orcodm.testing import Watched

from ..people import Film, Login, User

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests declare classes of the same collections."""
    registry = Registry()
    for model in (User, Film):
        registry.bind(model.collection, model)
    monkeypatch.setattr(document, "bound", registry)


@pytest.fixture
def people(watched: Watched) -> dict[str, User]:
    """Ada and bob, a film, logins an hour apart (four of ada's, two of bob's), and three relations."""
    ada, bob = User(key="ada", name="Ada", age=36), User(key="bob", name="Bob", age=20)
    film = Film(key="up", title="Up")
    with Session() as session:
        session.add(ada, bob, film)
    for hour in range(6):
        user = ada if hour < 4 else bob
        user.events.login.add(ip=f"10.0.0.{hour}", at_home=hour % 2 == 0, at=NOON + timedelta(hours=hour))
    ada.events["note"].add(ip="10.0.0.1", text="a word", at=NOON)
    ada.relations.friends.add(bob, since=1833)
    bob.relations.friends.add(ada, since=1900, note="a word")
    ada.relations.liked.add(film, stars=5)
    watched.clear()
    return {"ada": ada, "bob": bob}


def ips(events: Any) -> str:
    return " ".join(event.ip.rpartition(".")[2] for event in events)


LOGINS: list[tuple[Callable[[], Any], str]] = [
    (lambda: User.query.events(Login), "5 4 3 2 1 0"),
    (lambda: User.query.events(User.events.login), "5 4 3 2 1 0"),
    (lambda: User.query.events("login"), "5 4 3 2 1 0"),
    (lambda: User.query.events(Login, type="note"), "1"),
    (lambda: User.query.events(Login).filter(Login.ip == "10.0.0.2"), "2"),
    (lambda: User.query.events(Login).filter(Login.ip.startswith("10.0.0")).order_by(Login.ip)[1:3], "1 2"),
    (lambda: User.query.events(Login).filter(Login.at_home == True), "4 2 0"),  # noqa: E712
    (lambda: User.query.events(Login).filter(Login.document_key == "bob"), "5 4"),
    (lambda: User.query.events(Login).filter(Login.timestamp > NOON + timedelta(hours=3)), "5 4"),
    (lambda: User.query.events(Login).filter(Login.timestamp == NOON), "0"),
    (
        lambda: User.query.events(Login).filter(Login.timestamp.between(NOON, NOON + timedelta(hours=1))),
        "1 0",
    ),
    (lambda: User.query.events(Login).order_by(Login.document_key, Login.timestamp), "0 1 2 3 4 5"),
    (lambda: User.query.events(Login).order_by(Login.at_home, -Login.timestamp), "5 3 1 4 2 0"),
    (lambda: User.query.events(Login).search('ip:"10.0.0.3" AND @path.kind:event'), "3"),
    (lambda: User.query.events(Login).search("ip:*.1"), "1"),
    (lambda: User.query.events().filter(Event.event_type == "note"), "1"),
    (lambda: Document.query.events(Login), "5 4 3 2 1 0"),
    (lambda: Document.query.events("login").filter(Login.document_key == "ada"), "3 2 1 0"),
    (lambda: Film.query.events(), ""),
]


@pytest.mark.parametrize(("make", "found"), LOGINS)
def test_what_a_query_of_events_finds(people: Any, make: Callable[[], Any], found: str) -> None:
    query = make()
    assert ips(query) == found
    assert query.count() == len(found.split())
    assert ips([event for page in query.pages(2) for event in page]) == found


def test_an_event_says_where_it_is(people: Any) -> None:
    event = User.query.events(Login).filter(Login.ip == "10.0.0.4").one()
    assert type(event) is Login
    assert (event.document_key, event.event_type) == ("bob", "login")
    assert event.timestamp == NOON + timedelta(hours=4)
    assert isinstance(event.timestamp, Timestamp)
    assert event.ordinal > 0
    assert event.reftime is not None
    assert User.query.events(Login).filter(Login.ordinal == event.ordinal).one().ref == event.ref
    assert User.query.events(Login).filter(Login.reftime >= NOON).count() == 6
    note = User.query.events("note").one()
    assert (note.text, note.event_type) == ("a word", "note")


def test_an_event_that_was_found_can_be_changed(people: Any, watched: Watched) -> None:
    event = User.query.events(Login).filter(Login.ip == "10.0.0.4").one()
    ref = event.ref
    event.save()
    assert not any(isinstance(operation, PutEvent) for operation in watched.operations)
    event.ip = "::1"
    event.save()
    written = watched.operations[-1]
    assert isinstance(written, PutEvent)
    assert written.condition == IfMatch(ref or "")
    assert people["bob"].events.login.get(event.timestamp, event.ordinal).ip == "::1"
    stale = User.query.events(Login).filter(Login.ip == "::1").one()
    event.ip = "::2"
    event.save()
    stale.ip = "::3"
    with pytest.raises(Conflict):
        stale.save()
    stale.refresh()
    assert stale.ip == "::2"
    stale.delete()
    assert User.query.events(Login).filter(Login.document_key == "bob").count() == 1


def test_a_session_has_one_object_for_an_event_and_commits_it(people: Any) -> None:
    with Session() as session:
        query = session.query(User).events(Login).filter(Login.ip == "10.0.0.4")
        event = query.one()
        assert query.one() is event
        bob = session.get(User, "bob")
        assert bob.events.login.get(event.timestamp, event.ordinal) is event
        event.at_home = False
        assert session.dirty == (event,)
    assert User.query.events(Login).filter(Login.ip == "10.0.0.4").one().at_home is False


def test_aggregates_over_events(people: Any) -> None:
    logins = User.query.events(Login)
    assert [(one.bucket, one.count) for one in logins.histogram(Login.timestamp, "hour").buckets] == [
        (f"2020-01-01T{12 + hour}", 1) for hour in range(6)
    ]
    top = logins.top(Login.document_key)
    assert [(one.value, one.count) for one in top.entries] == [("ada", 4), ("bob", 2)]
    assert logins.filter(Login.at_home == True).top(Login.at_home).value_count == 3  # noqa: E712


def test_writes_between_pages_of_events_neither_skip_nor_repeat(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 2)
    seen = []
    for event in User.query.events(Login):
        seen.append(event.ip)
        if len(seen) in (1, 3):
            people["ada"].events.login.add(ip="10.0.0.9", at=NOON + timedelta(days=1))
            event.delete()
    assert seen == [f"10.0.0.{hour}" for hour in (5, 4, 3, 2, 1, 0)]


# -- relations -------------------------------------------------------------------------------------


def ends(relations: Any) -> str:
    return " ".join(f"{one.source.key}-{one.kind}-{one.target.key}" for one in relations)


RELATIONS: list[tuple[Callable[[], Any], str]] = [
    (lambda: User.query.relations(), "ada-friends-bob ada-liked-up bob-friends-ada"),
    (lambda: User.query.relations("friends"), "ada-friends-bob bob-friends-ada"),
    (lambda: User.query.relations(User.relations.friends), "ada-friends-bob bob-friends-ada"),
    (lambda: User.query.relations().filter(Relation.kind == "liked"), "ada-liked-up"),
    (lambda: User.query.relations().filter(Relation.target.collection == "films"), "ada-liked-up"),
    (lambda: User.query.relations("friends").filter(Relation.source.key == "bob"), "bob-friends-ada"),
    (lambda: User.query.relations("friends").filter(Relation.target.key == "bob"), "ada-friends-bob"),
    (
        lambda: User.query.relations("friends").filter(Relation.properties["since"] >= 1850),
        "bob-friends-ada",
    ),
    (
        lambda: User.query.relations().order_by(-Relation.properties["since"]),
        "bob-friends-ada ada-friends-bob ada-liked-up",
    ),
    (lambda: User.query.relations().search("note:word"), "bob-friends-ada"),
    (lambda: Document.query.relations("friends")[1:], "bob-friends-ada"),
    (lambda: Film.query.relations(), ""),
]


@pytest.mark.parametrize(("make", "found"), RELATIONS)
def test_what_a_query_of_relations_finds(people: Any, make: Callable[[], Any], found: str) -> None:
    query = make()
    assert ends(query) == found
    assert query.count() == len(found.split())
    assert ends([relation for page in query.pages(1) for relation in page]) == found


def test_a_relation_says_what_it_joins(people: Any) -> None:
    relation = User.query.relations(User.relations.liked).one()
    assert (relation.source.collection, relation.source.key, relation.kind) == ("users", "ada", "liked")
    assert (relation.target.collection, relation.target.key) == ("films", "up")
    assert relation.properties == {"stars": 5}
    assert relation.source.get().name == "Ada"
    film = relation.target.get()
    assert isinstance(film, Film)
    assert film.title == "Up"
    assert repr(relation) == "<Relation users/ada liked films/up>"
    assert User.query.relations().stats(Relation.properties["since"]).max == 1900


def test_a_relation_that_was_found_can_be_changed(people: Any, watched: Watched) -> None:
    query = User.query.relations("friends").filter(Relation.source.key == "ada")
    relation = query.one()
    ref = relation.ref
    relation.save()
    relation.properties["since"] = 1834
    relation.save()
    written = watched.operations[-1]
    assert isinstance(written, PutRelation)
    assert written.condition == IfMatch(ref or "")
    assert people["ada"].relations.friends.properties(people["bob"]) == {"since": 1834}
    stale = query.one()
    relation.properties = {"since": 1835}
    relation.save()
    stale.properties["note"] = "x"
    with pytest.raises(Conflict) as caught:
        stale.save()
    assert (caught.value.base, caught.value.theirs) == ({"since": 1834}, {"since": 1835})
    caught.value.merge().save()
    relation.refresh()
    assert relation.properties == {"since": 1835, "note": "x"}
    relation.delete()
    assert query.count() == 0
    with pytest.raises(NotFound):
        relation.refresh()


def test_a_session_commits_relations(people: Any) -> None:
    with Session() as session:
        one, other = session.query(User).relations("friends")
        assert session.query(User).relations("friends").first() is one
        one.properties["since"] = 1
        session.delete(other)
        assert session.dirty == (one,)
    assert [found.properties for found in User.query.relations("friends")] == [{"since": 1}]


def test_a_relation_and_its_ends_are_deleted_in_one_commit(people: Any, watched: Watched) -> None:
    with Session() as session:
        (friendship,) = session.query(User).relations("friends").filter(Relation.source.key == "ada")
        session.delete(friendship.source.get())
        session.delete(friendship.target.get())
        session.delete(friendship)
    (batch,) = [operation for operation in watched.operations if isinstance(operation, Batch)]
    assert [type(operation) for operation in batch.operations] == [DeleteRelation, Delete, Delete]
    left = User.query.relations("friends").one()
    assert left.source.key == "bob"
    with pytest.raises(NotFound):
        left.source.get()


def test_a_property_that_is_no_json_is_refused(people: Any) -> None:
    relation = User.query.relations("liked").one()
    relation.properties["stars"] = float("nan")
    with pytest.raises(InvalidDocument, match="stars"):
        relation.save()


# -- documents of all collections ------------------------------------------------------------------


def test_documents_of_all_collections(people: Any, watched: Watched) -> None:
    watched.execute(Put(collection="strangers", key="x", value={"name": "Stranger"}))
    assert [(type(one).__name__, one.key) for one in Document.query] == [
        ("Film", "up"),
        ("Untyped", "x"),
        ("User", "ada"),
        ("User", "bob"),
    ]
    assert Document.query.count() == 4
    assert [one.key for one in Document.query.search("ada OR stranger").order_by(Document.key)] == [
        "ada",
        "x",
    ]
    assert [one.key for page in Document.query.pages(3) for one in page] == ["up", "x", "ada", "bob"]


# -- what is refused -------------------------------------------------------------------------------


class Note(Event):
    text: Field[str]


class Quick(Note):
    pass


class AdminEvents(Events):
    note: Series[Note]
    quick: Series[Quick]


class Account(Document, collection="accounts"):
    name: Field[str]
    events: ClassVar[AdminEvents]


class Admin(Account):
    pass


def test_a_class_stands_for_every_type_declared_with_it_or_below() -> None:
    assert str(Account.query.events(Note)) == (
        "@path.kind:`event` AND (@path.type:`note` OR @path.type:`quick`)"
    )
    assert str(Account.query.events(Quick)) == "@path.kind:`event` AND @path.type:`quick`"
    assert str(Account.query.events()) == "@path.kind:`event`"
    assert str(Account.query.events(Event)) == "@path.kind:`event`"
    assert "@path.collection:`users` AND @path.type:`login`" in str(Document.query.events(Login))


wrong: Any = User.query


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: User.query.events(Note), r"User declares no series of Note.*events\(Note, type='note'\)"),
        (lambda: wrong.events(User), "events takes a class of events"),
        (lambda: wrong.events(3), "events takes a class of events"),
        (lambda: wrong.relations(3), "relations takes User.relations.friends or the name"),
        (lambda: Admin.query.events(Note), r"use Account.query.events\(...\)"),
        (lambda: Admin.query.relations(), r"use Account.query.relations\(...\)"),
        (lambda: User.query.filter(User.age == 1).events(Login), "refined then"),
        (lambda: User.query.order_by(User.age).relations(), "refined then"),
        (lambda: User.query[:3].events(Login), "refined then"),
        (lambda: User.query.events(Login).events(Login), "refined then"),
        (lambda: User.query.events(Login).relations(), "refined then"),
        (lambda: User.query.search("@path.kind:event"), r"things of the kind 'item' only.*events\(...\)"),
        (lambda: User.query.events().search("x OR @path.kind:*"), "things of the kind 'event' only"),
        (lambda: User.query.events(Login).filter(Login.timestamp >= "noon"), "a datetime or milliseconds"),  # type: ignore[operator]
        (lambda: Relation.target == "ada", "compare the key of an end"),
    ],
)
def test_mistakes(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        make()


def test_what_belongs_to_a_document_is_not_asked_of_the_class() -> None:
    friends: Any = User.relations.friends
    with pytest.raises(UsageError, match="'friends' is of no document here"):
        friends.add(User(name="x"))
    with pytest.raises(UsageError, match="made by a document"):
        Relation()
    with pytest.raises(AttributeError, match=r"@path.timestamp is the store's to say"):
        Login(ip="x").timestamp = 3  # type: ignore[assignment]
    assert Login(ip="x").document_key is None


def test_an_item_is_never_taken_for_an_event(watched: Watched) -> None:
    watched.execute(Put(collection="users", key="a", value={"name": "x"}))
    watched.execute(PostEvent(collection="users", key="a", type="login", value={"ip": "x"}))
    assert [type(one) for one in User.query.search("@path.kind:item")] == [User]
    assert User.query.search("@path.kind:item AND name:x").count() == 1


def test_the_awaitable_kinds(orcodm_engine: Watched) -> None:
    async def main() -> None:
        ada, bob = User(key="ada", name="Ada"), User(key="bob", name="Bob")
        async with Session() as session:
            session.add(ada, bob)
        await ada.events.login.aadd(ip="::1")
        await ada.relations.friends.aadd(bob, since=1)
        (event,) = await User.query.events(Login).filter(Login.ip == "::1").aall()
        event.ip = "::2"
        await event.asave()
        assert [one.ip async for one in User.query.events("login")] == ["::2"]
        async for page in User.query.events(Login).apages():
            assert [one.ip for one in page] == ["::2"]
        relation = await User.query.relations(User.relations.friends).aone()
        assert (await relation.source.aget()).name == "Ada"
        assert (await relation.target.aget()).name == "Bob"
        relation.properties["since"] = 2
        await relation.asave()
        assert (await User.query.relations().astats(Relation.properties["since"])).max == 2
        await relation.arefresh()
        await relation.adelete()
        assert await User.query.relations().acount() == 0
        assert [one.key async for one in Document.query] == ["ada", "bob"]

    asyncio.run(main())
