"""What search sees: every stored thing as one document, whatever its kind.

A document is known by two numbers: `id`, which stays as long as the thing exists, and `seq`, the sequence
number of its last write. A change is a document under its id, or None where it is gone.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from ...lucene.entries import Entry, entry
from ...operations import EventItem, Item, RelationItem, SearchResult
from .store import Transaction
from .texts import Damaged, stored_value, stored_values

_log = logging.getLogger("orcodm.index")

ITEM: Final = "item"
EVENT: Final = "event"
RELATIONSHIP: Final = "relationship"

SMALL: Final = 4_000
"""Documents of so many bytes are kept in memory for the next search, longer ones are read again."""

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
        """What queries are evaluated on."""
        try:
            value = stored_value(self.text)
        except Damaged as damaged:
            _log.error("searches pass over %s, whose stored value is damaged: %s", self.place[:2], damaged)
            value = None
        return self.entry_of(value)

    def entry_of(self, value: Any) -> Entry:
        """The same where the text was decoded."""
        return entry(self.kind, self._path, value)

    def result(
        self, value: Any, text: bytes | None, score: float | None, distance: float | None
    ) -> SearchResult:
        """The document as an answer shows it, with its value as that shows it."""
        if self.kind == ITEM:
            return Item(self.collection, self.key, self.ref, value, self.reftime, text, score, distance)
        if self.kind == EVENT:
            type_, timestamp, ordinal = self.more
            place = self.collection, self.key, type_, timestamp, ordinal
            return EventItem(*place, self.ref, value, self.reftime, text, score, distance)
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
            text=text,
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


def entries(several: Sequence[Stored]) -> list[Entry]:
    """What queries are evaluated on, for less than one by one."""
    try:
        values = stored_values([stored.text for stored in several])
    except Damaged:
        return [stored.entry() for stored in several]
    return [stored.entry_of(value) for stored, value in zip(several, values, strict=True)]


_COLUMNS: Final = {
    ITEM: "v.seq, h.id, v.collection, v.key, v.ref, v.reftime, v.value",
    EVENT: "seq, id, collection, key, ref, reftime, value, type, timestamp, ordinal",
    RELATIONSHIP: "seq, id, collection, key, ref, reftime, value, kind, to_collection, to_key",
}
_ITEMS: Final = "heads h CROSS JOIN versions v ON v.seq = h.seq"
_TABLES: Final = {ITEM: _ITEMS, EVENT: "events", RELATIONSHIP: "relations"}
KINDS: Final = tuple(_TABLES)

_CHANGES: Final = {
    ITEM: f"SELECT {_COLUMNS[ITEM]} FROM versions v JOIN heads h ON h.collection = v.collection"
    " AND h.key = v.key AND h.seq = v.seq WHERE v.seq > ? AND v.seq <= ?",
    EVENT: f"SELECT {_COLUMNS[EVENT]} FROM events WHERE seq > ? AND seq <= ?",
    RELATIONSHIP: f"SELECT {_COLUMNS[RELATIONSHIP]} FROM relations WHERE seq > ? AND seq <= ?",
}
_BY_SEQ: Final = {
    ITEM: "SELECT v.seq, NULL, v.collection, v.key, v.ref, v.reftime, v.value FROM json_each(?) j "
    "CROSS JOIN versions v ON v.seq = j.value",
    EVENT: f"SELECT {_COLUMNS[EVENT]} FROM events WHERE seq IN (SELECT value FROM json_each(?))",
    RELATIONSHIP: f"SELECT {_COLUMNS[RELATIONSHIP]} FROM relations "
    "WHERE seq IN (SELECT value FROM json_each(?))",
}
_ITEM_BY_SEQ: Final = "SELECT collection, key, ref, reftime, value FROM versions WHERE seq = ?"


_PLACES: Final = {
    kind: f"SELECT t.seq, t.collection, t.key FROM json_each(?) j CROSS JOIN {table} t ON t.seq = j.value"
    for kind, table in ((ITEM, "versions"), (EVENT, "events"), (RELATIONSHIP, "relations"))
}


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
                changed[row[1]] = None if row[6] is None else _stored(kind, row, row[1])
    return changed


def index_mark(connection: sqlite3.Connection) -> str | None:
    """What the last writer of the search index left in the database."""
    row = connection.execute("SELECT value FROM properties WHERE name = 'indexed'").fetchone()
    return None if row is None else str(row[0])


def mark_indexed(transaction: Transaction, mark: str) -> None:
    transaction.execute("INSERT OR REPLACE INTO properties VALUES ('indexed', ?)", (mark,))


def by_seq(connection: sqlite3.Connection, ids: Mapping[int, int], kinds: Iterable[str]) -> dict[int, Stored]:
    """The documents under these sequence numbers, with their ids, as far as they are there.

    That an item's version is the current one is for the caller to know: it was when it was indexed, and
    everything since then is pending.
    """
    found: dict[int, Stored] = {}
    if len(ids) == 1 and kinds == (ITEM,):
        ((seq, identity),) = ids.items()
        for row in connection.execute(_ITEM_BY_SEQ, (seq,)):
            found[seq] = Stored(seq, identity, ITEM, *row)
    elif ids:
        numbers = orjson.dumps(list(ids)).decode()
        for kind in kinds:
            for row in connection.execute(_BY_SEQ[kind], (numbers,)):
                found[row[0]] = _stored(kind, row, ids[row[0]])
            if len(found) == len(ids):
                break
    return found


def places(connection: sqlite3.Connection, ids: Mapping[int, int], kinds: Iterable[str]) -> dict[int, Place]:
    """Where the documents under these sequence numbers come, as far as they are there."""
    numbers = orjson.dumps(list(ids)).decode()
    return {
        seq: (collection, key, ids[seq])
        for kind in kinds
        for seq, collection, key in connection.execute(_PLACES[kind], (numbers,))
    }


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
    screen: Callable[[bytes], bool] | None = None,
) -> Iterator[Stored]:
    """Every document of these kinds whose text passes the screen, in no order that matters."""
    for kind in kinds:
        one, live = ("h.", "h.live") if kind == ITEM else ("", "1")
        within, values = ("", ()) if collection is None else (f" AND {one}collection = ?", (collection,))
        for row in connection.execute(
            f"SELECT {_COLUMNS[kind]} FROM {_TABLES[kind]} WHERE {live}{within}", values
        ):
            if screen is None or screen(row[6]):
                yield _stored(kind, row, row[1])


def items_from(
    connection: sqlite3.Connection,
    collection: str | None,
    after: Place | None,
    limit: int = -1,
    offset: int = 0,
) -> Iterator[tuple[Any, ...]]:
    """The rows of items in the order of places: seq, id, collection, key, ref, reftime and text."""
    return _ordered(connection, f"{_COLUMNS[ITEM]} FROM {_ITEMS}", collection, after, limit, offset)


def walk(connection: sqlite3.Connection, collection: str | None, after: Place | None) -> Iterator[int]:
    """The sequence numbers of items in the order of places, without reading their values."""
    return (row[0] for row in _ordered(connection, "h.seq FROM heads h", collection, after))


def _ordered(
    connection: sqlite3.Connection,
    what: str,
    collection: str | None,
    after: Place | None,
    limit: int = -1,
    offset: int = 0,
) -> Iterator[tuple[Any, ...]]:
    # Of items collection and key decide: an id that is greater under the same key was written since.
    clauses, values = ["h.live"], list[Any]()
    if collection is not None:
        clauses.append("h.collection = ?")
        values.append(collection)
    if after is not None and collection is not None:
        clauses.append("h.key > ?")
        values.append(after[1])
    elif after is not None:
        clauses.append("(h.collection, h.key) > (?, ?)")
        values += after[:2]
    statement = f"SELECT {what} WHERE {' AND '.join(clauses)} ORDER BY h.collection, h.key LIMIT ? OFFSET ?"
    return connection.execute(statement, (*values, limit, offset))


def item(row: tuple[Any, ...]) -> Stored:
    """The item of a row of `items_from`."""
    return Stored(row[0], row[1], ITEM, *row[2:])


def _stored(kind: str, row: tuple[Any, ...], identity: int) -> Stored:
    return Stored(row[0], identity, kind, row[2], row[3], row[4], row[5], row[6], row[7:])
