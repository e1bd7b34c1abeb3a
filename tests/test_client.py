"""The resource tree, over the embedded engine and over HTTP."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from orcodm import client as tree
from orcodm.client import Client, Collection, Key
from orcodm.engines.connect import connect
from orcodm.errors import AlreadyExists, Conflict, NotFound, Unauthorized, UsageError
from orcodm.operations import EventBound, Get, Item, JsonPatch, Stats, StatsResult

from .engines.scripted import Scripted
from .serving import serving


@pytest.fixture(params=["embedded", "http"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    engine = connect("memory:")
    if request.param == "embedded":
        with Client(engine) as client:
            yield client
        return
    with serving(engine, ["sesame"]) as url, Client(url.replace("//", "//sesame@")) as client:
        yield client
    engine.close()


@pytest.fixture
def users(client: Client) -> Collection:
    return client.collection("users")


@pytest.fixture
def ada(users: Collection) -> Key:
    ada = users.key("ada")
    ada.put({"name": "Ada", "age": 36})
    return ada


def test_a_key(client: Client, users: Collection) -> None:
    client.ping()
    ada = users.key("ada")
    first = ada.put({"n": 1}, if_none_match="*")
    with pytest.raises(AlreadyExists):
        ada.put({"n": 1}, if_none_match=True)
    second = ada.put({"n": 2}, if_match=first.ref)
    with pytest.raises(Conflict):
        ada.put({"n": 3}, if_match=first.ref)
    assert (ada.get().value, ada.get().ref) == ({"n": 2}, second.ref)
    assert ada.ref(first.ref).get().value == {"n": 1}
    assert [version.value for version in ada.refs(values=True).results] == [{"n": 2}, {"n": 1}]
    ada.delete(if_match=second.ref)
    with pytest.raises(NotFound):
        ada.get()
    assert ada.refs().results[0].deleted
    ada.delete(purge=True)
    with pytest.raises(NotFound):
        ada.refs()


def test_patches(ada: Key) -> None:
    ada.patch([{"op": "inc", "path": "age"}])
    ada.patch({"name": "Ada L."})
    ada.patch(JsonPatch([{"op": "add", "path": "x", "value": 1}]), if_match=ada.get().ref)
    assert ada.get(without_fields=("value.x",)).value == {"name": "Ada L.", "age": 37}


def test_a_collection(users: Collection) -> None:
    written = users.post({"n": 1})
    assert users.key(written.key).get().value == {"n": 1}
    assert [item.key for item in users.list().results] == [written.key]
    assert users.name == "users"
    users.delete()
    assert users.list().results == ()


def test_pages(client: Client, users: Collection) -> None:
    for number in range(7):
        users.key(f"{number}").put({"age": number + 30})
    page = users.search("age:[30 TO *]", limit=3)
    assert (len(page), page.total, page.prev()) == (3, 7, None)
    second = page.next()
    assert second is not None
    assert second.prev() == page
    assert second.reset() == page
    assert [len(each) for each in users.search("age:[30 TO *]", limit=3)] == [3, 3, 1]
    assert len(page.all()) == 7
    last = [*page][-1]
    assert last.next() is None
    assert repr(last) == "<Page of 1 results>"
    assert [item.key for item in users.list(after="2", before="5").all()] == ["3", "4"]
    assert len(client.search("age:30").results) == 1
    [stats] = users.search("*", limit=0, aggregates=(Stats("value.age"),)).aggregates
    assert isinstance(stats, StatsResult)
    assert (stats.min, stats.max) == (30, 36)


def test_events(ada: Key) -> None:
    logins = ada.event("login")
    moment = datetime(2014, 1, 2, tzinfo=UTC)
    first = logins.post({"ip": "::1"}, timestamp=moment)
    assert first.timestamp == 1388620800000
    second = logins.post({"ip": "::2"}, timestamp=1388620800001)
    logins.post({"ip": "::3"})
    assert logins.get(moment, first.ordinal).value == {"ip": "::1"}
    updated = logins.put({"ip": "::9"}, moment, first.ordinal, if_match=first.ref)
    with pytest.raises(Conflict):
        logins.put({"ip": "::8"}, moment, first.ordinal, if_match=first.ref)
    logins.patch({"n": 1}, moment, first.ordinal, if_match=updated.ref)
    assert [event.value["ip"] for event in logins.list(limit=2).all()] == ["::3", "::2", "::9"]
    assert [event.ordinal for event in logins.list(start=moment, before=1388620800001).results] == [
        first.ordinal
    ]
    after = logins.list(after=(moment, first.ordinal), end=EventBound(second.timestamp, second.ordinal))
    assert [event.ordinal for event in after.results] == [second.ordinal]
    logins.delete(moment, first.ordinal)
    with pytest.raises(NotFound):
        logins.get(moment, first.ordinal)
    assert logins.type == "login"


def test_relations(users: Collection, ada: Key) -> None:
    users.key("bob").put({})
    users.key("eve").put({})
    written = ada.relation().put("friends", "users", "bob", {"since": 1833}, if_none_match="*")
    users.key("bob").relations().put("friends", "users", "eve")
    assert [item.key for item in ada.graph().get("friends").results] == ["bob"]
    assert [item.key for item in ada.relation().get("friends", "friends").results] == ["eve"]
    found = ada.relation().properties("friends", "users", "bob")
    assert (found.value, found.ref) == ({"since": 1833}, written.ref)
    ada.relation().delete("friends", "users", "bob")
    assert ada.relation().get("friends").results == ()


def test_raw_requests_and_head(client: Client, users: Collection, ada: Key) -> None:
    assert ada.head().status == 200
    assert ada.head().header("etag") == f'"{ada.get().ref}"'
    assert (users.key("nobody").head().status, users.key("nobody").head().body) == (404, b"")
    assert client.head().status == 200
    answer = users.raw.get(params={"query": "name:ada", "values": False})
    assert (answer.status, answer.value["total_count"]) == (200, 1)
    assert users.raw.put("k/é", body={"a": 1}, headers={"If-None-Match": "*"}).status == 201
    assert users.key("k/é").get().value == {"a": 1}
    assert users.raw.post(body=b"[1]").status == 201
    assert ada.raw.patch(body={"age": None}).status == 201
    assert ada.raw.delete().status == 204
    assert ada.raw.get().value["code"] == "items_not_found"
    assert client.raw.request("FOO", "users").status == 405
    assert client.raw.get("users", params={"limit": "x"}).status == 400


def test_the_awaitable_forms(client: Client) -> None:
    async def use() -> None:
        ada = client.collection("users").key("ada")
        written = await ada.aput({"n": 1}, if_none_match="*")
        assert (await ada.aget()).value == {"n": 1}
        assert (await ada.ref(written.ref).aget()).ref == written.ref
        await ada.apatch([{"op": "inc", "path": "n"}])
        for number in range(3):
            await client.collection("users").apost({"n": number})
            await ada.event("t").apost(number, timestamp=number)
        page = await client.collection("users").asearch("n:*", limit=2)
        assert [len(each.results) async for each in page] == [2, 2]
        second = await page.anext()
        assert second is not None
        assert await second.aprev() == page
        assert await second.areset() == page
        assert len(await (await ada.event("t").alist(limit=1)).aall()) == 3
        assert (await ada.ahead()).status == 200
        assert (await ada.raw.aget()).value == {"n": 2}
        assert (await ada.raw.aput(body=1, headers={"If-Match": "ab"})).status == 412
        await client.aping()
        await client.aclose()

    asyncio.run(use())


def test_every_method_that_asks_has_an_awaitable_twin() -> None:
    for kind in (tree.Client, Collection, Key, tree.Ref, tree.Event, tree.Relation, tree.Page, tree.Raw):
        members = dict(inspect.getmembers(kind, inspect.isfunction))
        for name, member in members.items():
            if not name.startswith("_") and inspect.iscoroutinefunction(member):
                twin = members[name[1:]]
                assert inspect.signature(twin).parameters == inspect.signature(member).parameters, name
                assert twin.__doc__, f"{kind.__name__}.{name[1:]}"


def test_options_are_inherited() -> None:
    class Optional(Scripted):
        given: dict[str, Any]

        def with_options(self, **options: Any) -> Optional:
            view = Optional(*self.answers)
            view.given = getattr(self, "given", {}) | options
            return view

    client = Client(Optional(Item(collection="c", key="k", ref="ab", value=1)), timeout=1)
    key = client.collection("c", headers={"X": "1"}).key("k", timeout=2)
    engine: Any = key.event("t")._engine
    assert engine.given == {"timeout": 2, "headers": {"X": "1"}}
    engine = client.with_options(timeout=5).collection("c")._engine
    assert engine.given == {"timeout": 5}


def test_an_engine_without_options_says_so() -> None:
    client = Client(Scripted())
    with pytest.raises(UsageError, match="not reached over HTTP, and has no timeout"):
        client.collection("c", timeout=1)


def test_the_tree_only_asks() -> None:
    engine = Scripted(Item(collection="c", key="k", ref="ab", value=1))
    key = Client(engine).collection("c").key("k")
    assert repr(key) == "Key('c/k')"
    assert (key.name, engine.asked) == ("k", [])
    key.get()
    assert engine.asked == [Get(collection="c", key="k")]


def test_wrong_conditions_and_keys() -> None:
    key = Client(Scripted()).collection("c").key("k")
    with pytest.raises(UsageError):
        key.put(1, if_match="ab", if_none_match="*")
    with pytest.raises(UsageError):
        key.put(1, if_none_match="ab")
    with serving(Scripted(), ["sesame"]) as url, Client(url) as client, pytest.raises(Unauthorized):
        client.ping()
