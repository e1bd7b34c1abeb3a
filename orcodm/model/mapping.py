"""Model instances to JSON values and back.

A `Schema` is made once for each class. It knows each attribute's name, its member in JSON, and two
functions, `load` and `dump`, taken from a cattrs converter. Loading is strict: a text is never read as a
number, so that what is loaded and saved again is the same value. Dumping loads again what it made, for
every type that is not plain, so that a document which cannot be read back is never written.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import attrs
from cattrs import Converter, IterableValidationError, StructureHandlerNotFoundError
from cattrs.errors import ClassValidationError, IterableValidationNote
from cattrs.preconf.orjson import make_converter

from ..errors import InvalidDocument, InvalidFilter, InvalidModel, InvalidValue, Problem
from ..values import check
from .fields import FieldSpec

if TYPE_CHECKING:
    from .model import Model

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


@attrs.define
class Attribute:
    """One field of a model: how it is called, and how its values go to JSON and back."""

    name: str
    member: str
    type: Any
    load: Load
    dump: Dump
    default: Any
    attrs_attribute: attrs.Attribute[Any]
    validators: tuple[Any, ...]


class Schema:
    """The mapping between instances of one model class and JSON objects."""

    def __init__(self, model: type[Model], attributes: list[Attribute]) -> None:
        self.model = model
        self.attributes = tuple(attributes)
        self.by_name = {attribute.name: attribute for attribute in attributes}
        self.members = {attribute.member: attribute for attribute in attributes}
        if len(self.members) != len(attributes):
            raise InvalidModel(f"{model.__name__}: two fields have the same name in JSON")
        self._loads = tuple(
            (attribute.name, attribute.member, attribute.load, attribute) for attribute in attributes
        )
        self._dumps = tuple((attribute.name, attribute.member, attribute.dump) for attribute in attributes)
        self._validated = tuple(attribute for attribute in attributes if attribute.validators)

    def fill(self, instance: Model, value: Any) -> None:
        """Set an instance's fields from a JSON object; members the model does not know become its extra.

        Raises `Misfits`. Validators and converters are not called: what is stored stays readable.
        """
        if type(value) is not dict:
            raise Misfit(value, "expected an object")
        fields: dict[str, Any] = {}
        problems: list[Problem] = []
        known = 0
        for name, member, load, attribute in self._loads:
            try:
                if member in value:
                    known += 1
                    fields[name] = load(value[member])
                else:
                    fields[name] = _default(attribute, instance)
            except Exception as error:
                problems.extend(_problems(error, member, value.get(member)))
        if problems:
            raise Misfits(problems)
        extra = (
            {member: value[member] for member in value if member not in self.members}
            if known < len(value)
            else {}
        )
        instance.__dict__.update(fields)
        instance.__dict__["_extra"] = extra

    def to_value(self, instance: Model) -> dict[str, Any]:
        """The JSON object of an instance. Raises `Misfits` with every problem, validators' included."""
        fields = instance.__dict__
        value: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, member, dump in self._dumps:
            try:
                value[member] = dump(fields[name])
            except KeyError:
                problems.append(Problem(member, None, "the attribute was deleted"))
            except Exception as error:
                problems.extend(_problems(error, member, fields[name]))
        for attribute in self._validated:
            for validator in attribute.validators:
                try:
                    validator(instance, attribute.attrs_attribute, fields.get(attribute.name))
                except Exception as error:
                    reason = str(error.args[0]) if error.args else repr(error)
                    problems.append(Problem(attribute.member, fields.get(attribute.name), reason))
        if problems:
            raise Misfits(problems)
        extra = fields.get("_extra")
        if extra:
            for member, unknown in extra.items():
                value.setdefault(member, unknown)
        return value


def _default(attribute: Attribute, instance: Any) -> Any:
    default = attribute.default
    if default is attrs.NOTHING:
        raise Misfit(None, "required, but missing")
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default.factory(instance) if default.takes_self else default.factory()
    return default


