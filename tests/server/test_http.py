"""What HTTP asks of a server beside the protocol: lists in headers, conditions, links, methods, origins."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.operations import PostEvent, Put, PutRelation
from orcodm.server.app import create_app
from orcodm.server.requests import MEMBERS, Limits
from orcodm.wire.routes import TABLE

from .test_app import asked, one


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    for key in "ab":
        engine.execute(Put(collection="c", key=key, value={"text": "x" * 5000}))
    yield engine
    engine.close()


def sent(app: Any, headers: list[tuple[bytes, bytes]], version: str = "1.1", method: str = "GET") -> Any:
    """The status, headers and body of an answer to exactly these headers."""
    messages: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            messages.append(message)

        scope = {
            "type": "http",
            "method": method,
            "http_version": version,
            "path": "/v0/c/a",
            "raw_path": b"/v0/c/a",
            "query_string": b"",
            "headers": headers,
        }
        await app(scope, receive, send)

    asyncio.run(ask())
    return messages[0]["status"], messages[0]["headers"], messages[1]["body"]


HOST = (b"host", b"test")


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*, gzip;q=0", False),
        ("gzip;q=huh", False),
        ("*;q=0", False),
        ("gzippy", False),
        ("identity", False),
        ("", False),
    ],
)
def test_an_answer_is_packed_for_those_who_accept_it(engine: Engine, accepted: str, packed: bool) -> None:
    answer = one(create_app(engine), "GET", "/v0/c/a", headers={"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) is packed
    assert answer.json() == {"text": "x" * 5000}


def test_lists_in_several_lines_are_one_list(engine: Engine) -> None:
    _, headers, _ = sent(
        create_app(engine), [HOST, (b"accept-encoding", b"br"), (b"accept-encoding", b"gzip;q=0")]
    )
    assert b"content-encoding" not in dict(headers)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HOST, HOST],
        [HOST, (b"host", b"other")],
        [(b"host", b"a b")],
        [(b"host", b"a/c")],
        [(b"host", b"key@a")],
        [(b"host", b"a:port")],
        [HOST, (b"authorization", b"Basic YTo="), (b"authorization", b"Basic Yjo=")],
        [HOST, (b"content-type", b"application/json"), (b"content-type", b"text/plain")],
    ],
)
def test_a_request_says_each_thing_once(engine: Engine, headers: list[tuple[bytes, bytes]]) -> None:
    status, answered, body = sent(create_app(engine), headers)
    assert status == 400
    assert json.loads(body)["code"] == "api_bad_request"
    assert b"x-orchestrate-req-id" in dict(answered)


@pytest.mark.parametrize(
    "host", [b"", b"a.example", b"a_b:8080", b"127.0.0.1:1", b"[::1]:8080", b"xn--bcher-kva"]
)
def test_a_host_is_a_name_or_an_address(engine: Engine, host: bytes) -> None:
    assert sent(create_app(engine), [(b"host", host)])[0] == 200


def test_the_same_type_twice_is_that_type(engine: Engine) -> None:
    kind = (b"content-type", b"application/json")
    assert sent(create_app(engine), [HOST, kind, kind])[0] == 200


@pytest.mark.parametrize(
    ("version", "asked_for", "answered"),
    [
        ("1.1", [], b"keep-alive"),
        ("1.1", [(b"connection", b"Close")], b"close"),
        ("1.1", [(b"connection", b"te, close")], b"close"),
        ("1.0", [], b"close"),
        ("1.0", [(b"connection", b"keep-alive")], b"close"),
        ("0.9", [], b"close"),
        ("1.1", [(b"connection", b"close"), HOST], b"close"),
    ],
)
def test_connection_is_said_once(engine: Engine, version: str, asked_for: Any, answered: bytes) -> None:
    headers = sent(create_app(engine), [HOST, *asked_for], version)[1]
    assert [value for name, value in headers if name == b"connection"] == [answered]


def test_a_reader_who_has_the_value_is_told_so(engine: Engine) -> None:
    event = engine.execute(PostEvent(collection="c", key="a", type="t", value=1, timestamp=5))
    engine.execute(PutRelation(collection="c", key="a", kind="k", to_collection="c", to_key="b"))
    app = create_app(engine)
    ref = one(app, "GET", "/v0/c/a").headers["etag"]
    for path in (
        "/v0/c/a",
        f"/v0/c/a/refs/{ref[1:-1]}",
        f"/v0/c/a/events/t/5/{event.ordinal}",
        "/v0/c/a/relation/k/c/b",
    ):
        got = one(app, "GET", path)
        tag = got.headers["etag"]
        for condition in (tag, f"W/{tag}", f'"abc", {tag}', tag[:-1] + '-gzip"', "*"):
            for method in ("GET", "HEAD"):
                known = one(app, method, path, headers={"If-None-Match": condition})
                assert (known.status_code, known.content) == (304, b""), (path, condition)
                assert known.headers["etag"] == tag
                assert "content-length" not in known.headers
        assert one(app, "GET", path, headers={"If-None-Match": '"abc"'}).content == got.content
    assert one(app, "GET", "/v0/c/none", headers={"If-None-Match": "*"}).status_code == 404


def test_a_version_never_changes(engine: Engine) -> None:
    app = create_app(engine)
    current = one(app, "GET", "/v0/c/a")
    version = one(app, "GET", current.headers["content-location"])
    assert "immutable" in version.headers["cache-control"]
    assert "cache-control" not in current.headers


@pytest.mark.parametrize("written", ['<">', "\u00e9", "a b", "\x7f"])
def test_a_link_holds_what_a_uri_may(engine: Engine, written: str) -> None:
    target = f"/v0/c?query=*&limit=1&x={written}&z".encode()
    scope_query = target.partition(b"?")[2]
    links: list[bytes] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            links.extend(value for name, value in message.get("headers", ()) if name == b"Link")

        await create_app(engine)(
            {
                "type": "http",
                "method": "GET",
                "http_version": "1.1",
                "path": "/v0/c",
                "raw_path": b"/v0/c",
                "query_string": scope_query,
                "headers": [HOST],
            },
            receive,
            send,
        )

    asyncio.run(ask())
    [link] = links
    address = link.removeprefix(b"<").removesuffix(b'>; rel="next"').decode("ascii")
    assert not set(address) & set('<>" \x7f')
    assert one(create_app(engine), "GET", address).json()["count"] == 1


def test_allow_names_the_methods_that_a_resource_has(engine: Engine) -> None:
    app = create_app(engine)
    samples = {"timestamp": "5", "ordinal": "6", "ref": "ab"}
    for route in TABLE:
        path = "/v0"
        for segment in route.segments:
            name = segment.strip("{*}")
            path += "/" + (samples.get(name, "x") if segment[0] == "{" else segment)
        refused = one(app, "BREW", path)
        assert refused.status_code == 405
        allowed = refused.headers["allow"].split(", ")
        assert route.method in allowed
        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
            answer = one(app, method, path, headers={"Content-Type": "text/plain"})
            if answer.status_code == 405:
                assert method not in answer.headers["allow"].split(", ")
            else:
                assert method in allowed, (method, path)


def test_pages_of_an_origin_that_is_named_may_ask(engine: Engine) -> None:
    app = create_app(engine, ["sesame"], cors=["https://app.example"])
    asking = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization, if-match",
    }
    preflight = one(app, "OPTIONS", "/v0/c/a", headers=asking)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "if-match" in preflight.headers["access-control-allow-headers"]
    got = one(app, "GET", "/v0/c/a", headers={"Origin": "https://app.example"}, auth=("sesame", ""))
    assert got.headers["access-control-allow-origin"] == "https://app.example"
    assert "ETag" in got.headers["access-control-expose-headers"]
    refused = one(app, "GET", "/v0/c/a", headers={"Origin": "https://app.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (
        401,
        "https://app.example",
    )
    other = one(app, "OPTIONS", "/v0/c/a", headers=asking | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    everybody = one(create_app(engine, cors=["*"]), "GET", "/v0/c/a", headers={"Origin": "https://x"})
    assert everybody.headers["access-control-allow-origin"] == "*"
    assert one(create_app(engine), "OPTIONS", "/v0/c/a", headers=asking).status_code == 405


def packed(*parts: bytes) -> dict[str, Any]:
    return {"content": b"".join(map(gzip.compress, parts)), "headers": {"Content-Encoding": "gzip"}}


def test_gzip_of_several_members(engine: Engine) -> None:
    app = create_app(engine, limits=Limits(body=100_000))
    assert one(app, "PUT", "/v0/c/k", **packed(b'{"a":', b"", b"1}")).status_code == 201
    padded = packed(b'{"b":1}')
    padded["content"] += bytes(100)
    assert one(app, "PUT", "/v0/c/l", **padded).status_code == 201
    assert [answer.json() for answer in asked(app, ("GET", "/v0/c/k"), ("GET", "/v0/c/l"))] == [
        {"a": 1},
        {"b": 1},
    ]
    for refused, status in (
        (packed(b"[" + b" " * 60_000, b" " * 60_000 + b"]"), 413),
        (packed(*[b"1"] * (MEMBERS + 1)), 413),
        ({"content": gzip.compress(b"[1]")[:-4], "headers": {"Content-Encoding": "gzip"}}, 400),
        ({"content": gzip.compress(b"[1]") + b"more", "headers": {"Content-Encoding": "gzip"}}, 400),
    ):
        answer = one(app, "PUT", "/v0/c/k", **refused)
        assert (answer.status_code, answer.json()["code"]) == (status, answer.json()["code"])


@pytest.mark.parametrize(
    ("agent", "status"),
    [
        ("gorc/1 (go1.3)", 204),
        ("gorc2/2 (go1.3) [deprecated]", 204),
        ("Go 1.1 package http", 204),
        ("Go-http-client/1.1", 204),
        ("OrchestrateJavaClient/0.11.0 (Java/1.7; Oracle)", 204),
        ("OrchestrateJavaClient/0.3.1 (Java/1.7; Oracle) app", 204),
        ("OrchestrateJavaClient/0.11.1 (Java/1.7; Oracle)", 201),
        ("OrchestrateJavaClient/0.12.3 (Java/1.8; Oracle)", 201),
        ("orchestrate-client v1.0.0", 204),
        ("orchestrate.js/0.8.2 (Bowery.io; node.js v18)", 201),
        ("python-requests/2.3.0", 201),
        ("", 201),
    ],
)
def test_put_of_a_relation_answers_what_the_client_knows(engine: Engine, agent: str, status: int) -> None:
    put: Any = ("PUT", "/v0/c/a/relation/k/c/b", {"headers": {"User-Agent": agent}})
    [answer] = asked(create_app(engine), put)
    assert answer.status_code == status
    assert answer.headers["etag"]
    for told in (201, 204):
        [answer] = asked(create_app(engine, relation_status=told), put)
        assert answer.status_code == told


def test_health_is_asked_in_http_too(engine: Engine) -> None:
    app = create_app(engine)
    assert one(app, "GET", "/health").status_code == 200
    refused = one(app, "POST", "/ready")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert refused.json()["code"]
    messages: list[Any] = []

    async def ask() -> None:
        async def send(message: Any) -> None:
            messages.append(message)

        scope = {"type": "http", "method": "GET", "http_version": "1.1", "path": "/health", "headers": []}
        await app(scope | {"query_string": b""}, None, send)

    asyncio.run(ask())
    assert messages[0]["status"] == 400
