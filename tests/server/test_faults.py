"""What a server has to survive: any bytes, its own sudden death, clients that come and go."""

from __future__ import annotations

import json
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcodm.engines.attempts import Retries
from orcodm.engines.connect import connect
from orcodm.engines.http import HTTPEngine
from orcodm.errors import OrcodmError, TransportError
from orcodm.operations import Batch, Get, IfAbsent, List, Put, Search
from orcodm.server.app import create_app
from orcodm.server.requests import Limits

from ..serving import serving, serving_app, serving_process, wait_for


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    engine = connect("memory:")
    with serving(engine, limits=Limits(body=10_000)) as url:
        yield url
    engine.close()


def sent(url: str, data: bytes) -> bytes:
    """The answer to bytes, after which the client says no more."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


methods = st.sampled_from([b"GET", b"PUT", b"POST", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"X", b""])
texts = st.sampled_from(
    [b"v0", b"c", b"k", b"refs", b"events", b"..", b"%2e%2e", b"%00", b"%ff", b"*", b"", b"\xff"]
) | st.binary(max_size=5)
lines = st.sampled_from(
    [
        b"Content-Type: application/json-patch+json",
        b"Content-Type: application/orchestrate-export+json",
        b"Content-Type: application/vnd.orcodm.batch+json",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
        b'If-Match: "ab"',
        b"If-Match: \xff",
        b"X-Orcodm-Token: t",
        b"Authorization: Basic \xff",
        b"Expect: 100-continue",
        b"X: a\r\n b",
    ]
) | st.binary(max_size=10)
contents = st.sampled_from(
    [b"", b"{}", b"[]", b'5\r\n{"a":\r\n0\r\n\r\n', b"[" * 999, b'[{"method":1}]']
) | st.binary(max_size=20)


def written(method: bytes, path: list[bytes], query: bytes, headers: list[bytes], body: bytes) -> bytes:
    fields = b"".join(line + b"\r\n" for line in (b"Host: h", *headers))
    return method + b" /" + b"/".join(path) + b"?" + query + b" HTTP/1.1\r\n" + fields + b"\r\n" + body


paths = st.lists(texts, max_size=7).map(lambda path: [b"v0", *path])
raw = st.builds(written, methods, paths, texts, st.lists(lines, max_size=3), contents)


@settings(max_examples=150, deadline=None)
@given(raw | st.binary(max_size=60))
def test_any_bytes_are_refused_or_answered(url: str, data: bytes) -> None:
    answer = sent(url, data)
    for line in answer.split(b"\r\n"):
        if line.startswith(b"HTTP/1.1 "):
            assert line[9:10] in b"1234", (data, answer)


def test_the_server_is_well_after_that(url: str) -> None:
    for n in range(300):
        sent(url, random.Random(n).randbytes(100))
    assert httpx.get(f"{url}/ready").status_code == 200


HOSTILE = [
    b"GET /v0/c/k HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    b"GET /v0/c/" + b"k" * 100_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: 10001\r\n\r\n" + b"1" * 10_001,
    b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n" + b"[" * 9000,
    b"GET /v0/c/../../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /v0/c/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /../../v0/c HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET http://elsewhere/v0/c/k HTTP/1.1\r\nHost: h\r\n\r\n",
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:40]))
def test_tricks(url: str, data: bytes) -> None:
    answer = sent(url, data)
    assert answer[9:10] == b"4", answer
    assert b"Set-Cookie" not in answer.partition(b"\r\n\r\n")[0]
    assert b"root:" not in answer


def test_names_cannot_inject_headers(url: str) -> None:
    key = "a\r\nSet-Cookie: b=c\r\n\r\n"
    engine = HTTPEngine(url)
    written = engine.execute(Put(collection="c", key=key, value=1))
    assert engine.execute(Get(collection="c", key=key)).ref == written.ref
    engine.close()


def test_a_client_that_goes_away_leaves_nothing_behind(url: str) -> None:
    parts = urlsplit(url)
    for _ in range(20):
        connection = socket.create_connection((parts.hostname, parts.port))
        connection.sendall(b"PUT /v0/gone/k HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n[1,")
        connection.close()
    assert httpx.get(f"{url}/v0/gone").json()["count"] == 0


def test_a_slow_body_is_given_up() -> None:
    engine = connect("memory:")
    with serving_app(create_app(engine, limits=Limits(seconds=0.05))) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n[1,")
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")
    engine.close()


# -- lost ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_counters_are_exact_behind_a_proxy_that_loses_answers(tmp_path: Path) -> None:
    # A write that took effect and was told to be a conflict would be repeated, and the sums too large.
    clients, counters, times = 8, 50, 2000
    with serving_process(f"sqlite:///{tmp_path}/a.db", "--log-level", "warning") as (url, _):
        setup = HTTPEngine(url)
        for key in range(counters):
            setup.execute(Put(collection="c", key=str(key), value=0))
        run = [sys.executable, "-m", "tests.losing"]
        port = str(urlsplit(url).port)
        with subprocess.Popen([*run, "proxy", "127.0.0.1", port], stdout=subprocess.PIPE) as proxy:
            assert proxy.stdout is not None
            through = f"http://127.0.0.1:{int(proxy.stdout.readline())}"
            counting = [
                subprocess.Popen([*run, "count", through, f"{n}", f"{times // clients}", f"{counters}"])
                for n in range(clients)
            ]
            try:
                assert [process.wait(120) for process in counting] == [0] * clients
            finally:
                for process in (proxy, *counting):
                    process.kill()
        expected = [0] * counters
        for number in range(clients):
            for turn in range(times // clients):
                expected[(turn * 7 + number) % counters] += 1
        found = [setup.execute(Get(collection="c", key=str(key))).value for key in range(counters)]
        documents = setup.execute(Search(collection="c", query="*", limit=0)).total
        setup.close()
    assert found == expected
    assert (sum(found), documents) == (times, counters)


# -- killed ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_commit_is_whole_or_absent_when_the_server_is_killed(tmp_path: Path, seed: int) -> None:
    file = f"sqlite:///{tmp_path}/a.db"
    acknowledged: list[int] = []
    unknown: list[OrcodmError] = []
    with serving_process(file) as (url, process):
        engine = HTTPEngine(url, retries=Retries(attempts=1))

        def commit() -> None:
            for number in range(10_000):
                puts = [
                    Put(
                        collection="c",
                        key=f"{number:05}-{n:03}",
                        value={"commit": number},
                        condition=IfAbsent(),
                    )
                    for n in range(100)
                ]
                try:
                    outcome = engine.execute(Batch(puts))
                except OrcodmError as error:
                    unknown.append(error)
                    return
                assert not outcome.failed
                acknowledged.append(number)

        writer = threading.Thread(target=commit)
        writer.start()
        time.sleep(0.5 + random.Random(seed).random())
        process.send_signal(signal.SIGKILL)
        writer.join()
        engine.close()
    assert isinstance(unknown[0], TransportError)
    stored = connect(file)
    found: dict[int, int] = {}
    page: Any = List(collection="c", limit=1000)
    while page is not None:
        listed = stored.execute(page)
        for item in listed.results:
            found[item.value["commit"]] = found.get(item.value["commit"], 0) + 1
        page = listed.next
    assert set(found.values()) <= {100}
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + 1
    assert stored.execute(Search(collection="c", query="*", limit=0)).total == sum(found.values())
    stored.close()


def half_and_whole(key: str) -> tuple[bytes, bytes]:
    """A PUT of `[1]` that is only created, cut in the middle of its body."""
    head = f'PUT /v0/c/{key} HTTP/1.1\r\nHost: h\r\nIf-None-Match: "*"\r\nContent-Length: 3\r\n\r\n'
    return head.encode() + b"[1", b"]"


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_a_body_has_stored_nothing_of_it(tmp_path: Path) -> None:
    file = f"sqlite:///{tmp_path}/a.db"
    with serving_process(file) as (url, process):
        assert httpx.put(f"{url}/v0/c/before", json=[0]).status_code == 201
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            connection.sendall(half_and_whole("half")[0])
            httpx.get(f"{url}/ready")  # what came before it has arrived
            process.kill()
            process.wait()
    with serving_process(file) as (url, _):
        assert [item["path"]["key"] for item in httpx.get(f"{url}/v0/c").json()["results"]] == ["before"]
        again = httpx.put(f"{url}/v0/c/half", json=[1], headers={"If-None-Match": '"*"'})
        assert again.status_code == 201


@pytest.mark.slow
def test_a_write_whose_server_was_killed_before_it_answered_is_whole_or_absent(tmp_path: Path) -> None:
    file = f"sqlite:///{tmp_path}/a.db"
    answered = set()
    for number in range(12):
        first, rest = half_and_whole(f"{number:02}")
        with serving_process(file) as (url, process):
            parts = urlsplit(url)
            with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
                connection.sendall(first)
                httpx.get(f"{url}/ready")
                connection.sendall(rest)
                time.sleep(number * 0.0003)  # from at once to some time after the commit
                process.kill()
                try:
                    if connection.recv(65536).startswith(b"HTTP/1.1 201"):
                        answered.add(f"{number:02}")
                except ConnectionError:
                    pass
    engine = connect(file)
    stored = {item.key: item.value for item in engine.execute(List(collection="c", limit=100)).results}
    assert set(stored) >= answered
    assert all(value == [1] for value in stored.values())
    assert engine.execute(Search(collection="c", query="*", limit=0)).total == len(stored)
    engine.close()


@pytest.mark.slow
def test_ten_thousand_open_connections(tmp_path: Path) -> None:
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 500:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    connections: list[socket.socket] = []
    try:
        with serving_process(f"sqlite:///{tmp_path}/a.db", "--log-level", "warning") as (url, _):
            assert httpx.put(f"{url}/v0/c/k", json=[0]).status_code == 201
            parts = urlsplit(url)
            address = (parts.hostname, parts.port)
            connections.extend(socket.create_connection(address, timeout=20) for _ in range(count))
            for _ in range(2):
                for connection in connections:
                    connection.sendall(b"GET /v0/c/k HTTP/1.1\r\nHost: h\r\n\r\n")
                for connection in connections:
                    answer = b""
                    while not answer.endswith(b"\r\n\r\n[0]"):
                        answer += connection.recv(65536)
                    assert answer.startswith(b"HTTP/1.1 200")
            assert httpx.get(f"{url}/v0/c/k").json() == [0]
            for connection in connections:
                connection.close()
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_a_graceful_stop_finishes_what_it_accepted(tmp_path: Path) -> None:
    with serving_process(f"sqlite:///{tmp_path}/a.db") as (url, process):
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            connection.sendall(b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n[1")
            httpx.get(f"{url}/ready")  # what came before it has arrived
            process.terminate()
            wait_for(lambda: not accepts(url))
            connection.sendall(b"]")
            assert connection.recv(65536).startswith(b"HTTP/1.1 201")
        assert process.wait(30) in (0, -signal.SIGTERM)
    engine = connect(f"sqlite:///{tmp_path}/a.db")
    assert engine.execute(Get(collection="c", key="k")).value == [1]
    engine.close()


def accepts(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_memory_stays_where_it_is(tmp_path: Path) -> None:
    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

    with serving_process(f"sqlite:///{tmp_path}/a.db", "--log-level", "warning") as (url, process):
        parts = urlsplit(url)
        body = json.dumps({"a": "x" * 100}).encode()
        put = b"PUT /v0/c/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        get = b"GET /v0/c/k HTTP/1.1\r\nHost: h\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port)) as connection:

            def ask(data: bytes, times: int) -> None:
                for _ in range(times // 50):
                    connection.sendall(data * 50)
                    answers = b""
                    while answers.count(b"HTTP/1.1 ") < 50 or not answers.endswith((b"}", b"\r\n\r\n")):
                        answers += connection.recv(1 << 20)

            ask(put, 50)
            ask(get, 20_000)
            before = resident(process.pid)
            ask(get, 60_000)
            after = resident(process.pid)
    assert after < before * 1.05
