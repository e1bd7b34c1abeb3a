"""Items: current values, their history, lists. One function for each operation.

A key's history is its chain of versions, newest first, by their `previous`. Deleting adds a tombstone to
the chain and purging erases the chain, so that the next write begins a new one: a purged key that gets its
old value again also gets its old first ref again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from attrs import evolve

from ... import patch
from ...errors import AlreadyExists, Conflict, NotFound
from ...identifiers import identifiers
from ...operations import (
    Delete,
    DeleteCollection,
    Get,
    IfAbsent,
    IfMatch,
    Item,
    List,
    ListRefs,
    Page,
    Patch,
    Post,
    Put,
    Version,
    Written,
)
from ...refs import link, tombstone_ref
from ...values import canonical, encode
from ..paging import page_before
from .documents import ITEM, SMALL
from .pages import all_shown, shown
from .store import Cursor, Transaction
from .texts import Damaged, stored_value

Head: TypeAlias = tuple[int, str, int, bytes | None, int]
"""Sequence number, ref, reftime and text (None: deleted) of the version that a key has, and the key's id."""

_HEAD: Final = """
SELECT v.ref, v.reftime, v.value FROM heads h JOIN versions v ON v.seq = h.seq
WHERE h.collection = ? AND h.key = ?
"""
_HEAD_AND_ID: Final = _HEAD.replace("v.ref, v.reftime, v.value", "v.seq, v.ref, v.reftime, v.value, h.id")
_HEAD_WITHOUT_VALUE: Final = _HEAD_AND_ID.replace("v.value", "iif(h.live, x'', NULL)")

_CHAIN: Final = """
WITH RECURSIVE chain (seq, previous, ref, reftime, value) AS (
    SELECT v.seq, v.previous, v.ref, v.reftime, v.value FROM heads h JOIN versions v ON v.seq = h.seq
    WHERE h.collection = ? AND h.key = ?
    UNION ALL
    SELECT v.seq, v.previous, v.ref, v.reftime, v.value FROM chain JOIN versions v ON v.seq = chain.previous
    {})
"""
_WHOLE_CHAIN: Final = _CHAIN.format("")
_VERSION: Final = (
    _WHOLE_CHAIN + "SELECT ref, reftime, value FROM chain WHERE ref = ? AND value IS NOT NULL LIMIT 1"
)
# A limit outside of the recursion would not end it.
_VERSIONS: Final = _CHAIN.format("LIMIT ? OFFSET ?") + "SELECT ref, reftime, value, seq FROM chain"
_VERSIONS_FROM: Final = _VERSIONS.replace(
    "FROM heads h JOIN versions v ON v.seq = h.seq\n    WHERE h.collection = ? AND h.key = ?",
    "FROM versions v WHERE v.collection = ? AND v.key = ? AND v.seq = ?",
)

# For None, True and bytes sqlite3 would look for an adapter, which takes a third of the time of a statement.
_ADD_VERSION: Final = "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_FIRST_VERSION: Final = "INSERT INTO versions VALUES (?, NULL, ?, ?, ?, ?, ?)"
# Nothing is done where there is one already, but for one without a version.
_UNLESS_KNOWN: Final = (
    " ON CONFLICT DO UPDATE SET id = excluded.id, seq = excluded.seq, live = excluded.live"
    " WHERE heads.seq = 0"
)
_ADD_HEAD: Final = "INSERT INTO heads VALUES (?, ?, ?, ?, ?)" + _UNLESS_KNOWN
_ADD_HEADS: Final = (
    "INSERT INTO heads SELECT collection, key, seq, seq, 1 FROM versions WHERE seq >= ?" + _UNLESS_KNOWN
)
_LEAVE_SOURCE: Final = (
    "INSERT INTO heads SELECT :collection, :key, 0, 0, 0"
    " WHERE EXISTS (SELECT 1 FROM relations WHERE collection = :collection AND key = :key)"
)
_MOVE_HEAD: Final = "UPDATE heads SET seq = ? WHERE collection = ? AND key = ?"
_TURN_HEAD: Final = "UPDATE heads SET seq = ?, live = ? WHERE collection = ? AND key = ?"
"""The same where it does not stay alive: only that has to look after the index of those that are gone."""


# -- reading ---------------------------------------------------------------------------------------


def get(cursor: Cursor, operation: Get) -> Item:
    collection, key = operation.collection, operation.key
    if operation.ref is None:
        version = cursor.execute(_HEAD, (collection, key)).fetchone()
    else:
        version = cursor.execute(_VERSION, (collection, key, operation.ref)).fetchone()
    if version is None or version[2] is None:
        raise NotFound.item(collection, key)
    ref, reftime, text = version
    value, whole = shown(text, operation)
    return Item(collection, key, ref, value, reftime, whole)


