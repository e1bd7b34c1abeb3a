"""Values of Python types to JSON and back: a `Kind` for each type, which loads and dumps its values.

The functions of the kinds are the readable path: they go through a value part by part and put every problem
into a report. `compiled` makes faster functions of the same kinds, which give the same results and stop where
something does not fit; a property test compares the two.

Loading is strict: a text is never read as a number, so that what is loaded and saved again is the same value.
Dumping takes what is of the type; an object of a subclass of `str`, `int` or `float` becomes the plain value.
A naive datetime is stored without an offset and comes back naive; where datetimes are put in order it is UTC.
bytes are base64, a timedelta is an ISO 8601 duration, and a Decimal is its text, which has to be finite.
"""

from __future__ import annotations

import dataclasses
import re
import types
from base64 import b64decode, b64encode
from collections.abc import Callable, Hashable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

import attrs
import msgspec
from attrs import define
from cattrs import StructureHandlerNotFoundError

from ..errors import InvalidFilter, InvalidModel, Problem
from ..values import MAX_DEPTH, decode, unstorable
from ..values import encode as encode_text
from .hooks import Hooks
from .misfits import BAD, Misfit, Misfits, Report, Unfit, cut, invalid, join, json_name, problems_of

__all__ = ["Misfit", "Misfits", "converter", "encode", "invalid", "join", "kind_of", "problems_of"]

JSON: Final[frozenset[Any]] = frozenset({str, int, float, bool, type(None), list, dict})


class Kind:
    """The readable mapping of one type. Each function returns `BAD` for what it reported a problem of."""

    reads: frozenset[Any] = JSON
    """The types of the JSON values that may be loaded."""
    constant: bool = False
    """Whether no value of the type can change and stay the same object."""

    verbatim: bool = False
    """Whether a value is its own JSON."""

    def load(self, value: Any, path: str, report: Report) -> Any:
        """What a JSON value is in Python."""
        raise NotImplementedError

    def dump(self, value: Any, path: str, report: Report) -> Any:
        """The JSON of a value. It is checked that it can be loaded again."""
        raise NotImplementedError

    def takes(self, value: Any) -> bool:
        """Whether something may be a value of the type, as far as its own class tells."""
        return True

    # What compiled code calls where it has no shorter form.

    def read(self, value: Any) -> Any:
        """The same as `load`. Raises `Unfit`."""
        report = Report()
        made = self.load(value, "", report)
        if report.problems:
            raise Unfit
        return made

    def write(self, value: Any) -> Any:
        """The same as `dump`. Raises `Unfit`."""
        report = Report()
        made = self.dump(value, "", report)
        if report.problems:
            raise Unfit
        return made


@define(eq=False)
class Scalar(Kind):
    """`str`, `int`, `float`, `bool`, `None`: the same in Python and in JSON."""

    type: Any
    constant = True
    verbatim = True

    @property
    def reads(self) -> frozenset[Any]:  # type: ignore[override]
        return frozenset({int, float}) if self.type is float else frozenset({self.type})

    def load(self, value: Any, path: str, report: Report) -> Any:
        if type(value) is self.type or (self.type is float and type(value) is int):
            return value  # an integer stays one: 5 and 5.0 are different JSON
        return report.add(path, value, f"expected {_SCALARS[self.type]}, not {json_name(value)}")

    def dump(self, value: Any, path: str, report: Report) -> Any:
        made = self.load(self._plain(value), path, report)
        if made is not BAD and (reason := unstorable(made)) is not None:
            return report.add(path, value, reason)
        return made

    def takes(self, value: Any) -> bool:
        plain = self._plain(value)
        return type(plain) is self.type or (self.type is float and type(plain) is int)

    def _plain(self, value: Any) -> Any:
        if type(value) is bool:
            return value
        if self.type is str and isinstance(value, str):
            return str.__str__(value)
        if self.type is float and isinstance(value, float):
            return float.__float__(value)
        if self.type in (int, float) and isinstance(value, int):
            return int.__index__(value)
        return value


_SCALARS: Final[dict[Any, str]] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    float: "a number",
    type(None): "null",
}


