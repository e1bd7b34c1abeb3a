"""Events: their times and ordinals, their ranges, and guarded changes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import AlreadyExists, Conflict, InvalidParameter, NotFound, PatchConflict
from orcodm.identifiers import EPOCH_MS, identifiers
from orcodm.operations import (
    Condition,
    DeleteEvent,
    EventBound,
    EventItem,
    EventWritten,
    GetEvent,
    IfMatch,
    JsonPatch,
    ListEvents,
    MergePatch,
    PatchEvent,
    PostEvent,
    PutEvent,
)

from .asking import THINGS, delete, follow, get, listed, put

LOG: dict[str, Any] = {"collection": THINGS, "key": "a", "type": "log"}

OTHER = "0123456789abcdef"


def post(
    engine: Engine, value: Any, timestamp: int | None = None, ordinal: int | None = None
) -> EventWritten:
    return engine.execute(PostEvent(**LOG, value=value, timestamp=timestamp, ordinal=ordinal))


def at(event: EventWritten | EventItem) -> dict[str, Any]:
    return {**LOG, "timestamp": event.timestamp, "ordinal": event.ordinal}


def read(engine: Engine, event: EventWritten) -> EventItem:
    return engine.execute(GetEvent(**at(event)))


def log(engine: Engine, **bounds: Any) -> list[Any]:
    """The values of the events, newest first, through pages of two."""
    return [event.value for event in follow(engine, ListEvents(**LOG, limit=2, **bounds))]


# -- creating and reading --------------------------------------------------------------------------


def test_an_event_has_the_time_it_was_given(engine: Engine) -> None:
    before = int(time.time() * 1000)
    written = post(engine, {"n": 1}, timestamp=1234)
    after = int(time.time() * 1000)
    assert (written.collection, written.key, written.type) == (THINGS, "a", "log")
    assert written.timestamp == 1234
    assert before <= (written.ordinal >> 24) + EPOCH_MS <= after, "an ordinal tells when the event was made"
    event = read(engine, written)
    assert (event.collection, event.key, event.type) == (THINGS, "a", "log")
    assert (event.timestamp, event.ordinal, event.ref) == (1234, written.ordinal, written.ref)
    assert event.value == {"n": 1}
    if event.reftime is not None:
        assert before <= event.reftime <= after
    assert (event.score, event.distance) == (None, None)


def test_an_event_without_a_time_is_of_now(engine: Engine) -> None:
    before = int(time.time() * 1000)
    written = post(engine, 1)
    assert before <= written.timestamp <= int(time.time() * 1000)


@pytest.mark.parametrize("timestamp", [0, 1, -1, -(2**63), 2**63 - 1, 1411421154480])
def test_any_millisecond_of_64_bits_is_a_time(engine: Engine, timestamp: int) -> None:
    written = post(engine, timestamp, timestamp)
    assert read(engine, written).timestamp == timestamp
    assert log(engine) == [timestamp]


def test_an_event_needs_no_item_and_makes_none(engine: Engine) -> None:
    post(engine, 1)
    with pytest.raises(NotFound):
        get(engine, "a")
    assert listed(engine) == []


@pytest.mark.parametrize("purge", [False, True])
def test_events_stay_where_their_item_goes(engine: Engine, purge: bool) -> None:
    put(engine, "a", 1)
    written = post(engine, "logged")
    delete(engine, "a", purge=purge)
    assert read(engine, written).value == "logged"


def test_events_of_other_keys_types_and_collections_are_apart(engine: Engine) -> None:
    for changed in ({}, {"key": "b"}, {"type": "other"}, {"collection": "others"}):
        engine.execute(PostEvent(**{**LOG, **changed}, value=changed, timestamp=1, ordinal=1))
    assert log(engine) == [{}]
    engine.execute(DeleteEvent(**LOG, timestamp=1, ordinal=1))
    assert log(engine) == []
    assert [e.value for e in engine.execute(ListEvents(**{**LOG, "type": "other"})).results] == [
        {"type": "other"}
    ]


def test_a_millisecond_holds_many_events(engine: Engine) -> None:
    written = [post(engine, n, timestamp=5) for n in range(5)]
    ordinals = [event.ordinal for event in written]
    assert len(set(ordinals)) == 5
    assert ordinals == sorted(ordinals)
    assert [read(engine, event).value for event in written] == list(range(5))
    assert log(engine) == [4, 3, 2, 1, 0]


def test_an_ordinal_can_be_chosen_where_it_is_free(engine: Engine) -> None:
    first = post(engine, 1, timestamp=5, ordinal=7)
    assert (first.timestamp, first.ordinal) == (5, 7)
    with pytest.raises(AlreadyExists) as caught:
        post(engine, 2, timestamp=5, ordinal=7)
    assert (caught.value.status, caught.value.code) == (412, "item_already_present")
    assert read(engine, first).value == 1
    assert post(engine, 3, timestamp=6, ordinal=7).ordinal == 7
    assert log(engine) == [3, 1]


def test_a_generated_ordinal_that_is_taken_is_given_up_for_another(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = post(engine, "first", timestamp=5).ordinal
    drawn = iter([taken, taken, taken + 1])
    monkeypatch.setattr(identifiers, "next", lambda: next(drawn))
    assert post(engine, "second", timestamp=5).ordinal == taken + 1
    assert log(engine) == ["second", "first"]


@pytest.mark.parametrize(
    "changed", [{"timestamp": 2}, {"ordinal": 2}, {"type": "x"}, {"key": "x"}, {"collection": "x"}]
)
def test_an_event_that_is_not_there_is_not_found(engine: Engine, changed: dict[str, Any]) -> None:
    post(engine, 1, timestamp=1, ordinal=1)
    where = {**LOG, "timestamp": 1, "ordinal": 1, **changed}
    for operation in (
        GetEvent(**where),
        PutEvent(**where, value=2),
        PatchEvent(**where, changes=MergePatch({})),
    ):
        with pytest.raises(NotFound) as caught:
            engine.execute(operation)
        assert caught.value.code == "items_not_found"
        assert caught.value.details["items"][0]["collection"] == where["collection"]
        assert caught.value.details["items"][0]["key"] == where["key"]


def test_an_event_can_be_read_in_part(engine: Engine) -> None:
    written = post(engine, {"ip": "::1", "agent": "x"})
    part = engine.execute(GetEvent(**at(written), with_fields=["value.ip"]))
    assert part.value == {"ip": "::1"}
    (entry,) = engine.execute(ListEvents(**LOG, without_fields=["value.ip"])).results
    assert entry.value == {"agent": "x"}


# -- changing --------------------------------------------------------------------------------------


def test_an_update_replaces_and_keeps_no_history(engine: Engine) -> None:
    first = post(engine, {"n": 1}, timestamp=5)
    second = engine.execute(PutEvent(**at(first), value={"n": 2}))
    assert (second.timestamp, second.ordinal) == (5, first.ordinal)
    assert second.ref != first.ref
    event = read(engine, first)
    assert (event.value, event.ref) == ({"n": 2}, second.ref)
    assert log(engine) == [{"n": 2}]


def test_a_patch_of_an_event(engine: Engine) -> None:
    event = post(engine, {"n": 1, "m": 1})
    written = engine.execute(PatchEvent(**at(event), changes=MergePatch({"m": None})))
    assert (written.timestamp, written.ordinal) == (event.timestamp, event.ordinal)
    written = engine.execute(PatchEvent(**at(event), changes=JsonPatch([{"op": "inc", "path": "n"}])))
    again = read(engine, event)
    assert (again.value, again.ref) == ({"n": 2}, written.ref)


def test_a_patch_that_fails_leaves_the_event(engine: Engine) -> None:
    event = post(engine, {"n": 1})
    changes = JsonPatch([{"op": "inc", "path": "n"}, {"op": "remove", "path": "missing"}])
    with pytest.raises(PatchConflict) as caught:
        engine.execute(PatchEvent(**at(event), changes=changes))
    assert caught.value.details["opIndex"] == 1
    assert read(engine, event).ref == event.ref


def test_a_deleted_event_is_gone(engine: Engine) -> None:
    event = post(engine, 1)
    assert engine.execute(DeleteEvent(**at(event))) is None
    with pytest.raises(NotFound):
        read(engine, event)
    assert log(engine) == []
    assert engine.execute(DeleteEvent(**at(event))) is None


def writes(event: EventWritten, condition: Condition) -> list[Any]:
    return [
        PutEvent(**at(event), value={"n": 2}, condition=condition),
        PatchEvent(**at(event), changes=MergePatch({"n": 3}), condition=condition),
        DeleteEvent(**at(event), condition=condition),
    ]


def test_changes_of_the_current_version_go_through(engine: Engine) -> None:
    for index in range(3):
        event = post(engine, {"n": 1})
        engine.execute(writes(event, IfMatch(event.ref))[index])
    assert log(engine) == [{"n": 3}, {"n": 2}]


def test_changes_of_another_version_are_conflicts(engine: Engine) -> None:
    first = post(engine, {"n": 0})
    current = engine.execute(PutEvent(**at(first), value={"n": 1}))
    for expected in (first.ref, OTHER):
        for write in writes(first, IfMatch(expected)):
            with pytest.raises(Conflict) as caught:
                engine.execute(write)
            error = caught.value
            assert (type(error), error.status, error.code) == (Conflict, 412, "item_version_mismatch")
            assert (error.collection, error.key) == (THINGS, "a")
            assert (error.expected, error.current) == (expected, current.ref)
    assert read(engine, first).value == {"n": 1}


def test_a_guarded_deletion_of_what_is_gone_is_a_conflict(engine: Engine) -> None:
    event = post(engine, 1)
    engine.execute(DeleteEvent(**at(event)))
    with pytest.raises(Conflict) as caught:
        engine.execute(DeleteEvent(**at(event), condition=IfMatch(event.ref)))
    assert (caught.value.expected, caught.value.current) == (event.ref, None)


# -- ranges ----------------------------------------------------------------------------------------

# (timestamp, ordinal): three share the millisecond 20.
MOMENTS = [(10, 1), (20, 1), (20, 2), (20, 3), (30, 1), (-5, 9)]


def bound(moment: int | tuple[int, int]) -> EventBound:
    return EventBound(*moment) if isinstance(moment, tuple) else EventBound(moment)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, ["30/1", "20/3", "20/2", "20/1", "10/1", "-5/9"]),
        ({"start": 20}, ["30/1", "20/3", "20/2", "20/1"]),
        ({"after": 20}, ["30/1"]),
        ({"end": 20}, ["20/3", "20/2", "20/1", "10/1", "-5/9"]),
        ({"before": 20}, ["10/1", "-5/9"]),
        ({"start": (20, 2)}, ["30/1", "20/3", "20/2"]),
        ({"after": (20, 2)}, ["30/1", "20/3"]),
        ({"end": (20, 2)}, ["20/2", "20/1", "10/1", "-5/9"]),
        ({"before": (20, 2)}, ["20/1", "10/1", "-5/9"]),
        ({"after": 0}, ["30/1", "20/3", "20/2", "20/1", "10/1"]),
        ({"start": 11, "end": 29}, ["20/3", "20/2", "20/1"]),
        ({"after": (20, 1), "before": (20, 3)}, ["20/2"]),
        ({"start": 10, "after": 10}, ["30/1", "20/3", "20/2", "20/1"]),
        ({"start": (20, 2), "after": 10}, ["30/1", "20/3", "20/2"]),
        ({"before": (20, 2), "end": 20}, ["20/1", "10/1", "-5/9"]),
        ({"before": 30, "end": (20, 1)}, ["20/1", "10/1", "-5/9"]),
        ({"start": 30, "end": 10}, []),
        ({"start": -5, "end": 0}, ["-5/9"]),
        ({"start": 2**63 - 1}, []),
        ({"after": (20, 99)}, ["30/1"]),
        ({"start": (20, 0)}, ["30/1", "20/3", "20/2", "20/1"]),
    ],
    ids=str,
)
def test_bounds(engine: Engine, bounds: dict[str, Any], expected: list[str]) -> None:
    for timestamp, ordinal in MOMENTS:
        post(engine, f"{timestamp}/{ordinal}", timestamp, ordinal)
    assert log(engine, **{side: bound(moment) for side, moment in bounds.items()}) == expected


def test_pages_lead_to_older_events(engine: Engine) -> None:
    for n in range(5):
        post(engine, n, timestamp=n)
    first = engine.execute(ListEvents(**LOG, limit=2, after=EventBound(0)))
    assert [event.value for event in first.results] == [4, 3]
    assert first.next is not None
    second = engine.execute(first.next)
    assert [event.value for event in second.results] == [2, 1]
    assert (second.next, first.prev, second.prev, first.total) == (None, None, None, None)


def test_writes_between_pages_neither_skip_nor_repeat(engine: Engine) -> None:
    for n in range(6):
        post(engine, n, timestamp=7, ordinal=n * 10)
    page = engine.execute(ListEvents(**LOG, limit=2))
    seen = [event.value for event in page.results]  # 5 4
    engine.execute(DeleteEvent(**LOG, timestamp=7, ordinal=40))
    engine.execute(DeleteEvent(**LOG, timestamp=7, ordinal=20))
    post(engine, "newer", timestamp=8)
    post(engine, "between", timestamp=7, ordinal=25)
    assert page.next is not None
    seen += [event.value for event in follow(engine, page.next)]
    assert seen == [5, 4, 3, "between", 1, 0]


def test_what_was_never_logged_is_an_empty_list(engine: Engine) -> None:
    page = engine.execute(ListEvents(**LOG))
    assert (page.results, page.next, page.prev) == ((), None, None)


def test_a_page_has_ten_where_nobody_says(engine: Engine) -> None:
    for n in range(11):
        post(engine, n)
    assert len(engine.execute(ListEvents(**LOG)).results) == 10
    assert log(engine) == list(range(10, -1, -1))


def test_a_page_larger_than_the_engine_s_limit_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidParameter) as caught:
        engine.execute(ListEvents(**LOG, limit=engine.capabilities.max_limit + 1))
    assert list(caught.value.details) == ["limit"]


@pytest.mark.parametrize("name", ["a/b", "100%", "..", "\x00", "😀", "refs", "1411421154480"])
def test_any_text_is_a_type(engine: Engine, name: str) -> None:
    where = {"collection": name, "key": name, "type": name}
    written = engine.execute(PostEvent(**where, value=name))
    moment = {"timestamp": written.timestamp, "ordinal": written.ordinal}
    assert engine.execute(GetEvent(**where, **moment)).value == name
    assert [event.type for event in engine.execute(ListEvents(**where)).results] == [name]
