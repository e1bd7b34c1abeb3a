"""Relations: properties, both ends, hops, cycles, and targets that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import AlreadyExists, Conflict, InvalidParameter, NotFound, RelationNotFound
from orcodm.operations import (
    Condition,
    DeleteRelation,
    GetRelation,
    IfAbsent,
    IfMatch,
    Item,
    ListRelations,
    PutRelation,
    RelationItem,
    Written,
)
from orcodm.refs import value_ref

from .asking import THINGS, delete, follow, history, item, keys, listed, put, put_all

OTHER = "0123456789abcdef"


def ends(
    key: str, kind: str, to: str, collection: str = THINGS, to_collection: str = THINGS
) -> dict[str, str]:
    return {
        "collection": collection,
        "key": key,
        "kind": kind,
        "to_collection": to_collection,
        "to_key": to,
    }


def relate(
    engine: Engine, key: str, kind: str, to: str, value: Any = None, condition: Condition = None
) -> Written:
    return engine.execute(PutRelation(**ends(key, kind, to), value=value or {}, condition=condition))


def relation(engine: Engine, key: str, kind: str, to: str) -> RelationItem:
    return engine.execute(GetRelation(**ends(key, kind, to)))


def unrelate(engine: Engine, key: str, kind: str, to: str, condition: Condition = None) -> None:
    assert engine.execute(DeleteRelation(**ends(key, kind, to), condition=condition)) is None


def related(engine: Engine, key: str, *kinds: str, limit: int = 10) -> list[str]:
    """The keys at the end of some hops, through all pages."""
    return keys(follow(engine, ListRelations(collection=THINGS, key=key, kinds=kinds, limit=limit)))


@pytest.fixture
def people(engine: Engine) -> Engine:
    """An engine with the items a to f."""
    put_all(engine, {key: {"name": key} for key in "abcdef"})
    return engine


# -- one relation ----------------------------------------------------------------------------------


def test_a_relation_leads_to_the_item(people: Engine) -> None:
    written = relate(people, "a", "friends", "b")
    assert (written.collection, written.key) == (THINGS, "a")
    page = people.execute(ListRelations(collection=THINGS, key="a", kinds=("friends",)))
    (friend,) = page.results
    assert isinstance(friend, Item)
    assert (friend.key, friend.ref, friend.value) == ("b", item(people, "b").ref, {"name": "b"})
    assert (friend.score, page.next, page.prev, page.total) == (None, None, None, None)


def test_a_relation_has_a_direction(people: Engine) -> None:
    relate(people, "a", "friends", "b")
    assert related(people, "b", "friends") == []
    with pytest.raises(RelationNotFound):
        relation(people, "b", "friends", "a")


def test_a_relation_has_properties_and_a_ref(people: Engine) -> None:
    written = relate(people, "a", "friends", "b", {"since": 1833})
    got = relation(people, "a", "friends", "b")
    assert (got.collection, got.key, got.kind) == (THINGS, "a", "friends")
    assert (got.to_collection, got.to_key) == (THINGS, "b")
    assert (got.value, got.ref) == ({"since": 1833}, written.ref)


def test_a_relation_without_properties_has_an_empty_object(people: Engine) -> None:
    written = relate(people, "a", "friends", "b")
    got = relation(people, "a", "friends", "b")
    assert (got.value, got.ref) == ({}, written.ref)


def test_the_properties_are_replaced(people: Engine) -> None:
    first = relate(people, "a", "friends", "b", {"since": 1833})
    second = relate(people, "a", "friends", "b", {"since": 1834, "close": True})
    assert first.ref != second.ref
    got = relation(people, "a", "friends", "b")
    assert (got.value, got.ref) == ({"since": 1834, "close": True}, second.ref)
    assert related(people, "a", "friends") == ["b"]


def test_the_properties_can_be_read_in_part(people: Engine) -> None:
    relate(people, "a", "friends", "b", {"since": 1833, "close": True})
    got = people.execute(GetRelation(**ends("a", "friends", "b"), with_fields=["value.since"]))
    assert got.value == {"since": 1833}


def test_kinds_and_targets_are_apart(people: Engine) -> None:
    relate(people, "a", "friends", "b", {"n": 1})
    relate(people, "a", "likes", "b", {"n": 2})
    relate(people, "a", "friends", "c", {"n": 3})
    assert [relation(people, "a", *rest).value["n"] for rest in (("friends", "b"), ("likes", "b"))] == [1, 2]
    unrelate(people, "a", "friends", "b")
    assert related(people, "a", "friends") == ["c"]
    assert related(people, "a", "likes") == ["b"]


def test_an_item_can_relate_to_itself(people: Engine) -> None:
    relate(people, "a", "knows", "a")
    assert related(people, "a", "knows") == ["a"]
    assert related(people, "a", "knows", "knows", "knows") == ["a"]


def test_relating_changes_no_item(people: Engine) -> None:
    relate(people, "a", "friends", "b")
    assert [len(history(people, key)) for key in "ab"] == [1, 1]


def test_a_relation_can_cross_collections(people: Engine) -> None:
    put(people, "m", {"title": "M"}, collection="films")
    put(people, "a", {"title": "A"}, collection="films")
    to_film = ends("a", "liked", "m", to_collection="films")
    people.execute(PutRelation(**to_film))
    people.execute(PutRelation(**ends("m", "liked by", "a", collection="films")))
    (film,) = people.execute(ListRelations(collection=THINGS, key="a", kinds=("liked",))).results
    assert (film.collection, film.key) == ("films", "m")
    assert related(people, "a", "liked", "liked by") == ["a"]
    assert related(people, "a", "liked by") == []


# -- ends that are missing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "to", "missing"), [("a", "nobody", "nobody"), ("nobody", "a", "nobody"), ("a", "gone", "gone")]
)
def test_both_ends_must_be_there(people: Engine, key: str, to: str, missing: str) -> None:
    put(people, "gone", 1)
    delete(people, "gone")
    for operation in (
        PutRelation(**ends(key, "friends", to)),
        PutRelation(**ends(key, "friends", to), condition=IfAbsent()),
        DeleteRelation(**ends(key, "friends", to)),
    ):
        with pytest.raises(NotFound) as caught:
            people.execute(operation)
        error = caught.value
        assert (type(error), error.code) == (NotFound, "items_not_found")
        assert {"collection": THINGS, "key": missing} in error.details["items"]


def test_relating_to_a_collection_that_is_not_there(people: Engine) -> None:
    with pytest.raises(NotFound) as caught:
        people.execute(PutRelation(**ends("a", "liked", "m", to_collection="nowhere")))
    assert caught.value.details["items"] == [{"collection": "nowhere", "key": "m"}]


@pytest.mark.parametrize("to", ["b", "nobody"])
def test_a_relation_that_is_not_there(people: Engine, to: str) -> None:
    with pytest.raises(NotFound) as caught:
        relation(people, "a", "friends", to)
    assert isinstance(caught.value, RelationNotFound)
    assert (caught.value.status, caught.value.code) == (404, "relation_not_found")


def test_removing_what_is_not_there_is_no_error(people: Engine) -> None:
    unrelate(people, "a", "friends", "b")
    relate(people, "a", "friends", "b")
    unrelate(people, "a", "friends", "b")
    unrelate(people, "a", "friends", "b")
    assert related(people, "a", "friends") == []


@pytest.mark.parametrize("gone", ["a", "b"])
def test_a_relation_can_be_removed_where_an_end_is_gone(people: Engine, gone: str) -> None:
    relate(people, "a", "friends", "b")
    delete(people, gone)
    unrelate(people, "a", "friends", "b")
    put(people, gone, {"name": "again"})
    assert related(people, "a", "friends") == []


def test_the_relations_of_what_is_not_there_are_not_found(people: Engine) -> None:
    put(people, "gone", 1)
    delete(people, "gone")
    for key in ("nobody", "gone"):
        with pytest.raises(NotFound) as caught:
            related(people, key, "friends")
        assert caught.value.details["items"] == [{"collection": THINGS, "key": key}]


def test_nothing_related_is_an_empty_list(people: Engine) -> None:
    assert related(people, "a", "friends") == []
    assert related(people, "a", "friends", "friends") == []


@pytest.mark.parametrize("purge", [False, True])
def test_targets_that_are_gone_are_skipped(people: Engine, purge: bool) -> None:
    for to in "bcd":
        relate(people, "a", "friends", to)
    delete(people, "c", purge=purge)
    assert related(people, "a", "friends") == ["b", "d"]
    assert related(people, "a", "friends", limit=1) == ["b", "d"]


@pytest.mark.parametrize("gone", ["a", "b"])
def test_a_relation_with_an_end_that_is_gone_is_not_found_until_it_is_back(people: Engine, gone: str) -> None:
    relate(people, "a", "friends", "b")
    get = GetRelation(collection=THINGS, key="a", kind="friends", to_collection=THINGS, to_key="b")
    assert people.execute(get).value == {}
    delete(people, gone)
    with pytest.raises(RelationNotFound):
        people.execute(get)
    put(people, gone, {"name": "again"})
    assert people.execute(get).value == {}


def test_a_target_that_comes_back_is_related_again(people: Engine) -> None:
    relate(people, "a", "friends", "b")
    delete(people, "b")
    put(people, "b", {"name": "again"})
    assert related(people, "a", "friends") == ["b"]


@pytest.mark.parametrize("purge", [False, True])
def test_a_path_through_an_item_that_is_gone_leads_nowhere_until_it_is_back(
    people: Engine, purge: bool
) -> None:
    relate(people, "a", "friends", "b")
    relate(people, "b", "friends", "c")
    assert related(people, "a", "friends", "friends") == ["c"]
    delete(people, "b", purge=purge)
    assert related(people, "a", "friends", "friends") == []
    put(people, "b", {"name": "again"})
    assert related(people, "a", "friends", "friends") == ["c"]


def test_what_was_purged_is_new_again_whatever_its_relations(people: Engine) -> None:
    relate(people, "b", "friends", "c")
    delete(people, "b", purge=True)
    assert "b" not in listed(people)
    with pytest.raises(NotFound):
        history(people, "b")
    assert put(people, "b", {"name": "Bob"}, IfAbsent()) == value_ref(None, {"name": "Bob"})
    delete(people, "b", purge=True)
    unrelate(people, "b", "friends", "c")
    put(people, "b", {"name": "again"})
    assert related(people, "b", "friends") == []


# -- conditions ------------------------------------------------------------------------------------


def test_a_relation_can_be_create_only(people: Engine) -> None:
    written = relate(people, "a", "friends", "b", {"n": 1}, IfAbsent())
    with pytest.raises(AlreadyExists) as caught:
        relate(people, "a", "friends", "b", {"n": 2}, IfAbsent())
    assert (caught.value.status, caught.value.code) == (412, "item_already_present")
    assert caught.value.current == written.ref
    assert relation(people, "a", "friends", "b").value == {"n": 1}
    unrelate(people, "a", "friends", "b")
    relate(people, "a", "friends", "b", {"n": 3}, IfAbsent())


def test_a_change_of_the_current_relation_goes_through(people: Engine) -> None:
    first = relate(people, "a", "friends", "b", {"n": 1})
    second = relate(people, "a", "friends", "b", {"n": 2}, IfMatch(first.ref))
    assert relation(people, "a", "friends", "b").value == {"n": 2}
    unrelate(people, "a", "friends", "b", IfMatch(second.ref))
    assert related(people, "a", "friends") == []


def test_a_change_of_another_version_is_a_conflict(people: Engine) -> None:
    first = relate(people, "a", "friends", "b", {"n": 1})
    current = relate(people, "a", "friends", "b", {"n": 2})
    for expected in (first.ref, OTHER):
        for write in (
            PutRelation(**ends("a", "friends", "b"), value={"n": 3}, condition=IfMatch(expected)),
            DeleteRelation(**ends("a", "friends", "b"), condition=IfMatch(expected)),
        ):
            with pytest.raises(Conflict) as caught:
                people.execute(write)
            error = caught.value
            assert (type(error), error.code) == (Conflict, "item_version_mismatch")
            assert (error.expected, error.current) == (expected, current.ref)
    assert relation(people, "a", "friends", "b").value == {"n": 2}


def test_a_guarded_change_of_a_relation_that_is_not_there_is_a_conflict(people: Engine) -> None:
    for write in (
        PutRelation(**ends("a", "friends", "b"), condition=IfMatch(OTHER)),
        DeleteRelation(**ends("a", "friends", "b"), condition=IfMatch(OTHER)),
    ):
        with pytest.raises(Conflict) as caught:
            people.execute(write)
        assert (caught.value.expected, caught.value.current) == (OTHER, None)
    assert related(people, "a", "friends") == []


# -- hops ------------------------------------------------------------------------------------------


def test_every_kind_is_one_hop(people: Engine) -> None:
    relate(people, "a", "friends", "b")
    relate(people, "a", "friends", "c")
    relate(people, "b", "likes", "d")
    relate(people, "c", "likes", "e")
    relate(people, "c", "hates", "f")
    assert related(people, "a", "friends", "likes") == ["d", "e"]
    assert related(people, "a", "friends", "hates") == ["f"]
    assert related(people, "a", "likes") == []


def test_the_oldest_relation_comes_first(people: Engine) -> None:
    for to in "dbfc":
        relate(people, "a", "friends", to)
    assert related(people, "a", "friends") == ["d", "b", "f", "c"]


def test_a_destination_comes_once_through_however_many_paths(people: Engine) -> None:
    for middle in "bcd":
        relate(people, "a", "friends", middle)
        relate(people, middle, "likes", "e")
    assert related(people, "a", "friends", "likes") == ["e"]


def test_cycles_end(people: Engine) -> None:
    for one, other in ("ab", "bc", "ca"):
        relate(people, one, "next", other)
    hops = [related(people, "a", *["next"] * n) for n in range(1, 8)]
    assert hops == [["b"], ["c"], ["a"], ["b"], ["c"], ["a"], ["b"]]


def test_a_dense_graph_is_walked_in_reasonable_time(people: Engine) -> None:
    for one in "abcdef":
        for other in "abcdef":
            relate(people, one, "knows", other)
    assert sorted(related(people, "a", *["knows"] * 20)) == list("abcdef")


# -- pages -----------------------------------------------------------------------------------------


def test_relations_are_paged_in_both_directions(people: Engine) -> None:
    for to in "bcdef":
        relate(people, "a", "friends", to)
    first = people.execute(ListRelations(collection=THINGS, key="a", kinds=("friends",), limit=2))
    assert first.next is not None
    second = people.execute(first.next)
    assert second.next is not None
    third = people.execute(second.next)
    assert [keys(page.results) for page in (first, second, third)] == [["b", "c"], ["d", "e"], ["f"]]
    assert (first.prev, third.next) == (None, None)
    assert third.prev is not None
    assert people.execute(third.prev).results == second.results


def test_pages_of_hops_are_paged_as_well(people: Engine) -> None:
    relate(people, "a", "friends", "b")
    for to in "cdef":
        relate(people, "b", "friends", to)
    assert related(people, "a", "friends", "friends", limit=1) == list("cdef")


def test_a_relation_can_carry_some_fields_only(people: Engine) -> None:
    put(people, "b", {"name": "b", "age": 3})
    relate(people, "a", "friends", "b")
    page = people.execute(
        ListRelations(collection=THINGS, key="a", kinds=("friends",), with_fields=["value.age"])
    )
    assert [friend.value for friend in page.results] == [{"age": 3}]


def test_a_page_larger_than_the_engine_s_limit_is_refused(people: Engine) -> None:
    limit = people.capabilities.max_limit + 1
    with pytest.raises(InvalidParameter) as caught:
        people.execute(ListRelations(collection=THINGS, key="a", kinds=("friends",), limit=limit))
    assert list(caught.value.details) == ["limit"]


@pytest.mark.parametrize("name", ["a/b", "100%", "..", "\x00", "😀", "relations"])
def test_any_text_is_a_kind_and_an_end(engine: Engine, name: str) -> None:
    put(engine, name, 1, collection=name)
    where = ends(name, name, name, name, name)
    engine.execute(PutRelation(**where, value={"n": name}))
    assert engine.execute(GetRelation(**where)).value == {"n": name}
    page = engine.execute(ListRelations(collection=name, key=name, kinds=(name, name)))
    assert keys(page.results) == [name]
    engine.execute(DeleteRelation(**where))
    assert listed(engine, name) == [name]
