"""What becomes of writes that no answer says were made: refused by themselves, unanswered, seen by nobody.

The cluster is real; what a fault does to a request is done to it on the way. Whatever a stale copy says, who
was made is told so once, who was not is never told so, and what nobody can know is told as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any

import opensearchpy
import orjson
import pytest
from opensearchpy.exceptions import ConnectionError as Lost

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import Conflict, DatabaseBusy, NotFound, TransportError
from orcodm.operations import (
    Batch,
    Delete,
    DeleteEvent,
    DeleteRelation,
    GetEvent,
    IfAbsent,
    IfMatch,
    Operation,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
)

from ...cluster.steps import bulk_actions, performing
from ..asking import THINGS, delete, history, item, put, verify

pytestmark = pytest.mark.cluster

_perform = opensearchpy.Transport.perform_request

EVENT: dict[str, Any] = {"collection": THINGS, "key": "a", "type": "t", "timestamp": 5, "ordinal": 6}
RELATION = {"collection": THINGS, "key": "a", "kind": "knows", "to_collection": THINGS, "to_key": "b"}


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with closing(connect(url)) as engine:
        yield engine


@pytest.fixture
def other(url: str) -> Iterator[Engine]:
    with closing(connect(url)) as engine:
        yield engine


@contextmanager
def first_write(fault: Callable[..., Any], reads: Callable[..., Any] = _perform) -> Iterator[None]:
    """A fault happens to the first change that this thread sends; reads by id are answered by `reads`."""
    pending = [fault]

    def perform(self: Any, method: str, path: str, **given: Any) -> Any:
        if path.endswith("/_mget") or "/_doc/" in path:
            return reads(self, method, path, **given)
        if pending and any(is_change(action) for action in bulk_actions(path, given.get("body"))):
            with performing(_perform):
                return pending.pop()(self, method, path, **given)
        return _perform(self, method, path, **given)

    with performing(perform):
        yield


def is_change(action: bytes) -> bool:
    return not action.startswith(b'{"update"')


def repeated(meanwhile: Callable[[], Any] = lambda: None) -> Callable[..., Any]:
    """As a cluster does whose node dies: a change is sent to a copy again, which has it already."""

    def perform(*request: Any, **given: Any) -> Any:
        _perform(*request, **given)
        meanwhile()
        return _perform(*request, **given)

    return perform


def unanswered(meanwhile: Callable[[], Any] = lambda: None) -> Callable[..., Any]:
    """A change is made, and the answer is lost."""

    def perform(*request: Any, **given: Any) -> Any:
        _perform(*request, **given)
        meanwhile()
        raise Lost("N/A", "the answer is lost", OSError())

    return perform


def vanished(meanwhile: Callable[[], Any] = lambda: None) -> Callable[..., Any]:
    """A change is lost on its way."""

    def perform(*request: Any, **given: Any) -> Any:
        meanwhile()
        raise Lost("N/A", "nobody is there", OSError())

    return perform


FAULTS = {"repeated": repeated, "unanswered": unanswered}


def no_reading(*request: Any, **given: Any) -> Any:
    raise AssertionError("what a copy says is no proof")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("on_top", range(4))
def test_a_change_that_was_made_is_no_conflict(
    engine: Engine, other: Engine, fault: str, on_top: int
) -> None:
    put(engine, "a", 0)
    ref = put(engine, "a", 1)

    def meanwhile() -> None:
        for number in range(on_top):
            put(other, "a", f"on top {number}", IfMatch(item(other, "a").ref))

    with first_write(FAULTS[fault](meanwhile), reads=no_reading):
        mine = put(engine, "a", 2, IfMatch(ref))
    versions = history(other, "a")
    assert [version.value for version in reversed(versions)] == [
        *(0, 1, 2),
        *(f"on top {number}" for number in range(on_top)),
    ]
    assert verify(versions)[2] == mine


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("on_top", range(4))
def test_a_change_of_an_event_that_was_made_is_no_conflict(
    engine: Engine, other: Engine, fault: str, on_top: int
) -> None:
    ref = engine.execute(PostEvent(**EVENT, value=0)).ref

    def meanwhile() -> None:
        for number in range(on_top):
            other.execute(PutEvent(**EVENT, value=f"on top {number}"))

    with first_write(FAULTS[fault](meanwhile), reads=one_reading()):
        mine = engine.execute(PutEvent(**EVENT, value="mine", condition=IfMatch(ref)))
    assert mine.ref != ref
    there = other.execute(GetEvent(**EVENT))
    assert there.value == (f"on top {on_top - 1}" if on_top else "mine")


def one_reading() -> Callable[..., Any]:
    """One read, which every change of an event begins with."""
    left = [_perform]

    def perform(*request: Any, **given: Any) -> Any:
        return (left.pop() if left else no_reading)(*request, **given)

    return perform


def test_after_too_many_writes_on_top_of_an_event_it_is_not_known_whose_it_was(
    url: str, other: Engine
) -> None:
    with closing(connect(url, timeout=6)) as engine:
        ref = engine.execute(PostEvent(**EVENT, value=0)).ref

        def meanwhile() -> None:
            for number in range(12):
                other.execute(PutEvent(**EVENT, value=number))

        with first_write(repeated(meanwhile)), pytest.raises((TransportError, DatabaseBusy)):
            engine.execute(PutEvent(**EVENT, value="mine", condition=IfMatch(ref)))


@pytest.mark.parametrize("on_top", range(1, 4))
def test_a_change_that_was_lost_when_others_were_faster_is_a_conflict(
    engine: Engine, other: Engine, on_top: int
) -> None:
    ref = put(engine, "a", 0)

    def meanwhile() -> None:
        for number in range(1, on_top + 1):
            put(other, "a", number)

    with first_write(vanished(meanwhile)), pytest.raises(Conflict) as caught:
        put(engine, "a", "mine", IfMatch(ref))
    versions = history(other, "a")
    assert caught.value.current == versions[0].ref
    assert [version.value for version in reversed(versions)] == list(range(on_top + 1))
    verify(versions)


@contextmanager
def overtaken(fault: Callable[..., Any], faster: Callable[[], Any]) -> Iterator[None]:
    """A fault happens to the first change, and before each of the next ones somebody else is faster."""
    pending = [fault]

    def perform(self: Any, method: str, path: str, **given: Any) -> Any:
        if any(is_change(action) for action in bulk_actions(path, given.get("body"))):
            with performing(_perform):
                if pending:
                    return pending.pop()(self, method, path, **given)
                faster()
        return _perform(self, method, path, **given)

    with performing(perform):
        yield


@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_whoever_is_always_overtaken_is_told_all_the_same(url: str, other: Engine, made: bool) -> None:
    numbers = count(1)

    def faster() -> None:
        put(other, "a", next(numbers))

    ref = put(other, "a", 0)
    fault = unanswered(faster) if made else vanished(faster)
    with closing(connect(f"{url}&timeout=5")) as engine, overtaken(fault, faster):
        if made:
            mine = put(engine, "a", "mine", IfMatch(ref))
        else:
            with pytest.raises(Conflict):
                put(engine, "a", "mine", IfMatch(ref))
    versions = history(other, "a")
    verify(versions)
    assert [version.ref for version in versions if version.value == "mine"] == ([mine] if made else [])


@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_whoever_is_always_overtaken_on_an_event_is_told_as_well(url: str, other: Engine, made: bool) -> None:
    numbers = count(1)
    other.execute(Put(collection=THINGS, key="a", value={}))

    def write(engine: Engine, value: Any, **more: Any) -> str:
        return engine.execute(PutEvent(**EVENT, value=value, **more)).ref

    ref = other.execute(PostEvent(**EVENT, value=0)).ref

    def faster() -> None:
        write(other, next(numbers))

    fault = unanswered(faster) if made else vanished(faster)
    with closing(connect(f"{url}&timeout=5")) as engine, overtaken(fault, faster):
        if made:
            assert write(engine, "mine", condition=IfMatch(ref))
        else:
            with pytest.raises(Conflict):
                write(engine, "mine", condition=IfMatch(ref))


def test_a_change_that_was_lost_is_made(engine: Engine) -> None:
    ref = put(engine, "a", 0)
    with first_write(vanished()):
        put(engine, "a", 1, IfMatch(ref))
    with first_write(vanished()):
        put(engine, "b", 1, IfAbsent())
    assert [len(history(engine, key)) for key in "ab"] == [2, 1]


def test_a_change_that_only_a_copy_without_the_others_has_is_not_told_as_made(engine: Engine) -> None:
    """A primary that was cut off has the change; when it is back it takes over what the others have."""
    ref = put(engine, "a", 0)
    sent: list[bytes] = []

    def vanishing(*request: Any, **given: Any) -> Any:
        sent.extend(bulk_actions(request[2], given["body"]))
        raise Lost("N/A", "nobody is there", OSError())

    def perform(self: Any, method: str, path: str, **given: Any) -> Any:
        actions = bulk_actions(path, given.get("body"))
        if sent and actions and not any(map(is_change, actions)):
            answer = _perform(self, method, path, **given)
            head = answer["items"][0]["update"]["get"]
            head["_source"] = orjson.loads(sent[-1].splitlines()[1])
            head["_seq_no"] += 1
            version = {"_seq_no": 0, "_primary_term": 1, "_source": orjson.loads(sent[0].splitlines()[1])}
            for one in answer["items"][1:]:
                one["update"] = {"status": 200, "get": version}
            sent.clear()
            return answer
        if actions and not sent and not told:
            told.append(True)
            return vanishing(self, method, path, **given)
        return _perform(self, method, path, **given)

    told: list[bool] = []
    with performing(perform):
        mine = put(engine, "a", 1, IfMatch(ref))
    versions = history(engine, "a")
    assert [version.value for version in versions] == [1, 0]
    assert verify(versions)[-1] == mine


# -- deletions, which leave nothing ----------------------------------------------------------------


def ground(engine: Engine) -> dict[str, tuple[Callable[[str], Operation[Any]], str]]:
    """Things with their refs, and how each is deleted if it still has one."""
    refs = [put(engine, key, {}) for key in ("a", "b", "c")]
    event = engine.execute(PostEvent(**EVENT, value=0)).ref
    relation = engine.execute(PutRelation(**RELATION)).ref
    return {
        "event": (lambda ref: DeleteEvent(**EVENT, condition=IfMatch(ref)), event),
        "relation": (lambda ref: DeleteRelation(**RELATION, condition=IfMatch(ref)), relation),
        "purge": (
            lambda ref: Delete(collection=THINGS, key="c", purge=True, condition=IfMatch(ref)),
            refs[2],
        ),
    }


@pytest.mark.parametrize("name", ["event", "relation", "purge"])
def test_of_two_that_delete_the_same_one_is_told_so(engine: Engine, other: Engine, name: str) -> None:
    make, ref = ground(engine)[name]

    def faster(*request: Any, **given: Any) -> Any:
        other.execute(make(ref))
        return _perform(*request, **given)

    with first_write(faster), pytest.raises((Conflict, NotFound)):
        engine.execute(make(ref))


@pytest.mark.parametrize("name", ["event", "relation", "purge"])
def test_whose_deletion_it_was_is_not_known_when_no_answer_came(
    engine: Engine, other: Engine, name: str
) -> None:
    make, ref = ground(engine)[name]
    with first_write(vanished(lambda: other.execute(make(ref)))), pytest.raises(TransportError):
        engine.execute(make(ref))
    with pytest.raises((Conflict, NotFound)):
        engine.execute(make(ref))


def test_a_deletion_of_anything_that_had_no_answer_has_its_end(engine: Engine) -> None:
    ground(engine)
    for operation in (
        DeleteEvent(**EVENT),
        DeleteRelation(**RELATION),
        Delete(collection=THINGS, key="a"),
        Delete(collection=THINGS, key="c", purge=True),
    ):
        with first_write(unanswered()):
            engine.execute(operation)
    with pytest.raises(NotFound):
        engine.execute(GetEvent(**EVENT))
    assert [version.deleted for version in history(engine, "a")] == [True, False]
    with pytest.raises(NotFound):
        history(engine, "c")


def test_what_a_stale_copy_has_not_is_deleted_all_the_same(engine: Engine) -> None:
    put(engine, "a", 0)

    def absent(*request: Any, **given: Any) -> Any:
        answer = _perform(*request, **given)
        return {"docs": [{"_id": each["_id"], "found": False} for each in answer["docs"]]}

    with first_write(_perform, reads=absent):
        delete(engine, "a")
    assert [version.deleted for version in history(engine, "a")] == [True, False]


def test_a_batch_is_told_one_by_one(engine: Engine, other: Engine) -> None:
    """Of a request without an answer some were made, and of others somebody else was faster."""
    refs = [put(engine, str(number), 0) for number in range(4)]
    writes = [
        Put(collection=THINGS, key=str(number), value="mine", condition=IfMatch(ref))
        for number, ref in enumerate(refs)
    ]

    def faster(*request: Any, **given: Any) -> Any:
        put(other, "1", "theirs")
        put(other, "3", "theirs")
        _perform(*request, **given)
        put(other, "0", "on top")
        raise Lost("N/A", "the answer is lost", OSError())

    with first_write(faster):
        results = engine.execute(Batch(writes)).outcomes
    assert [isinstance(result, Conflict) for result in results] == [False, True, False, True]
    made = [[version.value for version in history(other, str(number))] for number in range(4)]
    assert made == [["on top", "mine", 0], ["theirs", 0], ["mine", 0], ["theirs", 0]]
