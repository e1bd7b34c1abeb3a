"""Short forms of the operations that nearly every test of an engine asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

from orcodm.engine import Capabilities, Closing, Engine
from orcodm.operations import (
    START,
    Batch,
    Condition,
    Delete,
    Get,
    Item,
    List,
    ListRefs,
    Operation,
    Page,
    Ping,
    Put,
    Search,
    Version,
    Written,
)
from orcodm.refs import tombstone_ref, value_ref

R = TypeVar("R")

THINGS = "things"
"""The collection where a test names none."""


class Awaited(Closing):
    """An engine whose `execute` goes through the `aexecute` of the one it wraps, on a loop of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.runner = asyncio.Runner()

    @property
    def capabilities(self) -> Capabilities:
        self.execute(Ping())  # by which an engine over a network learns them
        return self.engine.capabilities

    def execute(self, operation: Operation[R]) -> R:
        return self.runner.run(self.aexecute(operation))

    async def aexecute(self, operation: Operation[R]) -> R:
        return await self.engine.aexecute(operation)

    def close(self) -> None:
        self.runner.run(self.aclose())
        self.runner.close()

    async def aclose(self) -> None:
        await self.engine.aclose()


def put(engine: Engine, key: str, value: Any, condition: Condition = None, collection: str = THINGS) -> str:
    """Write, and give the new ref."""
    return engine.execute(Put(collection=collection, key=key, value=value, condition=condition)).ref


def put_all(engine: Engine, values: dict[str, Any], collection: str = THINGS) -> None:
    """Write many in one batch."""
    outcome = engine.execute(
        Batch([Put(collection=collection, key=key, value=value) for key, value in values.items()])
    )
    assert not outcome.failed, outcome
    assert all(isinstance(written, Written) for written in outcome.outcomes)


def get(engine: Engine, key: str, ref: str | None = None, collection: str = THINGS) -> Any:
    """The value."""
    return engine.execute(Get(collection=collection, key=key, ref=ref)).value


def item(engine: Engine, key: str, collection: str = THINGS) -> Item:
    return engine.execute(Get(collection=collection, key=key))


def delete(
    engine: Engine,
    key: str,
    condition: Condition = None,
    *,
    purge: bool = False,
    collection: str = THINGS,
) -> None:
    engine.execute(Delete(collection=collection, key=key, condition=condition, purge=purge))


def follow(engine: Engine, operation: Operation[Page[R]]) -> list[R]:
    """All results of a list, page after page."""
    results: list[R] = []
    following: Operation[Page[R]] | None = operation
    while following is not None:
        page = engine.execute(following)
        assert page.results or page.next is None, "an empty page leads nowhere"
        results += page.results
        following = page.next
    return results


def history(engine: Engine, key: str, collection: str = THINGS) -> list[Version]:
    """All versions with their values, newest first."""
    return follow(engine, ListRefs(collection=collection, key=key, values=True))


def listed(engine: Engine, collection: str = THINGS, limit: int = 10, **bounds: Any) -> list[str]:
    """The keys of a collection, through all pages."""
    return keys(follow(engine, List(collection=collection, limit=limit, **bounds)))


def found(engine: Engine, query: str, collection: str | None = THINGS, **more: Any) -> list[str]:
    """The keys that a query finds, in its order, through all offset pages."""
    return keys(follow(engine, Search(query=query, collection=collection, **more)))


def streamed(engine: Engine, query: str, collection: str | None = THINGS, **more: Any) -> list[str]:
    """The keys that a query finds, in its order, by keyset paging."""
    return keys(follow(engine, Search(query=query, collection=collection, cursor=START, **more)))


def keys(results: Iterable[Any]) -> list[str]:
    return [result.key for result in results]


def verify(versions: list[Version]) -> list[str]:
    """Compute the chain of a whole history (newest first) and compare it; gives all refs, oldest first."""
    refs: list[str] = []
    for version in reversed(versions):
        previous = refs[-1] if refs else None
        if version.deleted:
            assert version.ref is None
            assert version.value is None
            refs.append(tombstone_ref(previous))
        else:
            refs.append(value_ref(previous, version.value))
            assert version.ref == refs[-1]
    return refs
