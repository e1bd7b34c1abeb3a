"""Putting, getting and deleting single values."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import InvalidValue, NotFound
from orcodm.identifiers import EPOCH_MS, identifiers
from orcodm.operations import (
    Delete,
    DeleteCollection,
    Get,
    GetEvent,
    GetRelation,
    List,
    ListEvents,
    ListRefs,
    Ping,
    Post,
    PostEvent,
    Put,
    PutRelation,
    Written,
)

from .asking import THINGS, delete, follow, get, history, item, listed, put

KEYS = [
    "plain",
    "with space",
    " ",
    ".",
    "..",
    "...",
    "a/b",
    "/",
    "//a//",
    "../../etc",
    "100%",
    "%2F",
    "%00",
    "%zz",
    "a+b",
    "a?b#c&d=e;f",
    "a:b@c!d$e",
    "\"quoted\" 'too'",
    "`back` \\slash",
    "refs",
    "events",
    "relation",
    "relations",
    "*",
    "null",
    "é",
    "e\u0301",
    "Ünïcödé",
    "東京",
    "👩‍👩‍👧‍👦 family",
    "\u202eright to left",
    "nul\x00inside",
    "\x00",
    "tab\tnew\nline\rreturn",
    "\x7f\x80\x85\u2028",
    "\uffff",
    "\ufeffmark",
    "\U0010ffff",
    "a" * 1024,
    "😀" * 256,
    "0",
    "00",
    "-1",
    "[1 TO 2]",
    "%_",
    "a" * 16,
]


def test_ping(engine: Engine) -> None:
    assert engine.execute(Ping()) is None


def test_a_put_says_where_and_what(engine: Engine) -> None:
    written = engine.execute(Put(collection="films", key="m", value={"title": "Metropolis"}))
    assert written == Written(collection="films", key="m", ref=written.ref)
    assert re.fullmatch("[0-9a-f]{16}", written.ref)


def test_a_get_gives_what_was_put(engine: Engine) -> None:
    before = int(time.time() * 1000)
    ref = put(engine, "a", {"n": 1})
    thing = item(engine, "a")
    assert (thing.collection, thing.key, thing.ref, thing.value) == (THINGS, "a", ref, {"n": 1})
    if thing.reftime is not None:
        assert before <= thing.reftime <= int(time.time() * 1000)
    assert (thing.score, thing.distance) == (None, None)


def test_a_put_replaces(engine: Engine) -> None:
    put(engine, "a", {"n": 1, "old": True})
    ref = put(engine, "a", {"n": 2})
    assert (item(engine, "a").ref, get(engine, "a")) == (ref, {"n": 2})


@pytest.mark.parametrize(
    "missing",
    [Get(collection=THINGS, key="b"), Get(collection="nowhere", key="a")],
    ids=["key", "collection"],
)
def test_what_is_not_there_is_not_found(engine: Engine, missing: Get) -> None:
    put(engine, "a", 1)
    with pytest.raises(NotFound) as caught:
        engine.execute(missing)
    error = caught.value
    assert type(error) is NotFound
    assert (error.status, error.code) == (404, "items_not_found")
    assert error.details["items"] == [{"collection": missing.collection, "key": missing.key}]
    assert "could not be found" in str(error)


def test_names_are_case_sensitive_and_collections_apart(engine: Engine) -> None:
    put(engine, "a", "lower")
    put(engine, "A", "upper")
    put(engine, "a", "elsewhere", collection="Things")
    assert (get(engine, "a"), get(engine, "A")) == ("lower", "upper")
    assert get(engine, "a", collection="Things") == "elsewhere"
    delete(engine, "a")
    assert get(engine, "A") == "upper"
    assert get(engine, "a", collection="Things") == "elsewhere"


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_any_key_holds_a_value(engine: Engine, key: str) -> None:
    ref = put(engine, key, {"key": key}, collection=key)
    again = item(engine, key, collection=key)
    assert (again.collection, again.key, again.ref, again.value) == (key, key, ref, {"key": key})
    assert listed(engine, key) == [key]
    assert len(history(engine, key, collection=key)) == 1
    delete(engine, key, collection=key)
    with pytest.raises(NotFound) as caught:
        item(engine, key, collection=key)
    assert caught.value.details["items"] == [{"collection": key, "key": key}]


def test_keys_that_look_alike_are_different(engine: Engine) -> None:
    for index, key in enumerate(KEYS):
        put(engine, key, index)
    assert [get(engine, key) for key in KEYS] == list(range(len(KEYS)))
    assert listed(engine) == sorted(KEYS)


# -- generated keys --------------------------------------------------------------------------------


def test_a_post_gives_the_key(engine: Engine) -> None:
    before = int(time.time() * 1000)
    written = engine.execute(Post(collection=THINGS, value={"n": 1}))
    after = int(time.time() * 1000)
    assert written.collection == THINGS
    assert re.fullmatch("[0-9a-f]{16}", written.key)
    assert before <= (int(written.key, 16) >> 24) + EPOCH_MS <= after
    assert item(engine, written.key).ref == written.ref
    assert get(engine, written.key) == {"n": 1}


def test_keys_that_were_generated_later_sort_later(engine: Engine) -> None:
    made = [engine.execute(Post(collection=THINGS, value=n)).key for n in range(12)]
    assert len(set(made)) == 12
    assert listed(engine) == made


def test_a_generated_key_that_is_taken_is_given_up_for_another(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes may have drawn the same node: one pair of them in 4,096."""
    taken = engine.execute(Post(collection=THINGS, value="first")).key
    drawn = iter([int(taken, 16), int(taken, 16), int(taken, 16) + 1])
    monkeypatch.setattr(identifiers, "next", lambda: next(drawn))
    assert engine.execute(Post(collection=THINGS, value="second")).key == f"{int(taken, 16) + 1:016x}"
    assert get(engine, taken) == "first"


