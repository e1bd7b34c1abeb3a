"""Documents: read, changed, found, loaded, gone through.

All on files in WAL at `synchronous=NORMAL`. Ours also keeps every version and is searchable; the others have
an index on the lemma and no text index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .ground import STORES, Ground
from .measure import OURS, Bar, Row, Side, doing, faster

ONCE = 200_000
"""From so many documents on, loading them all is measured once."""


def rows(ground: Ground) -> Iterator[Row]:
    def row(work: str, do: Callable[[Any], int], *bars: Bar) -> Row:
        costs = ground.by_turns({name: doing(do, store) for name, store in ground.stores().items()})
        return Row("mapper", work, ground.size, costs, bars)

    yield loading(ground, "bulk load, searchable at the end", lambda ours: None, faster("SQLAlchemy", 3))
    yield loading(ground, "bulk load, until the index is made", lambda ours: ours.index())
    ground.loaded(OURS).settle()
    keys, lemmas = ground.sample(5_000), ground.lemmas(200)
    yield row("get", lambda store: store.get(keys), faster("SQLAlchemy", 4), faster("sqlite3", 0.5))
    yield row("every document", lambda store: store.walk(), faster("SQLAlchemy", 1))
    yield row("get, change, save", lambda store: store.save(keys[:1_000]), faster("SQLAlchemy", 5))
    yield row("find, change, save", lambda store: store.find(lemmas), faster("SQLAlchemy", 1.5))


def loading(ground: Ground, work: str, index: Callable[[Any], None], *bars: Bar) -> Row:
    def side(name: str) -> Side:
        def load(store: Any) -> int:
            count: int = store.load(ground.synsets)
            if name == OURS:
                index(store)
            return count

        return Side(load, partial(ground.make, name), lambda store: store.close())

    sides = {name: side(name) for name in STORES if ground.fits(name)}
    costs = ground.by_turns(sides, 1 if ground.size > ONCE else None)
    return Row("mapper", work, ground.size, costs, bars)
