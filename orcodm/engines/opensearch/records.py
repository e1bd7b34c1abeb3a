"""Records: everything that is stored, as it is stored, out; and what a record makes of what is there.

Versions come in the order of their stamps, which is the order of writing (a chain's are always ascending,
those of different writers as their clocks agree); then events, then relations, oldest first.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import orjson
from attrs import evolve

from ...errors import AlreadyExists, Conflict, InvalidParameter
from ...operations import START, Dump, EventItem, Page, Record, RelationItem, Version
from ...refs import link
from ...values import canonical, encode
from . import items, relations
from .context import Context
from .documents import Draft, Moment, Source, as_record, is_head
from .exchange import Steps
from .names import EVENT, ITEM, RELATIONSHIP, TOMBSTONE, VERSION, item_id

_PHASES: Final = {
    "versions": ([ITEM, TOMBSTONE, VERSION], "stamp"),
    "events": ([EVENT], "stamp"),
    "relations": ([RELATIONSHIP], "born"),
}
"""What is dumped one after the other, and in which order."""

_BEGINNING: Final = "0"


# -- out -------------------------------------------------------------------------------------------


def dump(context: Context, operation: Dump) -> Steps[Page[Record]]:
    phase, after = _place(operation.cursor)
    # What others wrote before the dump began is in as well.
    yield from context.refresh(everything=operation.cursor == START)
    phases = list(_PHASES)
    results: list[Record] = []
    for name in phases[phases.index(phase) :]:
        while True:
            room = operation.limit - len(results)
            hits = yield from _hits(context, operation.collection, name, after, room + 1)
            shown = hits[:room]
            results += [as_record(hit["_source"]) for hit in (yield from _real(context, shown))]
            after = shown[-1]["sort"] if shown else after
            if len(hits) <= room:
                break
            if len(results) == operation.limit:
                cursor = f"{name}:{_written(after)}"
                return Page(results=results, next=evolve(operation, cursor=cursor) if results else None)
        after = None
    return Page(results=results)


def _hits(
    context: Context, collection: str | None, phase: str, after: list[Any] | None, size: int
) -> Steps[list[Any]]:
    kinds, order = _PHASES[phase]
    clauses: list[Any] = [{"terms": {"kind": kinds}}]
    if collection is not None:
        clauses.append({"term": {"collection": collection}})
    body: dict[str, Any] = {
        "query": {"bool": {"filter": clauses}},
        "sort": [order, "collection", "key", "kind"],
        "size": size,
        "track_total_hits": False,
    }
    if after is not None:
        body["search_after"] = after
    hits: list[Any] = (yield from context.search(body))["hits"]["hits"]
    return hits


def _real(context: Context, hits: list[Any]) -> Steps[list[Any]]:
    """The hits without documents of versions that a writer who died left behind: no chain has them."""
    ids = [
        item_id(hit["_source"]["collection"], hit["_source"]["key"])
        for hit in hits
        if hit["_source"]["kind"] == VERSION
    ]
    names = ("kind", "born", "number")
    heads = {}
    for found in (yield from context.mget(list(dict.fromkeys(ids)), only=names)):
        if found is not None and is_head(found.source):
            heads[found.id] = found.source
    kept = []
    for hit in hits:
        source = hit["_source"]
        if source["kind"] == VERSION:
            head = heads.get(item_id(source["collection"], source["key"]))
            if head is None or head["born"] != source["born"] or head["number"] <= source["number"]:
                continue
        kept.append(hit)
    return kept


def _written(after: list[Any] | None) -> str:
    return _BEGINNING if after is None else base64.urlsafe_b64encode(orjson.dumps(after)).decode()


def _place(cursor: str) -> tuple[str, list[Any] | None]:
    if cursor == START:
        return "versions", None
    phase, _, position = cursor.partition(":")
    try:
        if phase not in _PHASES:
            raise ValueError
        if position == _BEGINNING:
            return phase, None
        after = orjson.loads(base64.b64decode(position, altchars=b"-_", validate=True))
        if type(after) is not list or len(after) != 4:
            raise ValueError
    except (ValueError, binascii.Error):
        raise InvalidParameter(
            f"there is no place {cursor!r:.40} among the records", details={"records": "Not a place."}
        ) from None
    return phase, after


# -- in --------------------------------------------------------------------------------------------


def restore(
    record: Record, current: Draft | None, history: set[str], moment: Moment
) -> tuple[Draft | None, bool]:
    """What a record makes of what is there, and whether that is anything new.

    `history` are the refs of the key's versions.
    """
    match record:
        case Version():
            return _version(record, current, history, moment)
        case EventItem():
            place = {name: getattr(record, name) for name in ("type", "timestamp", "ordinal")}
            return _single(record, {"kind": EVENT, **place}, current, moment)
        case RelationItem():
            stamp = moment.stamp
            source = relations.document(
                record.collection,
                record.key,
                record.kind,
                record.to_collection,
                record.to_key,
                ref=record.ref,
                reftime=record.reftime or 0,
                text=encode(record.value),
                stamp=stamp,
                born=stamp,
            )
            return _single(record, source, current, moment)


def _version(
    version: Version, current: Draft | None, history: set[str], moment: Moment
) -> tuple[Draft | None, bool]:
    place = version.collection, version.key
    previous = None if current is None else current.ref
    text = None if version.deleted else encode(version.value)
    ref = version.ref or ""
    if ref != link(previous, b"" if text is None else canonical(version.value)):
        if ref == previous or ref in history:
            return current, False
        there = current.ref if current is not None and current.kind == ITEM else None
        raise Conflict.of_ref(*place, ref, there)
    source = items.version(*place, current, ref, text, moment, version.reftime)
    history.add(ref)
    return Draft(source) if text is None else Draft(source, version.value), True


def _single(
    record: EventItem | RelationItem, more: Source, current: Draft | None, moment: Moment
) -> tuple[Draft | None, bool]:
    if current is not None:
        if current.ref == record.ref:
            return current, False
        raise AlreadyExists.of_ref(record.collection, record.key, None, current.ref)
    stamp = moment.stamp
    source: Source = {
        "collection": record.collection,
        "key": record.key,
        "ref": record.ref,
        "reftime": record.reftime,
        "born": stamp,
        "stamp": stamp,
        "value": encode(record.value).decode(),
    } | more
    return Draft(source, record.value), True
