"""How a class body becomes a model: which annotations are fields, and what their types are.

Annotations may be strings (`from __future__ import annotations`) that name classes declared later, so
which attributes there are is read when the class is made, and their types at the first use.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections import ChainMap
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, get_args, get_origin

import attrs

from ..errors import InvalidModel, UsageError
from .fields import Field, FieldSpec, Nested

models: dict[str, type] = {}
"""Every class by its name, the newest last: for names in annotations that are declared later."""

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
    named = set(re.findall(r"\w+", " ".join(map(str, declared_annotations(cls).values()))))
    around = {} if frame.f_locals is frame.f_globals else frame.f_locals
    cls._namespace = {name: around[name] for name in named if name in around}  # type: ignore[attr-defined]
    models[cls.__name__] = cls


def declare(cls: type, *, value_semantics: bool) -> None:
    """Turn the fields of a class body into descriptors, and make its constructor. Raises `InvalidModel`."""
    own: dict[str, Any] = {}
    for name, annotation in declared_annotations(cls).items():
        kind = _kind(annotation)
        if kind is None:
            if name.startswith("_"):
                continue
            raise InvalidModel(
                f"{cls.__name__}.{name}: declare it as Field[...] or Nested[...], or as ClassVar[...] "
                "where it is no part of the document"
            )
        if kind is ClassVar:
            continue
        spec = cls.__dict__.get(name, FieldSpec())
        if not isinstance(spec, FieldSpec):
            raise InvalidModel(f"{cls.__name__}.{name}: give the default as field(default={spec!r})")
        _check_name(cls, name)
        descriptor = kind(spec)
        descriptor.attribute = name
        setattr(cls, name, descriptor)
        own[name] = attrs.field(default=spec.default, converter=spec.converter)
    attrs.define(
        cls, these=own, slots=False, kw_only=True, eq=value_semantics, on_setattr=attrs.setters.NO_OP
    )


def descriptor_of(cls: type, name: str) -> tuple[Any, type]:
    """The descriptor of a field, and the class that declared it."""
    for base in cls.__mro__:
        found = base.__dict__.get(name)
        if isinstance(found, (Field, Nested)):
            return found, base
    raise AttributeError(f"{cls.__name__} has no field {name!r}")


def field_type(cls: type, name: str) -> Any:
    """The `T` of a field declared as `Field[T]` or `Nested[T]`. Raises `InvalidModel`."""
    _, owner = descriptor_of(cls, name)
    arguments = get_args(resolve(owner, declared_annotations(owner)[name]))
    if len(arguments) != 1:
        raise InvalidModel(f"{owner.__name__}.{name}: say of which type, as in Field[str]")
    return arguments[0]


def resolve(owner: type, annotation: Any) -> Any:
    """The type that an annotation in a class body stands for. Raises `InvalidModel` for unknown names."""
    if isinstance(annotation, str):
        match = _KIND.fullmatch(annotation)
        if match and match[1] == "ClassVar" and match[2]:
            annotation = match[2]
    elif get_origin(annotation) is ClassVar:
        (annotation,) = get_args(annotation)
    around = {**models, **vars(sys.modules[owner.__module__])}
    local = ChainMap({owner.__name__: owner}, getattr(owner, "_namespace", {}))
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, around, local, include_extras=True)["it"]
    except NameError as error:
        raise InvalidModel(f"{owner.__name__}: {error} (in the annotation {annotation!r})") from error


def _kind(annotation: Any) -> Any:
    if isinstance(annotation, str):
        match = _KIND.fullmatch(annotation)
        return {"Field": Field, "Nested": Nested, "ClassVar": ClassVar}[match[1]] if match else None
    origin = get_origin(annotation) or annotation
    return origin if origin in (Field, Nested, ClassVar) else None


def _check_name(cls: type, name: str) -> None:
    for base in cls.__mro__[1:]:
        taken = base.__dict__.get(name)
        if taken is not None and not isinstance(taken, (Field, Nested)):
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
