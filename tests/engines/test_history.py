"""Every version of a key: the chain of refs, the order, the times, tombstones and purges."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm.engine import Engine
from orcodm.errors import InvalidParameter, MalformedRef, NotFound
from orcodm.operations import Get, List, ListRefs, MergePatch, Patch, Version
from orcodm.refs import tombstone_ref, value_ref

from .asking import THINGS, delete, follow, get, history, put, verify
from .strategies import json_values


def needs_chain(engine: Engine) -> None:
    if not engine.capabilities.ref_chain:
        pytest.skip("the refs of this engine are opaque")


def refs_page(engine: Engine, **more: Any) -> list[Version]:
    return list(engine.execute(ListRefs(collection=THINGS, key="a", **more)).results)


def test_a_then_b_then_a_has_three_refs(engine: Engine) -> None:
    needs_chain(engine)
    refs = [put(engine, "a", value) for value in ("A", "B", "A")]
    assert len(set(refs)) == 3
    assert verify(history(engine, "a")) == refs


def test_the_same_value_again_is_a_new_version(engine: Engine) -> None:
    refs = [put(engine, "a", {"n": 1}) for _ in range(3)]
    assert [version.ref for version in history(engine, "a")] == refs[::-1]
    assert not engine.capabilities.ref_chain or len(set(refs)) == 3


def test_a_writer_knows_the_ref_it_will_make(engine: Engine) -> None:
    needs_chain(engine)
    first = put(engine, "a", {"b": 1, "a": 2})
    assert first == value_ref(None, {"a": 2, "b": 1})
    assert put(engine, "a", 7) == value_ref(first, 7)
    delete(engine, "a")
    buried = tombstone_ref(value_ref(first, 7))
    assert put(engine, "a", None) == value_ref(buried, None)


def test_the_chain_begins_anew_after_a_purge(engine: Engine) -> None:
    needs_chain(engine)
    first = put(engine, "a", 1)
    put(engine, "a", 2)
    delete(engine, "a", purge=True)
    assert put(engine, "a", 1) == first
    assert len(history(engine, "a")) == 1


def test_chains_of_different_keys_are_apart(engine: Engine) -> None:
    needs_chain(engine)
    put(engine, "a", 1)
    assert put(engine, "b", 2) == value_ref(None, 2)
    assert put(engine, "a", 2, collection="others") == value_ref(None, 2)


def test_the_newest_version_comes_first(engine: Engine) -> None:
    before = int(time.time() * 1000)
    refs = [put(engine, "a", n) for n in range(3)]
    delete(engine, "a")
    refs.append(put(engine, "a", 3))
    versions = history(engine, "a")
    assert [version.value for version in versions] == [3, None, 2, 1, 0]
    assert [version.ref for version in versions] == [refs[3], None, refs[2], refs[1], refs[0]]
    assert [version.deleted for version in versions] == [False, True, False, False, False]
    assert {(version.collection, version.key) for version in versions} == {(THINGS, "a")}
    times = [version.reftime for version in versions if version.reftime is not None]
    assert len(times) == 5
    assert times == sorted(times, reverse=True)
    assert before <= times[-1] <= times[0] <= int(time.time() * 1000)


def test_the_newest_version_has_the_time_of_the_item(engine: Engine) -> None:
    put(engine, "a", 1)
    (listed,) = engine.execute(List(collection=THINGS)).results
    assert listed.reftime == history(engine, "a")[0].reftime


def test_a_history_comes_without_values_where_none_are_asked_for(engine: Engine) -> None:
    ref = put(engine, "a", {"n": 1})
    (version,) = refs_page(engine)
    assert (version.ref, version.value, version.deleted) == (ref, None, False)


def test_a_history_can_carry_some_fields_only(engine: Engine) -> None:
    put(engine, "a", {"n": 1, "m": 2})
    delete(engine, "a")
    put(engine, "a", {"m": 3})
    values = [version.value for version in refs_page(engine, values=True, with_fields=["value.n"])]
    assert values == [{}, None, {"n": 1}]
    values = [version.value for version in refs_page(engine, values=True, without_fields=["value.n"])]
    assert values == [{"m": 3}, None, {"m": 2}]


def test_every_version_can_be_read_by_its_ref(engine: Engine) -> None:
    refs = [put(engine, "a", {"n": n}) for n in range(4)]
    delete(engine, "a")
    for n, ref in enumerate(refs):
        thing = engine.execute(Get(collection=THINGS, key="a", ref=ref))
        assert (thing.key, thing.ref, thing.value) == ("a", ref, {"n": n})


def test_a_purge_takes_the_history_as_well(engine: Engine) -> None:
    ref = put(engine, "a", 1)
    delete(engine, "a")
    delete(engine, "a", purge=True)
    for missing in (ListRefs(collection=THINGS, key="a"), Get(collection=THINGS, key="a", ref=ref)):
        with pytest.raises(NotFound) as caught:
            engine.execute(missing)
        assert caught.value.details["items"] == [{"collection": THINGS, "key": "a"}]


def test_a_key_that_never_was_has_no_history(engine: Engine) -> None:
    with pytest.raises(NotFound) as caught:
        engine.execute(ListRefs(collection=THINGS, key="a"))
    assert caught.value.details["items"] == [{"collection": THINGS, "key": "a"}]


@pytest.mark.parametrize("ref", ["0123456789abcdef", "0", "f" * 16])
def test_a_ref_that_names_no_version_is_not_found(engine: Engine, ref: str) -> None:
    put(engine, "a", 1)
    with pytest.raises(NotFound) as caught:
        get(engine, "a", ref)
    assert caught.value.code == "items_not_found"
    assert caught.value.details["items"] == [{"collection": THINGS, "key": "a"}]


def test_the_ref_of_a_tombstone_names_no_value(engine: Engine) -> None:
    ref = put(engine, "a", 1)
    delete(engine, "a")
    with pytest.raises(NotFound):
        get(engine, "a", tombstone_ref(ref))


def test_the_ref_of_another_key_is_not_found(engine: Engine) -> None:
    put(engine, "a", 1)
    ref = put(engine, "b", 2)
    with pytest.raises(NotFound):
        get(engine, "a", ref)


def test_a_ref_that_is_no_hex_never_reaches_an_engine() -> None:
    with pytest.raises(MalformedRef) as caught:
        Get(collection=THINGS, key="a", ref="badetag")
    assert (caught.value.status, caught.value.code) == (400, "item_ref_malformed")


def test_a_patch_is_a_version_like_any_other(engine: Engine) -> None:
    first = put(engine, "a", {"n": 1})
    second = engine.execute(Patch(collection=THINGS, key="a", changes=MergePatch({"n": 2}))).ref
    versions = history(engine, "a")
    assert [(v.ref, v.value) for v in versions] == [(second, {"n": 2}), (first, {"n": 1})]
    assert not engine.capabilities.ref_chain or verify(versions) == [first, second]


# -- paging ----------------------------------------------------------------------------------------


def test_a_history_is_paged_in_both_directions(engine: Engine) -> None:
    for n in range(5):
        put(engine, "a", n)
    first = engine.execute(ListRefs(collection=THINGS, key="a", values=True, limit=2))
    assert first.prev is None
    assert first.next is not None
    second = engine.execute(first.next)
    assert second.next is not None
    third = engine.execute(second.next)
    assert [[version.value for version in page.results] for page in (first, second, third)] == [
        [4, 3],
        [2, 1],
        [0],
    ]
    assert third.next is None
    assert third.prev is not None
    assert engine.execute(third.prev).results == second.results


@pytest.mark.parametrize(("offset", "values"), [(0, [2, 1, 0]), (2, [0]), (3, []), (100, [])])
def test_a_history_from_an_offset_on(engine: Engine, offset: int, values: list[int]) -> None:
    for n in range(3):
        put(engine, "a", n)
    page = engine.execute(ListRefs(collection=THINGS, key="a", values=True, offset=offset))
    assert [version.value for version in page.results] == values
    assert page.next is None
    assert (page.prev is None) == (offset == 0)


def test_a_history_that_is_purged_between_two_pages_is_over(engine: Engine) -> None:
    for n in range(7):
        put(engine, "a", n)
    page = engine.execute(ListRefs(collection=THINGS, key="a", limit=3))
    delete(engine, "a", purge=True)
    put(engine, "a", "new")
    assert page.next is not None
    assert not engine.execute(page.next).results


def test_a_page_has_ten_where_nobody_says(engine: Engine) -> None:
    for n in range(11):
        put(engine, "a", n)
    assert len(refs_page(engine)) == 10
    assert len(follow(engine, ListRefs(collection=THINGS, key="a"))) == 11


def test_a_page_larger_than_the_engine_s_limit_is_refused(engine: Engine) -> None:
    put(engine, "a", 1)
    with pytest.raises(InvalidParameter) as caught:
        refs_page(engine, limit=engine.capabilities.max_limit + 1)
    assert list(caught.value.details) == ["limit"]


# -- as a property ---------------------------------------------------------------------------------

TOMBSTONE = object()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(json_values(max_leaves=4) | st.just(TOMBSTONE), min_size=1, max_size=8))
def test_any_history_verifies_link_by_link(engine: Engine, steps: list[Any]) -> None:
    delete(engine, "a", purge=True)
    put(engine, "a", "first")
    written: list[Any] = ["first"]
    for value in steps:
        if value is not TOMBSTONE:
            put(engine, "a", value)
        elif written[-1] is not TOMBSTONE:
            delete(engine, "a")
        else:
            continue
        written.append(value)
    versions = history(engine, "a")
    assert [TOMBSTONE if v.deleted else v.value for v in reversed(versions)] == written
    if engine.capabilities.ref_chain:
        verify(versions)
