"""How a class body becomes a model: which annotations are fields, and what their types are.

Annotations may be strings (`from __future__ import annotations`) that name classes declared later, so
which attributes there are is read when the class is made, and their types at the first use.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
import weakref
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar, get_args, get_origin

import attrs

from ..errors import InvalidArguments, InvalidDocument, InvalidModel, Problem, UsageError
from ..mistakes import meant
from . import compiled
from .fields import Field, FieldSpec, Nested, Validator

_declared: dict[str, list[weakref.ref[type]]] = {}
"""Every class by its name, oldest first: for names in annotations that are declared later, or elsewhere."""

_KIND = re.compile(r"\s*(?:\w+\.)*(Field|Nested|ClassVar)\b\s*(?:\[(.*)\]\s*)?", re.DOTALL)


def declared_annotations(cls: type) -> Mapping[str, Any]:
    """The annotations of a class body, as written."""
    return inspect.get_annotations(cls)


def register(cls: type) -> None:
    """Remember a class and the local names around its body, for annotations that name them."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("orcodm.model."):
        frame = frame.f_back
    # Only what the annotations name: the locals of a function may be large, and hold connections.
    annotations = [
        str(annotation)
        for base in (cls, *plain_bases(cls))
        for annotation in declared_annotations(base).values()
    ]
    named = set(re.findall(r"\w+", " ".join(annotations)))
    around = {} if frame.f_locals is frame.f_globals else frame.f_locals
    cls._namespace = {name: around[name] for name in named if name in around}  # type: ignore[attr-defined]
    alive = [known for known in _declared.get(cls.__name__, ()) if known() is not None]
    _declared[cls.__name__] = [*alive, weakref.ref(cls)]


def plain_bases(cls: type) -> list[type]:
    """The mixins of a class that are no models themselves; what they declare as fields are its fields."""
    return [
        base
        for base in cls.__mro__[1:]
        if not hasattr(base, "_value_semantics") and not base.__module__.startswith("orcodm.")
    ]


def declare(cls: type, model: type, *, value_semantics: bool) -> None:
    """Turn the fields of a class body into descriptors, and make its constructor. Raises `InvalidModel`."""
    own: dict[str, Any] = {}
    bodies = (*plain_bases(cls), cls)
    for base in bodies:
        for name, annotation in declared_annotations(base).items():
            descriptor = _descriptor(cls, base, name, annotation) if _owner(cls, name) is base else None
            if descriptor is not None:
                own[name] = descriptor
    members = [(base, *member) for base in bodies for member in base.__dict__.items()]
    for name, value in [(name, value) for base, name, value in members if _owner(cls, name) is base]:
        if name in own or name.startswith("__"):
            continue
        inherited = _inherited(cls, name)
        if isinstance(value, FieldSpec):
            if inherited is None:
                raise InvalidModel(
                    f"{cls.__name__}.{name}: say of which type it is, as in {name}: Field[str] = field()"
                )
            own[name] = type(inherited)(value, inherited.owner)
        elif inherited is not None:
            raise InvalidModel(
                f"{cls.__name__}.{name} is a field of {inherited.owner.__name__}: give it another default "
                f"as {name} = field(default=...), or choose another name"
            )
    for name, descriptor in own.items():
        descriptor.attribute = name
        setattr(cls, name, descriptor)
    these = {
        name: attrs.field(
            default=descriptor.spec.default,
            converter=descriptor.spec.converter,
            alias=name,  # attrs would take the underscore of a private name away
        )
        for name, descriptor in own.items()
    }
    if "__init__" in cls.__dict__:
        cls._own_init = True  # type: ignore[attr-defined]
        _forward(cls)
    attrs.define(
        cls,
        these=these,
        slots=False,
        kw_only=True,
        eq=value_semantics and "__eq__" not in cls.__dict__,
        init=False,
        repr=False,
        on_setattr=attrs.setters.NO_OP,
    )
    cls._assigning = _assigning(cls)  # type: ignore[attr-defined]
    constructor = "__attrs_init__" if getattr(cls, "_own_init", False) else "__init__"
    setattr(cls, constructor, _constructor(cls, constructor, cls.__setattr__ is not model.__setattr__))


