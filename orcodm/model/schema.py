"""The schema of a model class: its fields as members of a JSON object, both ways.

A `Schema` is made once for each class. It knows each attribute's name, its member in JSON, and two functions,
`load` and `dump`. Most fields hold what is the same in Python and in JSON, where a look at the type of the
value is all there is to do: a call for each of them would cost several times as much. So both directions are
written as one function of Python for each class, as attrs does for the constructor. It takes what fits, as it
nearly always does; anything else goes field by field, and every problem is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from operator import is_
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

import attrs

from ..errors import InvalidModel, Problem
from .fields import FieldSpec
from .mapping import Dump, Load, Misfit, Misfits, Plain, codec, is_union, join, plain_type, problems_of

if TYPE_CHECKING:
    from .model import Model

Seen: TypeAlias = "tuple[Any, ...]"
"""The values of an instance's fields at some time; lists as tuples, which a garbage collector lets go of."""
Filler = Callable[[Mapping[str, Any], Any], "Seen | Literal[False] | None"]
"""Sets an instance's fields from the members of an object; False, and none is set, where not all of them fit.

Else it answers what it saw: None where something that the fields hold could be changed without notice.
"""
Dumper = Callable[[Any, dict[str, Any]], bool]
"""Puts into an object the members made from an instance's fields; False where not all of them fit."""


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

    `tag` is a member, with its value, that the objects of this class have beside their fields; `outside` are
    fields that an instance has beside those in the object, and that are set before these.
    """

    def __init__(
        self,
        model: type[Model],
        attributes: list[Attribute],
        tag: tuple[str, str] | None = None,
        outside: Iterable[str] = (),
    ) -> None:
        self.model = model
        self.attributes = tuple(attributes)
        self.by_name = {attribute.name: attribute for attribute in attributes}
        self.members = {attribute.member: attribute for attribute in attributes}
        if len(self.members) != len(attributes):
            raise InvalidModel(f"{model.__name__}: two fields have the same name in JSON")
        self._tag = {} if tag is None else dict([tag])
        self._order = (*self._tag, *self.members)
        self._size = len(self._order)
        self.blank = _making(model, outside)
        """Makes an instance without its fields; what it is given becomes each of those outside."""
        watched = _watched(attributes, outside)
        self._load = _loading(model, attributes, tag, watched)
        self._dump = _dumping(attributes, tag)
        self._note = None if watched is None else _note(watched)
        self.untouched = _never if watched is None else _untouched(watched)
        """Whether the fields of an instance are known to hold the very values that were seen."""
        self._plain = all(plain_type(attribute.type) for attribute in attributes)
        self._validated = tuple(attribute for attribute in attributes if attribute.validators)
        self._nested = tuple(attribute for attribute in attributes if _mentions_model(attribute.type))
        self.validates = bool(self._validated or self._nested)
        """Whether there are validators, or may be in nested objects."""
        self.fits = _fitting(attributes) if self._plain and not self.validates else _never
        """Whether the fields of an instance are quickly seen to be valid."""

    def keeps(self, value: Any, loaded: bool) -> bool:
        """Whether what `fill` and `to_value` make of a stored value is known to be the same.

        `loaded` says that an instance was filled with it before, and that what was seen of that tells of any
        change.
        """
        if not self._plain or type(value) is not dict or tuple(value) != self._order:
            return False
        return loaded or self._load(value, self.blank(None)) is not False

    def fill(self, instance: Model, value: Any) -> Seen | None:
        """Set an instance's fields from a JSON object; members the model does not know become its extra.

        Gives what the fields hold then; None where something of that could be changed without notice. Raises
        `Misfits`. Validators and converters are not called: what is stored stays readable.
        """
        if type(value) is not dict:
            raise Misfit(value, "expected an object")
        if len(value) == self._size:
            try:
                seen = self._load(value, instance)
            except Exception:
                seen = False  # what is wrong, and whatever else is, is told below
            if seen is not False:
                if instance._extra is not None:
                    del instance._extra
                return seen
        return self._fill_each(instance, value)

    def _fill_each(self, instance: Model, value: dict[str, Any]) -> Seen | None:
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
        for name, loaded in fields.items():
            object.__setattr__(instance, name, loaded)
        if extra or instance._extra is not None:
            instance._extra = extra
        return None if extra or self._note is None else self._note(instance)

    def to_value(self, instance: Model, validate: bool = False) -> dict[str, Any]:
        """The JSON object of an instance. Raises `Misfits` with every problem.

        Those of validators are looked for only if asked: what is stored may be older than they are.
        """
        value: dict[str, Any] = {}
        try:
            fits = self._dump(instance, value)
        except Exception:
            fits = False
        if not fits:
            value = self._dump_each(instance, instance.__dict__, validate)
        elif validate and self.validates and (problems := list(self.invalid(instance, value))):
            raise Misfits(problems)
        extra = instance._extra
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
        for attribute in self._validated:
            for validator in attribute.validators if attribute.member in fitting else ():
                value = getattr(instance, attribute.name)
                try:
                    validator(instance, attribute.attrs_attribute, value)
                except Exception as error:
                    reason = str(error.args[0]) if error.args else repr(error)
                    yield Problem(attribute.member, value, reason)
        for attribute in self._nested:
            if attribute.member in fitting:
                for path, inner in _models_in(getattr(instance, attribute.name), attribute.member):
                    schema = inner.schema()
                    for one in schema.invalid(inner, schema.members):
                        yield Problem(join(path, one.path), one.value, one.reason)


def _making(model: Any, names: Iterable[str]) -> Callable[[Any], Any]:
    lines = ["def blank(value):", "instance = new(model)"]
    lines += [f"{_target(model).format(name)} = value" for name in names]
    known: dict[str, Any] = {"model": model, "new": model.__new__}
    exec("\n    ".join([*lines, "return instance"]), known)
    blank: Callable[[Any], Any] = known["blank"]
    return blank


def _target(model: Any) -> str:
    # What a class does when it is assigned to is for who changes it, not for what is stored.
    return "instance.{}" if model.__setattr__ is object.__setattr__ else "instance.__dict__[{!r}]"


def _loading(
    model: Any,
    attributes: Sequence[Attribute],
    tag: tuple[str, str] | None,
    watched: Mapping[str, Plain | None] | None,
) -> Filler:
    lines = [] if tag is None else [f"if value[{tag[0]!r}] != {tag[1]!r}: return False"]
    target = _target(model)
    fields = [
        (f"value[{each.member!r}]", target.format(each.name), each.type, each.load) for each in attributes
    ]
    known = {each.name: f"v{number}" for number, each in enumerate(attributes)}
    seen = "None" if watched is None else _noting(watched, lambda name: known.get(name, f"instance.{name}"))
    fill: Filler = _converting("fill(value, instance)", lines, fields, seen)
    return fill


def _dumping(attributes: Sequence[Attribute], tag: tuple[str, str] | None) -> Dumper:
    lines = [] if tag is None else [f"value[{tag[0]!r}] = {tag[1]!r}"]
    fields = [
        (f"instance.{each.name}", f"value[{each.member!r}]", each.type, each.dump) for each in attributes
    ]
    dump: Dumper = _converting("dump(instance, value)", lines, fields, "True")
    return dump


def _fitting(attributes: Sequence[Attribute]) -> Callable[[Any], bool]:
    fields = [(f"instance.{each.name}", None, each.type, each.dump) for each in attributes]
    fits: Callable[[Any], bool] = _converting("fits(instance)", (), fields, "True")
    return fits


def _converting(
    signature: str,
    lines: Iterable[str],
    fields: Iterable[tuple[str, str | None, Any, Callable[[Any], Any]]],
    result: str,
) -> Any:
    """A function of that signature, which begins with these lines and returns that expression.

    Between them it takes a value of each field from one place and puts what becomes of it into another, where
    one is given. That is, if the type is not plain, what a function makes of it. What becomes of the first is
    `v0`.
    """
    names: dict[str, Any] = {}
    taken, put = list(lines), []
    for number, (source, target, type_, function) in enumerate(fields):
        value = f"v{number}"
        taken.append(f"{value} = {source}")
        if target is not None:
            put.append(f"{target} = {value}")
        if (plain := plain_type(type_)) is not None:
            taken += _tested(value, plain)
        else:
            names[f"f{number}"] = function
            taken.append(f"{value} = f{number}({value})")
    exec("\n    ".join([f"def {signature}:", *taken, *put, f"return {result}"]), names)
    return names[signature.partition("(")[0]]


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


def _watched(attributes: Sequence[Attribute], outside: Iterable[str]) -> dict[str, Plain | None] | None:
    """The fields whose values tell of any change, and what is in those that are lists.

    None where a value could change and stay the same object.
    """
    watched: dict[str, Plain | None] = dict.fromkeys(outside)
    for attribute in attributes:
        plain = plain_type(attribute.type)
        if plain is not None and plain.many:
            watched[attribute.name] = plain
        elif _constant(attribute.type):
            watched[attribute.name] = None
        else:
            return None
    return watched


def _noting(watched: Mapping[str, Plain | None], value: Callable[[str], str]) -> str:
    """The expression of what is seen, where `value` gives those of the fields."""
    copies = (
        value(name) if plain is None else f"None if {value(name)} is None else tuple({value(name)})"
        for name, plain in watched.items()
    )
    return f"({''.join(f'{each}, ' for each in copies)})"


def _note(watched: Mapping[str, Plain | None]) -> Callable[[Any], Seen]:
    note: Callable[[Any], Seen] = eval(f"lambda instance: {_noting(watched, 'instance.{}'.format)}")
    return note


def _untouched(watched: Mapping[str, Plain | None]) -> Callable[[Any, Seen], bool]:
    tests = []
    for number, (name, plain) in enumerate(watched.items()):
        now, then = f"instance.{name}", f"seen[{number}]"
        if plain is None:
            tests.append(f"{now} is {then}")
        elif plain.scalar is str:  # what is equal to a text is written as that text
            tests.append(f"(tuple({now}) == {then} if type({now}) is list else {now} is {then})")
        else:
            tests.append(f"same({now}, {then})")
    names: dict[str, Any] = {"same": _same_elements}
    exec(_UNTOUCHED.format(" and ".join([*tests, "not instance._extra"])), names)
    untouched: Callable[[Any, Seen], bool] = names["untouched"]
    return untouched


_UNTOUCHED: Final = """
def untouched(instance, seen):
    try:
        return {}
    except AttributeError:  # one was deleted
        return False
"""


def _never(instance: Any, seen: Seen = ()) -> bool:
    return False


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
