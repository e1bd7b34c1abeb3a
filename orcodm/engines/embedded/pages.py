"""Pages and the operations that ask for the ones around them."""

from __future__ import annotations

from attrs import evolve

from ...operations import AggregateResult, Page, Search, SearchResult
from .ordering import Key, write_cursor


def stream_page(
    operation: Search,
    results: list[SearchResult],
    last: Key | None,
    aggregates: tuple[AggregateResult, ...],
) -> Page[SearchResult]:
    """A page of a stream; `last` is the key of its last result, None where nothing comes after it."""
    following = None if last is None else evolve(operation, cursor=write_cursor(last))
    return Page(results=results, next=following, aggregates=aggregates)


def offset_page(
    operation: Search, results: list[SearchResult], total: int, aggregates: tuple[AggregateResult, ...]
) -> Page[SearchResult]:
    """A page out of so many results in all, with those before and after it."""
    limit, offset = operation.limit, operation.offset
    following = previous = None
    if results and offset + len(results) < total:
        following = evolve(operation, offset=offset + limit)
    if offset:
        previous = evolve(operation, offset=max(0, offset - limit))
    return Page(results=results, next=following, prev=previous, total=total, aggregates=aggregates)
