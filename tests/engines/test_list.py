"""Listing a collection: the order of keys, bounds, and pages."""

from __future__ import annotations

from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import InvalidParameter
from orcodm.operations import Item, List

from .asking import THINGS, delete, item, keys, listed, put, put_all

ORDERED = ["\x00", "-", "0", "00", "1", "10", "2", "A", "Z", "a", "aa", "b", "é", "\uffff", "😀"]


def test_keys_come_by_code_point(engine: Engine) -> None:
    for key in reversed(ORDERED):
        put(engine, key, 1)
    assert listed(engine) == sorted(ORDERED) == ORDERED


def test_an_entry_is_the_item(engine: Engine) -> None:
    ref = put(engine, "a", {"n": 1})
    (entry,) = engine.execute(List(collection=THINGS)).results
    assert isinstance(entry, Item)
    assert (entry.collection, entry.key, entry.ref, entry.value) == (THINGS, "a", ref, {"n": 1})
    assert (entry.score, entry.distance) == (None, None)
    assert isinstance(entry.reftime, int)


def test_deleted_items_are_not_listed(engine: Engine) -> None:
    put_all(engine, dict.fromkeys("abc", 1))
    delete(engine, "b")
    delete(engine, "c", purge=True)
    assert listed(engine) == ["a"]
    put(engine, "b", 2)
    assert listed(engine) == ["a", "b"]


def test_the_last_version_is_listed(engine: Engine) -> None:
    put(engine, "a", 1)
    ref = put(engine, "a", 2)
    (entry,) = engine.execute(List(collection=THINGS)).results
    assert (entry.ref, entry.value) == (ref, 2)


def test_a_collection_that_is_not_there_is_empty(engine: Engine) -> None:
    page = engine.execute(List(collection="nowhere"))
    assert (page.results, page.next, page.prev, page.total) == ((), None, None, None)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, "abcdef"),
        ({"start": "c"}, "cdef"),
        ({"after": "c"}, "def"),
        ({"end": "c"}, "abc"),
        ({"before": "c"}, "ab"),
        ({"start": "b", "end": "d"}, "bcd"),
        ({"after": "b", "before": "d"}, "c"),
        ({"start": "bb", "end": "dd"}, "cd"),
        ({"start": "c", "after": "c"}, "def"),
        ({"start": "d", "after": "b"}, "def"),
        ({"start": "b", "after": "d"}, "ef"),
        ({"before": "d", "end": "d"}, "abc"),
        ({"before": "e", "end": "c"}, "abc"),
        ({"before": "c", "end": "e"}, "ab"),
        ({"start": "e", "end": "b"}, ""),
        ({"start": "c", "end": "c"}, "c"),
        ({"after": "c", "before": "c"}, ""),
        ({"start": ""}, "abcdef"),
        ({"end": ""}, ""),
        ({"start": "zzz"}, ""),
        ({"end": "zzz" * 1000}, "abcdef"),
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [10, 2])
def test_bounds(engine: Engine, bounds: dict[str, str], expected: str, limit: int) -> None:
    put_all(engine, dict.fromkeys("abcdef", 1))
    assert listed(engine, limit=limit, **bounds) == list(expected)


def test_a_prefix_as_bounds_keeps_to_its_keys(engine: Engine) -> None:
    put_all(engine, dict.fromkeys(["a%", "a_", "ab", "b", "a\U0010ffff"], 1))
    assert listed(engine, start="a", before="b") == ["a%", "a_", "ab", "a\U0010ffff"]


def test_the_bounds_of_one_collection_do_not_leak_into_the_next(engine: Engine) -> None:
    put(engine, "a", 1, collection="one")
    put(engine, "b", 1, collection="two")
    put(engine, "b", 1, collection="on")
    assert listed(engine, "one", after="") == ["a"]
    assert listed(engine, "one", before="zz") == ["a"]


def test_pages_lead_to_the_next_and_none_to_the_one_before(engine: Engine) -> None:
    put_all(engine, dict.fromkeys("abcde", 1))
    first = engine.execute(List(collection=THINGS, limit=2))
    assert first.next is not None
    second = engine.execute(first.next)
    assert second.next is not None
    third = engine.execute(second.next)
    assert [keys(page.results) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert third.next is None
    assert [page.prev for page in (first, second, third)] == [None] * 3


@pytest.mark.parametrize("bounds", [{}, {"end": "b"}, {"before": "c"}, {"start": "a", "end": "bb"}])
def test_there_is_no_next_page_where_nothing_is_left_within_the_bounds(
    engine: Engine, bounds: dict[str, str]
) -> None:
    put_all(engine, dict.fromkeys("ab" if not bounds else "abcd", 1))
    page = engine.execute(List(collection=THINGS, limit=2, **bounds))
    assert keys(page.results) == ["a", "b"]
    assert page.next is None


def test_the_next_page_is_asked_as_the_first_was(engine: Engine) -> None:
    put_all(engine, {key: {"n": 1, "m": 2} for key in "abcd"})
    first = engine.execute(List(collection=THINGS, limit=2, end="c", with_fields=["value.n"]))
    assert first.next is not None
    second = engine.execute(first.next)
    assert [(entry.key, entry.value) for entry in second.results] == [("c", {"n": 1})]


def test_values_can_be_left_out(engine: Engine) -> None:
    put_all(engine, {key: {"n": 1} for key in "abc"})
    first = engine.execute(List(collection=THINGS, limit=2, values=False))
    assert [entry.value for entry in first.results] == [None, None]
    assert first.results[0].ref == item(engine, "a").ref
    assert first.next is not None
    assert [entry.value for entry in engine.execute(first.next).results] == [None]


def test_a_page_has_ten_where_nobody_says(engine: Engine) -> None:
    put_all(engine, {f"{n:02}": n for n in range(11)})
    assert len(engine.execute(List(collection=THINGS)).results) == 10


def test_a_page_can_be_as_large_as_the_engine_says(engine: Engine) -> None:
    limit = engine.capabilities.max_limit
    put_all(engine, dict.fromkeys("abc", 1))
    assert keys(engine.execute(List(collection=THINGS, limit=limit)).results) == ["a", "b", "c"]
    with pytest.raises(InvalidParameter) as caught:
        engine.execute(List(collection=THINGS, limit=limit + 1))
    assert list(caught.value.details) == ["limit"]
    assert (caught.value.status, caught.value.code) == (400, "search_param_invalid")


def test_writes_between_pages_neither_skip_nor_repeat(engine: Engine) -> None:
    put_all(engine, dict.fromkeys("bdfhj", 1))
    seen: list[Any] = []
    page = engine.execute(List(collection=THINGS, limit=2))
    seen += keys(page.results)  # b d
    delete(engine, "b")
    delete(engine, "d")
    put_all(engine, dict.fromkeys("acg", 1))
    assert page.next is not None
    page = engine.execute(page.next)
    seen += keys(page.results)  # f g
    put(engine, "f", 2)
    delete(engine, "h")
    assert page.next is not None
    page = engine.execute(page.next)
    seen += keys(page.results)  # j
    assert seen == ["b", "d", "f", "g", "j"]
    assert page.next is None
