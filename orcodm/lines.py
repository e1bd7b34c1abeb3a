"""The lines of a file as other programs write it: packed or not, with or without a byte order mark.

A file is told by its first bytes, never by its name, so that a pipe is read like a file. The length of a line
is bounded, so that a file of any size takes little memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, BinaryIO, Final, TypeAlias, cast

from .errors import InvalidFile

MAX_LINE_BYTES: Final = 64 * 2**20
"""How long a line may be: no value that is stored is as long."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

Source: TypeAlias = str | os.PathLike[str] | BinaryIO | Iterable[bytes]
"""A path, an open file, a pipe, or the lines themselves."""


def name_of(source: Source) -> str:
    """What messages call a source."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name != "<stdin>" else "the input"


def lines(source: Source) -> Iterator[bytes]:
    """The lines of a source, unpacked and without byte order marks.

    Raises `InvalidFile` at once where the source cannot be opened, or is no UTF-8 text by its beginning; and
    after the last line that can be read where it is damaged or cut off, or reading fails.
    """
    name = name_of(source)
    if isinstance(source, str | os.PathLike):
        try:
            return _of_file(open(source, "rb"), name, close=True)
        except OSError as error:
            raise InvalidFile(f"{name} cannot be read: {error.strerror}") from error
    binary = getattr(source, "buffer", source)  # of a file that was opened as text
    if hasattr(binary, "readline") and not isinstance(binary, io.TextIOBase):
        return _of_file(cast("BinaryIO", binary), name)
    return (
        (line.encode() if isinstance(line, str) else line).removeprefix(BYTE_ORDER_MARK)
        for line in cast("Iterable[bytes | str]", source)
    )


def _of_file(file: BinaryIO, name: str, close: bool = False) -> Iterator[bytes]:
    try:
        head, stream = _beginning(_unpacked(file, name), 16)
        reason = next((said for beginning, said in _NO_TEXT.items() if head.startswith(beginning)), None)
        if reason is None and b"\0" in head[:2]:
            reason = _UTF_16
        if reason is not None:
            raise InvalidFile(f"{name} {reason}")
    except Exception as error:
        if close:
            file.close()
        raise error if isinstance(error, InvalidFile) else _failed(name, 0, error) from error
    return _each(stream, name, file if close else None)


def _each(stream: BinaryIO, name: str, opened: BinaryIO | None) -> Iterator[bytes]:
    number = 0
    try:
        while True:
            try:
                line = stream.readline(MAX_LINE_BYTES + 1)
            except Exception as error:
                raise _failed(name, number, error) from error
            if not line:
                return
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise InvalidFile(f"line {number} of {name} is longer than {MAX_LINE_BYTES // 2**20} MiB")
            yield line.removeprefix(BYTE_ORDER_MARK)
    finally:
        if opened is not None:
            opened.close()


# -- how a file begins -----------------------------------------------------------------------------


class _Again(io.RawIOBase):
    """A stream whose first bytes were read already, and come once more."""

    def __init__(self, head: bytes, stream: Any) -> None:
        self._head = head
        self._read = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data, self._head = (self._head or self._read(len(view))), b""
        view[: len(data)], self._head = data[: len(view)], data[len(view) :]
        return min(len(data), len(view))


def _beginning(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, and a stream that still has them."""
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head, io.BufferedReader(_Again(head, stream), 2**17)


def _unpacked(file: BinaryIO, name: str) -> BinaryIO:
    head, stream = _beginning(file, 8)
    for beginning, opened in _PACKED.items():
        if head.startswith(beginning):
            return cast("BinaryIO", opened(stream))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        for module in ("compression.zstd", "backports.zstd"):
            try:
                return cast("BinaryIO", import_module(module).ZstdFile(stream))
            except ModuleNotFoundError:
                continue
        raise InvalidFile(
            f"{name} is packed by zstd, which needs Python 3.14 or another package: "
            f"pip install backports.zstd, or unpack it first (zstd -d)"
        )
    return stream


_PACKED: Final[dict[bytes, Callable[[Any], Any]]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}

_UTF_16: Final = "is UTF-16, and not UTF-8; convert it first: iconv -f UTF-16 -t UTF-8"
_NO_TEXT: Final = {
    b"\xff\xfe\0\0": "is UTF-32, and not UTF-8; convert it first: iconv -f UTF-32 -t UTF-8",
    b"\0\0\xfe\xff": "is UTF-32, and not UTF-8; convert it first: iconv -f UTF-32 -t UTF-8",
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
    b"PK\x03\x04": "is a ZIP archive; unpack it first",
    b"SQLite format 3": "is a SQLite database and no text; where orcodm made it, its URL is sqlite:///PATH",
    b"PAR1": "is a Parquet file and no text",
}
"""How files begin that are no lines of UTF-8, and what to say of them."""


def _failed(name: str, lines: int, error: Exception) -> InvalidFile:
    """The error for what reading raised: the disk's, or that of packed data which are cut off or damaged."""
    behind = f"after line {lines}" if lines else "at its beginning"
    if isinstance(error, EOFError):
        return InvalidFile(
            f"{name} is cut off {behind}: its packed data have no end. Import the whole file again"
        )
    return InvalidFile(f"{name} cannot be read further {behind}: {error}")
