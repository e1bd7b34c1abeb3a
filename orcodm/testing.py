"""For the tests of applications: an engine that counts its requests and lets a writer in between.

`orcodm.pytest_plugin` makes fixtures of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .engine import Capabilities, Closing, Engine
from .operations import Batch, Operation
from .session.session import Session

R = TypeVar("R")


class Watched(Closing):
    """An engine around another one, which notes every operation it is asked for.

    `operations` are those since the start or the last `clear()`. `before_write` has a function called once,
    just before the next write to a key reaches the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.operations: list[Operation[Any]] = []
        self._before: list[tuple[str, str, Callable[[], object]]] = []

    @property
    def capabilities(self) -> Capabilities:
        return self.engine.capabilities

    @property
    def waiting(self) -> int:
        """How many functions given to `before_write` have not been called yet."""
        return len(self._before)

    def clear(self) -> None:
        """Forget the operations noted so far."""
        self.operations.clear()

    def before_write(self, collection: str, key: str, function: Callable[[], object]) -> None:
        """Call a function just before the next write to a key."""
        self._before.append((collection, key, function))

    def execute(self, operation: Operation[R], /) -> R:
        self._note(operation)
        return self.engine.execute(operation)

    async def aexecute(self, operation: Operation[R], /) -> R:
        self._note(operation)
        return await self.engine.aexecute(operation)

    def close(self) -> None:
        self.engine.close()

    async def aclose(self) -> None:
        await self.engine.aclose()

    def _note(self, operation: Operation[Any]) -> None:
        self.operations.append(operation)
        asked: tuple[Any, ...] = operation.operations if isinstance(operation, Batch) else (operation,)
        for write in asked:
            if not hasattr(write, "condition"):  # it reads, or has no key yet
                continue
            for entry in [one for one in self._before if one[:2] == (write.collection, write.key)]:
                self._before.remove(entry)
                entry[2]()


class Race:
    """Another writer, who is faster: `race(ada, age=37)` changes ada just before her next save arrives."""

    def __init__(self, engine: Watched) -> None:
        self._engine = engine

    def __call__(
        self, document: Any, change: Callable[[Any], object] | None = None, /, **fields: Any
    ) -> None:
        """Before the next write of `document`, set fields of the stored one, or call `change` with it."""

        def write(theirs: Any) -> None:
            for name, value in fields.items():
                setattr(theirs, name, value)
            if change is not None:
                change(theirs)

        self._plan(document, write)

    def delete(self, document: Any) -> None:
        """Before the next write of `document`, delete the stored one."""
        self._plan(document, lambda theirs: theirs.delete())

    def create(self, document: Any) -> None:
        """Before `document` is first written, store it as another writer's."""
        self._engine.before_write(document.collection, document.key, lambda: self._store(document))

    def _store(self, document: Any) -> None:
        with Session(self._engine.engine) as session:
            session.add(type(document)(**{"key": document.key, **_fields(document)}))

    def _plan(self, document: Any, write: Callable[[Any], object]) -> None:
        def race() -> None:
            with Session(self._engine.engine) as session:
                write(session.get(type(document), document.key))

        self._engine.before_write(document.collection, document.key, race)


def _fields(document: Any) -> dict[str, Any]:
    return {name: getattr(document, name) for name in type(document).schema().by_name}
