"""`metadata`: what the store says of a thing, a value on an instance and an expression on the class.

Such as the time of an event: `event.timestamp` is a `Timestamp`, `Login.timestamp` an expression of
`@path.timestamp`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, overload

from ..errors import InvalidFilter, InvalidValue
from ..query.expressions import Expr
from ..times import milliseconds
from . import mapping

T = TypeVar("T")
X = TypeVar("X")


class Metadata(Generic[T, X]):
    """A read-only attribute whose class gives an expression of `X`."""

    def __init__(self, read: Callable[[Any], T], path: str, type_: type[X]) -> None:
        self._read = read
        self._expression: Expr[X] = Expr(path, (), type_, _ENCODERS.get(type_, mapping.encode))
        self.__doc__ = read.__doc__

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Expr[X]: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> T: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...

    else:

        def __get__(self, instance, owner):
            return self._expression if instance is None else self._read(instance)

    def __set__(self, instance: Any, value: Never) -> None:
        raise AttributeError(f"{self._expression.path} is the store's to say, and cannot be set")


def metadata(path: str, type_: type[X]) -> Callable[[Callable[[Any], T]], Metadata[T, X]]:
    """Make a property whose class gives the expression of a path, of values of a type."""
    return lambda read: Metadata(read, path, type_)


def _encode_time(type_: Any, value: Any, where: str) -> str:
    """Milliseconds, as the store has its times."""
    try:
        return str(milliseconds(value))
    except InvalidValue as error:
        raise InvalidFilter(f"{where}: {error}") from None


_ENCODERS: dict[Any, Any] = {datetime: _encode_time}
