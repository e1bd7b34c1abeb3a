"""Declarations in a module without `from __future__ import annotations`."""

import orcodm
from orcodm import Document, Embedded, Field, Nested


class Room(Embedded):
    name: Field[str]


class House(Document, collection="eager_houses"):
    rooms: Nested[list[Room]]
    owner: orcodm.Field[str | None] = orcodm.field(default=None)
