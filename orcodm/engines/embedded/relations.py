"""Relations: properties under (source, kind, destination), and walking along them.

The ref of a repeated write is chained to the ref before it; a deleted relation leaves nothing.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from itertools import chain, repeat
from typing import Any, Final, TypeAlias

from attrs import evolve

from ...errors import AlreadyExists, Conflict, NotFound, RelationNotFound
from ...operations import (
    DeleteRelation,
    GetRelation,
    IfMatch,
    Item,
    ListRelations,
    Page,
    PutRelation,
    RelationItem,
    Written,
)
from ...refs import link
from ...values import canonical, encode
from ..paging import page_before
from .pages import all_shown, shown
from .store import Cursor, Transaction

Path: TypeAlias = tuple[str, str, str, str, str]
Row: TypeAlias = tuple[int, int, str, int, bytes]

_WHERE: Final = " WHERE collection = ? AND key = ? AND kind = ? AND to_collection = ? AND to_key = ?"
_RELATION: Final = "SELECT seq, id, ref, reftime, value FROM relations" + _WHERE
_BETWEEN_LIVING: Final = (
    _RELATION
    + " AND EXISTS (SELECT 1 FROM heads h WHERE (h.collection, h.key) = (relations.collection, relations.key)"
    + " AND h.live) AND EXISTS (SELECT 1 FROM heads h"
    + " WHERE (h.collection, h.key) = (relations.to_collection, relations.to_key) AND h.live)"
)
_HOP: Final = (
    "FROM ends{} s CROSS JOIN relations r ON r.collection = s.collection AND r.key = s.key AND r.kind = ?"
)
_TO_LIVING: Final = " CROSS JOIN heads h ON h.collection = r.to_collection AND h.key = r.to_key AND h.live"
# Mostly none is gone at all, which is looked for once.
_NOT_GONE: Final = (
    " WHERE (NOT EXISTS (SELECT 1 FROM heads INDEXED BY heads_gone WHERE NOT live)"
    " OR NOT EXISTS (SELECT 1 FROM heads h INDEXED BY heads_gone"
    " WHERE h.collection = r.to_collection AND h.key = r.to_key AND NOT h.live))"
)
_ADD: Final = "INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE: Final = "UPDATE relations SET seq = ?, ref = ?, reftime = ?, value = ?" + _WHERE
_LET_SOURCE_GO: Final = (
    "DELETE FROM heads WHERE collection = :collection AND key = :key AND seq = 0"
    " AND NOT EXISTS (SELECT 1 FROM relations WHERE collection = :collection AND key = :key)"
)
"""After the last relation of a source that was purged."""
_LIVING_HEAD: Final = "FROM heads WHERE collection = ? AND key = ? AND live"
_LIVE: Final = "SELECT 1 " + _LIVING_HEAD

One = GetRelation | PutRelation | DeleteRelation


def get_relation(cursor: Cursor, operation: GetRelation) -> RelationItem:
    """A relation whose ends both have values: what a walk would meet."""
    row = cursor.execute(_BETWEEN_LIVING, _path(operation)).fetchone()
    if row is None:
        raise _missing(operation)
    value, whole = shown(row[4], operation)
    return RelationItem(
        collection=operation.collection,
        key=operation.key,
        kind=operation.kind,
        to_collection=operation.to_collection,
        to_key=operation.to_key,
        ref=row[2],
        value=value,
        reftime=row[3],
        text=whole,
    )


def list_relations(connection: sqlite3.Connection, operation: ListRelations) -> Page[Item]:
    """The items at the last hop; an item on the way that has no value leads nowhere."""
    collection, key, limit, offset = operation.collection, operation.key, operation.limit, operation.offset
    rows = connection.execute(
        _walk(len(operation.kinds)), (collection, key, *operation.kinds, limit + 1, offset)
    ).fetchall()
    if not rows:
        _existing(connection.execute, collection, key)
    rows.sort()  # by age, as they most likely come
    following = None
    if limit and len(rows) > limit:
        following = evolve(operation, offset=offset + limit)
    del rows[limit:]
    values = all_shown([row[5] for row in rows], operation)
    results = [
        Item(collection, key, ref, value, reftime, whole)
        for (_, collection, key, ref, reftime, _), (value, whole) in zip(rows, values, strict=True)
    ]
    return Page(results=results, next=following, prev=page_before(operation))


@cache
def _walk(hops: int) -> str:
    """The statement that takes so many hops: the items at the last, with the age of the oldest way in."""
    # Each hop is a set, so that a cycle or several ways to one place cannot multiply; the first one is a set
    # already. Memory holds for a hop no more than the paths of all items, and 2 MB where there is a disk. A
    # page is cut out before the values are read. What leads on has a head, as any source has, and it is
    # quicker to see that it is not among the few that are gone.
    ends = [f"ends0 (collection, key) AS (SELECT collection, key {_LIVING_HEAD})"]
    ends += [
        f"ends{hop} (collection, key) AS (SELECT {distinct} r.to_collection, r.to_key"
        f" {_HOP.format(hop - 1)}{_NOT_GONE})"
        for hop, distinct in zip(range(1, hops), chain(["ALL"], repeat("DISTINCT")), strict=False)
    ]
    age, grouped = ("r.id", "") if hops == 1 else ("min(r.id)", "GROUP BY h.seq")
    return (
        f"WITH {', '.join(ends)} SELECT d.age, v.collection, v.key, v.ref, v.reftime, v.value FROM"
        f" (SELECT {age} AS age, h.seq AS seq {_HOP.format(hops - 1)}{_TO_LIVING} {grouped}"
        "  ORDER BY age LIMIT ? OFFSET ?) d CROSS JOIN versions v ON v.seq = d.seq"
    )


def put_relation(transaction: Transaction, operation: PutRelation) -> Written:
    value = {} if operation.value is None else operation.value
    text = encode(value)
    _existing(transaction.execute, operation.collection, operation.key)
    _existing(transaction.execute, operation.to_collection, operation.to_key)
    path = _path(operation)
    row = transaction.execute(_RELATION, path).fetchone()
    _check(operation, row)
    ref = link(None if row is None else row[2], canonical(value))
    seq = transaction.advance()
    if row is None:
        transaction.execute(_ADD, (seq, seq, *path, ref, transaction.now, text))
    else:
        transaction.execute(_UPDATE, (seq, ref, max(transaction.now, row[3]), text, *path))
    return Written(operation.collection, operation.key, ref)


def delete_relation(transaction: Transaction, operation: DeleteRelation) -> None:
    path = _path(operation)
    row = transaction.execute(_RELATION, path).fetchone()
    if row is None:
        # A relation that is there may go even where one of its ends went first.
        _existing(transaction.execute, operation.collection, operation.key)
        _existing(transaction.execute, operation.to_collection, operation.to_key)
    if type(operation.condition) is IfMatch:  # If-None-Match means nothing to a deletion
        _check(operation, row)
    if row is not None:
        transaction.execute("DELETE FROM relations" + _WHERE, path)
        named = {"collection": operation.collection, "key": operation.key}
        transaction.execute(_LET_SOURCE_GO, named)
        transaction.execute("INSERT INTO erased VALUES (?, ?)", (transaction.advance(), row[1]))


def _path(operation: One) -> Path:
    return (operation.collection, operation.key, operation.kind, operation.to_collection, operation.to_key)


def _existing(execute: Any, collection: str, key: str) -> None:
    if execute(_LIVE, (collection, key)).fetchone() is None:
        raise NotFound.item(collection, key)


def _missing(operation: One) -> RelationNotFound:
    return RelationNotFound(
        f"{RelationNotFound.default_message} ({operation.collection}/{operation.key} "
        f"{operation.kind} {operation.to_collection}/{operation.to_key})"
    )


def _check(operation: PutRelation | DeleteRelation, row: Row | None) -> None:
    condition = operation.condition
    if condition is None:
        return
    current = None if row is None else row[2]
    if type(condition) is IfMatch:
        if current != condition.ref:
            raise Conflict.of_ref(operation.collection, operation.key, condition.ref, current)
    elif current is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, current)
