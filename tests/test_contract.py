"""The public contract, line by line, as one program."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

import orcodm
from orcodm import (
    AlreadyExists,
    Document,
    Embedded,
    Event,
    Events,
    Field,
    Nested,
    NotFound,
    Related,
    Relations,
    Series,
    Session,
    connect,
    field,
    signals,
)


class Address(Embedded):
    city: Field[str]
    country: Field[str | None] = field(default=None)


class Place(Embedded):
    lat: Field[float]
    lon: Field[float]


class Film(Document, collection="contract_films"):
    title: Field[str]


class Login(Event):
    ip: Field[str]


class UserEvents(Events):
    login: Series[Login]


class UserRelations(Relations):
    friends: Related[User]
    liked: Related[Film]


class User(Document, collection="contract_users"):
    name: Field[str]
    age: Field[int | None] = field(default=None)
    tags: Field[list[str]] = field(factory=list)
    address: Nested[Address | None] = field(default=None)
    home: Nested[Place | None] = field(default=None)
    bio: Field[str | None] = field(default=None)
    joined: Field[datetime | None] = field(default=None)
    relations: ClassVar[UserRelations]
    events: ClassVar[UserEvents]


def test_the_contract(orcodm_requests: list[Any]) -> None:
    engine = connect("memory:")
    orcodm.bind(engine)

    ada = User(key="ada", name="Ada Lovelace", age=36, address=Address(city="Ockham"))
    ada.save()
    assert len(ada.ref or "") == 16
    ada.age = (ada.age or 0) + 1
    ada.save()
    assert User.get("ada").age == 37
    assert User.get("nobody", default=None) is None
    with pytest.raises(NotFound):
        User.get("nobody")
    with pytest.raises(AlreadyExists):
        User(key="ada", name="x").save()
    anonymous = User(name="no key")
    anonymous.save()
    assert anonymous.key
    ada.refresh()
    anonymous.delete()
    anonymous.delete(purge=True)
    ada.patch(User.age.inc(), User.name.set("Ada L."))
    assert (ada.age, ada.name, User.get("ada").ref) == (38, "Ada L.", ada.ref)

    c = User(key="c", name="C")
    c.save()
    with Session(engine) as session:
        a = session.get(User, "ada")
        assert a is session.get(User, "ada")
        assert a.address is not None
        a.address.city = "London"
        session.add(User(key="bob", name="Bob"))
        session.add(c)
        session.delete(c)
        assert (len(session.new), session.dirty, session.deleted) == (1, (a,), (c,))
        session.commit()
        a.name = "dropped"
        session.rollback()
        documents = (User(key=f"u{number}", name=f"User {number}") for number in range(5))
        for outcome in session.bulk(documents, chunk=2):
            assert (outcome.error, outcome.document.ref is not None) == (None, True)

    def birthday(session: Session) -> int | None:
        u = session.get(User, "ada")
        u.age = (u.age or 0) + 1
        return u.age

    assert orcodm.retry(engine, birthday, attempts=5) == 39
    bob = User.get("bob")
    ada = User.get("ada")

    q = User.query.filter(User.age >= 21, User.address.city == "London").order_by(-User.age, User.name)
    assert str(q) == "value.age:[21 TO *] AND value.address.city:`London`"
    assert [user.key for user in q] == [user.key for user in q.all()] == ["ada"]
    assert (q.first() or bob).key == q.one().key == "ada"
    assert (q.count(), q.exists(), q[10:20].all(), [len(page) for page in q.pages(100)]) == (1, True, [], [1])
    assert "value.age" in str(q.explain())
    assert User.query.search('name:"ada l"~2 AND age:[30 TO *]').one().key == "ada"
    everything = User.query.filter(
        User.bio.matches("analytical engine"), User.name.startswith("A"),
        User.name.fuzzy("lovelase"), User.age.between(20, 40), User.tags.contains("x"),
        User.age.is_in([1, 2]), User.address.exists(), ~(User.age == 3),
        (User.age < 3) | (User.age > 5), User.home.near(51.5, -0.1, "10km"),
    )  # fmt: skip
    assert everything.all() == []
    assert User.query.stats(User.age).max == 39
    assert User.query.top(User.tags).entries == ()
    assert User.query.histogram(User.joined, "month").buckets == ()
    assert User.query.ranges(User.age, [None, 18, 65, None]).buckets[1].count == 1
    assert User.query.distances(User.home, (51.5, -0.1), [0, 10, None]).value_count == 0

    film = Film(title="Metropolis")
    film.save()
    ada.relations.friends.add(bob)
    ada.relations.friends.add(bob, since=1833)
    assert bob in ada.relations.friends
    bob.relations.liked.add(film)
    assert [friend.name for friend in ada.relations.friends] == ["Bob"]
    assert [film.title for film in ada.relations.friends.liked] == ["Metropolis"]
    ada.relations.friends.remove(bob)
    assert bob not in ada.relations.friends
    assert next(iter(bob.relations["liked"])).key == film.key

    ada.events.login.add(ip="10.0.0.1")
    e = ada.events.login.add(Login(ip="::1"), at=datetime(2020, 1, 2, tzinfo=UTC))
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 3, tzinfo=UTC)
    for one in ada.events.login.between(start, end):
        assert (one.ip, one.timestamp, one.ordinal) == ("::1", datetime(2020, 1, 2, tzinfo=UTC), e.ordinal)
    e.ip = "10.0.0.2"
    e.save()
    e.delete()
    latest = ada.events.login.latest()
    assert latest is not None
    assert latest.ip == ada.events["login"].all()[0].ip == "10.0.0.1"

    newest, *_, oldest = ada.history
    assert (newest.ref, newest.deleted, newest.value["age"], oldest.value["age"]) == (ada.ref, False, 39, 36)
    assert newest.reftime is not None
    assert ada.history.at(oldest.ref or "").age == 36
    assert ada.history.as_of(newest.reftime).ref == newest.ref
    assert "age" in {change.path for change in ada.history.diff(oldest.ref or "", newest.ref or "")}
    ada.history.restore(oldest.ref or "")
    assert (ada.age, User.get("ada").age) == (36, 36)

    stamped = []

    @signals.pre_save.connect_via(User)
    def stamp(sender: type, *, document: User, session: Session, **_: Any) -> None:
        stamped.append(document)

    other = User.get("ada")
    other.age = 50
    other.save()
    assert stamped == [other]
    ada.name = "mine"
    with pytest.raises(orcodm.Conflict) as caught:
        ada.save()
    conflict = caught.value
    assert (conflict.document, conflict.current) == (ada, other.ref)
    assert (conflict.mine["name"], conflict.base["age"], conflict.theirs["age"]) == ("mine", 36, 50)
    conflict.merge()
    ada.save()
    assert (User.get("ada").name, User.get("ada").age) == ("mine", 50)
    for way in ("merge", "mine", "theirs", lambda conflict: "theirs"):
        other = User.get("ada")
        other.tags.append("x")
        other.save()
        ada.name += "!"
        ada.save(on_conflict=way)
    assert ada.name == "mine!!"

    async def main() -> None:
        ada.age = 51
        await ada.asave()
        assert (await User.aget("ada")).age == 51
        assert len(await q.aall()) == len([u async for u in q])
        async with Session(engine) as session:
            (await session.aget(User, "ada")).age = 52
            await session.acommit()

    asyncio.run(main())
    assert User.get("ada").age == 52
    signals.pre_save.disconnect(stamp, sender=User)
    engine.close()
