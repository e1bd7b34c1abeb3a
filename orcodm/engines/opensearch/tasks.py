"""Writes on their way: operations as tasks, and what a round makes of those that are about one id."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen

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
from .documents import Draft, Found, Moment, Source, is_head
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


@frozen(eq=False)
class Change:
    """What a round makes of one id: the documents that are left behind, and the one that stays, if any."""

    tasks: list[Task]
    results: list[Any]
    identity: str
    base: Found | None
    left: list[Source]
    draft: Draft | None
    token: str
    missing: set[str] = field(factory=set)
    """The fields of the value that the index does not have."""

    @property
    def version(self) -> str | None:
        """The id that the version has once another one is written on top of it."""
        draft = self.draft
        if draft is None or not is_head(draft.source):
            return None
        return version_id(self.identity, draft.source["born"], draft.source["number"])

    def purges(self) -> bool:
        return self.draft is not None and self.draft.kind == PURGING


@define(eq=False)
class Progress:
    """What is known of an id across rounds."""

    token: str
    unread: bool = True
    """Nobody has looked yet, and it may well be new."""
    lost: Change | None = None
    """What was sent, and may have taken effect although no answer says so."""
    failure: OrcodmError | None = None
    history: set[str] = field(factory=set)
    """The refs of its older versions, where they matter."""
    bare: bool = False
    """Whether the index does not take the fields of the value: then it is stored without."""


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
