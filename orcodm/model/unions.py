"""Fields of several types: `int | str`, `Cat | Dog`, `datetime | str | None`.

A stored value becomes the first of the types that reads it, objects first the model that knows most of the
members, texts as texts last. So that what is written is read back as what it was, a dump loads it again
and compares, unless only one of the types can read it: `"2020-01-01"` in a `date | str` would come back as a
date, and is refused. No type is tried twice on one value: unions within unions cost no more than their size.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field

from ..errors import Problem
from .mapping import Kind, Optional, Scalar
from .misfits import BAD, Report, Unfit, cut, reasons_of


@define(eq=False)
class Union(Kind):
    """The kind of a union."""

    members: tuple[Kind, ...]
    _ordered: list[Kind] = field(init=False)
    _readers: dict[type, list[Kind]] = field(init=False, factory=dict)
    """Of each type of a JSON value, the members that may read it, texts last."""

    def __attrs_post_init__(self) -> None:
        self._ordered = sorted(self.members, key=lambda kind: isinstance(kind, Scalar) and kind.type is str)
        for type_ in self.reads:
            self._readers[type_] = [kind for kind in self._ordered if type_ in kind.reads]

    @property
    def reads(self) -> frozenset[type]:  # type: ignore[override]
        return frozenset().union(*(kind.reads for kind in self.members))

    @property
    def constant(self) -> bool:  # type: ignore[override]
        return all(kind.constant for kind in self.members)

    def load(self, value: Any, path: str, report: Report) -> Any:
        candidates = self._candidates(value)
        tried: list[list[Problem]] = []
        for kind in candidates or self._ordered:
            made, problems = self._tried(kind, value, path, report)
            if made is not BAD:
                return made
            tried.append(problems)
        if len(candidates) == 1 or (len(candidates) > 1 and self._best(candidates, value)):
            report.problems.extend(tried[0])
            return BAD
        reasons = [reasons_of(problems, path) for problems in tried]
        return report.add(path, value, cut("; or ".join(dict.fromkeys(reasons))))

    def dump(self, value: Any, path: str, report: Report) -> Any:
        tried: list[list[Problem]] = []
        candidates = [kind for kind in self.members if kind.takes(value)]
        for kind in candidates or self.members:
            part = report.part()
            made = kind.dump(value, path, part)
            if part.problems:
                tried.append(part.problems)
            elif self._candidates(made)[:1] == [kind]:
                return made
            else:
                again = self.load(made, path, part)
                if not part.problems and type(again) is type(value) and again == value:
                    return made
                tried.append([Problem(path, value, f"it would be read back as {again!r:.80}")])
        if len(tried) == 1:
            report.problems.extend(tried[0])
            return BAD
        reasons = [reasons_of(problems, path) for problems in tried]
        return report.add(path, value, cut("; or ".join(dict.fromkeys(reasons))))

    def takes(self, value: Any) -> bool:
        return any(kind.takes(value) for kind in self.members)

    def _candidates(self, value: Any) -> list[Kind]:
        """The members that may read a JSON value, in the order to try."""
        candidates = self._readers.get(type(value), [])
        if len(candidates) > 1 and type(value) is dict:
            return sorted(candidates, key=lambda kind: _known(kind, value), reverse=True)
        return candidates

    def _best(self, candidates: list[Kind], value: Any) -> bool:
        """Whether the first knows more members of an object than any other, so that its problems are told."""
        return type(value) is dict and _known(candidates[0], value) > _known(candidates[1], value)

    def _tried(self, kind: Kind, value: Any, path: str, report: Report) -> tuple[Any, list[Problem]]:
        known = report.tried.get((id(value), id(kind)))
        if known is None:
            part = report.part()
            made = kind.load(value, path, part)
            if part.problems:
                made = BAD
            # The value is kept, so that its id stays its own.
            known = report.tried[id(value), id(kind)] = (value, made, part.problems)
        return known[1], known[2]

    def read(self, value: Any) -> Any:
        readers = self._readers.get(type(value))
        if readers is None:
            raise Unfit
        if len(readers) == 1:
            return readers[0].read(value)
        return super().read(value)


def _known(kind: Kind, value: dict[str, Any]) -> int:
    """How many members of an object a kind knows; none where it takes any."""
    names = getattr(kind.inner if isinstance(kind, Optional) else kind, "names", None)
    return 0 if names is None else len(names() & value.keys())
