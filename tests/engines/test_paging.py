"""Pages of a search: by offset, as the links of the service, and by keyset, safe from writes in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm.engine import Engine
from orcodm.errors import BadRequest
from orcodm.operations import START, Operation, Page, Search, SortField

from .asking import THINGS, delete, found, keys, put, put_all, streamed

BY_KEY = (SortField("@path.key"),)


def search(**more: Any) -> Search:
    return Search(**{"query": "*", "collection": THINGS, "sort": BY_KEY, **more})


def turn(engine: Engine, page: Page[Any]) -> Page[Any]:
    """The next page."""
    assert page.next is not None
    return engine.execute(page.next)


# -- by offset -------------------------------------------------------------------------------------


def test_the_next_page_is_an_operation(engine: Engine) -> None:
    put_all(engine, {key: {"n": 1} for key in "abcde"})
    first = engine.execute(search(limit=2))
    second = turn(engine, first)
    third = turn(engine, second)
    assert [keys(page.results) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [page.total for page in (first, second, third)] == [5, 5, 5]
    assert (first.prev, third.next) == (None, None)


def test_the_page_before_is_an_operation_too(engine: Engine) -> None:
    put_all(engine, {key: {"n": 1} for key in "abcde"})
    page = engine.execute(search(limit=2, offset=3))
    assert keys(page.results) == ["d", "e"]
    back: list[list[str]] = []
    before: Operation[Page[Any]] | None = page.prev
    while before is not None:
        page = engine.execute(before)
        back.append(keys(page.results))
        before = page.prev
    assert back == [["b", "c"], ["a"]]  # no result is on two pages


def test_a_last_page_that_is_full_has_no_next(engine: Engine) -> None:
    put_all(engine, {key: {"n": 1} for key in "abcd"})
    page = turn(engine, engine.execute(search(limit=2)))
    assert (keys(page.results), page.next) == (["c", "d"], None)


def test_beyond_the_end(engine: Engine) -> None:
    put(engine, "a", {"n": 1})
    page = engine.execute(search(limit=2, offset=10))
    assert (page.results, page.total, page.next) == ((), 1, None)
    assert page.prev is not None


def test_other_pages_are_asked_as_the_first_was(engine: Engine) -> None:
    put_all(engine, {f"{n}": {"n": n, "m": n % 2} for n in range(8)})
    first = engine.execute(
        search(query="m:1", limit=2, sort=(SortField("value.n", descending=True),), with_fields=["value.n"])
    )
    second = turn(engine, first)
    assert [result.value for result in (*first.results, *second.results)] == [{"n": n} for n in (7, 5, 3, 1)]


def test_pages_by_score_do_not_overlap(engine: Engine) -> None:
    put_all(engine, {f"{n:02}": {"text": "word " * (n % 5 + 1)} for n in range(25)})
    order = found(engine, "text:word", limit=4)
    assert len(order) == len(set(order)) == 25
    assert order == found(engine, "text:word", limit=100)


# -- by keyset -------------------------------------------------------------------------------------


@pytest.fixture
def keyset(engine: Engine) -> Engine:
    """An engine that has keyset paging."""
    if not engine.capabilities.keyset:
        pytest.skip("this engine has no keyset paging")
    return engine


SORTS: list[tuple[SortField, ...]] = [
    (),
    BY_KEY,
    (SortField("@path.key", descending=True),),
    (SortField("value.n"),),
    (SortField("value.n", descending=True),),
    (SortField("value.tie"), SortField("value.n", descending=True)),
    (SortField("value.text", descending=True), SortField("value.tie")),
    (SortField("value.sometimes"),),
    (SortField("value.sometimes", descending=True), SortField("value.n")),
    (SortField("value.never"),),
]


def names(sort: tuple[SortField, ...]) -> str:
    return ",".join(f"{'-' * each.descending}{each.field}" for each in sort)


def values(n: int) -> dict[str, Any]:
    """Distinct numbers, ties, and a field that only some have."""
    value: dict[str, Any] = {"n": (n * 7) % 40 - 10, "tie": n % 3, "text": f"t{n % 5}", "word": "same"}
    if n % 4:
        value["sometimes"] = [2.5, "text", True][n % 3]
    return value


@pytest.mark.parametrize("sort", SORTS, ids=names)
@pytest.mark.parametrize("query", ["*", "word:same"])
def test_a_stream_is_in_the_order_of_pages(keyset: Engine, sort: tuple[SortField, ...], query: str) -> None:
    put_all(keyset, {f"{n:02}": values(n) for n in range(13)})
    whole = found(keyset, query, sort=sort, limit=100)
    assert len(whole) == 13
    for limit in (2, 13, 100):
        assert streamed(keyset, query, sort=sort, limit=limit) == whole


def test_a_stream_has_no_total_and_no_way_back(keyset: Engine) -> None:
    put_all(keyset, {key: {"n": 1} for key in "abc"})
    first = keyset.execute(search(limit=2, cursor=START))
    second = turn(keyset, first)
    assert [(page.total, page.prev) for page in (first, second)] == [(None, None)] * 2
    assert second.next is None


def test_an_empty_stream_ends_at_once(keyset: Engine) -> None:
    page = keyset.execute(search(cursor=START))
    assert (page.results, page.next) == ((), None)


@pytest.mark.parametrize("sort", SORTS[:5], ids=names)
def test_writes_between_pages_neither_skip_nor_repeat(keyset: Engine, sort: tuple[SortField, ...]) -> None:
    stable = {f"{n:02}": values(n) for n in range(0, 40, 2)}
    put_all(keyset, stable)
    seen: list[str] = []
    page = keyset.execute(search(sort=sort, limit=3, cursor=START))
    for n in range(1, 60, 2):
        seen += keys(page.results)
        put(keyset, f"{n:02}", values(n))  # one more somewhere
        if n > 5:
            delete(keyset, f"{n - 4:02}")  # and one of those less
        if page.next is None:
            break
        page = keyset.execute(page.next)
    else:
        pytest.fail("the stream does not end")
    assert len(seen) == len(set(seen))
    assert set(stable) <= set(seen)


def test_what_was_read_and_is_deleted_does_not_move_the_next_page(keyset: Engine) -> None:
    put_all(keyset, {f"{n:02}": {"n": n} for n in range(10)})
    page = keyset.execute(search(limit=4, cursor=START))
    for key in keys(page.results):
        delete(keyset, key)
    assert keys(turn(keyset, page).results) == ["04", "05", "06", "07"]


def test_finding_and_changing_in_one_loop_meets_every_item_once(keyset: Engine) -> None:
    put_all(keyset, {f"{n:02}": {"done": False, "n": n} for n in range(25)})
    seen: list[str] = []
    page = keyset.execute(search(query="done:false", limit=4, cursor=START))
    while True:
        for result in page.results:
            seen.append(result.key)
            put(keyset, result.key, {**result.value, "done": True})
        if page.next is None:
            break
        page = keyset.execute(page.next)
    assert seen == [f"{n:02}" for n in range(25)]
    assert found(keyset, "done:false") == []


def test_cursors_hold_any_key_and_value(keyset: Engine) -> None:
    texts = ["", "a/b", "100%", "é", "nul\x00", '"`\\', "😀", "\uffff", "*", "a" * 300]
    put_all(keyset, {text or "empty": {"name": text, "big": 2**70 + n} for n, text in enumerate(texts)})
    for field in ("@path.key", "value.name", "value.big"):
        for descending in (False, True):
            sort = (SortField(field, descending=descending),)
            assert streamed(keyset, "*", sort=sort, limit=1) == found(keyset, "*", sort=sort)


@pytest.mark.parametrize("cursor", ["", "nonsense", "**", "e30", "eyJhIjoxfQ==", "0", "null", "[1]", "\x00"])
def test_a_cursor_that_no_page_gave_is_refused(keyset: Engine, cursor: str) -> None:
    put(keyset, "a", {"n": 1})
    with pytest.raises(BadRequest) as caught:
        keyset.execute(search(cursor=cursor))
    assert "cursor" in caught.value.details


def test_a_stream_over_all_collections(keyset: Engine) -> None:
    for collection in ("b", "a"):
        put_all(keyset, {key: {"n": 1} for key in "xyz"}, collection=collection)
    page = keyset.execute(Search(query="n:1", limit=2, cursor=START))
    seen = [(r.collection, r.key) for r in page.results]
    while page.next is not None:
        page = keyset.execute(page.next)
        seen += [(r.collection, r.key) for r in page.results]
    assert seen == [(collection, key) for collection in "ab" for key in "xyz"]


mixed = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "a", "B"])
objects = st.dictionaries(st.sampled_from("xy"), mixed | st.lists(mixed))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), objects, min_size=1),
    st.lists(st.builds(SortField, st.sampled_from(["value.x", "y", "@path.key"]), st.booleans()), max_size=3),
    st.integers(1, 4),
)
def test_any_stream_is_in_the_order_of_pages(
    engine: Engine, items: dict[str, Any], sort: list[SortField], limit: int
) -> None:
    for key in "abcdefgh":
        delete(engine, key)
    put_all(engine, items)
    whole = found(engine, "*", sort=sort, limit=100)
    assert sorted(whole) == sorted(items)
    assert found(engine, "*", sort=sort, limit=limit) == whole
    if engine.capabilities.keyset:
        assert streamed(engine, "*", sort=sort, limit=limit) == whole
