"""A value that is damaged in the file hides no other, and is told with its place."""

from __future__ import annotations

import logging
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from orcodm import CorruptDatabase, Engine, cli, connect, transfer
from orcodm.operations import (
    Get,
    IfMatch,
    JsonPatch,
    List,
    ListEvents,
    ListRefs,
    Patch,
    PostEvent,
    Put,
    Search,
)
from orcodm.transfer import Flaw

DAMAGED = {"cut": b'{"n":3,"t":"hello wor', "empty": b"", "two": b'{"n":3},{"n":4}', "no text": b"\xff\xfe"}


@pytest.fixture(params=DAMAGED)
def url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Ten items, each with an event, of which the fourth item is damaged."""
    url = f"sqlite:///{tmp_path}/app.db"
    with connect(url) as engine:
        for number in range(10):
            place: Any = {"collection": "c", "key": f"k{number}"}
            engine.execute(Put(**place, value={"n": number, "t": "hello world"}))
            engine.execute(PostEvent(**place, type="t", value={"n": number}, timestamp=1))
    connection = sqlite3.connect(tmp_path / "app.db")
    connection.execute("UPDATE versions SET value = ? WHERE key = 'k3'", (DAMAGED[request.param],))
    connection.commit()
    connection.close()
    return url


def pages(engine: Engine, operation: Any) -> list[Any]:
    found: list[Any] = []
    while operation is not None:
        page = engine.execute(operation)
        found += page.results
        operation = page.next
    return found


@pytest.mark.parametrize(
    "operation",
    [
        Get(collection="c", key="k3"),
        Patch(collection="c", key="k3", changes=JsonPatch([{"op": "inc", "path": "n", "value": 1}])),
        ListRefs(collection="c", key="k3", values=True),
        List(collection="c", start="k3"),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_the_error_names_the_place(url: str, operation: Any) -> None:
    with connect(url) as engine, pytest.raises(CorruptDatabase, match="c/k3") as caught:
        engine.execute(operation)
    assert caught.value.path is not None
    assert (caught.value.path["collection"], caught.value.path["key"]) == ("c", "k3")


def test_the_others_are_there(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(url) as engine:
        assert [item.key for item in engine.execute(List(collection="c")).results] == ["k0", "k1", "k2"]
        behind = pages(engine, List(collection="c", after="k3"))
        assert [item.key for item in behind] == [f"k{number}" for number in range(4, 10)]
        with caplog.at_level(logging.ERROR, "orcodm.index"):
            found = engine.execute(Search(query="value.t:hello", collection="c")).results
        assert {item.key for item in found} == {f"k{number}" for number in range(10) if number != 3}
        assert "('c', 'k3')" in caplog.text
        events = pages(engine, ListEvents(collection="c", key="k3", type="t"))
        assert [event.value for event in events] == [{"n": 3}]


def test_it_can_be_written_anew(url: str) -> None:
    with connect(url) as engine:
        listed = pages(engine, List(collection="c", values=False))
        ref = next(item.ref for item in listed if item.key == "k3")
        engine.execute(Put(collection="c", key="k3", value={"n": 3}, condition=IfMatch(ref)))
        assert len(pages(engine, List(collection="c"))) == 10


def test_verify_and_export_go_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(url) as engine:
        flaws = [one for one in transfer.verify(engine) if isinstance(one, Flaw)]
    assert [(flaw.collection, flaw.key) for flaw in flaws] == [("c", "k3")]
    assert "is damaged" in flaws[0].reason
    copy = tmp_path / "copy.jsonl"
    for command, code, told in (
        (["verify", url], 3, "c/k3: "),
        (["export", url, "-o", str(copy)], 1, "1 record is damaged and left out: c/k3"),
    ):
        monkeypatch.setattr(sys, "argv", ["orcodm", *command])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == code
        assert told in "".join(capsys.readouterr())
    assert len(copy.read_bytes().splitlines()) == 19
