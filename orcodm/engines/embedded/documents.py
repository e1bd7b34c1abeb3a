"""What search sees: every stored thing as one document, whatever its kind.

A document is known by two numbers: `id`, which stays as long as the thing exists, and `seq`, the sequence
number of its last write. A change is a document under its id, or None where it is gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from ...lucene.entries import Entry, entry
from ...operations import EventItem, Item, RelationItem, Search, SearchResult
from ...projection import project
from ...values import decode

ITEM: Final = "item"
EVENT: Final = "event"
RELATIONSHIP: Final = "relationship"


Place: TypeAlias = tuple[str, str, int]
"""The order of documents that nothing else orders: collection, key, id."""


class Stored(NamedTuple):
    """A row: `more` is type, timestamp and ordinal of an event, kind and destination of a relation."""

    seq: int
    id: int
    kind: str
    collection: str
    key: str
    ref: str
    reftime: int
    text: bytes
    more: tuple[Any, ...] = ()

    @property
    def place(self) -> Place:
        return self.collection, self.key, self.id

    def entry(self) -> Entry:
        """The flattened view that queries are evaluated on."""
        return entry(self.kind, self._path(), decode(self.text))

    def result(self, operation: Search, score: float | None, distance: float | None) -> SearchResult:
        """The document as the answer shows it."""
        value = decode(self.text) if operation.values else None
        if operation.values and (operation.with_fields or operation.without_fields):
            value = project(value, operation.with_fields, operation.without_fields)
        if self.kind == ITEM:
            return Item(
                collection=self.collection,
                key=self.key,
                ref=self.ref,
                value=value,
                reftime=self.reftime,
                score=score,
                distance=distance,
            )
        if self.kind == EVENT:
            type_, timestamp, ordinal = self.more
            return EventItem(
                collection=self.collection,
                key=self.key,
                type=type_,
                timestamp=timestamp,
                ordinal=ordinal,
                ref=self.ref,
                value=value,
                reftime=self.reftime,
                score=score,
                distance=distance,
            )
        kind, to_collection, to_key = self.more
        return RelationItem(
            collection=self.collection,
            key=self.key,
            kind=kind,
            to_collection=to_collection,
            to_key=to_key,
            ref=self.ref,
            value=value,
            reftime=self.reftime,
            score=score,
            distance=distance,
        )

    def _path(self) -> dict[str, Any]:
        path: dict[str, Any] = {
            "collection": self.collection,
            "key": self.key,
            "ref": self.ref,
            "reftime": self.reftime,
        }
        if self.kind == EVENT:
            path["type"], path["timestamp"], path["ordinal"] = self.more
        elif self.kind == RELATIONSHIP:
            kind, to_collection, to_key = self.more
            path["relation"] = kind
            path["source.collection"], path["source.key"] = self.collection, self.key
            path["destination.collection"], path["destination.key"] = to_collection, to_key
        return path


_COLUMNS: Final = {
    ITEM: "v.seq, h.id, v.collection, v.key, v.ref, v.reftime, v.value",
    EVENT: "seq, id, collection, key, ref, reftime, value, type, timestamp, ordinal",
    RELATIONSHIP: "seq, id, collection, key, ref, reftime, value, kind, to_collection, to_key",
}
_CURRENT_VERSIONS: Final = (
    "versions v JOIN heads h ON h.collection = v.collection AND h.key = v.key AND h.seq = v.seq"
)
_TABLES: Final = {ITEM: _CURRENT_VERSIONS, EVENT: "events", RELATIONSHIP: "relations"}
KINDS: Final = tuple(_TABLES)

_CHANGES: Final = {
    kind: f"SELECT {_COLUMNS[kind]} FROM {_TABLES[kind]} WHERE seq > ? AND seq <= ?".replace(
        "WHERE seq > ? AND seq", "WHERE v.seq > ? AND v.seq" if kind == ITEM else "WHERE seq > ? AND seq"
    )
    for kind in KINDS
}
_BY_SEQ: Final = {
    ITEM: "SELECT v.seq, h.id, v.collection, v.key, v.ref, v.reftime, v.value FROM json_each(?) j "
    "CROSS JOIN versions v ON v.seq = j.value JOIN heads h ON h.collection = v.collection AND h.key = v.key "
    "AND h.seq = v.seq AND h.live",
    EVENT: f"SELECT {_COLUMNS[EVENT]} FROM events WHERE seq IN (SELECT value FROM json_each(?))",
    RELATIONSHIP: f"SELECT {_COLUMNS[RELATIONSHIP]} FROM relations "
    "WHERE seq IN (SELECT value FROM json_each(?))",
}


_WITNESS: Final = """
SELECT ref || ' ' || reftime FROM versions WHERE seq = ?1
UNION ALL SELECT ref || ' ' || reftime FROM events WHERE seq = ?1
UNION ALL SELECT ref || ' ' || reftime FROM relations WHERE seq = ?1
UNION ALL SELECT 'erased ' || id FROM erased WHERE seq = ?1
"""


_LATEST: Final = """
SELECT ifnull((SELECT max(seq) FROM versions), 0), ifnull((SELECT max(seq) FROM events), 0),
       ifnull((SELECT max(seq) FROM relations), 0), ifnull((SELECT max(seq) FROM erased), 0)
