"""Several writes in one request: the service's bulk import, and our own batch.

The import knows three kinds of entries, none of them conditional, and each stands for itself. A batch
is an extension: its body is an array of requests, its answer one of responses, so it holds any write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

import attrs
import msgspec
from attrs import frozen

from .. import values
from ..errors import ApiError, BadRequest, InvalidKey, InvalidValue, OrcodmError, TooLarge
from ..operations import (
    BatchResult,
    EventWritten,
    Operation,
    PostEvent,
    Put,
    PutRelation,
    Write,
    Written,
)
from .bodies import Object, dump, load
from .faults import encode_fault
from .timestamps import hexadecimal, read_ordinal, read_timestamp

BATCH_TYPE: Final = "application/vnd.orcodm.batch+json"
RECORDS_TYPE: Final = "application/vnd.orcodm.records+json"
IMPORT_TYPES: Final = frozenset(
    {"application/orchestrate-export+json", "application/orchestrate-export-stream+json"}
)


@frozen
class Import(Operation[BatchResult]):
    """Writes that each stand for themselves, as the texts of their entries.

    They are read some at a time, as their turn comes: there may be very many. `collection` is that of
    entries that name none. An import is never sent: a server that has no batches gets each write by itself.
    """

    texts: Sequence[bytes] = attrs.field(repr=False)
    collection: str | None = None

    def slices(self, entries: int, size: int) -> Iterator[list[Write | OrcodmError]]:
        """The writes, so many or so many bytes at a time; an entry that cannot be read is its error."""
        texts: list[bytes] = []
        taken = 0
        for text in self.texts:
            texts.append(text)
            taken += len(memoryview(text))
            if len(texts) == entries or taken >= size:
                yield [_read_text(text, self.collection) for text in texts]
                texts, taken = [], 0
        if texts:
            yield [_read_text(text, self.collection) for text in texts]


# -- requests --------------------------------------------------------------------------------------


def decode_import(body: bytes, collection: str | None) -> Import:
    """The import of a body: an array, or objects one after another. Raises `BadRequest`.

    `collection` is that of entries that name none.
    """
    return Import(texts_of(body, "an export"), collection)


def texts_of(body: bytes, what: str) -> Sequence[bytes]:
    """The texts in a JSON array, or of values one after another. Raises `BadRequest` or `TooLarge`.

    That they are JSON is seen, without making their values; one with what only JSON cannot hold (a lone
    surrogate, NaN) is left to whoever reads it.
    """
    try:
        if body.count(b",") + body.count(b"{") > _DENSE:
            return _liberal_texts(body)
        texts = _array.decode(body) if _is_array(body) else _one.decode_lines(body)
    except (ValueError, RecursionError) as error:
        try:
            texts = _liberal_texts(body)
        except (ValueError, RecursionError):
            raise BadRequest(
                f"The body is not {what}: {error!s:.200}", details={"info": f"{error!s:.200}"}
            ) from None
    if len(texts) > MAX_ENTRIES:
        raise _too_many()
    return texts


MAX_ENTRIES: Final = 500_000
"""How many entries an import or a batch has at most: each takes memory, however short it is."""
_DENSE: Final = 8 * MAX_ENTRIES
"""From so many commas and braces on there may be more entries: they are counted as they are found."""


def _too_many() -> TooLarge:
    return TooLarge(f"A body has at most {MAX_ENTRIES} entries: send several.")


def _is_array(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"["


def _liberal_texts(body: bytes) -> list[bytes]:
    """The same as Python reads JSON. Raises `ValueError` or `TooLarge`."""
    text, decoder = body.decode(), json.JSONDecoder()
    texts: list[bytes] = []
    array = _is_array(body)
    position = _behind_space(text, text.index("[") + 1 if array else 0)
    while position < len(text) and not (array and not texts and text[position] == "]"):
        _, end = decoder.raw_decode(text, position)
        texts.append(text[position:end].encode())
        if len(texts) > MAX_ENTRIES:
            raise _too_many()
        position = _behind_space(text, end)
        if array:
            if text[position : position + 1] != ",":
                break
            position = _behind_space(text, position + 1)
    if array and text[position:].rstrip(_SPACE) != "]":
        raise ValueError("the array has no end")
    return texts


_SPACE: Final = " \t\r\n"


def _behind_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


# A `Raw` is a view of its text in the body.
_array: Final = cast("msgspec.json.Decoder[list[bytes]]", msgspec.json.Decoder(list[msgspec.Raw]))
_one: Final = cast("msgspec.json.Decoder[bytes]", msgspec.json.Decoder(msgspec.Raw))


def _read_text(text: bytes, collection: str | None) -> Write | OrcodmError:
    try:
        return _read_entry(load(bytes(text)), collection)
    except BadRequest as error:
        return error


def _read_entry(entry: Any, collection: str | None) -> Write | OrcodmError:
    try:
        if "path" in entry and str(entry["path"].get("kind")).lower() == "relationship":
            # As lists and exports have it; the service's own form has no path around the ends.
            entry = {**entry["path"], "value": entry.get("value")}
        if "path" not in entry:
            return PutRelation(
                **_place(entry["source"], collection),
                kind=entry["relation"],
                to_collection=entry["destination"].get("collection", collection),
                to_key=entry["destination"]["key"],
                value={} if entry.get("value") is None else entry["value"],
            )
        path = entry["path"]
        # Java's client writes the names of its constants, ITEM and EVENT.
        kind = path.get("kind", "event" if "type" in path else "item").lower()
        if kind == "item":
            return Put(**_place(path, collection), value=entry["value"])
        if kind == "event":
            return PostEvent(
                **_place(path, collection),
                type=path["type"],
                value=entry["value"],
                timestamp=_read(path.get("timestamp"), read_timestamp),
                ordinal=_read(path.get("ordinal"), read_ordinal),
            )
    except ApiError as error:
        return error
    except (InvalidKey, InvalidValue) as error:
        return BadRequest(str(error))
    except (KeyError, TypeError, AttributeError, ValueError):
        pass
    return BadRequest(f"The entry is neither an item, an event nor a relationship: {entry!r:.80}")


def _place(path: Object, collection: str | None) -> Object:
    return {"collection": path.get("collection", collection), "key": path["key"]}


def _read(given: Any, read: Any) -> Any:
    return read(given) if isinstance(given, str) else given


# -- responses -------------------------------------------------------------------------------------


class ImportAnswer:
    """The body for an import's outcomes, which are added as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0
        self._successes = 0

    def add(self, outcomes: Iterable[tuple[Any, Any]]) -> None:
        """Add entries, each with its outcome: what was written, or the error."""
        results = [_write_outcome(index, *entry) for index, entry in enumerate(outcomes, self._count)]
        self._count += len(results)
        self._successes += sum(entry["status"] == "success" for entry in results)
        if results:
            self._parts.append(dump(results)[1:-1])

    def body(self) -> bytes:
        """The whole body."""
        all_done = self._successes == self._count
        status = b"success" if all_done else b"partial" if self._successes else b"failure"
        head = b'{"status":"%b","success_count":%d,"results":[' % (status, self._successes)
        return head + b",".join(self._parts) + b"]}"


