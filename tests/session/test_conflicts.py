"""Ways out of a conflict: merge, mine, theirs, a function, or by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orcodm import (
    AlreadyExists,
    Conflict,
    Document,
    Field,
    Nested,
    NotFound,
    Session,
    UsageError,
    connect,
    field,
)
from orcodm.operations import Put
from orcodm.testing import Race

from ..people import Address, User, ada

pytestmark = pytest.mark.usefixtures("orcodm_engine")

Ways = Any


@pytest.fixture
def user() -> User:
    return ada()


def now() -> User:
    return User.get("ada")


WAYS: list[tuple[Ways, tuple[str, int | None]]] = [
    # on_conflict, and what is stored after mine (age 40) met theirs (age 99, another name)
    ("mine", ("Ada Lovelace", 40)),
    ("theirs", ("theirs", 99)),
    (lambda conflict: "mine", ("Ada Lovelace", 40)),
    (lambda conflict: {**conflict.theirs, "age": conflict.mine["age"]}, ("theirs", 40)),
]


@pytest.mark.parametrize(("way", "stored"), WAYS)
def test_a_save_resolves_its_conflict(user: User, race: Race, way: Ways, stored: tuple[str, int]) -> None:
    race(user, name="theirs", age=99)
    user.age = 40
    user.save(on_conflict=way)
    assert (now().name, now().age) == (user.name, user.age) == stored
    assert user.ref == now().ref


def test_disjoint_changes_merge_at_any_depth(user: User, race: Race) -> None:
    race(user, lambda theirs: setattr(theirs.address, "country", "GB"))
    assert user.address is not None
    user.address.city = "Ockham"
    user.save(on_conflict="merge")
    assert now().address == user.address == Address(city="Ockham", country="GB")


def test_what_both_changed_is_a_conflict_again_and_says_where(user: User, race: Race) -> None:
    race(user, name="theirs", age=99)
    user.name = "mine"
    with pytest.raises(Conflict, match="both sides changed name of User 'ada': choose") as caught:
        user.save(on_conflict="merge")
    assert caught.value.details["paths"] == ["name"]
    assert (caught.value.mine["name"], caught.value.theirs["name"]) == ("mine", "theirs")
    assert caught.value.document is user
    assert user.name == "mine"


def test_a_function_may_decline(user: User, race: Race) -> None:
    seen = []
    race(user, age=99)
    user.age = 40
    with pytest.raises(Conflict) as caught:
        user.save(on_conflict=lambda conflict: seen.append(conflict))
    assert seen == [caught.value]


def test_by_hand_from_mine_base_and_theirs(user: User, race: Race) -> None:
    race(user, age=39)
    user.age = 40
    with pytest.raises(Conflict) as caught:
        user.save()
    conflict = caught.value
    conflict.document.refresh()
    user.age = conflict.base["age"] + (conflict.mine["age"] - 36) + (conflict.theirs["age"] - 36)
    user.save()
    assert now().age == 36 + 4 + 3


def test_merge_of_the_error_writes_nothing(user: User, race: Race) -> None:
    race(user, name="theirs")
    user.age = 40
    with pytest.raises(Conflict) as caught:
        user.save()
    assert caught.value.merge() is user
    assert now().age == 36
    user.save()
    assert (now().name, now().age) == ("theirs", 40)


def test_a_conflict_without_a_session_cannot_merge() -> None:
    with pytest.raises(UsageError, match="has no document to merge"):
        Conflict.of_ref("users", "ada", None, None).merge()


@pytest.mark.parametrize("way", ["merge", "theirs", None])
def test_a_deleted_document_does_not_come_back_by_an_old_object(user: User, way: Ways) -> None:
    now().delete()
    user.age = 40
    with pytest.raises(Conflict) as caught:
        user.save(on_conflict=way)
    assert caught.value.theirs is None
    assert User.get("ada", default=None) is None


def test_a_deleted_document_comes_back_where_that_is_said(user: User) -> None:
    now().delete()
    user.age = 40
    user.save(on_conflict="mine")
    assert now().age == 40


def test_neither_does_the_object_that_was_deleted(user: User) -> None:
    user.delete()
    assert not user.stored
    with pytest.raises(Conflict):
        user.save()
    with pytest.raises(NotFound):
        user.patch(User.age.set(1))
    user.delete()
    user.save(force=True)
    assert now().name == "Ada Lovelace"


def test_one_that_exists_can_be_merged_into(user: User) -> None:
    fresh = User(key="ada", name="Ada Lovelace", age=36, address=user.address, bio="x")
    with pytest.raises(AlreadyExists) as caught:
        fresh.save()
    assert caught.value.base is None
    fresh.save(on_conflict="mine")
    assert now().bio == "x"


def test_an_unknown_way_is_refused_before_anything_is_written(user: User) -> None:
    user.age = 40
    wrong: Any = "theris"
    with pytest.raises(UsageError, match=r"on_conflict is \"merge\".*not 'theris' \(did you mean 'theirs'"):
        user.save(on_conflict=wrong)
    assert User.get(user.key).age != 40


def test_delete_and_patch_are_guarded(user: User) -> None:
    stale = [now(), now()]
    user.patch(User.age.inc())
    with pytest.raises(Conflict):
        stale[0].delete()
    with pytest.raises(Conflict) as caught:
        stale[1].patch(User.age.inc())
    assert caught.value.mine["age"] == 37
    stale[0].delete(force=True)
    with pytest.raises(NotFound):
        now()


def test_an_async_function_is_awaited(user: User, race: Race) -> None:
    async def way(conflict: Conflict) -> str:
        await asyncio.sleep(0)
        return "theirs"

    race(user, age=99)
    user.age = 40
    asyncio.run(user.asave(on_conflict=way))
    assert user.age == 99


# -- documents of an older shape -------------------------------------------------------------------


class Person(Document, collection="people"):
    first: Field[str]
    last: Field[str] = field(default="")
    age: Field[int] = field(default=0)
    address: Nested[Address | None] = field(default=None)

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "name" in value:
            value["first"], _, value["last"] = value.pop("name").partition(" ")
            value.get("address", {}).pop("zip", None)
        return value


@pytest.mark.parametrize(
    "change",
    [
        lambda theirs: {**theirs, "age": 99},
        lambda theirs: {"first": "Ada", "last": "Lovelace", "address": {"city": "London"}, "age": 99},
    ],
)
def test_a_merge_of_an_upgraded_document(change: Callable[[Any], Any]) -> None:
    engine = connect("memory:")
    old = {"name": "Ada Lovelace", "address": {"city": "London", "zip": 1}}
    engine.execute(Put(collection="people", key="ada", value=old))
    session = Session(engine)
    person = session.get(Person, "ada")
    engine.execute(Put(collection="people", key="ada", value=change(old)))
    person.last = "King"
    session.save(person, on_conflict="merge")
    assert (person.first, person.last, person.age) == ("Ada", "King", 99)
    assert session.dirty == ()
    session.refresh(person)
    assert (person.last, person.age) == ("King", 99)
