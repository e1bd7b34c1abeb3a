"""What a search sees of a stored thing: its fields, their values, tokens, dates and points.

An `Entry` is one search document. The evaluator matches it and the index is built from it, so both see
the same. Members of the stored value are fields under `value` (`value.address.city`, see `names`); arrays are
transparent, so that each element is a value of the array's field; a root that is no object is the field
`value` itself. Metadata is under `@path`. null is no value; the empty string is one.

Everything is made when it is asked for: most queries ask each document for one field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from ..names import member as written
from ..names import normal, steps
from .analysis import analyze, lower
from .casts import cast_of, date, plain
from .effort import check

Leaf = str | int | float | bool
"""A value that can be searched for. Compare the type before the value: True equals 1 in Python."""

ROOT: Final = "value"
_BELOW: Final = len("value.")
KIND: Final = "@path.kind"


def field_name(name: str | None) -> str | None:
    """The full name of a field as a query wrote it: `name` is `value.name`. None stays: all of the value."""
    if name is None or name == ROOT:
        return name
    if "\\" in name:
        name = normal(name)
    if name.startswith(("value.", "@path.")):
        return name
    if (cast := cast_of(name)) is not None:
        return f"@{cast[0].name}.{field_name(cast[1])}"
    return f"value.{name}"


Metadata = Mapping[str, str | int | None]


class Entry:
    """One search document, made by `entry`."""

    __slots__ = ("_leaves", "_metadata", "_path", "_points", "_tokens", "_words", "kind", "value")

    def __init__(self, kind: str, metadata: Metadata | Callable[[], Metadata], value: Any) -> None:
        self.kind = kind
        self.value = value
        self._leaves: dict[str, list[Leaf]] | None = None
        self._metadata = metadata
        self._path: dict[str, list[Leaf]] | None = None
        self._tokens: dict[str, list[list[str]]] = {}
        self._words: dict[str | None, set[str]] = {}
        self._points: dict[str, list[tuple[float, float]]] | None = None

    def __repr__(self) -> str:
        return f"Entry({self.kind!r}, {self.path!r}, {self.value!r})"

    @property
    def path(self) -> dict[str, list[Leaf]]:
        """The fields of the metadata, each with its value."""
        if self._path is None:
            known = self._metadata() if callable(self._metadata) else self._metadata
            metadata: Metadata = {**known, "kind": self.kind}
            self._path = {f"@path.{n}": [v] for n, v in metadata.items() if v is not None}
        return self._path

    @property
    def leaves(self) -> dict[str, list[Leaf]]:
        """The fields of the value, each with its leaves in the order of the document."""
        leaves = self._leaves
        if leaves is None:
            leaves = {}
            _flatten(ROOT, self.value, leaves)
            self._leaves = leaves  # whole: queries of other threads may ask the same entry
        return leaves

    def values(self, field: str) -> list[Leaf]:
        """The leaves of a field (its full name) in the order of the document; none where it is missing.

        Of a field with a cast these are what its leaves stand for.
        """
        if field.startswith("@"):
            cast = cast_of(field)
            return self.path.get(field, []) if cast is None else cast[0].values(self.values(cast[1]))
        if self._leaves is None and type(self.value) is dict and field != ROOT:
            member = field[_BELOW:]
            if "\\" in member:
                member, *below = steps(member)
                if below:
                    return self.leaves.get(field, [])
            elif "." in member:
                return self.leaves.get(field, [])
            # Nothing else in the value has this name, so the rest of it need not be looked at.
            leaf = self.value.get(member)
            if leaf is None or type(leaf) in _SCALARS:
                return [] if leaf is None else [leaf]
            leaves: dict[str, list[Leaf]] = {}
            _flatten(field, leaf, leaves)
            return leaves.get(field, [])
        return self.leaves.get(field, [])

    def tokens(self, field: str) -> list[list[str]]:
        """The tokens of a field of the value: one list for each string leaf, numbers have none."""
        found = self._tokens.get(field)
        if found is None:
            leaves = self.values(field)
            found = self._tokens[field] = [analyze(leaf) for leaf in leaves if type(leaf) is str]
        return found

    def words(self, field: str | None) -> set[str]:
        """The distinct tokens of a field of the value, or of all of them (None)."""
        found = self._words.get(field)
        if found is None:
            fields = self.leaves if field is None else (field,)
            texts = chain.from_iterable(map(self.tokens, fields))
            found = self._words[field] = set(chain.from_iterable(texts))
        return found

    def has_word(self, field: str | None, word: str) -> bool:
        """Whether a token is among those of a field of the value, or of all of them (None)."""
        if field is not None and field not in self._words and word.isascii():
            unclear = False
            spaced = f" {word} "
            for leaf in self.values(field):
                if type(leaf) is not str:
                    continue
                if len(leaf) > _LONG:
                    check()
                if word in (lowered := lower(leaf)):
                    if spaced in f" {lowered} ":  # it is a token whatever the rules
                        return True
                    unclear = True
            if not unclear:
                return False
        return word in self.words(field)

    def exists(self, field: str) -> bool:
        """Whether the field, or one below it, has a value that is not null."""
        fields = self.leaves
        if field.startswith("@"):
            if cast_of(field) is not None:
                return bool(self.values(field))
            fields = self.path
        if field in fields:
            return True
        below = field + "."
        return any(name.startswith(below) for name in fields)

    def points(self, field: str | None) -> list[tuple[float, float]]:
        """The points of a field as (latitude, longitude), or those of all fields (None)."""
        if self._points is None:
            points: dict[str, list[tuple[float, float]]] = {}
            for name, point in _points(ROOT, self.value):
                points.setdefault(name, []).append(point)
            self._points = points
        if field is None:
            return [point for points in self._points.values() for point in points]
        return self._points.get(field, [])

    @property
    def nulls(self) -> dict[str, int]:
        """How many nulls each field of the value has, which has some; they are no leaves."""
        found: dict[str, int] = {}
        _count_nulls(ROOT, self.value, found)
        return found

    def dates(self, field: str) -> list[int]:
        """The instants of a field's strings that are ISO 8601 dates, in microseconds since the epoch."""
        found = (date(leaf) for leaf in self.values(plain(field)) if type(leaf) is str)
        return [instant for instant in found if instant is not None]


