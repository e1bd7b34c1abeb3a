"""The blinker signals of the mapper. The sender is the document's class.
A receiver that is connected to a class hears of its subclasses as well.

Every receiver gets `document` and `session` as keyword arguments, and should take `**_` for what later
versions add. A `pre_` receiver that raises stops its write before anything is sent. With the a-methods
async receivers are awaited; with the others they are an error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from blinker import NamedSignal


class ClassSignal(NamedSignal):
    """A signal whose senders are classes: a receiver that is connected to one hears its subclasses too."""

    def receivers_for(self, sender: Any) -> Generator[Callable[..., Any], None, None]:
        told: set[Any] = set()
        for base in sender.__mro__ if isinstance(sender, type) else (sender,):
            for receiver in super().receivers_for(base):
                if receiver not in told:
                    told.add(receiver)
                    yield receiver


pre_save = ClassSignal("pre_save", "Before a document is written; it may still be changed.")
post_save = ClassSignal("post_save", "After a document was written; `document.ref` is the new ref.")
pre_delete = ClassSignal("pre_delete", "Before a document is deleted.")
post_delete = ClassSignal("post_delete", "After a document was deleted.")
post_load = ClassSignal("post_load", "After a document was made from a stored value.")
conflict = ClassSignal(
    "conflict", "When a write met a newer version; `conflict` is the error, with its three values."
)
