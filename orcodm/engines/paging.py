"""Pages by offset: which operation fetches the page before one."""

from __future__ import annotations

from typing import TypeVar

from ..operations import ListRefs, ListRelations, Search

Paged = TypeVar("Paged", Search, ListRefs, ListRelations)


def page_before(operation: Paged) -> Paged | None:
    """The operation for the page before; None where there is none.

    It is of as many results as the page itself, or of all that come before it where these are fewer, so
    that no result is on both.
    """
    limit = min(operation.limit, operation.offset)
    if not limit:
        return None
    before = operation._replace(offset=operation.offset - limit, limit=limit)
    return before._replace(at=None) if isinstance(before, ListRefs) else before
