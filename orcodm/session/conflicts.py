"""A conflict as data: what it says, and the ways to resolve it. No I/O."""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from ..errors import Conflict, UsageError
from ..mistakes import meant
from ..values import encode
from .merge import Overlap, merge, same
from .state import Mapped
from .tracking import shown, stand_on, stand_on_nothing


def describe(error: Conflict, document: Mapped, mine: Any, current: Any) -> None:
    """Give a conflict its document and three values; `current` is the stored item, or None."""
    error.document = document
    error.mine = mine
    error.base = document._state.base_value
    error.theirs = None if current is None else current.value
    error.details["expected"] = document._state.ref
    error.details["current"] = None if current is None else current.ref
    error._merge = merge_into


def resolve(error: Conflict, resolution: Any) -> bool:
    """Bring the document to where the next attempt can succeed; False where the conflict is to be raised.

    `resolution` is "merge", "mine", "theirs", the value to write, or None.
    """
    document = error.document
    if resolution is None:
        return False
    if resolution == "merge":
        merge_into(error)
        return True
    if resolution == "theirs":
        if error.theirs is None:
            document._state = evolve(document._state, deleted=True)
            return False
        document._fill(document._upgraded(error.theirs))
    elif isinstance(resolution, dict):
        document._fill(resolution)
    else:
        _check_word(resolution)
    _stand_on_theirs(error)
    return True


WORDS: Final = ("merge", "mine", "theirs")


def check_resolution(on_conflict: Any) -> None:
    """Raises `UsageError` for what `on_conflict` cannot be."""
    if on_conflict is not None and not callable(on_conflict):
        _check_word(on_conflict)


def _check_word(word: Any) -> None:
    if word in WORDS:
        return
    raise UsageError(
        'on_conflict is "merge", "mine", "theirs", or a function of the conflict that returns one of '
        f"these, the value to write, or None to raise it; not {word!r}{meant(word, WORDS)}"
    )


def merge_into(error: Conflict) -> Any:
    """Merge theirs into the document, which then stands on it. Raises `Conflict` where that cannot be."""
    if error.theirs is None or error.mine is None:
        raise error
    document = error.document
    document._fill(merged(document, error.base, error.mine, error.theirs, error))
    _stand_on_theirs(error)
    return document


def merged(document: Mapped, base: Any, mine: Any, theirs: Any, cause: Conflict | None = None) -> Any:
    """The value with both sides' changes. Raises `Conflict` naming the members that both changed."""
    try:
        return combined(document, base, mine, theirs)
    except Overlap as overlap:
        raised = Conflict(
            f"both sides changed {overlap} of {shown(document)}: choose with "
            'on_conflict="mine" or "theirs", or by hand from mine, base and theirs',
            details={**(cause.details if cause else {}), "paths": list(overlap.paths)},
        )
        raised.document, raised.mine, raised.base, raised.theirs = document, mine, base, theirs
        raise raised from cause


def combined(document: Mapped, base: Any, mine: Any, theirs: Any) -> Any:
    """The merge, in today's shape where one of the values is still in an older one. Raises `Overlap`."""
    model = type(document)
    if all(value is None or same(value, model._upgraded(value)) for value in (base, theirs)):
        return merge(base, mine, theirs)
    today = [value and model.from_value(value)._dumped(validate=False) for value in (base, mine, theirs)]
    return merge(*today)


def _stand_on_theirs(error: Conflict) -> None:
    if error.theirs is None:
        stand_on_nothing(error.document)
    else:
        stand_on(error.document, str(error.current), encode(error.theirs))
