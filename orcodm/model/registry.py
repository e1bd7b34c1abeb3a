"""Which document classes are bound to a collection, for where the collection alone says what a thing is.

Several may be: a summary beside the whole, the same name in two modules. Each reads and writes by itself.
Only a search in all collections, an end of a relation that no class declares, and an event whose type they
declare differently have nothing but the collection to go by: with several classes they refuse, and name
them. A class that is made again (a cell of a notebook that is run again, a module that is reloaded) takes the
place of the one it was.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

from ..errors import InvalidModel


class Registry:
    """The classes of each collection, by their module and name; those that nobody holds are forgotten."""

    def __init__(self) -> None:
        self._bound: dict[str, dict[tuple[str, str], weakref.ref[Any]]] = {}

    def bind(self, collection: str, model: type) -> None:
        """Note that a class is bound to a collection."""
        self._bound.setdefault(collection, {})[model.__module__, model.__qualname__] = weakref.ref(model)

    def classes(self, collection: str) -> list[type[Any]]:
        """The classes that are bound to a collection, oldest first."""
        return [model for each in self._bound.get(collection, {}).values() if (model := each()) is not None]

    def one(self, collection: str) -> type[Any] | None:
        """The class of a collection, None where there is none. Raises `InvalidModel` for several."""
        if len(self.classes(collection)) > 1:
            gc.collect()  # a class refers to itself, so that it outlives its last use
        found = self.classes(collection)
        if len(found) > 1:
            names = " and ".join(f"{model.__module__}.{model.__qualname__}" for model in found)
            raise InvalidModel(
                f"the collection {collection!r} is that of several classes, {names}, and nothing says which "
                f"is meant: ask one of them, as in {found[-1].__name__}.query, declare the class of the "
                "relation, or bind one of them to another collection"
            )
        return found[0] if found else None

    def __iter__(self) -> Iterator[type[Any]]:
        for collection in list(self._bound):
            yield from self.classes(collection)
