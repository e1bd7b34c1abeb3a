"""Several writes in one request: the service's bulk import, and our own batch.

The import knows three kinds of entries, none of them conditional, and each stands for itself. A batch
is an extension: its body is an array of requests, its answer one of responses, so it holds any write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
from attrs import frozen

from .. import values
from ..errors import ApiError, BadRequest, InvalidKey, InvalidValue, OrcodmError
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
from .bodies import Object, dump
from .timestamps import hexadecimal, read_ordinal, read_timestamp

BATCH_TYPE: Final = "application/vnd.orcodm.batch+json"
RECORDS_TYPE: Final = "application/vnd.orcodm.records+json"
IMPORT_TYPES: Final = frozenset(
    {"application/orchestrate-export+json", "application/orchestrate-export-stream+json"}
)


def _tuple(entries: Iterable[Write | OrcodmError]) -> tuple[Write | OrcodmError, ...]:
    return tuple(entries)


@frozen
class Import(Operation[BatchResult]):
    """Writes that each stand for themselves. An entry that could not be read is its error.

    It is read, and never sent: a server that has no batches gets each write by itself.
    """

    entries: tuple[Write | OrcodmError, ...] = attrs.field(converter=_tuple)

    @property
    def writes(self) -> tuple[Write, ...]:
        """The entries that could be read."""
        return tuple(entry for entry in self.entries if not isinstance(entry, OrcodmError))

    def result(self, outcomes: Iterable[Any]) -> BatchResult:
        """The outcome of each entry, from those of `writes`."""
        done = iter(outcomes)
        return BatchResult(
            [entry if isinstance(entry, OrcodmError) else next(done) for entry in self.entries]
        )


# -- requests --------------------------------------------------------------------------------------


def decode_import(body: bytes, collection: str | None) -> Import:
    """The import of a body: an array, or objects one after another. Raises `BadRequest`.

    `collection` is that of entries that name none.
    """
    entries = [_read_entry(entry, collection) for entry in _entries(body)]
    return Import(entries)


def _entries(body: bytes) -> Iterator[Any]:
    try:
        text = body.decode()
        if text.lstrip()[:1] == "[":
            yield from values.read(body)
            return
        decoder, position = json.JSONDecoder(), 0
        while position < len(text):
            if text[position] in " \t\r\n":
                position += 1
                continue
            _, end = decoder.raw_decode(text, position)
            # Once more, by the decoder that refuses what JSON does not have.
            yield values.read(text[position:end])
            position = end
    except InvalidValue as error:
        raise BadRequest(f"The body cannot be stored: {error}", details={"info": str(error)}) from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(
            f"The body is not an export: {error!s:.200}", details={"info": f"{error!s:.200}"}
        ) from None


def _read_entry(entry: Any, collection: str | None) -> Write | OrcodmError:
    try:
        values.check(entry["value"])
        if "path" in entry and str(entry["path"].get("kind")).lower() == "relationship":
            # As lists and exports have it; the service's own form has no path around the ends.
            entry = {**entry["path"], "value": entry["value"]}
        if "path" not in entry:
            return PutRelation(
                **_place(entry["source"], collection),
                kind=entry["relation"],
                to_collection=entry["destination"].get("collection", collection),
                to_key=entry["destination"]["key"],
                value={} if entry["value"] is None else entry["value"],
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


def encode_import_result(result: BatchResult, faults: Iterable[Object | None]) -> bytes:
    """The body for an import's outcomes; `faults` are the error bodies of those that failed."""
    results = [
        _write_outcome(index, outcome, fault)
        for index, (outcome, fault) in enumerate(zip(result.outcomes, faults, strict=True))
    ]
    successes = sum(entry["status"] == "success" for entry in results)
    status = "success" if successes == len(results) else "partial" if successes else "failure"
    return dump({"status": status, "success_count": successes, "results": results})


def _write_outcome(index: int, outcome: Any, fault: Object | None) -> Object:
    if fault is not None:
        # Java's client reads no details but texts, and knows of `info` only.
        details = {name: text for name, text in fault.get("details", {}).items() if isinstance(text, str)}
        error = fault | {"details": {"info": str(outcome)} | details}
        return {"status": "failure", "operation_index": index, "error": error}
    entry: Object = {"status": "success", "operation_index": index}
    match outcome:
        case EventWritten():
            path = attrs.asdict(outcome) | {"kind": "event", "ordinal_str": hexadecimal(outcome.ordinal)}
            entry["item"] = {"path": path}
        case Written():
            entry["item"] = {"path": attrs.asdict(outcome) | {"kind": "item"}}
    return entry
