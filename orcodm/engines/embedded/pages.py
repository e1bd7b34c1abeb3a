"""Pages: the values on them, and the operations that ask for the ones around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from ...operations import AggregateResult, Page, Search, SearchResult
from ...projection import project
from ..paging import page_before
from .ordering import Key, write_cursor
from .texts import stored_value, stored_values


class Filtering(Protocol):
    """An operation that may ask for some of the fields only."""

    @property
    def with_fields(self) -> tuple[str, ...]: ...
    @property
    def without_fields(self) -> tuple[str, ...]: ...


def shown(text: bytes, operation: Filtering) -> tuple[Any, bytes | None]:
    """The value of a text as the operation asks for it, and the text where that is all of it."""
    if operation.with_fields or operation.without_fields:
        return project(stored_value(text), operation.with_fields, operation.without_fields), None
    return stored_value(text), text


def all_shown(texts: Sequence[bytes], operation: Filtering) -> Iterator[tuple[Any, bytes | None]]:
    """The same of many texts."""
    if operation.with_fields or operation.without_fields:
        return (shown(text, operation) for text in texts)
    return zip(stored_values(texts), texts, strict=True)


def stream_page(
    operation: Search,
    results: list[SearchResult],
    last: Key | None,
    aggregates: tuple[AggregateResult, ...],
) -> Page[SearchResult]:
    """A page of a stream; `last` is the key of its last result, None where nothing comes after it."""
    following = None if last is None else operation._replace(cursor=write_cursor(last))
    return Page(results=results, next=following, aggregates=aggregates)


def offset_page(
    operation: Search, results: list[SearchResult], total: int, aggregates: tuple[AggregateResult, ...]
) -> Page[SearchResult]:
    """A page out of so many results in all, with those before and after it."""
    limit, offset = operation.limit, operation.offset
    following = None
    if results and offset + len(results) < total:
        following = operation._replace(offset=offset + limit)
    return Page(
        results=results, next=following, prev=page_before(operation), total=total, aggregates=aggregates
    )
