"""The server as ASGI: what it adds to the codec and the engine."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import InternalError, StorageError
from orcodm.operations import Get, Item, Put, Written
from orcodm.server.app import create_app
from orcodm.server.keys import Keys
from orcodm.server.requests import Limits

from ..engines.scripted import Scripted

UUID1 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


def asked(app: Any, *requests: tuple[Any, ...], **options: Any) -> list[httpx.Response]:
    """The answers to requests, each (method, path[, options]), one after the other."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", **options) as client:
            return [
                await client.request(method, path, **(more[0] if more else {}))
                for method, path, *more in requests
            ]

    return asyncio.run(ask())


def one(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    return asked(app, (method, path, options))[0]


def body(value: Any) -> dict[str, Any]:
    return {"content": json.dumps(value)}


def test_a_value_comes_back_with_the_headers_of_the_service(engine: Engine) -> None:
    app = create_app(engine)
    put, got = asked(app, ("PUT", "/v0/c/a%2Fb", body({"a": 1})), ("GET", "/v0/c/a%2Fb"))
    ref = put.headers["etag"].strip('"')
    assert (put.status_code, put.content) == (201, b"")
    assert put.headers["location"] == f"/v0/c/a%2Fb/refs/{ref}"
    assert put.headers["content-type"] == got.headers["content-type"] == "application/json"
    assert (got.status_code, got.content) == (200, b'{"a":1}')
    assert got.headers["content-location"] == f"/v0/c/a%2Fb/refs/{ref}"
    assert got.headers["vary"] == "Accept-Encoding"
    assert got.headers["connection"] == "keep-alive"
    assert "location" not in got.headers
    assert UUID1.fullmatch(got.headers["x-orchestrate-req-id"])
    assert put.headers["x-orchestrate-req-id"] != got.headers["x-orchestrate-req-id"]


def test_head_is_get_without_its_body(engine: Engine) -> None:
    app = create_app(engine)
    asked(app, ("PUT", "/v0/c/k", body(1)))
    for path in ("/v0/c/k", "/v0/c", "/v0/c/k/refs", "/v0/c?query=*"):
        head, got = asked(app, ("HEAD", path), ("GET", path))
        assert (head.status_code, head.content) == (got.status_code, b"")
        for answer in (head, got):
            del answer.headers["x-orchestrate-req-id"]
        assert head.headers == got.headers
    missing = one(app, "HEAD", "/v0/c/nobody")
    assert (missing.status_code, missing.content) == (404, b"")


def test_ping_announces_what_the_engine_can_do(engine: Engine) -> None:
    pong = one(create_app(engine), "HEAD", "/v0")
    assert pong.status_code == 200
    assert "atomic_batch" in pong.headers["x-orcodm-capabilities"]


def test_keys_come_before_everything(engine: Engine) -> None:
    app = create_app(engine, ["sesame"])
    for method, path in (("GET", "/v0/c/k"), ("PUT", "/v0/c"), ("FOO", "/nowhere"), ("HEAD", "/v0")):
        answer = one(app, method, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="orchestrate.io"'
        assert "x-orchestrate-req-id" in answer.headers
        assert bool(answer.content) is (method != "HEAD")
    assert one(app, "GET", "/v0/c/k", auth=("wrong", "")).json() == {
        "message": "Valid credentials are required.",
        "code": "security_unauthorized",
    }
    assert one(app, "HEAD", "/v0", auth=("sesame", "ignored")).status_code == 200
    assert one(app, "HEAD", "/v0", headers={"Authorization": "Basic c2VzYW1l"}).status_code == 200


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer sesame", "Basic w6k=", "basic \xff"])
def test_credentials_that_are_none(engine: Engine, header: str) -> None:
    answer = one(
        create_app(engine, ["sesame"]), "GET", "/v0", headers={"Authorization": header.encode("latin-1")}
    )
    assert answer.status_code == 401


def test_health_and_description_need_no_key(engine: Engine) -> None:
    app = create_app(engine, ["sesame"])
    health, ready, described = asked(app, ("GET", "/health"), ("GET", "/ready"), ("GET", "/openapi.json"))
    assert health.json() == ready.json() == {"status": "ok"}
    paths = described.json()["paths"]
    assert set(paths["/v0/{collection}/{key}"]) == {"get", "put", "patch", "delete"}
    assert {each["name"] for each in paths["/v0/{collection}"]["get"]["parameters"]} >= {"query", "startKey"}


def test_a_server_whose_engine_fails_is_not_ready() -> None:
    assert one(create_app(Scripted(StorageError("gone"))), "GET", "/ready").status_code == 503


@pytest.mark.parametrize(
    "failure", [StorageError("/secret/path"), RuntimeError("secret"), InternalError("secret")]
)
def test_failures_tell_nothing_of_the_inside(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    answer = one(create_app(Scripted(failure)), "GET", "/v0/c/k")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["message"] == "Internal Error."
    if isinstance(failure, RuntimeError):
        assert b"secret" not in answer.content
        assert answer.headers["x-orchestrate-req-id"] in caplog.text


def test_each_request_has_its_line_in_the_log(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "orcodm.server")
    answer = one(create_app(engine, ["sesame"]), "GET", "/v0/c/k?x=1", auth=("sesame", ""))
    [line] = [record.getMessage() for record in caplog.records if record.name == "orcodm.server"]
    assert re.fullmatch(rf"GET /v0/c/k\?x=1 404 [\d.]+ ms {answer.headers['x-orchestrate-req-id']}", line)


LIMITS = Limits(body=1000, headers=500, target=300)
BOMB = gzip.compress(b"[" + b" " * 10**6 + b"]")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("PUT", "/v0/c/k", {"content": b"1" * 1001}, 413),
        ("PUT", "/v0/c/k", {"content": iter([b"1" * 600, b"1" * 600])}, 413),
        ("PUT", "/v0/c/k", {"content": BOMB, "headers": {"Content-Encoding": "gzip"}}, 413),
        ("PUT", "/v0/c/k", {"content": b"no", "headers": {"Content-Encoding": "gzip"}}, 400),
        ("PUT", "/v0/c/k", {"content": b"no", "headers": {"Content-Encoding": "br"}}, 415),
        ("PUT", "/v0/c/k", {"content": b"[" * 900}, 400),
        ("GET", "/v0/c/" + "k" * 300, {}, 414),
        ("GET", "/v0/c/k", {"headers": {"X": "x" * 500}}, 431),
        ("GET", "/v0/c?limit=101", {}, 400),
        ("GET", "/v0/c?query=%3A(", {}, 400),
        ("GET", "/v0/%ff/k", {}, 400),
        ("GET", "/v0/c/../../../../etc/passwd", {}, 404),
        ("OPTIONS", "/v0/c/k", {}, 405),
    ],
)
def test_limits(engine: Engine, method: str, path: str, options: dict[str, Any], status: int) -> None:
    if not isinstance(options.get("content", b""), bytes):
        parts = list(options["content"])

        async def stream() -> Any:
            for part in parts:
                yield part

        options = {"content": stream()}
    answer = one(create_app(engine, limits=LIMITS), method, path, **options)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]
    assert answer.json()["message"]


