"""From a URL to an engine: every form, and every way to write it wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orcodm.engines.connect import connect
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.errors import InvalidURL, QueryTimeout, StorageError
from orcodm.operations import Get, Put, Search


def synchronous(engine: object) -> int:
    assert isinstance(engine, EmbeddedEngine)
    level: int = engine._store._idle[0].execute("PRAGMA synchronous").fetchone()[0]
    return level


def test_each_memory_is_its_own() -> None:
    one, other = connect("memory:"), connect("memory:")
    one.execute(Put(collection="a", key="b", value=1))
    other.execute(Put(collection="a", key="b", value=2))
    assert one.execute(Get(collection="a", key="b")).value == 1
    one.close()
    other.close()


def test_three_slashes_are_relative_and_four_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    connect("sqlite:///relative.db").close()
    connect(f"sqlite:///{tmp_path}/absolute.db").close()
    connect("sqlite:///with%20space%23.db").close()
    assert {path.name for path in tmp_path.iterdir()} == {"relative.db", "absolute.db", "with space#.db"}


def test_a_write_is_on_the_disk_unless_the_url_says_otherwise(tmp_path: Path) -> None:
    for url, level in (("", 2), ("?synchronous=FULL", 2), ("?synchronous=normal", 1)):
        engine = connect(f"sqlite:///{tmp_path}/app.db{url}")
        assert synchronous(engine) == level
        engine.close()


def test_a_search_that_takes_too_long_ends_in_an_error(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/app.db?search_seconds=0")
    engine.execute(Put(collection="a", key="b", value={"name": "ada"}))
    engine.execute(Put(collection="a", key="c", value={"name": "bob"}))
    engine.reindex()
    assert engine.execute(Search(collection="a", query="*", aggregates=())).total == 2  # no search at all
    with pytest.raises(QueryTimeout, match=r"'name:ada' took longer than 0 seconds.*search_seconds"):
        engine.execute(Search(collection="a", query="name:ada"))
    engine.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.db",
        "memory:x",
        "sqlite:",
        "sqlite://app.db",
        "sqlite:///",
        "sqlite:///folder/",
        "sqlite:///a%00b.db",
        "sqlite:///app.db#x",
        "sqlite:///app.db?search_seconds=soon",
        "sqlite:///app.db?synchronous=OFF",
        "sqlite:///app.db?sync",
        "sqlite:///app.db?cache=1",
        "postgresql://localhost/app",
        None,
        Path("app.db"),
    ],
)
def test_what_is_no_url_is_told_the_forms(url: object) -> None:
    with pytest.raises(InvalidURL, match=r"(?s)is no engine URL: .*sqlite:///app\.db"):
        connect(url)  # type: ignore[arg-type]


def test_only_the_engine_asked_for_is_imported() -> None:
    program = """
import sys
from orcodm.engines.connect import connect
before = set(sys.modules)
connect("memory:").close()
print(*sorted(name for name in set(sys.modules) - before if name.startswith("orcodm.engines")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"orcodm.engines.http", "orcodm.engines.opensearch"} & set(done.stdout.split())


@pytest.mark.parametrize(
    "url", ["htps://SECRET@host", "postgres://user:SECRET@host/db", "sqlite://SECRET@host/x", "SECRET@host"]
)
def test_what_stands_before_an_at_sign_is_not_shown(url: str) -> None:
    with pytest.raises(InvalidURL) as refused:
        connect(url)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("name", ["missing.db", "folder", "empty.db"])
def test_a_file_that_has_to_be_there_is_not_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.db").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StorageError, match=name):
        connect(f"sqlite:///{tmp_path}/{name}?mode=rw")
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    connect(f"sqlite:///{tmp_path}/a.db").close()
    (tmp_path / "b.db").hardlink_to(tmp_path / "a.db")
    with pytest.raises(StorageError, match="hard links"):
        connect(f"sqlite:///{tmp_path}/b.db")
