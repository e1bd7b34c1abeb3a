"""Events: typed and undeclared, in ranges, guarded, and pending within a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orcodm import (
    Conflict,
    Document,
    Event,
    Field,
    InvalidDocument,
    InvalidValue,
    NotFound,
    Session,
    Timestamp,
    UsageError,
)
from orcodm.operations import IfMatch, ListEvents, PostEvent, PutEvent
from orcodm.testing import Watched

from ..people import Film, Login, User, ada

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


def at(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    return orcodm_engine


@pytest.fixture
def user() -> User:
    return ada()


@pytest.fixture
def logins(user: User) -> list[Login]:
    """Five logins, an hour apart, the newest first."""
    return [user.events.login.add(ip=str(hour), at=at(hour)) for hour in range(5)][::-1]


def test_an_event_has_a_time_and_an_ordinal(user: User) -> None:
    event = user.events.login.add(ip="10.0.0.1", at=NOON)
    assert (event.ip, event.at_home, event.timestamp) == ("10.0.0.1", False, NOON)
    assert isinstance(event.ordinal, int)
    assert isinstance(event.timestamp, Timestamp)
    assert event.ref is not None
    again = user.events.login.get(NOON, event.ordinal)
    assert (again.ip, again.ref) == (event.ip, event.ref)
    assert again.reftime is not None


@pytest.mark.parametrize("moment", [NOON, milliseconds := int(NOON.timestamp() * 1000), NOON.astimezone()])
def test_times_are_datetimes_or_milliseconds(user: User, moment: Any) -> None:
    assert user.events.login.add(Login(ip="::1"), at=moment).timestamp == milliseconds


def test_without_a_time_it_is_now(user: User) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= user.events.login.add(ip="x").timestamp <= datetime.now(UTC)


RANGES: list[tuple[Any, Any, list[str]]] = [
    (None, None, ["4", "3", "2", "1", "0"]),
    (at(1), at(3), ["2", "1"]),
    (at(3), None, ["4", "3"]),
    (None, at(1), ["0"]),
    (at(1), at(1), []),
    (milliseconds + 3_600_000, at(2), ["1"]),
]


@pytest.mark.usefixtures("logins")
@pytest.mark.parametrize(("start", "end", "ips"), RANGES)
def test_ranges_include_their_start_and_exclude_their_end(
    user: User, start: Any, end: Any, ips: list[str]
) -> None:
    assert [event.ip for event in user.events.login.between(start, end)] == ips
    assert [event.ip for event in user.events.login.between(start, end).all()] == ips


def test_the_newest_first(user: User, logins: list[Login]) -> None:
    assert [event.ref for event in user.events.login] == [event.ref for event in logins]
    assert user.events.login.all()[0].ip == "4"
    latest = user.events.login.latest()
    assert latest is not None
    assert latest.ip == "4"
    assert user.events["logout"].latest() is None


def test_a_loop_pages_lazily(user: User, engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.model.events.PAGE_SIZE", 2)
    for hour in range(5):
        user.events.login.add(ip=str(hour), at=at(hour))
    engine.clear()
    events = iter(user.events.login)
    assert engine.operations == []
    assert [next(events).ip, next(events).ip] == ["4", "3"]
    assert [type(one) for one in engine.operations] == [ListEvents]
    assert [event.ip for event in events] == ["2", "1", "0"]


def test_updates_and_deletions_are_guarded(user: User) -> None:
    event = user.events.login.add(ip="a", at=NOON)
    stale = [user.events.login.get(NOON, event.ordinal) for _ in range(2)]
    event.ip = "b"
    event.save()
    stale[0].ip = "c"
    with pytest.raises(Conflict) as caught:
        stale[0].save()
    assert (caught.value.mine["ip"], caught.value.base["ip"], caught.value.theirs["ip"]) == ("c", "a", "b")
    with pytest.raises(Conflict):
        stale[1].delete()
    stale[0].refresh()
    assert stale[0].ip == "b"
    stale[0].delete()
    assert user.events.login.all() == []
    event.ip = "again"
    with pytest.raises((Conflict, NotFound)):
        event.save()
    stale[0].delete()


def test_unchanged_events_are_not_sent(user: User, engine: Watched) -> None:
    user.events.login.add(ip="a")
    event = user.events.login.latest()
    assert event is not None
    engine.clear()
    event.save()
    assert engine.operations == []
    event.at_home = True
    event.save()
    (put,) = engine.operations
    assert isinstance(put, PutEvent)
    assert isinstance(put.condition, IfMatch)


def test_an_event_merges(user: User) -> None:
    event = user.events.login.add(ip="a", at=NOON)
    theirs = user.events.login.get(NOON, event.ordinal)
    theirs.at_home = True
    theirs.save()
    event.ip = "b"
    event.save(on_conflict="merge")
    assert (event.ip, event.at_home) == ("b", True)


def test_unknown_members_survive(user: User, engine: Watched) -> None:
    engine.execute(PostEvent(collection="users", key="ada", type="login", value={"ip": "a", "?": [1]}))
    event = user.events.login.latest()
    assert event is not None
    assert event.other_members == {"?": [1]}
    event.ip = "b"
    event.save()
    again = user.events["login"].latest()
    assert again is not None
    assert again.other_members == {"?": [1]}


# -- undeclared types ------------------------------------------------------------------------------


def test_any_type_works_by_its_name(user: User) -> None:
    event: Any = user.events["page view"].add(path="/", seconds=3, at=NOON)
    assert (event.path, event.seconds, event.timestamp) == ("/", 3, NOON)
    event.seconds = 4
    event.save()
    (again,) = user.events["page view"]
    assert (again.path, again.seconds) == ("/", 4)
    with pytest.raises(AttributeError, match="this event of type 'page view' has no member 'nothing'"):
        _ = again.nothing


def test_a_class_that_declares_none_takes_any_as_attribute() -> None:
    film = Film(key="x", title="X")
    film.save()
    film.events.shown.add(place="here")
    assert film.events.shown.latest().place == "here"


def test_a_class_that_declares_some_knows_no_others(user: User) -> None:
    events: Any = user.events
    with pytest.raises(AttributeError, match="UserEvents declares no events of type 'logn'"):
        _ = events.logn


# -- within a session ------------------------------------------------------------------------------


def test_events_wait_for_the_commit_and_are_seen_before(user: User, engine: Watched) -> None:
    user.events.login.add(ip="stored", at=at(2))
    with Session(engine) as session:
        user = session.get(User, "ada")
        newer = user.events.login.add(ip="newer", at=at(3))
        user.events.login.add(ip="older", at=at(1))
        now = user.events.login.add(ip="now")
        assert [event.ip for event in user.events.login] == ["now", "newer", "stored", "older"]
        assert [event.ip for event in user.events.login.between(at(1), at(3))] == ["stored", "older"]
        assert user.events.login.latest() is now
        assert newer in session.new
        assert newer.timestamp == at(3)
        with pytest.raises(UsageError, match="has no ordinal"):
            _ = newer.ordinal
        with pytest.raises(UsageError, match="was added without a time"):
            _ = now.timestamp
    assert isinstance(newer.ordinal, int)
    assert now.timestamp > at(3)
    assert [event.ip for event in User.get("ada").events.login] == ["now", "newer", "stored", "older"]


def test_a_changed_event_is_written_by_the_commit(user: User, engine: Watched) -> None:
    user.events.login.add(ip="a")
    with Session(engine) as session:
        event = session.get(User, "ada").events.login.latest()
        assert event is not None
        event.ip = "b"
        assert session.dirty == (event,)
        assert session.get(User, "ada").events.login.latest() is event
    assert [one.ip for one in user.events.login] == ["b"]
    with Session(engine) as session:
        session.delete(session.get(User, "ada").events.login.all()[0])
    assert user.events.login.all() == []


def test_a_document_that_waits_gets_its_key_with_its_first_event(engine: Watched) -> None:
    with Session(engine) as session:
        user = User(name="x")
        session.add(user)
        user.events.login.add(ip="a")
    assert user.key is not None
    assert User.get(user.key).events.login.all()[0].ip == "a"


# -- mistakes --------------------------------------------------------------------------------------


MISTAKES: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda user: user.events.login.add(3), UsageError, "a series of Login takes no int"),
    (lambda user: user.events.login.add(Login(ip="a"), ip="b"), UsageError, "not both"),
    (lambda user: user.events.login.add(ip=3), InvalidDocument, "ip: expected a string"),
    (lambda user: user.events.login.add(ipp="a", ip="b"), TypeError, "ipp"),
    (lambda user: user.events.login.add(ip="a", at="noon"), InvalidValue, "at is a datetime or milliseconds"),
    (lambda user: user.events.login.between("noon"), InvalidValue, "start is a datetime"),
    (lambda user: user.events.login.get(NOON, 5), NotFound, "could not be found"),
    (lambda user: Login(ip="a").save(), UsageError, "belongs to no series: add it first"),
    (lambda user: User(name="x").events.login.add(ip="a"), UsageError, "has no key yet: save it before"),
    (lambda user: list(User(name="x").events.login), UsageError, "has no key"),
    (lambda user: user.events[""].add(a=1), Exception, "must not be empty"),
    (lambda user: user.events["x"].add(a=float("nan")), InvalidDocument, "JSON has no nan"),
]


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES)
def test_mistakes(user: User, engine: Watched, mistake: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mistake(user)
    assert not any(isinstance(one, PostEvent) for one in engine.operations)


def test_an_event_is_in_one_series(user: User) -> None:
    event = user.events.login.add(ip="a")
    with pytest.raises(UsageError, match="in a series already"):
        user.events.login.add(event)


def test_a_default_instead_of_an_error(user: User) -> None:
    assert user.events.login.get(NOON, 5, default=None) is None


def test_a_field_called_key_is_part_of_an_event() -> None:
    class Press(Event):
        key: Field[str]

    class Board(Document, collection="boards"):
        pass

    assert Press(key="a").to_value() == {"key": "a"}


def test_the_awaitable_events(user: User) -> None:
    async def main() -> None:
        event = await user.events.login.aadd(ip="a", at=NOON)
        await user.events.login.aadd(Login(ip="b"), at=at(1))
        assert [one.ip async for one in user.events.login] == ["b", "a"]
        assert [one.ip for one in await user.events.login.aall()] == ["b", "a"]
        assert [one.ip async for one in user.events.login.between(NOON, at(1))] == ["a"]
        assert [one.ip for one in await user.events.login.between(NOON, at(1)).aall()] == ["a"]
        latest = await user.events.login.alatest()
        assert latest is not None
        assert latest.ip == "b"
        assert (await user.events.login.aget(NOON, event.ordinal)).ip == "a"
        event.ip = "c"
        await event.asave()
        event.ip = "d"
        await event.arefresh()
        assert event.ip == "c"
        await event.adelete()
        await latest.adelete()
        assert await user.events.login.alatest() is None

    asyncio.run(main())


def test_reprs_say_where(user: User) -> None:
    assert repr(user.events) == "<UserEvents of User 'ada'>"
    assert repr(user.events.login) == "<Series login of User 'ada'>"
    assert repr(Login(ip="a")) == "Login(ip='a', at_home=False)"