def test_bodies_are_packed_both_ways(engine: Engine) -> None:
    app = create_app(engine)
    value = {"text": "x" * 5000}
    packed = gzip.compress(json.dumps(value).encode())
    put, got, plain = asked(
        app,
        ("PUT", "/v0/c/k", {"content": packed, "headers": {"Content-Encoding": "gzip"}}),
        ("GET", "/v0/c/k"),
        ("GET", "/v0/c/k", {"headers": {"Accept-Encoding": "identity"}}),
    )
    assert put.status_code == 201
    assert (got.headers["content-encoding"], got.json()) == ("gzip", value)
    assert got.headers["etag"] == plain.headers["etag"]
    assert ("content-encoding" in plain.headers, plain.json()) == (False, value)


def test_a_lost_answer_is_given_again() -> None:
    written = Written(collection="c", key="k", ref="ab")
    engine = Scripted(written)
    first, second = asked(
        create_app(engine),
        *[("PUT", "/v0/c/k", body(1) | {"headers": {"X-Orcodm-Token": "t", "If-None-Match": "*"}})] * 2,
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.headers["etag"] == second.headers["etag"]
    assert "x-orcodm-replayed" not in first.headers
    assert second.headers["x-orcodm-replayed"] == "1"
    assert len(engine.asked) == 1


def test_a_second_attempt_waits_for_the_first() -> None:
    class Slow(Scripted):
        async def aexecute(self, operation: Any) -> Any:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return self.execute(operation)

    engine = Slow(Written(collection="c", key="k", ref="ab"))
    app = create_app(engine)

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await asyncio.gather(
                *(client.put("/v0/c/k", content="1", headers={"X-Orcodm-Token": "t"}) for _ in range(3))
            )

    assert {answer.status_code for answer in asyncio.run(ask())} == {201}
    assert len(engine.asked) == 1


def test_keys_of_two_applications_see_nothing_of_each_other(engine: Engine, tmp_path: Path) -> None:
    keys = Keys(path=tmp_path / "keys.json")
    shop, bank = ((keys.create(name)[0], "") for name in ("shop", "bank"))
    app = create_app(engine, keys)
    ask: Any = ("GET", "/v0/users?query=*", {"auth": bank})
    put, mine, theirs, everywhere = asked(
        app,
        ("PUT", "/v0/users/ada", body({"n": 1}) | {"auth": shop}),
        ("GET", "/v0?query=n:1", {"auth": shop}),
        ask,
        ("GET", "/v0?query=*", {"auth": bank}),
    )
    assert put.headers["location"].startswith("/v0/users/ada/refs/")
    assert [entry["path"]["collection"] for entry in mine.json()["results"]] == ["users"]
    assert theirs.json()["total_count"] == everywhere.json()["total_count"] == 0
    assert "shop" not in mine.text + put.headers["location"]


def test_an_internal_error_is_not_remembered() -> None:
    engine = Scripted(StorageError("x"), Written(collection="c", key="k", ref="ab"))
    request = ("PUT", "/v0/c/k", body(1) | {"headers": {"X-Orcodm-Token": "t"}})
    assert [answer.status_code for answer in asked(create_app(engine), request, request)] == [500, 201]


def test_an_import_with_an_error_stores_the_rest(engine: Engine) -> None:
    ends = {"collection": "c", "key": "k"}
    entries = [
        {"path": {"kind": "item", "collection": "c", "key": "k"}, "value": 1},
        {"source": ends, "destination": ends | {"key": "no"}, "relation": "f", "value": {}},
        {"path": {"kind": "event", "collection": "c", "key": "k", "type": "t"}, "value": 2},
        {
            "path": {"kind": "relationship", "source": ends, "destination": ends, "relation": "is"},
            "value": {},
        },
    ]
    app = create_app(engine)
    headers = {"Content-Type": "application/orchestrate-export+json"}
    answer = one(app, "POST", "/v0", content=json.dumps(entries), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["status"] == "partial"
    results = answer.json()["results"]
    assert [entry["status"] for entry in results] == ["success", "failure", "success", "success"]
    details = results[1]["error"]["details"]
    assert "c/no" in details["info"]
    assert {type(text) for text in details.values()} == {str}  # Java's client reads no other
    assert one(app, "GET", "/v0/c/k/events/t").json()["count"] == 1
    assert engine.execute(Get(collection="c", key="k")).value == 1


def test_an_early_client_puts_its_events(engine: Engine) -> None:
    answer = one(create_app(engine), "PUT", "/v0/c/k/events/t?timestamp=5", content="{}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


def test_the_operation_reaches_the_engine_and_the_loop_is_free() -> None:
    engine = Scripted(Item(collection="c", key="k", ref="ab", value=1))
    assert one(create_app(engine), "GET", "http://test//v0/c/k/").content == b"1"
    assert engine.asked == [Get(collection="c", key="k")]


def test_a_patch_of_a_missing_key_is_not_found_whatever_its_body(engine: Engine) -> None:
    for content in ("[]", '"text"', '[{"op":"huh"}]'):
        assert one(create_app(engine), "PATCH", "/v0/c/nobody", content=content).status_code == 404
    engine.execute(Put(collection="c", key="k", value={}))
    refused = one(create_app(engine), "PATCH", "/v0/c/k", content='[{"op":"huh","path":"x"}]')
    assert refused.status_code == 400
    assert "huh" in refused.json()["message"]
    conflict = one(
        create_app(engine), "PATCH", "/v0/c/k", content='[{"op":"replace","path":"/Huh","value":"x"}]'
    )
    assert conflict.status_code == 409
    assert conflict.json()["details"]["op"]["path"] == "/Huh"


@pytest.mark.parametrize("number", ["0.12345678901234567890123", "9007199254740993.0", "1e400"])
def test_a_number_that_would_be_rounded_is_refused(engine: Engine, number: str) -> None:
    app = create_app(engine)
    value, path = f'{{"n": {number}}}', {"collection": "c", "key": "a"}
    sent = {"content": value}
    line = f'{{"path": {json.dumps(path)}, "value": {value}}}'
    bulk = {"content": line, "headers": {"content-type": "application/orchestrate-export-stream+json"}}
    merge = {"content": value, "headers": {"content-type": "application/merge-patch+json"}}
    put, got, posted, event, patched, loaded = asked(
        app,
        ("PUT", "/v0/c/a", sent),
        ("GET", "/v0/c/a"),
        ("POST", "/v0/c", sent),
        ("POST", "/v0/c/a/events/e", sent),
        ("PATCH", "/v0/c/a", merge),
        ("POST", "/v0", bulk),
    )
    assert got.status_code == 404
    [outcome] = loaded.json()["results"]
    assert number[:30] in outcome["error"]["details"]["info"]
    for answer in (put, posted, event, patched):
        assert answer.status_code == 400
        assert "cannot be stored as it is" in answer.text
