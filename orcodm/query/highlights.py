"""Results with what the query found in them: `for hit in User.query.search("engine").highlight(User.bio)`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import frozen

from ..errors import InvalidFilter
from .expressions import path_of
from .results import Unread

if TYPE_CHECKING:
    from ..lucene.highlighting import Highlight
    from .query import Query

D = TypeVar("D")


@frozen(eq=False)
class Hit(Generic[D]):
    """A result and the passages of its texts in which the query found something, marked.

    `fragments` has them by the full name of the field (`value.bio`); `hit[User.bio]` are those of one.
    """

    document: D
    fragments: dict[str, tuple[str, ...]]

    def __getitem__(self, field: Any) -> tuple[str, ...]:
        """The passages of a field, or of those below a nested one; empty where nothing was found."""
        path = _path(field)
        if path in self.fragments:
            return self.fragments[path]
        return tuple(
            text for name, found in self.fragments.items() if name.startswith(path + ".") for text in found
        )


@frozen(eq=False)
class Highlights(Unread, Generic[D]):
    """The results of a query as `Hit`s, to loop over; they are read as the query's own loop reads them."""

    query: Query[D]
    _fields: tuple[str, ...]
    _mark: Callable[[Highlight], tuple[str, ...]]

    def __iter__(self) -> Iterator[Hit[D]]:
        for document in self.query:
            yield self._hit(document)

    async def __aiter__(self) -> AsyncIterator[Hit[D]]:
        async for document in self.query:
            yield self._hit(document)

    def all(self) -> list[Hit[D]]:
        """All hits."""
        return list(self)

    async def aall(self) -> list[Hit[D]]:
        return [hit async for hit in self]

    def first(self) -> Hit[D] | None:
        """The first hit, or None."""
        document = self.query.first()
        return None if document is None else self._hit(document)

    async def afirst(self) -> Hit[D] | None:
        document = await self.query.afirst()
        return None if document is None else self._hit(document)

    def _hit(self, document: Any) -> Hit[D]:
        from ..lucene.entries import entry
        from ..lucene.highlighting import highlight

        # What is stored was searched, not what was changed since.
        stored = entry(self.query.model._kind, {}, document._state.base_value)
        fragments: dict[str, tuple[str, ...]] = {}
        for found in highlight(self.query.tree, stored):
            if not self._fields or any(_is_within(found.field, field) for field in self._fields):
                fragments[found.field] = fragments.get(found.field, ()) + self._mark(found)
        return Hit(document, fragments)


def highlights(
    query: Query[D],
    fields: tuple[Any, ...],
    before: str,
    after: str,
    width: int | None,
    most: int,
    escape: Callable[[str], str] | None,
) -> Highlights[D]:
    """The highlights of a query. Raises `InvalidFilter`."""
    for name, number in (("width", width), ("most", most)):
        if number is not None and (type(number) is not int or number < 1):
            raise InvalidFilter(f"highlight: {name} is a number from 1, not {number!r}")

    def mark(found: Highlight) -> tuple[str, ...]:
        if width is None:
            return (found.marked(before, after, escape=escape),)
        return found.fragments(before, after, width, most, escape)

    return Highlights(query, tuple(map(_path, fields)), mark)


def _path(field: Any) -> str:
    path = path_of(field)
    if not isinstance(path, str):
        raise InvalidFilter(f"highlight takes fields such as User.bio, not {field!r}")
    return path


def _is_within(name: str, field: str) -> bool:
    return name == field or name.startswith(field + ".")
