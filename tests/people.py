"""The documents that the tests of the mapper share."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from orcodm import Document, Embedded, Event, Events, Field, Nested, Related, Relations, Series, field


class Place(Embedded):
    lat: Field[float]
    lon: Field[float]


class Address(Embedded):
    city: Field[str]
    country: Field[str | None] = field(default=None)


class Film(Document, collection="films"):
    title: Field[str]


class Login(Event):
    ip: Field[str]
    at_home: Field[bool] = field(default=False)


class UserEvents(Events):
    login: Series[Login]


class UserRelations(Relations):
    friends: Related[User]
    liked: Related[Film]


class User(Document, collection="users"):
    name: Field[str]
    age: Field[int | None] = field(default=None)
    score: Field[float] = field(default=0.0)
    tags: Field[list[str]] = field(factory=list)
    address: Nested[Address | None] = field(default=None)
    homes: Nested[list[Address]] = field(factory=list)
    place: Nested[Place | None] = field(default=None)
    joined: Field[datetime | None] = field(default=None)
    bio: Field[str | None] = field(default=None)
    relations: ClassVar[UserRelations]
    events: ClassVar[UserEvents]


def ada() -> User:
    """A stored user, on the default engine."""
    user = User(
        key="ada",
        name="Ada Lovelace",
        age=36,
        tags=["maths", "engines"],
        address=Address(city="London"),
    )
    user.save()
    return user
