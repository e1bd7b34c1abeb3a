"""What has to be written, found by comparison with the value last read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from copy import copy, deepcopy
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Document, Embedded, Field, InvalidDocument, Nested, field
from orcodm.operations import Item
from orcodm.session.merge import same
from orcodm.session.state import State
from orcodm.session.tracking import changes, dirty, stand_on, stand_on_nothing, untouched
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
    ({"?": {"deep": [1]}}, lambda user: user.other_members["?"]["deep"].append(2), {"?": {"deep": [1, 2]}}),
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


class Knob(Embedded):
    size: Field[float]
    turned: Field[bool] = field(default=False)


class Dial(Knob):
    ring: Field[int] = field(default=0)


class Watched(Document, collection="watched"):
    name: Field[str]
    size: Field[float | None] = field(default=None)
    tags: Field[list[int]] = field(factory=list)
    words: Field[list[str] | None] = field(default=None)
    colour: Field[Colour | None] = field(default=None)
    due: Field[datetime | None] = field(default=None)
    knob: Nested[Knob | None] = field(default=None)
    knobs: Nested[list[Knob]] = field(factory=list)
    sizes: Field[dict[str, float]] = field(factory=dict)
    free: Field[Any] = field(default=None)
    either: Field[int | str | None] = field(default=None)


KNOBS = st.fixed_dictionaries(
    {"size": st.sampled_from([1, 1.0])},
    optional={"turned": st.booleans(), "_type": st.sampled_from(["Dial", "Other"]), "ring": st.just(1)},
)
WATCHED = st.fixed_dictionaries(
    {"name": st.sampled_from(["", "a"]), "size": st.sampled_from([None, 0, 1, 1.0])},
    optional={
        "tags": st.lists(st.integers(0, 1), max_size=2),
        "words": st.none() | st.lists(st.sampled_from("ab"), max_size=2),
        "colour": st.sampled_from([None, "red"]),
        "due": st.sampled_from([None, "2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00Z"]),
        "knob": st.none() | KNOBS,
        "knobs": st.lists(KNOBS, max_size=2),
        "sizes": st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 1.0]), max_size=2),
        "free": st.sampled_from([None, [], {"a": [1, {"b": 2}]}, [True], 1]),
        "either": st.sampled_from([None, 1, "1"]),
        "other": st.integers(0, 1),
    },
)


def inner(one: Any) -> None:
    if isinstance(one.free, dict) and "a" in one.free:
        one.free["a"][1]["b"] = 2.0


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
    "a look at a knob": lambda one: one.knob,
    "another knob": lambda one: setattr(one, "knob", Knob(size=1)),
    "a knob turned": lambda one: one.knob and setattr(one.knob, "turned", True),
    "a knob of another size": lambda one: one.knob and setattr(one.knob, "size", 1.0),
    "a knob that is none": lambda one: setattr(one, "knob", 3),
    "a look at all knobs": lambda one: [knob.size for knob in one.knobs],
    "one of the knobs turned": lambda one: one.knobs and setattr(one.knobs[-1], "turned", True),
    "knobs turned around": lambda one: one.knobs.reverse(),
    "a size more": lambda one: one.sizes.update(c=1),
    "sizes in another order": lambda one: setattr(one, "sizes", dict(reversed(one.sizes.items()))),
    "a look at what is free": lambda one: one.free,
    "something deep in what is free": inner,
    "what is free is what json cannot hold": lambda one: setattr(one, "free", {1: 2}),
    "one of both": lambda one: setattr(one, "either", 1),
    "none of both": lambda one: setattr(one, "either", 1.5),
    "a look at the rest": lambda one: one.other_members,
    "another member": lambda one: one.other_members.update(other=7),
    "no more members": lambda one: one.other_members.clear(),
}


def says(document: Watched) -> Any:
    """What a save makes of the document; the text of the error where it makes nothing."""
    try:
        return document.to_value()
    except InvalidDocument as error:
        return str(error)


@given(WATCHED, st.lists(st.sampled_from(sorted(TOUCHES)), max_size=3), st.booleans())
def test_what_is_written_is_what_differs_from_what_was_read(
    value: Any, touches: list[str], again: bool
) -> None:
    before = says(Watched.from_value(value))
    document, read = Watched._of_item(Item("watched", "a", "0a", decode(encode(value))))
    document._state = State(("watched", "a"), "0a", encode(value), None, False, read)
    assert untouched(document._mapped()) == ("other" not in value)
    if again:  # as after a save of just that
        stand_on(document._mapped(), "0b", encode(value), value=decode(encode(value)))
    for touch in touches:
        with suppress(AttributeError):  # after another one there may be nothing left to touch
            TOUCHES[touch](document)
    after = says(copy(document))
    try:
        change = changes(document._mapped())
    except InvalidDocument as error:
        told = str(error)
    else:
        told = None
    assert (told == after) == isinstance(after, str)
    if told is not None:
        return
    assert (change is None) == same(before, after)
    if change is None:
        assert not dirty(document._mapped())
        return
    written, text = change
    assert decode(text) == written
    assert same(says(Watched.from_value(written)), after)
    # What says the same is written as it was.
    assert all(
        same(written[name], member)
        for name, member in value.items()
        if name in written and same(before[name], after[name])
    )
    assert all(name in value or not same(before.get(name), after.get(name)) for name in written)


def test_a_field_is_made_when_it_is_asked_for_and_is_the_same_from_then_on() -> None:
    user, read = User._of_item(Item("users", "ada", "0a", {"name": "Ada", "address": {"city": "London"}}))
    user._state = State(("users", "ada"), "0a", b"", None, False, read)
    assert "address" not in vars(user)
    assert user.address is user.address
    assert "address" in vars(user)
    assert pickle.loads(pickle.dumps(user)).homes == []
    assert deepcopy(user).tags == []


def test_a_default_that_is_made_anew_is_no_change() -> None:
    class Made(Document, collection="made"):
        id: Field[UUID] = field(factory=uuid4)
        shapes: Nested[list[Knob]] = field(factory=list)

    for value in ({}, {"shapes": [{"size": 1}]}, {"shapes": [{"size": 1, "_type": "Dial", "ring": 2}]}):
        document, read = Made._of_item(Item("made", "a", "0a", value))
        document._state = State(("made", "a"), "0a", encode(value), None, False, read)
        assert document.id is document.id
        assert not dirty(document._mapped())


def test_what_was_not_asked_for_is_there_when_the_document_stands_on_something_else() -> None:
    user, read = User._of_item(Item("users", "ada", "0a", {"name": "Ada", "address": {"city": "London"}}))
    user._state = State(("users", "ada"), "0a", b"", None, False, read)
    stand_on_nothing(user._mapped())
    assert user.address == Address(city="London")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"a": {1: 2}}, {1, 2}, object()])
def test_what_json_cannot_hold_is_an_invalid_document(value: Any) -> None:
    user = stored()
    user.other_members["a"] = [value]
    with pytest.raises(InvalidDocument, match="User 'ada' does not fit its model") as caught:
        changes(user._mapped())
    assert caught.value.path.startswith("a[0]")
    assert dirty(user._mapped())
