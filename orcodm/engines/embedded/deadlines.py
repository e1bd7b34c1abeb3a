"""How long a search, a walk or a list may take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

from ...errors import QueryTimeout
from ...lucene.effort import limited
from ...operations import ListEvents, ListRefs, ListRelations, Operation

T = TypeVar("T")

SEARCH_SECONDS: Final = 60.0
"""Where nothing else is said."""
BETWEEN: Final = 1_000
"""After so many rows somebody looks at the clock."""


class Limited(Protocol):
    """A connection whose statements end at a deadline."""

    deadline: Deadline | None


class Deadline:
    """When a search has to end, with `QueryTimeout`."""

    def __init__(self, query: str, seconds: float) -> None:
        self._query = query
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def passed(self) -> bool:
        return time.monotonic() > self._until

    def check(self) -> None:
        if self.passed():
            raise self.error()

    def error(self) -> QueryTimeout:
        return QueryTimeout(
            f"{self._subject()} took longer than {self._seconds:g} seconds; {self._remedy()}, "
            f"or give the engine more time: search_seconds"
        )

    @contextmanager
    def over(self, connection: Limited) -> Iterator[None]:
        """Meanwhile it ends the statements of a connection, and all work on documents in this thread."""
        connection.deadline = self
        with limited(self.check):
            yield

    def rows(self, rows: Iterable[T]) -> Iterator[T]:
        """The rows, as long as there is time for them."""
        for number, row in enumerate(rows):
            if number % BETWEEN == 0:
                self.check()
            yield row

    def _subject(self) -> str:
        return f"The query {self._query!r}"

    def _remedy(self) -> str:
        return "narrow it"


class ReadDeadline(Deadline):
    """When any other read has to end: a walk along relations, a list, a history."""

    def __init__(self, operation: Operation[Any], seconds: float) -> None:
        super().__init__("", seconds)
        self._operation: Any = operation

    def _subject(self) -> str:
        match self._operation:
            case ListRelations(collection=collection, key=key, kinds=kinds):
                hops = "1 hop" if len(kinds) == 1 else f"{len(kinds)} hops"
                return f"The walk of {hops} from {collection}/{key}"
            case ListRefs(collection=collection, key=key):
                return f"The history of {collection}/{key}"
            case ListEvents(collection=collection, key=key, type=type_):
                return f"The list of the events {type_} of {collection}/{key}"
            case operation:
                return (
                    f"The operation {type(operation).__name__} on {operation.collection or 'all collections'}"
                )

    def _remedy(self) -> str:
        if isinstance(self._operation, ListRelations):
            return "take fewer hops, or begin where fewer relations lead on"
        return "ask for a smaller part of it"
