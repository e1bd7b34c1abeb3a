"""What does not fit: the problems of one value, each with its path, and how they are collected.

The compiled functions of a mapping stop at the first problem and raise `Unfit`, which says nothing. Then the
value is gone through once more, by the readable functions of `mapping`, which put every problem into a
`Report`. So a value costs at most two passes, however deep it is and however much of it is wrong.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from attrs import define, field
from cattrs import IterableValidationError
from cattrs.errors import ClassValidationError, IterableValidationNote

from ..errors import InvalidDocument, InvalidValue, Problem
from ..values import MAX_DEPTH

LONGEST_REASON: Final = 300
"""Characters of a reason that is put together from others, as that of a union is."""


class _Bad:
    def __repr__(self) -> str:
        return "BAD"

    __reduce__ = __repr__  # a copy is the same one


BAD: Final[Any] = _Bad()
"""What a readable function returns instead of a value that has problems; the report has them.

Also what stands for a member that is missing.
"""


class Unfit(Exception):
    """Compiled code met something that does not fit, or that it does not know."""


def unfit(*_: Any) -> NoReturn:
    """Raise `Unfit`, within an expression."""
    raise Unfit


class Misfit(ValueError):
    """A value that is not of the type it should have."""

    def __init__(self, value: Any, reason: str) -> None:
        self.value = value
        self.reason = reason
        super().__init__(reason)


class Misfits(ValueError):
    """Several problems below one value, with their paths from there."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(repr(problem) for problem in problems[:20]))


@define(eq=False)
class Report:
    """The problems that one pass over a value finds.

    `inside` has the containers around the value that is looked at, so that a cycle is seen; `tried`, what the
    members of unions made of values, so that none of them is tried twice.
    """

    problems: list[Problem] = field(factory=list)
    inside: dict[int, str] = field(factory=dict)
    tried: dict[tuple[int, int], tuple[Any, Any, list[Problem]]] = field(factory=dict)

    def add(self, path: str, value: Any, reason: str) -> Any:
        """Note a problem. Returns `BAD`."""
        self.problems.append(Problem(path, value, reason))
        return BAD

    def part(self) -> Report:
        """A report with problems of its own, for something that may turn out not to count."""
        return Report([], self.inside, self.tried)

    def enter(self, value: Any, path: str) -> bool:
        """Whether a container can be gone into; if not, that is a problem. `leave` it afterwards."""
        around = self.inside.get(id(value))
        if around is not None:
            self.add(path, value, f"it contains itself: it is the value of {around or 'the whole'} as well")
            return False
        if len(self.inside) >= MAX_DEPTH:
            self.add(path, value, f"nested deeper than {MAX_DEPTH} levels")
            return False
        self.inside[id(value)] = path
        return True

    def leave(self, value: Any) -> None:
        del self.inside[id(value)]


def invalid(model: type, key: str | None, error: Exception) -> InvalidDocument:
    """The error that users see for `Misfits` and their kin."""
    return InvalidDocument(model.__name__, key, problems_of(error, "", None))


def problems_of(error: BaseException, path: str, value: Any) -> list[Problem]:
    """Every problem of a nested error, with its path in dots and indexes."""
    if isinstance(error, Misfits):
        return [Problem(join(path, one.path), one.value, one.reason) for one in error.problems]
    if isinstance(error, Misfit):
        return [Problem(path, error.value, error.reason)]
    if isinstance(error, (IterableValidationError, ClassValidationError)):
        noted: Any
        noted, others = error.group_exceptions()
        problems = [problem for inner in others for problem in problems_of(inner, path, value)]
        for inner, note in noted:
            place = f"[{note.index!r}]" if isinstance(note, IterableValidationNote) else note.name
            at = note.index if isinstance(note, IterableValidationNote) else note.name
            problems.extend(problems_of(inner, join(path, place), _at(value, at)))
        return problems
    if isinstance(error, InvalidDocument):
        return [Problem(join(path, one.path), one.value, one.reason) for one in error.problems]
    if isinstance(error, InvalidValue):
        return [Problem(join(path, error.path), value, str(error))]
    if isinstance(error, RecursionError):
        return [Problem(path, value, "nested too deep")]
    return [Problem(path, value, str(error) or type(error).__name__)]


def join(path: str, rest: str) -> str:
    return path + rest if not path or not rest or rest.startswith("[") else f"{path}.{rest}"


def reasons_of(problems: list[Problem], path: str) -> str:
    """The first few of several problems below a path, in one line."""
    shown = []
    for one in problems[:3]:
        below = one.path[len(path) :].lstrip(".") if one.path.startswith(path) else one.path
        shown.append(f"{below}: {one.reason}" if below else one.reason)
    if len(problems) > 3:
        shown.append(f"and {len(problems) - 3:,} more problems")
    return "; ".join(shown)


def cut(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 3] + "..."


def json_name(value: Any) -> str:
    """What JSON calls a value, with its article; the type's name for what JSON does not have."""
    return "null" if value is None else _JSON_NAMES.get(type(value), type(value).__name__)


_JSON_NAMES: Final = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


def _at(value: Any, index: Any) -> Any:
    try:
        return value[index]
    except (TypeError, LookupError):
        return value