def _constructor(cls: Any, name: str, assigns: bool) -> Any:
    wrong = functools.partial(_wrong_arguments, cls)
    made: Any = compiled.constructor(cls, name, attrs.fields(cls), cls._outside, assigns, wrong)
    made.__qualname__ = f"{cls.__qualname__}.{name}"
    made.__module__ = cls.__module__
    made.__signature__ = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        + [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is attrs.NOTHING else one.default,
            )
            for one in attrs.fields(cls)
        ]
    )
    return made


def _assigning(cls: Any) -> dict[str, Callable[[Any, Any], Any] | None]:
    """What becomes of the values that fields are assigned: None where they stay what they are."""
    return {one.name: _border(cls, one, descriptor_of(cls, one.name).spec) for one in attrs.fields(cls)}


def _border(cls: Any, one: attrs.Attribute[Any], spec: FieldSpec) -> Callable[[Any, Any], Any] | None:
    if spec.converter is None and not spec.validators:
        return None

    def accept(instance: Any, value: Any) -> Any:
        if spec.converter is not None:
            value = spec.converter(value)
        problems = list(refused(spec.validators, instance, one, value, spec.name or one.name))
        if problems:
            raise InvalidDocument(cls.__name__, instance._shown_key(), problems)
        return value

    return accept


def refused(
    validators: Iterable[Validator], instance: Any, attribute: Any, value: Any, path: str
) -> Iterator[Problem]:
    """What validators, in the manner of attrs, say against a value."""
    for validator in validators:
        try:
            validator(instance, attribute, value)
        except Exception as error:
            reason = str(error.args[0]) if error.args else repr(error)
            yield Problem(path, value, reason)


def _wrong_arguments(
    cls: Any, args: tuple[Any, ...], rest: Mapping[str, Any], given: Mapping[str, Any]
) -> InvalidArguments:
    """The error for arguments of a constructor: unnamed ones, unknown ones, and fields without a value."""
    fields = {one.name: descriptor_of(cls, one.name).spec for one in attrs.fields(cls)}
    others = {spec.name: name for name, spec in fields.items() if spec.name}
    others |= dict.fromkeys(("id", "_id", "pk"), "key") if "key" in fields else {}
    example = next((name for name in fields if name != "key"), "name")
    named = f"fields are given by their names, as in {cls.__name__}({example}=...)"
    problems = [Problem(f"argument {number}", value, named) for number, value in enumerate(args, 1)]
    for name, value in rest.items():
        near = others.get(name)
        hint = meant(name, fields) if near is None else f" (did you mean {near!r}?)"
        hint = hint or f"; there are {', '.join(fields) or 'none'}"
        problems.append(Problem(name, value, f"{cls.__name__} has no such field{hint}"))
    for name, spec in fields.items():
        if spec.default is attrs.NOTHING and given[name] is compiled.MISSING:
            problems.append(Problem(name, None, "required, but missing"))
    return InvalidArguments(cls.__name__, given.get("key"), problems)


def _forward(cls: type) -> None:
    """Make `super().__init__(...)` in a class's own constructor take all fields of the object's class."""
    models = (base for base in cls.__mro__[1:] if hasattr(base, "_value_semantics"))
    base: Any = next(base for base in models if "__init__" in base.__dict__)
    made = base.__init__

    @functools.wraps(made)
    def __init__(self: Any, **values: Any) -> None:
        model = type(self)
        (model.__attrs_init__ if getattr(model, "_own_init", False) else made)(self, **values)

    base.__init__ = __init__


def _descriptor(cls: type, owner: type, name: str, annotation: Any) -> Any:
    """The descriptor of an annotated name; None where it is no field. Raises `InvalidModel`."""
    kind = _kind(cls, owner, annotation)
    if kind is None and owner is cls and not name.startswith("_"):
        raise InvalidModel(
            f"{cls.__name__}.{name}: declare it as Field[...] or Nested[...], or as ClassVar[...] "
            "where it is no part of the document"
        )
    if kind is None or kind is ClassVar:
        return None
    spec = owner.__dict__.get(name, FieldSpec())
    if not isinstance(spec, FieldSpec):
        raise InvalidModel(f"{owner.__name__}.{name}: give the default as field(default={spec!r})")
    _check_name(cls, name)
    return kind(spec, owner)


