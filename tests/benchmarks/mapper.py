"""Documents: read, changed, found, loaded, gone through.

All on files in WAL at `synchronous=NORMAL`. Ours also keeps every version and is searchable; the others have
an index on the lemma and no text index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from .ground import STORES, Ground
from .measure import OURS, Bar, Row, doing, faster

ONCE = 200_000
"""From so many documents on, loading them all is measured once."""


def rows(ground: Ground) -> Iterator[Row]:
    def row(work: str, do: Callable[[Any], int], *bars: Bar) -> Row:
        sides = {name: doing(do, store) for name, store in ground.stores().items()}
        return Row("mapper", work, ground.size, ground.by_turns(sides), bars)

    yield from loading(ground)
    ground.loaded(OURS).settle()
    keys, lemmas = ground.sample(5_000), ground.lemmas(200)
    hundreds = [keys[number : number + 100] for number in range(0, len(keys), 100)]
    reading = faster("SQLAlchemy", 4), faster("sqlite3", 0.5)
    yield row("get", lambda store: store.get(keys), *reading)
    yield row("get, 100 held at once", lambda store: sum(map(store.hold, hundreds)), *reading)
    yield row("get, 5,000 held at once", lambda store: store.hold(keys), *reading)
    yield row("every document", lambda store: store.walk(), faster("SQLAlchemy", 1))
    yield row("get, change, save", lambda store: store.save(keys[:1_000]), faster("SQLAlchemy", 5))
    yield row("one more document", lambda store: store.add(500))
    yield row("find, change, save", lambda store: store.find(lemmas), faster("SQLAlchemy", 1.5))


def loading(ground: Ground) -> Iterator[Row]:
    """Loading every document; the stores of the last round are those that the other rows stand on."""
    searchable: dict[str, list[float]] = {name: [] for name in STORES if ground.fits(name)}
    indexed: dict[str, list[float]] = {name: [] for name in searchable}
    rounds = 1 if ground.size > ONCE else ground.rounds
    for number in range(rounds):
        for name in searchable:
            store = ground.make(name)
            began = time.perf_counter()
            store.load(ground.synsets)
            searchable[name].append(1000 * (time.perf_counter() - began) / ground.size)
            if name == OURS:
                store.index()
            indexed[name].append(1000 * (time.perf_counter() - began) / ground.size)
            if number < rounds - 1:
                store.close()
            else:
                ground.keep(name, store)
    work = "bulk load, searchable at the end"
    yield Row("mapper", work, ground.size, searchable, (faster("SQLAlchemy", 3),))
    yield Row("mapper", "bulk load, until the index is made", ground.size, indexed)
