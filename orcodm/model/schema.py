"""The schema of a model class: its fields as members of a JSON object, both ways.

A `Schema` is made once for each class. It knows each attribute's name, its member in JSON, and two functions,
`load` and `dump`. Most fields hold what is the same in Python and in JSON, where the type of a value decides
whether it fits; so the types of all values, once they were found to fit, are remembered as one key, and an
object with the same types is taken over without asking each field. Whatever is not as usual goes field by
field, and every problem is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, get_args

import attrs

from ..errors import InvalidModel, Problem
from .fields import FieldSpec
from .mapping import Dump, Load, Misfit, Misfits, codec, join, problems_of, same_in_json, told_by_type

if TYPE_CHECKING:
    from .model import Model

REMEMBERED: Final = 500
"""So many combinations of types are remembered: with many fields that may be None there are more."""


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
    """The mapping between instances of one model class and JSON objects."""

    def __init__(self, model: type[Model], attributes: list[Attribute]) -> None:
        self.model = model
        self.attributes = tuple(attributes)
        self.by_name = {attribute.name: attribute for attribute in attributes}
        self.members = {attribute.member: attribute for attribute in attributes}
        if len(self.members) != len(attributes):
            raise InvalidModel(f"{model.__name__}: two fields have the same name in JSON")
        self._names = tuple(self.by_name)
        self._member_names = tuple(self.members)
        self._fields_of = _getter(self._names)
        self._members_of = _getter(self._member_names)
        asked = [attribute for attribute in attributes if not told_by_type(attribute.type)]
        self._asked_to_load = tuple((attribute.name, attribute.load) for attribute in asked)
        self._asked_to_dump = tuple((attribute.member, attribute.dump) for attribute in asked)
        self._types_loaded: set[tuple[type, ...]] = set()
        self._types_dumped: set[tuple[type, ...]] = set()
        self._transparent = all(same_in_json(attribute.type) for attribute in attributes)
        self._validated = tuple(attribute for attribute in attributes if attribute.validators)
        self._nested = tuple(attribute for attribute in attributes if _mentions_model(attribute.type))
        self._to_validate = bool(self._validated or self._nested)

    def keeps(self, value: Any) -> bool:
        """Whether what `fill` and `to_value` make of a stored value is known to be the same."""
        return (
            self._transparent
            and type(value) is dict
            and tuple(value) == self._member_names
            and tuple(map(type, value.values())) in self._types_loaded
        )

    def fill(self, instance: Model, value: Any) -> None:
        """Set an instance's fields from a JSON object; members the model does not know become its extra.

        Raises `Misfits`. Validators and converters are not called: what is stored stays readable.
        """
        if type(value) is not dict:
            raise Misfit(value, "expected an object")
        types = None
        if len(value) == len(self._member_names):
            try:
                values = self._members_of(value)
                types = tuple(map(type, values))
                if types in self._types_loaded:
                    fields = dict(zip(self._names, values, strict=False))
                    for name, load in self._asked_to_load:
                        fields[name] = load(fields[name])
                    instance.__dict__.update(fields)
                    instance.__dict__.pop("_extra", None)
                    return
            except Exception:
                pass  # what is wrong, and whatever else is, is told below
        self._fill_each(instance, value)
        _remember(self._types_loaded, types)

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
        extra = {member: value[member] for member in value if member not in self.members}
        instance.__dict__.update(fields)
        instance.__dict__["_extra"] = extra

    def to_value(self, instance: Model, validate: bool = False) -> dict[str, Any]:
        """The JSON object of an instance. Raises `Misfits` with every problem.

        Those of validators are looked for only if asked: what is stored may be older than they are.
        """
        fields = instance.__dict__
        value = self._dumped(fields)
        if value is None:
            value = self._dump_each(instance, fields, validate)
        elif validate and self._to_validate and (problems := list(self.invalid(instance, value))):
            raise Misfits(problems)
        extra = fields.get("_extra")
        if extra:
            for member, unknown in extra.items():
                value.setdefault(member, unknown)
        return value

    def _dumped(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The members of these fields; None where not all of them are as usual."""
        try:
            values = self._fields_of(fields)
            if tuple(map(type, values)) not in self._types_dumped:
                return None
            value = dict(zip(self._member_names, values, strict=False))
            for member, dump in self._asked_to_dump:
                value[member] = dump(value[member])
        except Exception:
            return None
        return value

    def _dump_each(self, instance: Model, fields: Mapping[str, Any], validate: bool) -> dict[str, Any]:
        value: dict[str, Any] = {}
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
        _remember(self._types_dumped, tuple(map(type, self._fields_of(fields))))
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


def _getter(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """A function that takes these out of a mapping, all at once."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda mapping: tuple(mapping[name] for name in names)


def _remember(known: set[tuple[type, ...]], types: tuple[type, ...] | None) -> None:
    if types is not None and len(known) < REMEMBERED:
        known.add(types)


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
