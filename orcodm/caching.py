"""A cached property that holds no lock while it computes.

That of `functools` on Python 3.11 has one lock for all instances of a class: whoever computes a value for
seconds has all other threads wait that want one, of any instance. Since 3.12 it has none.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property(functools.cached_property):
        """A property that is computed once; two threads that ask for it first may both compute it."""

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            value = self.func(instance)
            instance.__dict__[self.attrname] = value
            return value


__all__ = ["cached_property"]