def entry(kind: str, path: Metadata | Callable[[], Metadata], value: Any) -> Entry:
    """The search document of a stored thing.

    `kind` is "item", "event" or "relationship"; `path` its metadata without prefix (`key`,
    `source.key`; None is no value), or what makes that when it is asked for; `value` any JSON.
    """
    return Entry(kind, path, value)


_LONG: Final = 100_000
"""A text of so many characters takes about a millisecond to look through."""
_SCALARS: Final = frozenset({str, int, float, bool})


def _flatten(name: str, value: Any, leaves: dict[str, list[Leaf]]) -> None:
    kind = type(value)
    if kind is dict:
        check()
        for member, inner in value.items():
            below = f"{name}.{member if member.isidentifier() else written(member)}"
            # The common cases without a call, since this runs for every document of a scan.
            if type(inner) in _SCALARS and below not in leaves:
                leaves[below] = [inner]
            elif inner is not None:
                _flatten(below, inner, leaves)
    elif kind is list or kind is tuple:
        if value and name not in leaves and _SCALARS.issuperset(map(type, value)):
            leaves[name] = list(value)
            return
        for element in value:
            _flatten(name, element, leaves)
    elif value is not None:
        if name in leaves:
            leaves[name].append(value)
        else:
            leaves[name] = [value]


def _count_nulls(name: str, value: Any, found: dict[str, int]) -> None:
    if value is None:
        found[name] = found.get(name, 0) + 1
    elif type(value) is dict:
        for member, inner in value.items():
            _count_nulls(f"{name}.{written(member)}", inner, found)
    elif type(value) is list or type(value) is tuple:
        for element in value:
            _count_nulls(name, element, found)


# -- points ----------------------------------------------------------------------------------------

# In the order of preference, should an object have several.
LATITUDES: Final = ("latitude", "lat")
LONGITUDES: Final = ("longitude", "lon", "long", "lng")


def _points(name: str, value: Any) -> Iterator[tuple[str, tuple[float, float]]]:
    if isinstance(value, dict):
        if (found := point(value)) is not None:
            yield name, found
        for member, inner in value.items():
            yield from _points(f"{name}.{written(member)}", inner)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _points(name, element)


def point(value: Mapping[str, Any]) -> tuple[float, float] | None:
    """The latitude and longitude of an object that has both, in any case, as numbers in range."""
    members = {
        member.lower(): number
        for member, number in value.items()
        if type(number) is int or type(number) is float
    }
    latitude = next((members[name] for name in LATITUDES if name in members), None)
    longitude = next((members[name] for name in LONGITUDES if name in members), None)
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return float(latitude), float(longitude)
