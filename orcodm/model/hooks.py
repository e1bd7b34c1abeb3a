"""The cattrs converter, for types that the mapping does not know: those of the application.

`orcodm.converter` takes hooks for them, as any converter of cattrs does. A hook for a type that the mapping
knows by itself (a dataclass, a Decimal) takes its place. The converter is as strict as the mapping is, so
that a hook which structures a part of its value by it accepts the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

from cattrs.preconf.orjson import OrjsonConverter, configure_converter

Predicate = Callable[[Any], bool]


class Hooks(OrjsonConverter):
    """A converter that knows which hooks the application registered."""

    def __init__(self) -> None:
        self._registered: list[Predicate] = []
        self.changed: Callable[[], object] = lambda: None
        """Called when a hook was registered: what was made without it is to be made anew."""
        super().__init__(
            detailed_validation=True,
            prefer_attrib_converters=True,
            # A member that a nested class of attrs or a dataclass does not know has no place to be kept in.
            forbid_extra_keys=True,
        )
        configure_converter(self)

    def settle(self) -> None:
        """Take all that is registered so far for the converter's own."""
        self._registered.clear()

    def registered(self, type_: Any) -> bool:
        """Whether the application registered a hook for a type."""
        return any(predicate(type_) for predicate in self._registered)

    def register_structure_hook(self, cl: Any, func: Any = None) -> Any:
        made = super().register_structure_hook(cl, func)
        self._note(_is_a(cl if func is not None else get_type_hints(cl)["return"]))
        return made

    def register_unstructure_hook(self, cls: Any = None, func: Any = None) -> Any:
        made = super().register_unstructure_hook(cls, func)
        if func is not None:
            self._note(_is_a(cls))
        elif cls is not None:
            hints = get_type_hints(cls)
            hints.pop("return", None)
            self._note(_is_a(next(iter(hints.values()))))
        return made

    def register_structure_hook_func(self, check_func: Predicate, func: Any) -> None:
        super().register_structure_hook_func(check_func, func)
        self._note(check_func)

    def register_unstructure_hook_func(self, check_func: Predicate, func: Any) -> None:
        super().register_unstructure_hook_func(check_func, func)
        self._note(check_func)

    def register_structure_hook_factory(self, predicate: Predicate, factory: Any = None) -> Any:
        self._note(predicate)
        return super().register_structure_hook_factory(predicate, factory)

    def register_unstructure_hook_factory(self, predicate: Predicate, factory: Any = None) -> Any:
        self._note(predicate)
        return super().register_unstructure_hook_factory(predicate, factory)

    def _note(self, predicate: Predicate) -> None:
        self._registered.append(predicate)
        self.changed()


def _is_a(hooked: Any) -> Predicate:
    def predicate(type_: Any) -> bool:
        if isinstance(hooked, type) and isinstance(type_, type):
            return issubclass(type_, hooked)
        return bool(type_ == hooked)

    return predicate
