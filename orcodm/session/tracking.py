"""What has to be written: by comparison with the value last read, at any depth."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidDocument
from ..values import decode, encode
from .merge import keep_spelling, same
from .state import Mapped, State


def changes(document: Mapped) -> tuple[Any, bytes] | None:
    """The value to write and its JSON text, or None where nothing has changed since the last read.

    What was not changed keeps the spelling it has in the store. Raises `InvalidDocument`.
    """
    return None if untouched(document) else compared(document)


def compared(document: Mapped) -> tuple[Any, bytes] | None:
    """The same for a document that was not quickly seen to be untouched.

    Its text is made once, and compared with the one that was read. Only where they differ it is asked what
    the model makes of what was read, whose spelling may not be the model's own.
    """
    base = document._state.base
    if base is None:
        return document._encoded(validate=True)
    value, text = document._encoded(validate=False)
    if text == base:
        return None
    stored = decode(base)
    normal, normal_text = document._normal(stored)
    if text == normal_text or (len(text) == len(normal_text) and same(value, normal)):
        return None
    document._validate()
    if normal_text == base:
        return value, text  # what is stored has the model's own spelling
    if not same(stored, document._upgraded(decode(base))):
        # A value in an older shape is written whole in today's: half of each would be neither.
        return value, text
    value = keep_spelling(value, normal, stored)
    return value, encode(value)


def untouched(document: Mapped) -> bool:
    """Whether it is quickly seen that nothing has changed since the last read."""
    seen = document._state.seen
    return seen is not None and document._untouched(seen)


def spelled(document: Mapped, stored: Any) -> Any:
    """The document's value, spelled as a stored one where it says the same. Raises `InvalidDocument`."""
    return keep_spelling(document._encoded(validate=True)[0], document._normal(stored)[0], stored)


def dirty(document: Mapped) -> bool:
    """Whether a commit would write the document, or has to look up what became of an earlier write.

    One that does not fit its model is dirty as well.
    """
    if document._state.deleted:
        return False
    if document._state.sent:
        return True
    try:
        return changes(document) is not None
    except InvalidDocument:
        return True


def stand_on(document: Mapped, ref: str, text: bytes, reftime: int | None = None) -> None:
    """Note that the document is the version `ref`, whose JSON text is `text`."""
    document._state = State(document._identity, ref, text, reftime)


def shown_key(document: Mapped) -> str | None:
    """The key of a document for messages."""
    identity = document._state.identity or document._identity
    return None if identity is None else "/".join(map(str, identity[1:]))


def shown(document: Mapped) -> str:
    """A document for messages: its class and key."""
    return f"{type(document).__name__} {shown_key(document)!r}"
