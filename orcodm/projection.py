"""Field filtering: `with_fields` keeps the named fields of a value, `without_fields` drops them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from .names import member, normal, parent


def project(value: Any, with_fields: Iterable[str], without_fields: Iterable[str]) -> Any:
    """What is left of a value: first the named fields are kept, then the others named are dropped.

    Fields are written `value.address.city` (`value.` may be left out). Naming a parent names all under
    it; arrays are transparent; names that do not occur change nothing, and no names mean no filter.
    The input is untouched, and shared where nothing was filtered.
    """
    if with_fields and (keep := _Names.of(with_fields)).named and "" not in keep.named:
        kept = _keep(value, keep, "")
        value = ([] if isinstance(value, list | tuple) else {}) if kept is _NOTHING else kept
    if without_fields and (drop := _Names.of(without_fields)).named:
        value = {} if "" in drop.named else _drop(value, drop, "")
    return value


@frozen
class _Names:
    """The fields that are named, and those that lead to them."""

    named: frozenset[str]
    leading: frozenset[str]

    @classmethod
    def of(cls, fields: Iterable[str]) -> _Names:
        # By the steps that lead to them, a dot before each: the value itself has none.
        named = frozenset(
            "" if field == "value" else f".{normal(field.removeprefix('value.'))}"
            for field in fields
            if field
        )
        leading = set()
        for name in named:
            while name := parent(name):
                leading.add(name)
        return cls(named, frozenset(leading))


_NOTHING: Any = object()
"""Not even an empty value: nothing here is named."""


def _keep(value: Any, names: _Names, prefix: str) -> Any:
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            path = f"{prefix}.{member(name)}"
            if path in names.named:
                kept[name] = inner
            elif path in names.leading and (part := _keep(inner, names, path)) is not _NOTHING:
                kept[name] = part
        return kept or _NOTHING
    if isinstance(value, list | tuple):
        parts = [part for item in value if (part := _keep(item, names, prefix)) is not _NOTHING]
        return parts or _NOTHING
    return _NOTHING


def _drop(value: Any, names: _Names, prefix: str) -> Any:
    if isinstance(value, dict):
        return {
            name: _drop(inner, names, path) if path in names.leading else inner
            for name, inner in value.items()
            if (path := f"{prefix}.{member(name)}") not in names.named
        }
    if isinstance(value, list | tuple):
        return [_drop(item, names, prefix) for item in value]
    return value
