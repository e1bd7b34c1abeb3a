"""How long a fresh process takes, after its imports, until it has something from a database of this size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .ground import Ground
from .measure import OURS, TIMED, Row, below, in_fresh_processes

MODEL: Final = """
import orcodm, orcodm.engines.embedded.engine
from orcodm import connect, Document, Field, Session
class Word(Document, collection="words"):
    lemma: Field[str]
"""
OPEN: Final = "session = Session(connect(sys.argv[1]))"
WORKS: Final = {
    "open and get": f"{OPEN}; session.get(Word, sys.argv[2])",
    "open and search": f"{OPEN}; session.query(Word).filter(Word.lemma == sys.argv[3]).first()",
}


def rows(ground: Ground) -> Iterator[Row]:
    ours = ground.loaded(OURS)
    ours.settle()
    synset = ground.synsets[-1]
    for work, program in WORKS.items():
        timed = TIMED.format(before=MODEL, work=program)
        programs = {OURS: [timed, ours.url, synset.key, synset.value["lemma"]]}
        costs = in_fresh_processes(programs, ground.rounds)
        yield Row("opening", f"{work}, in a fresh process", ground.size, costs, (below(100),))
