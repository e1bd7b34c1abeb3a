"""When an operation is tried again, and what is believed of a lost answer. No server, no sleep."""

from __future__ import annotations

from typing import Any

import pytest

from orcodm.engine import Capabilities
from orcodm.engines.attempts import Attempt, Learn, Pause, Reply, Retries, persist, stages
from orcodm.errors import (
    Aborted,
    AlreadyExists,
    ApiError,
    Conflict,
    InternalError,
    NotFound,
    ProtocolError,
    TransportError,
)
from orcodm.operations import (
    Batch,
    BatchResult,
    Delete,
    Get,
    GetRelation,
    IfAbsent,
    IfMatch,
    Item,
    JsonPatch,
    Patch,
    PatchEvent,
    Post,
    PostEvent,
    Put,
    PutRelation,
    RelationItem,
    Written,
)
from orcodm.refs import value_ref

K: dict[str, Any] = {"collection": "c", "key": "k"}
OLD = "00000000000000aa"
PUT = Put(**K, value={"n": 2}, condition=IfMatch(OLD))
NEW = value_ref(OLD, {"n": 2})
LOST = Reply(TransportError("gone", sent=True), 0)
UNSENT = Reply(TransportError("no connection", sent=False), 0)
CHAINED = Capabilities(atomic_batch=True, keyset=True, ref_chain=True, max_limit=1000, own_writes=True)
OPAQUE = Capabilities(atomic_batch=False, keyset=False, ref_chain=False, max_limit=100, own_writes=False)


def done(outcome: Any) -> Reply:
    return Reply(outcome, 200)


def refused(error: ApiError, **more: Any) -> Reply:
    return Reply(error, error.status, **more)


class Persisted:
    """Answers the steps of an operation from a list, and remembers them."""

    def __init__(self, operation: Any, *replies: Any, retries: Retries | None = None) -> None:
        self.steps: list[Any] = []
        self.outcome: Any = None
        script = list(replies)
        flow = persist(operation, retries or Retries(attempts=3), lambda: "token", lambda: 0.5)
        try:
            step = next(flow)
            while True:
                self.steps.append(step)
                step = flow.send(None if isinstance(step, Pause) else script.pop(0))
        except StopIteration as stop:
            self.outcome = stop.value
        except Exception as error:
            self.outcome = error
        assert not script

    @property
    def sent(self) -> list[Any]:
        return [step.operation for step in self.steps if isinstance(step, Attempt)]

    @property
    def pauses(self) -> list[float]:
        return [step.seconds for step in self.steps if isinstance(step, Pause)]


def test_an_answer_is_the_end() -> None:
    went = Persisted(Get(**K), done("item"))
    assert (went.outcome, went.steps) == ("item", [Attempt(Get(**K))])


def test_a_read_is_tried_again_with_growing_pauses() -> None:
    went = Persisted(Get(**K), LOST, UNSENT, done("item"))
    assert went.outcome == "item"
    assert went.pauses == [0.025, 0.05]


def test_it_is_given_up_in_the_end() -> None:
    assert Persisted(Get(**K), LOST, LOST, LOST).outcome is LOST.outcome


@pytest.mark.parametrize(
    "operation",
    [Post(collection="c", value=1), PostEvent(**K, type="t", value=1), Put(**K, value=1), Delete(**K)],
)
def test_an_unconditional_write_is_never_sent_twice_by_itself(operation: Any) -> None:
    went = Persisted(operation, LOST)
    assert went.outcome is LOST.outcome
    assert went.outcome.sent
    assert Persisted(operation, UNSENT, done("written")).outcome == "written"


def test_retry_after_is_obeyed_up_to_a_point() -> None:
    busy = ApiError.of(503, "api_bad_request")
    assert Persisted(Post(collection="c", value=1), refused(busy, retry_after=2.0), done(1)).pauses == [2.025]
    assert Persisted(Get(**K), refused(busy, retry_after=3600.0)).outcome is busy


def test_a_busy_database_took_no_effect() -> None:
    busy = ApiError.of(503, "database_busy")
    assert Persisted(Post(collection="c", value=1), refused(busy), done("ok")).outcome == "ok"


def test_a_proxy_without_an_answer_leaves_the_effect_open() -> None:
    page = Reply(ProtocolError("<html>"), 502)
    assert Persisted(Get(**K), page, done("ok")).outcome == "ok"
    assert Persisted(Post(collection="c", value=1), page).outcome is page.outcome


@pytest.mark.parametrize("error", [NotFound(), InternalError(), Conflict()])
def test_other_errors_are_answers(error: ApiError) -> None:
    went = Persisted(PUT, refused(error))
    assert (went.outcome, len(went.steps)) == (error, 1)


# -- conditional writes whose answer was lost ------------------------------------------------------


def test_attempts_of_a_write_carry_one_token_and_reads_none() -> None:
    went = Persisted(PUT, LOST, done("written"))
    assert [step.token for step in went.steps if isinstance(step, Attempt)] == ["token", "token"]
    assert Persisted(Get(**K), done(1)).steps[0].token is None


def test_what_the_server_remembers_is_the_truth() -> None:
    conflict = Conflict()
    went = Persisted(PUT, LOST, Reply(conflict, 412, replayed=True))
    assert went.outcome is conflict


