"""What has to be written: by comparison with the value last read, at any depth."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidDocument, InvalidValue, Problem
from ..values import decode, encode
from .merge import keep_spelling, same
from .state import Mapped, State


def changes(document: Mapped) -> tuple[Any, bytes] | None:
    """The value to write and its JSON text, or None where nothing has changed since the last read.

    What was not changed keeps the spelling it has in the store. Raises `InvalidDocument`.
    """
    return None if untouched(document) else compared(document)


def compared(document: Mapped) -> tuple[Any, bytes] | None:
    """The same for a document that was not quickly seen to be untouched."""
    state = document._state
    base = state.base
    if base is None:
        return checked(document)
    current, text = checked(document, validate=False)
    if text == base:
        return None
    stored = decode(base)
    normal = document._normal(stored, state.seen is not None)
    if normal is stored:
        # Plain values: what Python calls different is different in JSON, though not the other way round.
        if current == stored and same(current, stored):
            return None
        document._validate()
        return current, text
    if same(current, normal):
        return None
    document._validate()
    if encode(normal) == base:
        return current, text  # what is stored has the model's own spelling
    if not same(stored, document._upgraded(decode(base))):
        # A value in an older shape is written whole in today's: half of each would be neither.
        return current, text
    value = keep_spelling(current, normal, stored)
    return value, encode(value)


def untouched(document: Mapped) -> bool:
    """Whether it is quickly seen that nothing has changed since the last read."""
    seen = document._state.seen
    return seen is not None and document._untouched(seen)


def spelled(document: Mapped, stored: Any) -> Any:
    """The document's value, spelled as a stored one where it says the same. Raises `InvalidDocument`."""
    return keep_spelling(checked(document)[0], document._normal(stored), stored)


def checked(document: Mapped, validate: bool = True) -> tuple[dict[str, Any], bytes]:
    """A document's value and its JSON text. Raises `InvalidDocument` with every problem."""
    value = document._dumped(validate)
    try:
        return value, encode(value)
    except InvalidValue as error:
        problem = Problem(error.path, None, str(error))
        raise InvalidDocument(type(document).__name__, shown_key(document), [problem]) from error


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
