"""Bytes on a socket as clients may send them: slowly, endlessly, in parts, at once; over both parsers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orcodm.engines.connect import connect
from orcodm.operations import Put
from orcodm.server.app import create_app
from orcodm.server.connection import MAX_HEAD, Patient
from orcodm.server.requests import Limits
from orcodm.worker import listen, options

from ..serving import wait_for

SECONDS = 0.3


class OverH11(Patient, H11Protocol):
    pass


class OverHttptools(Patient, HttpToolsProtocol):
    pass


@pytest.fixture(scope="module", params=[OverH11, OverHttptools])
def port(request: Any) -> Iterator[int]:
    """A server with little patience."""
    engine = connect("memory:")
    engine.execute(Put(collection="c", key="k", value="x" * 100))
    limits = Limits(seconds=SECONDS, body=1000)
    settings = options(limits) | {"http": partial(request.param, seconds=SECONDS)}
    server = uvicorn.Server(uvicorn.Config(create_app(engine, limits=limits), lifespan="off", **settings))
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    wait_for(lambda: server.started)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    engine.close()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def answer_to(connection: socket.socket, request: bytes, end: bytes) -> bytes:
    connection.sendall(request)
    answer = b""
    while not answer.endswith(end):
        chunk = connection.recv(65536)
        assert chunk, answer
        answer += chunk
    return answer


GET = b"GET /v0/c/k HTTP/1.1\r\nHost: h\r\n\r\n"
VALUE = b'"' + b"x" * 100 + b'"'


@pytest.mark.parametrize("start", [b"", GET[:10], GET[:-2]])
def test_a_head_that_does_not_end_is_given_up(port: int, start: bytes) -> None:
    with connected(port) as connection:
        began = time.monotonic()
        connection.sendall(start)
        answer = rest(connection)
        assert SECONDS * 0.9 < time.monotonic() - began < SECONDS * 10
    assert answer.startswith(b"HTTP/1.1 408 ") if start else answer == b""


def test_a_byte_now_and_then_does_not_help(port: int) -> None:
    with connected(port) as connection:
        # Also after a request that was whole.
        assert answer_to(connection, GET, VALUE).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        ended = threading.Event()

        def trickle() -> None:
            for byte in b"GET /" + b"x" * 200:
                if ended.wait(SECONDS / 10):
                    return
                try:
                    connection.send(bytes([byte]))
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        assert rest(connection).startswith(b"HTTP/1.1 408 ")
        ended.set()
        thread.join()
        assert time.monotonic() - began < SECONDS * 10


def test_a_head_without_end_is_not_collected(port: int) -> None:
    with connected(port) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(GET[:-2] + b"X: " + b"x" * (MAX_HEAD * 2))
        assert rest(connection)[:10] in (b"HTTP/1.1 4", b"")


def test_requests_in_parts_and_together_are_answered(port: int) -> None:
    with connected(port) as connection:
        for part in (GET[:7], GET[7:20]):
            connection.sendall(part)
        assert answer_to(connection, GET[20:], VALUE).count(b"HTTP/1.1 200 ") == 1
        both = answer_to(connection, GET + GET[:5], VALUE)
        both += answer_to(connection, GET[5:] + GET.replace(b"/k", b"/no"), b"}")
        assert (both.count(b"HTTP/1.1 200 "), both.count(b"HTTP/1.1 404 ")) == (2, 1)


def test_a_body_that_is_refused_does_not_end_the_connection_of_httptools(port: int, request: Any) -> None:
    put = b"PUT /v0/c/big HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n"
    with connected(port) as connection:
        assert answer_to(connection, put, b"}").startswith(b"HTTP/1.1 413 ")
        if "OverHttptools" in request.node.name:
            connection.sendall(b"1" * 200_000)
            assert answer_to(connection, GET, VALUE).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "path", [b"/v0", b"/v0/c", b"/v0/c/k", b"/v0/c/no", b"/v0/c/k/refs", b"/v0/c?query=*"]
)
def test_head_announces_no_chunks_and_has_no_body(port: int, path: bytes) -> None:
    with connected(port) as connection:
        head = answer_to(connection, b"HEAD %b HTTP/1.1\r\nHost: h\r\n\r\n" % path, b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        got = answer_to(connection, GET, VALUE)
        assert got.startswith(b"HTTP/1.1 200 ")  # and not the body of the answer before
        assert b"transfer-encoding" not in got.lower()


def test_no_content_has_no_length_either(port: int) -> None:
    with connected(port) as connection:
        gone = answer_to(connection, b"DELETE /v0/c/gone HTTP/1.1\r\nHost: h\r\n\r\n", b"\r\n\r\n").lower()
    assert gone.startswith(b"http/1.1 204 ")
    assert b"content-length" not in gone
    assert b"transfer-encoding" not in gone


@pytest.mark.parametrize(
    "request_", [b"huh\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\r\n\r\n"]
)
def test_what_is_no_http_is_answered_as_any_error(port: int, request_: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(request_)
        head, _, body = rest(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert b"\r\nX-ORCHESTRATE-REQ-ID: " in head
    assert json.loads(body)["code"] == "api_bad_request"


@pytest.mark.parametrize("asked", [b"", b"Connection: keep-alive\r\n"])
def test_http_1_0_is_told_once_that_the_connection_ends(port: int, asked: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /v0/c/k HTTP/1.0\r\nHost: test\r\n" + asked + b"\r\n")
        head = rest(connection).partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"connection:") == 1
    assert b"connection: close" in head


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n", b"Host: a b\r\n"])
def test_a_request_without_one_host_is_told_once_that_the_connection_ends(port: int, hosts: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /v0/c/k HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
        head = rest(connection).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 400 ")
    assert head.count(b"connection:") == 1
    assert b"connection: close" in head
