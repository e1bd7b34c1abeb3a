"""`Model`, what documents, embedded objects and events have in common: fields, and JSON. And `Embedded`."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    NoReturn,
    Self,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

import attrs

from ..errors import InvalidDocument, InvalidFilter, InvalidModel, UnknownAttribute, UsageError
from ..mistakes import meant
from ..names import member
from ..query.expressions import Criterion, Expr, Order, Update, box, near, nearest
from ..values import decode, encode
from . import compiled, mapping
from .compiled import MISSING
from .declaration import declare, descriptor_of, field_type, register
from .fields import Nested, field
from .mapping import Kind, Load
from .misfits import BAD, Misfit, Misfits, Report, Unfit
from .schema import DISCRIMINATOR, Read, Schema, attribute, subclass_named


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Model:
    """Declared fields, and the way to JSON and back."""

    _schema: ClassVar[Schema | None] = None
    _namespace: ClassVar[Mapping[str, Any]] = {}
    _value_semantics: ClassVar[bool] = False
    _keywords: ClassVar[tuple[str, ...]] = ()
    _outside: ClassVar[frozenset[str]] = frozenset()
    _assigning: ClassVar[Mapping[str, Callable[[Any, Any], Any] | None]] = {}
    _upgrades: ClassVar[bool] = False
    _variants: ClassVar[dict[str, Any]] = {}
    _extra: dict[str, Any] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        try:
            super().__init_subclass__(**kwargs)
        except TypeError:
            name = next(iter(kwargs), None)
            if name is None:
                raise
            known = cls._keywords
            raise InvalidModel(
                f"{cls.__name__}: {name!r} is no keyword of the class{meant(name, known)}; "
                f"it takes {', '.join(f'{one}=' for one in known) or 'none'}"
            ) from None
        cls._schema = None
        register(cls)
        declare(cls, Model, value_semantics=cls._value_semantics)
        cls._upgrades = cls.upgrade.__func__ is not Model.upgrade.__func__  # type: ignore[attr-defined]

    def __attrs_post_init__(self) -> None:
        schema = self._schema or self.schema()
        try:
            fits = schema.fits(self)
        except Exception:
            fits = False
        if not fits or schema.validates:
            self.to_value()  # every problem at once, and at the line that made it

    if not TYPE_CHECKING:  # to a type checker only what is declared can be assigned

        def __setattr__(self, name: str, value: Any) -> None:
            border = self._assigning.get(name, MISSING)
            if border is None:
                self.__dict__[name] = value
            elif border is MISSING:
                if not name.startswith("_") and not hasattr(type(self), name):
                    error = UnknownAttribute(
                        f"{type(self).__name__} has no field {name!r}{meant(name, self._assigning)}; "
                        "what is no part of the document has a name that begins with an underscore"
                    )
                    error.name = None  # or Python adds a guess of its own
                    raise error
                object.__setattr__(self, name, value)
            else:
                value = border(self, value)
                if value is None and name in self._outside:
                    self.__dict__.pop(name, None)
                else:
                    self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        cls = type(self)
        if name in cls.schema().by_name or name in cls._outside:
            raise UsageError(
                f"{cls.__name__}.{name} is a field, which every {cls.__name__} has: give it another value; "
                f"{cls.__name__}.{name}.unset() in a patch removes the stored member"
            )
        super().__delattr__(name)

    @property
    def other_members(self) -> dict[str, Any]:
        """The stored members that the model does not know. They survive a load and save."""
        extra: dict[str, Any] = self.__dict__.setdefault("_extra", {})
        return extra

    def to_value(self) -> dict[str, Any]:
        """The JSON object that is stored. Raises `InvalidDocument` with every problem at once."""
        return self._dumped(validate=True)

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """An instance made from a stored JSON value. Raises `InvalidDocument` with every problem at once."""
        return cls._made(value, None, whole=True)[0]

    @classmethod
    def _made(cls, value: Any, key: str | None, whole: bool = False) -> tuple[Self, Read]:
        """An instance made from a stored value, and what it was read from; `whole` with every field set."""
        model = cls._variant(value) if cls._variants else cls
        schema = model._schema or model.schema()
        instance: Self = schema.blank(key)
        try:
            read = schema.fill if whole else schema.read
            return instance, read(instance, model._upgraded(value) if model._upgrades else value)
        except (Misfits, Misfit) as error:
            raise mapping.invalid(model, key, error) from None

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Override to bring a stored value of an older shape into today's, before it is read.

        Takes a copy of the value and returns the new one. What is stored is only replaced when the
        document is changed and saved.
        """
        return value

    @classmethod
    def schema(cls) -> Schema:
        """The mapping between this class and JSON, made at the first use. Raises `InvalidModel`."""
        schema = cls._schema
        if schema is None:
            schema = cls._schema = _make_schema(cls)
        return schema

    @classmethod
    def expression(cls, attribute: str, path: str = "value", members: tuple[str, ...] = ()) -> Any:
        """What the class gives for a field: an `Expr`, or a `Path` for a nested one."""
        known = cls.schema().by_name.get(attribute)
        if known is None:
            raise AttributeError(f"{cls.__name__} has no field {attribute!r}")
        path, members = f"{path}.{member(known.member)}", (*members, known.member)
        if isinstance(descriptor_of(cls, attribute), Nested):
            return Path(tuple(_embedded_in(known.type)), path, members, known.type)
        return Expr(path, members, known.type, mapping.encode)

    @classmethod
    def _member(cls, name: str) -> tuple[str, Any] | None:
        """The member of a field in JSON and its type, by the name of either; None where there is none."""
        schema = cls.schema()
        known = schema.members.get(name) or schema.by_name.get(name)
        return None if known is None else (known.member, known.type)

    @classmethod
    def _normal(cls, value: Any) -> tuple[Any, bytes]:
        return cls.from_value(value)._encoded(validate=False)

    @classmethod
    def _upgraded(cls, value: Any) -> Any:
        if not cls._upgrades or type(value) is not dict:
            return value
        return cls.upgrade(decode(encode(value)))  # a copy at every depth: the hook may change it in place

    def _dumped(self, validate: bool) -> dict[str, Any]:
        return self._encoded(validate)[0]

    def _encoded(self, validate: bool) -> tuple[dict[str, Any], bytes]:
        try:
            return (self._schema or self.schema()).encoded(self, validate)
        except Misfits as error:
            raise mapping.invalid(type(self), self._shown_key(), error) from None

    def _validate(self) -> None:
        schema = self.schema()
        if schema.validates and (problems := list(schema.invalid(self, schema.members, ""))):
            raise mapping.invalid(type(self), self._shown_key(), Misfits(problems))

    def _later(self, name: str) -> Any:
        """The value of a field that the instance has not set."""
        raise AttributeError(f"{type(self).__name__} has no value for {name!r}")

    def _untouched(self, read: Read) -> bool:
        return not (self._schema or self.schema()).touched(self, read)

    def _revised(self, read: Read) -> dict[str, Any]:
        return (self._schema or self.schema()).revised(self, read)

    @classmethod
    def _read_of(cls, value: Any, key: str | None) -> Read | None:
        try:
            return cls._made(value, key)[1]
        except InvalidDocument:
            return None

    def _fill(self, value: Any) -> None:
        try:
            (self._schema or self.schema()).fill(self, value)
        except (Misfits, Misfit) as error:
            raise mapping.invalid(type(self), self._shown_key(), error) from None

    @classmethod
    def _variant(cls, value: Any) -> type[Self]:
        """The subclass that a stored value says it is of. Raises `InvalidDocument` where it is none."""
        return cls

    @classmethod
    def _tagged(cls) -> tuple[str, str] | None:
        """The member, and its value, that tells this class from others in the same collection."""
        return None

    def _shown_key(self) -> str | None:
        return None

    def __repr__(self) -> str:
        fields = (name for name in self._assigning if name not in self._outside)
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields)
        key = self._shown_key()
        if key is not None:
            shown = f"key={key!r}, {shown}" if shown else f"key={key!r}"
        return f"{type(self).__name__}({shown})"


