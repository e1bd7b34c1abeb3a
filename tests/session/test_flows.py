"""The flows of the session by script: what they ask, and with which condition."""

from __future__ import annotations

from typing import Any

import pytest

from orcodm import AlreadyExists, Conflict, NotFound, Session, TransportError, UsageError
from orcodm.engine import Capabilities
from orcodm.errors import Aborted, CommitError
from orcodm.operations import (
    Batch,
    BatchResult,
    Delete,
    Get,
    IfAbsent,
    IfMatch,
    Item,
    JsonPatch,
    Patch,
    Post,
    Put,
    Written,
)
from orcodm.session.flows import planned

from ..engines.scripted import Scripted
from ..people import User

APART = Capabilities(atomic_batch=False, keyset=False, ref_chain=False, max_limit=100, own_writes=True)


def item(ref: str = "0a", key: str = "ada", **value: Any) -> Item:
    return Item(collection="users", key=key, ref=ref, value={"name": "Ada", **value})


def written(ref: str, key: str = "ada") -> Written:
    return Written(collection="users", key=key, ref=ref)


CONFLICT = Conflict.of_ref("users", "ada", "0a", "0b")


def loaded(*answers: Any, **options: Any) -> tuple[Scripted, Session, User]:
    """A session that has read ada, and answers the rest from a list."""
    engine = Scripted(item(), *answers, **options)
    session = Session(engine)
    user = session.get(User, "ada")
    engine.asked.clear()
    return engine, session, user


def test_a_document_without_a_ref_is_only_created() -> None:
    engine = Scripted("0a")
    user = User(key="ada", name="Ada")
    Session(engine).save(user)
    (put,) = engine.asked
    assert isinstance(put, Put)
    assert (put.condition, put.value["name"], user.ref) == (IfAbsent(), "Ada", "0a")


def test_one_with_a_ref_replaces_that_version_only() -> None:
    engine, session, user = loaded("0b", "0c")
    for ref in ("0b", "0c"):
        user.name += "!"
        session.save(user)
        assert user.ref == ref
    assert [put.condition for put in engine.asked if isinstance(put, Put)] == [IfMatch("0a"), IfMatch("0b")]


def test_only_what_is_forced_has_no_condition() -> None:
    engine, session, user = loaded("0b", None)
    session.save(user, force=True)
    user.delete(force=True)
    assert [getattr(one, "condition", 0) for one in engine.asked] == [None, None]


def test_one_without_a_key_is_posted_and_gets_it() -> None:
    engine = Scripted("0a")
    user = User(name="Ada")
    Session(engine).save(user)
    assert isinstance(engine.asked[0], Post)
    assert (user.key, user.ref) == ("generated", "0a")


def test_nothing_changed_sends_nothing() -> None:
    engine, session, user = loaded()
    session.save(user)
    session.commit()
    user.name = "Ada!"
    user.name = "Ada"
    session.save(user)
    assert engine.asked == []


def test_a_conflict_reads_what_is_stored_and_has_the_three_values() -> None:
    engine, session, user = loaded(CONFLICT, item("0b", age=1))
    user.name = "mine"
    with pytest.raises(Conflict) as caught:
        session.save(user)
    conflict = caught.value
    assert [type(one) for one in engine.asked] == [Put, Get]
    assert conflict.document is user
    assert (conflict.expected, conflict.current) == ("0a", "0b")
    assert (conflict.base, conflict.mine, conflict.theirs) == (
        {"name": "Ada"}, {"name": "mine"}, {"name": "Ada", "age": 1}
    )  # fmt: skip
    assert conflict.conflicts == (conflict,)
    assert user.ref == "0a"


def test_a_conflict_with_a_deletion_has_no_theirs() -> None:
    _, session, user = loaded(CONFLICT, NotFound())
    user.name = "mine"
    with pytest.raises(Conflict) as caught:
        session.save(user)
    assert (caught.value.theirs, caught.value.current) == (None, None)
    with pytest.raises(Conflict):
        caught.value.merge()


def test_a_merge_is_tried_until_nobody_is_faster() -> None:
    engine, session, user = loaded(CONFLICT, item("0b", age=1), CONFLICT, item("0c", age=2), "0d")
    user.name = "mine"
    session.save(user, on_conflict="merge")
    puts = [one for one in engine.asked if isinstance(one, Put)]
    assert [put.condition for put in puts] == [IfMatch("0a"), IfMatch("0b"), IfMatch("0c")]
    assert puts[-1].value == {"name": "mine", "age": 2}
    assert (user.age, user.ref) == (2, "0d")


def test_a_merge_that_changes_nothing_sends_nothing() -> None:
    engine, session, user = loaded(
        CONFLICT, Item(collection="users", key="ada", ref="0b", value={"name": "mine"})
    )
    user.name = "mine"
    session.save(user, on_conflict="merge")
    assert [type(one) for one in engine.asked] == [Put, Get]
    assert user.ref == "0b"
    assert session.dirty == ()


def test_a_save_gives_up_when_others_are_always_faster() -> None:
    conflicts = [one for _ in range(20) for one in (CONFLICT, item("0b"))]
    _, session, user = loaded(*conflicts)
    user.name = "mine"
    with pytest.raises(UsageError, match="gave up on User 'ada' after 20 conflicts"):
        session.save(user, on_conflict="mine")


