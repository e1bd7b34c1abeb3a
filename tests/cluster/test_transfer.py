"""From one machine to the cluster and back: `orcodm export | orcodm import`, exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.operations import (
    Batch,
    Delete,
    Get,
    ListRelations,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Search,
)

from ..engines.asking import follow

pytestmark = pytest.mark.cluster


def orcodm(*arguments: str, lines: bytes | None = None) -> bytes:
    """What the command prints; it must succeed."""
    command = [sys.executable, "-m", "orcodm.cli", *arguments]
    done = subprocess.run(command, input=lines, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The URL of a database with everything that is hard to move."""
    url = f"sqlite:///{tmp_path}/one.db"
    engine = connect(url)
    fill(engine)
    engine.close()
    return url


def fill(engine: Engine) -> None:
    users = [
        Put(collection="users", key=f"u{n:04}", value={"n": n, "name": f"User {n}"}) for n in range(1200)
    ]
    assert not engine.execute(Batch(users)).failed
    strange: list[Any] = [
        *(None, True, 0, -0.0, 2**70, 1e300, 5e-324, "", "a" * 40_000, [], [[]], {}, {"": {"": None}}),
        *({"a.b": 1, "a": {"b": "2"}}, {"n": "text"}, {"n": [1, "1", None, True]}, {"d": "2020-02-30"}),
        *({"at": "2020-02-29T12:00:00Z"}, {"lat": 91, "lon": 0}, {"home": {"lat": 51.5, "lon": -0.1}}),
        *({"κλειδί": "naïve 東京 \u2028 \U0001f600"}, {f"f{n}": n for n in range(300)}),
    ]
    for number, value in enumerate(strange):
        engine.execute(Put(collection="strange/ %.", key=f"/{number}?#é", value=value))
    for n in range(5):
        engine.execute(Put(collection="users", key="u0001", value={"n": [n]}))
        engine.execute(Delete(collection="users", key="u0002"))
        engine.execute(Put(collection="users", key="u0002", value=n))
    engine.execute(Delete(collection="users", key="u0002"))
    engine.execute(Delete(collection="users", key="u0003", purge=True))
    for n in range(50):
        at: Any = {"collection": "users", "key": f"u{n:04}", "type": "login", "timestamp": n - 25}
        engine.execute(PostEvent(**at, ordinal=2**62 - n, value={"ip": f"10.0.0.{n}"}))
        if n % 3 == 0:
            engine.execute(PutEvent(**at, ordinal=2**62 - n, value=None))
        ends: Any = {"collection": "users", "key": "u0004", "kind": "knows"}
        engine.execute(PutRelation(**ends, to_collection="users", to_key=f"u{n + 5:04}", value={"n": n}))
    engine.execute(Delete(collection="users", key="u0010"))


@pytest.fixture
def target(cluster_url: str, prefix: str) -> str:
    return f"{cluster_url}/{prefix}"


def test_everything_moves_to_the_cluster_and_back(file: str, target: str, tmp_path: Path) -> None:
    lines = orcodm("export", file)
    assert lines.count(b"\n") > 1300
    orcodm("import", target, "-", lines=lines)
    # To the byte: values, refs, times, ordinals, deletions, and the order of all of them.
    assert orcodm("export", target) == lines
    orcodm("verify", target)
    back = f"sqlite:///{tmp_path}/two.db"
    orcodm("import", back, "-", lines=orcodm("export", target))
    assert orcodm("export", back) == lines
    orcodm("verify", back)


def test_what_was_moved_is_found_as_before(file: str, target: str) -> None:
    orcodm("import", target, "-", lines=orcodm("export", file))
    one, cluster = connect(file), connect(f"{target}?fresh=true")
    for query in ("name:user AND n:[100 TO 110]", "@path.kind:event AND ip:10*", "n:1", "*:* AND NOT name:*"):
        search = Search(query=query, limit=100, sort=())
        found = [sorted(map(str, follow(engine, search))) for engine in (one, cluster)]
        assert [*map(unscored, found[0])] == [*map(unscored, found[1])], query
    hop = ListRelations(collection="users", key="u0004", kinds=["knows"], limit=100)
    assert follow(one, hop) == follow(cluster, hop)
    # And goes on as if it had always been there.
    put = Put(collection="users", key="u0002", value="again")
    assert one.execute(put) == cluster.execute(put)
    one.close()
    cluster.close()


def unscored(text: str) -> str:
    return text.partition(" score=")[0]


@pytest.mark.parametrize("done", [1, 700, 1340])
def test_an_import_that_was_interrupted_is_run_again(file: str, target: str, done: int) -> None:
    lines = orcodm("export", file)
    orcodm("import", target, "-", lines=b"".join(lines.splitlines(keepends=True)[:done]))
    orcodm("import", target, "-", lines=lines)
    assert orcodm("export", target) == lines


def test_collections_move_by_themselves(file: str, target: str) -> None:
    lines = orcodm("export", file, "strange/ %.")
    orcodm("import", target, "-", lines=lines)
    collections = {json.loads(line)["path"]["collection"] for line in orcodm("export", target).splitlines()}
    assert collections == {"strange/ %."}
    engine = connect(target)
    assert engine.execute(Get(collection="strange/ %.", key="/4?#é")).value == 2**70
    engine.close()
