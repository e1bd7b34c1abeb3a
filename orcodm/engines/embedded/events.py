"""Events: values under (collection, key, type, timestamp, ordinal), without a history.

The ref of an update is chained to the ref before it, as an item's is, so that a writer who holds an old ref
is refused also where the value went back to what it was. A deleted event leaves nothing, ref included.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, TypeAlias

from attrs import evolve

from ... import patch
from ...errors import AlreadyExists, Conflict, NotFound
from ...identifiers import identifiers
from ...operations import (
    DeleteEvent,
    EventBound,
    EventItem,
    EventWritten,
    GetEvent,
    IfMatch,
    ListEvents,
    Page,
    PatchEvent,
    PostEvent,
    PutEvent,
)
from ...refs import link
from ...values import canonical, encode
from .pages import all_shown, shown
from .store import Cursor, Transaction
from .texts import stored_value

Path: TypeAlias = tuple[str, str, str, int, int]
Row: TypeAlias = tuple[int, int, str, int, bytes]

_WHERE: Final = " WHERE collection = ? AND key = ? AND type = ? AND timestamp = ? AND ordinal = ?"
_EVENT: Final = "SELECT seq, id, ref, reftime, value FROM events" + _WHERE
_ADD: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_UPDATE: Final = "UPDATE events SET seq = ?, ref = ?, reftime = ?, value = ?" + _WHERE

Existing = GetEvent | PutEvent | PatchEvent | DeleteEvent


def get_event(cursor: Cursor, operation: GetEvent) -> EventItem:
    path = _path(operation)
    _, _, ref, reftime, text = _row(cursor.execute(_EVENT, path).fetchone(), operation)
    value, whole = shown(text, operation)
    return EventItem(
        collection=operation.collection,
        key=operation.key,
        type=operation.type,
        timestamp=operation.timestamp,
        ordinal=operation.ordinal,
        ref=ref,
        value=value,
        reftime=reftime,
        text=whole,
    )


def list_events(connection: sqlite3.Connection, operation: ListEvents) -> Page[EventItem]:
    clauses = ["collection = ? AND key = ? AND type = ?"]
    values: list[Any] = [operation.collection, operation.key, operation.type]
    for sign, bound in (
        (">=", operation.start),
        (">", operation.after),
        ("<", operation.before),
        ("<=", operation.end),
    ):
        if bound is None:
            continue
        if bound.ordinal is None:
            clauses.append(f"timestamp {sign} ?")
            values.append(bound.timestamp)
        else:
            clauses.append(f"(timestamp, ordinal) {sign} (?, ?)")
            values += (bound.timestamp, bound.ordinal)
    limit = operation.limit
    rows = connection.execute(
        f"SELECT timestamp, ordinal, ref, reftime, value FROM events WHERE {' AND '.join(clauses)} "
        "ORDER BY timestamp DESC, ordinal DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    following = None
    if limit and len(rows) > limit:
        timestamp, ordinal, *_ = rows[limit - 1]
        following = evolve(operation, end=None, before=EventBound(timestamp, ordinal))
    del rows[limit:]
    place = operation.collection, operation.key, operation.type
    contents = all_shown([row[4] for row in rows], operation)
    results = [
        EventItem(*place, timestamp, ordinal, ref, value, reftime, whole)
        for (timestamp, ordinal, ref, reftime, _), (value, whole) in zip(rows, contents, strict=True)
    ]
    return Page(results=results, next=following)


def post_event(transaction: Transaction, operation: PostEvent) -> EventWritten:
    timestamp = transaction.now if operation.timestamp is None else operation.timestamp
    text = encode(operation.value)
    ref = link(None, canonical(operation.value))
    seq = transaction.sequence + 1
    while True:
        ordinal = identifiers.next_ordinal() if operation.ordinal is None else operation.ordinal
        path = (operation.collection, operation.key, operation.type, timestamp, ordinal)
        if transaction.execute(_ADD, (seq, seq, *path, ref, transaction.now, text)).rowcount:
            transaction.advance()
            return _written(path, ref, transaction.now)
        if operation.ordinal is not None:
            current = transaction.execute(_EVENT, path).fetchone()
            raise AlreadyExists.of_ref(operation.collection, operation.key, None, current[2])


def put_event(transaction: Transaction, operation: PutEvent) -> EventWritten:
    path = _path(operation)
    row = _row(transaction.execute(_EVENT, path).fetchone(), operation)
    _check(operation, row)
    return _replace(transaction, path, row, operation.value)


def patch_event(transaction: Transaction, operation: PatchEvent) -> EventWritten:
    path = _path(operation)
    row = _row(transaction.execute(_EVENT, path).fetchone(), operation)
    _check(operation, row)
    return _replace(transaction, path, row, patch.apply(stored_value(row[4]), operation.changes))


def delete_event(transaction: Transaction, operation: DeleteEvent) -> None:
    path = _path(operation)
    row = transaction.execute(_EVENT, path).fetchone()
    if type(operation.condition) is IfMatch:  # If-None-Match means nothing to a deletion
        _check(operation, row)
    if row is not None:
        transaction.execute("DELETE FROM events" + _WHERE, path)
        transaction.execute("INSERT INTO erased VALUES (?, ?)", (transaction.advance(), row[1]))


def _path(operation: Existing) -> Path:
    return (operation.collection, operation.key, operation.type, operation.timestamp, operation.ordinal)


def _row(row: Row | None, operation: Existing) -> Row:
    if row is None:
        raise NotFound.item(operation.collection, operation.key)
    return row


def _check(operation: PutEvent | PatchEvent | DeleteEvent, row: Row | None) -> None:
    condition = operation.condition
    if condition is None:
        return
    current = None if row is None else row[2]
    if type(condition) is IfMatch:
        if current != condition.ref:
            raise Conflict.of_ref(operation.collection, operation.key, condition.ref, current)
    elif current is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, current)


def _replace(transaction: Transaction, path: Path, row: Row, value: Any) -> EventWritten:
    text = encode(value)
    ref = link(row[2], canonical(value))
    reftime = max(transaction.now, row[3])
    transaction.execute(_UPDATE, (transaction.advance(), ref, reftime, text, *path))
    return _written(path, ref, reftime)


def _written(path: Path, ref: str, reftime: int) -> EventWritten:
    collection, key, type_, timestamp, ordinal = path
    return EventWritten(
        collection=collection,
        key=key,
        type=type_,
        timestamp=timestamp,
        ordinal=ordinal,
        ref=ref,
        reftime=reftime,
    )
