"""What a caller may have meant: the nearest of the names there are, and errors that say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from .errors import UnknownArgument, UnknownAttribute


def nearest(word: Any, names: Iterable[str]) -> str | None:
    """The name that a word is most like; None where none is near."""
    if not isinstance(word, str):
        return None
    known = {name.lower(): name for name in names}
    found = get_close_matches(word.lower(), known, 1, 0.6)
    return known[found[0]] if found else None


def meant(word: Any, names: Iterable[str]) -> str:
    """The end of a message, such as ` (did you mean 'theirs'?)`; empty where no name is near."""
    found = nearest(word, names)
    return "" if found is None else f" (did you mean {found!r}?)"


def refuse(function: str, arguments: Mapping[str, Any], names: Iterable[str], remedy: str = "") -> None:
    """Raise `UnknownArgument` for keywords that a function does not take, if there are any."""
    for name in arguments:
        names = tuple(names)
        known = f"{', '.join(f'{one}=' for one in names)}" if names else "no keywords"
        raise UnknownArgument(
            f"{function} takes {known}, and no {name}={meant(name, names)}"
            + (f": {remedy}" if remedy else "")
        )


def unknown(owner: Any, name: str, remedies: Mapping[str, str] | None = None) -> UnknownAttribute:
    """The error for an attribute that a thing of ours does not have.

    `remedies` say what to write for names that other libraries have.
    """
    of = type(owner).__name__
    remedy = (remedies or {}).get(name)
    if remedy is not None or name.startswith("_"):
        error = UnknownAttribute(f"{of} has no {name!r}" + (f": {remedy}" if remedy else ""))
    else:
        public = [one for one in dir(type(owner)) if not one.startswith("_")]
        error = UnknownAttribute(f"{of} has no {name!r}{meant(name, public)}")
    error.name = None  # or Python adds a guess of its own
    return error
