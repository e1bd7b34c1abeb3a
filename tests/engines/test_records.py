"""Everything that is stored, as it is stored: out, and in again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import AlreadyExists, Conflict, InvalidKey, InvalidParameter, MalformedRef
from orcodm.operations import (
    Delete,
    DeleteEvent,
    Dump,
    EventItem,
    Get,
    GetEvent,
    IfMatch,
    ListRefs,
    ListRelations,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    RelationItem,
    Restore,
    Search,
    Version,
)
from orcodm.refs import tombstone_ref, value_ref

ENDS: Any = {"collection": "users", "key": "ada", "to_collection": "users", "to_key": "bob"}
EVENT: Any = {"collection": "users", "key": "nobody", "type": "t", "timestamp": -5, "ordinal": 2**62}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """An engine with what lists and searches do not tell: deletions, lost ends, events of nobody."""
    for key, value in (("ada", {"n": 1}), ("bob", None), ("ada", {"n": 2**70})):
        engine.execute(Put(collection="users", key=key, value=value))
    engine.execute(PostEvent(**EVENT, value="first"))
    engine.execute(PutEvent(**EVENT, value="second"))
    for kind in ("knows", "likes", "knows"):
        engine.execute(PutRelation(**ENDS, kind=kind, value={"kind": kind}))
    engine.execute(Put(collection="films", key="a/b", value=[1]))
    engine.execute(Delete(collection="users", key="bob"))
    engine.execute(Put(collection="users", key="bob", value="again"))
    engine.execute(Delete(collection="users", key="bob"))
    return engine


@pytest.fixture
def other() -> Iterator[Engine]:
    """An empty engine."""
    engine = connect("memory:")
    yield engine
    engine.close()


def everything(engine: Engine, collection: str | None = None, limit: int = 100) -> list[Any]:
    records: list[Any] = []
    page: Any = Dump(collection=collection, limit=limit)
    while page is not None:
        dumped = engine.execute(page)
        assert len(dumped.results) <= limit
        assert dumped.results or not records
        records += dumped.results
        page = dumped.next
    return records


def test_it_is_said(engine: Engine) -> None:
    assert engine.capabilities.records


def test_nothing_is_nothing(engine: Engine) -> None:
    assert everything(engine) == []
    assert engine.execute(Restore([])).outcomes == ()


def test_all_of_it_comes_in_its_order(filled: Engine) -> None:
    records = everything(filled)
    versions = [(each.key, each.value) for each in records if isinstance(each, Version)]
    assert versions == [
        ("ada", {"n": 1}),
        ("bob", None),
        ("ada", {"n": 2**70}),
        ("a/b", [1]),
        ("bob", None),
        ("bob", "again"),
        ("bob", None),
    ]
    assert [each.deleted for each in records if isinstance(each, Version)] == [
        *[False] * 4,
        True,
        False,
        True,
    ]
    assert [each.value for each in records if isinstance(each, EventItem)] == ["second"]
    assert [each.kind for each in records if isinstance(each, RelationItem)] == ["knows", "likes"]
    assert all(each.reftime for each in records)
    bob = [each for each in records if isinstance(each, Version) and each.key == "bob"]
    assert bob[0].ref == value_ref(None, None)
    assert bob[1].ref == tombstone_ref(bob[0].ref)
    assert bob[2].ref == value_ref(bob[1].ref, "again")


@pytest.mark.parametrize("limit", range(1, 12))
def test_pages_of_any_size_are_the_whole(filled: Engine, limit: int) -> None:
    assert everything(filled, limit=limit) == everything(filled)


def test_a_page_of_none_has_none(filled: Engine) -> None:
    assert filled.execute(Dump(limit=0)).results == ()


def test_one_collection(filled: Engine) -> None:
    records = everything(filled, "users", limit=2)
    assert records == [record for record in everything(filled) if record.collection == "users"]
    assert [record.key for record in everything(filled, "films")] == ["a/b"]
    assert everything(filled, "nothing") == []


@pytest.mark.parametrize("cursor", ["", "huh", "versions:", "versions:-1", "huh:1", "versions:" + "9" * 30])
def test_a_place_that_is_none_is_refused(engine: Engine, cursor: str) -> None:
    with pytest.raises(InvalidParameter):
        engine.execute(Dump(cursor=cursor))


def test_a_copy_is_exact(filled: Engine, other: Engine) -> None:
    records = everything(filled)
    assert other.execute(Restore(records)).outcomes == (True,) * len(records)
    assert everything(other) == records
    for read in (
        ListRefs(collection="users", key="ada", values=True),
        ListRefs(collection="users", key="bob", values=True),
        GetEvent(**EVENT),
        Get(collection="films", key="a/b"),
        ListRelations(collection="users", key="ada", kinds=["knows"]),
    ):
        assert other.execute(read) == filled.execute(read)
    query = "@path.kind:(item event relationship)"
    assert other.execute(Search(query=query)).total == filled.execute(Search(query=query)).total


def test_an_engine_takes_what_another_gave(other: Engine, engine: Engine) -> None:
    written = other.execute(Put(collection="c", key="k", value={"a": 1}))
    other.execute(Put(collection="c", key="k", value={"a": 2}, condition=IfMatch(written.ref)))
    other.execute(PostEvent(collection="c", key="k", type="t", value=1, timestamp=5, ordinal=7))
    records = everything(other)
    assert engine.execute(Restore(records)).outcomes == (True, True, True)
    assert everything(engine) == records
    assert engine.execute(Search(collection="c", query="a:2")).total == 1
    # And goes on from there as the other would.
    more = Put(collection="c", key="k", value={"a": 3}, condition=IfMatch(records[1].ref))
    assert engine.execute(more) == other.execute(more)


def test_restoring_again_changes_nothing(filled: Engine) -> None:
    records = everything(filled)
    assert filled.execute(Restore(records)).outcomes == (False,) * len(records)
    assert everything(filled) == records


@pytest.mark.parametrize("done", range(11))
def test_a_restoration_that_stopped_goes_on(filled: Engine, other: Engine, done: int) -> None:
    records = everything(filled)
    other.execute(Restore(records[:done]))
    outcomes = other.execute(Restore(records)).outcomes
    assert outcomes == (False,) * min(done, len(records)) + (True,) * (len(records) - done)
    assert everything(other) == records


def test_what_is_written_on_top_stays(filled: Engine) -> None:
    records = everything(filled)
    filled.execute(Put(collection="users", key="bob", value="newer"))
    assert filled.execute(Restore(records)).outcomes == (False,) * len(records)
    assert filled.execute(Get(collection="users", key="bob")).value == "newer"


def test_what_does_not_fit_is_refused_and_the_rest_is_stored(engine: Engine) -> None:
    mine = engine.execute(Put(collection="c", key="k", value="mine"))
    engine.execute(PostEvent(collection="c", key="k", type="t", value="mine", timestamp=5, ordinal=7))
    place: Any = {"collection": "c", "key": "k", "reftime": 5}
    theirs = Version(**place, ref=value_ref(None, "theirs"), value="theirs")
    event = EventItem(**place, type="t", timestamp=5, ordinal=7, ref="abc", value="theirs")
    forged = Version(**place | {"key": "forged"}, ref="abc", value="forged")
    free = Version(**place | {"key": "free"}, ref=value_ref(None, 1), value=1)
    outcomes = engine.execute(Restore([theirs, event, forged, free])).outcomes
    assert [type(outcome) for outcome in outcomes] == [Conflict, AlreadyExists, Conflict, bool]
    assert outcomes[0].details["current"] == mine.ref
    assert engine.execute(Get(collection="c", key="k")).value == "mine"
    assert engine.execute(Get(collection="c", key="free")).reftime == 5


def test_a_relation_from_what_was_purged_leads_on_once_it_is_back(filled: Engine, other: Engine) -> None:
    filled.execute(Put(collection="users", key="bob", value="back"))
    filled.execute(PutRelation(**{**ENDS, "key": "bob", "to_key": "ada"}, kind="knows"))
    filled.execute(Delete(collection="users", key="bob", purge=True))
    other.execute(Restore(records=everything(filled)))
    there_and_back = ListRelations(collection="users", key="ada", kinds=("knows", "knows"))
    for engine in (filled, other):
        assert engine.execute(there_and_back).results == ()
        engine.execute(Put(collection="users", key="bob", value="new"))
        assert [item.key for item in engine.execute(there_and_back).results] == ["ada"]


def test_an_event_that_is_gone_can_come_back(filled: Engine) -> None:
    records = everything(filled)
    filled.execute(DeleteEvent(**EVENT))
    assert filled.execute(Restore(records)).outcomes.count(True) == 1
    assert filled.execute(GetEvent(**EVENT)).value == "second"


def test_records_that_are_none() -> None:
    version = Version(collection="c", key="k", ref="ab", reftime=1, value=1)
    for broken, error in (
        (evolve(version, key=""), InvalidKey),
        (evolve(version, ref=None), MalformedRef),
        (evolve(version, reftime=None), InvalidParameter),
        ("huh", InvalidParameter),
    ):
        with pytest.raises(error):
            Restore([broken])  # type: ignore[list-item]
