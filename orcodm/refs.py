"""The ref chain: a ref names a value and its whole past.

A ref is BLAKE2b-64 over the previous ref of the key and the canonical JSON of the value, 16 lower-case
hex digits. A tombstone is a link too. So writing A, B, A gives three refs, the history of a key can be
verified link by link, and a writer knows the ref that its write will make.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from .values import canonical

_EMPTY = blake2b(digest_size=8)  # to copy it takes half of what making one does
_TOMBSTONE = b""  # no JSON text is empty, so no value has this form


def value_ref(previous: str | None, value: Any) -> str:
    """The ref of a value written on top of `previous` (None for the first version of a key)."""
    return link(previous, canonical(value))


def tombstone_ref(previous: str | None) -> str:
    """The ref of a deletion on top of `previous`."""
    return link(previous, _TOMBSTONE)


def link(previous: str | None, text: bytes) -> str:
    """The ref of a canonical JSON text (empty for a tombstone) on top of `previous`."""
    digest = _EMPTY.copy()
    digest.update((previous or "").encode() + b"\n" + text)
    return digest.hexdigest()
