"""What an engine is: whatever executes operations and says what it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, Self, TypeVar, runtime_checkable

from attrs import frozen

from .operations import Operation

R = TypeVar("R")


@frozen(kw_only=True)
class Capabilities:
    """What differs between engines. Asking for what is not there raises `Unsupported`.

    `atomic_batch`: a `Batch` is one transaction. `keyset`: `Search(cursor=...)`. `ref_chain`: refs are
    the chain of `orcodm.refs`, so that a writer knows the ref it will make; elsewhere they are opaque.
    `max_limit`: the largest page. `own_writes`: a search sees what was written before it. `records`: `Dump`
    and `Restore`. `terms`: `ListTerms`. `long_queries`: a query may be longer than fits into a URL. `local`:
    the engine is in this process, so that reading many things one by one costs no more than asking for them
    at once. `casts`: fields with a cast (`@date.value.at`), by which texts are ordered and compared as what
    they stand for.
    """

    atomic_batch: bool
    keyset: bool
    ref_chain: bool
    max_limit: int
    own_writes: bool
    records: bool = False
    terms: bool = False
    long_queries: bool = False
    local: bool = False
    casts: bool = False


class Closing(ABC):
    """What is closed when its `with` or `async with` block is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    async def aclose(self) -> None: ...


@runtime_checkable
class Engine(Protocol):
    """Executes operations. What wraps an engine is an engine. As a block it closes itself (`Closing`)."""

    @property
    def capabilities(self) -> Capabilities: ...

    def execute(self, operation: Operation[R], /) -> R:
        """The answer to an operation; may be called from several threads."""
        ...

    async def aexecute(self, operation: Operation[R], /) -> R:
        """The answer to an operation, without blocking the event loop."""
        ...

    def close(self) -> None:
        """Release what the engine holds. Later operations raise `SessionClosed`."""
        ...

    async def aclose(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...
