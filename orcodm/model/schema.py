"""The schema of a model class: its fields as members of a JSON object, both ways.

A `Schema` is made once for each class. It knows each attribute's name, its member in JSON, and two functions,
`load` and `dump`. Most fields hold what is the same in Python and in JSON, where a look at the type of the
value is all there is to do: a call for each of them would cost several times as much. So both directions are
written as one function of Python for each class, as attrs does for the constructor. It takes what fits, as it
nearly always does; anything else goes field by field, and every problem is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from operator import is_
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args
from uuid import UUID

import attrs

from ..errors import InvalidModel, Problem
from .fields import FieldSpec
from .mapping import Dump, Load, Misfit, Misfits, Plain, codec, is_union, join, plain_type, problems_of

if TYPE_CHECKING:
    from .model import Model

Convert = Callable[[Mapping[str, Any], dict[str, Any]], bool]
"""Puts the members of an object, made from an instance's fields, into a dict, or these made from those.

Where not all of them fit it answers False, and has put nothing.
"""
Seen: TypeAlias = "tuple[Any, ...]"
"""The values of an instance's fields at some time; lists as tuples, which a garbage collector lets go of."""


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


class Schema:
    """The mapping between instances of one model class and JSON objects.

    `tag` is a member, with its value, that the objects of this class have beside their fields.
    """

    def __init__(
        self, model: type[Model], attributes: list[Attribute], tag: tuple[str, str] | None = None
    ) -> None:
        self.model = model
        self.attributes = tuple(attributes)
        self.by_name = {attribute.name: attribute for attribute in attributes}
        self.members = {attribute.member: attribute for attribute in attributes}
        if len(self.members) != len(attributes):
            raise InvalidModel(f"{model.__name__}: two fields have the same name in JSON")
        self._tag = {} if tag is None else dict([tag])
        self._order = (*self._tag, *self.members)
        self._load = _loading(attributes, tag)
        self._dump = _dumping(attributes, tag)
        self._watch = _watching(attributes)
        self._plain = all(plain_type(attribute.type) for attribute in attributes)
        self._validated = tuple(attribute for attribute in attributes if attribute.validators)
        self._nested = tuple(attribute for attribute in attributes if _mentions_model(attribute.type))
        self.validates = bool(self._validated or self._nested)
        """Whether there are validators, or may be in nested objects."""

    def keeps(self, value: Any) -> bool:
        """Whether what `fill` and `to_value` make of a stored value is known to be the same."""
        return self._plain and type(value) is dict and tuple(value) == self._order and self._load(value, {})

    def fill(self, instance: Model, value: Any) -> None:
        """Set an instance's fields from a JSON object; members the model does not know become its extra.

        Raises `Misfits`. Validators and converters are not called: what is stored stays readable.
        """
        if type(value) is not dict:
            raise Misfit(value, "expected an object")
        if len(value) == len(self._order):
            fields = instance.__dict__
            try:
                fits = self._load(value, fields)
            except Exception:
                fits = False  # what is wrong, and whatever else is, is told below
            if fits:
                fields.pop("_extra", None)
                return
        self._fill_each(instance, value)

    def seen(self, instance: Model) -> Seen | None:
        """What the fields hold now; None where something that they hold could be changed without notice."""
        fields = instance.__dict__
        return None if self._watch is None or fields.get("_extra") else self._watch[0](fields)

    def untouched(self, instance: Model, seen: Seen) -> bool:
        """Whether the fields are known to hold the very values that were seen."""
        fields = instance.__dict__
        try:
            return not fields.get("_extra") and self._watch is not None and self._watch[1](fields, seen)
        except KeyError:  # an attribute was deleted
            return False

    def _fill_each(self, instance: Model, value: dict[str, Any]) -> None:
        fields: dict[str, Any] = {}
        problems: list[Problem] = []
        for attribute in self.attributes:
            member = attribute.member
            try:
                if member in value:
                    fields[attribute.name] = attribute.load(value[member])
                else:
                    fields[attribute.name] = _default(attribute, instance)
            except Exception as error:
                problems.extend(problems_of(error, member, value.get(member)))
        if problems:
            raise Misfits(problems)
        extra = {member: value[member] for member in value if member not in self._order}
        instance.__dict__.update(fields)
        instance.__dict__["_extra"] = extra

    def to_value(self, instance: Model, validate: bool = False) -> dict[str, Any]:
        """The JSON object of an instance. Raises `Misfits` with every problem.

        Those of validators are looked for only if asked: what is stored may be older than they are.
        """
        fields = instance.__dict__
        value: dict[str, Any] = {}
        try:
            fits = self._dump(fields, value)
        except Exception:
            fits = False
        if not fits:
            value = self._dump_each(instance, fields, validate)
        elif validate and self.validates and (problems := list(self.invalid(instance, value))):
            raise Misfits(problems)
        extra = fields.get("_extra")
        if extra:
            for member, unknown in extra.items():
                value.setdefault(member, unknown)
        return value

    def _dump_each(self, instance: Model, fields: Mapping[str, Any], validate: bool) -> dict[str, Any]:
        value: dict[str, Any] = dict(self._tag)
        problems: list[Problem] = []
        for attribute in self.attributes:
            try:
                value[attribute.member] = attribute.dump(fields[attribute.name])
            except KeyError:
                problems.append(Problem(attribute.member, None, "the attribute was deleted"))
            except Exception as error:
                problems.extend(problems_of(error, attribute.member, fields[attribute.name]))
        if validate:
            problems.extend(self.invalid(instance, value))
        if problems:
            raise Misfits(problems)
        return value

    def invalid(self, instance: Model, fitting: Container[str]) -> Iterator[Problem]:
        """What validators say of the members that fit, those of nested objects included."""
        fields = instance.__dict__
        for attribute in self._validated:
            for validator in attribute.validators if attribute.member in fitting else ():
                try:
                    validator(instance, attribute.attrs_attribute, fields[attribute.name])
                except Exception as error:
                    reason = str(error.args[0]) if error.args else repr(error)
                    yield Problem(attribute.member, fields[attribute.name], reason)
        for attribute in self._nested:
            if attribute.member in fitting:
                for path, inner in _models_in(fields[attribute.name], attribute.member):
                    schema = inner.schema()
                    for one in schema.invalid(inner, schema.members):
                        yield Problem(join(path, one.path), one.value, one.reason)


