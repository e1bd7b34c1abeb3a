"""Items: what a write makes of the current version, and reading versions. Deciding is pure.

A history is a chain of documents on one shard. Its newest version is the current document, under the id of
the key; every version before it has a document of its own, whose id follows from the key, the birth of the
chain and the version's number. So a history is read by ids, without searching, and as it is at this moment.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from ... import patch
from ...errors import AlreadyExists, Conflict, NotFound
from ...operations import (
    Delete,
    Get,
    IfMatch,
    Item,
    List,
    ListRefs,
    Page,
    Patch,
    Post,
    Put,
    Version,
    Written,
)
from ...refs import link, tombstone_ref
from ...values import canonical, encode
from ..paging import page_before
from .context import Context
from .documents import STORED, Draft, Moment, Source, as_item, as_version, is_head, is_live
from .exchange import Steps
from .names import ITEM, PURGING, TOMBSTONE, VERSION, item_id, version_id

_NUMBERS: Final = 2**64

CHUNK: Final = 1_000
"""How many versions are fetched at once."""


# -- deciding --------------------------------------------------------------------------------------


def put(operation: Put | Post, key: str, current: Draft | None, moment: Moment) -> tuple[Draft, Written]:
    if isinstance(operation, Put):
        _check(operation, current)
    return _next(operation.collection, key, current, operation.value, moment)


def patch_item(operation: Patch, current: Draft | None, moment: Moment) -> tuple[Draft, Written]:
    if current is not None and current.kind == ITEM:
        value = current.value
    elif operation.upsert:
        value = {}
    else:
        # Also with If-Match: the protocol looks whether there is an item first (6.4).
        raise NotFound.item(operation.collection, operation.key)
    _check(operation, current)
    value = patch.apply(value, operation.changes)
    return _next(operation.collection, operation.key, current, value, moment)


def delete(operation: Delete, current: Draft | None, moment: Moment) -> tuple[Draft | None, None]:
    """The tombstone; what is there already where there is nothing to delete."""
    if type(operation.condition) is IfMatch:  # If-None-Match means nothing to a deletion (6.5)
        _check(operation, current)
    if current is None or current.kind == TOMBSTONE:
        return current, None
    ref = tombstone_ref(current.ref)
    source = version(operation.collection, operation.key, current, ref, None, moment)
    return Draft(source), None


def _next(
    collection: str, key: str, current: Draft | None, value: Any, moment: Moment
) -> tuple[Draft, Written]:
    text = encode(value)
    ref = link(None if current is None else current.ref, canonical(value))
    source = version(collection, key, current, ref, text, moment)
    return Draft(source, value), Written(collection, key, ref, source["reftime"])


def version(
    collection: str,
    key: str,
    current: Draft | None,
    ref: str,
    text: bytes | None,
    moment: Moment,
    reftime: int | None = None,
) -> Source:
    """The document of a version on top of the current one; without a text, of a deletion."""
    before = None if current is None else current.source
    stamp = moment.after(None if before is None else before["stamp"])
    if reftime is None:
        # The clock may have been set back; a history does not run backwards.
        reftime = moment.now if before is None else max(moment.now, before["reftime"])
    source: Source = {
        "kind": TOMBSTONE if text is None else ITEM,
        "collection": collection,
        "key": key,
        "ref": ref,
        "reftime": reftime,
        "born": stamp if before is None else before["born"],
        "stamp": stamp,
        "number": 1 if before is None else before["number"] + 1,
        "previous": None if before is None else before["ref"],
    }
    if text is not None:
        source["value"] = text.decode()
    return source


def _check(operation: Put | Patch | Delete, current: Draft | None) -> None:
    """Raise the conflict where the condition does not hold."""
    condition = operation.condition
    if condition is None:
        return
    ref = current.ref if current is not None and current.kind == ITEM else None
    if type(condition) is IfMatch:
        if ref != condition.ref:
            raise Conflict.of_ref(operation.collection, operation.key, condition.ref, ref)
    elif ref is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, ref)


# -- reading ---------------------------------------------------------------------------------------


def get(context: Context, operation: Get) -> Steps[Item]:
    collection, key = operation.collection, operation.key
    source = yield from context.get(item_id(collection, key))
    if source is not None and operation.ref is not None and source["ref"] != operation.ref:
        source = yield from _older(context, source, operation.ref)
    if source is None or "value" not in source or source["kind"] == PURGING:
        raise NotFound.item(collection, key)
    return as_item(source, operation)


def _older(context: Context, head: Source, ref: str) -> Steps[Source | None]:
    """The version of a ref that is not the current one."""
    if not is_head(head) or head["number"] == 1:
        return None
    place = [{"term": {name: head[name]}} for name in ("collection", "key", "born")]
    query = {"bool": {"filter": [*place, {"term": {"ref": ref}}, {"term": {"kind": VERSION}}]}}
    body = {"query": query, "size": 10}
    # What others wrote in the last moment is not in every search yet: before "no" everything is looked at.
    for everything in (False, True):
        hits = (yield from context.search(body, everything=everything))["hits"]["hits"]
        for hit in hits:
            if hit["_source"]["number"] < head["number"]:
                source: Source = hit["_source"]
                return source
    return None


def list_refs(context: Context, operation: ListRefs) -> Steps[Page[Version]]:
    collection, key, limit, offset = operation.collection, operation.key, operation.limit, operation.offset
    item = item_id(collection, key)
    head = yield from context.get(item)
    if head is None or not is_head(head):
        raise NotFound.item(collection, key)
    first = head["number"] - offset
    if operation.at is not None:  # where the page before this one ended, whatever was written since
        born, first = divmod(operation.at, _NUMBERS)
        if born != int(head["born"], 16):
            first = 0  # that history was purged
    last = max(0, first - limit)
    sources = [head] if limit and first == head["number"] else []
    wanted = range(min(first, head["number"] - 1), last, -1)
    sources += yield from older(context, item, head["born"], wanted)
    following = None
    if sources and last > 0:
        following = evolve(operation, offset=offset + limit, at=int(head["born"], 16) * _NUMBERS + last)
    return Page(
        results=[as_version(source, operation) for source in sources],
        next=following,
        prev=page_before(operation),
    )


def older(
    context: Context, item: str, born: str, numbers: range, only: tuple[str, ...] = ()
) -> Steps[list[Source]]:
    """The older versions with these numbers, as far as they are there."""
    found: list[Source] = []
    for start in range(0, len(numbers), CHUNK):
        ids = [version_id(item, born, number) for number in numbers[start : start + CHUNK]]
        documents = yield from context.mget(ids, routing=item, only=only)
        found += [document.source for document in documents if document is not None]
    return found


def list_(context: Context, operation: List) -> Steps[Page[Item]]:
    collection, limit = operation.collection, operation.limit
    bounds = {
        sign: key
        for sign, key in (
            ("gte", operation.start),
            ("gt", operation.after),
            ("lt", operation.before),
            ("lte", operation.end),
        )
        if key is not None
    }
    clauses: list[Any] = [{"term": {"kind": ITEM}}, {"term": {"collection": collection}}]
    clauses += [{"range": {"key": {sign: key}}} for sign, key in bounds.items()]
    body: dict[str, Any] = {
        "query": {"bool": {"filter": clauses}},
        "sort": ["key"],
        "size": limit + 1,
        "track_total_hits": False,
    }
    if not operation.values:
        body["_source"] = [name for name in STORED if name != "value"]
    hits = (yield from context.search(body))["hits"]["hits"]
    results = [as_item(hit["_source"], operation) for hit in hits[:limit]]
    following = None
    if results and len(hits) > limit:
        following = evolve(operation, start=None, after=results[-1].key)
    return Page(results=results, next=following)


def living(context: Context, ids: list[str]) -> Steps[set[str]]:
    """Which of these ids are items that have values."""
    alive: set[str] = set()
    for start in range(0, len(ids), 10 * CHUNK):
        documents = yield from context.mget(ids[start : start + 10 * CHUNK], only=("kind",))
        alive.update(document.id for document in documents if document and is_live(document.source))
    return alive
