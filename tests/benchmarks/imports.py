"""What an import costs a fresh process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .ground import Ground
from .measure import OURS, TIMED, Row, below, in_fresh_processes

IMPORTS: Final = {
    OURS: "import orcodm",
    "SQLAlchemy": "import sqlalchemy.orm",
    "peewee": "import peewee",
    "MongoEngine": "import mongoengine",
}


def rows(ground: Ground) -> Iterator[Row]:
    programs = {
        name: [TIMED.format(before="", work=work)]
        for name, work in IMPORTS.items()
        if name == OURS or ground.installed(name)
    }
    costs = in_fresh_processes(programs, 2 * ground.rounds)
    yield Row("imports", "import", None, costs, (below(150),))
