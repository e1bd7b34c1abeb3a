"""What every place in the resource tree has: pages of results, and requests by their method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import urlencode

from attrs import evolve, frozen

from .engine import Engine
from .errors import OrcodmError, UsageError
from .flow import Flow, arun, run
from .operations import AggregateResult, Operation, Ping
from .operations import Page as Results
from .values import encode

if TYPE_CHECKING:
    from .wire.codec import Response

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


def with_options(engine: Engine, options: Mapping[str, Any]) -> Engine:
    """The engine with other `headers` or another `timeout`. Raises `UsageError` where it has none."""
    if not options:
        return engine
    change = getattr(engine, "with_options", None)
    if change is None:
        raise UsageError(f"{engine!r} is not reached over HTTP, and has no {' or '.join(options)}.")
    changed: Engine = change(**options)
    return changed


# -- pages -----------------------------------------------------------------------------------------


@frozen(repr=False)
class Page(Generic[R_co]):
    """One page of results, and the way to those beside it.

    Looping over a page gives it and all that follow; `next` and `prev` are None where there is nothing
    further. `total` and `aggregates` are those of a search.
    """

    _engine: Engine
    _first: Operation[Results[R_co]]
    _page: Results[R_co]

    def __repr__(self) -> str:
        return f"<Page of {len(self.results)} results>"

    def __len__(self) -> int:
        return len(self.results)

    @property
    def results(self) -> tuple[R_co, ...]:
        return self._page.results

    @property
    def total(self) -> int | None:
        return self._page.total

    @property
    def aggregates(self) -> tuple[AggregateResult, ...]:
        return self._page.aggregates

    def next(self) -> Page[R_co] | None:
        """The page after this one."""
        return None if self._page.next is None else self._turn(self._engine.execute(self._page.next))

    async def anext(self) -> Page[R_co] | None:
        return None if self._page.next is None else self._turn(await self._engine.aexecute(self._page.next))

    def prev(self) -> Page[R_co] | None:
        """The page before this one."""
        return None if self._page.prev is None else self._turn(self._engine.execute(self._page.prev))

    async def aprev(self) -> Page[R_co] | None:
        return None if self._page.prev is None else self._turn(await self._engine.aexecute(self._page.prev))

    def reset(self) -> Page[R_co]:
        """The page that was asked for first, asked for again."""
        return self._turn(self._engine.execute(self._first))

    async def areset(self) -> Page[R_co]:
        return self._turn(await self._engine.aexecute(self._first))

    def all(self) -> list[R_co]:
        """The results of this page and of all that follow."""
        return [result for page in self for result in page.results]

    async def aall(self) -> list[R_co]:
        return [result async for page in self for result in page.results]

    def __iter__(self) -> Iterator[Page[R_co]]:
        page: Page[R_co] | None = self
        while page is not None:
            yield page
            page = page.next()

    async def __aiter__(self) -> AsyncIterator[Page[R_co]]:
        page: Page[R_co] | None = self
        while page is not None:
            yield page
            page = await page.anext()

    def _turn(self, page: Results[R_co]) -> Page[R_co]:
        return evolve(self, page=page)


# -- resources -------------------------------------------------------------------------------------


class Resource:
    """A place in the tree: an engine, a path, and requests to it."""

    def __init__(self, engine: Engine, *path: str) -> None:
        self._engine = engine
        self._path = path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'/'.join(self._path)!r})"

    @property
    def raw(self) -> Raw:
        """Requests to this place by their method, answered by responses, whatever their status."""
        return Raw(self._engine, *self._path)

    def head(self) -> Response:
        """The status and headers that a GET would have."""
        return self.raw.request("HEAD")

    async def ahead(self) -> Response:
        return await self.raw.arequest("HEAD")

    def with_options(self, **options: Any) -> Self:
        """The same place with other `headers` or another `timeout`, which its children inherit."""
        return type(self)(with_options(self._engine, options), *self._path)

    def _run(self, operation: Operation[R]) -> R:
        return self._engine.execute(operation)

    async def _arun(self, operation: Operation[R]) -> R:
        return await self._engine.aexecute(operation)

    def _page(self, operation: Operation[Results[R]]) -> Page[R]:
        return Page(self._engine, operation, self._engine.execute(operation))

    async def _apage(self, operation: Operation[Results[R]]) -> Page[R]:
        return Page(self._engine, operation, await self._engine.aexecute(operation))


class Raw(Resource):
    """The protocol itself at one place, over any engine."""

    def request(
        self,
        method: str,
        *more: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The response to a request here, or at `more` segments below. `body` is a value, or bytes."""
        return run(self._exchange(method, more, params, body, headers), self._engine)

    async def arequest(
        self,
        method: str,
        *more: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return await arun(self._exchange(method, more, params, body, headers), self._engine)

    def get(self, *more: str, **options: Any) -> Response:
        """`request("GET", ...)`"""
        return self.request("GET", *more, **options)

    async def aget(self, *more: str, **options: Any) -> Response:
        return await self.arequest("GET", *more, **options)

    def put(self, *more: str, **options: Any) -> Response:
        """`request("PUT", ...)`"""
        return self.request("PUT", *more, **options)

    async def aput(self, *more: str, **options: Any) -> Response:
        return await self.arequest("PUT", *more, **options)

    def post(self, *more: str, **options: Any) -> Response:
        """`request("POST", ...)`"""
        return self.request("POST", *more, **options)

    async def apost(self, *more: str, **options: Any) -> Response:
        return await self.arequest("POST", *more, **options)

    def patch(self, *more: str, **options: Any) -> Response:
        """`request("PATCH", ...)`"""
        return self.request("PATCH", *more, **options)

    async def apatch(self, *more: str, **options: Any) -> Response:
        return await self.arequest("PATCH", *more, **options)

    def delete(self, *more: str, **options: Any) -> Response:
        """`request("DELETE", ...)`"""
        return self.request("DELETE", *more, **options)

    async def adelete(self, *more: str, **options: Any) -> Response:
        return await self.arequest("DELETE", *more, **options)

    def _exchange(
        self,
        method: str,
        more: Iterable[str],
        params: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None,
    ) -> Flow[Response]:
        # Nothing else here speaks the protocol, and a program that does not should not wait for its codec.
        from .wire.codec import Request, decode_request, encode_response
        from .wire.urls import sent_segment

        target = "/".join(["/v0", *map(sent_segment, (*self._path, *more))])
        if params:
            words = {True: "true", False: "false"}
            target += "?" + urlencode(
                {name: words[value] if isinstance(value, bool) else value for name, value in params.items()}
            )
        content = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        request = Request(method, target, tuple((headers or {}).items()), content)
        try:
            operation = decode_request(request)
        except OrcodmError as error:
            return encode_response(Ping(), error, request)
        outcome: Any
        try:
            outcome = yield operation
        except OrcodmError as error:
            outcome = error
        return encode_response(operation, outcome, request)