def test_a_conflict_with_ourselves_is_a_success() -> None:
    item = Item(**K, ref=NEW, value={"n": 2})
    went = Persisted(PUT, LOST, refused(Conflict()), CHAINED, done(item))
    assert went.outcome == Written(**K, ref=NEW)
    assert went.sent[-1] == Get(**K, ref=NEW)  # in the history, whatever was written on top of it


def test_a_conflict_with_somebody_else_stays_one() -> None:
    conflict = Conflict()
    went = Persisted(PUT, LOST, refused(conflict), CHAINED, refused(NotFound()))
    assert went.outcome is conflict


def test_the_looking_up_is_patient_too() -> None:
    item = Item(**K, ref=NEW, value={"n": 2})
    went = Persisted(PUT, LOST, refused(Conflict()), CHAINED, LOST, done(item))
    assert went.outcome == Written(**K, ref=NEW)
    failed = Persisted(PUT, LOST, refused(Conflict()), CHAINED, LOST, LOST, LOST).outcome
    assert isinstance(failed, TransportError)
    assert failed.sent


@pytest.mark.parametrize(
    ("value", "ref", "ours"), [({"n": 2}, "bb", True), ({"n": 3}, "bb", False), ({"n": 2}, OLD, False)]
)
def test_a_foreign_servers_value_is_compared(value: Any, ref: str, ours: bool) -> None:
    conflict = Conflict()
    went = Persisted(PUT, LOST, refused(conflict), OPAQUE, done(Item(**K, ref=ref, value=value)))
    assert went.outcome == (Written(**K, ref=ref) if ours else conflict)


def test_a_key_that_was_created_is_found() -> None:
    create = Put(**K, value=1, condition=IfAbsent())
    first = value_ref(None, 1)
    went = Persisted(create, LOST, refused(AlreadyExists()), CHAINED, done(Item(**K, ref=first, value=1)))
    assert went.outcome == Written(**K, ref=first)
    # On top of a tombstone the ref is another.
    went = Persisted(
        create,
        LOST,
        refused(AlreadyExists()),
        CHAINED,
        refused(NotFound()),
        done(Item(**K, ref="cc", value=1)),
    )
    assert went.outcome == Written(**K, ref="cc")


def test_a_patch_is_looked_up_by_what_it_makes() -> None:
    change = JsonPatch([{"op": "inc", "path": "n"}])
    operation = Patch(**K, changes=change, condition=IfMatch(OLD))
    went = Persisted(
        operation,
        LOST,
        refused(Conflict()),
        CHAINED,
        done(Item(**K, ref=OLD, value={"n": 1})),
        done(Item(**K, ref=NEW, value={"n": 2})),
    )
    assert went.outcome == Written(**K, ref=NEW)


def test_what_cannot_be_told_is_not_told() -> None:
    operation = PatchEvent(
        **K, type="t", timestamp=1, ordinal=2, changes=JsonPatch([]), condition=IfMatch(OLD)
    )
    went = Persisted(operation, LOST, refused(Conflict()), CHAINED)
    assert isinstance(went.outcome, TransportError)


def test_a_deletion_is_looked_up() -> None:
    operation = Delete(**K, condition=IfMatch(OLD))
    assert Persisted(operation, LOST, refused(Conflict()), CHAINED, refused(NotFound())).outcome is None
    conflict = Conflict()
    there = done(Item(**K, ref="bb", value=1))
    assert Persisted(operation, LOST, refused(conflict), CHAINED, there).outcome is conflict


def test_a_relation_is_looked_up() -> None:
    ends = {**K, "kind": "f", "to_collection": "c", "to_key": "d"}
    operation = PutRelation(**ends, value={"n": 2}, condition=IfMatch(OLD))
    stored = RelationItem(**ends, ref=NEW, value={"n": 2})
    went = Persisted(operation, LOST, refused(Conflict()), CHAINED, done(stored))
    assert (went.outcome, went.sent[-1]) == (Written(**K, ref=NEW), GetRelation(**ends))


def test_a_batch_is_ours_as_a_whole_or_not_at_all() -> None:
    other = Put(collection="c", key="o", value=1, condition=IfAbsent())
    made = value_ref(None, 1)
    batch = Batch([PUT, other])
    failed = BatchResult([Conflict(), Aborted("because")])
    ours = done(Item(**K, ref=NEW, value={"n": 2}))
    also = done(Item(collection="c", key="o", ref=made, value=1))
    went = Persisted(batch, LOST, done(failed), CHAINED, ours, also)
    assert went.outcome == BatchResult([Written(**K, ref=NEW), Written(collection="c", key="o", ref=made)])
    went = Persisted(batch, LOST, done(failed), CHAINED, ours, refused(NotFound()), refused(NotFound()))
    assert went.outcome is failed
    assert isinstance(Persisted(Batch([Post(collection="c", value=1)]), LOST).outcome, TransportError)


def test_learning_is_a_step() -> None:
    went = Persisted(PUT, LOST, refused(Conflict()), CHAINED, refused(NotFound()))
    assert Learn() in went.steps


def test_stages_keep_the_order_of_each_key_and_relations_for_last() -> None:
    ends = {**K, "kind": "f", "to_collection": "c", "to_key": "o"}
    batch = [
        PUT,
        Put(collection="c", key="o", value=1),
        Delete(**K),
        PutRelation(**ends),
        Post(collection="c", value=1),
        Post(collection="c", value=1),
    ]
    assert stages(batch) == [[[0, 2], [1]], [[3]], [[4], [5]]]
