"""The SQLite file: its tables, its version, and how an older file is brought up to date.

Everything that is written gets the next *sequence number*, one counter for the whole file, and is stored
under it. So "what came after number n" is a range of primary keys, which is all that the search index
needs to catch up.

* `versions` is a log of item versions, tombstones included (`value` is NULL), each naming the version
  before it. Nothing in it is ever changed; a purge removes the whole chain of a key.
* `heads` says which version of a key is the current one. `id` is the number of the key's first version: it
  identifies the key until it is purged. Every source of a relation has a head: one that was purged has a head
  without a version (`seq` 0), so that a walk has only to ask whether it is among the heads that do not live.
* `events` and `relations` hold the current ones only. An update moves the row to a new number; `id` stays
  the number of the first write (so relations ordered by `id` are ordered by age).
* `erased` remembers the ids that are gone without a tombstone: purged keys, deleted events and relations.

One save of a known key therefore touches two pages: the end of the log and the leaf of its head.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from typing import Final

from ...errors import CorruptDatabase, NewerDatabase, ReadOnly

APPLICATION_ID: Final = 0x6F64_6D31
"""In the file's header, so that `file` and we can tell it from other SQLite databases ("odm1")."""

TABLES: Final = """
CREATE TABLE properties (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE versions (
    seq INTEGER PRIMARY KEY,
    previous INTEGER,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    ref TEXT NOT NULL,
    reftime INTEGER NOT NULL,
    value BLOB
);
CREATE TABLE heads (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    live INTEGER NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    type TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    ref TEXT NOT NULL,
    reftime INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE UNIQUE INDEX events_by_path ON events (collection, key, type, timestamp, ordinal);

CREATE TABLE relations (
    seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    to_collection TEXT NOT NULL,
    to_key TEXT NOT NULL,
    ref TEXT NOT NULL,
    reftime INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE UNIQUE INDEX relations_by_path ON relations (collection, key, kind, to_collection, to_key);

CREATE TABLE erased (seq INTEGER PRIMARY KEY, id INTEGER NOT NULL);
"""


def _first(connection: sqlite3.Connection) -> None:
    _script(connection, TABLES)
    # The index beside the file carries the same number, so one that belongs to another file is noticed.
    connection.execute("INSERT INTO properties VALUES ('database', ?)", (secrets.token_hex(16),))


def _script(connection: sqlite3.Connection, text: str) -> None:
    # executescript() would commit, and a migration is one transaction.
    for statement in text.split(";"):
        if statement.strip():
            connection.execute(statement)


def _second(connection: sqlite3.Connection) -> None:
    # So that a page of a dump need not look at every relation.
    connection.execute("CREATE UNIQUE INDEX relations_by_age ON relations (id)")


def _third(connection: sqlite3.Connection) -> None:
    # Of all the documents that walks come by, next to none are gone: those are looked up in a small index.
    connection.execute(
        "INSERT INTO heads SELECT DISTINCT collection, key, 0, 0, 0 FROM relations r WHERE NOT EXISTS "
        "(SELECT 1 FROM heads h WHERE h.collection = r.collection AND h.key = r.key)"
    )
    connection.execute("CREATE INDEX heads_gone ON heads (collection, key) WHERE NOT live")


def _fourth(connection: sqlite3.Connection) -> None:
    # With their age in it, walks read relations from this index alone. That there is one to a path is for who
    # writes to see: he looks before.
    connection.execute("DROP INDEX relations_by_path")
    connection.execute(
        "CREATE INDEX relations_by_path ON relations (collection, key, kind, to_collection, to_key, id)"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _second, _third, _fourth)
"""Step n takes a file of version n to version n + 1; version 0 is an empty file."""


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the file up to this version, in one transaction; a file that is current is not written to.

    Raises `NewerDatabase` for a file of a later version, `CorruptDatabase` for another program's.
    """
    connection.execute("BEGIN")  # one state for the whole look: another process may be making the file
    try:
        version = _version(connection, path)
    finally:
        connection.execute("COMMIT")
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Again, under the lock: another process may have been faster.
        for step in MIGRATIONS[_version(connection, path) :]:
            step(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check(connection: sqlite3.Connection, path: str) -> None:
    """Raise `NewerDatabase`, `CorruptDatabase` or `ReadOnly` where a file cannot be used as it is."""
    if _version(connection, path) < len(MIGRATIONS):
        raise ReadOnly(
            f"{path} was written by an older orcodm: open it once where it may be written to, "
            "which brings it up to date"
        )


def _version(connection: sqlite3.Connection, path: str) -> int:
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application or version or tables:
            raise CorruptDatabase(
                f"{path} is an SQLite database, but another program's; choose another file name"
            )
        return 0
    if version > len(MIGRATIONS):
        raise NewerDatabase(
            f"{path} was written by a newer orcodm (its schema is version {version}, this one knows "
            f"{len(MIGRATIONS)}); upgrade orcodm to open it"
        )
    return version
