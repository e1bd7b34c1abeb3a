"""Values of Python types to JSON and back: for each type two functions, `load` and `dump`.

They are taken from a cattrs converter. Loading is strict: a text is never read as a number, so that what is
loaded and saved again is the same value. Dumping loads again what it made, for every type that is not plain,
so that a document which cannot be read back is never written.
"""

from __future__ import annotations

import re
import types
from base64 import b85decode
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from attrs import frozen
from cattrs import Converter, IterableValidationError, StructureHandlerNotFoundError
from cattrs.errors import ClassValidationError, IterableValidationNote
from cattrs.preconf.orjson import make_converter

from ..errors import InvalidDocument, InvalidFilter, InvalidModel, InvalidValue, Problem
from ..values import check
from .unions import NoMember, union

Load = Callable[[Any], Any]
Dump = Callable[[Any], Any]


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
        super().__init__("; ".join(map(repr, problems)))


def invalid(model: type, key: str | None, error: Exception) -> InvalidDocument:
    """The error that users see for `Misfits` and their kin."""
    return InvalidDocument(model.__name__, key, problems_of(error, "", None))


def problems_of(error: BaseException, path: str, value: Any) -> list[Problem]:
    """Every problem of a nested error, with its path in dots and indexes."""
    if isinstance(error, Misfits):
        return [Problem(join(path, one.path), one.value, one.reason) for one in error.problems]
    if isinstance(error, Misfit):
        return [Problem(path, error.value, error.reason)]
    if isinstance(error, NoMember):
        problems = [problem for inner in error.reasons for problem in problems_of(inner, "", value)]
        reasons = [f"{one.path}: {one.reason}" if one.path else one.reason for one in problems]
        return [Problem(path, value, "; or ".join(dict.fromkeys(reasons)))]
    if isinstance(error, (IterableValidationError, ClassValidationError)):
        noted: Any
        noted, others = error.group_exceptions()
        problems = [problem for inner in others for problem in problems_of(inner, path, value)]
        for inner, note in noted:
            place = f"[{note.index!r}]" if isinstance(note, IterableValidationNote) else note.name
            at = note.index if isinstance(note, IterableValidationNote) else note.name
            problems.extend(problems_of(inner, join(path, place), _at(value, at)))
        return problems
    if isinstance(error, InvalidValue):
        return [Problem(join(path, error.path), value, str(error))]
    return [Problem(path, value, str(error) or type(error).__name__)]


def join(path: str, rest: str) -> str:
    return path + rest if not path or not rest or rest.startswith("[") else f"{path}.{rest}"


def _at(value: Any, index: Any) -> Any:
    try:
        return value[index]
    except (TypeError, LookupError):
        return value


# -- the converter ---------------------------------------------------------------------------------


def _exactly(type_: type, article: str) -> Load:
    def load(value: Any) -> Any:
        if type(value) is type_:
            return value
        raise Misfit(value, f"expected {article}, not {_json_name(value)}")

    return load


def _load_float(value: Any) -> Any:
    # An integer stays one: 5 and 5.0 are different JSON, and Python takes either for a float.
    if type(value) is float or type(value) is int:
        return value
    raise Misfit(value, f"expected a number, not {_json_name(value)}")


def _load_none(value: Any) -> None:
    if value is not None:
        raise Misfit(value, f"expected null, not {_json_name(value)}")


