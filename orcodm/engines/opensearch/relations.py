"""Relations: what a write makes of one, reading them, and walking along them. Deciding is pure.

A walk asks for all relations of a hop at once, so it takes as many requests as there are hops, whatever the
number of items on the way (up to some thousands; then one more for each so many).
"""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from ...errors import AlreadyExists, Conflict, InvalidParameter, NotFound, RelationNotFound
from ...operations import (
    DeleteRelation,
    GetRelation,
    IfMatch,
    Item,
    ListRelations,
    Page,
    PutRelation,
    RelationItem,
    Written,
)
from ...refs import link
from ...values import canonical, encode
from ..paging import page_before
from .context import Context
from .documents import Draft, Moment, Source, as_item, as_relation, is_live
from .exchange import Steps
from .items import living
from .names import RELATIONSHIP, item_id, relation_id

MAX_REACHED: Final = 1_000_000
"""How many items one hop may reach."""

CHUNK: Final = 10_000
"""How many relations, or ids, a request is about."""

One = GetRelation | PutRelation | DeleteRelation


# -- deciding --------------------------------------------------------------------------------------


def put_relation(
    operation: PutRelation, current: Draft | None, alive: set[str], moment: Moment
) -> tuple[Draft, Written]:
    """The relation. `alive` are the ids of its ends, as far as they have values."""
    value = {} if operation.value is None else operation.value
    text = encode(value)
    check_ends(operation, alive)
    _check(operation, current)
    ref = link(None if current is None else current.ref, canonical(value))
    before = None if current is None else current.source
    source = document(
        operation.collection,
        operation.key,
        operation.kind,
        operation.to_collection,
        operation.to_key,
        ref=ref,
        reftime=moment.now if before is None else max(moment.now, before["reftime"]),
        text=text,
        stamp=moment.after(None if before is None else before["stamp"]),
        born=None if before is None else before["born"],
    )
    return Draft(source, value), Written(collection=operation.collection, key=operation.key, ref=ref)


def delete_relation(operation: DeleteRelation, current: Draft | None, alive: set[str]) -> None:
    """Raise where the relation may not be deleted."""
    if current is None:
        # A relation that is there may go even where one of its ends went first.
        check_ends(operation, alive)
    if type(operation.condition) is IfMatch:  # If-None-Match means nothing to a deletion
        _check(operation, current)


def document(
    collection: str,
    key: str,
    kind: str,
    to_collection: str,
    to_key: str,
    *,
    ref: str,
    reftime: int,
    text: bytes,
    stamp: str,
    born: str | None,
) -> Source:
    """The document of a relation."""
    return {
        "kind": RELATIONSHIP,
        "collection": collection,
        "key": key,
        "relation": kind,
        "to_collection": to_collection,
        "to_key": to_key,
        "source": item_id(collection, key),
        "destination": item_id(to_collection, to_key),
        "ref": ref,
        "reftime": reftime,
        "born": born or stamp,
        "stamp": stamp,
        "value": text.decode(),
    }


def ends(operation: One) -> tuple[str, str]:
    """The ids of the items that a relation is between."""
    return item_id(operation.collection, operation.key), item_id(operation.to_collection, operation.to_key)


def identity(operation: One | RelationItem) -> str:
    """The id of the relation that an operation is about."""
    return relation_id(
        operation.collection, operation.key, operation.kind, operation.to_collection, operation.to_key
    )


def check_ends(operation: One, alive: set[str]) -> None:
    source, destination = ends(operation)
    if source not in alive:
        raise NotFound.item(operation.collection, operation.key)
    if destination not in alive:
        raise NotFound.item(operation.to_collection, operation.to_key)


def _check(operation: PutRelation | DeleteRelation, current: Draft | None) -> None:
    condition = operation.condition
    if condition is None:
        return
    ref = None if current is None else current.ref
    if type(condition) is IfMatch:
        if ref != condition.ref:
            raise Conflict.of_ref(operation.collection, operation.key, condition.ref, ref)
    elif ref is not None:
        raise AlreadyExists.of_ref(operation.collection, operation.key, None, ref)


# -- reading ---------------------------------------------------------------------------------------


def get_relation(context: Context, operation: GetRelation) -> Steps[RelationItem]:
    """A relation whose ends both have values: what a walk would meet."""
    found, *items = yield from context.mget([identity(operation), *ends(operation)])
    if found is None or not all(item is not None and is_live(item.source) for item in items):
        raise RelationNotFound(
            f"{RelationNotFound.default_message} ({operation.collection}/{operation.key} "
            f"{operation.kind} {operation.to_collection}/{operation.to_key})"
        )
    return as_relation(found.source, operation)


def list_relations(context: Context, operation: ListRelations) -> Steps[Page[Item]]:
    """The items at the last hop; an item on the way that has no value leads nowhere."""
    limit, offset = operation.limit, operation.offset
    start = item_id(operation.collection, operation.key)
    if not (yield from living(context, [start])):
        raise NotFound.item(operation.collection, operation.key)
    places = [start]
    until = context.until()
    for kind in operation.kinds:
        # Each hop is a set of destinations in the order of the oldest relation that leads there, so that a
        # cycle or several ways to one place cannot multiply.
        reached = yield from _hop(context, places, kind, operation, until)
        alive = yield from living(context, reached)
        places = [place for place in reached if place in alive]
    shown = yield from context.mget(places[offset : offset + limit])
    results = [as_item(found.source, operation) for found in shown if found and is_live(found.source)]
    following = None
    if results and len(places) > offset + limit:
        following = evolve(operation, offset=offset + limit)
    return Page(
        results=[evolve(item, text=None) for item in results], next=following, prev=page_before(operation)
    )


def _hop(
    context: Context, places: list[str], kind: str, operation: ListRelations, until: float
) -> Steps[list[str]]:
    """The ids that relations of a kind lead to from any of these, the oldest relation first.

    Raises `QueryTimeout` where the whole walk has taken its time, `InvalidParameter` where the hop reaches
    more items than are held in memory.
    """
    ages: dict[str, str] = {}
    for first in range(0, len(places), CHUNK):
        sources = {"terms": {"source": places[first : first + CHUNK]}}
        clauses = [{"term": {"kind": RELATIONSHIP}}, {"term": {"relation": kind}}, sources]
        body: dict[str, Any] = {
            "query": {"bool": {"filter": clauses}},
            "sort": ["born", "destination", "source"],
            "size": CHUNK,
            "_source": ["destination", "born"],
            "track_total_hits": False,
        }
        while True:
            context.check_walk(until, len(operation.kinds), f"{operation.collection}/{operation.key}")
            hits = (yield from context.search(body))["hits"]["hits"]
            for hit in hits:
                place, born = hit["_source"]["destination"], hit["_source"]["born"]
                ages[place] = min(born, ages.get(place, born))
            if len(ages) > MAX_REACHED:
                raise InvalidParameter(
                    f"a hop along {kind!r} reaches more than {MAX_REACHED} items; take fewer hops, or begin "
                    "where fewer relations lead on",
                    details={"kinds": "Too many items."},
                )
            if len(hits) < CHUNK:
                break
            body["search_after"] = hits[-1]["sort"]
    return sorted(ages, key=lambda place: (ages[place], place))
