"""What has to be written: by comparison with the value last read, at any depth."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidDocument, InvalidValue
from ..values import decode, encode
from .merge import MISSING, keep_spelling, same
from .state import NEW, Mapped, State


def changes(document: Mapped) -> tuple[Any, bytes] | None:
    """The value to write and its JSON text, or None where nothing has changed since the last read.

    What was not changed keeps the spelling it has in the store. Raises `InvalidDocument`.
    """
    return None if untouched(document) else compared(document)


def compared(document: Mapped) -> tuple[Any, bytes] | None:
    """The same for a document that was not quickly seen to be untouched."""
    base = document._state.base
    if base is None:
        return document._encoded(validate=True)
    read = read_from(document)
    if read is None:
        value, text = document._encoded(validate=False)
        if text == base:
            return None
        stored = decode(base)
        read = document._read_of(stored, None)
        if read is None:
            document._validate()
            return None if same(value, stored) else (value, text)
    try:
        revised = document._revised(read)
    except Exception:
        return document._encoded(validate=True)  # which tells every problem
    if not revised:
        return None
    document._validate()
    stored = decode(base)
    upgraded = document._upgraded(stored)
    if upgraded is not stored and not same(stored, upgraded):
        # A value in an older shape is written whole in today's: half of each would be neither.
        return document._encoded(validate=False)
    value = {name: member for name, member in {**stored, **revised}.items() if member is not MISSING}
    try:
        return value, encode(value)
    except InvalidValue:
        return document._encoded(validate=True)


def untouched(document: Mapped) -> bool:
    """Whether it is quickly seen that nothing has changed since the last read."""
    read = read_from(document)
    return read is not None and document._untouched(read)


def read_from(document: Mapped) -> tuple[Any, ...] | None:
    """What the fields of a document are read from; None where nothing was read, or all of them are set."""
    state = document._state
    if state.written is not None:
        state.read, state.written = document._noted(*state.written), None
    return state.read


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


def stand_on(
    document: Mapped, ref: str, text: bytes, *, value: Any = None, reftime: int | None = None
) -> None:
    """Note that the document stands on the version `ref`, whose JSON text is `text`.

    `value` is what that says, where the fields that were not asked for yet say the same.
    """
    before, written = read_from(document), None
    if before is not None:
        if value is None:
            document._complete()
        else:
            written = document._own(value), before
    # Past the class's own ways to be assigned to, which cost more than this.
    document.__dict__["_state"] = State(document._identity, ref, text, reftime, False, None, written)


def stand_on_nothing(document: Mapped) -> None:
    """Let the document be one that no engine knows, with the same fields."""
    document._complete()
    document._state = NEW


def shown_key(document: Mapped) -> str | None:
    """The key of a document for messages."""
    identity = document._state.identity or document._identity
    return None if identity is None else "/".join(map(str, identity[1:]))


def shown(document: Mapped) -> str:
    """A document for messages: its class and key."""
    return f"{type(document).__name__} {shown_key(document)!r}"
