"""What a query does to the index: nothing. And what the engine deletes: only what it made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orcodm import Engine, InvalidParameter, connect
from orcodm.engines.embedded import index as index_module
from orcodm.engines.embedded.index import IndexFailure
from orcodm.operations import Put, Search, TopValues


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with connect(f"sqlite:///{tmp_path}/a.db") as engine:
        for number in range(40):
            engine.execute(Put(collection="c", key=str(number), value={"n": number, "t": "a b"}))
        engine.reindex()  # type: ignore[attr-defined]
        yield engine


def total(engine: Engine, query: str, *aggregates: Any) -> int:
    found = engine.execute(Search(collection="c", query=query, limit=0, aggregates=aggregates)).total
    assert found is not None
    return found


def test_top_values_reach_no_further_than_an_engine_counts() -> None:
    for values in ({"limit": 1 << 40}, {"offset": 9_995}, {"limit": "x"}, {"limit": True}, {"offset": -1}):
        with pytest.raises(InvalidParameter):
            TopValues("value.n", **values)


def test_a_query_that_fails_leaves_the_index_alone(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "a.db-index" / "state.json"
    before = state.read_bytes()

    def fails(*_: Any, **__: Any) -> Any:
        raise IndexFailure("the search index: invalid argument")

    with monkeypatch.context() as patched:
        patched.setattr("orcodm.engines.embedded.hits.search", fails, raising=False)
        patched.setattr(index_module, "aggregate", fails)
        assert total(engine, "t:a") == 40
    assert state.read_bytes() == before
    assert total(engine, "t:b") == 40
    assert state.read_bytes() == before


def test_files_that_changed_are_damage(engine: Engine, tmp_path: Path) -> None:
    directory = tmp_path / "a.db-index"
    current: Any = engine
    inner = current._searcher.current
    assert total(engine, "t:a") == 40
    assert not inner._directory.damaged(inner._generation)
    [file] = directory.glob("*/*.pos")
    data = bytearray(file.read_bytes())
    data[3] ^= 1
    file.unlink()
    file.write_bytes(data)
    assert inner._directory.damaged(inner._generation)
    file.unlink()
    assert inner._directory.damaged(inner._generation)


def test_only_what_the_engine_made_is_deleted(engine: Engine, tmp_path: Path) -> None:
    directory = tmp_path / "a.db-index"
    own = [directory / "photos", directory / "deadbeef", tmp_path / "elsewhere"]
    for folder in own:
        folder.mkdir()
        (folder / "kept.txt").write_text("kept")
    (directory / "0badcafe").symlink_to(tmp_path / "elsewhere")
    engine.execute(Put(collection="c", key="more", value={"t": "a"}))
    engine.reindex()  # type: ignore[attr-defined]
    assert all((folder / "kept.txt").read_text() == "kept" for folder in own)
    assert total(engine, "t:a") == 41
