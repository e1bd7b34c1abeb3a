"""Answers bounded in bytes, and made beside the event loop where that takes long.

A page whose values are large ends early: what it leaves out is on the next one, as for any other page.
"""

from __future__ import annotations

import asyncio
from itertools import accumulate
from typing import Any, Final

import attrs

from ..engine import Engine
from ..operations import (
    BatchResult,
    Dump,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    Operation,
    Page,
    Search,
)
from ..wire.bodies import dump

INLINE_BYTES: Final = 2**16
INLINE_PARTS: Final = 64
"""How many bytes, or outcomes of a batch, make a response at once: another thread would take longer."""


PAGED: Final = frozenset({Dump, List, ListEvents, ListRefs, ListRelations, Search})
"""The operations whose results are pages."""


async def execute_bounded(engine: Engine, operation: Operation[Any], size: int) -> Any:
    """The result of an operation; of a page the results whose values have `size` bytes, but at least one."""
    result = await engine.aexecute(operation)
    if _size(result, size) <= size:
        return result
    sizes = accumulate(await asyncio.to_thread(_sizes, result))
    fitting = max(1, sum(reached <= size for reached in sizes))
    if fitting >= len(result.results):
        return result
    # The engine knows how it goes on from there.
    asked: Any = operation
    page: Page[Any] = await engine.aexecute(attrs.evolve(asked, limit=fitting))
    following: Any = page.next
    if following is not None:
        following = attrs.evolve(following, limit=asked.limit)
    return attrs.evolve(page, next=following, prev=result.prev)


def is_long(outcome: Any) -> bool:
    """Whether a response for the outcome is better made in another thread."""
    kind = type(outcome)
    if kind is BatchResult:
        return len(outcome.outcomes) > INLINE_PARTS
    if kind is Page:
        return _size(outcome, INLINE_BYTES) > INLINE_BYTES
    return len(getattr(outcome, "text", None) or b"") > INLINE_BYTES


def _size(page: Page[Any], most: int) -> int:
    """The bytes of a page's values, as far as they are known; more than `most` where they are not."""
    size = 0
    for result in page.results:
        text = getattr(result, "text", None)
        if text is not None:
            size += len(text)
        elif getattr(result, "value", None) is not None:
            return most + 1
    return size


def _sizes(page: Page[Any]) -> list[int]:
    return [
        len(getattr(result, "text", None) or dump(getattr(result, "value", None))) for result in page.results
    ]
