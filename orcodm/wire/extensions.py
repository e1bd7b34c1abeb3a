"""What our server can do beyond the protocol: announced in a header, read by the HTTP engine.

A server that announces nothing speaks plain Orchestrate v0: pages of at most 100, offset paging, no
batches, refs that are opaque.
"""

from __future__ import annotations

from typing import Final

from ..engine import Capabilities
from ..operations import MAX_RESULTS
from .routes import MAX_LIMIT

HEADER: Final = "X-Orcodm-Capabilities"
"""On the answer to HEAD /v0."""

TOKEN: Final = "X-Orcodm-Token"
"""On a conditional write: the same for each attempt, so that an answer that was lost can be given again."""

REPLAYED: Final = "X-Orcodm-Replayed"
"""On an answer that was given before."""

PLAIN: Final = Capabilities(
    atomic_batch=False, keyset=False, ref_chain=False, max_limit=MAX_LIMIT, own_writes=False
)

_FLAGS: Final = (
    *("atomic_batch", "keyset", "ref_chain", "own_writes", "records", "terms", "long_queries"),
    "casts",
)


def encode_capabilities(capabilities: Capabilities) -> str:
    """The value of the header."""
    words = [word for word in _FLAGS if getattr(capabilities, word)]
    return ", ".join([*words, f"max_limit={capabilities.max_limit}"])


def decode_capabilities(text: str | None) -> Capabilities:
    """The capabilities in a header, `PLAIN` without one; words that are unknown say nothing."""
    if text is None:
        return PLAIN
    words = {word.strip() for word in text.split(",")}
    limits = [word.removeprefix("max_limit=") for word in words if word.startswith("max_limit=")]
    limit = (
        int(limits[0])
        if limits and limits[0].isascii() and limits[0].isdigit() and len(limits[0]) < 10
        else 0
    )
    return Capabilities(
        max_limit=min(max(limit, MAX_LIMIT), MAX_RESULTS), **{word: word in words for word in _FLAGS}
    )