def _json_name(value: Any) -> str:
    names = {
        str: "a string",
        int: "an integer",
        float: "a number",
        bool: "a boolean",
        list: "an array",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


PLAIN: dict[Any, Load] = {
    str: _exactly(str, "a string"),
    int: _exactly(int, "an integer"),
    bool: _exactly(bool, "a boolean"),
    float: _load_float,
    type(None): _load_none,
}
"""The types that are the same in Python and in JSON."""


def _sorted_list(values: Any) -> list[Any]:
    # The order of a set changes from run to run; a stored order that did would look like a change.
    members = [converter.unstructure(value) for value in values]
    try:
        return sorted(members)
    except TypeError:
        raise Misfit(
            values, "a set of mixed types has no stable order in JSON; use a list, or one type"
        ) from None


def _from_iso(value: Any, type_: Any) -> Any:
    try:
        if type(value) is str:
            return type_.fromisoformat(value)
    except ValueError:
        pass
    raise Misfit(value, f"expected an ISO 8601 {type_.__name__}{_unless_text(value)}")


def _from_text(value: Any, make: Any) -> Any:
    try:
        if type(value) is str:
            return make(value)
    except (ValueError, ArithmeticError):
        pass
    raise Misfit(value, f"expected the text of {_TEXTS[make]}{_unless_text(value)}")


_TEXTS: dict[Any, str] = {Decimal: "a decimal number", UUID: "a UUID", b85decode: "bytes in base 85"}


def _unless_text(value: Any) -> str:
    return "" if type(value) is str else f", not {_json_name(value)}"


def _unless_enum(load: Load) -> Callable[[Any, Any], Any]:
    # cattrs takes the hook of a class for its subclasses too, and an IntEnum is one of int.
    return lambda value, type_: _load_enum(value, type_) if _is_enum(type_) else load(value)


def _load_enum(value: Any, type_: type[Enum]) -> Any:
    try:
        member = type_(value)
        if type(member.value) is type(value):
            return member
    except ValueError:
        pass
    raise Misfit(value, f"expected {_type_name(type_)}")


def _load_numbered(value: Any, type_: Any) -> dict[int, Any]:
    """A `dict[int, X]`, whose numbers are texts in JSON."""
    members: dict[str, Any] = _load(value, dict[str, get_args(type_)[1]])  # type: ignore[misc]
    for name in members:
        if not _NUMBER.fullmatch(name):
            raise Misfit(name, "expected an integer as the name of a member")
    return {int(name): member for name, member in members.items()}


def _load(value: Any, type_: Any) -> Any:
    return converter.get_structure_hook(type_)(value, type_)


_NUMBER = re.compile(r"0|-?[1-9][0-9]*")


def _ignoring_type(load: Load) -> Callable[[Any, Any], Any]:
    return lambda value, _: load(value)


def _is_set(type_: Any) -> bool:
    origin: Any = get_origin(type_) or type_
    return origin is set or origin is frozenset


def is_union(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType)


def _is_enum(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Enum)


def _is_numbered(type_: Any) -> bool:
    return get_origin(type_) is dict and get_args(type_)[0] is int


def _make_converter() -> Converter:
    # A member that a nested class of attrs or a dataclass does not know has no place to be kept in.
    made = make_converter(detailed_validation=True, prefer_attrib_converters=True, forbid_extra_keys=True)
    for type_, load in PLAIN.items():
        made.register_structure_hook(type_, _unless_enum(load))
    made.register_unstructure_hook(str, lambda text: text.value if isinstance(text, Enum) else text)
    for type_ in (datetime, date, time):
        made.register_structure_hook(type_, _from_iso)
        made.register_unstructure_hook(type_, lambda value: value.isoformat())
    for type_ in (Decimal, UUID):
        made.register_structure_hook(type_, _from_text)
        made.register_unstructure_hook(type_, str)
    made.register_structure_hook(bytes, lambda value, _: _from_text(value, b85decode))
    made.register_structure_hook_func(_is_enum, _load_enum)
    made.register_unstructure_hook_func(_is_enum, lambda member: member.value)
    made.register_structure_hook_func(_is_numbered, _load_numbered)
    made.register_structure_hook_factory(is_union, lambda type_: _ignoring_type(codec(type_)[0]))
    made.register_unstructure_hook_factory(is_union, lambda type_: codec(type_)[1])
    made.register_unstructure_hook_func(_is_set, _sorted_list)
    return made


converter: Converter = _make_converter()
"""The cattrs converter behind all models. Register hooks here for types of your own."""


@lru_cache(maxsize=4096)
def codec(type_: Any) -> tuple[Load, Dump]:
    """How values of a type are loaded from JSON and dumped to it. Raises `InvalidModel`."""
    plain = PLAIN.get(type_)
    if plain is not None:
        return plain, plain
    if get_origin(type_) is Annotated:
        return codec(get_args(type_)[0])
    if type_ is Any or type_ is object:
        return _anything, _anything
    if _is_plain_list(type_):
        return _plain_list(get_args(type_)[0])
    if is_union(type_):
        members = get_args(type_)
        rest = [member for member in members if member is not type(None)]
        if len(rest) == 1 and len(members) == 2:
            inner = codec(rest[0])
            return _optional(inner[0]), _optional(inner[1])
        return union(members, codec)
    try:
        structure = converter.get_structure_hook(type_)
        unstructure = converter.get_unstructure_hook(type_)
    except (StructureHandlerNotFoundError, TypeError) as error:
        raise InvalidModel(f"{type_!r} cannot be stored: {error}") from error

    def load(value: Any) -> Any:
        return structure(value, type_)

    expected = get_origin(type_) or type_
    strict = isinstance(expected, type) and not issubclass(expected, (Enum, str, bytes))
    strict = strict and not is_typeddict(expected)

    def dump(value: Any) -> Any:
        # cattrs trusts its input: a text given for a list of texts would become a list of letters.
        if strict and not isinstance(value, expected):
            raise Misfit(value, f"expected a {expected.__name__}, not {type(value).__name__}")
        try:
            made = unstructure(value)
        except (Misfit, Misfits, IterableValidationError, ClassValidationError):
            raise
        except Exception as error:
            raise Misfit(value, f"expected {_type_name(type_)}, not {type(value).__name__}") from error
        if isinstance(made, tuple):
            made = list(made)
        check(made)
        structure(made, type_)
        return made

    return load, dump


@frozen
class Plain:
    """A type whose values are the same in Python and in JSON, and known by their types.

    `scalar` is one of `PLAIN`; `many`, that it is a list of these; `optional`, that None fits as well.
    """

    scalar: type
    many: bool = False
    optional: bool = False


def plain_type(type_: Any) -> Plain | None:
    """What is to know of a plain type; None for any other."""
    if get_origin(type_) is Annotated:
        return plain_type(get_args(type_)[0])
    if is_union(type_):
        rest = [member for member in get_args(type_) if member is not type(None)]
        inner = plain_type(rest[0]) if len(rest) == 1 else None
        return inner and Plain(inner.scalar, inner.many, optional=True)
    if _is_plain_list(type_):
        return Plain(get_args(type_)[0], many=True)
    return Plain(type_) if type_ in PLAIN else None


def _is_plain_list(type_: Any) -> bool:
    return get_origin(type_) is list and get_args(type_)[0] in (str, int, bool)


def _plain_list(element: type) -> tuple[Load, Dump]:
    """Lists of texts, integers or booleans, which are copied and checked without a call for each element."""
    structure, only = converter.get_structure_hook(list[element]), {element}  # type: ignore[valid-type]

    def copy(values: Any) -> list[Any]:
        if type(values) is list and set(map(type, values)) <= only:
            return values.copy()
        if not isinstance(values, list):
            raise Misfit(values, f"expected an array, not {_json_name(values)}")
        made: list[Any] = structure(values, list[element])  # type: ignore[valid-type]  # tells which do not fit
        return made

    return copy, copy


def encode(type_: Any, value: Any, where: str) -> Any:
    """The JSON of a value in a query. Raises `InvalidFilter` where it is not of the field's type."""
    try:
        made = codec(type_)[1](value)
        check(made)
        return made
    except (ValueError, TypeError, ExceptionGroup) as error:
        reasons = "; ".join(problem.reason for problem in problems_of(error, "", value))
        raise InvalidFilter(f"{where}: {value!r} is not {_type_name(type_)}: {reasons}") from None


def _anything(value: Any) -> Any:
    return value


def _optional(inner: Load) -> Load:
    def convert(value: Any) -> Any:
        return None if value is None else inner(value)

    return convert


def _type_name(type_: Any) -> str:
    if isinstance(type_, type) and issubclass(type_, Enum):
        return f"one of {', '.join(repr(member.value) for member in type_)}"
    return type_.__name__ if isinstance(type_, type) and not get_args(type_) else str(type_)
