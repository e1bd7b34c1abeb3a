"""What has to be written, found by comparison with the value last read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Document, Field, InvalidDocument, field
from orcodm.operations import Item
from orcodm.session.merge import same
from orcodm.session.tracking import changes, dirty, stand_on, untouched
from orcodm.values import decode, encode

from ..people import Address, User


def stored(key: str = "ada", **value: Any) -> User:
    """A document as if it was read."""
    user = User.from_value({"name": "Ada", **value})
    user.key = key
    stand_on(user._mapped(), "0a", encode({"name": "Ada", **value}))
    return user


def written(user: User) -> Any:
    change = changes(user._mapped())
    return None if change is None else decode(change[1])


def test_a_new_document_is_written_whole() -> None:
    user = User(key="ada", name="Ada")
    assert written(user) == user.to_value()


def change_tags(user: User) -> None:
    user.tags.append("x")


def change_city(user: User) -> None:
    assert user.address is not None
    user.address.city = "Ockham"


def change_home(user: User) -> None:
    user.homes[1].country = None


CHANGES: list[tuple[dict[str, Any], Any, dict[str, Any] | None]] = [
    # the stored members beside the name, a change, and the members that are written
    ({}, lambda user: None, None),
    ({}, lambda user: setattr(user, "age", None), None),
    ({"age": None}, lambda user: setattr(user, "age", 3), {"age": 3}),
    ({"age": 3}, lambda user: setattr(user, "age", None), {"age": None}),
    ({"tags": []}, change_tags, {"tags": ["x"]}),
    ({}, change_tags, {"tags": ["x"]}),
    ({"address": {"city": "London", "zip": 5}}, change_city, {"address": {"city": "Ockham", "zip": 5}}),
    ({"homes": [{"city": "a"}, {"city": "b", "country": "x"}]}, change_home,
     {"homes": [{"city": "a"}, {"city": "b", "country": None}]}),
    ({"score": 0}, lambda user: setattr(user, "score", 0.0), {"score": 0.0}),
    ({"joined": "2020-01-01T00:00:00Z"}, lambda user: setattr(user, "age", 1),
     {"joined": "2020-01-01T00:00:00Z", "age": 1}),
    ({"?": {"deep": [1]}}, lambda user: user.extra["?"]["deep"].append(2), {"?": {"deep": [1, 2]}}),
]  # fmt: skip


@pytest.mark.parametrize(("value", "change", "after"), CHANGES)
def test_changes_at_any_depth_are_found_by_comparison(value: Any, change: Any, after: Any) -> None:
    user = stored(**value)
    change(user)
    assert written(user) == (None if after is None else {"name": "Ada", **after})
    assert dirty(user._mapped()) == (after is not None)


def test_a_change_that_is_taken_back_is_none() -> None:
    user = stored(address={"city": "London"})
    user.address = None
    assert dirty(user._mapped())
    user.address = Address(city="London")
    assert not dirty(user._mapped())


class Plain(Document, collection="plain"):
    """Nothing in it is written otherwise than it is in Python."""

    name: Field[str]
    size: Field[float | None] = field(default=None)
    tags: Field[list[int]] = field(factory=list)


PLAIN = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["", "a", "é"]),
        "size": st.sampled_from([None, 0, 0.0, 1, 1.0, -0.0, 1e30, 10**30]),
        "tags": st.lists(st.integers(0, 1), max_size=2),
    }
)


@given(PLAIN, PLAIN, st.booleans(), st.dictionaries(st.sampled_from("xy"), st.integers(0, 1)))
def test_a_plain_document_is_written_exactly_where_its_json_differs(
    before: Any, after: Any, reordered: bool, extra: Any
) -> None:
    value = dict(reversed(before.items())) if reordered else before
    value = {**value, **extra}
    document = Plain.from_value(value)
    document.key = "a"
    stand_on(document._mapped(), "0a", encode(value))
    document.name, document.size, document.tags = after["name"], after["size"], after["tags"]
    change = changes(document._mapped())
    assert (change is None) == same(before, after)
    if change is not None:
        assert same(change[0], {**after, **extra})
        assert change[1] == encode(change[0])


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Watched(Document, collection="watched"):
    """Nothing in it can change and stay the same object, but for lists of plain values."""

    name: Field[str]
    size: Field[float | None] = field(default=None)
    tags: Field[list[int]] = field(factory=list)
    words: Field[list[str] | None] = field(default=None)
    colour: Field[Colour | None] = field(default=None)
    due: Field[datetime | None] = field(default=None)


WATCHED = st.fixed_dictionaries(
    {"name": st.sampled_from(["", "a"]), "size": st.sampled_from([None, 0, 1, 1.0])},
    optional={
        "tags": st.lists(st.integers(0, 1), max_size=2),
        "words": st.none() | st.lists(st.sampled_from("ab"), max_size=2),
        "colour": st.sampled_from([None, "red"]),
        "due": st.sampled_from([None, "2020-01-01T00:00:00+00:00"]),
        "other": st.integers(0, 1),
    },
)
TOUCHES: dict[str, Callable[[Watched], Any]] = {
    "nothing": lambda one: None,
    "a name": lambda one: setattr(one, "name", "a"),
    "another size": lambda one: setattr(one, "size", 1.0),
    "the same size": lambda one: setattr(one, "size", one.size),
    "a tag more": lambda one: one.tags.append(1),
    "a tag changed": lambda one: one.tags.__setitem__(slice(0, 1), [0]),
    "a tag that is no number": lambda one: one.tags.__setitem__(slice(0, 1), [True]),
    "tags that are none": lambda one: setattr(one, "tags", None),
    "other words": lambda one: setattr(one, "words", ["a"]),
    "words that are a text": lambda one: setattr(one, "words", "ab"),
    "a word that is none": lambda one: one.words is not None and one.words.append(None),
    "words turned": lambda one: one.words is not None and one.words.reverse(),
    "a colour": lambda one: setattr(one, "colour", Colour.RED),
    "a day": lambda one: setattr(one, "due", datetime(2020, 1, 1, tzinfo=UTC)),
    "no name": lambda one: delattr(one, "name"),
    "a look at the rest": lambda one: one.extra,
    "another member": lambda one: one.extra.update(other=7),
}


@given(WATCHED, st.lists(st.sampled_from(sorted(TOUCHES)), max_size=2))
def test_what_was_seen_tells_what_a_comparison_tells(value: Any, touches: list[str]) -> None:
    outcomes = []
    for watching in (True, False):
        document, seen = Watched._of_item(Item("watched", "a", "0a", value))
        stand_on(document._mapped(), "0a", encode(value))
        assert (seen is None) == ("other" in value)
        if watching:
            document._state = evolve(document._state, seen=seen)
            assert untouched(document._mapped()) == (seen is not None)
        for touch in touches:
            with suppress(AttributeError):  # of a name that was deleted twice
                TOUCHES[touch](document)
        try:
            change = changes(document._mapped())
            outcomes.append(None if change is None else change[1])
        except InvalidDocument as error:
            outcomes.append(encode(str(error)))
    assert outcomes[0] == outcomes[1]


def test_what_can_change_unnoticed_is_always_compared() -> None:
    assert User._made({"name": "Ada", "address": {"city": "London"}}, "ada")[1] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"a": {1: 2}}, {1, 2}, object()])
def test_what_json_cannot_hold_is_an_invalid_document(value: Any) -> None:
    user = stored()
    user.extra["a"] = [value]
    with pytest.raises(InvalidDocument, match="User 'ada' does not fit its model") as caught:
        changes(user._mapped())
    assert caught.value.path.startswith("a[0]")
    assert dirty(user._mapped())
