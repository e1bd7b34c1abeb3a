"""The schema of a model class: its fields as members of a JSON object, both ways.

A `Schema` is made once for each class. It has each attribute's name, its member in JSON and its kind, the
functions that `compiled` writes for the class, and beside them their readable twins, field by field. The
compiled ones take what fits, as it nearly always does; where they raise, the readable ones go through the
value again and tell every problem at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args, get_origin

import attrs

from ..errors import InvalidModel, InvalidValue, Problem
from ..values import encode
from . import compiled
from .fields import FieldSpec
from .mapping import Kind, kind_of
from .misfits import BAD, Misfit, Misfits, Report, Unfit

if TYPE_CHECKING:
    from .model import Model

Seen: TypeAlias = "tuple[Any, ...]"
"""The values of an instance's fields at some time; lists as tuples, which a garbage collector lets go of."""


@attrs.define(eq=False)
class Attribute:
    """One field of a model: how it is called, and how its values go to JSON and back."""

    name: str
    member: str
    type: Any
    kind: Kind
    default: Any
    attrs_attribute: attrs.Attribute[Any]
    validators: tuple[Any, ...]


def attribute(owner: type, declared: attrs.Attribute[Any], type_: Any, spec: FieldSpec) -> Attribute:
    """The `Attribute` of a declared field. Raises `InvalidModel` for a type that cannot be stored."""
    try:
        kind = kind_of(type_)
    except InvalidModel as error:
        raise InvalidModel(f"{owner.__name__}.{declared.name}: {error}") from error
    return Attribute(
        name=declared.name,
        member=declared.name if spec.name is None else spec.name,
        type=type_,
        kind=kind,
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
        self.blank: Callable[[Any], Any] = compiled.blank(model, outside)
        """Makes an instance without its fields; what it is given becomes each of those outside."""
        watched = compiled.watched(attributes, outside)
        self._fill = compiled.filler(
            model,
            attributes,
            tag,
            lambda value: "None" if watched is None else compiled.noted(watched, value),
        )
        self._fill_part = compiled.part_filler(model, attributes, tag, default_of)
        self.load: Callable[[Any], Any] = compiled.loader(model, attributes, self._load_part)
        """A nested object from what is nearly always its JSON. Raises any exception where it is not."""
        self.dump: Callable[[Any], dict[str, Any]] = compiled.dumper(model, attributes, tag)
        """The JSON of what nearly always fits. Raises any exception where it does not."""
        self.fits: Callable[[Any], bool] = compiled.fitter(model, attributes)
        """Whether an instance can be dumped. May raise any exception where it cannot."""
        self._note = None if watched is None else compiled.noter(model, watched)
        self.untouched = _never if watched is None else compiled.untouched(model, watched)
        """Whether the fields of an instance are known to hold the very values that were seen."""
        self._validated = tuple(attribute for attribute in attributes if attribute.validators)
        self._nested = tuple(
            attribute for attribute in attributes if next(_models_of(attribute.type), None) is not None
        )

    @cached_property
    def validates(self) -> bool:
        """Whether there are validators, or may be in nested objects."""
        seen: set[Any] = set()
        ahead = [self.model]
        while ahead:
            model: Any = ahead.pop()
            if model not in seen:
                seen.add(model)
                schema = model.schema()
                if schema._validated:
                    return True
                ahead += model.__subclasses__()
                ahead += [inner for each in schema.attributes for inner in _models_of(each.type)]
        return False

    # -- loading

    def fill(self, instance: Model, value: Any) -> Seen | None:
        """Set an instance's fields from a JSON object; members the model does not know become its extra.

        Gives what the fields hold then; None where something of that could be changed without notice. Raises
        `Misfits`. Validators and converters are not called: what is stored stays readable.
        """
        try:
            if type(value) is dict:
                if len(value) == self._size:
                    seen: Seen | None = self._fill(value, instance)
                    if instance._extra is not None:
                        del instance._extra
                    return seen
                return self._filled_in_part(instance, value)
        except Exception:  # what is wrong, and whatever else is, is told below
            pass
        report = Report()
        try:
            self.fill_each(instance, value, "", report)
        except RecursionError:
            report.add("", value, "nested too deep")
        if report.problems:
            raise Misfits(report.problems)
        return None if instance._extra or self._note is None else self._note(instance)

    def _filled_in_part(self, instance: Model, value: dict[str, Any]) -> Seen | None:
        extra: dict[str, Any] | None = self._fill_part(value, instance)
        if extra:
            instance._extra = extra
            return None
        if instance._extra is not None:
            del instance._extra
        return None if self._note is None else self._note(instance)

    def _load_part(self, value: dict[str, Any]) -> Any:
        if DISCRIMINATOR in value and DISCRIMINATOR not in self.members:
            raise Unfit  # it may be of a subclass
        instance = self.blank(None)
        self._filled_in_part(instance, value)
        return instance

    def fill_each(self, instance: Model, value: Any, path: str, report: Report) -> bool:
        """The readable twin of `fill`: whether the fields were set; all problems are in the report."""
        if type(value) is not dict:
            report.add(path, value, "expected an object")
            return False
        if not report.enter(value, path):
            return False
        before = len(report.problems)
        fields: dict[str, Any] = {}
        for attribute in self.attributes:
            below = _below(path, attribute.member)
            if attribute.member in value:
                fields[attribute.name] = attribute.kind.load(value[attribute.member], below, report)
            else:
                try:
                    fields[attribute.name] = default_of(attribute, instance)
                except Misfit as error:
                    report.add(below, None, error.reason)
        report.leave(value)
        if len(report.problems) > before:
            return False
        extra = {member: value[member] for member in value if member not in self._order}
        for name, loaded in fields.items():
            object.__setattr__(instance, name, loaded)
        if extra or instance._extra is not None:
            instance._extra = extra
        return True

    # -- dumping

    def to_value(self, instance: Model, validate: bool = False) -> dict[str, Any]:
        """The JSON object of an instance. Raises `Misfits` with every problem.

        Those of validators are looked for only if asked: what is stored may be older than they are.
        """
        return self.encoded(instance, validate)[0]

    def encoded(self, instance: Model, validate: bool = False) -> tuple[dict[str, Any], bytes]:
        """The same, and its JSON text."""
        try:
            value = self.dump(instance)
            text = encode(value)
        except Exception:
            return self._encoded_each(instance, validate)
        if validate and self.validates and (problems := list(self.invalid(instance, value, ""))):
            raise Misfits(problems)
        return value, text

    def _encoded_each(self, instance: Model, validate: bool) -> tuple[dict[str, Any], bytes]:
        report = Report()
        value = {}
        try:
            value = self.dump_each(instance, "", report)
            if validate:
                report.problems.extend(self.invalid(instance, value, ""))
            if not report.problems:
                return value, encode(value)
        except RecursionError:
            report.add("", None, "nested too deep")
        except InvalidValue as error:
            report.add(error.path, None, str(error))
        raise Misfits(report.problems)

    def dump_each(self, instance: Model, path: str, report: Report) -> dict[str, Any]:
        """The readable twin of `dump`: the members that fit; all problems are in the report."""
        value: dict[str, Any] = dict(self._tag)
        if not report.enter(instance, path):
            return value
        for attribute in self.attributes:
            below = _below(path, attribute.member)
            held = getattr(instance, attribute.name, BAD)
            if held is BAD:
                report.add(below, None, "the attribute was deleted")
                continue
            made = attribute.kind.dump(held, below, report)
            if made is not BAD:
                value[attribute.member] = made
        for member, unknown in (instance._extra or {}).items():
            if member not in self._order:
                made = EXTRA.dump(unknown, _below(path, member), report)
                value[member] = made
        report.leave(instance)
        return value

    def invalid(self, instance: Model, fitting: Mapping[str, Any], path: str) -> Iterator[Problem]:
        """What validators say of the members that fit, those of nested objects included."""
        for attribute in self._validated:
            for validator in attribute.validators if attribute.member in fitting else ():
                value = getattr(instance, attribute.name)
                try:
                    validator(instance, attribute.attrs_attribute, value)
                except Exception as error:
                    reason = str(error.args[0]) if error.args else repr(error)
                    yield Problem(_below(path, attribute.member), value, reason)
        for attribute in self._nested:
            if attribute.member in fitting:
                below = _below(path, attribute.member)
                for inside, inner in _models_in(getattr(instance, attribute.name), below):
                    schema = inner.schema()
                    if schema.validates:
                        yield from schema.invalid(inner, schema.members, inside)


EXTRA: Final = kind_of(Any)
DISCRIMINATOR: Final = "_type"
"""The member that tells an embedded object of a subclass from those of the class that its field has."""


def _below(path: str, member: str) -> str:
    return f"{path}.{member}" if path else member


def _never(instance: Any, seen: Seen = ()) -> bool:
    return False


def _models_of(type_: Any) -> Iterator[Any]:
    """The classes of models that a type mentions."""
    origin = get_origin(type_)
    if hasattr(type_, "_value_semantics"):
        yield origin or type_
    for argument in get_args(type_):
        yield from _models_of(argument)


def _models_in(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(value, "_value_semantics"):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _models_in(member, f"{path}[{name!r}]")
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            yield from _models_in(member, f"{path}[{index}]")


def default_of(attribute: Attribute, instance: Any) -> Any:
    """What a field is where its member is missing. Raises `Misfit`."""
    default = attribute.default
    if default is attrs.NOTHING:
        raise Misfit(None, "required, but missing")
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default.factory(instance) if default.takes_self else default.factory()
    return default
