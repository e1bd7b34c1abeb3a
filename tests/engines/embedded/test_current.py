"""Search stays fresh and right while the index is behind, ahead, busy, in the making, or impossible."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from orcodm.engines.embedded import current as current_module
from orcodm.engines.embedded import search as search_module
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.engines.embedded.index import IndexDirectory, WriterBusy
from orcodm.operations import START, Batch, Delete, IfMatch, PostEvent, Put, Search, SortField

MANY = 3_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def engine(path: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(str(path), synchronous="NORMAL")
    yield engine
    engine.close()


def fill(engine: EmbeddedEngine, word: str, numbers: range) -> None:
    puts = [
        Put(collection="things", key=f"{number:05}", value={"n": number, "word": word}) for number in numbers
    ]
    assert not engine.execute(Batch(puts)).failed


def total(engine: EmbeddedEngine, query: str) -> int:
    # One result, in the order of scores: a mere count would not wait for the index.
    page = engine.execute(Search(query=query, collection="things", limit=1))
    assert page.total is not None
    return page.total


def streamed(engine: EmbeddedEngine, query: str) -> list[str]:
    page = engine.execute(Search(query=query, collection="things", limit=700, cursor=START))
    keys = [item.key for item in page.results]
    while page.next is not None:
        page = engine.execute(page.next)
        keys += [item.key for item in page.results]
    return keys


def test_few_documents_need_no_index(engine: EmbeddedEngine, path: Path) -> None:
    fill(engine, "few", range(200))
    assert total(engine, "word:few") == 200
    assert not Path(f"{path}-index").exists()


def test_what_another_process_writes_is_seen_at_once(engine: EmbeddedEngine, path: Path) -> None:
    fill(engine, "one", range(MANY))
    assert total(engine, "word:one") == MANY
    other = EmbeddedEngine(str(path))
    assert total(other, "word:one") == MANY
    fill(other, "two", range(0, MANY, 3))
    other.execute(Delete(collection="things", key="00001"))
    assert total(engine, "word:two") == MANY // 3
    assert total(engine, "word:one") == MANY - MANY // 3 - 1
    other.close()


@pytest.mark.parametrize("seed", range(6))
def test_what_two_engines_write_by_turns_both_see(path: Path, seed: int) -> None:
    random = Random(seed)
    engines = [EmbeddedEngine(str(path), synchronous="NORMAL") for _ in range(2)]
    there: dict[str, str] = {}
    for number in range(300):
        engine = random.choice(engines)
        key, word = random.choice("abcdefgh"), random.choice(("one", "two", "one " * 2_000))
        match random.randrange(7):
            case 0:
                engine.execute(Delete(collection="things", key=key, purge=random.random() < 0.5))
                there.pop(key, None)
            case 1:
                engine.execute(
                    Batch([Put(collection="things", key=each, value={"word": word}) for each in "xy"])
                )
                there |= dict.fromkeys("xy", word)
            case 2:
                failing = Put(collection="things", key=key, value={}, condition=IfMatch("0" * 16))
                puts = [Put(collection="things", key="b", value={"word": "lost"}), failing]
                assert engine.execute(Batch(puts)).failed
            case 3:
                engine.execute(PostEvent(collection="things", key="a", type="seen", value={"word": "one"}))
            case _:
                engine.execute(Put(collection="things", key=key, value={"word": word}))
                there[key] = word
        if number % 3 == 0:
            reader = random.choice(engines)
            for word in ("one", "two", "lost"):
                page = reader.execute(Search(query=f"word:{word}", collection="things", limit=20))
                assert {item.key for item in page.results} == {key for key in there if word in there[key]}
    for engine in engines:
        engine.close()


def test_changes_are_applied_twice_where_the_state_was_not_written(path: Path) -> None:
    engine = EmbeddedEngine(str(path))
    fill(engine, "one", range(MANY))
    assert total(engine, "word:one") == MANY
    state = Path(f"{path}-index") / "state.json"
    before = state.read_bytes()
    fill(engine, "two", range(MANY))
    assert total(engine, "word:two") == MANY
    engine.close()
    assert state.read_bytes() != before
    state.write_bytes(before)  # as after a crash between the commit and the state
    engine = EmbeddedEngine(str(path))
    assert (total(engine, "word:one"), total(engine, "word:two")) == (0, MANY)
    fill(engine, "three", range(MANY))
    assert (total(engine, "word:two"), total(engine, "word:three")) == (0, MANY)
    engine.close()


def test_a_restored_backup_is_noticed_after_new_writes(path: Path, tmp_path: Path) -> None:
    engine = EmbeddedEngine(str(path))
    fill(engine, "old", range(MANY))
    assert total(engine, "word:old") == MANY
    engine.close()
    backup = tmp_path / "backup.db"
    shutil.copy(path, backup)
    engine = EmbeddedEngine(str(path))
    fill(engine, "lost", range(MANY))
    assert total(engine, "word:lost") == MANY
    engine.close()
    shutil.copy(backup, path)
    engine = EmbeddedEngine(str(path))
    fill(engine, "new", range(10, MANY))
    fill(engine, "newer", range(20))  # past the number that the index had
    assert (total(engine, "word:lost"), total(engine, "word:old")) == (0, 0)
    assert (total(engine, "word:new"), total(engine, "word:newer")) == (MANY - 20, 20)
    engine.close()


def test_while_another_process_keeps_the_writer_all_is_read(
    engine: EmbeddedEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, "one", range(MANY))
    assert total(engine, "word:one") == MANY
    monkeypatch.setattr(current_module, "PATIENCE", 0.0)
    other = EmbeddedEngine(str(path))
    assert total(other, "word:one") == MANY
    inner = other._searcher.current
    generation, directory = inner._generation, inner._directory
    assert generation is not None
    assert directory is not None
    with directory.writing(generation):
        fill(engine, "two", range(0, MANY, 2))
        fill(engine, "three", range(1, MANY, 2))
        assert (total(engine, "word:one"), total(engine, "word:two")) == (0, MANY // 2)
        assert streamed(engine, "word:two") == [f"{number:05}" for number in range(0, MANY, 2)]
    other.close()


def test_an_index_that_cannot_be_written_costs_only_time(path: Path) -> None:
    Path(f"{path}-index").write_text("in the way")
    engine = EmbeddedEngine(str(path))
    fill(engine, "one", range(MANY))
    assert total(engine, "word:one AND n:[0 TO 9]") == 10
    sort = (SortField("n", descending=True),)
    page = engine.execute(Search(query="word:one", collection="things", sort=sort, limit=2))
    assert [item.key for item in page.results] == [f"{MANY - 1:05}", f"{MANY - 2:05}"]
    engine.close()


def test_searches_agree_with_writes_from_many_threads(engine: EmbeddedEngine) -> None:
    fill(engine, "start", range(MANY))
    assert total(engine, "word:start") == MANY
    failures: list[str] = []

    def write(thread: int) -> None:
        for turn in range(60):
            key, word = f"{thread}-{turn % 5}", f"w{thread}x{turn}"
            engine.execute(Put(collection="things", key=key, value={"word": word}))
            page = engine.execute(Search(query=f"word:{word}", collection="things"))
            if [result.key for result in page.results] != [key] or page.total != 1:
                failures.append(word)
            if turn and total(engine, f"word:`w{thread}x{turn - 5}`"):
                failures.append(f"{word}: the old value was found")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    "query", ["word:even", "word:rare", "word:even AND n:[5 TO 2000]", "word:ev*", "n:5~"]
)
def test_pages_by_score_and_streams_agree(engine: EmbeddedEngine, query: str) -> None:
    fill(engine, "even", range(0, 4_000, 2))
    fill(engine, "rare", range(1, 4_000, 400))
    fill(engine, "odd", range(3, 4_000, 2))
    found = streamed(engine, query)
    assert found == sorted(found)
    assert len(found) == total(engine, query)
    for offset in (0, 995, 1_999):
        search = Search(query=query, collection="things", limit=10, offset=offset)
        assert [item.key for item in engine.execute(search).results] == found[offset : offset + 10]


@pytest.mark.parametrize("memory", [True, False])
def test_a_forked_child_searches_by_itself(path: Path, memory: bool) -> None:
    engine = EmbeddedEngine(None if memory else str(path))
    fill(engine, "parent", range(MANY))
    assert total(engine, "word:parent") == MANY
    child = os.fork()
    if not child:
        status = 1
        try:
            fill(engine, "child", range(10))
            correct = total(engine, "word:child") == 10 and total(engine, "word:parent") == MANY - 10
            status = 0 if correct else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert total(engine, "word:child") == (0 if memory else 10)
    engine.close()


def test_what_somebody_else_indexes_is_read_meanwhile(
    engine: EmbeddedEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_module, "PATIENCE", 0.2)
    fill(engine, "one", range(MANY))
    directory = IndexDirectory(Path(f"{path}-index"), "of no importance")
    with directory.locked():
        assert total(engine, "word:one") == MANY
        with pytest.raises(WriterBusy):
            engine.reindex()
    assert not (directory.path / "state.json").exists()
    assert total(engine, "word:one") == MANY
    assert (directory.path / "state.json").exists()


def test_an_index_can_be_made_anew(engine: EmbeddedEngine, path: Path) -> None:
    fill(engine, "one", range(MANY))
    assert total(engine, "word:one") == MANY
    state = Path(f"{path}-index") / "state.json"
    before = state.read_text()
    engine.reindex()
    assert state.read_text() != before
    assert len([each for each in Path(f"{path}-index").iterdir() if each.is_dir()]) == 1
    assert total(engine, "word:one") == MANY


@pytest.mark.parametrize("field", ["n", "word", "@path.reftime"])
@pytest.mark.parametrize("descending", [True, False])
def test_a_sorted_stream_among_writes_is_that_of_a_new_engine(
    engine: EmbeddedEngine, path: Path, field: str, descending: bool
) -> None:
    fill(engine, "even", range(0, 2 * MANY, 2))
    sort = (SortField(field, descending), SortField("@path.key"))
    page = engine.execute(Search(query="word:*", collection="things", sort=sort, cursor=START, limit=300))
    for turn in range(4):
        assert page.next is not None
        fill(engine, f"odd {turn}", range(turn * 60 + 1, turn * 60 + 61, 2))
        engine.execute(Delete(collection="things", key=f"{turn * 1000:05}"))
        engine.execute(Delete(collection="things", key=f"{turn * 60 + 1:05}", purge=True))
        fresh = EmbeddedEngine(str(path))
        expected = fresh.execute(page.next)
        fresh.close()
        assert total(engine, "word:*") == MANY + 28 * (turn + 1)
        offset = Search(query="word:*", collection="things", sort=sort, offset=1_000, limit=20)
        assert engine.execute(offset).total == MANY + 28 * (turn + 1)
        page = engine.execute(page.next)
        assert [item.key for item in page.results] == [item.key for item in expected.results]


def test_what_needs_no_scores_does_not_wait_for_a_first_index(path: Path) -> None:
    engine = EmbeddedEngine(str(path))
    fill(engine, "one", range(6_000))
    state = Path(f"{path}-index") / "state.json"
    page = engine.execute(Search(query="word:one", collection="things", limit=0))
    assert page.total == 6_000
    keys = [item.key for item in engine.execute(Search(query="word:one", cursor=START, limit=3)).results]
    assert keys == ["00000", "00001", "00002"]
    assert total(engine, "word:one") == 6_000  # this one waits
    assert state.exists()
    engine.close()


def test_a_row_that_was_read_before_is_not_shown_when_it_is_out_of_date(path: Path) -> None:
    engine = EmbeddedEngine(str(path))
    fill(engine, "one", range(MANY))
    assert total(engine, "word:one") == MANY
    one = Search(query="n:7", collection="things")
    shown = [[item.value for item in engine.execute(one).results] for _ in range(2)]
    assert shown == [[{"n": 7, "word": "one"}]] * 2  # the second from memory
    engine.execute(Put(collection="things", key="00007", value={"n": 7, "word": "two"}))
    assert [item.value["word"] for item in engine.execute(one).results] == ["two"]
    engine.execute(Delete(collection="things", key="00007", purge=True))
    assert engine.execute(one).results == ()
    engine.reindex()
    assert engine.execute(one).results == ()
    engine.execute(Put(collection="things", key="00007", value={"n": 7, "word": "three"}))
    engine.reindex()
    assert [item.value["word"] for item in engine.execute(one).results] == ["three"]
    engine.close()


@pytest.mark.parametrize("changed", [range(40), range(0, 900, 9), range(700, 1_000)])
def test_documents_that_left_the_front_make_room_for_the_next(
    engine: EmbeddedEngine, changed: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_module, "COMMIT", 1_000_000)  # nothing is indexed meanwhile
    for number in range(0, MANY, 1_000):
        values = [
            {"n": n, "word": "word " + "rare " * max(1, 100 - n)} for n in range(number, number + 1_000)
        ]
        puts = [Put(collection="things", key=f"{value['n']:05}", value=value) for value in values]
        assert not engine.execute(Batch(puts)).failed
    assert total(engine, "word:word") == MANY
    fill(engine, "other", changed)
    searches = [
        Search(query=query, collection="things", sort=sort, limit=25)
        for query in ("word:rare", "n:[0 TO *]", "wor*", "word:rar*")
        for sort in ((), (SortField("n"),), (SortField("n", descending=True),))
    ]
    pages = list(map(engine.execute, searches))
    engine.reindex()
    for search, page in zip(searches, pages, strict=True):
        settled = engine.execute(search)
        assert page.total == settled.total, search
        assert [item.key for item in page.results] == [item.key for item in settled.results], search


def test_whatever_stops_the_index_in_the_background_is_logged_and_searches_go_on(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = current_module.Current._catch_up

    def broken(current: current_module.Current) -> None:
        if threading.current_thread().name == "orcodm-index":
            raise RuntimeError("out of order")
        whole(current)

    monkeypatch.setattr(current_module.Current, "_catch_up", broken)
    with caplog.at_level(logging.ERROR, "orcodm.index"):
        fill(engine, "here", range(MANY))
        for _ in range(20):
            counted = engine.execute(Search(query="word:here", collection="things", limit=0))
            assert counted.total == MANY
        thread = engine._searcher.current._thread
        if thread is not None:
            thread.join()
    (record,) = caplog.records
    assert "cannot be brought up to date" in record.message
    assert "out of order" in caplog.text


def test_pages_far_down_are_those_of_the_whole_ranking(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(5)
    texts = ["of", "of of", "of a", "a", "a thing of a kind"]
    puts = [Put(collection="things", key=f"{n:05}", value={"t": random.choice(texts)}) for n in range(MANY)]
    engine.execute(Batch(puts))
    engine.reindex()
    # Scores change a little when changes come into the index.
    monkeypatch.setattr(current_module.Current, "_start", lambda current: None)
    monkeypatch.setattr(current_module.Current, "_wait", lambda current: False)

    def pages(size: int) -> list[tuple[str, float | None]]:
        page = engine.execute(Search(query="of OR a", collection="things", limit=size))
        found = [(item.key, item.score) for item in page.results]
        while page.next is not None:
            assert page.total == total(engine, "of OR a")
            page = engine.execute(page.next)
            found += [(item.key, item.score) for item in page.results]
        return found

    for _ in range(3):
        monkeypatch.setattr(search_module, "DEEP", MANY + 1)
        (whole,) = {tuple(pages(1_000))}
        monkeypatch.setattr(search_module, "DEEP", 100)
        assert pages(700) == list(whole)
        assert pages(90) == list(whole)
        for number in random.sample(range(MANY), 20):  # and where some are pending
            value = {"t": random.choice(texts)}
            engine.execute(Put(collection="things", key=f"{number:05}", value=value))
        engine.execute(Delete(collection="things", key=f"{random.randrange(MANY):05}"))
