"""Documents: get, save, delete, patch, refresh; subclasses that share a collection; older shapes."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from orcodm import (
    AlreadyExists,
    Conflict,
    Document,
    Field,
    InvalidDocument,
    InvalidKey,
    InvalidModel,
    NotFound,
    PatchConflict,
    Session,
    Timestamp,
    UsageError,
    field,
)
from orcodm.operations import Get, Put
from orcodm.testing import Race, Watched

from ..people import Address, Film, User, ada


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    return orcodm_engine


def stored(engine: Watched, key: str = "ada", collection: str = "users") -> Any:
    return engine.engine.execute(Get(collection=collection, key=key)).value


def store(engine: Watched, value: Any, key: str = "a", collection: str = "users") -> None:
    engine.engine.execute(Put(collection=collection, key=key, value=value))


# -- reading and writing ---------------------------------------------------------------------------


def test_the_first_program() -> None:
    user = ada()
    assert user.ref is not None
    assert len(user.ref) == 16
    assert set(user.ref) <= set("0123456789abcdef")
    before = user.ref
    user.age = 37
    user.save()
    assert user.ref != before
    assert User.get("ada").age == 37
    with pytest.raises(AlreadyExists):
        User(key="ada", name="Eve").save()
    with pytest.raises(NotFound, match="users/nobody"):
        User.get("nobody")
    assert User.get("nobody", default=None) is None
    assert User.get("nobody", default=user) is user


def test_the_engine_gives_the_key() -> None:
    user = User(name="no key")
    user.save()
    assert user.key is not None
    assert len(user.key) == 16
    assert User.get(user.key).name == "no key"


def test_a_document_says_when_its_version_was_written() -> None:
    assert User(name="x").reftime is None
    user = ada()
    assert isinstance(user.reftime, Timestamp)
    assert user.reftime == User.get("ada").reftime
    user.age = 37
    user.save()
    assert user.reftime == User.get("ada").reftime
    for unknown in ("ref", "key"):
        with pytest.raises(UsageError, match=r"not stored yet|no key yet"):
            getattr(User(name="x"), unknown)
    assert (user.stored, User(key="a", name="x").stored) == (True, False)


def test_delete_leaves_the_history_and_purge_does_not() -> None:
    user = ada()
    user.delete()
    assert not user.stored
    with pytest.raises(UsageError, match="was deleted, so it has no ref"):
        _ = user.ref
    assert User.get("ada", default=None) is None
    assert [version.deleted for version in user.history] == [True, False]
    user.delete(purge=True)
    with pytest.raises(NotFound):
        user.history.all()


def test_deleting_what_is_unknown() -> None:
    ada()
    with pytest.raises(UsageError, match="there is no version to delete"):
        User(key="ada", name="x").delete()
    User(key="ada", name="x").delete(force=True)
    assert User.get("ada", default=None) is None


def test_refresh_reads_the_current_version() -> None:
    user = ada()
    other = User.get("ada")
    other.age = 40
    other.save()
    user.name = "changed"
    user.refresh()
    assert (user.name, user.age, user.ref) == ("Ada Lovelace", 40, other.ref)
    other.delete()
    with pytest.raises(NotFound):
        user.refresh()
    with pytest.raises(UsageError, match="has no key yet"):
        User(name="x").refresh()


def test_patch_changes_parts_and_leaves_the_document_current(engine: Watched) -> None:
    user = ada()
    engine.clear()
    user.patch(
        User.age.inc(), User.name.set("Ada L."), User.tags.append("x"), User.address.city.set("Ockham"),
        User.bio.unset(),
    )  # fmt: skip
    assert [type(one).__name__ for one in engine.operations] == ["Patch"]
    assert (user.age, user.name, user.tags) == (37, "Ada L.", ["maths", "engines", "x"])
    assert user.address == Address(city="Ockham")
    assert "bio" not in stored(engine)
    engine.clear()
    user.save()
    assert engine.operations == []
    user.age = 40
    user.save()
    assert User.get("ada").age == 40


def test_a_patch_of_nothing_sends_nothing(engine: Watched) -> None:
    user = ada()
    engine.clear()
    user.patch()
    assert engine.operations == []


def test_a_patch_that_does_not_fit_is_not_sent(engine: Watched) -> None:
    user = ada()
    ref = user.ref
    engine.clear()
    with pytest.raises(PatchConflict):
        user.patch(User.name.set("x"), User.score.unset(), User.score.inc())
    with pytest.raises(InvalidDocument, match="name: required, but missing"):
        user.patch(User.name.unset())
    wrong: Any = "User.age + 1"
    with pytest.raises(UsageError, match=r"patch takes updates such as User\.age\.inc\(\)"):
        user.patch(wrong)
    assert engine.operations == []
    assert (user.name, user.ref) == ("Ada Lovelace", ref)


def test_force_overwrites_whatever_is_there() -> None:
    user = ada()
    theirs = User.get("ada")
    theirs.age = 1
    theirs.save()
    user.save(force=True)
    assert User.get("ada").age == 36
    User(key="ada", name="new").save(force=True)
    assert User.get("ada").name == "new"


def test_what_came_by_search_or_relation_is_guarded_as_well(race: Race) -> None:
    user = ada()
    user.relations.friends.add(user)
    ways: list[Callable[[], Any]] = [
        User.query.first,
        lambda: next(iter(user.relations.friends)),
        lambda: user.history.at(str(user.ref)).document,
    ]
    for way in ways:
        found = way()
        race(found, lambda theirs: theirs.tags.append("x"))
        found.age = 99
        with pytest.raises(Conflict):
            found.save()
        user.refresh()


@pytest.mark.parametrize("key", ["", "x" * 1025, "\ud800"])
def test_a_key_that_is_none(engine: Watched, key: str) -> None:
    with pytest.raises(InvalidKey):
        User(key=key, name="x").save()
    with pytest.raises(InvalidKey):
        User.get(key)
    with pytest.raises(InvalidKey), Session(engine) as session:
        session.add(User(key=key, name="x"))
    assert engine.operations == []


@pytest.mark.parametrize("key", ["a/b", "..", "%2F", "ключ", "🦉", " ", "x" * 1024])
def test_any_other_key_works(key: str) -> None:
    User(key=key, name="x").save()
    assert User.get(key).key == key


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "\ud800"])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(engine: Watched, value: Any) -> None:
    user: Any = User(key="a", name="x")
    if isinstance(value, str):
        user.name = value
    else:
        user.score = value
    with pytest.raises(InvalidDocument, match="User 'a' does not fit its model"):
        user.save()
    assert engine.operations == []


def test_no_attribute_does_any_io(engine: Watched) -> None:
    user = ada()
    engine.clear()
    for name in dir(user):
        getattr(user, name)
    repr(user)
    str(User.query.filter(User.age > 1))
    assert engine.operations == []


def test_the_awaitable_document() -> None:
    async def main() -> None:
        user = User(key="eve", name="Eve", age=1)
        await user.asave()
        await user.apatch(User.age.inc())
        user.name = "dropped"
        await user.arefresh()
        assert (user.name, user.age) == ("Eve", 2)
        assert (await User.aget("eve")).ref == user.ref
        await user.adelete()
        assert await User.aget("eve", default=None) is None

    asyncio.run(main())


def test_documents_can_be_copied_and_sent_to_other_processes(engine: Watched) -> None:
    with Session(engine) as session:
        user = ada()
        for again in (copy.deepcopy(user), pickle.loads(pickle.dumps(user))):
            assert (again.name, again.ref, again.address) == (user.name, user.ref, user.address)
            assert again not in session


# -- subclasses that share a collection ------------------------------------------------------------


class Animal(Document, collection="animals"):
    name: Field[str]


class Dog(Animal):
    tricks: Field[list[str]] = field(factory=list)


class Puppy(Dog, tag="pup"):
    weeks: Field[int]


class Cat(Animal):
    lives: Field[int] = field(default=9)


@pytest.fixture
def animals() -> None:
    for animal in (Animal(key="a", name="any"), Dog(key="d", name="Rex"), Puppy(key="p", name="Bit", weeks=3),
                   Cat(key="c", name="Tom")):  # fmt: skip
        animal.save()


@pytest.mark.usefixtures("animals")
def test_each_is_loaded_as_what_it_is(engine: Watched) -> None:
    assert [type(Animal.get(key)) for key in "adpc"] == [Animal, Dog, Puppy, Cat]
    assert [type(animal) for animal in Animal.query] == [Animal, Cat, Dog, Puppy]
    assert stored(engine, "p", "animals") == {"_type": "pup", "name": "Bit", "tricks": [], "weeks": 3}
    assert stored(engine, "a", "animals") == {"name": "any"}
    assert type(Dog.get("p")) is Puppy


@pytest.mark.usefixtures("animals")
def test_a_query_of_a_subclass_finds_only_it() -> None:
    assert [dog.key for dog in Dog.query] == ["d", "p"]
    assert [cat.key for cat in Cat.query.filter(Cat.lives > 3)] == ["c"]
    assert Puppy.query.count() == 1
    assert str(Dog.query) == "value._type:`Dog` OR value._type:`pup`"
    assert not Dog.query.filter(Dog.name == "Tom").exists()


@pytest.mark.usefixtures("animals")
@pytest.mark.parametrize(("model", "key"), [(Cat, "d"), (Dog, "a"), (Puppy, "d")])
def test_getting_another_subclass_is_an_error(engine: Watched, model: type[Animal], key: str) -> None:
    with pytest.raises(InvalidDocument, match=f"{model.__name__} '{key}' does not fit its model") as caught:
        model.get(key)
    assert caught.value.problems[0].reason.startswith("this is a")
    with Session(engine) as session:
        session.get(Animal, key)
        with pytest.raises(InvalidDocument):
            session.get(model, key)


@pytest.mark.usefixtures("animals")
def test_changes_keep_the_class(engine: Watched) -> None:
    dog = Animal.get("d")
    dog.name = "Max"
    dog.save()
    assert stored(engine, "d", "animals") == {"_type": "Dog", "name": "Max", "tricks": []}


def test_a_class_that_is_not_known_here_stays(engine: Watched) -> None:
    store(engine, {"_type": "Bird", "name": "Tweety", "wings": 2}, "b", "animals")
    bird = Animal.get("b")
    assert (type(bird), bird.other_members) == (Animal, {"_type": "Bird", "wings": 2})
    bird.name = "Sylvester"
    bird.save()
    assert stored(engine, "b", "animals")["_type"] == "Bird"


def test_another_discriminator() -> None:
    class Shape(Document, collection="shapes", discriminator="kind", tag="shape"):
        size: Field[int]

    class Circle(Shape, tag="circle"):
        pass

    assert Shape(size=1).to_value() == {"kind": "shape", "size": 1}
    assert type(Shape.from_value({"kind": "circle", "size": 1})) is Circle
    assert type(Shape.from_value({"size": 1})) is Shape
    assert not Shape.from_value({"size": 1}).stored


def test_a_field_cannot_have_the_name_of_the_discriminator() -> None:
    class Vehicle(Document, collection="vehicles", discriminator="kind"):
        kind: Field[str]

    with pytest.raises(
        InvalidModel, match=r"Car\.kind: 'kind' is what tells the classes of the collection apart"
    ):

        class Car(Vehicle):
            pass


# -- documents of an older shape -------------------------------------------------------------------


class Person(Document, collection="persons"):
    first: Field[str]
    last: Field[str]
    homes: Field[list[str]] = field(factory=list)

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "name" in value:
            value["first"], _, value["last"] = value.pop("name").partition(" ")
            value["homes"] = [home["city"] for home in value.get("homes", ())]
        return value


OLD = {"name": "Ada Lovelace", "homes": [{"city": "London"}], "?": 1}
TODAY = {"first": "Ada", "last": "Lovelace", "homes": ["London"], "?": 1}


def test_an_older_shape_is_upgraded_when_read_and_written_whole_when_changed(engine: Watched) -> None:
    store(engine, OLD, "a", "persons")
    with Session(engine) as session:
        person = session.get(Person, "a")
        assert (person.first, person.homes) == ("Ada", ["London"])
        assert session.dirty == ()
    assert stored(engine, "a", "persons") == OLD
    person.last = "King"
    person.save()
    assert stored(engine, "a", "persons") == {**TODAY, "last": "King"}
    assert next(iter(Person.query)).last == "King"


def test_a_patch_of_an_older_shape_works_on_what_is_stored(engine: Watched) -> None:
    store(engine, OLD, "a", "persons")
    person = Person.get("a")
    person.homes.append("Ockham")
    person.save()
    person.patch(Person.last.set("King"))
    assert (person.last, person.homes) == ("King", ["London", "Ockham"])


def test_history_is_upgraded_as_well(engine: Watched) -> None:
    store(engine, OLD, "a", "persons")
    person = Person.get("a")
    person.last = "King"
    person.save()
    newest, oldest = person.history
    assert (newest.last, oldest.last) == ("King", "Lovelace")
    assert oldest.value == OLD
    person.history.restore(oldest)
    assert person.last == "Lovelace"
    assert stored(engine, "a", "persons") == OLD


def test_a_document_that_does_not_fit_names_itself(engine: Watched) -> None:
    store(engine, {"title": 5}, "a", "films")
    for read in (lambda: Film.get("a"), lambda: list(Film.query), lambda: Film.query.one()):
        with pytest.raises(InvalidDocument, match="Film 'a' does not fit its model") as caught:
            read()
        assert (caught.value.model, caught.value.key) == ("Film", "a")