def test_a_lost_answer_leaves_the_document_as_it_was() -> None:
    _, session, user = loaded(TransportError("lost"))
    user.name = "mine"
    with pytest.raises(TransportError):
        session.save(user)
    assert session.dirty == (user,)
    assert user.ref == "0a"


def test_a_patch_is_guarded_and_asks_nothing_more() -> None:
    engine, session, user = loaded("0b")
    with session:
        user.patch(User.name.set("x"))
        assert (user.name, user.ref, session.dirty) == ("x", "0b", ())
    (patch,) = engine.asked
    assert isinstance(patch, Patch)
    assert patch.condition == IfMatch("0a")
    assert patch.changes == JsonPatch([{"op": "add", "path": "/name", "value": "x"}])


def test_a_patch_of_what_was_never_read_is_followed_by_a_read() -> None:
    engine = Scripted("0b", item("0b", age=5))
    with Session(engine) as session:
        user = User(key="ada", name="?")
        session.add(user)
        user.patch(User.age.inc())
        assert (user.name, user.age, user.ref, session.new) == ("Ada", 5, "0b", ())
    assert [type(one) for one in engine.asked] == [Patch, Get]


def test_a_patch_beside_an_unsaved_change_keeps_it_unsaved() -> None:
    _, session, user = loaded("0b", "0c")
    with session:
        user.name = "mine"
        user.patch(User.age.set(3))
        assert (user.name, user.age, session.dirty) == ("mine", 3, (user,))
        user.save()
        assert user.ref == "0c"


def test_a_patch_of_an_unsaved_change_is_not_sent() -> None:
    engine, session, user = loaded()
    with session:
        user.name = "mine"
        with pytest.raises(UsageError, match=r"name of User 'ada' is changed and not saved, and patched"):
            user.patch(User.name.set("patched"))
        session.rollback()
    assert engine.asked == []


# -- commits ---------------------------------------------------------------------------------------


def test_a_commit_is_planned_before_anything_is_asked() -> None:
    engine, session, user = loaded()
    other = User(key="bob", name="Bob")
    session.add(other)
    user.name = "x"
    assert [one.operation for one in planned(session.unit)] == [
        Put(collection="users", key="bob", value=other.to_value(), condition=IfAbsent()),
        Put(collection="users", key="ada", value={"name": "x"}, condition=IfMatch("0a")),
    ]
    assert engine.asked == []


def test_a_key_that_is_deleted_and_created_anew_is_deleted_first() -> None:
    engine, session, user = loaded(BatchResult([None, written("0c")]))
    session.delete(user)
    fresh = User(key="ada", name="Fresh")
    session.add(fresh)
    session.commit()
    (batch,) = engine.asked
    assert isinstance(batch, Batch)
    assert [type(one) for one in batch.operations] == [Delete, Put]
    assert session.get(User, "ada") is fresh


def test_a_commit_that_is_not_atomic_keeps_exactly_the_unwritten() -> None:
    engine, session, user = loaded(
        BatchResult([written("0c", "bob"), CONFLICT]), item("0b", age=1), capabilities=APART
    )
    bob = User(key="bob", name="Bob")
    session.add(bob)
    user.name = "mine"
    with pytest.raises(Conflict) as caught:
        session.commit()
    assert (caught.value.written, caught.value.failed, caught.value.untried) == ((bob,), (user,), ())
    assert (session.new, session.dirty, bob.ref) == ((), (user,), "0c")
    engine.answers = [BatchResult([written("0d")])]
    caught.value.merge()
    session.commit()
    assert (user.ref, user.age, session.dirty) == ("0d", 1, ())


def test_a_commit_on_an_atomic_engine_says_what_was_not_tried() -> None:
    _, session, user = loaded(BatchResult([Aborted("..."), CONFLICT]), item("0b"))
    bob = User(key="bob", name="Bob")
    session.add(bob)
    user.name = "mine"
    with pytest.raises(Conflict) as caught:
        session.commit()
    assert (caught.value.written, caught.value.failed, caught.value.untried) == ((), (user,), (bob,))
    assert (session.new, session.dirty) == ((bob,), (user,))


def test_other_failures_of_a_commit_come_together() -> None:
    _, session, user = loaded(BatchResult([written("0c", "bob"), NotFound("gone")]), capabilities=APART)
    session.add(User(key="bob", name="Bob"))
    user.name = "mine"
    with pytest.raises(CommitError, match="1 of the writes failed, 1 were written, 0 were not tried"):
        session.commit()
    assert session.dirty == (user,)


def test_a_single_failure_of_another_kind_is_raised_as_it_is() -> None:
    _, session, user = loaded(BatchResult([NotFound("gone")]))
    user.name = "mine"
    with pytest.raises(NotFound, match="gone"):
        session.commit()


def test_bulk_sends_what_an_atomic_engine_aborted_again() -> None:
    engine = Scripted(
        BatchResult([Aborted("..."), AlreadyExists.of_ref("users", "b", None, "0b"), Aborted("...")]),
        item("0b", "b"),
        BatchResult([written("01", "a"), written("03", "c")]),
    )
    users = [User(key=key, name=key) for key in "abc"]
    outcomes = list(Session(engine).bulk(users))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), AlreadyExists, type(None)]
    assert [user.stored and user.ref for user in users] == ["01", False, "03"]
    assert [type(one) for one in engine.asked] == [Batch, Get, Batch]