# -- deleting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("purge", [False, True])
def test_a_deleted_value_is_not_found(engine: Engine, purge: bool) -> None:
    put(engine, "a", 1)
    assert engine.execute(Delete(collection=THINGS, key="a", purge=purge)) is None
    with pytest.raises(NotFound):
        get(engine, "a")
    assert listed(engine) == []


@pytest.mark.parametrize("purge", [False, True])
def test_deleting_what_is_not_there_is_no_error(engine: Engine, purge: bool) -> None:
    delete(engine, "never", purge=purge)
    with pytest.raises(NotFound):
        engine.execute(ListRefs(collection=THINGS, key="never"))
    put(engine, "a", 1)
    delete(engine, "a")
    delete(engine, "a", purge=purge)
    delete(engine, "a", purge=purge)


def test_deleting_twice_makes_one_tombstone(engine: Engine) -> None:
    put(engine, "a", 1)
    delete(engine, "a")
    delete(engine, "a")
    assert [version.deleted for version in history(engine, "a")] == [True, False]


def test_a_deleted_key_can_be_written_again(engine: Engine) -> None:
    put(engine, "a", 1)
    delete(engine, "a")
    ref = put(engine, "a", 2)
    assert (item(engine, "a").ref, get(engine, "a")) == (ref, 2)


def test_a_collection_is_erased_with_all_that_belongs_to_it(engine: Engine) -> None:
    for collection in ("films", "books"):
        for key in ("a", "b"):
            put(engine, key, {"n": 1}, collection=collection)
            engine.execute(
                PostEvent(collection=collection, key=key, type="log", value=1, timestamp=1, ordinal=1)
            )
        engine.execute(
            PutRelation(collection=collection, key="a", kind="next", to_collection=collection, to_key="b")
        )
    delete(engine, "b", collection="films")

    assert engine.execute(DeleteCollection(collection="films")) is None

    assert listed(engine, "films") == []
    for operation in (
        Get(collection="films", key="a"),
        ListRefs(collection="films", key="a"),
        ListRefs(collection="films", key="b"),
        GetEvent(collection="films", key="a", type="log", timestamp=1, ordinal=1),
        GetRelation(collection="films", key="a", kind="next", to_collection="films", to_key="b"),
    ):
        with pytest.raises(NotFound):
            engine.execute(operation)
    assert follow(engine, ListEvents(collection="films", key="b", type="log")) == []

    assert listed(engine, "books") == ["a", "b"]
    assert len(follow(engine, ListEvents(collection="books", key="a", type="log"))) == 1


def test_an_erased_collection_does_not_come_back_in_parts(engine: Engine) -> None:
    put(engine, "a", {"n": 1})
    put(engine, "b", {"n": 1})
    engine.execute(PutRelation(collection=THINGS, key="a", kind="next", to_collection=THINGS, to_key="b"))
    engine.execute(DeleteCollection(collection=THINGS))
    put(engine, "a", {"n": 2})
    put(engine, "b", {"n": 2})
    assert len(history(engine, "a")) == 1
    with pytest.raises(NotFound):
        engine.execute(GetRelation(collection=THINGS, key="a", kind="next", to_collection=THINGS, to_key="b"))


def test_erasing_a_collection_that_never_was_is_no_error(engine: Engine) -> None:
    engine.execute(DeleteCollection(collection="nowhere"))


# -- parts of values -------------------------------------------------------------------------------

PERSON = {
    "name": "Ada",
    "address": {"city": "London", "country": "UK"},
    "friends": [{"a": 1, "b": 2}, {"b": 3}],
}


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"with_fields": ["value.name"]}, {"name": "Ada"}),
        ({"with_fields": ["value.address.city", "value.nothing"]}, {"address": {"city": "London"}}),
        ({"with_fields": ["value.address"]}, {"address": PERSON["address"]}),
        ({"without_fields": ["value.address", "value.friends"]}, {"name": "Ada"}),
        (
            {"with_fields": ["value.address"], "without_fields": ["value.address.city"]},
            {"address": {"country": "UK"}},
        ),
        (
            {"without_fields": ["value.friends.b", "value.address"]},
            {"name": "Ada", "friends": [{"a": 1}, {}]},
        ),
    ],
)
def test_a_reply_can_carry_some_fields_only(engine: Engine, fields: dict[str, Any], value: Any) -> None:
    ref = put(engine, "a", PERSON)
    assert engine.execute(Get(collection=THINGS, key="a", **fields)).value == value
    assert engine.execute(Get(collection=THINGS, key="a", ref=ref, **fields)).value == value
    assert [thing.value for thing in engine.execute(List(collection=THINGS, **fields)).results] == [value]
    assert get(engine, "a") == PERSON


def test_a_value_that_is_refused_leaves_what_was_there(engine: Engine) -> None:
    ref = put(engine, "a", {"n": 1})
    with pytest.raises(InvalidValue):
        put(engine, "a", {"n": float("nan")})
    with pytest.raises(InvalidValue):
        engine.execute(Post(collection=THINGS, value={"text": "\ud800"}))
    assert item(engine, "a").ref == ref
    assert len(history(engine, "a")) == 1
    assert listed(engine) == ["a"]
