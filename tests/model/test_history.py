"""History: every version with its time, as it was at a moment, differences, and back again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orcodm import (
    MISSING,
    Change,
    Conflict,
    MalformedRef,
    NotFound,
    Session,
    Timestamp,
    UsageError,
)
from orcodm.operations import Get, ListRefs, Page, Put, Version
from orcodm.testing import Race, Watched

from ..engines.scripted import Scripted
from ..people import User, ada


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    return orcodm_engine


@pytest.fixture
def user() -> User:
    """ada, at 36, then 37, then deleted, then back at 38."""
    user = ada()
    user.age = 37
    user.save()
    user.delete()
    again = User(key="ada", name="Ada King", age=38)
    again.save()
    return again


def test_every_version_newest_first(user: User) -> None:
    versions = list(user.history)
    assert [version.deleted for version in versions] == [False, True, False, False]
    assert [version.value and version.value["age"] for version in versions] == [38, None, 37, 36]
    assert (versions[0].ref, versions[1].ref, versions[0].key) == (user.ref, None, "ada")
    times = [version.reftime for version in versions]
    assert all(isinstance(time, Timestamp) for time in times)
    assert times == sorted(filter(None, times), reverse=True)
    assert versions == user.history.all()
    assert len(set(versions)) == 4


def test_a_version_has_the_document_and_its_fields(user: User) -> None:
    newest, deletion, _, first = user.history
    assert (first.age, first.name, first.document.age) == (36, "Ada Lovelace", 36)
    assert first.document.ref == first.ref
    for use in (lambda: deletion.document, lambda: deletion.age):
        with pytest.raises(UsageError, match="this version of User 'ada' is a deletion"):
            use()
    with pytest.raises(AttributeError):
        _ = newest.nothing
    assert repr(newest).startswith(f"<Version {user.ref} of User 'ada', 2")
    assert repr(deletion).startswith("<Version deleted of User 'ada'")


def test_an_older_version_cannot_be_saved_over_a_newer(user: User) -> None:
    old = user.history.all()[-1].document
    old.age = 1
    with pytest.raises(Conflict):
        old.save()


def test_a_loop_pages_lazily(user: User, engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.model.history.PAGE_SIZE", 2)
    engine.clear()
    versions = iter(user.history)
    assert engine.operations == []
    next(versions)
    assert [type(one) for one in engine.operations] == [ListRefs]
    assert len(list(versions)) == 3


def test_at_a_ref(user: User) -> None:
    first = user.history.all()[-1]
    assert user.history.at(first.ref or "").age == 36
    with pytest.raises(NotFound):
        user.history.at("0123456789abcdef")
    with pytest.raises(MalformedRef):
        user.history.at("nonsense")


def test_as_of_a_moment(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = user.history.all()
    last = versions[0].reftime
    assert last is not None
    assert user.history.as_of(last) == versions[0]
    assert user.history.as_of(last.milliseconds + 1) == versions[0]
    with pytest.raises(NotFound):
        user.history.as_of(0)


def test_as_of_looks_through_a_deletion() -> None:
    def version(time: int, value: Any) -> Version:
        ref = None if value is None else f"{time:016x}"
        return Version(
            collection="users", key="ada", ref=ref, reftime=time, value=value, deleted=value is None
        )

    values = [(40, {"name": "d"}), (30, None), (20, {"name": "b"}), (20, {"name": "a"})]
    page: Page[Version] = Page(results=[version(*one) for one in values])
    for moment, name in ((50, "d"), (40, "d"), (39, None), (30, None), (29, "b"), (20, "b"), (19, None)):
        session = Session(Scripted(page))
        user = User(key="ada", name="x")
        user._session = session
        if name is None:
            with pytest.raises(NotFound):
                user.history.as_of(moment)
        else:
            assert user.history.as_of(moment).name == name


def test_what_changed(user: User) -> None:
    newest, deletion, second, first = user.history.all()
    assert user.history.diff(first, second) == (Change("age", 36, 37),)
    assert user.history.diff(first.ref or "", second.ref or "") == (Change("age", 36, 37),)
    assert user.history.diff(second, second) == ()
    assert {change.path for change in user.history.diff(second, newest)} == {"name", "age", "tags", "address"}
    assert Change("age", 37, MISSING) in user.history.diff(second, deletion)


def test_restore_writes_an_older_value(user: User) -> None:
    first = user.history.all()[-1]
    user.history.restore(first.ref or "")
    assert (user.age, user.name) == (36, "Ada Lovelace")
    stored = User.get("ada")
    assert (stored.age, stored.ref) == (36, user.ref)
    assert len(user.history.all()) == 5
    user.history.restore(first)
    assert len(user.history.all()) == 5


def test_what_is_restored_is_exactly_what_was(engine: Watched) -> None:
    old = {"name": "x", "joined": "2020-01-01T00:00:00Z", "?": [1]}
    engine.execute(Put(collection="users", key="a", value=old))
    user = User.get("a")
    user.age, user.joined = 5, None
    user.save()
    user.history.restore(user.history.all()[-1])
    assert engine.execute(Get(collection="users", key="a")).value == old
    engine.clear()
    user.save()
    assert engine.operations == []


def test_restore_is_guarded(user: User, race: Race) -> None:
    first = user.history.all()[-1]
    race(user, age=99)
    with pytest.raises(Conflict) as caught:
        user.history.restore(first)
    assert caught.value.theirs["age"] == 99
    assert User.get("ada").age == 99


def test_a_deletion_cannot_be_restored(user: User) -> None:
    with pytest.raises(UsageError, match=r"is a deletion: use delete\(\)"):
        user.history.restore(user.history.all()[1])


def test_a_deleted_document_is_brought_back(user: User, race: Race) -> None:
    first = user.history.all()[-1]
    user.delete()
    user.history.restore(first)
    assert User.get("ada").age == user.age == 36
    user.age = 40
    user.save()
    user.delete()
    User(key="ada", name="somebody else").save()
    with pytest.raises(Conflict):
        user.history.restore(first)


def test_history_of_what_was_never_stored() -> None:
    with pytest.raises(NotFound):
        User(key="nobody", name="x").history.all()
    with pytest.raises(UsageError, match="has no key"):
        User(name="x").history.all()


def test_the_awaitable_history(user: User) -> None:
    async def main() -> None:
        newest, _, second, first = await user.history.aall()
        assert [version async for version in user.history] == await user.history.aall()
        assert (await user.history.aat(first.ref or "")).age == 36
        assert newest.reftime is not None
        assert await user.history.aas_of(newest.reftime) == newest
        assert await user.history.adiff(first, second) == (Change("age", 36, 37),)
        await user.history.arestore(first)
        assert user.age == 36

    asyncio.run(main())
