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
from ..session.merge import MISSING, keep_spelling, may_be_same, same
from ..values import copied, encode, encode_known
from . import compiled
from .declaration import refused
from .fields import FieldSpec
from .mapping import Kind, kind_of
from .misfits import BAD, Misfit, Misfits, Report, Unfit

if TYPE_CHECKING:
    from .model import Model

Read: TypeAlias = "tuple[Any, ...]"
"""What the fields of an instance were read from: those outside, each of the attributes, and the extra.

Of a field whose values cannot change it is the value itself. Of any other it is the JSON, or `BAD` where the
member was missing: nobody else has it, the field is made of it when it is first asked for, and what the field
is then compared with it. So what a program does not look at is neither made nor compared.
"""


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

    @cached_property
    def _load(self) -> Callable[[Any], Any]:
        return compiled.one_loader(self)

    @cached_property
    def _dump(self) -> Callable[[Any], Any]:
        return compiled.one_dumper(self)

    def load(self, value: Any) -> Any:
        """The value of the field of its JSON. Raises `Unfit`."""
        try:
            return self._load(value)
        except Exception:
            return self.kind.read(value)

    def dump(self, value: Any) -> Any:
        """The JSON of a value of the field. Raises `Unfit`."""
        try:
            return self._dump(value)
        except Exception:
            return self.kind.write(value)


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
        self._tagged = tag
        self._order = (*self._tag, *self.members)
        self._size = len(self._order)
        self._outside = tuple(outside)
        self._later = {
            attribute.name: number
            for number, attribute in enumerate(attributes, len(self._outside))
            if not attribute.kind.constant
        }
        self._validated = tuple(attribute for attribute in attributes if attribute.validators)
        self._nested = tuple(
            attribute for attribute in attributes if next(_models_of(attribute.type), None) is not None
        )

    # -- compiled, each at its first use

    @cached_property
    def blank(self) -> Callable[[Any], Any]:
        """Makes an instance without its fields; what it is given becomes each of those outside."""
        return compiled.blank(self.model, self._outside)

    @cached_property
    def load(self) -> Callable[[Any], Any]:
        """Makes a nested object of what is nearly always its JSON. Raises any exception where it is not."""
        return compiled.loader(self.model, self.attributes, self._load_part)

    @cached_property
    def check(self) -> Callable[[Any], Any]:
        """Raises any exception where `load` does."""
        return compiled.checker(self.model, self.attributes, self._load_part)

    @cached_property
    def dump(self) -> Callable[[Any], dict[str, Any]]:
        """Makes the JSON of what nearly always fits. Raises any exception where it does not."""
        return compiled.dumper(self.model, self.attributes, self._tagged)

    @cached_property
    def fits(self) -> Callable[[Any], bool]:
        """Whether an instance can be dumped. May raise any exception where it cannot."""
        return compiled.fitter(self.model, self.attributes)

    @cached_property
    def touched(self) -> Callable[[Any, Read], list[int]]:
        """Which of the fields are not what was read, or may have changed since: their places in `Read`."""
        return compiled.touched(self.model, self.attributes, self._outside)

    @cached_property
    def _read(self) -> Callable[[Any, Any], Read]:
        return compiled.filler(self.model, self.attributes, self._tagged, self._outside)

    @cached_property
    def _read_part(self) -> Callable[[Any, Any], Read]:
        return compiled.part_filler(self.model, self.attributes, self._tagged, self._outside, default_of)

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

    def read(self, instance: Model, value: Any) -> Read:
        """Let a new instance be what a JSON object says; members the model does not know become its extra.

        The fields that can be changed in place are made of what this returns, by `later`. Raises `Misfits`.
        Validators and converters are not called: what is stored stays readable.
        """
        try:
            if type(value) is dict:
                if len(value) == self._size:
                    try:
                        return self._read(value, instance)
                    except KeyError:  # as many members, and not the same
                        pass
                return self._read_part(value, instance)
        except Exception:  # what is wrong, and whatever else is, is told below
            pass
        self._fill_each(instance, value)
        return self.note(instance, self.own(instance, value), None)

    def fill(self, instance: Model, value: Any) -> Read:
        """The same with every field set, for an instance that may have been another one. Raises `Misfits`."""
        held = instance.__dict__
        before = dict(held)
        for name in self._later:
            held.pop(name, None)
        held.pop("_extra", None)
        try:
            read = self.read(instance, value)
        except BaseException:
            held.update(before)
            raise
        self.complete(instance, read)
        return read

    def complete(self, instance: Model, read: Read) -> None:
        """Set the fields that were not asked for yet."""
        for name in self._later:
            if name not in instance.__dict__:
                instance.__dict__[name] = self.later(instance, name, read)

    def later(self, instance: Model, name: str, read: Read) -> Any:
        """A field that was not asked for since the instance was read. Raises `AttributeError` for others."""
        number = self._later.get(name)
        if number is None:
            raise AttributeError(f"{type(instance).__name__} has no value for {name!r}")
        return self._made_of(self.by_name[name], instance, read[number])

    def _made_of(self, attribute: Attribute, instance: Model, stored: Any) -> Any:
        return default_of(attribute, instance) if stored is BAD else attribute.load(stored)

    def own(self, instance: Model, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """A value that was made of an instance, without what the instance has in it as well."""
        own = {
            attribute.member: copied(value[attribute.member])
            for attribute in (self.by_name[name] for name in self._later if name in instance.__dict__)
            if attribute.member in value
        }
        return {**value, **own} if own else value

    def note(self, instance: Model, value: Mapping[str, Any], before: Read | None) -> Read:
        """What the fields are read from, now that a value is stored; `before`, what they were read from.

        It is the value that tells, since the instance may have been changed while that was written. Without
        `before` the instance was just filled from the value.
        """
        held = instance.__dict__
        read = [held.get(name) for name in self._outside]
        for number, attribute in enumerate(self.attributes, len(read)):
            stored = value.get(attribute.member, BAD)
            if not attribute.kind.constant:
                read.append(stored)
            elif stored is not BAD:
                read.append(attribute.load(stored))
            else:
                # A default that is made anew is another one each time.
                kept = before is None or before[number] is held[attribute.name]
                read.append(held[attribute.name] if kept else default_of(attribute, instance))
        extra = {member: copied(value[member]) for member in value if member not in self._order}
        return (*read, extra or None)

    def revised(self, instance: Model, read: Read) -> dict[str, Any]:
        """The members that are not what was read, each as it is to be written; `MISSING` for what is gone.

        What says the same keeps the spelling it has in the store. Raises any exception where something does
        not fit.
        """
        found: dict[str, Any] = {}
        for number in self.touched(instance, read):
            if number < 0:
                self._revise_extra(instance, read, found)
            elif number >= len(self._outside):
                attribute = self.attributes[number - len(self._outside)]
                revise = _revised_constant if attribute.kind.constant else self._revised
                made = revise(attribute, instance, read[number])
                if made is not MISSING:
                    found[attribute.member] = made
        return found

    def _revised(self, attribute: Attribute, instance: Model, stored: Any) -> Any:
        made = attribute.dump(instance.__dict__[attribute.name])
        text = encode(made)
        spelling = b"" if stored is BAD else encode_known(stored)
        if text == spelling:
            return MISSING
        if attribute.kind.verbatim and stored is not BAD:
            normal = stored
        else:
            normal = attribute.dump(self._made_of(attribute, instance, stored))
        usual = encode_known(normal)
        if text == usual or (may_be_same(text, usual) and same(made, normal)):
            return MISSING
        return made if usual == spelling or stored is BAD else keep_spelling(made, normal, stored)

    def _revise_extra(self, instance: Model, read: Read, found: dict[str, Any]) -> None:
        extra, known = instance._extra or {}, read[-1] or {}
        found.update(dict.fromkeys(known.keys() - extra.keys(), MISSING))
        for member in extra.keys() - self._order:
            if encode(extra[member]) != (encode_known(known[member]) if member in known else b""):
                found[member] = extra[member]

    def _load_part(self, value: dict[str, Any]) -> Any:
        if DISCRIMINATOR in value and DISCRIMINATOR not in self.members:
            subclass = subclass_named(self.model, value[DISCRIMINATOR])
            if subclass is not None:
                if subclass._upgrades:
                    raise Unfit
                own = {name: member for name, member in value.items() if name != DISCRIMINATOR}
                return subclass.schema().load(own)
        instance = self.blank(None)
        self.complete(instance, self._read_part(value, instance))
        return instance

    def _fill_each(self, instance: Model, value: Any) -> None:
        report = Report()
        try:
            self.fill_each(instance, value, "", report)
        except RecursionError:
            report.add("", value, "nested too deep")
        if report.problems:
            raise Misfits(report.problems)

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
            if attribute.member in fitting:
                value, below = getattr(instance, attribute.name), _below(path, attribute.member)
                yield from refused(attribute.validators, instance, attribute.attrs_attribute, value, below)
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


def _revised_constant(attribute: Attribute, instance: Model, stored: Any) -> Any:
    made, normal = attribute.dump(instance.__dict__[attribute.name]), attribute.dump(stored)
    if type(made) is type(normal) and type(made) is not float:
        return MISSING if made == normal else made
    return MISSING if encode(made) == encode(normal) else made


def subclass_named(model: type[Model], name: Any) -> type[Model] | None:
    """The class derived from another one that has a name."""
    ahead = model.__subclasses__()
    while ahead:
        subclass = ahead.pop()
        if subclass.__name__ == name:
            return subclass
        ahead[:0] = subclass.__subclasses__()
    return None


def _below(path: str, member: str) -> str:
    return f"{path}.{member}" if path else member


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
