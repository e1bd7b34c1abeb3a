"""`Field[T]` and `Nested[E]`: a value on an instance, an expression on the class.

They have no `__set__` at run time: a value lies in the instance's `__dict__`, where Python finds it
without calling anything. The class reaches the descriptor, and an instance whose value is made later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, overload

import attrs

from ..errors import InvalidModel, UnknownArgument
from ..mistakes import refuse
from ..query.expressions import Expr

if TYPE_CHECKING:
    from .model import Embedded

T = TypeVar("T")
N = TypeVar("N")
E = TypeVar("E", bound="Embedded")

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], Any]


@attrs.frozen
class FieldSpec:
    """What `field(...)` says of a field."""

    default: Any = attrs.field(factory=lambda: attrs.NOTHING)  # as a plain default it would mean none
    name: str | None = None
    validators: tuple[Validator, ...] = ()
    converter: Callable[[Any], Any] | None = None


def field(
    *positional: Never,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    name: str | None = None,
    validator: Validator | Iterable[Validator] | None = None,
    convert: Callable[[Any], Any] | None = None,
    converter: Callable[[Any], Any] | None = None,
    **wrong: Never,
) -> Any:
    """Say more of a field than its type.

    `default` is the value where none is given, `factory` makes it anew for each document. `name` is the
    member in JSON (the attribute's name otherwise). `validator` is one or several in the manner of attrs,
    `validator(document, attribute, value)`, called by the constructor and before each save. `convert`
    takes what the constructor was given and returns the value; `converter`, its name in attrs, does the
    same, but pyright and ty then take the field for a dataclass's. Raises `InvalidModel`.
    """
    if wrong or positional:
        if positional:
            raise UnknownArgument(
                f"field() takes its arguments by name: field(default={positional[0]!r:.60})"
            )
        refuse("field()", wrong, ("default", "factory", "name", "validator", "convert", "converter"))
    for argument, given in (("factory", factory), ("convert", convert), ("converter", converter)):
        if given is not None and not callable(given):
            raise InvalidModel(f"field({argument}=...) takes a function, not {given!r:.60}")
    if name is not None and not isinstance(name, str):
        raise InvalidModel(f"field(name=...) takes the name of a member in JSON, not {name!r:.60}")
    if factory is not None:
        if default is not attrs.NOTHING:
            raise InvalidModel("a field has a default or a factory, not both")
        default = attrs.Factory(factory)
    elif type(default).__hash__ is None:  # a list, a dict, a set, an Embedded
        raise InvalidModel(f"the default {default!r} would be shared by all documents: use factory=")
    several = (validator,) if callable(validator) else validator or ()
    validators = tuple(several) if isinstance(several, Iterable) else (None,)
    if not all(map(callable, validators)):
        raise InvalidModel(f"field(validator=...) takes a function or several, not {validator!r:.60}")
    return FieldSpec(default, name, validators, convert or converter)


class _Descriptor:
    """What both kinds of field share: a name, a specification, and the classes they were declared in."""

    def __init__(self, spec: FieldSpec | None = None, owner: type = object) -> None:
        self.spec = spec or FieldSpec()
        self.attribute = ""
        self.owner = owner
        """The class whose body has the annotation: a model, or a plain mixin of one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None:
            return instance._later(self.attribute)
        return owner.expression(self.attribute)


class Field(_Descriptor, Generic[T]):
    """A field of type `T`: `User(...).age` is a `T`, `User.age` an expression of `T`."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Expr[T]: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> T: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: T) -> None: ...


class Nested(_Descriptor, Generic[N]):
    """A field that holds an `Embedded` (or None, or a list of them): on the class, the way to its fields.

    `User.address.city` is an expression of the type of `city`. For a list the expression speaks of the
    elements: one of them has to match.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self: Nested[E | None], instance: None, owner: Any) -> type[E]: ...
        @overload
        def __get__(self: Nested[E], instance: None, owner: Any) -> type[E]: ...
        @overload
        def __get__(self: Nested[list[E]], instance: None, owner: Any) -> type[E]: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> N: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: N) -> None: ...