def _owner(cls: type, name: str) -> type | None:
    """The class in the order of inheritance whose body has a name first."""
    return next(
        (base for base in cls.__mro__ if name in base.__dict__ or name in declared_annotations(base)), None
    )


def _inherited(cls: type, name: str) -> Any:
    """The descriptor of a field that a class has from another model; None where there is none."""
    for base in cls.__mro__[1:]:
        found = base.__dict__.get(name)
        if found is not None:
            return found if isinstance(found, (Field, Nested)) else None
    return None


def descriptor_of(cls: type, name: str) -> Any:
    """The descriptor of a field."""
    for base in cls.__mro__:
        found = base.__dict__.get(name)
        if isinstance(found, (Field, Nested)):
            return found
    raise AttributeError(f"{cls.__name__} has no field {name!r}")


def field_type(cls: type, name: str) -> Any:
    """The `T` of a field declared as `Field[T]` or `Nested[T]`. Raises `InvalidModel`."""
    owner = descriptor_of(cls, name).owner
    arguments = get_args(resolve(owner, declared_annotations(owner)[name], cls))
    if len(arguments) != 1:
        raise InvalidModel(f"{owner.__name__}.{name}: say of which type, as in Field[str]")
    return arguments[0]


def resolve(owner: type, annotation: Any, cls: type | None = None) -> Any:
    """The type that an annotation in a class body stands for. Raises `InvalidModel` for unknown names.

    `cls` is the model that has the field, where `owner` is its mixin. A name that neither the body nor its
    module has is imported from where the module imports it for type checkers alone; else it is the model
    declared under that name, which has to be the only one outside of this module.
    """
    annotation = _unquoted(annotation)
    if isinstance(annotation, str):
        match = _KIND.fullmatch(annotation)
        if match and match[1] == "ClassVar" and match[2]:
            annotation = match[2]
    elif get_origin(annotation) is ClassVar:
        (annotation,) = get_args(annotation)
    around = dict(vars(sys.modules[owner.__module__]))
    local = ChainMap(
        {owner.__name__: owner}, getattr(owner, "_namespace", {}), getattr(cls, "_namespace", {})
    )
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    while True:
        try:
            return typing.get_type_hints(holder, around, local, include_extras=True)["it"]
        except NameError as error:
            if error.name is None or error.name in around:
                raise InvalidModel(f"{owner.__name__}: {error} (in the annotation {annotation!r})") from error
            around[error.name] = _elsewhere(owner, error.name, annotation)


def _elsewhere(owner: type, name: str, annotation: Any) -> Any:
    """What a name stands for that is not among those of the module. Raises `InvalidModel`."""
    module = _imported_for_checkers(owner.__module__).get(name)
    if module is not None:
        source, attribute = module
        found = importlib.import_module(source)
        return found if attribute is None else getattr(found, attribute)
    known = [one for one in (each() for each in _declared.get(name, ())) if one is not None]
    near = [one for one in known if one.__module__ == owner.__module__]
    # The newest of those that stand in one place: a cell that is run again, a test's own classes.
    places = {(one.__module__, one.__qualname__): one for one in near or known}
    if near or len(places) == 1:
        return list(places.values())[-1]
    if not places:
        raise InvalidModel(
            f"{owner.__name__}: name {name!r} is not defined (in the annotation {annotation!r})"
        )
    candidates = " or ".join(sorted(".".join(place) for place in places))
    raise InvalidModel(
        f"{owner.__name__}: {name!r} in the annotation {annotation!r} may be {candidates}: import it in "
        f"{owner.__module__}"
    )