def _write_outcome(index: int, entry: Any, outcome: Any) -> Object:
    if isinstance(outcome, OrcodmError):
        fault = values.decode(encode_fault(outcome).body)
        # Java's client reads no details but texts, and knows of `info` only.
        details = {name: text for name, text in fault.get("details", {}).items() if isinstance(text, str)}
        fault["details"] = {"info": str(outcome)} | details
        if isinstance(outcome, ApiError):
            fault["message"] = outcome.default_message
        return {"status": "failure", "operation_index": index, "error": fault}
    result: Object = {"status": "success", "operation_index": index}
    if isinstance(outcome, EventWritten):
        result["item"] = {"path": _path(outcome, "event") | {"ordinal_str": hexadecimal(outcome.ordinal)}}
    elif not isinstance(entry, PutRelation):  # of one, the service said no more than its success
        result["item"] = {"path": _path(outcome, "item")}
    return result


def _path(written: Written | EventWritten, kind: str) -> Object:
    path = {name: getattr(written, name) for name in _PATHS[kind]} | {"kind": kind}
    if written.reftime is not None:
        path["reftime"] = written.reftime
    return path


_PATHS: Final = {
    "item": ("collection", "key", "ref"),
    "event": ("collection", "key", "type", "timestamp", "ordinal", "ref"),
}
