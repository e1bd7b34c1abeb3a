"""Sorted streams: the order of all matches of a query, kept between the pages.

A page of a sorted stream needs the matches after its cursor. Without help each page would look at every
match again, and a stream of many pages would take the square of their number. So the second page of a
stream makes the whole order (a key and two numbers for each match, no values), the next ones find their
place in it by bisection, and writes in between are worked in one by one. An order can always be made
again, so only a few are kept, and none that is too long.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Final, Self, TypeAlias

from .current import Pending, View
from .index import Hit
from .matches import Match
from .ordering import Key

KEPT: Final = 4
LONGEST: Final = 500_000

Name: TypeAlias = tuple[object, ...]


class Order:
    """The matches of a query by key, as of a sequence number."""

    def __init__(self, matches: Iterable[Match], key: Callable[[Match], Key], upto: int) -> None:
        rows = sorted(
            ((key(match), Hit(match.score, match.stored.id, match.stored.seq)) for match in matches),
            key=lambda row: row[0],
        )
        self._keys = [key for key, _ in rows]
        self._hits = [hit for _, hit in rows]
        self._by_id = {hit.id: key for key, hit in rows}
        self.upto = upto

    def __len__(self) -> int:
        return len(self._keys)

    def apply(self, changed: Iterable[tuple[int, Match | None]], key: Callable[[Match], Key]) -> None:
        """Work in what became of some ids: a match, or None where it is none any more."""
        for identity, match in changed:
            old = self._by_id.pop(identity, None)
            if old is not None:
                position = bisect_left(self._keys, old)
                del self._keys[position], self._hits[position]
            if match is not None:
                new = self._by_id[identity] = key(match)
                position = bisect_left(self._keys, new)
                self._keys.insert(position, new)
                self._hits.insert(position, Hit(match.score, identity, match.stored.seq))

    def after(self, last: Key, count: int) -> list[Hit]:
        """So many hits beyond a key."""
        start = bisect_right(self._keys, last)
        return self._hits[start : start + count]

    def slice(self, start: int, end: int) -> list[Hit]:
        return self._hits[start:end]


class Kept:
    """The order of one query, which one thread looks at at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._order: Order | None = None

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def current(
        self,
        view: View,
        make: Callable[[], Iterable[Match]] | None,
        match: Callable[[Pending], Match | None],
        key: Callable[[Match], Key],
    ) -> Order | None:
        """The order as of this view; None where there is none and `make` is None."""
        order = self._order
        # What is pending are all changes after `applied`: an order that is older cannot be brought up.
        if order is not None and view.applied <= order.upto <= view.sequence:
            self._order = None  # an exception may leave it halfway
            changed = [
                (identity, match(pending))
                for identity, pending in view.pending.items()
                if pending.seq > order.upto
            ]
            order.apply(changed, key)
            order.upto = view.sequence
        elif make is not None:
            order = Order(make(), key, view.sequence)
        else:
            return None
        self._order = order if len(order) <= LONGEST else None
        return order


class Orders:
    """The orders of one engine, most recently used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Name, Kept] = {}

    def kept(self, name: Name) -> Kept:
        """The order of a query, to be entered while it is looked at: others are made and read meanwhile."""
        with self._lock:
            kept = self._kept.pop(name) if name in self._kept else Kept()
            self._kept[name] = kept
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return kept