def list_(connection: sqlite3.Connection, operation: List) -> Page[Item]:
    collection, limit = operation.collection, operation.limit
    clauses = ["h.collection = ?", "h.live"]
    bounds: list[Any] = [collection]
    for sign, key in (
        (">=", operation.start),
        (">", operation.after),
        ("<", operation.before),
        ("<=", operation.end),
    ):
        if key is not None:
            clauses.append(f"h.key {sign} ?")
            bounds.append(key)
    text = "v.value" if operation.values else "NULL"
    rows = connection.execute(
        f"SELECT h.key, v.ref, v.reftime, {text} FROM heads h JOIN versions v ON v.seq = h.seq "
        f"WHERE {' AND '.join(clauses)} ORDER BY h.key LIMIT ?",
        (*bounds, limit + 1),
    ).fetchall()
    following = None
    if limit and len(rows) > limit:
        following = evolve(operation, start=None, after=rows[limit - 1][0])
    del rows[limit:]
    values: list[tuple[Any, bytes | None]] = [(None, None)] * len(rows)
    if operation.values:
        try:
            values = list(all_shown([row[3] for row in rows], operation))
        except Damaged as damaged:
            number = next(number for number, row in enumerate(rows) if row[3] is damaged.text)
            damaged.beyond = rows[number][0]
            if not number:
                raise
            return list_(connection, evolve(operation, limit=number))
    results = [
        Item(collection, key, ref, value, reftime, whole)
        for (key, ref, reftime, _), (value, whole) in zip(rows, values, strict=True)
    ]
    return Page(results=results, next=following)


def list_refs(connection: sqlite3.Connection, operation: ListRefs) -> Page[Version]:
    collection, key, limit, offset = operation.collection, operation.key, operation.limit, operation.offset
    rows: list[Any] = []
    if operation.at is not None and operation.at < 2**63:  # else it is another engine's
        rows = connection.execute(_VERSIONS_FROM, (collection, key, operation.at, limit + 1, 0)).fetchall()
    if not rows:  # also where the place is gone, with a history that was purged
        rows = connection.execute(_VERSIONS, (collection, key, limit + 1, offset)).fetchall()
    if not rows and connection.execute(_HEAD_WITHOUT_VALUE, (collection, key)).fetchone() is None:
        raise NotFound.item(collection, key)
    following = None
    if limit and len(rows) > limit:
        following = evolve(operation, offset=offset + limit, at=rows[limit][3])
    del rows[limit:]
    texts = [row[2] for row in rows if row[2] is not None] if operation.values else []
    values = all_shown(texts, operation)
    results = [
        Version(collection=collection, key=key, ref=None, reftime=reftime, deleted=True)
        if text is None
        else Version(
            collection=collection, key=key, ref=ref, reftime=reftime, value=next(values, (None, None))[0]
        )
        for ref, reftime, text, _ in rows
    ]
    return Page(results=results, next=following, prev=page_before(operation))


# -- writing ---------------------------------------------------------------------------------------


def put(transaction: Transaction, operation: Put) -> Written:
    collection, key, value = operation.collection, operation.key, operation.value
    text, sorted_text = operation.text or encode(value), canonical(value)
    if type(operation.condition) is IfAbsent:
        # Most often the key is new, and then trying is cheaper than looking first.
        seq = transaction.sequence + 1
        if transaction.execute(_ADD_HEAD, (collection, key, seq, seq, 1)).rowcount:
            ref = link(None, sorted_text)
            first = transaction.advance(), collection, key, ref, transaction.now, bytearray(text)
            transaction.execute(_ADD_FIRST_VERSION, first)
            _tell(transaction, seq, collection, key, ref, transaction.now, text)
            return Written(collection, key, ref, transaction.now)
    head = transaction.execute(_HEAD_WITHOUT_VALUE, (collection, key)).fetchone()
    _check(operation, head)
    ref = link(None if head is None else head[1], sorted_text)
    reftime = _store(transaction, collection, key, head, ref, text)
    return Written(collection, key, ref, reftime)


def create(transaction: Transaction, operations: Sequence[Put]) -> list[Written] | None:
    """Store new items under new keys, all at once; None, and nothing done, where one of the keys is known.

    Raises `InvalidValue`, before anything is done.
    """
    first, now = transaction.sequence + 1, transaction.now
    versions, results = [], []
    for seq, operation in enumerate(operations, first):
        collection, key, value = operation.collection, operation.key, operation.value
        text = operation.text or encode(value)
        ref = link(None, canonical(value))
        versions.append((seq, collection, key, ref, now, bytearray(text)))
        results.append(Written(collection, key, ref, now))
    transaction.execute("SAVEPOINT creation")
    transaction.executemany(_ADD_FIRST_VERSION, versions)
    made = transaction.execute(_ADD_HEADS, (first,)).rowcount
    if made == len(versions):
        transaction.sequence += made
    else:
        transaction.execute("ROLLBACK TO creation")
    transaction.execute("RELEASE creation")
    return results if made == len(versions) else None


