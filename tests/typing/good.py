"""Correct programs: no type checker finds an error here. Not imported by any test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, assert_type

import attrs

import orcodm
from orcodm import (
    Change,
    Conflict,
    Criterion,
    Document,
    Embedded,
    Event,
    Events,
    Explanation,
    Expr,
    Field,
    Hit,
    Nested,
    Outcome,
    Query,
    Related,
    Relation,
    Relations,
    ResultPage,
    Series,
    Session,
    TermCount,
    Timestamp,
    Version,
    connect,
    field,
    random_order,
    score,
    signals,
)


class Color(Enum):
    RED = "r"


class Address(Embedded):
    city: Field[str]
    country: Field[str | None] = field(default=None)
    path: Field[str] = field(default="")


class Place(Embedded):
    lat: Field[float]
    lon: Field[float]


class Film(Document, collection="films"):
    title: Field[str]


class Login(Event):
    ip: Field[str]


class UserRelations(Relations):
    friends: Related[User]
    liked: Related[Film]


class UserEvents(Events):
    login: Series[Login]


class Stamped(Document):
    created: Field[datetime | None] = field(default=None)


class User(Stamped, collection="users"):
    name: Field[str] = field(validator=attrs.validators.min_len(1), convert=str.strip)
    age: Field[int | None] = field(default=None)
    score: Field[float] = field(default=0.0)
    visits: Field[int] = field(default=0)
    active: Field[bool] = field(default=True)
    balance: Field[Decimal] = field(default=Decimal(0))
    color: Field[Color | None] = field(default=None)
    born: Field[date | None] = field(default=None)
    tags: Field[list[str]] = field(factory=list)
    groups: Field[set[int]] = field(factory=set)
    prices: Field[dict[str, int]] = field(factory=dict)
    payload: Field[Any] = field(default=None)
    mixed: Field[int | str] = field(default=0)
    bio: Field[str | None] = field(default=None, name="biography")
    address: Nested[Address | None] = field(default=None)
    home: Nested[Place] = field(factory=lambda: Place(lat=0.0, lon=0.0))
    addresses: Nested[list[Address]] = field(factory=list)
    relations: ClassVar[UserRelations]
    events: ClassVar[UserEvents]

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        return value


class Admin(User, tag="admin"):
    level: Field[int] = field(default=1)


engine = connect("memory:")
orcodm.bind(engine)

# -- documents -------------------------------------------------------------------------------------

ada = User(key="ada", name="Ada", age=36, address=Address(city="London"), tags=["x"], color=Color.RED)
Admin(name="root", level=2).save()
ada.save()
ada.save(force=True)
ada.save(on_conflict="merge")
ada.save(on_conflict=lambda conflict: conflict.theirs)
assert_type(ada.ref, str)
assert_type(ada.key, str)
assert_type(ada.stored, bool)
assert_type(ada.reftime, Timestamp | None)
assert_type(ada.name, str)
assert_type(ada.age, int | None)
assert_type(ada.tags, list[str])
assert_type(ada.address, Address | None)
assert_type(ada.home, Place)
assert_type(ada.addresses, list[Address])
ada.age = 37
ada.age = None
ada.visits += 1
ada.address = None
ada.home.lat = 1.5
ada.tags.append("y")
assert_type(User.get("ada"), User)
assert_type(Admin.get("root"), Admin)
assert_type(User.get("nobody", default=None), User | None)
ada.patch(User.visits.inc(), User.name.set("Ada L."), User.tags.append("x"), User.score.inc(0.5))
ada.patch(User.address.city.set("Ockham"), User.age.set(None), User.bio.unset(), User.prices["eur"].set(3))
ada.refresh()
ada.delete()
ada.delete(purge=True)
value: dict[str, Any] = ada.to_value()
assert_type(User.from_value(value), User)
assert_type(ada.other_members, dict[str, Any])

# -- queries ---------------------------------------------------------------------------------------

assert_type(User.age, Expr[int | None])
assert_type(User.query, Query[User])
assert_type(User.age >= 21, Criterion)
q = User.query.filter(User.age >= 21, User.address.city == "London", User.tags.contains("x"))
q = q.order_by(-User.age, User.name, User.name.desc(), score, random_order("seed"), User.home.nearest())
q = q.filter(
    User.name.matches("analytical engine"),
    User.bio.matches("x"),
    User.tags.matches("x"),
    User.name.phrase("a b", slop=1),
    User.name.startswith("A"),
    User.bio.startswith("A"),
    User.name.fuzzy("lovelase", edits=1),
    User.name.wildcard("l*"),
    User.name.regexp("l.*"),
    User.age.between(20, 40),
    User.age.is_in([1, 2]),
    User.name.is_in({"a", "b"}),
    User.groups.contains(3),
    User.address.exists(),
    User.address.path == "x",
    User.addresses.city == "x",
    User.age.exists(),
    ~(User.age == 3),
    (User.age < 3) | (User.age > 5),
    (User.age != None) & (User.active == True),  # noqa: E711, E712
    User.age == None,  # noqa: E711
    User.color == Color.RED,
    User.born < date(2020, 1, 1),
    User.created >= datetime(2020, 1, 1),
    User.balance == Decimal(1),
    User.mixed == "x",
    User.prices["eur"] > 3,
    User.home.near(51.5, -0.1, "10km"),
    User.home.within(1, 2, -1, -2),
    User.home.lat > 0,
    User.key == "ada",
    Admin.level > 1,
)
q = User.query.search('name:"ada lovelace"~2 AND age:[30 TO *]')
assert_type(q.all(), list[User])
assert_type(q.first(), User | None)
assert_type(q.one(), User)
assert_type(q.count(), int)
assert_type(q.exists(), bool)
assert_type(q[10:20], Query[User])
for user in q:
    assert_type(user, User)
for page in q.pages(100):
    assert_type(page, ResultPage[User])
    assert_type(page[0], User)
    print(page.total, [user.name.upper() for user in page])
print(str(q), q.explain().text, q.tree)
print(q.stats(User.age).mean, q.top(User.tags).entries, q.histogram(User.created, "month").buckets)
print(q.ranges(User.age, [None, 18, 65, None]).buckets, q.distances(User.home, (51.5, -0.1), [0, 1, None]))

# -- events and relations as queries ---------------------------------------------------------------

logins = User.query.events(Login)
assert_type(logins, Query[Login])
assert_type(User.query.events(User.events.login), Query[Login])
assert_type(User.query.events(Login, type="login"), Query[Login])
assert_type(Document.query, Query[Document])
assert_type(Document.query.events(Login), Query[Login])
assert_type(Login.timestamp, Expr[datetime])
assert_type(Login.document_key, Expr[str])
assert_type(User.reftime, Expr[datetime])
logins = logins.filter(
    Login.ip == "10.0.0.1",
    Login.timestamp >= datetime(2020, 1, 1),
    Login.document_key == "ada",
    Login.ordinal > 3,
    Login.event_type.startswith("log"),
).order_by(-Login.timestamp, Login.ip)
for login in logins:
    assert_type(login, Login)
    assert_type(login.document_key, str | None)
    assert_type(login.event_type, str)
    login.ip = "::1"
    login.save()
print(
    logins.count(), logins.histogram(Login.timestamp, "day").buckets, logins.top(Login.document_key).entries
)
for anything in User.query.events("note"):
    print(anything.text)

friendships = User.query.relations(User.relations.friends)
assert_type(friendships, Query[Relation[User, User]])
assert_type(User.query.relations(User.relations.liked), Query[Relation[User, Film]])
friendships = friendships.filter(
    Relation.kind == "friends",
    Relation.source.key == "ada",
    Relation.target.collection == "users",
    Relation.properties["since"] >= 1833,
)
for friendship in friendships:
    assert_type(friendship.source.get(), User)
    assert_type(friendship.target.key, str)
    assert_type(friendship.kind, str)
    assert_type(friendship.properties, dict[str, Any])
    friendship.properties["since"] = 1834
    friendship.save()
assert_type(User.query.relations(User.relations.liked).one().target.get(), Film)
for relation in Document.query.relations("friends"):
    print(relation.source.get().key, relation.target.get().name)

# -- highlights, likeness, suggestions, explanations -----------------------------------------------

for hit in User.query.search("engine").highlight(User.bio, User.address, User.addresses, width=80):
    assert_type(hit, Hit[User])
    assert_type(hit.document, User)
    assert_type(hit[User.bio], tuple[str, ...])
assert_type(User.query.like(ada, User.bio, most=10), Query[User])
assert_type(User.query.suggest(User.name, "ad"), list[TermCount])
assert_type(User.query.suggest(User.tags, "ad", words=True, limit=3)[0].text, str)
print(q.explain().paging, q.explain(ada).score, q.explain(ada).parts)

# -- sessions --------------------------------------------------------------------------------------

with Session(engine) as session:
    a = session.get(User, "ada")
    assert_type(a, User)
    assert_type(session.get(User, "ada", default=None), User | None)
    session.add(User(key="bob", name="Bob"), Film(title="t"))
    session.delete(a)
    assert_type(session.query(User), Query[User])
    session.commit()
    session.rollback()
    print(session.new, session.dirty, session.deleted, a in session)
    documents: Iterator[User] = (User(name=str(number)) for number in range(10))
    for outcome in session.bulk(documents, chunk=500):
        assert_type(outcome, Outcome)
        print(outcome.document, outcome.error)


def birthday(session: Session) -> int:
    user = session.get(User, "ada")
    user.visits += 1
    return user.visits


assert_type(orcodm.retry(engine, birthday, attempts=5), int)

try:
    ada.save()
except Conflict as c:
    print(c.document, c.expected, c.current, c.mine, c.base, c.theirs, c.merge(), c.conflicts)

# -- relations, events, history --------------------------------------------------------------------

bob = User(name="Bob")
ada.relations.friends.add(bob)
ada.relations.friends.add(bob, since=1833)
ada.relations.friends.remove(bob)
assert_type(ada.relations.friends.properties(bob), dict[str, Any])
assert_type(bob in ada.relations.friends, bool)
for friend in ada.relations.friends:
    assert_type(friend, User)
for film in ada.relations.friends.liked:
    print(film.title)
for film in ada.relations.liked.all():
    assert_type(film, Film)
Film(title="x").relations.anything.add(ada)
ada.relations["works with"].add(ada)

assert_type(ada.events.login.add(ip="10.0.0.1"), Login)
event = ada.events.login.add(Login(ip="::1"), at=datetime.now(UTC))
for e in ada.events.login.between(datetime(2020, 1, 1), datetime(2021, 1, 1)):
    assert_type(e, Login)
    assert_type(e.timestamp, Timestamp)
    assert_type(e.ordinal, int)
    print(e.ip.upper())
event.ip = "10.0.0.2"
event.save()
event.delete()
assert_type(ada.events.login.latest(), Login | None)
assert_type(ada.events.login.get(1, 2), Login)
ada.events["other"].add(a=1)
Film(title="x").events.shown.add(place="here")

for version in ada.history:
    assert_type(version, Version[User])
    assert_type(version.document, User)
    print(version.ref, version.reftime, version.value, version.deleted)
assert_type(ada.history.at("0a"), Version[User])
assert_type(ada.history.as_of(datetime.now()), Version[User])
assert_type(ada.history.diff("0a", ada.history.at("0b")), tuple[Change, ...])
ada.history.restore("0a")

# -- signals ---------------------------------------------------------------------------------------


@signals.pre_save.connect_via(User)
def stamp(sender: type[User], *, document: User, session: Session, **_: Any) -> None:
    document.created = datetime.now(UTC)


@signals.post_load.connect
async def loaded(sender: type, *, document: Document, session: Session, **_: Any) -> None: ...


# -- the awaitable twins ---------------------------------------------------------------------------


async def abirthday(session: Session) -> int:
    user = await session.aget(User, "ada")
    assert_type(user, User)
    return user.age or 0


async def main() -> None:
    await ada.asave(on_conflict="mine")
    await ada.apatch(User.visits.inc())
    await ada.arefresh()
    await ada.adelete()
    assert_type(await User.aget("ada"), User)
    assert_type(await User.aget("ada", default=None), User | None)
    assert_type(await q.aall(), list[User])
    assert_type(await q.afirst(), User | None)
    assert_type(await q.aone(), User)
    assert_type(await q.acount(), int)
    async for user in q:
        assert_type(user, User)
    async for page in q.apages():
        assert_type(page, ResultPage[User])
    async for hit in q.highlight():
        assert_type(hit, Hit[User])
    assert_type(await q.alike(ada), Query[User])
    assert_type(await User.query.asuggest(User.name, "a"), list[TermCount])
    assert_type(await q.aexplain(ada), Explanation)
    async with Session(engine) as session:
        await session.aget(User, "ada")
        await session.acommit()
        async for outcome in session.abulk([ada]):
            print(outcome.error)
    assert_type(await orcodm.aretry(engine, abirthday), int)
    await ada.relations.friends.aadd(bob, since=1)
    assert_type(await ada.relations.friends.acontains(bob), bool)
    async for friend in ada.relations.friends:
        assert_type(friend, User)
    assert_type(await ada.events.login.aadd(ip="x"), Login)
    async for event in ada.events.login:
        assert_type(event, Login)
    async for version in ada.history:
        assert_type(version, Version[User])
    await ada.history.arestore("0a")


asyncio.run(main())
