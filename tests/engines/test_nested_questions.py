"""What nested objects can be asked for and patched with, on every engine."""

from __future__ import annotations

import enum
from typing import Any, Literal, TypedDict

import pytest

from orcodm import Document, Embedded, Field, InvalidFilter, Nested, field


class Cat(Embedded):
    kind: Field[Literal["cat"]] = field(default="cat")
    name: Field[str]


class Dog(Embedded):
    kind: Field[Literal["dog"]] = field(default="dog")
    name: Field[str]
    barks: Field[int] = field(default=0)


class Puppy(Dog):
    weeks: Field[int]


class Size(TypedDict):
    width: int


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Owner(Document, collection="owners"):
    pet: Nested[Cat | Dog | None] = field(default=None)
    pets: Nested[list[Cat | Dog]] = field(factory=list)
    kennels: Field[dict[str, Dog]] = field(factory=dict)
    size: Field[Size | None] = field(default=None)
    log: Field[list[dict[str, Any]]] = field(factory=list)
    level: Field[Level] = field(default=Level.LOW)


pet: Any = Owner.pet
pets: Any = Owner.pets
kennels: Any = Owner.kennels


@pytest.fixture(autouse=True)
def owners(watched: Any) -> None:
    Owner(key="a", pet=Cat(name="Tom"), level=Level.HIGH).save()
    Owner(key="b", pet=Dog(name="Rex", barks=3), pets=[Cat(name="Tim"), Dog(name="Max", barks=5)]).save()
    Owner(
        key="c",
        kennels={"hall": Dog(name="Pip", barks=1)},
        size={"width": 5},
        log=[{"who": "ada"}],
        pet=Puppy(name="Pup", weeks=7),
    ).save()


@pytest.mark.parametrize(
    ("criterion", "keys"),
    [
        (lambda: pet.kind == "dog", "bc"),
        (lambda: pet.name == "Tom", "a"),
        (lambda: pet.barks >= 3, "b"),
        (lambda: pet.weeks == 7, "c"),
        (lambda: pets.barks == 5, "b"),
        (lambda: kennels["hall"]["barks"] == 1, "c"),
        (lambda: Owner.size["width"] == 5, "c"),  # type: ignore[misc]
        (lambda: Owner.log["who"] == "ada", "c"),  # type: ignore[misc]
        (lambda: Owner.level >= 2, "a"),  # type: ignore[operator]
        (lambda: Owner.level == 1, "bc"),
    ],
)
def test_what_is_inside_can_be_asked_for(criterion: Any, keys: str) -> None:
    assert [owner.key for owner in Owner.query.filter(criterion())] == list(keys)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: kennels["hall"]["wings"], "Dog has no member 'wings'"),
        (lambda: Owner.size["height"], "Size has no member 'height'"),  # type: ignore[misc]
        (lambda: Owner.level == 9, "expected a member of Level: Level.LOW"),
        (lambda: Owner.level == [1], "expected a member of Level"),
    ],
)
def test_what_cannot_be_there_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        wrong()


def test_nested_objects_are_patched() -> None:
    owner = Owner.get("a")
    owner.patch(pets.append(Dog(name="New", barks=2)), pet.set(Cat(name="Kit")))
    stored = Owner.get("a")
    assert (stored.pets, stored.pet) == ([Dog(name="New", barks=2)], Cat(name="Kit"))
    stored.patch(pet.unset())
    assert Owner.get("a").pet is None
    with pytest.raises(InvalidFilter, match="is no list"):
        pet.append(Cat(name="x"))