def post(transaction: Transaction, operation: Post) -> Written:
    while True:
        key = identifiers.next_key()
        # Also a deleted item keeps its key: a new one would otherwise inherit its history.
        if transaction.execute(_HEAD_WITHOUT_VALUE, (operation.collection, key)).fetchone() is None:
            break
    return put(
        transaction,
        Put(collection=operation.collection, key=key, value=operation.value, condition=IfAbsent()),
    )


def patch_item(transaction: Transaction, operation: Patch) -> Written:
    collection, key = operation.collection, operation.key
    head = transaction.execute(_HEAD_AND_ID, (collection, key)).fetchone()
    if head is not None and head[3] is not None:
        value = stored_value(head[3])
    elif operation.upsert:
        value = {}
    else:
        # Also with If-Match: the protocol looks whether there is an item first (6.4).
        raise NotFound.item(collection, key)
    _check(operation, head)
    value = patch.apply(value, operation.changes)
    text = encode(value)
    ref = link(None if head is None else head[1], canonical(value))
    reftime = _store(transaction, collection, key, head, ref, text)
    return Written(collection, key, ref, reftime)


def delete(transaction: Transaction, operation: Delete) -> None:
    collection, key = operation.collection, operation.key
    head = transaction.execute(_HEAD_WITHOUT_VALUE, (collection, key)).fetchone()
    if type(operation.condition) is IfMatch:  # If-None-Match means nothing to a deletion (6.5)
        _check(operation, head)
    if head is None:
        return
    if operation.purge:
        (identity,) = transaction.execute(
            "SELECT id FROM heads WHERE collection = ? AND key = ?", (collection, key)
        ).fetchone()
        transaction.execute(
            f"DELETE FROM versions WHERE seq IN ({_WHOLE_CHAIN} SELECT seq FROM chain)", (collection, key)
        )
        transaction.execute("DELETE FROM heads WHERE collection = ? AND key = ?", (collection, key))
        transaction.execute(_LEAVE_SOURCE, {"collection": collection, "key": key})
        transaction.execute("INSERT INTO erased VALUES (?, ?)", (transaction.advance(), identity))
    elif head[3] is not None:
        _store(transaction, collection, key, head, tombstone_ref(head[1]), None)


def delete_collection(transaction: Transaction, operation: DeleteCollection) -> None:
    """Erase a collection; relations of other collections that lead into it go as well."""
    collection = operation.collection
    named = {"collection": collection}
    gone = transaction.execute(
        "SELECT id FROM heads WHERE collection = :collection AND seq "
        "UNION ALL SELECT id FROM events WHERE collection = :collection "
        "UNION ALL SELECT id FROM relations WHERE collection = :collection OR to_collection = :collection",
        named,
    ).fetchall()
    transaction.execute("DELETE FROM heads WHERE collection = :collection", named)
    transaction.execute("DELETE FROM versions WHERE collection = :collection", named)
    transaction.execute("DELETE FROM events WHERE collection = :collection", named)
    transaction.execute(
        "DELETE FROM relations WHERE collection = :collection OR to_collection = :collection", named
    )
    for (identity,) in gone:
        transaction.execute("INSERT INTO erased VALUES (?, ?)", (transaction.advance(), identity))


def _check(operation: Put | Patch | Delete, head: Head | None) -> None:
    """Raise the conflict where the condition does not hold."""
    condition = operation.condition
    if condition is None:
        return
    current = None if head is None or head[3] is None else head[1]
    if type(condition) is IfMatch:
        if current != condition.ref:
            raise Conflict.of_ref(operation.collection, operation.key, condition.ref, current)
    elif current is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, current)


def _store(
    transaction: Transaction, collection: str, key: str, head: Head | None, ref: str, text: bytes | None
) -> int:
    """Add a version (None: a tombstone) on top of the head and make it the current one; gives its reftime."""
    seq = transaction.advance()
    if head is None:
        previous, reftime = None, transaction.now
        transaction.execute(_ADD_HEAD, (collection, key, seq, seq, 1))
    else:
        # The clock may have been set back; a history does not run backwards.
        previous, reftime = head[0], max(transaction.now, head[2])
        if text is not None and head[3] is not None:
            transaction.execute(_MOVE_HEAD, (seq, collection, key))
        else:
            transaction.execute(_TURN_HEAD, (seq, text is not None, collection, key))
    value = None if text is None else bytearray(text)
    transaction.execute(_ADD_VERSION, (seq, previous, collection, key, ref, reftime, value))
    _tell(transaction, seq if head is None else head[4], collection, key, ref, reftime, text)
    return reftime


def _tell(
    transaction: Transaction,
    identity: int,
    collection: str,
    key: str,
    ref: str,
    reftime: int,
    text: bytes | None,
) -> None:
    """Say what was written last, for the next search of this process."""
    seq = transaction.sequence
    if text is None:
        transaction.told[seq] = identity, None
    elif len(text) <= SMALL:
        transaction.told[seq] = identity, (seq, identity, ITEM, collection, key, ref, reftime, text)