class Anything(Kind):
    """`Any` and `object`: any JSON value, which is its own form."""

    verbatim = True

    def load(self, value: Any, path: str, report: Report) -> Any:
        return value

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if isinstance(value, (dict, list, tuple)):
            if not report.enter(value, path):
                return BAD
            try:
                if isinstance(value, dict):
                    return {
                        self._name(name, path, report): self.dump(member, _below(path, name), report)
                        for name, member in value.items()
                    }
                return [self.dump(member, f"{path}[{index}]", report) for index, member in enumerate(value)]
            finally:
                report.leave(value)
        plain = _plain(value)
        if (reason := unstorable(plain)) is not None:
            return report.add(path, value, reason)
        return plain

    def _name(self, name: Any, path: str, report: Report) -> Any:
        plain = _plain(name)
        if type(plain) is not str:
            return report.add(path, name, f"the name {name!r} of a member is no string")
        if (reason := unstorable(plain)) is not None:
            return report.add(_below(path, ascii(name)), name, reason)
        return plain


def _below(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _plain(value: Any) -> Any:
    """What a value of a subclass of a plain type, of an Enum or a UUID is in JSON."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return int.__index__(value) if isinstance(value, int) and type(value) is not bool else value


@define(eq=False)
class Text(Kind):
    """A type whose values are texts in JSON: datetime, Decimal, UUID, bytes ..."""

    type: Any
    expected: str
    parse: Callable[[str], Any]
    spell: Callable[[Any], str]
    maker: str = ""
    """What makes a value of a text, for messages."""
    constant = True
    reads = frozenset({str})

    def load(self, value: Any, path: str, report: Report) -> Any:
        if type(value) is not str:
            return report.add(path, value, f"expected {self.expected}, not {json_name(value)}")
        try:
            return self.parse(value)
        except (ValueError, ArithmeticError):
            return report.add(path, value, f"expected {self.expected}")

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, self.type):
            name = self.type.__name__
            remedy = f": {self.maker} makes one" if isinstance(value, str) and self.maker else ""
            return report.add(path, value, f"expected a {name}, not {type(value).__name__}{remedy}")
        if not self.takes(value):  # a datetime is a date for Python
            return report.add(path, value, f"expected {self.expected}, not a {type(value).__name__}")
        try:
            made = self.spell(value)
            self.parse(made)
        except (ValueError, ArithmeticError) as error:
            return report.add(path, value, str(error) or f"expected {self.expected}")
        return made

    def takes(self, value: Any) -> bool:
        return isinstance(value, self.type) and not (self.type is date and isinstance(value, datetime))


def _decimal(text: str) -> Decimal:
    made = Decimal(text)
    if not made.is_finite():
        raise ValueError(f"a Decimal that is stored is finite, not {made}")
    return made


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"JSON has no {value}; use None")
    return Decimal.__str__(value)


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _bytes_text(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _duration(text: str) -> timedelta:
    return msgspec.convert(text, timedelta)


def _duration_text(value: timedelta) -> str:
    text: str = msgspec.to_builtins(timedelta(value.days, value.seconds, value.microseconds))
    return text


TEXTS: Final[dict[Any, Text]] = {
    datetime: Text(
        datetime,
        "an ISO 8601 datetime",
        datetime.fromisoformat,
        datetime.isoformat,
        "datetime.fromisoformat(...)",
    ),
    date: Text(date, "an ISO 8601 date", date.fromisoformat, date.isoformat, "date.fromisoformat(...)"),
    time: Text(time, "an ISO 8601 time", time.fromisoformat, time.isoformat, "time.fromisoformat(...)"),
    timedelta: Text(timedelta, "an ISO 8601 duration", _duration, _duration_text),
    Decimal: Text(Decimal, "the text of a decimal number", _decimal, _decimal_text, "Decimal(...)"),
    UUID: Text(UUID, "the text of a UUID", UUID, UUID.__str__, "UUID(...)"),
    bytes: Text(bytes, "bytes in base64", _bytes, _bytes_text),
}


@define(eq=False)
class Choice(Kind):
    """An Enum, or a Literal: a few values, each with its own JSON."""

    type: Any
    values: dict[tuple[Any, Any], Any]
    """What each JSON value, with its type, stands for."""
    expected: str
    constant = True

    @property
    def reads(self) -> frozenset[Any]:  # type: ignore[override]
        return frozenset(type_ for type_, _ in self.values) or JSON

    def load(self, value: Any, path: str, report: Report) -> Any:
        try:
            return self.values[type(value), value]
        except (KeyError, TypeError):
            pass
        if self.is_enum:  # which may know more values than those of its members
            try:
                member = self.type(value)
                if type(member.value) is type(value):
                    return member
            except (ValueError, TypeError):
                pass
        return report.add(path, value, f"expected {self.expected}")

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if self.is_enum:
            if isinstance(value, self.type):
                return ANYTHING.dump(value.value, path, report)
        elif isinstance(value, Hashable):
            plain = value.value if isinstance(value, Enum) else _plain(value)
            found = self.values.get((type(plain), plain), BAD)
            if found is not BAD and found == value:
                return plain
        expected = f"a member of {self.type.__name__}: {self._members}" if self.is_enum else self.expected
        return report.add(path, value, f"expected {expected}, not {type(value).__name__}")

    @property
    def _members(self) -> str:
        return ", ".join(f"{self.type.__name__}.{one.name} ({one.value!r})" for one in self.type)

    def takes(self, value: Any) -> bool:
        if self.is_enum:
            return isinstance(value, self.type)
        return self.dump(value, "", Report()) is not BAD

    @property
    def is_enum(self) -> bool:
        return isinstance(self.type, type)


def _choice(type_: Any) -> Choice:
    if isinstance(type_, type):
        members = {member.value: member for member in type_}  # type: ignore[attr-defined]
        values = {(type(plain), plain): member for plain, member in members.items()}
        return Choice(type_, values, f"one of {', '.join(map(repr, members))}")
    arguments = get_args(type_)
    values = {
        (type(plain), plain): each
        for each in arguments
        for plain in (each.value if isinstance(each, Enum) else each,)
    }
    return Choice(type_, values, f"one of {', '.join(repr(plain) for _, plain in values)}")


@define(eq=False)
class Optional(Kind):
    """`X | None`."""

    inner: Kind

    @property
    def reads(self) -> frozenset[Any]:  # type: ignore[override]
        return self.inner.reads | {type(None)}

    @property
    def constant(self) -> bool:  # type: ignore[override]
        return self.inner.constant

    @property
    def verbatim(self) -> bool:  # type: ignore[override]
        return self.inner.verbatim

    def load(self, value: Any, path: str, report: Report) -> Any:
        return None if value is None else self.inner.load(value, path, report)

    def dump(self, value: Any, path: str, report: Report) -> Any:
        return None if value is None else self.inner.dump(value, path, report)

    def takes(self, value: Any) -> bool:
        return value is None or self.inner.takes(value)


@define(eq=False)
class Several(Kind):
    """A list, set, frozenset, or tuple of one type of elements: an array."""

    type: Any
    element: Kind
    reads = frozenset({list})

    @property
    def verbatim(self) -> bool:  # type: ignore[override]
        return self.type is list and self.element.verbatim

    def load(self, value: Any, path: str, report: Report) -> Any:
        if type(value) is not list:
            return report.add(path, value, f"expected an array, not {json_name(value)}")
        made = _each(value, path, report, self.element.load)
        if made is BAD or self.type is list:
            return made
        try:
            return self.type(made)
        except TypeError as error:
            return report.add(path, value, str(error))

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not self.takes(value):
            expected = "an array" if self.type is list else f"a {self.type.__name__}"
            return report.add(path, value, f"expected {expected}, not {json_name(value)}")
        made = _each(value, path, report, self.element.dump)
        if made is BAD or not self.sorted:
            return made
        try:
            return sorted(made)
        except TypeError:
            return report.add(path, value, MIXED_SET)

    def takes(self, value: Any) -> bool:
        return isinstance(value, self.type)

    @property
    def sorted(self) -> bool:
        """Whether the elements are put in order: that of a set changes from run to run."""
        return self.type is set or self.type is frozenset


MIXED_SET: Final = "a set of mixed types has no stable order in JSON; use a list, or one type"


def _each(value: Any, path: str, report: Report, convert: Callable[[Any, str, Report], Any]) -> Any:
    if not report.enter(value, path):
        return BAD
    before = len(report.problems)
    made = [convert(element, f"{path}[{index}]", report) for index, element in enumerate(value)]
    report.leave(value)
    return made if len(report.problems) == before else BAD


@define(eq=False)
class Row(Kind):
    """A tuple with a type for each place, or a NamedTuple: an array."""

    type: Any
    elements: tuple[Kind, ...]
    reads = frozenset({list})

    def load(self, value: Any, path: str, report: Report) -> Any:
        if type(value) is not list:
            return report.add(path, value, f"expected an array, not {json_name(value)}")
        made = self._each(value, path, report, "load")
        if made is BAD:
            return BAD
        return tuple(made) if self.type is tuple else self.type(*made)

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not self.takes(value):
            return report.add(path, value, f"expected a {self.type.__name__}, not {json_name(value)}")
        return self._each(value, path, report, "dump")

    def _each(self, value: Any, path: str, report: Report, how: str) -> Any:
        if len(value) != len(self.elements):
            return report.add(path, value, f"expected {len(self.elements)} elements, not {len(value)}")
        kinds = iter(self.elements)
        return _each(value, path, report, lambda each, at, to: getattr(next(kinds), how)(each, at, to))

    def takes(self, value: Any) -> bool:
        return isinstance(value, self.type)


@define(eq=False)
class Mapped(Kind):
    """A dict: an object, the keys being the names of its members."""

    key: Kind
    member: Kind
    numbered: bool
    """Whether the keys are integers, which are texts as names."""
    reads = frozenset({dict})

    @property
    def verbatim(self) -> bool:  # type: ignore[override]
        return not self.numbered and self.key.verbatim and self.member.verbatim

    def load(self, value: Any, path: str, report: Report) -> Any:
        if type(value) is not dict:
            return report.add(path, value, f"expected an object, not {json_name(value)}")
        return self._each(value, path, report, self._load_name, self.member.load)

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, dict):
            return report.add(path, value, f"expected a dict, not {type(value).__name__}")
        return self._each(value, path, report, self._dump_name, self.member.dump)

    def _each(self, value: Any, path: str, report: Report, rename: Any, convert: Any) -> Any:
        if not report.enter(value, path):
            return BAD
        before = len(report.problems)
        made: dict[Any, Any] = {}
        for name, member in value.items():
            renamed = rename(name, path, report)
            converted = convert(member, f"{path}[{name!r}]", report)
            if renamed is not BAD:
                made[renamed] = converted
        if len(made) < len(value) and len(report.problems) == before:
            report.add(path, value, "two names of members stand for the same key")
        report.leave(value)
        return made if len(report.problems) == before else BAD

    def _load_name(self, name: Any, path: str, report: Report) -> Any:
        if not self.numbered:
            return self.key.load(name, path, report)
        if type(name) is not str or not _NUMBER.fullmatch(name):
            return report.add(path, name, "expected an integer as the name of a member")
        return self.key.load(int(name), path, report)

    def _dump_name(self, key: Any, path: str, report: Report) -> Any:
        name = self.key.dump(key, path, report)
        if name is BAD:
            return BAD
        if self.numbered:
            return str(name)
        if type(name) is not str:
            return report.add(path, key, f"the name {key!r} of a member is no string")
        return name

    def takes(self, value: Any) -> bool:
        return isinstance(value, dict)


_NUMBER = re.compile(r"0|-?[1-9][0-9]*")


@define
class Part:
    """One field of a `Record`: its name in JSON and as an argument of the constructor, and its default."""

    name: str
    argument: str
    kind: Kind
    required: bool
    given: bool = True
    """Whether the constructor takes it."""


@define(eq=False, slots=False)
class Record(Kind):
    """A dataclass, a class of attrs or a TypedDict: an object with the members that it has fields for."""

    type: Any
    reads = frozenset({dict})

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(_parts(self.type))

    def load(self, value: Any, path: str, report: Report) -> Any:
        name = self.type.__name__
        if type(value) is not dict:
            return report.add(path, value, f"expected an object, not {json_name(value)}")
        if not report.enter(value, path):
            return BAD
        before = len(report.problems)
        arguments: dict[str, Any] = {}
        late: dict[str, Any] = {}
        for part in self.parts:
            if part.name in value:
                made = part.kind.load(value[part.name], _below(path, part.name), report)
                (arguments if part.given else late)[part.argument] = made
            elif part.required:
                report.add(_below(path, part.name), None, "required, but missing")
        unknown = value.keys() - {part.name for part in self.parts}
        if unknown:
            shown = ", ".join(sorted(unknown))
            report.add(path, value, f"Extra fields in constructor for {name}: {shown}")
        report.leave(value)
        if len(report.problems) > before:
            return BAD
        try:
            made = self.type(**arguments)
        except Exception as error:
            return report.add(path, value, str(error) or type(error).__name__)
        for name, one in late.items():
            object.__setattr__(made, name, one)
        return made

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not self.takes(value):
            return report.add(path, value, f"expected a {self.type.__name__}, not {type(value).__name__}")
        if not is_typeddict(self.type) and type(value) is not self.type:
            shown = type(value).__name__
            return report.add(path, value, f"a {shown} would be read back as a {self.type.__name__}")
        if not report.enter(value, path):
            return BAD
        before = len(report.problems)
        members = value if isinstance(value, dict) else None
        made = {}
        for part in self.parts:
            below = _below(path, part.name)
            if members is None:
                made[part.name] = part.kind.dump(getattr(value, part.name, None), below, report)
            elif part.name in members:
                made[part.name] = part.kind.dump(members[part.name], below, report)
            elif part.required:
                report.add(below, None, "required, but missing")
        if members is not None and (unknown := [name for name in members if name not in made]):
            shown = ", ".join(sorted(map(str, unknown)))
            report.add(path, value, f"Extra fields in constructor for {self.type.__name__}: {shown}")
        report.leave(value)
        return made if len(report.problems) == before else BAD

    def takes(self, value: Any) -> bool:
        return isinstance(value, dict if is_typeddict(self.type) else self.type)


def _parts(type_: Any) -> list[Part]:
    hints = get_type_hints(type_, include_extras=True)
    if is_typeddict(type_):
        required = type_.__required_keys__
        return [Part(name, name, kind_of(_bare(hint)), name in required) for name, hint in hints.items()]
    if attrs.has(type_):
        attrs.resolve_types(type_)
        return [
            Part(
                one.name,
                one.alias if one.init else one.name,
                kind_of(Any if one.type is None else one.type),
                one.default is attrs.NOTHING,
                one.init,
            )
            for one in attrs.fields(type_)
        ]
    missing = dataclasses.MISSING
    return [
        Part(
            one.name,
            one.name,
            kind_of(hints[one.name]),
            one.default is missing and one.default_factory is missing,
            one.init,
        )
        for one in dataclasses.fields(type_)
    ]


def _bare(hint: Any) -> Any:
    """The type in `Required[...]`, `NotRequired[...]` or `ReadOnly[...]`."""
    while getattr(get_origin(hint), "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        (hint,) = get_args(hint)
    return hint


@define(eq=False)
class Foreign(Kind):
    """A type of another library, which reads and writes its values; what was written is read again."""

    type: Any
    structure: Load
    unstructure: Load
    expected: type

    def load(self, value: Any, path: str, report: Report) -> Any:
        try:
            return self.structure(value)
        except Exception as error:
            report.problems.extend(problems_of(error, path, value))
            return BAD

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not self.takes(value):
            shown = type(value).__name__
            return report.add(path, value, f"expected a {self.expected.__name__}, not {shown}")
        before = len(report.problems)
        try:
            made = self.unstructure(value)
        except (Misfit, Misfits, ExceptionGroup) as error:
            report.problems.extend(problems_of(error, path, value))
            return BAD
        except Exception:
            shown = type(value).__name__
            return report.add(path, value, f"expected {type_name(self.type)}, not {shown}")
        made = ANYTHING.dump(made, path, report)
        if len(report.problems) == before:
            self.load(made, path, report)
        return made

    def takes(self, value: Any) -> bool:
        return isinstance(value, self.expected)


Load = Callable[[Any], Any]


def _foreign(type_: Any) -> Foreign:
    """A kind made of the converter's hooks. Raises `InvalidModel`."""
    try:
        structure = converter.get_structure_hook(type_)
        unstructure = converter.get_unstructure_hook(type_)
    except (StructureHandlerNotFoundError, TypeError) as error:
        raise InvalidModel(f"{type_!r} cannot be stored: {error}") from error
    expected = get_origin(type_) or type_
    strict = isinstance(expected, type) and not issubclass(expected, (str, bytes))
    return Foreign(type_, lambda value: structure(value, type_), unstructure, expected if strict else object)


def _struct(type_: Any) -> Foreign:
    """A Struct of msgspec."""

    def structure(value: Any) -> Any:
        try:
            return msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$")
            raise Misfits([Problem(path.rstrip("`").lstrip("."), value, reason)]) from None

    return Foreign(type_, structure, msgspec.to_builtins, type_)


def _pydantic(type_: Any) -> Foreign:
    """A model of pydantic, which is read as strictly as it reads JSON."""

    def structure(value: Any) -> Any:
        try:
            return type_.__pydantic_validator__.validate_json(encode_text(value), strict=True)
        except ValueError as error:
            told = getattr(error, "errors", None)
            if told is None:
                raise
            problems = [Problem(_dotted(one["loc"]), one["input"], one["msg"]) for one in told()]
            raise Misfits(problems) from None

    def unstructure(model: Any) -> Any:
        return decode(model.model_dump_json(by_alias=True, round_trip=True, warnings="error"))

    return Foreign(type_, structure, unstructure, type_)


def _dotted(location: tuple[Any, ...]) -> str:
    path = ""
    for one in location:
        path = f"{path}[{one}]" if isinstance(one, int) else _below(path, one)
    return path


@define(eq=False)
class Alias(Kind):
    """A `type X = ...`, which may name itself."""

    type: Any
    reads = JSON

    def load(self, value: Any, path: str, report: Report) -> Any:
        return kind_of(self.type.__value__).load(value, path, report)

    def dump(self, value: Any, path: str, report: Report) -> Any:
        return kind_of(self.type.__value__).dump(value, path, report)


# -- from types to kinds ---------------------------------------------------------------------------


ANYTHING: Final = Anything()
SCALARS: Final[dict[Any, Scalar]] = {type_: Scalar(type_) for type_ in (str, int, float, bool, type(None))}
FACTORIES: Final[list[tuple[Callable[[Any], bool], Callable[[Any], Kind]]]] = []
"""Kinds that other modules bring: for what types, and how they are made."""


@lru_cache(maxsize=4096)
def kind_of(type_: Any) -> Kind:
    """The kind of a type. Raises `InvalidModel`."""
    if type_ is None:
        type_ = type(None)
    if get_origin(type_) is Annotated:
        return kind_of(get_args(type_)[0])
    if converter.registered(type_):
        return _foreign(type_)
    if hasattr(type_, "__supertype__"):
        return kind_of(type_.__supertype__)
    known = ANYTHING if type_ is Any or type_ is object else SCALARS.get(type_) or TEXTS.get(type_)
    if known is not None:
        return known
    for predicate, factory in FACTORIES:
        if predicate(type_):
            return factory(type_)
    if is_union(type_):
        return _union(type_)
    return _container(type_) or _object(type_) or _foreign(type_)


def _union(type_: Any) -> Kind:
    from .unions import Union as UnionKind

    members = get_args(type_)
    rest = [member for member in members if member is not type(None)]
    if len(rest) == 1 and len(members) == 2:
        return Optional(kind_of(rest[0]))
    return UnionKind(tuple(kind_of(member) for member in members))


def _container(type_: Any) -> Kind | None:
    origin, arguments = get_origin(type_) or type_, get_args(type_)
    if origin is Literal:
        return _choice(type_)
    if origin in (list, set, frozenset):
        return Several(origin, kind_of(arguments[0] if arguments else Any))
    if origin is tuple:
        if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
            return Several(tuple, kind_of(arguments[0] if arguments else Any))
        return Row(tuple, tuple(map(kind_of, arguments)) if arguments != ((),) else ())
    if origin is dict:
        key, member = map(kind_of, arguments or (Any, Any))
        return Mapped(SCALARS[str] if key is ANYTHING else key, member, key.reads == {int})
    return None


def _object(type_: Any) -> Kind | None:
    if type(type_).__name__ == "TypeAliasType":
        return Alias(type_)
    if is_typeddict(type_):
        return Record(type_)
    if not isinstance(type_, type):
        return None
    if issubclass(type_, Enum):
        return _choice(type_)
    if issubclass(type_, msgspec.Struct):
        return _struct(type_)
    if hasattr(type_, "__pydantic_validator__"):
        return _pydantic(type_)
    if issubclass(type_, tuple) and hasattr(type_, "_fields"):
        hints = get_type_hints(type_, include_extras=True)
        return Row(type_, tuple(kind_of(hints.get(name, Any)) for name in type_._fields))
    return Record(type_) if attrs.has(type_) or dataclasses.is_dataclass(type_) else None


def is_union(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType)


def encode(type_: Any, value: Any, where: str) -> Any:
    """The JSON of a value in a query. Raises `InvalidFilter` where it is not of the field's type.

    What a member of an Enum is in JSON stands for the member.
    """
    report = Report()
    try:
        kind = kind_of(type_)
        if isinstance(kind, Choice) and isinstance(value, Hashable) and (type(value), value) in kind.values:
            value = kind.values[type(value), value]
        made = kind.dump(value, "", report)
    except RecursionError:
        made = report.add("", value, f"nested deeper than {MAX_DEPTH} levels")
    if not report.problems:
        return made
    reasons = cut("; ".join(problem.reason for problem in report.problems[:5]))
    raise InvalidFilter(f"{where}: {value!r:.200} is not {type_name(type_)}: {reasons}")


def type_name(type_: Any) -> str:
    """A type for messages."""
    if isinstance(type_, type) and issubclass(type_, Enum):
        return f"one of {', '.join(repr(member.value) for member in type_)}"
    return type_.__name__ if isinstance(type_, type) and not get_args(type_) else str(type_)


# -- the converter ---------------------------------------------------------------------------------


def _is_known(type_: Any) -> bool:
    known = type_ in SCALARS or type_ in TEXTS if isinstance(type_, Hashable) else False
    return known or (isinstance(type_, type) and issubclass(type_, Enum)) or is_union(type_)


def _is_set(type_: Any) -> bool:
    return (get_origin(type_) or type_) in (set, frozenset)


def structured(value: Any, type_: Any) -> Any:
    """A hook of the converter that loads by the mapping."""
    report = Report()
    made = kind_of(type_).load(value, "", report)
    if report.problems:
        raise Misfits(report.problems)
    return made


def unstructured(type_: Any) -> Load:
    """A hook of the converter that dumps by the mapping."""

    def dump(value: Any) -> Any:
        report = Report()
        made = kind_of(type_).dump(value, "", report)
        if report.problems:
            raise Misfits(report.problems)
        return made

    return dump


converter: Hooks = Hooks()
"""The cattrs converter behind all models. Register hooks here for types of your own."""
for _scalar in SCALARS:
    converter.register_structure_hook(_scalar, structured)
converter.register_structure_hook_func(_is_known, structured)
converter.register_unstructure_hook_factory(lambda type_: _is_known(type_) or _is_set(type_), unstructured)
converter.settle()
converter.changed = kind_of.cache_clear
