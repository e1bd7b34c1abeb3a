"""What a newcomer types wrongly: each message names the field, value and remedy, and nothing is written."""

from __future__ import annotations

import enum
import math
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

import orcodm
from orcodm import (
    Document,
    Embedded,
    Event,
    Events,
    Field,
    InvalidDocument,
    Nested,
    OrcodmError,
    Related,
    Relations,
    Series,
    Session,
    field,
)
from orcodm.operations import Get, Put, Search
from orcodm.testing import Watched


class Color(enum.Enum):
    RED = "red"


class Address(Embedded):
    city: Field[str]


class Login(Event):
    ip: Field[str]


class Film(Document, collection="mistaken_films"):
    title: Field[str]


class Kinds(Relations):
    likes: Related[Film]


class Types(Events):
    login: Series[Login]


class User(Document, collection="mistaken_users"):
    name: Field[str]
    age: Field[int] = field(default=0)
    score: Field[float] = field(default=0.0)
    active: Field[bool] = field(default=True)
    joined: Field[datetime | None] = field(default=None)
    born: Field[date | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    color: Field[Color | None] = field(default=None)
    home: Nested[Address | None] = field(default=None)
    tags: Field[list[str]] = field(factory=list)
    scores: Field[dict[str, float]] = field(factory=dict)
    mail: Field[str | None] = field(default=None, name="e-mail")
    relations: ClassVar[Kinds]
    events: ClassVar[Types]


class Abstract(Document):
    name: Field[str]


anything: Any = User
query: Any = User.query
make: Any = field
Model: Any = type(User)


def declare(base: Any = Document, **keywords: Any) -> None:
    type("Mistaken", (base,), {}, **keywords)


def body(text: str) -> None:
    exec(f"class Mistaken(Document, collection='mistaken'):\n  {text}", dict(globals()))


def changed(document: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(document, name, value)
    return document


# What is called with the stored document and its session, and what the message says.
MISTAKES: dict[str, tuple[Callable[[Any, Any], object], tuple[str, ...]]] = {
    # -- the constructor
    "misspelt": (lambda a, s: anything(nmae="x"), ("nmae", "did you mean 'name'?", "name: required", "'x'")),
    "unlike": (lambda a, s: anything(name="x", zzz=1), ("zzz", "no such field", "there are key, name, age")),
    "identifier": (lambda a, s: anything(id="5", name="x"), ("id: ", "did you mean 'key'?")),
    "member's name": (lambda a, s: anything(**{"name": "x", "e-mail": 1}), ("did you mean 'mail'?",)),
    "missing": (lambda a, s: anything(age=5), ("name: required, but missing",)),
    "positional": (lambda a, s: anything("Ada"), ("by their names, as in User(name=...)", "'Ada'")),
    "nested misspelt": (lambda a, s: Any and anything(home=Address(cty="x")), ("Address", "'city'")),
    "event misspelt": (lambda a, s: a.events.login.add(ipp="x"), ("did you mean 'ip'?",)),
    "text for number": (lambda a, s: anything(name="x", age="36"), ("age: expected an integer", "'36'")),
    "null": (lambda a, s: anything(name=None), ("name: expected a string, not null",)),
    "nan": (lambda a, s: anything(name="x", score=math.nan).save(), ("score: ", "nan")),
    "infinity": (lambda a, s: anything(name="x", scores={"a": math.inf}).save(), ("scores['a']", "inf")),
    "nan changed": (lambda a, s: changed(a, score=math.nan).save(), ("score: ", "nan")),
    "nan in a commit": (
        lambda a, s: (changed(a, scores={"b": math.nan}), s.commit()),
        ("scores['b']", "nan"),
    ),
    "text for datetime": (
        lambda a, s: anything(name="x", joined="2020-01-01"),
        ("joined: expected a datetime, not str", "datetime.fromisoformat(...)", "'2020-01-01'"),
    ),
    "text for date": (lambda a, s: anything(name="x", born="2020"), ("date.fromisoformat(...) makes one",)),
    "float for Decimal": (lambda a, s: anything(name="x", price=1.5), ("price: expected a Decimal", "1.5")),
    "dict for object": (
        lambda a, s: anything(name="x", home={"city": "Oslo"}),
        ("home: expected an object of Address", "Address.from_value(...)"),
    ),
    "text for list": (lambda a, s: anything(name="x", tags="a,b"), ("tags: expected an array", "'a,b'")),
    "no member": (lambda a, s: anything(name="x", color="rde"), ("color: ", "Color.RED ('red')", "'rde'")),
    "whole number as key": (lambda a, s: anything(key=5, name="x"), ("a key is a string, not 5", "str(...)")),
    "UUID as key": (lambda a, s: anything(key=uuid.UUID(int=5), name="x"), ("a key is a string", "UUID(")),
    "empty key": (lambda a, s: anything(key="", name="x").save(), ("key must not be empty",)),
    "long key": (lambda a, s: anything(key="x" * 2000, name="x").save(), ("2000 bytes", "1024")),
    "surrogate": (lambda a, s: anything(name="\ud800").save(), ("name: a lone surrogate", "decode")),
    # -- classes and fields
    "class keyword": (
        lambda a, s: declare(colection="x"),
        ("'colection'", "did you mean 'collection'?", "tag="),
    ),
    "embedded keyword": (lambda a, s: declare(Embedded, collection="x"), ("'collection'", "takes none")),
    "event keyword": (lambda a, s: declare(Event, tpe="x"), ("'tpe'", "takes none")),
    "empty collection": (lambda a, s: declare(collection=""), ("collection must not be empty",)),
    "numeric collection": (lambda a, s: declare(collection=5), ("collection must be a string, not 5",)),
    "plain annotation": (lambda a, s: body("name: str"), ("Mistaken.name", "Field[...]")),
    "plain default": (lambda a, s: body("name: Field[str] = 'a'"), ("field(default='a')",)),
    "field keyword": (lambda a, s: make(defualt="x"), ("defualt=", "did you mean 'default'?")),
    "field option": (lambda a, s: make(unique=True), ("no unique=", "factory=")),
    "field positional": (lambda a, s: make("x"), ("field(default='x')",)),
    "shared default": (lambda a, s: make(default=[]), ("factory=",)),
    "factory": (lambda a, s: make(factory=[]), ("factory=", "a function, not []")),
    "validator": (lambda a, s: make(validator=5), ("validator=", "not 5")),
    "validators": (lambda a, s: make(validator=[len, 5]), ("validator=", "not [")),
    "converter": (lambda a, s: make(convert="int"), ("convert=", "not 'int'")),
    "member name": (lambda a, s: make(name=5), ("name=", "not 5")),
    "abstract": (lambda a, s: Abstract(name="x").save(), ("bound to no collection", "collection=")),
    "abstract read": (lambda a, s: Abstract.get("x"), ("bound to no collection",)),
    "abstract asked": (lambda a, s: Abstract.query.all(), ("bound to no collection",)),
    # -- reading
    "key None": (lambda a, s: anything.get(None), ("key must be a string, not None",)),
    "key of a wrong type": (lambda a, s: anything.get(5), ("a key is a string, not 5", "str(...)")),
    "keys": (lambda a, s: anything.get(["a"]), ("a key is a string, not ['a']",)),
    "no such key": (lambda a, s: anything.get("nowhere"), ("could not be found", "mistaken_users/nowhere")),
    # -- queries
    "filter of text": (lambda a, s: query.filter("age > 3"), ("'age > 3'", "search()")),
    "filter by keyword": (lambda a, s: query.filter(name="x"), ("name=", "User.name == 'Ada'")),
    "filter of a field": (lambda a, s: query.filter(User.active), ("value.active", "== True")),
    "filter of a bool": (lambda a, s: query.filter(True), ("not True", "`and`")),
    "no parentheses": (lambda a, s: query.filter(anything.age == 5 | anything.age), ("value.age", "parenth")),
    "not": (lambda a, s: ~anything.active, ("value.active", "== False")),
    "text in a range": (lambda a, s: anything.age >= "x", ("value.age: 'x' is not int",)),
    "number for text": (lambda a, s: anything.name == 5, ("value.name: 5 is not str",)),
    "text for a time": (lambda a, s: anything.joined > "2020-01-01", ("value.joined", "fromisoformat")),
    "nan in a range": (lambda a, s: anything.score > math.nan, ("value.score", "nan")),
    "list equals element": (lambda a, s: anything.tags == "x", ("value.tags", ".contains('x')")),
    "object equals text": (lambda a, s: anything.home == "x", ("value.home is an object", ".city ==", "'x'")),
    "object below text": (lambda a, s: anything.home < "x", ("value.home is an object",)),
    "nested field": (lambda a, s: anything.home.cty, ("'cty'", "did you mean 'city'?")),
    "SQLAlchemy's in_": (lambda a, s: anything.age.in_([1]), ("'in_'", ".is_in(")),
    "misspelt method": (lambda a, s: anything.name.starts_with("x"), ("did you mean 'startswith'?",)),
    "order by text": (lambda a, s: query.order_by("name"), ("User.name", "'name'")),
    "order by option": (lambda a, s: query.order_by(User.name, desc=True), ("desc=", "-User.age")),
    "search option": (lambda a, s: query.search("x", fuzzy=True), ("fuzzy=",)),
    "search of criteria": (lambda a, s: query.search(User.age > 3), ("filter()",)),
    "search syntax": (lambda a, s: query.search("name:("), ("position 6",)),
    "limit": (lambda a, s: query.limit(5), ("'limit'", "query[:10]")),
    "where": (lambda a, s: query.where(User.age > 5), ("'where'", "filter(")),
    "misspelt query": (lambda a, s: query.fillter(User.age > 5), ("did you mean 'filter'?",)),
    "position": (lambda a, s: query[0], ("position 0", "q[0:].first()")),
    "position of text": (lambda a, s: query["a"], ("position 'a'", "q[:10]")),
    "slice of texts": (lambda a, s: query["a":"b"], ("whole numbers", "'a'")),
    "stats of text": (lambda a, s: query.stats("age"), ("User.age", "'age'")),
    # -- sessions
    "add a list": (lambda a, s: s.add([a]), ("documents", "session.add(*documents)")),
    "add all": (lambda a, s: s.add_all([a]), ("'add_all'", "session.add(*documents)")),
    "add a class": (lambda a, s: s.add(User), ("documents", "User")),
    "misspelt session": (lambda a, s: s.comit(), ("did you mean 'commit'?",)),
    "session option": (lambda a, s: anything and Session(s.engine, autoflush=True), ("autoflush=",)),
    "session of a URL": (lambda a, s: Session("memory:"), ("connect(url)", "'memory:'")),  # type: ignore[arg-type]
    "commit option": (lambda a, s: s.commit(on_conflict="mine"), ("on_conflict=", "save(on_conflict=...)")),
    "bulk of one": (lambda a, s: s.bulk(a), ("one after another", "User(")),
    "bulk of none": (lambda a, s: s.bulk(None), ("one after another", "None")),
    "bulk option": (lambda a, s: s.bulk([a], on_conflict="mine"), ("on_conflict=", "chunk=")),
    "resolution": (lambda a, s: a.save(on_conflict="theris"), ("'theris'", "did you mean 'theirs'?")),
    "save option": (lambda a, s: a.save(forec=True), ("did you mean 'force'?",)),
    "delete option": (lambda a, s: a.delete(prge=True), ("did you mean 'purge'?",)),
    "patch of fields": (lambda a, s: a.patch(age=5), ("age=", "User.age.set(36)")),
    "patch of a dict": (lambda a, s: a.patch({"age": 5}), ("User.age.inc()", "{'age': 5}")),
    "patch of text": (lambda a, s: a.patch(anything.age.set("x")), ("value.age: 'x' is not int",)),
    "inc of text": (lambda a, s: anything.name.inc(), ("value.name", "str")),
    "another key": (lambda a, s: (changed(a, key="b"), s.commit()), ("keeps its key", "'b'")),
    "changed type": (lambda a, s: (changed(a, age="5"), s.commit()), ("age: expected an integer", "'5'")),
    # -- relations and events
    "kind": (lambda a, s: a.relations.lkes, ("'lkes'", "did you mean 'likes'?")),
    "kind of a number": (lambda a, s: a.relations[5], ("a string, not 5",)),
    "assigned": (
        lambda a, s: changed(a.relations, likes=[a]),
        ("'likes' is not assigned", "friends.add(bob)"),
    ),
    "to a text": (lambda a, s: a.relations.likes.add("film"), ("a document, not to 'film'",)),
    "to another class": (lambda a, s: a.relations.likes.add(a), ("to Film, not to User",)),
    "type": (lambda a, s: a.events.logn, ("'logn'", "did you mean 'login'?")),
    "type of a number": (lambda a, s: a.events[5], ("a string, not 5",)),
    "time": (lambda a, s: a.events.login.add(ip="x", at="noon"), ("a datetime", "'noon'")),
    # -- engines
    "URL": (lambda a, s: orcodm.connect("app.db"), ("'app.db'", "sqlite:///app.db")),
    "option": (lambda a, s: orcodm.connect("memory:", serch_seconds=1), ("did you mean 'search_seconds'?",)),
    "HTTP option": (lambda a, s: orcodm.connect("http://h", timeot=1), ("did you mean 'timeout'?",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_with_its_remedy_before_anything_is_written(
    orcodm_engine: Watched, mistake: str
) -> None:
    call, parts = MISTAKES[mistake]
    User(key="a", name="Ada").save()
    before = orcodm_engine.execute(Search(query="*"))
    session = Session()
    with pytest.raises(OrcodmError) as raised, session:
        call(User.get("a"), session)
    for part in parts:
        assert part in str(raised.value)
    after = orcodm_engine.execute(Search(query="*"))
    assert [(one.collection, one.value) for one in after.results] == [
        (one.collection, one.value) for one in before.results
    ]
    assert after.results[0].value["name"] == "Ada"


def test_every_problem_of_arguments_is_told_at_once_and_as_a_type_error() -> None:
    with pytest.raises(TypeError) as raised:
        anything(nmae="x", aeg=5, key="a")
    error: Any = raised.value
    assert isinstance(error, InvalidDocument)
    assert [problem.path for problem in error.problems] == ["nmae", "aeg", "name"]
    assert error.key == "a"


def test_a_type_error_from_within_is_its_own() -> None:
    def convert(value: Any) -> Any:
        raise TypeError("not today")

    class Converted(Embedded):
        n: Field[int] = field(convert=convert)

    with pytest.raises(TypeError, match="not today") as raised:
        Converted(n=5)
    assert not isinstance(raised.value, OrcodmError)


def test_constructors_of_their_own_are_told_as_well() -> None:
    class Own(Embedded):
        city: Field[str]

        def __init__(self, town: str, **more: Any) -> None:
            super().__init__(city=town, **more)

    assert Own("Oslo").city == "Oslo"
    with pytest.raises(InvalidDocument, match="cty: Own has no such field \\(did you mean 'city'"):
        Own("Oslo", cty="x")


def test_none_asks_for_an_object_that_is_not_there(orcodm_engine: Watched) -> None:
    User(key="a", name="Ada").save()
    User(key="b", name="Bob", home=Address(city="Oslo")).save()
    path: Any = User.home
    assert [user.key for user in User.query.filter(path == None)] == ["a"]  # noqa: E711
    assert [user.key for user in User.query.filter(path != None)] == ["b"]  # noqa: E711


def test_without_an_engine_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from orcodm.session import context

    monkeypatch.setattr(context, "_default", None)
    user = User(key="a", name="Ada")
    calls: list[Callable[[], object]] = [
        user.save, user.delete, user.refresh, lambda: User.get("a"), User.query.all, Session,
        user.history.all, user.relations.likes.all, lambda: user.events.login.add(ip="x"),
        lambda: user.patch(User.age.set(5)),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(orcodm.NoEngine, match=r"connect\(url\)"):
            call()


def test_what_is_stored_wrongly_is_said_with_its_path_and_value(orcodm_engine: Watched) -> None:
    value = {"name": 5, "age": "x", "joined": "noon", "home": {"city": 1}, "tags": ["a", 2], "color": "rde"}
    orcodm_engine.execute(Put(collection="mistaken_users", key="a", value=value))
    for read in (lambda: User.get("a"), User.query.all, User.query.first, lambda: User.from_value(value)):
        with pytest.raises(InvalidDocument) as raised:
            read()
        told = {problem.path: problem.value for problem in raised.value.problems}
        assert told == {
            "name": 5, "age": "x", "joined": "noon", "home.city": 1, "tags[1]": 2, "color": "rde"
        }  # fmt: skip
        assert "got 'noon'" in str(raised.value)
    assert orcodm_engine.execute(Get(collection="mistaken_users", key="a")).value == value


def test_good_calls_are_as_they_were(orcodm_engine: Watched) -> None:
    user = User(name="Ada", age=36, joined=datetime(2020, 1, 1, tzinfo=UTC), home=Address(city="Oslo"))
    user.save()
    assert User.get(user.key or "") == user
    assert User.query.filter((User.age >= 30) & (User.home.city == "Oslo")).order_by(-User.age).all() == [
        user
    ]
    user.patch(User.age.inc(), User.score.inc(0.5))
    assert (user.age, user.score) == (37, 0.5)
