"""The session of a web handler: whichever of the dependency and the handler is synchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

import orcodm
from orcodm import Conflict, Document, Field, Session, field
from orcodm.operations import Get, Put
from orcodm.session import context
from orcodm.testing import Watched

fastapi = pytest.importorskip("fastapi")


class Ticket(Document, collection="tickets"):
    title: Field[str]
    state: Field[str] = field(default="open")


@pytest.fixture(params=["bound", "unbound"])
def engine(
    request: pytest.FixtureRequest, orcodm_engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> Watched:
    """With a default engine, whose session would serve calls that miss that of the request, and without."""
    if request.param == "unbound":
        monkeypatch.setattr(context, "_default", None)
    return orcodm_engine


def stored(engine: Watched, key: str) -> Any:
    return engine.execute(Get(collection="tickets", key=key)).value


def application(engine: Watched) -> Any:
    app = fastapi.FastAPI()

    def sync_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    async def async_session() -> AsyncIterator[Session]:
        async with Session(engine) as session:
            yield session

    def close(session: Session, key: str, fail: bool, race: bool) -> dict[str, Any]:
        ticket = Ticket.get(key)
        assert ticket._session is session
        assert context.current() is session
        ticket.state = "closed"
        Ticket(key=f"{key}-copy", title="copy").save()
        if race:
            value = {"title": "x", "state": "taken"}
            engine.execute(Put(collection="tickets", key=key, value=value))
        if fail:
            raise fastapi.HTTPException(418)
        return {"state": ticket.state, "thread": threading.current_thread() is threading.main_thread()}

    def add(path: str, dependency: Any) -> None:
        depends = fastapi.Depends(dependency, scope="function")

        # The annotations are read when the route is made, and would be texts of names in here.
        def sync_handler(key, session=depends, fail=False, race=False):  # type: ignore[no-untyped-def]
            return close(session, key, bool(fail), bool(race))

        async def async_handler(key, session=depends, fail=False, race=False):  # type: ignore[no-untyped-def]
            await asyncio.sleep(0)
            return close(session, key, bool(fail), bool(race))

        app.get(f"/{path}/sync/{{key}}")(sync_handler)
        app.get(f"/{path}/async/{{key}}")(async_handler)

    add("sync", sync_session)
    add("async", async_session)

    @app.exception_handler(Conflict)
    async def conflict(request: Any, error: Conflict) -> Any:
        return fastapi.responses.JSONResponse({"theirs": error.theirs}, 409)

    return app


async def ask(app: Any, *urls: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return list(await asyncio.gather(*(client.get(url) for url in urls)))


WAYS = ["sync/sync", "sync/async", "async/sync", "async/async"]


@pytest.mark.parametrize("way", WAYS)
def test_the_session_of_a_dependency_is_current_in_the_handler(engine: Watched, way: str) -> None:
    engine.execute(Put(collection="tickets", key="a", value={"title": "x"}))
    [answer] = asyncio.run(ask(application(engine), f"/{way}/a"))
    assert answer.json() == {"state": "closed", "thread": way.endswith("async")}
    assert stored(engine, "a")["state"] == "closed"
    assert context.innermost() is None
    assert not context.entered


@pytest.mark.parametrize("way", WAYS)
def test_a_handler_that_raises_writes_nothing_of_its_session(engine: Watched, way: str) -> None:
    engine.execute(Put(collection="tickets", key="a", value={"title": "x"}))
    [answer] = asyncio.run(ask(application(engine), f"/{way}/a?fail=1"))
    assert answer.status_code == 418
    assert stored(engine, "a") == {"title": "x"}
    assert not context.entered


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_that_meets_a_conflict_is_told(engine: Watched, way: str) -> None:
    engine.execute(Put(collection="tickets", key="a", value={"title": "x"}))
    [answer] = asyncio.run(ask(application(engine), f"/{way}/a?race=1"))
    assert (answer.status_code, answer.json()) == (409, {"theirs": {"title": "x", "state": "taken"}})
    assert stored(engine, "a")["state"] == "taken"


def test_requests_at_once_have_a_session_each(engine: Watched) -> None:
    for number in range(12):
        engine.execute(Put(collection="tickets", key=f"t{number}", value={"title": "x"}))
    urls = [f"/{WAYS[number % 4]}/t{number}" for number in range(12)]
    assert [answer.status_code for answer in asyncio.run(ask(application(engine), *urls))] == [200] * 12
    assert [stored(engine, f"t{number}")["state"] for number in range(12)] == ["closed"] * 12
    assert not context.entered


def test_the_innermost_session_counts_wherever_it_was_entered(engine: Watched) -> None:
    app = fastapi.FastAPI()
    outer, inner = Session(engine), Session(engine)

    async def around() -> AsyncIterator[None]:
        async with outer:
            yield

    outermost = fastapi.Depends(around)

    def within(_: Any = outermost) -> Iterator[None]:
        assert context.current() is outer
        with inner:
            assert inner.around is outer
            yield

    @app.get("/", dependencies=[fastapi.Depends(within)])
    async def handler() -> list[bool]:
        found = [context.current() is inner]
        with Session(engine) as own:
            found += [context.current() is own, own.around is inner]
        return [*found, context.current() is inner]

    @app.get("/sync", dependencies=[fastapi.Depends(within)])
    def sync_handler() -> list[bool]:
        with Session(engine) as own:
            found = [context.current() is own]
        return [*found, context.current() is inner]

    [answer] = asyncio.run(ask(app, "/"))
    assert answer.json() == [True] * 4
    outer, inner = Session(engine), Session(engine)
    [answer] = asyncio.run(ask(app, "/sync"))
    assert answer.json() == [True] * 2


def test_without_a_session_the_handler_is_told(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_default", None)
    app = fastapi.FastAPI()

    @app.get("/")
    def handler() -> None:
        Ticket.get("a")

    @app.exception_handler(orcodm.NoEngine)
    async def told(request: Any, error: Exception) -> Any:
        return fastapi.responses.PlainTextResponse(str(error), 503)

    [answer] = asyncio.run(ask(app, "/"))
    assert "no session is open" in answer.text