@lru_cache(maxsize=256)
def _imported_for_checkers(module: str) -> dict[str, tuple[str, str | None]]:
    """The names that a module imports under `if TYPE_CHECKING:`, each with its module and name there."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, SyntaxError):  # no file: a notebook, an interactive session
        return {}
    found: dict[str, tuple[str, str | None]] = {}
    package = sys.modules[module].__package__ or ""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            continue
        for each in (inner for statement in node.body for inner in ast.walk(statement)):
            if isinstance(each, ast.ImportFrom):
                source = "." * each.level + (each.module or "")
                source = importlib.util.resolve_name(source, package) if each.level else source
                found.update({one.asname or one.name: (source, one.name) for one in each.names})
            elif isinstance(each, ast.Import):
                found.update(
                    {
                        one.asname or one.name.partition(".")[0]: (
                            one.name if one.asname else one.name.partition(".")[0],
                            None,
                        )
                        for one in each.names
                    }
                )
    return found


def _unquoted(annotation: Any) -> Any:
    """An annotation without the quotes that a body with postponed annotations has around it."""
    while isinstance(annotation, str) and annotation.strip()[:1] in ("'", '"'):
        try:
            annotation = ast.literal_eval(annotation.strip())
        except (ValueError, SyntaxError):
            break
    return annotation


def _kind(cls: type, owner: type, annotation: Any) -> Any:
    """`Field`, `Nested` or `ClassVar`; None for any other annotation."""
    annotation = _unquoted(annotation)
    if isinstance(annotation, str):
        head = re.match(r"\s*([\w.]+)", annotation)
        known = None if head is None else _named(cls, owner, head[1])
        if known is None:
            match = _KIND.fullmatch(annotation)
            return {"Field": Field, "Nested": Nested, "ClassVar": ClassVar}[match[1]] if match else None
        annotation = known
    annotation = getattr(annotation, "__value__", annotation)  # `type Number = Field[int]`
    origin = get_origin(annotation) or annotation
    return origin if origin in (Field, Nested, ClassVar) else None


def _named(cls: type, owner: type, dotted: str) -> Any:
    """What a dotted name stands for where a class is made; None where it is not known yet."""
    first, *rest = dotted.split(".")
    spaces = (getattr(cls, "_namespace", {}), vars(sys.modules[owner.__module__]))
    found = next((space[first] for space in spaces if first in space), None)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _check_name(cls: type, name: str) -> None:
    if name == "self":
        raise InvalidModel(
            f"{cls.__name__}.self: no argument of a constructor can be called so; choose another name, "
            'with field(name="self") to keep the name in JSON'
        )
    for base in cls.__mro__[1:]:
        taken = base.__dict__.get(name)
        if taken is not None and not isinstance(taken, (Field, Nested, FieldSpec)):
            raise InvalidModel(
                f"{cls.__name__}.{name}: {base.__name__} has an attribute of that name; choose another one, "
                f'with field(name="{name}") to keep the name in JSON'
            )


# -- relations and events --------------------------------------------------------------------------


class Kind:
    """A declared kind of relation or type of event: on an instance it is bound to a document.

    On the class it stands for all that there are, as in `User.query.relations(User.relations.friends)`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        raise UsageError(f"{self.name!r} is not assigned: add to it, as in ada.relations.friends.add(bob)")

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise UsageError(f"{self.name!r} is of no document here: {attribute!r} belongs to one of a document")

    def __repr__(self) -> str:
        return f"<Kind {self.name}>"


def declare_kinds(cls: type) -> None:
    """Make the kinds that a class body declares attributes."""
    for name in declared_annotations(cls):
        if not name.startswith("_"):
            setattr(cls, name, Kind(name))


@lru_cache(maxsize=4096)
def kind_class(cls: type, root: type, name: str) -> type[Any] | None:
    """The class that a kind declared below `root` is of; None where none is declared."""
    owner = declared_kinds(cls, root).get(name)
    if owner is None:
        return None
    found: type[Any]
    (found,) = get_args(resolve(owner, declared_annotations(owner)[name]))
    return found


def declared_kinds(cls: type, root: type) -> dict[str, type]:
    """The names that a class declares below `root`, each with the class that declares it."""
    return {
        name: base
        for base in reversed(cls.__mro__)
        if issubclass(base, root) and base is not root
        for name in declared_annotations(base)
        if not name.startswith("_")
    }
