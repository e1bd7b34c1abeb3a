"""The rows behind hits, those lately read from memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from .documents import SMALL, Stored, by_seq
from .index import Hit

SMALL_PAGE: Final = 100
REMEMBERED_ROWS: Final = 5_000
"""So many small rows are kept for the next pages that show them, of pages of so many."""


class Rows:
    """The rows of small pages, those lately read from memory: under a sequence number nothing changes."""

    def __init__(self) -> None:
        self._known: dict[int, Stored] = {}

    def read(
        self, connection: sqlite3.Connection, hits: Sequence[Hit], kinds: Iterable[str]
    ) -> dict[int, Stored]:
        """The rows of hits by sequence number, as far as they are there."""
        if len(hits) > SMALL_PAGE:
            return by_seq(connection, {hit.seq: hit.id for hit in hits}, kinds)
        known = self._known
        found = {hit.seq: known[hit.seq] for hit in hits if hit.seq in known}
        if unread := {hit.seq: hit.id for hit in hits if hit.seq not in found}:
            read = by_seq(connection, unread, kinds)
            found |= read
            if len(known) > REMEMBERED_ROWS:
                known = self._known = {}  # another one: a search in another thread may be at the old one
            known.update((seq, stored) for seq, stored in read.items() if len(stored.text) <= SMALL)
        return found
