"""Files as other programs write them: packed, marked, cut off, or something else."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import InvalidFile, lines, transfer
from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.operations import Get

LINES = [
    json.dumps({"path": {"collection": "users", "key": str(n)}, "value": {"n": n}}).encode() + b"\n"
    for n in range(2000)
]
TEXT = b"".join(LINES)


def zstd(data: bytes) -> bytes:
    module = pytest.importorskip("backports.zstd")
    packed: bytes = module.compress(data)
    return packed


PACKED: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress, zstd]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = connect("memory:")
    yield engine
    engine.close()


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text,
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\n\n" + text.replace(b"\n", b"\n \t\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: text[: len(LINES[0])] + b"\xef\xbb\xbf" + text[len(LINES[0]) :],
        *PACKED,
        lambda text: gzip.compress(b"\xef\xbb\xbf" + text),
        lambda text: gzip.compress(LINES[0]) + gzip.compress(b"".join(LINES[1:])),
    ],
)
@pytest.mark.parametrize("way", ["path", "text path", "file", "bytes", "pipe", "text"])
def test_every_form_is_read_every_way(
    engine: Engine, tmp_path: Path, form: Callable[[bytes], bytes], way: str
) -> None:
    data = form(TEXT)
    path = tmp_path / "users"  # whose name tells nothing
    path.write_bytes(data)
    if way == "pipe":
        out, into = os.pipe()

        def write() -> None:
            with open(into, "wb", buffering=0) as file:
                file.write(data[:1])
                file.write(data[1:])

        writer = threading.Thread(target=write)
        writer.start()
        with open(out, "rb") as pipe:
            loaded = [*transfer.load(engine, pipe)]
        writer.join()
    else:
        with path.open("rb") as file, path.open(encoding="utf-8") as text:
            sources: dict[str, Any] = {
                "path": path,
                "text path": str(path),
                "file": file,
                "bytes": io.BytesIO(data),
                "text": text,
            }
            loaded = [*transfer.load(engine, sources[way])]
    assert [each.error for each in loaded] == [None] * 2000
    assert engine.execute(Get(collection="users", key="1999")).value == {"n": 1999}


def test_lines_of_text_are_lines(engine: Engine) -> None:
    source: Any = ["\ufeff" + LINES[0].decode(), io.StringIO(LINES[1].decode()).read()]
    assert [each.error for each in transfer.load(engine, source)] == [None, None]


ENTRY = LINES[0].decode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ENTRY.encode("utf-16"), "is UTF-16"),
        (ENTRY.encode("utf-16-le"), "is UTF-16"),
        (ENTRY.encode("utf-16-be"), "is UTF-16"),
        (ENTRY.encode("utf-32"), "is UTF-32"),
        (gzip.compress(ENTRY.encode("utf-16"), mtime=0), "is UTF-16"),
        (b"PK\x03\x04" + bytes(40), "is a ZIP archive"),
        (b"SQLite format 3\0" + bytes(40), "sqlite:///"),
        (gzip.compress(TEXT, mtime=0)[:30], "is cut off at its beginning"),
        (b"\x1f\x8b\x08" + bytes(40), "cannot be read further"),
        (b"{oops\n", "line 1 is no JSON: '{oops'"),
        (b"name,age\nAda,36\n", "line 1 is no JSON: 'name,age'"),
        (b'{"name":"Ada"}\n' * 50_001, 'line 1 has no "path"'),
        (b'{"name":"Ada"}', "bulk"),
        (b'[{"name":"Ada"},{"name":"Bob"}]', "is a JSON array"),
        (b'\n[\n{"name":"Ada"}\n]\n', "jq -c '.[]'"),
        (b'"a"\n"b"\n', "line 1 is a text, and no object"),
        (b"1\n2\n", "line 1 is a number"),
        (b"null\n", "line 1 is null"),
        (b'{"path":"users/ada","value":1}\n', "\"path\" that is no object: 'users/ada'"),
        (b'{"path":{"collection":"users"},"value":1}\n', 'a "path" without "key"'),
        (b'{"path":{"collection":"users","key":5},"value":1}\n', '"key" cannot be 5'),
        (b'{"path":{"collection":"users","key":"a"}}\n', 'has no "value"'),
        (b'{"path":{"collection":"users","key":"a","kind":"itme"},"value":1}\n', "the kind 'itme'"),
        (
            b'{"path":{"collection":"c","key":"k","kind":"event","type":"t","timestamp":"x","ordinal":1},"value":1}',
            "\"timestamp\" cannot be 'x'",
        ),
        (b'{"relation":"likes","source":{"collection":"c","key":"k"}}', '"destination" that is no object'),
        (b"\xff\xe9\n", "line 1 is no JSON"),
    ],
)
def test_what_is_no_export_is_said_once(engine: Engine, tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(data)
    with pytest.raises(InvalidFile) as raised:
        transfer.load(engine, path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(InvalidFile, match="the input"):
        transfer.load(engine, io.BytesIO(data))


def test_a_file_without_lines_is_an_empty_export(engine: Engine) -> None:
    assert [*transfer.load(engine, io.BytesIO(b""))] == []
    assert [*transfer.load(engine, io.BytesIO(gzip.compress(b"\n\n")))] == []


def test_a_file_that_cannot_be_opened_is_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"users\.jsonl cannot be read: No such file"):
        transfer.load(engine, tmp_path / "users.jsonl")
    with pytest.raises(InvalidFile, match=r"cannot be read: Is a directory"):
        transfer.load(engine, tmp_path)


def test_bad_lines_are_told_one_by_one_and_the_others_stored(engine: Engine) -> None:
    mixed = [*LINES[:2], b"{}\n", b"oops\n", LINES[2]]
    loaded = {each.line: each for each in transfer.load(engine, io.BytesIO(b"".join(mixed)))}
    assert [number for number, each in sorted(loaded.items()) if each.error] == [3, 4]
    assert loaded[3].text == b"{}\n"
    assert loaded[4].text == b"oops\n"
    assert engine.execute(Get(collection="users", key="2")).value == {"n": 2}


@pytest.mark.parametrize("pack", [lambda text: text, *PACKED])
@pytest.mark.parametrize("part", [0.6, 0.9])
def test_of_a_file_that_is_cut_off_all_is_stored_that_is_there(
    engine: Engine, pack: Callable[[bytes], bytes], part: float
) -> None:
    noise = random.Random(1)  # so that no form can pack it all into one block
    text = b"".join(
        json.dumps(
            {"path": {"collection": "users", "key": str(n)}, "value": noise.randbytes(100).hex()}
        ).encode()
        + b"\n"
        for n in range(8000)
    )
    data = pack(text)
    loaded = [*transfer.load(engine, io.BytesIO(data[: int(len(data) * part)]))]
    [last] = [each for each in loaded if each.error]
    loaded.remove(last)
    assert isinstance(last.error, InvalidFile)
    assert "cut off" in str(last.error)
    assert "import the whole file again" in str(last.error).lower()
    assert len(loaded) > 2000
    assert last.line == len(loaded) + 1
    engine.execute(Get(collection="users", key=str(len(loaded) - 1)))


def test_a_reader_that_fails_is_told_after_what_was_read(engine: Engine) -> None:
    class Failing(io.RawIOBase):
        parts = iter([TEXT[:50_000]])

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            try:
                return next(self.parts)
            except StopIteration:
                raise OSError("the disk is gone") from None

    source: Any = Failing()
    loaded = [*transfer.load(engine, source)]
    [last] = [each for each in loaded if each.error]
    assert last.line == len(loaded) > 100
    assert "cannot be read further after line" in str(last.error)
    assert "the disk is gone" in str(last.error)


def test_a_line_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    last, first = transfer.load(engine, io.BytesIO(LINES[0] + b"x" * 5000 + b"\n" + LINES[1]))
    assert first.error is None
    assert "line 2 of the input is longer than" in str(last.error)


@given(st.binary(max_size=200))
def test_any_bytes_give_lines_or_an_error_of_ours(data: bytes) -> None:
    engine = connect("memory:")
    with suppress(InvalidFile):
        assert all(each.error is None or each.error.args for each in transfer.load(engine, io.BytesIO(data)))
    engine.close()