"""


class Latest(NamedTuple):
    """The last sequence number of each table."""

    items: int
    events: int
    relations: int
    erased: int

    @property
    def sequence(self) -> int:
        return max(self)


def latest(connection: sqlite3.Connection) -> Latest:
    """How far the database is."""
    return Latest(*connection.execute(_LATEST).fetchone())


def changes(connection: sqlite3.Connection, after: int, upto: Latest | int) -> dict[int, Stored | None]:
    """What became of every id that was written to after one sequence number, up to another."""
    ends = upto if isinstance(upto, Latest) else Latest(upto, upto, upto, upto)
    changed: dict[int, Stored | None] = {}
    if ends.erased > after:
        rows = connection.execute("SELECT id FROM erased WHERE seq > ? AND seq <= ?", (after, ends.erased))
        changed = dict.fromkeys(identity for (identity,) in rows)
    for kind, end in zip(KINDS, ends, strict=False):
        if end > after:
            for row in connection.execute(_CHANGES[kind], (after, end)):
                changed[row[1]] = None if row[6] is None else _stored(kind, row)
    return changed


def witness(connection: sqlite3.Connection, seq: int) -> str | None:
    """What was written under a sequence number, in a few words; None where it was overwritten since."""
    row = connection.execute(_WITNESS, (seq,)).fetchone()
    return None if row is None else str(row[0])


def by_seq(connection: sqlite3.Connection, seqs: Sequence[int], kinds: Iterable[str]) -> dict[int, Stored]:
    """The documents under these sequence numbers, as far as they are current."""
    found: dict[int, Stored] = {}
    if seqs:
        numbers = orjson.dumps(list(seqs)).decode()
        for kind in kinds:
            for row in connection.execute(_BY_SEQ[kind], (numbers,)):
                found[row[0]] = _stored(kind, row)
            if len(found) == len(seqs):
                break
    return found


def count(connection: sqlite3.Connection, kinds: Iterable[str], collection: str | None) -> int:
    """How many documents of these kinds there are."""
    total = 0
    for kind in kinds:
        table, live = ("heads", "live") if kind == ITEM else (_TABLES[kind], "1")
        within, values = ("", ()) if collection is None else (" AND collection = ?", (collection,))
        total += connection.execute(f"SELECT count(*) FROM {table} WHERE {live}{within}", values).fetchone()[
            0
        ]
    return total


def scan(
    connection: sqlite3.Connection,
    kinds: Iterable[str],
    collection: str | None,
    after: Place | None = None,
    limit: int = -1,
    offset: int = 0,
) -> Iterator[Stored]:
    """Documents in the order of places, kind after kind; of each kind so many, from beyond a place."""
    for kind in kinds:
        one, live, source = (
            ("h.", "h.live", "heads h CROSS JOIN versions v ON v.seq = h.seq")
            if kind == ITEM
            else ("", "1", _TABLES[kind])
        )
        clauses, values = [live], list[Any]()
        if collection is not None:
            clauses.append(f"{one}collection = ?")
            values.append(collection)
        if after is not None:
            clauses.append(f"({one}collection, {one}key, {one}id) > (?, ?, ?)")
            # Said again, in a form that the index of the table can begin at.
            clauses.append(
                f"({one}collection, {one}key) >= (?, ?)" if collection is None else f"{one}key >= ?"
            )
            values += (*after, *after[:2]) if collection is None else (*after, after[1])
        # Of items the key decides; saying more would make SQLite sort.
        order = "h.collection, h.key" if kind == ITEM else "collection, key, id"
        for row in connection.execute(
            f"SELECT {_COLUMNS[kind]} FROM {source} WHERE {' AND '.join(clauses)} "
            f"ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, limit, offset),
        ):
            yield _stored(kind, row)


def walk(
    connection: sqlite3.Connection, collection: str | None, after: Place | None
) -> Iterator[tuple[Place, int]]:
    """The places and sequence numbers of items, in the order of places: a scan that reads no values."""
    clauses, values = ["live"], list[Any]()
    if collection is not None:
        clauses.append("collection = ?")
        values.append(collection)
    if after is not None:
        clauses.append("(collection, key, id) > (?, ?, ?)")
        clauses.append("(collection, key) >= (?, ?)" if collection is None else "key >= ?")
        values += (*after, *after[:2]) if collection is None else (*after, after[1])
    for *place, seq in connection.execute(
        f"SELECT collection, key, id, seq FROM heads WHERE {' AND '.join(clauses)} ORDER BY collection, key",
        values,
    ):
        yield (place[0], place[1], place[2]), seq


def _stored(kind: str, row: tuple[Any, ...]) -> Stored:
    seq, identity, collection, key, ref, reftime, text, *more = row
    return Stored(seq, identity, kind, collection, key, ref, reftime, text, tuple(more))
