"""The HTTP engine: against scripted answers, and against our server over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import respx

import orcodm
from orcodm.engines.attempts import Retries
from orcodm.engines.connect import connect
from orcodm.engines.http import HTTPEngine, Timeouts
from orcodm.errors import (
    Conflict,
    InvalidURL,
    InvalidValue,
    NotFound,
    ProtocolError,
    SessionClosed,
    TransportError,
    Unauthorized,
    Unsupported,
)
from orcodm.operations import (
    START,
    Batch,
    Get,
    IfAbsent,
    IfMatch,
    Item,
    List,
    Operation,
    Ping,
    Post,
    Put,
    PutRelation,
    Search,
    SortField,
    Stats,
    Written,
)
from orcodm.server.app import create_app

from ..serving import serving, serving_app

K: dict[str, Any] = {"collection": "c", "key": "k"}
AT_ONCE = Retries(attempts=4, first=0.0)
FOUND = httpx.Response(200, headers={"ETag": '"ab"'}, json={"a": 1})


@pytest.fixture
def engine() -> Iterator[HTTPEngine]:
    engine = HTTPEngine("https://sesame@api.test", retries=AT_ONCE)
    yield engine
    engine.close()


# -- scripted answers ------------------------------------------------------------------------------


@respx.mock
def test_a_get(engine: HTTPEngine) -> None:
    route = respx.get("https://api.test/v0/c/a%2Fb").mock(return_value=FOUND)
    item = engine.execute(Get(collection="c", key="a/b"))
    assert item == Item(collection="c", key="a/b", ref="ab", value={"a": 1})
    sent = route.calls.last.request
    assert sent.headers["authorization"] == "Basic c2VzYW1lOg=="
    assert sent.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("url", "shown", "target"),
    [
        ("http://h", "http://h", "http://h/v0/c/k"),
        ("https://a%40b@h:8443/", "https://h:8443", "https://h:8443/v0/c/k"),
        ("https://key@h/base/", "https://h", "https://h/base/v0/c/k"),
        ("https://key@h/v0", "https://h", "https://h/v0/c/k"),
        ("http://[::1]:80", "http://[::1]", "http://[::1]/v0/c/k"),
    ],
)
def test_urls(url: str, shown: str, target: str) -> None:
    engine = HTTPEngine(url)
    assert repr(engine) == f"HTTPEngine({shown!r})"
    with respx.mock:
        route = respx.get(target).mock(return_value=FOUND)
        engine.execute(Get(**K))
    assert route.called
    engine.close()


@pytest.mark.parametrize(
    "url", ["https://", "ftp://sesame@h", "https://sesame@h?x=1", "https://sesame@h:port", "sesame"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(InvalidURL, match="https://KEY@host") as raised:
        HTTPEngine(url)
    assert "sesame" not in str(raised.value)


ODD = [
    (httpx.Response(200, json={"a": 1}), "without an ETag"),
    (httpx.Response(200, headers={"ETag": '"ab"'}, html="<html>Log in"), "text/html.*<html>Log in"),
    (httpx.Response(200, headers={"ETag": '"ab"'}, content=b'{"a":'), "'{\"a\":'"),
    (httpx.Response(404, html="<html>no"), "answered 404"),
    (
        httpx.Response(302, headers={"Location": "https://elsewhere.test/v0/c/k"}),
        "redirect to https://elsewhere.test",
    ),
    (httpx.Response(301, headers={"Location": "/login"}), "redirect to /login"),
]


@pytest.mark.parametrize(("answer", "message"), ODD)
@respx.mock
def test_odd_answers_are_said(engine: HTTPEngine, answer: httpx.Response, message: str) -> None:
    respx.get("https://api.test/v0/c/k").mock(return_value=answer)
    with pytest.raises(ProtocolError, match=message):
        engine.execute(Get(**K))
    assert len(respx.calls) == 1


class Raw(httpx.BaseTransport):
    """Answers with bytes that httpx does not unpack."""

    def __init__(self, *chunks: bytes, encoding: str = "gzip") -> None:
        self.chunks = chunks
        self.headers = {"ETag": '"ab"', "Content-Encoding": encoding}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=self.headers, stream=httpx.ByteStream(b"".join(self.chunks)))


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        (Raw(gzip.compress(b" " * 10**7)), "more than 100000 bytes"),
        (Raw(gzip.compress(b"{}" * 100)[:-9]), "ends in the middle"),
        (Raw(b"plain"), "not the gzip"),
        (Raw(b"x", encoding="br"), "packed its answer as 'br'"),
    ],
)
def test_packed_answers_have_bounds(transport: httpx.BaseTransport, message: str) -> None:
    engine = HTTPEngine("https://api.test", transport=transport, max_response=10**5, retries=AT_ONCE)
    with pytest.raises(ProtocolError, match=message):
        engine.execute(Get(**K))
    engine.close()


def test_packed_answers_are_unpacked() -> None:
    engine = HTTPEngine("https://api.test", transport=Raw(gzip.compress(b'{"a":1}')))
    assert engine.execute(Get(**K)).value == {"a": 1}
    engine.close()


@respx.mock
def test_failures_of_the_wire(engine: HTTPEngine) -> None:
    respx.post("https://api.test/v0/c").mock(side_effect=httpx.ReadTimeout)
    with pytest.raises(TransportError, match="ReadTimeout") as raised:
        engine.execute(Post(collection="c", value=1))
    assert raised.value.sent
    respx.post("https://api.test/v0/c").mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(TransportError, match="refused") as raised:
        engine.execute(Post(collection="c", value=1))
    assert not raised.value.sent
    assert len(respx.calls) == 1 + AT_ONCE.attempts


@respx.mock
def test_a_server_without_a_ping_is_a_plain_one(engine: HTTPEngine) -> None:
    respx.head("https://api.test/v0").mock(return_value=httpx.Response(405))
    respx.get("https://api.test/v0/c/k").mock(return_value=FOUND)
    assert engine.capabilities.max_limit == 100

    async def read() -> list[Any]:
        fresh = HTTPEngine("https://api.test", retries=AT_ONCE)
        items = await asyncio.gather(*(fresh.aexecute(Get(**K)) for _ in range(5)))
        await fresh.aclose()
        return items

    assert len(asyncio.run(read())) == 5
    assert [call.request.method for call in respx.calls].count("HEAD") == 2


@respx.mock
def test_a_server_that_refuses_the_ping_is_not_asked_more(engine: HTTPEngine) -> None:
    respx.head("https://api.test/v0").mock(return_value=httpx.Response(401))
    with pytest.raises(Unauthorized):
        _ = engine.capabilities
    with pytest.raises(Unauthorized):
        asyncio.run(engine.aexecute(Get(**K)))


@respx.mock
def test_the_key_shows_nowhere(engine: HTTPEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    respx.get("https://api.test/v0/c/k").mock(side_effect=httpx.ReadError("broken"))
    with pytest.raises(TransportError) as raised:
        engine.execute(Get(**K))
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "aexecute" in shown or "execute" in shown
    for text in (shown, caplog.text, repr(engine), repr(vars(engine))):
        assert "sesame" not in text
        assert "c2VzYW1lOg" not in text


@respx.mock
def test_options_of_a_view(engine: HTTPEngine) -> None:
    route = respx.get("https://api.test/v0/c/k").mock(return_value=FOUND)
    view = engine.with_options(headers={"X-Trace": "7"}, timeout=2.5)
    view.execute(Get(**K))
    sent = route.calls.last.request
    assert sent.headers["x-trace"] == "7"
    assert sent.extensions["timeout"] == {"connect": 2.5, "read": 2.5, "write": 2.5, "pool": 2.5}
    engine.execute(Get(**K))
    assert "x-trace" not in route.calls.last.request.headers
    assert route.calls.last.request.extensions["timeout"]["read"] == Timeouts().read


def test_a_closed_engine_says_so() -> None:
    engine = HTTPEngine("https://api.test")
    engine.close()
    with pytest.raises(SessionClosed):
        engine.execute(Get(**K))
    with pytest.raises(SessionClosed):
        asyncio.run(engine.aexecute(Ping()))


# -- our server ------------------------------------------------------------------------------------


@pytest.fixture
def url() -> Iterator[str]:
    stored = connect("memory:")
    with serving(stored, ["sesame"]) as url:
        yield url.replace("//", "//sesame@")
    stored.close()


@pytest.fixture
def ours(url: str) -> Iterator[HTTPEngine]:
    engine = HTTPEngine(url, retries=AT_ONCE)
    yield engine
    engine.close()


def test_what_the_engine_behind_can_do_is_known(ours: HTTPEngine) -> None:
    assert ours.capabilities.atomic_batch
    assert ours.capabilities.max_limit > 100


def test_errors_keep_their_class_and_details(ours: HTTPEngine) -> None:
    with pytest.raises(NotFound, match=r"\(c/k\)") as missing:
        ours.execute(Get(**K))
    assert missing.value.details == {"items": [K]}
    ref = ours.execute(Put(**K, value=1)).ref
    with pytest.raises(Conflict) as conflict:
        ours.execute(Put(**K, value=1, condition=IfMatch("ab")))
    assert (conflict.value.expected, conflict.value.current) == ("ab", ref)


def test_a_wrong_key_is_refused(url: str) -> None:
    engine = HTTPEngine(url.replace("sesame", "wrong"))
    with pytest.raises(Unauthorized):
        engine.execute(Get(**K))
    engine.close()


def test_large_pages_and_keyset_paging(ours: HTTPEngine) -> None:
    ours.execute(Batch([Put(collection="c", key=f"{n:03}", value={"n": n}) for n in range(250)]))
    assert len(ours.execute(List(collection="c", limit=200)).results) == 200
    page = ours.execute(Search(collection="c", query="*", limit=150, cursor=START))
    assert page.next is not None
    assert len(page.results) + len(ours.execute(page.next).results) == 250


def test_one_engine_serves_many_loops_and_threads(ours: HTTPEngine) -> None:
    ours.execute(Put(**K, value=1))

    async def read() -> int:
        items = await asyncio.gather(*(ours.aexecute(Get(**K)) for _ in range(5)))
        await ours._pools.close_loop()
        return sum(item.value for item in items)

    assert [asyncio.run(read()), asyncio.run(read())] == [5, 5]
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(ours.execute(Get(**K)).value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 4


def test_a_value_that_is_no_json_is_refused_before_it_is_sent(ours: HTTPEngine) -> None:
    with pytest.raises(InvalidValue):
        ours.execute(Put(**K, value=float("nan")))


class Lossy(httpx.BaseTransport):
    """Loses the answers, or the requests, for which `lose` says so."""

    def __init__(self, lose: Callable[[int], str]) -> None:
        self.inner = httpx.HTTPTransport()
        self.lose = lose
        self.count = 0
        self.lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.count += 1
            fate = self.lose(self.count)
        if fate == "request":
            raise httpx.ReadError("the request was lost")
        response = self.inner.handle_request(request)
        if fate == "answer":
            response.read()
            response.close()
            raise httpx.ReadError("the answer was lost")
        return response

    def close(self) -> None:
        self.inner.close()


def test_a_foreign_server_is_asked_without_casts_or_not_at_all(foreign: str) -> None:
    engine = HTTPEngine(foreign)
    for key, at in (("a", "2020-01-02T00:00:00Z"), ("b", "2020-01-01T00:00:00Z")):
        engine.execute(Put(collection="things", key=key, value={"at": at, "price": "9"}))
    by_date = Search(query="@date.value.at:[2020-01-01 TO 2020-01-03]", sort=[SortField("@date.value.at")])
    assert [one.key for one in engine.execute(by_date).results] == ["b", "a"]

    async def ask() -> Any:
        found = await engine.aexecute(by_date)
        await engine.aclose()
        return found

    assert [one.key for one in asyncio.run(ask()).results] == ["b", "a"]
    engine = HTTPEngine(foreign)
    for refused in (
        Search(query="@decimal.value.price:[10 TO *]"),
        Search(query="*", sort=[SortField("@decimal.value.price")]),
        Search(query="*", aggregates=[Stats("@decimal.value.price")]),
        Search(query="a AND NOT (b OR @time.value.at:[10\\:00 TO *]^2)"),
    ):
        with pytest.raises(Unsupported, match="letter by letter"):
            engine.execute(refused)
    engine.close()


@pytest.mark.parametrize("fate", ["request", "answer"])
def test_a_lost_write_is_reported_truly(url: str, fate: str) -> None:
    engine = HTTPEngine(url, transport=Lossy(lambda count: fate if count == 1 else ""), retries=AT_ONCE)
    written = engine.execute(Put(**K, value=1, condition=IfAbsent()))
    assert engine.execute(Get(**K)).ref == written.ref
    with pytest.raises(Conflict):
        engine.execute(Put(**K, value=1, condition=IfAbsent()))
    engine.close()


def forgetful(app: Any) -> Any:
    """A server that knows nothing of our extensions."""

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        async def answer(message: Any) -> None:
            headers = [pair for pair in message.get("headers", ()) if not pair[0].startswith(b"x-orcodm")]
            await send(message | {"headers": headers} if "headers" in message else message)

        headers = [pair for pair in scope["headers"] if not pair[0].startswith(b"x-orcodm")]
        await app(scope | {"headers": headers}, receive, lambda message: answer(_lower(message)))

    return plain


def _lower(message: Any) -> Any:
    if "headers" not in message:
        return message
    return message | {"headers": [(name.lower(), value) for name, value in message["headers"]]}


@pytest.fixture
def foreign() -> Iterator[str]:
    stored = connect("memory:")
    with serving_app(forgetful(create_app(stored))) as url:
        yield url
    stored.close()


def test_a_foreign_server_gets_the_plain_protocol(foreign: str) -> None:
    engine = HTTPEngine(foreign)
    assert not engine.capabilities.keyset
    assert engine.capabilities.max_limit == 100
    with pytest.raises(Unsupported):
        engine.execute(Search(query="*", cursor=START))
    batch = Batch([Put(**K, value=1), Put(**K, value=2, condition=IfAbsent()), Put(**K, value=float("nan"))])
    outcomes = engine.execute(batch).outcomes
    assert [type(outcome).__name__ for outcome in outcomes] == ["Written", "AlreadyExists", "InvalidValue"]
    engine.close()


@pytest.mark.parametrize("fate", ["request", "answer"])
def test_a_lost_write_to_a_foreign_server_is_looked_up(foreign: str, fate: str) -> None:
    engine = HTTPEngine(foreign, transport=Lossy(lambda count: fate if count == 1 else ""), retries=AT_ONCE)
    ref = engine.execute(Put(**K, value={"a": 1}, condition=IfAbsent())).ref
    assert engine.execute(Get(**K)) == Item(**K, ref=ref, value={"a": 1})
    engine.close()


def test_a_batch_for_a_foreign_server_runs_at_once_within_a_bound(foreign: str) -> None:
    class Watched(httpx.AsyncHTTPTransport):
        now = most = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return await super().handle_async_request(request)
            finally:
                self.now -= 1

    async def write() -> tuple[int, Any]:
        transport = Watched()
        engine = HTTPEngine(foreign, async_transport=transport, concurrency=8)
        related = {"kind": "f", "to_collection": "c", "to_key": "7"}
        batch: list[Any] = [Put(collection="c", key=str(n), value=n) for n in range(40)]
        result = await engine.aexecute(Batch([*batch, PutRelation(collection="c", key="3", **related)]))
        await engine.aclose()
        return transport.most, result

    most, result = asyncio.run(write())
    assert 1 < most <= 8
    assert not result.failed
    assert all(isinstance(outcome, Written) for outcome in result.outcomes)


def increment(engine: HTTPEngine, key: str) -> None:
    """Add one, as often as somebody else was faster."""
    while True:
        item = engine.execute(Get(collection="c", key=key))
        put: Operation[Written] = Put(
            collection="c", key=key, value=item.value + 1, condition=IfMatch(item.ref)
        )
        try:
            engine.execute(put)
        except Conflict:
            continue
        return


def count_together(url: str, clients: int, counters: int, times: int) -> list[int]:
    """The sums of counters that several clients increment while every tenth answer is lost."""
    setup = HTTPEngine(url)
    for key in range(counters):
        setup.execute(Put(collection="c", key=str(key), value=0))

    def work(number: int) -> None:
        transport = Lossy(lambda count: "answer" if count % 10 == 0 else "")
        engine = HTTPEngine(url, transport=transport, retries=AT_ONCE)
        for turn in range(times // clients):
            increment(engine, str((turn * 7 + number) % counters))
        engine.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sums = [setup.execute(Get(collection="c", key=str(key))).value for key in range(counters)]
    setup.close()
    return sums


def test_counters_are_exact_while_answers_are_lost(url: str) -> None:
    assert sum(count_together(url, clients=4, counters=2, times=40)) == 40


@pytest.mark.slow
def test_counters_are_exact_at_length(url: str) -> None:
    assert sum(count_together(url, clients=8, counters=50, times=2000)) == 2000


def test_the_models_do_not_notice(url: str) -> None:
    class Thing(orcodm.Document, collection="things"):
        name: orcodm.Field[str]

    engine = orcodm.connect(url)
    with orcodm.Session(engine) as session:
        session.add(Thing(key="a", name="A"))
        session.add(Thing(key="b", name="B"))
    with orcodm.Session(engine) as session:
        assert session.get(Thing, "a").name == "A"
    engine.close()


# -- long queries ----------------------------------------------------------------------------------

LONG = " OR ".join(f"n:{number} OR t:{'y' * 230}{number}" for number in range(1000, 1250))


def test_a_query_of_any_length_reaches_our_server() -> None:
    engine = connect("memory:")
    for number in range(1000, 1010):
        engine.execute(Put(collection="c", key=f"k{number}", value={"n": number, "t": "x"}))
    with serving(engine) as url:
        client = HTTPEngine(url)
        for search in (
            Search(collection="c", query=LONG, limit=4, sort=[SortField("value.n")]),
            Search(query=LONG, limit=4, cursor="*"),
        ):
            keys: list[str] = []
            asked: Any = search
            while asked is not None:
                page = client.execute(asked)
                keys += [item.key for item in page.results]
                asked = page.next
            assert keys == [f"k{number}" for number in range(1000, 1010)]

        async def ask() -> Any:
            fresh = HTTPEngine(url)
            page = await fresh.aexecute(Search(collection="c", query=LONG, limit=3))
            await fresh.aclose()
            return page

        assert len(asyncio.run(ask()).results) == 3
        client.close()
    engine.close()


@pytest.mark.parametrize("length", [10_000, 100_000])
@respx.mock
def test_a_foreign_server_is_not_asked_what_no_url_holds(engine: HTTPEngine, length: int) -> None:
    ping = respx.head("https://api.test/v0").mock(return_value=httpx.Response(200))
    search = Search(collection="c", query="x" * length)
    with pytest.raises(Unsupported, match="characters in a URL"):
        engine.execute(search)
    with pytest.raises(Unsupported, match="ask for less"):
        asyncio.run(engine.aexecute(search))
    with pytest.raises(Unsupported, match="ask for less"):
        engine.execute(Get(**K, with_fields=["f" * length] * 10))
    assert len(respx.calls) == ping.call_count
