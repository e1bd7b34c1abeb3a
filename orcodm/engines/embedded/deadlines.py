"""How long a search may take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from ...errors import QueryTimeout

T = TypeVar("T")

SEARCH_SECONDS: Final = 60.0
"""Where nothing else is said."""
BETWEEN: Final = 1_000
"""After so many rows somebody looks at the clock."""


class Deadline:
    """When a search has to end, with `QueryTimeout`."""

    def __init__(self, query: str, seconds: float) -> None:
        self._query = query
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self._until:
            raise QueryTimeout(
                f"The query {self._query!r} took longer than {self._seconds:g} seconds; narrow it, "
                f"or give the engine more time: search_seconds"
            )

    def rows(self, rows: Iterable[T]) -> Iterator[T]:
        """The rows, as long as there is time for them."""
        for number, row in enumerate(rows):
            if number % BETWEEN == 0:
                self.check()
            yield row
