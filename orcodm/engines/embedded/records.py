"""Records: everything that is stored, as it is stored, out and in again.

The versions are a log already, and so are the events. Relations go in the order of their age, since that is
the order of what is found along them.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from attrs import evolve

from ...errors import AlreadyExists, Conflict, InvalidParameter, OrcodmError
from ...operations import START, BatchResult, Dump, EventItem, Page, Record, RelationItem, Restore, Version
from ...refs import link
from ...values import canonical, encode
from . import events, items, relations
from .store import Transaction
from .texts import Damaged, stored_value

_PHASES: Final = {
    "versions": "SELECT seq, collection, key, ref, reftime, value FROM versions WHERE seq > ?{} ORDER BY seq",
    "events": "SELECT seq, collection, key, ref, reftime, value, type, timestamp, ordinal FROM events"
    " WHERE seq > ?{} ORDER BY seq",
    "relations": "SELECT id, collection, key, ref, reftime, value, kind, to_collection, to_key FROM relations"
    " WHERE id > ?{} ORDER BY id",
}
"""What is dumped one after the other; the first column is where the next page goes on."""

_KNOWN: Final = items._WHOLE_CHAIN + "SELECT 1 FROM chain WHERE ref = ?"
# A relation may lead from what was purged.
_KEEP_SOURCE: Final = "INSERT INTO heads VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING"


# -- out -------------------------------------------------------------------------------------------


def dump(connection: sqlite3.Connection, operation: Dump) -> Page[Record]:
    phase, position = _place(operation.cursor)
    phases = list(_PHASES)
    results: list[Record] = []
    for name in phases[phases.index(phase) :]:
        statement = _PHASES[name].format("" if operation.collection is None else " AND collection = ?")
        collection = () if operation.collection is None else (operation.collection,)
        room = operation.limit - len(results)
        rows = connection.execute(f"{statement} LIMIT ?", (position, *collection, room + 1)).fetchall()
        for number, row in enumerate(rows[:room]):
            try:
                results.append(_record(name, row))
            except Damaged as damaged:
                damaged.beyond = f"{name}:{row[0]}"
                if not results:
                    raise
                last = rows[number - 1][0] if number else position
                return Page(results=results, next=evolve(operation, cursor=f"{name}:{last}"))
        if len(rows) > room:
            last = rows[room - 1][0] if room else position
            return Page(results=results, next=evolve(operation, cursor=f"{name}:{last}") if results else None)
        position = 0
    return Page(results=results)


def _place(cursor: str) -> tuple[str, int]:
    if cursor == START:
        return "versions", 0
    phase, _, position = cursor.partition(":")
    if phase not in _PHASES or not (position.isascii() and position.isdigit() and len(position) < 19):
        raise InvalidParameter(
            f"there is no place {cursor!r:.40} among the records", details={"records": "Not a place."}
        )
    return phase, int(position)


def _record(phase: str, row: Any) -> Record:
    _, collection, key, ref, reftime, text, *more = row
    place: dict[str, Any] = {"collection": collection, "key": key, "ref": ref, "reftime": reftime}
    if text is None:
        return Version(**place, deleted=True)
    place["value"] = stored_value(text)
    match phase:
        case "events":
            return EventItem(**place, type=more[0], timestamp=more[1], ordinal=more[2])
        case "relations":
            return RelationItem(**place, kind=more[0], to_collection=more[1], to_key=more[2])
        case _:
            return Version(**place)


# -- in --------------------------------------------------------------------------------------------


def restore(transaction: Transaction, operation: Restore) -> BatchResult:
    outcomes: list[Any] = []
    for record in operation.records:
        try:
            outcomes.append(_restore(transaction, record))
        except OrcodmError as error:
            outcomes.append(error)
    return BatchResult(outcomes)


def _restore(transaction: Transaction, record: Record) -> bool:
    match record:
        case Version():
            return _restore_version(transaction, record)
        case EventItem(type=type_, timestamp=timestamp, ordinal=ordinal):
            path: Any = (record.collection, record.key, type_, timestamp, ordinal)
            return _restore_row(transaction, record, path, events._EVENT, events._ADD)
        case RelationItem(kind=kind, to_collection=to_collection, to_key=to_key):
            path = (record.collection, record.key, kind, to_collection, to_key)
            return _restore_row(transaction, record, path, relations._RELATION, relations._ADD)


def _restore_version(transaction: Transaction, version: Version) -> bool:
    place = version.collection, version.key
    head = transaction.execute(items._HEAD_WITHOUT_VALUE, place).fetchone()
    previous = None if head is None else head[1]
    text = None if version.deleted else encode(version.value)
    if version.ref != link(previous, b"" if text is None else canonical(version.value)):
        if transaction.execute(_KNOWN, (*place, version.ref)).fetchone() is not None:
            return False
        raise Conflict.of_ref(*place, version.ref, None if head is None or head[3] is None else previous)
    seq = transaction.advance()
    if head is None:
        transaction.execute(items._ADD_HEAD, (*place, seq, seq, text is not None))
    else:
        transaction.execute(items._TURN_HEAD, (seq, text is not None, *place))
    before = None if head is None else head[0]
    transaction.execute(items._ADD_VERSION, (seq, before, *place, version.ref, version.reftime, text))
    return True


def _restore_row(
    transaction: Transaction, record: EventItem | RelationItem, path: Any, find: str, add: str
) -> bool:
    there = transaction.execute(find, path).fetchone()
    if there is not None:
        if there[2] == record.ref:
            return False
        raise AlreadyExists.of_ref(record.collection, record.key, None, there[2])
    text = encode(record.value)
    seq = transaction.advance()
    transaction.execute(add, (seq, seq, *path, record.ref, record.reftime, text))
    if isinstance(record, RelationItem):
        transaction.execute(_KEEP_SOURCE, (record.collection, record.key))
    return True
