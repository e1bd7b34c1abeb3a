"""The commands, as a user runs them."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from orcodm import cli, transfer
from orcodm.engines.connect import connect
from orcodm.engines.http import HTTPEngine
from orcodm.errors import TransportError, Unauthorized
from orcodm.operations import Delete, Get, IfAbsent, Ping, Put

from .serving import is_ready, serving_process, wait_for


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db"
    engine = connect(url)
    engine.execute(Put(collection="users", key="ada", value={"name": "Ada", "age": 36}))
    engine.execute(Put(collection="users", key="bob", value={"name": "Bob", "age": 30}))
    engine.close()
    return url


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Any:
    """Run the command line; gives the exit code and both outputs."""

    def command(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["orcodm", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return stopped.value.code or 0, out.decode(), err.decode()  # type: ignore[return-value]

    return command


def test_get_and_search_print_json_in_a_pipe(run: Any, url: str) -> None:
    assert run("get", url, "users", "ada")[:2] == (0, '{"name":"Ada","age":36}\n')
    code, out, _ = run("search", url, "users", "age:[1 TO *]", "--sort", "value.age:asc")
    assert code == 0
    assert [json.loads(line)["path"]["key"] for line in out.splitlines()] == ["bob", "ada"]
    assert len(run("search", url, "*", "*", "--limit", "1")[1].splitlines()) == 1


def test_the_version_is_that_of_the_package(run: Any) -> None:
    assert run("--version") == (0, f"orcodm {version('orcodm')}\n", "")


def test_a_plain_install_names_the_extra_of_the_command_line() -> None:
    without = "import sys; sys.modules['typer'] = None; from orcodm.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", without, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "pip install 'orcodm[cli]'" in done.stderr
    module = subprocess.run([sys.executable, "-m", "orcodm", "--version"], capture_output=True, text=True)
    assert (module.returncode, module.stdout) == (0, f"orcodm {version('orcodm')}\n")


def test_put_get_list_delete_go_through_pipes(run: Any, url: str) -> None:
    code, out, err = run("put", url, "users", "carl", '{"name": "Carl", "age": 41}')
    written = json.loads(out)
    assert (code, err, written["collection"], written["key"]) == (0, "", "users", "carl")
    changed = run("get", url, "users", "carl")[1].replace("41", "42")
    code, out, _ = run("put", url, "users", "carl", "--if-match", written["ref"], stdin=changed.encode())
    assert code == 0
    assert run("put", url, "users", "carl", "1", "--if-match", written["ref"])[0] == 1
    assert run("put", url, "users", "carl", "1", "--new")[0] == 1
    assert run("delete", url, "users", "carl", "--if-match", written["ref"])[0] == 1
    assert run("get", url, "users", "carl")[1] == '{"name":"Carl","age":42}\n'
    assert run("get", url, "users", "carl", "--ref", written["ref"])[1] == '{"name":"Carl","age":41}\n'
    assert run("delete", url, "users", "carl", "--if-match", json.loads(out)["ref"]) == (0, "", "")
    assert run("get", url, "users", "carl")[0] == 1
    assert run("delete", url, "users", "carl", "--purge") == (0, "", "")
    assert run("get", url, "users", "carl", "--ref", written["ref"])[0] == 1


def test_list_is_all_keys_in_order_or_those_within_bounds(run: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    lines = b"".join(b'{"n":%d}\n' % number for number in range(250))
    assert run("insert", url, "c", "--key", "n", stdin=lines)[0] == 0

    def keys(*more: str) -> list[str]:
        return [json.loads(line)["path"]["key"] for line in run("list", url, "c", *more)[1].splitlines()]

    every = sorted(map(str, range(250)))
    assert keys() == every
    assert keys("--limit", "120") == every[:120]
    assert keys("--start", "10", "--before", "102") == ["10", "100", "101"]
    assert keys("--after", "10", "--end", "102", "--limit", "2") == ["100", "101"]
    code, shown = process("list", url, "c", terminal=True)
    assert (code, shown.count("collection"), '{"n":249}' in shown) == (0, 1, True)


def test_insert_stores_each_line_once(run: Any, tmp_path: Path) -> None:
    url, rejected = f"sqlite:///{tmp_path}/a.db", tmp_path / "bad.jsonl"
    good = b'{"id":"ada","n":1}\n\n{"id":7,"n":2}\n'
    assert run("insert", url, "c", "--key", "id", stdin=gzip.compress(good))[2] == (
        "2 written, 0 there already, 0 failed\n"
    )
    bad = b'{"n":1}\n[1]\nhuh\n{"id":true}\n{"id":"ada","n":9}\n{"id":"x","n":1e999}\n'
    code, out, err = run("insert", url, "c", "--key", "id", "--reject", str(rejected), stdin=good + bad)
    told = err.splitlines()
    assert (code, out, told[-1]) == (1, "", "0 written, 2 there already, 6 failed")
    for line, reason in (
        (4, "line 4 has no member 'id'"),
        (5, "line 5 is no JSON object: '[1]'; take objects out of an array first (jq -c '.[]')"),
        (6, "line 6 is no JSON: 'huh'"),
        (7, "line 7 has a key that is no text and no integer: id is True"),
        (8, "line 8: The item is already present. (c/ada"),
        (9, "line 9: "),
    ):
        assert any(reason in one for one in told), (line, told)
    assert sorted(rejected.read_bytes().splitlines()) == sorted(bad.splitlines())
    assert run("get", url, "c", "ada")[1] == '{"id":"ada","n":1}\n'
    assert run("insert", url, "c", "--key", "id", "--upsert", stdin=b'{"id":"ada","n":9}')[0] == 0
    assert run("get", url, "c", "ada")[1] == '{"id":"ada","n":9}\n'
    assert run("insert", url, "d", stdin=good)[0] == 0
    assert len(run("list", url, "d")[1].splitlines()) == 2


def test_insert_over_http_and_in_few_requests(run: Any, tmp_path: Path) -> None:
    with serving_process(f"sqlite:///{tmp_path}/a.db") as (served, _):
        lines = b"".join(b'{"id":%d}\n' % (number % 600) for number in range(1200))
        assert run("insert", served, "c", "--key", "id", stdin=lines)[2] == (
            "600 written, 600 there already, 0 failed\n"
        )
        assert len(run("list", served, "c")[1].splitlines()) == 600


def process(*arguments: str, terminal: bool = False) -> tuple[int, str]:
    """The command in a process of its own, on a terminal of 100 columns or a pipe: exit code and output."""
    command = [sys.executable, "-c", "import orcodm.cli; orcodm.cli.main()", *arguments]
    if not terminal:
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as running:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the end of a terminal whose last writer is gone
            while part := os.read(ours, 10_000):
                shown += part
        os.close(ours)
        assert running.stderr is not None
        shown += running.stderr.read()
    return running.returncode, shown.decode().replace("\r\n", "\n")


MARKED = "[red]x[/]"
"""What rich would take for marks of its own."""


@pytest.fixture
def counted(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db"
    engine = connect(url)
    for number in range(6):
        value = {
            "age": 10 * number,
            "tags": ["even" if number % 2 == 0 else MARKED],
            "joined": ["2019-12-30", "2020-01-01T23:30:00Z", "2020-03-01"][number % 3],
            "home": {"lat": number, "lon": 0},
        }
        engine.execute(Put(collection="users", key=f"u{number}", value=value))
    engine.close()
    return url


AGGREGATES = (
    *("-a", "value.age:stats,value.tags:top_values"),
    *("-a", "value.joined:time_series:month"),
    *("-a", "value.joined:time_series:day:+0100"),
    *("-a", "value.age:range:*~18:18~40:40~*"),
    *("--aggregate", "home:distance:0~250:250~*"),
)
NEAR = "home:NEAR:{lat:0 lon:0 dist:9999km}"


def test_aggregates_are_tables_and_histograms_on_a_terminal(counted: str) -> None:
    code, shown = process("search", counted, "users", NEAR, *AGGREGATES, terminal=True)
    lines = [line.strip() for line in shown.splitlines()]
    assert code == 0
    after = lines.index("value.age  (6 values)")
    assert lines[after + 1].split() == ["min", "max", "mean", "sum", "std", "dev"]
    assert lines[after + 2].split() == ["0", "50", "25", "150", "17.0783"]
    after = lines.index("value.tags  (6 values)")
    assert [line.split()[:2] for line in lines[after + 2 : after + 4]] == [[MARKED, "3"], ["even", "3"]]
    assert lines[after + 2].count("█") == 40
    after = lines.index("value.joined  (6 values)")
    assert lines[after + 1].split() == ["month", "count"]
    rows = [(line.split()[:2], line.count("█")) for line in lines[after + 2 : after + 6]]
    assert rows == [
        (["2019-12", "2"], 40),
        (["2020-01", "2"], 40),
        (["2020-02", "0"], 0),
        (["2020-03", "2"], 40),
    ]
    assert "day (+0100)" in shown
    assert ["2020-01-02", "2"] in [line.split()[:2] for line in lines]
    assert [line.split("  ")[0] for line in lines if line.startswith(("below", "18 to", "from"))] == [
        "below 18",
        "18 to 40",
        "from 40",
        "from 250",
    ]
    assert "0 of 6 results" in shown
    assert "u0" not in shown


def test_results_come_beside_aggregates_where_they_are_asked_for(counted: str) -> None:
    code, shown = process(
        "search", counted, "users", "*", "-a", "value.age:stats", "--limit=2", terminal=True
    )
    assert code == 0
    assert "2 of 6 results" in shown
    assert MARKED in shown
    assert "u1" in shown
    assert "u2" not in shown


def test_aggregates_are_json_for_programs(counted: str) -> None:
    for terminal in (False, True):
        more = ("--json",) if terminal else ()
        code, shown = process("search", counted, "users", NEAR, *AGGREGATES, *more, terminal=terminal)
        assert code == 0
        found = [json.loads(line) for line in shown.splitlines()]
        assert [one["aggregate_kind"] for one in found] == [
            "stats",
            "top_values",
            "time_series",
            "time_series",
            "range",
            "distance",
        ]
        assert found[0]["statistics"]["sum"] == 150
        assert found[1]["entries"] == [{"value": MARKED, "count": 3}, {"value": "even", "count": 3}]
        assert found[4]["buckets"] == [
            {"max": 18, "count": 2},
            {"min": 18, "max": 40, "count": 2},
            {"min": 40, "count": 2},
        ]
    code, shown = process("search", counted, "users", "*", "-a", "value.age:stats", "--limit", "1")
    assert [("path" in json.loads(line)) for line in shown.splitlines()] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("get", "URL", "users", "nobody"), 1, "could not be found. (users/nobody)"),
        (("search", "URL", "users", "name:("), 1, "At position"),
        (
            ("search", "URL", "users", "*", "-a", "value.age:huh"),
            1,
            "aggregate is malformed: 'value.age:huh'",
        ),
        (("get", "nonsense", "users", "ada"), 1, "no engine URL"),
        (("get", "URL"), 2, "Missing argument"),
        (("list", "sqlite:////no/a.db", "users"), 1, "/no/a.db"),
        (("delete", "sqlite:////no/a.db", "users", "ada"), 1, "/no/a.db"),
        (("delete", "URL", "users", "ada", "--if-match", "0000000000000000"), 1, "version"),
        (("put", "URL", "users", "ada", "{"), 2, "the value is no JSON"),
        (("put", "URL", "users", "ada", "1e999"), 2, "1e999"),
        (("put", "URL", "users", "ada", "1", "--new", "--if-match", "x"), 2, "--new"),
        (("insert", "URL", "users", "/nowhere/at/all"), 1, "No such file"),
        (("insert", "URL", "users", "--upsert"), 2, "--upsert goes with --key"),
        (("huh",), 2, "huh"),
        (("serve", "memory:", "--workers", "2"), 2, "memory:"),
        (("serve", "memory:", "--host", "0.0.0.0"), 2, "everybody"),
        (("serve", "memory:", "--keys", "/no/keys.json"), 2, "--keys: there is no file /no/keys.json"),
        (("serve", "memory:", "--tls-cert", "/no/c.pem"), 2, "--tls-cert: there is no file /no/c.pem"),
        (
            ("serve", "memory:", "--tls-cert", __file__, "--tls-key", "/no/k.pem"),
            2,
            "--tls-key: there is no file /no/k.pem",
        ),
        (("serve", "memory:", "--tls-cert", __file__), 2, "make no certificate"),
        (("serve", "memory:", "--tls-key", __file__), 2, "--tls-cert"),
        (("serve", "memory:", "--relation-status", "200"), 2, "201 or 204"),
        (("import", "URL", "/nowhere/at/all"), 1, "No such file"),
        (("reindex", "http://127.0.0.1:9"), 1, "by itself"),
        (("keys", "list", "--keys", "/no/keys.json"), 1, "no such file: /no/keys.json"),
        (("keys", "revoke", "x", "--keys", "/no/keys.json"), 1, "no such file: /no/keys.json"),
    ],
)
def test_errors_are_one_line(run: Any, url: str, arguments: tuple[str, ...], code: int, message: str) -> None:
    stopped, out, err = run(*(url if argument == "URL" else argument for argument in arguments))
    assert (stopped, out) == (code, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("orcodm: ")
    assert message in err


def test_export_import_verify(run: Any, url: str, tmp_path: Path) -> None:
    file, copy = tmp_path / "a.jsonl", f"sqlite:///{tmp_path}/b.db"
    assert run("export", url, "-o", str(file))[0] == 0
    assert run("import", copy, str(file))[2] == "2 written, 0 there already, 0 failed\n"
    assert run("import", copy, "-", stdin=file.read_bytes())[2] == "0 written, 2 there already, 0 failed\n"
    assert run("export", copy, "users")[1].count("\n") == 2
    assert run("reindex", copy) == (0, "", "")
    assert run("verify", copy) == (0, "", "2 items verified, 0 flaws\n")
    code, _, err = run("import", copy, "-", stdin=b"{}\n")
    assert code == 1
    assert "line 1" in err


def test_import_says_once_what_is_no_export_and_makes_no_file(run: Any, tmp_path: Path) -> None:
    copy, file = tmp_path / "b.db", tmp_path / "plain.jsonl"
    file.write_bytes(b'{"name":"Ada"}\n' * 50_001)
    for name in (file, tmp_path, tmp_path / "none"):
        code, out, err = run("import", f"sqlite:///{copy}", str(name))
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert str(name) in err
    assert not copy.exists()


def test_import_tells_the_first_bad_lines_and_keeps_the_others(run: Any, tmp_path: Path) -> None:
    good = b'{"path":{"collection":"users","key":"ada"},"value":1}\n'
    data, rejected = gzip.compress(good + b'{"name":"Bob"}\r\n' * 3000), tmp_path / "bad.jsonl"
    code, _, err = run("import", "memory:", "-", stdin=data)
    told = err.splitlines()
    assert (code, len(told)) == (1, 12)
    assert told[0] == 'orcodm: line 2 has no "path"'
    assert told[10] == "orcodm: and 2990 more lines failed; --reject FILE keeps them"
    assert told[11] == "1 written, 0 there already, 3000 failed"
    assert run("import", "memory:", "-", "--reject", str(rejected), stdin=data)[0] == 1
    assert rejected.read_bytes() == b'{"name":"Bob"}\n' * 3000
    code, _, err = run("import", "memory:", "-", "--reject", str(rejected), stdin=data)
    assert (code, "exists already" in err) == (1, True)
    rejected.unlink()
    assert run("import", "memory:", "-", "--reject", str(rejected), stdin=good)[0] == 0
    assert not rejected.exists()


def test_an_import_that_stops_says_what_is_stored_and_how_to_go_on(
    run: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = run("export", url)[1].encode()
    for error, code in ((KeyboardInterrupt, 130), (TransportError("The server did not answer."), 1)):
        stored = transfer.store

        def stopped(engine: Any, entries: Any, stored: Any = stored, error: Any = error) -> Any:
            yield from itertools.islice(stored(engine, entries), 1)
            raise error

        monkeypatch.setattr(transfer, "store", stopped)
        stop, _, err = run("import", f"sqlite:///{tmp_path}/b{code}.db", "-", stdin=lines)
        monkeypatch.setattr(transfer, "store", stored)
        assert stop == code
        assert err.splitlines()[0] == "1 written, 0 there already, 0 failed"
        assert err.splitlines()[-1] == f"orcodm: {'interrupted' if code == 130 else error}"
        assert "run the same command again to go on" in err
        assert run("import", f"sqlite:///{tmp_path}/b{code}.db", "-", stdin=lines)[0] == 0


@pytest.mark.parametrize(
    "command", [("export",), ("search", "users", "*", "--limit", "1000"), ("list", "users")]
)
def test_a_reader_that_has_enough_is_no_error_to_tell(tmp_path: Path, command: tuple[str, ...]) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    engine = connect(url)
    for number in range(200):
        engine.execute(Put(collection="users", key=str(number), value="x" * 1000))
    engine.close()
    name, *rest = command
    with subprocess.Popen(
        [sys.executable, "-m", "orcodm.cli", name, url, *rest], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_an_export_goes_on_where_it_stopped(
    run: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "CHUNK", 2)
    engine = connect(url)
    for number in range(9):
        engine.execute(Put(collection="users", key="ada", value=number))
    engine.execute(Delete(collection="users", key="bob"))
    engine.close()
    file, whole = tmp_path / "a.jsonl", run("export", url)[1].encode()
    assert whole.count(b"\n") == 12
    dumped, lose = transfer.pages, iter([3])

    def interrupted(*given: Any) -> Any:
        left = next(lose, None)
        for number, page in enumerate(dumped(*given)):
            if number == left:
                raise TransportError("The server did not answer.")
            yield page

    monkeypatch.setattr(transfer, "pages", interrupted)
    assert run("export", url, "-o", str(file))[0] == 1
    assert not file.exists()
    partial = tmp_path / "a.jsonl.partial"
    assert whole.startswith(partial.read_bytes())
    with partial.open("ab") as torn:
        torn.write(whole.splitlines()[6][:10])
    assert run("export", url, "films", "-o", str(file), "--resume")[0] == 2
    assert run("export", url, "-o", str(file), "--resume")[0] == 0
    assert file.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.glob("a.jsonl*")) == ["a.jsonl"]
    assert run("export", url, "--resume")[0] == 2


def test_on_a_terminal_there_is_a_bar(
    run: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(cli, "_err", Console(file=shown, force_terminal=True, width=100))
    assert run("export", url, "-o", str(tmp_path / "a.jsonl"))[0] == 0
    assert run("import", f"sqlite:///{tmp_path}/b.db", str(tmp_path / "a.jsonl"))[0] == 0
    assert "exporting" in shown.getvalue()
    assert "importing" in shown.getvalue()
    assert "bytes" in shown.getvalue()


def test_keys(run: Any, tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    code, key, _ = run("keys", "create", "--keys", file, "--application", "shop")
    assert code == 0
    [entry] = [json.loads(line) for line in run("keys", "list", "--keys", file)[1].splitlines()]
    assert entry["application"] == "shop"
    assert key.strip() not in Path(file).read_text()
    assert run("keys", "revoke", entry["id"], "--keys", file)[0] == 0
    assert run("keys", "list", "--keys", file)[1] == ""
    assert run("keys", "revoke", "huh", "--keys", file)[0] == 1


def test_every_command_has_help_with_an_example(run: Any) -> None:
    for command in ("serve", "search", "get", "export", "import", "reindex", "verify"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"orcodm {command} " in out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_says_where_and_for_whom_and_hides_its_keys(tmp_path: Path, workers: str) -> None:
    environment = os.environ | {"ORCODM_URL": f"sqlite:///{tmp_path}/a.db"}
    command = [sys.executable, "-m", "orcodm.cli", "serve", "--port", "0", "--workers", workers]
    opened = subprocess.PIPE
    with subprocess.Popen(command, stdout=opened, stderr=opened, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[-1]
        assert "no API key" in process.stderr.readline()
        wait_for(lambda: is_ready(url, process))  # type: ignore[arg-type]
        process.terminate()
    with subprocess.Popen(
        command, stdout=opened, stderr=opened, text=True, env=environment | {"ORCODM_API_KEY": "sesame"}
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        wait_for(lambda: is_ready(url, process))  # type: ignore[arg-type]
        assert httpx.head(f"{url}/v0").status_code == 401
        assert httpx.head(f"{url}/v0", auth=("sesame", "")).status_code == 200
        for child in _children(process.pid):
            assert b"sesame" not in child.read_bytes()
            assert b"a.db" not in child.read_bytes()
        process.terminate()


def _children(pid: int) -> list[Path]:
    """The environments of a process's children, where the system shows them."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [Path(f"/proc/{child}/environ") for child in listed.read_text().split()] if listed.exists() else []


def test_serve_in_a_process_of_its_own(tmp_path: Path) -> None:
    with serving_process(f"sqlite:///{tmp_path}/a.db", "--api-key", "sesame", "--workers", "2") as (
        url,
        process,
    ):
        engine = HTTPEngine(url.replace("//", "//sesame@"))
        written = engine.execute(Put(collection="c", key="k/é", value=1, condition=IfAbsent()))
        for _ in range(8):  # whichever worker answers
            assert engine.execute(Get(collection="c", key="k/é")).ref == written.ref
        engine.close()
        stranger = HTTPEngine(url)
        with pytest.raises(Unauthorized):
            stranger.execute(Ping())
        stranger.close()
        process.terminate()
        process.wait(15)
        assert process.stderr is not None
        log = process.stderr.read().decode()
    assert "GET /v0/c/k%2F%C3%A9 200" in log
    assert "sesame" not in log
    engine = connect(f"sqlite:///{tmp_path}/a.db")  # type: ignore[assignment]
    assert engine.execute(Get(collection="c", key="k/é")).value == 1
    engine.close()