def _loading(attributes: Sequence[Attribute], tag: tuple[str, str] | None) -> Convert:
    tested = [] if tag is None else [f"if given[{tag[0]!r}] != {tag[1]!r}: return False"]
    fields = [(each.member, each.name, each.type, each.load) for each in attributes]
    return _converting(fields, tested, {})


def _dumping(attributes: Sequence[Attribute], tag: tuple[str, str] | None) -> Convert:
    fields = [(each.name, each.member, each.type, each.dump) for each in attributes]
    return _converting(fields, [], {} if tag is None else {tag[0]: repr(tag[1])})


def _converting(
    fields: Sequence[tuple[str, str, Any, Callable[[Any], Any]]], lines: Sequence[str], made: dict[str, str]
) -> Convert:
    """The function for fields given as name before, name after, type, and what to call for one value.

    It begins with these lines, and puts these members first, whose values are expressions.
    """
    names: dict[str, Any] = {}
    lines, made = list(lines), dict(made)
    for number, (before, after, type_, function) in enumerate(fields):
        value = made[after] = f"v{number}"
        lines.append(f"{value} = given[{before!r}]")
        if (plain := plain_type(type_)) is not None:
            lines += _tested(value, plain)
        else:
            names[f"f{number}"] = function
            lines.append(f"{value} = f{number}({value})")
    lines += [f"made[{name!r}] = {value}" for name, value in made.items()]
    exec("\n    ".join(["def convert(given, made):", *lines, "return True"]), names)
    convert: Convert = names["convert"]
    return convert


def _tested(value: str, plain: Plain) -> list[str]:
    """The lines that return False where a value does not fit, and copy a list."""
    if not plain.many:
        optional = f"{value} is None or " if plain.optional else ""
        return [f"if not ({optional}{_TESTS[plain.scalar].format(value)}): return False"]
    lines = [
        f"if type({value}) is not list: return False",
        f"for each in {value}:",
        f"    if not ({_TESTS[plain.scalar].format('each')}): return False",
        f"{value} = {value}.copy()",
    ]
    return [f"if {value} is not None:", *(f"    {line}" for line in lines)] if plain.optional else lines


_TESTS: Final = {
    str: "type({0}) is str",
    int: "type({0}) is int",
    bool: "type({0}) is bool",
    float: "type({0}) is float or type({0}) is int",
    type(None): "{0} is None",
}
"""What `mapping.PLAIN` takes, as expressions."""


def _watching(
    attributes: Sequence[Attribute],
) -> tuple[Callable[[dict[str, Any]], Seen], Callable[[dict[str, Any], Seen], bool]] | None:
    """The functions that note the values of fields, and that compare these with what was noted.

    None where a value could change and stay the same object, but for lists, whose elements are compared.
    """
    copies, tests = [], []
    for number, attribute in enumerate(attributes):
        value, plain = f"fields[{attribute.name!r}]", plain_type(attribute.type)
        if plain is not None and plain.many:
            copies.append(f"None if {value} is None else tuple({value})")
            tests.append(f"same({value}, seen[{number}])")
        elif _constant(attribute.type):
            copies.append(value)
            tests.append(f"{value} is seen[{number}]")
        else:
            return None
    note = f"lambda fields: ({''.join(f'{each}, ' for each in copies)})"
    compare = f"lambda fields, seen: {' and '.join(tests) or 'True'}"
    return eval(note), eval(compare, {"same": _same_elements})


def _same_elements(now: Any, then: Any) -> bool:
    if type(now) is not list or then is None:
        return now is then
    return len(now) == len(then) and all(map(is_, now, then))


_CONSTANT: Final = {str, int, float, bool, type(None), bytes, date, datetime, time, Decimal, UUID}


def _constant(type_: Any) -> bool:
    """Whether no value of a type can change."""
    if isinstance(type_, type):
        return type_ in _CONSTANT or issubclass(type_, Enum)
    return is_union(type_) and all(map(_constant, get_args(type_)))


def _mentions_model(type_: Any) -> bool:
    return hasattr(type_, "_value_semantics") or any(map(_mentions_model, get_args(type_)))


def _models_in(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(value, "_value_semantics"):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _models_in(member, f"{path}[{name!r}]")
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            yield from _models_in(member, f"{path}[{index}]")


def _default(attribute: Attribute, instance: Any) -> Any:
    default = attribute.default
    if default is attrs.NOTHING:
        raise Misfit(None, "required, but missing")
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default.factory(instance) if default.takes_self else default.factory()
    return default
