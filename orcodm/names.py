r"""Names of fields: the names of the members that lead to a value, with dots between them.

`value.address.city` is the member `city` of the member `address`. In the name of a member a dot is written
`\.` and a backslash `\\`, so that `value.dependencies.lodash\.merge` is the one member `lodash.merge`. A
backslash before anything else is read as itself. The empty name is one like any other: `value.packages.` is
the member `""` of `packages`. (The syntax of queries and of the lists in parameters has backslashes of its
own: each of these is written twice there.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPECIAL = re.compile(r"[.\\]")
_PAIR = re.compile(r"\\([.\\]?)")
_MEMBER = re.compile(r"(?:[^.\\]|\\[.\\]?)*")


def member(name: str) -> str:
    """How the name of a member is written in that of a field."""
    return _SPECIAL.sub(r"\\\g<0>", name) if "." in name or "\\" in name else name


def joined(names: Iterable[str]) -> str:
    """The name of a field by the names of the members that lead to it."""
    return ".".join(map(member, names))


def steps(field: str) -> tuple[str, ...]:
    """The names of the members in the name of a field."""
    if "\\" not in field:
        return tuple(field.split("."))
    found, start = [], 0
    while (match := _MEMBER.match(field, start)) is not None:
        found.append(_PAIR.sub(lambda pair: pair[1] or "\\", match[0]))
        start = match.end() + 1
        if start > len(field):
            break
    return tuple(found)


def normal(field: str) -> str:
    """The name of a field with no backslash more than it needs, and none less."""
    return joined(steps(field)) if "\\" in field else field


def parent(field: str) -> str:
    """The name of the field that this one is a member of; empty where there is none."""
    if "\\" not in field:
        return field.rpartition(".")[0]
    return joined(steps(field)[:-1])


def last(field: str) -> str:
    """The name of the last member."""
    return steps(field)[-1] if "\\" in field else field.rpartition(".")[2]
