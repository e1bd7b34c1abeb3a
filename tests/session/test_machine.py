"""A session beside a dict: whatever is done in whatever order, a commit stores what the dict says."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orcodm import Conflict, Session, connect
from orcodm.operations import Delete, Put

from ..people import Address, User

keys = st.sampled_from("abc")
ages = st.integers(0, 3)


class Mapper(RuleBasedStateMachine):
    """`stored` is what the engine has, `planned` what the session will have made of it; key to age."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = connect("memory:")
        self.session = Session(self.engine)
        self.stored: dict[str, int] = {}
        self.planned: dict[str, int] = {}
        self.meddled: set[str] = set()

    def teardown(self) -> None:
        self.engine.close()

    def document(self, key: str) -> Any:
        return self.session.get(User, key, default=None)

    @rule(key=keys, age=ages)
    def add(self, key: str, age: int) -> None:
        if self.document(key) is None:
            self.session.add(User(key=key, name="x", age=age, address=Address(city="x")))
            self.planned[key] = age

    @rule(key=keys, age=ages)
    def change(self, key: str, age: int) -> None:
        document = self.document(key)
        if document is not None:
            document.age = age
            self.planned[key] = age

    @rule(key=keys)
    def delete(self, key: str) -> None:
        document = self.document(key)
        if document is not None:
            self.session.delete(document)
            self.planned.pop(key)

    @rule(key=keys, age=ages)
    def patch_at_once(self, key: str, age: int) -> None:
        document = self.document(key)
        if (
            document is not None
            and document.stored
            and document not in self.session.dirty
            and key not in self.meddled
        ):
            document.patch(User.age.set(age))
            self.stored[key] = self.planned[key] = age

    @rule(key=keys)
    def save_at_once(self, key: str) -> None:
        document = self.document(key)
        if document is not None and key not in self.meddled:
            try:
                self.session.save(document)
            except Conflict:  # another object with the key is still to be deleted
                assert document in self.session.new
                assert key in self.stored
            else:
                self.stored[key] = self.planned[key]

    @precondition(lambda self: self.stored)
    @rule(data=st.data(), age=st.none() | st.integers(4, 6))
    def meddle(self, data: Any, age: int | None) -> None:
        """Another writer changes or deletes what the session has read."""
        key = data.draw(st.sampled_from(sorted(self.stored)))
        if self.document(key) is None or not self.document(key).stored:
            return
        if age is None:
            self.engine.execute(Delete(collection="users", key=key))
            del self.stored[key]
        else:
            self.engine.execute(Put(collection="users", key=key, value={"name": "y", "age": age}))
            self.stored[key] = age
        self.meddled.add(key)

    @rule()
    def rollback(self) -> None:
        self.session.rollback()
        if self.meddled:
            self.session = Session(self.engine)
            self.meddled.clear()
        self.planned = dict(self.stored)

    @rule()
    def commit(self) -> None:
        pending = {
            document.key for document in (*self.session.dirty, *self.session.deleted, *self.session.new)
        }
        refused: set[str] = set()
        try:
            self.session.commit()
        except Conflict as conflict:
            refused = {one.document.key for one in conflict.conflicts}
        assert refused <= pending & self.meddled
        assert bool(refused) == bool(pending & self.meddled)
        if not refused:
            assert (self.session.new, self.session.dirty, self.session.deleted) == ((), (), ())
            mine = {key: age for key, age in self.planned.items() if key not in self.meddled}
            theirs = {key: age for key, age in self.stored.items() if key in self.meddled}
            self.stored = mine | theirs
        if self.meddled:
            self.rollback()
        self.planned = dict(self.stored)

    @invariant()
    def the_engine_has_what_was_written(self) -> None:
        assert {user.key: user.age for user in Session(self.engine).query(User)} == self.stored

    @invariant()
    def the_session_shows_what_is_planned(self) -> None:
        for key in set("abc") - self.meddled:
            document = self.session.unit.known(("users", key))
            if document is not None and id(document) not in self.session.unit.deleted:
                assert document.age == self.planned[key]


Mapper.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestMapper = Mapper.TestCase
