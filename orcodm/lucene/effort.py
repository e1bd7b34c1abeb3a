"""How long a query may go on: whoever runs one says so here, and whatever may take long asks.

A pattern, a phrase or a long text can take more time inside of one document than all other documents take
together. What the nodes of a query become is shared by all who ask it, so the limit is not a part of them: it
belongs to the thread that runs the query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

Check: TypeAlias = Callable[[], None]
"""Raises an error where there is no time left."""


def _unlimited() -> None:
    pass


_current: Final[ContextVar[Check]] = ContextVar("check", default=_unlimited)


@contextmanager
def limited(check: Check) -> Iterator[None]:
    """Meanwhile `check` calls this in this thread, after what it called before."""
    outer = _current.get()

    def both() -> None:
        outer()
        check()

    token = _current.set(check if outer is _unlimited else both)
    try:
        yield
    finally:
        _current.reset(token)


def check() -> None:
    """Raises what the query that runs here is limited by; without a limit, nothing.

    To be called every few milliseconds by whatever may take long.
    """
    _current.get()()
