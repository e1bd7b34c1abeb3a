"""Megabytes that a process grows by: at its peak in a loop over every document, and holding them all.

Up to 32 of ours are SQLite's cache of the pages of the file, where SQLAlchemy leaves it at 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .ground import Ground
from .measure import OURS, Bar, Row, below, in_fresh_processes, within

WALK: Final = "one = next(things, None)\nfor one in things: pass"
HOLD: Final = "held = list(things)"

THEIRS: Final = """
import resource, sys
import sqlalchemy
from sqlalchemy.orm import Session
from tests.benchmarks.peers.alchemy import WordRow
session = Session(sqlalchemy.create_engine(sys.argv[1]))
things = iter(session.scalars(sqlalchemy.select(WordRow).execution_options(yield_per=500)))
"""
OUR: Final = """
import resource, sys
from orcodm import Session, connect
from tests.benchmarks.peers.ours import Word
session = Session(connect(sys.argv[1]))
session.get(Word, "nobody", default=None)
things = iter(session.query(Word))
"""
MEASURED: Final = """
def peak():
    try:
        # Linux counts the parent's memory as well in what getrusage says of a child.
        status = dict(line.split(":") for line in open("/proc/self/status"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(status["VmHWM"].split()[0]) / 1e3
before = peak()
{work}
print(max(0.1, peak() - before))
"""
CACHE: Final = 32
"""Megabytes, as in the store of the embedded engine."""
HELD: Final = 100_000
"""More documents than that are not held."""


def rows(ground: Ground) -> Iterator[Row]:
    ours, orm = ground.loaded(OURS), ground.loaded("SQLAlchemy")
    ours.settle()

    def row(work: str, program: str, *bars: Bar) -> Row:
        measured = MEASURED.format(work=program)
        programs = {OURS: [OUR + measured, ours.url]}
        if orm is not None:
            programs["SQLAlchemy"] = [THEIRS + measured, orm.url]
        costs = in_fresh_processes(programs, ground.rounds)
        return Row("memory", work, ground.size, costs, bars, "MB")

    yield row("memory, a loop over every document", WALK, below(CACHE + 8))
    if ground.size <= HELD:
        yield row("memory, every document held", HOLD, within("SQLAlchemy", 1))