class Embedded(Model):
    """An object inside a document: it declares fields, and has no key of its own.

    Two with equal fields are equal.
    """

    _value_semantics: ClassVar[bool] = True

    # What `User.address` offers beside its fields, to type checkers; it is a `Path`, which has them.

    @classmethod
    def exists(cls) -> Criterion:
        raise _no_field(cls)

    @classmethod
    def near(cls, latitude: float, longitude: float, distance: str) -> Criterion:
        raise _no_field(cls)

    @classmethod
    def within(cls, north: float, east: float, south: float, west: float) -> Criterion:
        raise _no_field(cls)

    @classmethod
    def nearest(cls) -> Order:
        raise _no_field(cls)

    @classmethod
    def set(cls, value: Any) -> Update:
        raise _no_field(cls)

    @classmethod
    def unset(cls) -> Update:
        raise _no_field(cls)

    @classmethod
    def append(cls, item: Any) -> Update:
        raise _no_field(cls)


def _no_field(cls: type) -> InvalidFilter:
    return InvalidFilter(f"ask a field of a document that holds {cls.__name__}, as in User.address.exists()")


class Path:
    """A nested field on a class, `User.address`; its attributes are the expressions of the inner fields.

    Of several classes (`Nested[Cat | Dog]`), and of the subclasses of one, it has the fields of each.
    """

    __slots__ = ("_expression", "_members", "_models", "_path")

    def __init__(
        self, models: tuple[type[Model], ...], path: str, members: tuple[str, ...], type_: Any
    ) -> None:
        self._models = models
        self._members = members
        self._path = path
        self._expression: Expr[Any] = Expr(path, members, type_, mapping.encode)

    def __getattr__(self, attribute: str) -> Any:
        known = [model for model in self._models if attribute in model.schema().by_name]
        if not known:
            known = [model for model in _subclasses(self._models) if attribute in model.schema().by_name]
        if not known:
            names = " or ".join(model.__name__ for model in self._models)
            fields = [name for model in self._models for name in model.schema().by_name]
            raise UnknownAttribute(f"{names} has no field {attribute!r}{meant(attribute, fields)}")
        first, *others = (model.expression(attribute, self._path, self._members) for model in known)
        for other in others:
            first = _joined(first, other)
        return first

    def __eq__(self, other: object) -> Any:
        return self._compared(other) if other is not None else ~self.exists()

    def __ne__(self, other: object) -> Any:
        return self._compared(other) if other is not None else self.exists()

    __hash__ = object.__hash__

    def _compared(self, other: object) -> NoReturn:
        example = next((name for model in self._models for name in model.schema().by_name), "name")
        raise InvalidFilter(
            f"{self._path} is an object: compare one of its fields, as in .{example} == ..., or ask for "
            f".exists(), and not {self._path} with {other!r:.200}"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _compared

    def exists(self) -> Criterion:
        """The field is there and is not null."""
        return self._expression.exists()

    def near(self, latitude: float, longitude: float, distance: str) -> Criterion:
        """Within a distance such as `"10km"` of a centre, in degrees. Raises `InvalidFilter`."""
        return near(self._path, latitude, longitude, distance)

    def within(self, north: float, east: float, south: float, west: float) -> Criterion:
        """Within a box, in degrees; one with `west > east` crosses the date line."""
        return box(self._path, north, east, south, west)

    def nearest(self) -> Order:
        """By the distance from the centre of the query's `near` on this field."""
        return nearest(self._path)

    def set(self, value: Any) -> Update:
        """Replace the nested object, or create it. Raises `InvalidFilter` for one of another type."""
        return self._expression.set(value)

    def unset(self) -> Update:
        """Remove the nested object from the document."""
        return self._expression.unset()

    def append(self, item: Any) -> Update:
        """Add an object at the end of a list of them. Raises `InvalidFilter` where the field is no list."""
        return self._expression.append(item)

    def __repr__(self) -> str:
        return f"<Path {self._path}>"


def _subclasses(models: Iterable[type[Model]]) -> list[type[Model]]:
    """The classes derived from some, near ones first."""
    found = [subclass for model in models for subclass in model.__subclasses__()]
    return [*found, *_subclasses(found)] if found else []


def _joined(one: Any, other: Any) -> Any:
    """The expression of a field that two classes have. Raises `InvalidFilter` where it differs too much."""
    if isinstance(one, Path) and isinstance(other, Path) and one._path == other._path:
        type_ = Union[one._expression.type, other._expression.type]  # noqa: UP007
        return Path((*one._models, *other._models), one._path, one._members, type_)
    if isinstance(one, Expr) and isinstance(other, Expr) and one.path == other.path:
        return one.joined(other)
    raise InvalidFilter(f"{one!r} and {other!r} are different things: ask with a query's text")


def _make_schema(cls: type[Model], given: tuple[Any, ...] = ()) -> Schema:
    """The schema of a class, or of a generic one with these arguments."""
    known = _arguments(cls, given)
    attributes = [
        attribute(cls, one, _substituted(field_type(cls, one.name), known), descriptor_of(cls, one.name).spec)
        for one in attrs.fields(cast("Any", cls))
        if one.name not in cls._outside
    ]
    return Schema(cls, attributes, cls._tagged(), cls._outside)


def _arguments(cls: Any, given: tuple[Any, ...]) -> dict[Any, Any]:
    """What each type variable of a class and of its bases stands for."""
    known: dict[Any, Any] = dict(zip(getattr(cls, "__parameters__", ()), given, strict=False))
    for base in cls.__mro__:
        for generic in base.__dict__.get("__orig_bases__", ()):
            origin = get_origin(generic)
            for variable, argument in zip(
                getattr(origin, "__parameters__", ()), get_args(generic), strict=False
            ):
                known.setdefault(variable, _substituted(argument, known))
    return known


def _substituted(type_: Any, known: Mapping[Any, Any]) -> Any:
    """A type without type variables: one that nothing is known of stands for its bound, or for anything."""
    if isinstance(type_, TypeVar):
        found = known.get(type_, type_)
        return (type_.__bound__ or Any) if isinstance(found, TypeVar) else found
    variables = () if isinstance(type_, type) else getattr(type_, "__parameters__", ())
    return type_[tuple(_substituted(variable, known) for variable in variables)] if variables else type_


def _embedded_in(type_: Any) -> Iterator[type[Model]]:
    """The classes of `Embedded` in `E`, `E | None`, `list[E]` or `E | F`. Raises `InvalidModel`."""
    if _is_model(type_):
        yield get_origin(type_) or type_
        return
    candidates = get_args(type_) if get_origin(type_) in (Union, types.UnionType, list, tuple, set) else ()
    rest = [one for one in candidates if one is not type(None) and one is not Ellipsis]
    if not rest:
        raise InvalidModel(f"Nested takes a subclass of Embedded, not {type_!r}")
    for candidate in rest:
        yield from _embedded_in(candidate)


def _is_model(type_: Any) -> bool:
    origin = get_origin(type_) or type_
    return isinstance(origin, type) and issubclass(origin, Model)


class ModelKind(Kind):
    """Objects of a class of models, which may be a generic one with arguments.

    An object of a subclass has the name of its class in the member "_type", and comes back as what it was.
    """

    reads = frozenset({dict})

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self.model: type[Model] = get_origin(type_) or type_

    @cached_property
    def schema(self) -> Schema:
        arguments = get_args(self.type)
        return _make_schema(self.model, arguments) if arguments else self.model.schema()

    # Each of them is its schema's; made at the first call, since classes may name one another.

    @cached_property
    def quick_load(self) -> Load:
        if self.model._upgrades:
            return lambda value: self.schema.load(self.model._upgraded(value))
        return self.schema.load

    @cached_property
    def quick_check(self) -> Load:
        return self.quick_load if self.model._upgrades else self.schema.check

    @cached_property
    def quick_dump(self) -> Load:
        return self.schema.dump

    @cached_property
    def quick_fits(self) -> Load:
        return self.schema.fits

    def quick_other(self, instance: Any) -> dict[str, Any]:
        """The JSON of an instance of a subclass. Raises `Unfit`."""
        tag = self._tag(type(instance))
        if tag is None:
            raise Unfit
        dumped: dict[str, Any] = type(instance).schema().dump(instance)
        return {DISCRIMINATOR: tag} | dumped

    def names(self) -> Any:
        """The members that are known."""
        return self.schema.members.keys()

    def takes(self, value: Any) -> bool:
        return isinstance(value, self.model)

    def load(self, value: Any, path: str, report: Report) -> Any:
        schema, tagged = self.schema, False
        if type(value) is dict and DISCRIMINATOR in value and DISCRIMINATOR not in schema.members:
            found = subclass_named(self.model, value[DISCRIMINATOR])
            if found is not None:
                schema, tagged = found.schema(), True
        try:
            shown = schema.model._upgraded(value)
        except Exception as error:
            return report.add(path, value, str(error) or type(error).__name__)
        if tagged:
            shown = {name: member for name, member in shown.items() if name != DISCRIMINATOR}
        instance = schema.blank(None)
        return instance if schema.fill_each(instance, shown, path, report) else BAD

    def dump(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, self.model):
            name = self.model.__name__
            remedy = f": {name}.from_value(...) makes one" if isinstance(value, dict) else ""
            return report.add(
                path, value, f"expected an object of {name}, not {type(value).__name__}{remedy}"
            )
        before = len(report.problems)
        if type(value) is self.model:
            made = self.schema.dump_each(value, path, report)
        else:
            tag = self._tag(type(value))
            if tag is None:
                shown, own = type(value).__name__, self.model.__name__
                reason = f"a {shown} would be read back as a {own}: name it as well: {own} | {shown}"
                return report.add(path, value, reason)
            made = {DISCRIMINATOR: tag} | type(value).schema().dump_each(value, path, report)
        return made if len(report.problems) == before else BAD

    def _tag(self, subclass: type[Model]) -> str | None:
        """The name that tells a subclass; None where it does not."""
        if not issubclass(subclass, self.model) or subclass is self.model:
            return None
        if DISCRIMINATOR in self.schema.members or DISCRIMINATOR in subclass.schema().members:
            return None
        return subclass.__name__ if subclass_named(self.model, subclass.__name__) is subclass else None


@compiled.loads.register
def _(kind: ModelKind, v: str, names: compiled.Names) -> str:
    return f"{names(kind)}.quick_load({v})"


@compiled.checks.register
def _(kind: ModelKind, v: str, names: compiled.Names) -> str:
    return f"{names(kind)}.quick_check({v})"


@compiled.dumps.register
def _(kind: ModelKind, v: str, names: compiled.Names) -> str:
    k = names(kind)
    return f"({k}.quick_dump({v}) if type({v}) is {names(kind.model)} else {k}.quick_other({v}))"


@compiled.tests.register
def _(kind: ModelKind, v: str, names: compiled.Names) -> str:
    k = names(kind)
    return f"(type({v}) is {names(kind.model)} and {k}.quick_fits({v}) or {k}.write({v}) is not missing)"


mapping.FACTORIES.append((_is_model, ModelKind))
mapping.converter.register_structure_hook_func(_is_model, mapping.structured)
mapping.converter.register_unstructure_hook_func(
    _is_model, lambda instance: mapping.unstructured(type(instance))(instance)
)
mapping.converter.settle()