def invalid(model: type, key: str | None, error: Exception) -> InvalidDocument:
    """The error that users see for `Misfits` and their kin."""
    return InvalidDocument(model.__name__, key, _problems(error, "", None))


def _problems(error: BaseException, path: str, value: Any) -> list[Problem]:
    """Every problem of a nested error, with its path in dots and indexes."""
    if isinstance(error, Misfits):
        return [Problem(_join(path, one.path), one.value, one.reason) for one in error.problems]
    if isinstance(error, Misfit):
        return [Problem(path, error.value, error.reason)]
    if isinstance(error, (IterableValidationError, ClassValidationError)):
        noted: Any
        noted, others = error.group_exceptions()
        problems = [problem for inner in others for problem in _problems(inner, path, value)]
        for inner, note in noted:
            place = f"[{note.index!r}]" if isinstance(note, IterableValidationNote) else note.name
            at = note.index if isinstance(note, IterableValidationNote) else note.name
            problems.extend(_problems(inner, _join(path, place), _at(value, at)))
        return problems
    if isinstance(error, InvalidValue):
        return [Problem(_join(path, error.path), value, str(error))]
    return [Problem(path, value, str(error) or type(error).__name__)]


def _join(path: str, rest: str) -> str:
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


def _from_iso(type_: type) -> Callable[[Any, Any], Any]:
    def load(value: Any, _: Any) -> Any:
        if type(value) is not str:
            raise Misfit(value, f"expected an ISO 8601 {type_.__name__}, not {_json_name(value)}")
        try:
            return type_.fromisoformat(value)  # type: ignore[attr-defined]
        except ValueError:
            raise Misfit(value, f"expected an ISO 8601 {type_.__name__}") from None

    return load


def _ignoring_type(load: Load) -> Callable[[Any, Any], Any]:
    return lambda value, _: load(value)


def _is_set(type_: Any) -> bool:
    origin: Any = get_origin(type_) or type_
    return origin is set or origin is frozenset


def _make_converter() -> Converter:
    made = make_converter(detailed_validation=True, prefer_attrib_converters=True)
    for type_, load in PLAIN.items():
        made.register_structure_hook(type_, _ignoring_type(load))
    for type_ in (datetime, date):
        made.register_structure_hook(type_, _from_iso(type_))
        made.register_unstructure_hook(type_, lambda value: value.isoformat())
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
    if type_ is Any or type_ is object:
        return _anything, _anything
    if get_origin(type_) is list and get_args(type_)[0] in (str, int, bool):
        return _plain_list(get_args(type_)[0])
    if get_origin(type_) in (Union, types.UnionType):
        members = get_args(type_)
        rest = [member for member in members if member is not type(None)]
        if len(rest) == 1 and len(members) == 2:
            inner = codec(rest[0])
            return _optional(inner[0]), _optional(inner[1])
    try:
        structure = converter.get_structure_hook(type_)
        unstructure = converter.get_unstructure_hook(type_)
    except (StructureHandlerNotFoundError, TypeError) as error:
        raise InvalidModel(f"{type_!r} cannot be stored: {error}") from error

    def load(value: Any) -> Any:
        return structure(value, type_)

    expected = get_origin(type_) or type_
    strict = isinstance(expected, type) and not issubclass(expected, (Enum, str, bytes))

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
        return codec(type_)[1](value)
    except (ValueError, TypeError, ExceptionGroup) as error:
        reasons = "; ".join(problem.reason for problem in _problems(error, "", value))
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


def attribute(owner: type, declared: attrs.Attribute[Any], type_: Any, spec: FieldSpec) -> Attribute:
    """The `Attribute` of a declared field. Raises `InvalidModel` for a type that cannot be stored."""
    try:
        load, dump = codec(type_)
    except InvalidModel as error:
        raise InvalidModel(f"{owner.__name__}.{declared.name}: {error}") from error
    return Attribute(
        name=declared.name,
        member=spec.name or declared.name,
        type=type_,
        load=load,
        dump=dump,
        default=spec.default,
        attrs_attribute=declared,
        validators=spec.validators,
    )
