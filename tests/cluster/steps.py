"""What an engine sends to a cluster, step by step: a place to stop it, or to let somebody else go first.

A step is a request; of a `_bulk`, which the cluster carries out one action after the other, each action.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import opensearchpy
import orjson

_original = opensearchpy.Transport.perform_request


class Death(BaseException):
    """The writer is no more. Nobody catches this, and nothing is sent after it."""


@contextmanager
def dying(after: int) -> Iterator[None]:
    """Whoever sends requests in this thread dies after so many steps; the block ends then."""
    left = after

    def perform(self: Any, method: str, path: str, **given: Any) -> Any:
        nonlocal left
        actions = bulk_actions(path, given.get("body"))
        if left >= len(actions or [b""]):
            left -= len(actions or [b""])
            return _original(self, method, path, **given)
        if actions and left:
            _original(self, method, path, **(given | {"body": b"".join(actions[:left])}))
        left = 0
        raise Death

    with performing(perform):
        try:
            yield
        except Death:
            return


@contextmanager
def interrupted(after: int, meanwhile: Callable[[], None]) -> Iterator[None]:
    """Somebody else works between two requests of whoever sends them in this thread."""
    count = 0

    def perform(self: Any, method: str, path: str, **given: Any) -> Any:
        nonlocal count
        count += 1
        if count == after + 1:
            with performing(_original):
                meanwhile()
        return _original(self, method, path, **given)

    with performing(perform):
        yield


@contextmanager
def performing(perform: Any) -> Iterator[None]:
    """Requests of this thread are performed by a function."""
    mine = threading.get_ident()

    def chosen(self: Any, *given: Any, **more: Any) -> Any:
        return (perform if threading.get_ident() == mine else _original)(self, *given, **more)

    with patch.object(opensearchpy.Transport, "perform_request", chosen):
        yield


def bulk_actions(path: str, body: bytes | None) -> list[bytes]:
    """The actions of a `_bulk`, each with its document; nothing of other requests."""
    if not path.endswith("/_bulk"):
        return []
    assert type(body) is bytes
    actions: list[bytes] = []
    lines = iter(body.splitlines(keepends=True))
    for line in lines:
        [name] = orjson.loads(line)
        actions.append(line if name == "delete" else line + next(lines))
    return actions
