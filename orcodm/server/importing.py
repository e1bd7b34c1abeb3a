"""Bulk imports: read, written and answered in slices, beside the event loop.

An import may have as many entries as fit into a body. Others' writes come between its slices, each of which
is one transaction; and only the entries of one slice are there as values at any time.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ..engine import Engine
from ..errors import OrcodmError
from ..wire.batches import Import, ImportAnswer
from ..wire.messages import Response
from ..wire.responses import encode_import
from .gathering import apart

SLICE_ENTRIES: Final = 100
SLICE_BYTES: Final = 2**18
"""How much of an import is committed at once, which is as long as another writer waits for it."""


async def execute_import(engine: Engine, operation: Import) -> Response:
    """The response for an import, each of whose entries stands for itself."""
    slices = operation.slices(SLICE_ENTRIES, SLICE_BYTES)
    answer = ImportAnswer()
    while (entries := await asyncio.to_thread(next, slices, None)) is not None:
        writes = [entry for entry in entries if not isinstance(entry, OrcodmError)]
        outcomes = iter(await apart(engine, writes))
        paired = [(entry, entry if isinstance(entry, OrcodmError) else next(outcomes)) for entry in entries]
        await asyncio.to_thread(_add, answer, paired)
    return await asyncio.to_thread(encode_import, answer)


def _add(answer: ImportAnswer, outcomes: list[tuple[Any, Any]]) -> None:
    for _, outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, OrcodmError):
            raise outcome
    answer.add(outcomes)
