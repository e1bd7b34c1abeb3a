"""A value of the vocabulary that exists is valid; what is not cannot be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from orcodm import operations
from orcodm.errors import Aborted, InvalidKey, InvalidParameter, MalformedRef, NotFound, OrcodmError
from orcodm.operations import (
    MAX_NAME_BYTES,
    Batch,
    BatchResult,
    Delete,
    DeleteCollection,
    EventBound,
    Get,
    GetEvent,
    GetRelation,
    IfAbsent,
    IfMatch,
    Item,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    Operation,
    Page,
    Patch,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Search,
    TimeSeries,
    TopValues,
    all_operations,
)

EVENT = {"collection": "c", "key": "k", "type": "t"}
RELATION = {"collection": "c", "key": "k", "kind": "r", "to_collection": "c", "to_key": "k2"}


def test_values_are_equal_and_shown_by_their_attributes() -> None:
    item = Item(collection="c", key="k", ref="1", value={"a": 1}, text=b"1")
    assert item == attrs.evolve(item, text=None)  # how it is stored is no part of it
    assert item != attrs.evolve(item, ref="2")
    assert item != "an item"
    assert repr(item) == (
        "Item(collection='c', key='k', ref='1', value={'a': 1}, reftime=None, score=None, distance=None)"
    )
    assert {Get(collection="c", key="k"), Get(collection="c", key="k")} == {Get(collection="c", key="k")}
    assert GetRelation(**RELATION) != GetRelation(**{**RELATION, "kind": "other"})
    assert IfMatch("ab") != EventBound(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(item)


NAMES: list[tuple[str, Callable[[Any], Operation[Any]]]] = [
    ("collection", lambda name: Get(collection=name, key="k")),
    ("key", lambda name: Get(collection="c", key=name)),
    ("key", lambda name: Put(collection="c", key=name, value=1)),
    ("collection", lambda name: DeleteCollection(collection=name)),
    ("type", lambda name: PostEvent(collection="c", key="k", type=name, value=1)),
    ("type", lambda name: ListEvents(collection="c", key="k", type=name)),
    ("kind", lambda name: PutRelation(**{**RELATION, "kind": name})),
    ("to_collection", lambda name: PutRelation(**{**RELATION, "to_collection": name})),
    ("to_key", lambda name: GetRelation(**{**RELATION, "to_key": name})),
    ("kinds", lambda name: ListRelations(collection="c", key="k", kinds=("r", name))),
]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "must not be empty"),
        (None, "must be a string, not None"),
        (7, "must be a string, not 7"),
        (b"bytes", "must be a string, not b'bytes'"),
        ("a" * (MAX_NAME_BYTES + 1), "has 1025 bytes of UTF-8; at most 1024 are allowed"),
        ("😀" * 257, "has 1028 bytes of UTF-8; at most 1024 are allowed"),
        ("a\ud800", "has a lone surrogate at position 1"),
    ],
)
@pytest.mark.parametrize(("attribute", "make"), NAMES)
def test_a_name_that_is_none_is_refused(
    attribute: str, make: Callable[[Any], Operation[Any]], name: Any, reason: str
) -> None:
    with pytest.raises(InvalidKey) as caught:
        make(name)
    assert str(caught.value).startswith(attribute)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [".", "..", "/", "a/b", "%2F", "a b", "+", "😀" * 256, "a" * 1024, "\x00", "é", "e\u0301", "\n", "?#&"],
)
def test_any_unicode_text_is_a_name(name: str) -> None:
    assert [getattr(make(name), attribute) for attribute, make in NAMES[:-1]] == [name] * (len(NAMES) - 1)


@pytest.mark.parametrize("ref", ["", "bad-ref", "0g", " 0a", "0a\n", '"0a"', "é", "0" * 65, 7, b"0a"])
def test_a_ref_is_hex(ref: Any) -> None:
    for make in (lambda: IfMatch(ref), lambda: Get(collection="c", key="k", ref=ref)):
        with pytest.raises(MalformedRef) as caught:
            make()
        assert caught.value.details == {"ref": str(ref)}


def test_if_match_without_a_ref_is_not_a_way_to_say_absent() -> None:
    with pytest.raises(MalformedRef):
        IfMatch(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("ref", ["0", "86754321", "0000000000000000", "cbb48f9464612f20"])
def test_short_refs_are_only_mismatches_to_come(ref: str) -> None:
    assert IfMatch(ref).ref == ref


@pytest.mark.parametrize("condition", ["0a", False, True, 0, IfMatch, IfAbsent, Ellipsis])
def test_a_condition_is_one_of_three_values(condition: Any) -> None:
    for make in (
        lambda: Put(collection="c", key="k", value=1, condition=condition),
        lambda: Delete(collection="c", key="k", condition=condition),
        lambda: PutRelation(**RELATION, condition=condition),
    ):
        with pytest.raises(InvalidParameter, match=r"IfMatch\(ref\), IfAbsent\(\) or None"):
            make()


COUNTS: list[tuple[str, Callable[[Any], Any]]] = [
    ("limit", lambda n: List(collection="c", limit=n)),
    ("limit", lambda n: Search(query="*", limit=n)),
    ("offset", lambda n: Search(query="*", offset=n)),
    ("limit", lambda n: ListRefs(collection="c", key="k", limit=n)),
    ("offset", lambda n: ListRefs(collection="c", key="k", offset=n)),
    ("limit", lambda n: ListEvents(**EVENT, limit=n)),
    ("offset", lambda n: ListRelations(collection="c", key="k", kinds=("r",), offset=n)),
    ("offset", lambda n: TopValues("value.a", offset=n)),
]


@pytest.mark.parametrize("number", [-1, 2**63, 1.0, "1", True, None])
@pytest.mark.parametrize(("attribute", "make"), COUNTS)
def test_a_count_is_an_integer_from_zero_on(attribute: str, make: Callable[[Any], Any], number: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        make(number)
    assert list(caught.value.details) == [attribute]
    assert (caught.value.status, caught.value.code) == (400, "search_param_invalid")


MOMENTS: list[Callable[[Any], Any]] = [
    lambda n: PostEvent(**EVENT, value=1, timestamp=n),
    lambda n: PostEvent(**EVENT, value=1, ordinal=n),
    lambda n: GetEvent(**EVENT, timestamp=n, ordinal=1),
    lambda n: GetEvent(**EVENT, timestamp=1, ordinal=n),
    lambda n: EventBound(n),
    lambda n: EventBound(1, n),
]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 1.5, "2020-01-01", True])
@pytest.mark.parametrize("make", MOMENTS)
def test_a_moment_is_an_integer_of_64_bits(make: Callable[[Any], Any], number: Any) -> None:
    with pytest.raises(InvalidParameter):
        make(number)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GetEvent(**EVENT, timestamp=None, ordinal=1),
        lambda: GetEvent(**EVENT, timestamp=1, ordinal=None),
        lambda: PutEvent(**EVENT, timestamp=None, ordinal=1, value=1),
        lambda: EventBound(None),  # type: ignore[arg-type]
    ],
)
def test_an_event_that_is_there_has_a_timestamp_and_an_ordinal(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidParameter, match="must be an integer, not None"):
        make()


@pytest.mark.parametrize("text", [7, b"a", "\ud800", ["a"]])
def test_a_bound_and_a_query_are_unicode_text(text: Any) -> None:
    for name in ("start", "after", "before", "end"):
        with pytest.raises(InvalidParameter) as caught:
            List(collection="c", **{name: text})
        assert list(caught.value.details) == [name]
    for arguments in ({"query": text}, {"query": "*", "cursor": text}):
        with pytest.raises(InvalidParameter):
            Search(**arguments)


def test_several_are_not_one_text() -> None:
    for make in (
        lambda: ListRelations(collection="c", key="k", kinds="friends"),
        lambda: Get(collection="c", key="k", with_fields="value.name"),
    ):
        with pytest.raises(InvalidParameter, match="a list or tuple is expected"):
            make()
    with pytest.raises(InvalidKey, match="kinds must name at least one"):
        ListRelations(collection="c", key="k", kinds=())


def test_sequences_become_tuples() -> None:
    assert ListRelations(collection="c", key="k", kinds=["a", "b"]).kinds == ("a", "b")
    assert Batch([Put(collection="c", key="k", value=1)]).operations == (
        Put(collection="c", key="k", value=1),
    )
    assert Page(results=[1, 2]).results == (1, 2)
    assert Get(collection="c", key="k", with_fields=(name for name in "ab")).with_fields == ("a", "b")


@pytest.mark.parametrize("interval", ["minute", "Day", "", None])
def test_a_time_series_has_one_of_six_intervals(interval: Any) -> None:
    with pytest.raises(InvalidParameter, match="year, quarter, month, week, day, hour"):
        TimeSeries("value.joined", interval)


@pytest.mark.parametrize(
    ("zone", "named"),
    [
        (None, None),
        ("+0900", "+0900"),
        ("+09:00", "+0900"),
        ("-09", "-0900"),
        ("Z", "+0000"),
        ("UTC", "+0000"),
        ("Europe/Oslo", "Europe/Oslo"),
    ],
)
def test_a_time_zone_has_one_name(zone: Any, named: Any) -> None:
    assert TimeSeries("value.joined", "day", zone).time_zone == named


@pytest.mark.parametrize(
    "zone",
    ["0900", "+9", "+2400", "+0060", "", "Mars", "Europe", "../passwd", "/etc/passwd", 9, "+0900\n", "a\0b"],
)
def test_what_names_no_time_zone_is_refused(zone: Any) -> None:
    with pytest.raises(InvalidParameter, match="time zone"):
        TimeSeries("value.joined", "day", zone)


def test_a_batch_holds_writes_only() -> None:
    for wrong in (Get(collection="c", key="k"), Batch(()), Search(query="*"), "put", None):
        with pytest.raises(InvalidParameter, match="a batch holds writes"):
            Batch([wrong])  # type: ignore[list-item]
    assert Batch([]).operations == ()


def test_a_batch_failed_where_one_outcome_is_an_error() -> None:
    assert BatchResult([None, NotFound()]).failed
    assert BatchResult([Aborted()]).failed
    assert not BatchResult([None]).failed
    assert not BatchResult([]).failed


def test_operations_are_frozen_values() -> None:
    get = Get(collection="c", key="k")
    assert get == Get(collection="c", key="k")
    assert len({get, Get(collection="c", key="k")}) == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        get.key = "other"  # type: ignore[misc]
    assert attrs.evolve(get, key="other") == Get(collection="c", key="other")
    with pytest.raises(InvalidKey):
        attrs.evolve(get, key="")


def test_every_operation_is_known_and_documented() -> None:
    known = all_operations()
    assert len(known) == 24
    assert known <= set(Operation.__subclasses__())
    assert all(operation.__doc__ for operation in known)


def test_an_operation_that_is_no_write_reads_but_for_four() -> None:
    writes = set(operations.Write.__args__)  # type: ignore[attr-defined]
    others = {operation.__name__ for operation in all_operations() - writes}
    assert {name for name in others if not name.startswith(("Get", "List"))} == {
        "Batch",
        "DeleteCollection",
        "Dump",
        "Ping",
        "Restore",
        "Search",
    }


def test_results_say_none_where_nothing_is_known() -> None:
    item = Item(collection="c", key="k", ref="0a", value=None)
    assert (item.reftime, item.score, item.distance) == (None, None, None)


def test_the_root_of_all_outcomes_is_an_orcodm_error() -> None:
    assert issubclass(Aborted, OrcodmError)


def test_a_patch_is_a_value_too() -> None:
    patch = Patch(collection="c", key="k", changes=operations.JsonPatch([{"op": "inc", "path": "n"}]))
    assert patch.changes == operations.JsonPatch(({"op": "inc", "path": "n"},))
    assert patch.upsert is False


def test_an_operation_like_another_is_the_one_that_is_made_anew() -> None:
    read, write = Get(collection="users", key="ada"), Put(collection="users", key="ada", value=None)
    assert read.at("bob") == Get(collection="users", key="bob")
    assert vars(read.at("bob")) == vars(Get(collection="users", key="bob"))
    made = write.at("bob", {"a": 1}, IfMatch("0a"), b'{"a":1}')
    again = Put(collection="users", key="bob", value={"a": 1}, condition=IfMatch("0a"), text=b'{"a":1}')
    assert made == again
    assert vars(made) == vars(again)
    for key in ("", 1, "x" * 2000, "\ud800"):
        with pytest.raises(InvalidKey):
            read.at(key)  # type: ignore[arg-type]
        with pytest.raises(InvalidKey):
            write.at(key, None, None, b"null")  # type: ignore[arg-type]
