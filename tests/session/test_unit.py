"""The unit of work without an engine: what is new, dirty, deleted, and what is let go."""

from __future__ import annotations

import pytest

from orcodm import UsageError
from orcodm.session.unit import Unit

from ..people import User
from .test_tracking import stored


class Owner:
    closed = False


def unit(*documents: User) -> Unit:
    unit = Unit(Owner())
    for document in documents:
        unit.remember(document._mapped())
    return unit


def test_added_deleted_and_dirty() -> None:
    ada, bob, carl = stored("ada"), stored("bob"), User(key="carl", name="Carl")
    work = unit(ada, bob)
    work.add(carl._mapped())
    work.delete(bob._mapped())
    ada.age = 5
    assert (list(work.added.values()), work.dirty(), list(work.deleted.values())) == ([carl], (ada,), [bob])
    work.rollback()
    assert not any((work.added, work.dirty(), work.deleted))
    assert ada.age is None


def test_adding_twice_is_adding_once() -> None:
    carl, work = User(key="carl", name="Carl"), unit()
    work.add(carl._mapped())
    work.add(carl._mapped())
    assert list(work.added.values()) == [carl]


def test_adding_what_is_to_be_deleted_keeps_it() -> None:
    ada = stored()
    work = unit(ada)
    work.delete(ada._mapped())
    work.add(ada._mapped())
    assert (work.deleted, work.added) == ({}, {})


def test_a_document_of_no_version_cannot_be_deleted() -> None:
    with pytest.raises(UsageError, match="there is no version to delete: get it first"):
        unit().delete(User(key="ada", name="x")._mapped())


def test_a_unit_that_does_not_track_remembers_nothing() -> None:
    work = Unit(Owner(), tracking=False)
    ada = stored()
    work.remember(ada._mapped())
    assert work.known(("users", "ada")) is None


def test_release_lets_go_of_what_nobody_holds_and_nobody_changed() -> None:
    work = unit(*(stored(key) for key in "abcde"))
    held, changed = work.known(("users", "a")), work.known(("users", "b"))
    assert held is not None
    assert changed is not None
    changed.age = 1
    del changed
    work.delete(work.identity["users", "d"])
    work.release(list(work.identity.values()))
    assert set(work.identity) == {("users", "a"), ("users", "b"), ("users", "d")}
