"""The index beside the file: whatever becomes of it, a search agrees with the data."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.engines.embedded import current
from orcodm.operations import ListTerms, PostEvent, PutEvent, Search

from .asking import THINGS, delete, found, put, put_all
from .crash import index_early, processes

MANY = 200
"""How many items there are: more than are looked at one by one, by the fixture `early`."""


pytestmark = pytest.mark.usefixtures("early")


def fill(engine: Engine, word: str = "old") -> None:
    put_all(engine, {f"{n:04}": {"n": n, "word": word} for n in range(MANY)})
    assert found(engine, "word:old AND n:[0 TO 1]") == (["0000", "0001"] if word == "old" else [])


def agrees(engine: Engine, word: str, count: int) -> None:
    """A word is found so often, and in the items that have it."""
    page = engine.execute(Search(query=f"word:{word}", collection=THINGS, limit=100))
    assert page.total == count
    assert all(result.value["word"] == word for result in page.results)
    assert engine.execute(Search(query="*:* AND n:*", collection=THINGS, limit=0)).total == MANY


def deleted(index: Path) -> None:
    shutil.rmtree(index)


def emptied(index: Path) -> None:
    shutil.rmtree(index)
    index.mkdir()


def truncated(index: Path) -> None:
    for path in files(index):
        os.truncate(path, path.stat().st_size // 2)


def cut_to_nothing(index: Path) -> None:
    for path in files(index):
        os.truncate(path, 0)


def garbage(index: Path) -> None:
    for path in files(index):
        path.write_bytes(os.urandom(path.stat().st_size))


def segments_deleted(index: Path) -> None:
    for path in files(index):
        if not path.name.endswith(".json"):
            path.unlink()


def one_bit(index: Path) -> None:
    for path in files(index):
        data = bytearray(path.read_bytes())
        if data:
            data[len(data) // 2] ^= 0x10
            path.write_bytes(data)


def a_file_instead(index: Path) -> None:
    shutil.rmtree(index)
    index.write_text("not a directory")


def strangers(index: Path) -> None:
    for name in ("stranger.txt", ".hidden", "meta.json.tmp"):
        (index / name).write_text("nothing of ours")
    (index / "empty directory").mkdir()


def files(index: Path) -> list[Path]:
    found = [path for path in index.rglob("*") if path.is_file()]
    assert found, "there is an index to damage"
    return found


@pytest.mark.parametrize(
    "damage",
    [
        deleted,
        emptied,
        truncated,
        cut_to_nothing,
        garbage,
        segments_deleted,
        one_bit,
        a_file_instead,
        strangers,
    ],
)
def test_a_damaged_index_is_rebuilt(url: str, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    engine = connect(url)
    fill(engine)
    engine.close()
    damage(tmp_path / "things.db-index")
    engine = connect(url)
    agrees(engine, "old", MANY)
    put_all(engine, {f"{n:04}": {"n": n, "word": "new"} for n in range(0, MANY, 2)})
    agrees(engine, "old", MANY // 2)
    agrees(engine, "new", MANY // 2)
    engine.close()
    engine = connect(url)
    agrees(engine, "new", MANY // 2)
    engine.close()


@pytest.mark.parametrize("damage", [truncated, garbage, segments_deleted, one_bit, a_file_instead])
def test_a_damaged_index_suggests_nothing_wrong(
    url: str, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    engine = connect(url)
    fill(engine)
    engine.close()
    damage(tmp_path / "things.db-index")
    engine = connect(url)
    for prefix, count in (("o", MANY), ("new", 0)):
        terms = engine.execute(ListTerms(collection=THINGS, field="word", prefix=prefix))
        assert terms.documents == MANY
        assert [(term.text, term.count) for term in terms.terms] == ([("old", count)] if count else [])
    engine.close()


def test_an_index_that_is_deleted_while_it_is_used(url: str, tmp_path: Path) -> None:
    engine = connect(url)
    fill(engine)
    shutil.rmtree(tmp_path / "things.db-index")
    agrees(engine, "old", MANY)
    put_all(engine, {f"{n:04}": {"n": n, "word": "new"} for n in range(MANY // 2)})
    agrees(engine, "new", MANY // 2)
    agrees(engine, "old", MANY // 2)
    engine.close()


def test_an_index_that_is_older_than_the_file(url: str, tmp_path: Path) -> None:
    index, kept = tmp_path / "things.db-index", tmp_path / "kept"
    engine = connect(url)
    fill(engine)
    engine.close()
    shutil.copytree(index, kept)
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "new"} for n in range(MANY)})
    agrees(engine, "new", MANY)
    engine.close()
    shutil.rmtree(index)
    shutil.move(kept, index)
    engine = connect(url)
    agrees(engine, "new", MANY)
    agrees(engine, "old", 0)
    engine.close()


def test_a_file_that_is_older_than_its_index(url: str, tmp_path: Path) -> None:
    """A backup of the file alone is put back, and life goes on another way."""
    file, kept = tmp_path / "things.db", tmp_path / "kept.db"
    engine = connect(url)
    fill(engine)
    engine.close()
    shutil.copy(file, kept)
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "undone"} for n in range(MANY)})
    agrees(engine, "undone", MANY)
    engine.close()
    shutil.copy(kept, file)
    engine = connect(url)
    agrees(engine, "undone", 0)
    agrees(engine, "old", MANY)
    engine.close()


def test_a_file_that_went_another_way_than_its_index(url: str, tmp_path: Path) -> None:
    """As above, but as many writes come after the backup as had come before anybody searched again."""
    file, kept = tmp_path / "things.db", tmp_path / "kept.db"
    engine = connect(url)
    fill(engine)
    engine.close()
    shutil.copy(file, kept)
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "undone"} for n in range(60)})
    agrees(engine, "undone", 60)
    engine.close()
    shutil.copy(kept, file)
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "new"} for n in range(60, 120)})
    agrees(engine, "undone", 0)
    agrees(engine, "new", 60)
    agrees(engine, "old", MANY - 60)
    engine.close()


def test_a_file_that_went_back_and_gave_the_number_to_what_moved_on(url: str, tmp_path: Path) -> None:
    """As above, and nothing stands under the last number of the index any more."""
    file, kept = tmp_path / "things.db", tmp_path / "kept.db"
    engine = connect(url)
    fill(engine)
    engine.reindex()  # type: ignore[attr-defined]
    engine.close()
    shutil.copy(file, kept)
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "undone"} for n in range(20)})
    engine.reindex()  # type: ignore[attr-defined]
    engine.close()
    shutil.copy(kept, file)
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "new"} for n in range(19)})
    place: Any = {"collection": THINGS, "key": "0000", "type": "seen"}
    event = engine.execute(PostEvent(**place, value={"n": 1}, timestamp=1))
    engine.execute(PutEvent(**place, value={"n": 2}, timestamp=1, ordinal=event.ordinal))
    agrees(engine, "new", 19)
    agrees(engine, "undone", 0)
    engine.close()


def test_the_index_of_another_file(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/others.db"
    for each, word in ((url, "old"), (other, "strange")):
        engine = connect(each)
        fill(engine, word)
        engine.close()
    shutil.rmtree(tmp_path / "things.db-index")
    shutil.copytree(tmp_path / "others.db-index", tmp_path / "things.db-index")
    engine = connect(url)
    agrees(engine, "old", MANY)
    agrees(engine, "strange", 0)
    engine.close()


def test_a_file_that_was_moved_and_another_in_its_place(url: str, tmp_path: Path) -> None:
    engine = connect(url)
    fill(engine)
    engine.close()
    (tmp_path / "things.db").rename(tmp_path / "moved.db")
    engine = connect(url)
    assert found(engine, "*") == []
    put(engine, "a", {"word": "fresh"})
    assert found(engine, "word:*") == ["a"]
    engine.close()
    engine = connect(f"sqlite:///{tmp_path}/moved.db")
    agrees(engine, "old", MANY)
    engine.close()


def without_room(url: str) -> None:
    """In a process of its own: no file can grow any more, and yet a search is answered."""
    vars(current).update(index_early)
    engine = connect(url)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    agrees(engine, "old", MANY)
    assert found(engine, "n:[5 TO 6]") == ["0005", "0006"]


def test_a_search_needs_no_room(url: str) -> None:
    engine = connect(url)
    put_all(engine, {f"{n:04}": {"n": n, "word": "old"} for n in range(MANY)})
    child = processes.Process(target=without_room, args=(url,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    agrees(engine, "old", MANY)
    delete(engine, "0005")
    assert found(engine, "n:[5 TO 6]") == ["0006"]
    engine.close()
