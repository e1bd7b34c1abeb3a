"""Writes on their way: operations as tasks, and what a round makes of those that are about one id."""

from __future__ import annotations

from typing import Any

from attrs import define

from ...errors import OrcodmError
from ...identifiers import identifiers
from ...operations import (
    Delete,
    DeleteEvent,
    DeleteRelation,
    EventItem,
    Patch,
    PatchEvent,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Record,
    RelationItem,
    Version,
    Write,
)
from . import events, relations
from .documents import Draft, Found, Moment, Source
from .names import PURGING, event_id, item_id, version_id


@define(eq=False)
class Task:
    """One operation on its way, and what became of it."""

    operation: Write | Record
    moment: Moment
    identity: str = ""
    reads: tuple[str, ...] = ()
    timestamp: int = 0
    ordinal: int = 0
    key: str = ""
    outcome: Any = None
    done: bool = False


@define(eq=False)
class Change:
    """What a round makes of one id: the documents that are left behind, and the one that stays, if any."""

    tasks: list[Task]
    results: list[Any]
    identity: str
    base: Found | None
    left: tuple[Source, ...]
    draft: Draft | None
    token: str
    missing: frozenset[str] = frozenset()
    """The fields of the value that the index does not have."""

    @property
    def born(self) -> str:
        """Which of the lives of its id it belongs to."""
        source = self.base.source if self.draft is None and self.base is not None else self._source
        born: str = source["born"]
        return born

    @property
    def number(self) -> int:
        """The number of the version that it makes; 0 where it makes none."""
        return 0 if self.erases() else self._source.get("number", 0)

    @property
    def version(self) -> str | None:
        """The id that the version has once another one is written on top of it."""
        return version_id(self.identity, self.born, self.number) if self.number else None

    def purges(self) -> bool:
        return self.draft is not None and self.draft.kind == PURGING

    def erases(self) -> bool:
        """Whether nothing is to be there after it."""
        return self.draft is None or self.purges()

    @property
    def _source(self) -> Source:
        assert self.draft is not None
        return self.draft.source


@define(eq=False)
class Progress:
    """What is known of an id across rounds."""

    unread: bool = True
    """Nobody has looked yet, and it may well be new."""
    refused: tuple[Change, ...] = ()
    """What was sent and refused, which is no proof that it was not made."""
    lost: tuple[Change, ...] = ()
    """What was sent without an answer: it may have been made, or may still be."""
    overtaken: tuple[Found, ...] = ()
    """What was there in one look after the other, when it was to be written again and others were faster."""
    idle: bool = False
    """There is nothing to do, if what was read is what is there."""
    failure: OrcodmError | None = None
    bare: bool = False
    """Whether the index does not take the fields of the value: then it is stored without."""

    @property
    def open(self) -> tuple[Change, ...]:
        """What may have been made although no answer says so."""
        return self.refused + self.lost

    @property
    def doubtful(self) -> bool:
        """Whether a read is not enough to decide anything."""
        return self.idle or bool(self.refused or self.lost)


def make_task(operation: Write | Record, moment: Moment) -> Task:
    task = Task(operation, moment)
    match operation:
        case Version():
            task.identity = item_id(operation.collection, operation.key)
        case Put() | Patch() | Delete():
            task.identity, task.key = item_id(operation.collection, operation.key), operation.key
        case Post():
            _new_key(task)
        case PostEvent():
            task.timestamp = moment.now if operation.timestamp is None else operation.timestamp
            _new_ordinal(task)
        case PutEvent() | PatchEvent() | DeleteEvent() | EventItem():
            task.identity = events.identity(operation)
        case RelationItem():
            task.identity = relations.identity(operation)
        case PutRelation() | DeleteRelation():
            task.identity, task.reads = relations.identity(operation), relations.ends(operation)
    return task


def _new_key(task: Task) -> None:
    task.key = identifiers.next_key()
    task.identity = item_id(task.operation.collection, task.key)


def _new_ordinal(task: Task) -> None:
    operation: Any = task.operation
    task.ordinal = identifiers.next_ordinal() if operation.ordinal is None else operation.ordinal
    task.identity = event_id(
        operation.collection, operation.key, operation.type, task.timestamp, task.ordinal
    )


def draws(task: Task) -> bool:
    """Whether the key or the ordinal is ours to choose."""
    operation = task.operation
    return isinstance(operation, Post) or (isinstance(operation, PostEvent) and operation.ordinal is None)


def renew(task: Task) -> None:
    """Draw another key or ordinal."""
    _new_key(task) if isinstance(task.operation, Post) else _new_ordinal(task)


def end(task: Task, outcome: Any) -> None:
    task.outcome, task.done = outcome, True
