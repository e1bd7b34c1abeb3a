"""Random operations, results and errors: everything that can be asked, and everything that can come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import strategies as st

from orcodm import operations as ops
from orcodm.errors import (
    Aborted,
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    IndexingConflict,
    InternalError,
    InvalidParameter,
    InvalidQuery,
    MalformedRef,
    MethodNotAllowed,
    NotFound,
    OrcodmError,
    PatchConflict,
    QueryTimeout,
    RelationNotFound,
    TooLarge,
    Unauthorized,
)

from .engines.strategies import json_values

Make = st.SearchStrategy[Any]

# Names that have gone wrong somewhere: slashes, dots, percent signs, pluses, words of the route table.
names = st.sampled_from(
    ["a", "users", ".", "..", "a/b", "%2F", "a+b", "a b", "refs", "events", "relation", "🦉", "v0", "&=?#:@,"]
) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
refs = st.text("0123456789abcdef", min_size=1, max_size=16)
moments = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**41)
# Among them those whose decimal form has 16 digits, which passes for hex.
ordinals = st.integers(-(2**63), 2**63 - 1) | st.integers(10**15, 10**16 - 1)
counts = st.integers(0, 200)
values = json_values(max_leaves=5)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
queries = st.sampled_from(["*", "value.home:NEAR:{lat:0 lon:0 dist:5km}", "a:b AND c"]) | texts.filter(len)
fields = st.lists(texts.filter(len), max_size=2)
field_names = st.sampled_from(
    ["value.a", "distance", "value.home", "home", "_random", "a:b", "a,b", "a\\"]
) | texts.filter(lambda text: text == text.strip() and text)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
sides = st.none() | floats
conditions = st.none() | refs.map(ops.IfMatch) | st.just(ops.IfAbsent())
objects = st.dictionaries(texts, values, max_size=3)
changes = st.lists(objects, max_size=3).map(ops.JsonPatch) | values.map(ops.MergePatch)
bounds = st.none() | st.builds(ops.EventBound, moments, st.none() | ordinals)
buckets = st.lists(st.tuples(sides, sides), max_size=3)

sorts = st.lists(
    st.builds(ops.SortField, field_names, st.booleans())
    | st.builds(ops.SortDistance, field_names, st.booleans())
    | st.builds(ops.SortRandom, st.none() | texts),
    max_size=3,
)
aggregates = st.lists(
    st.builds(ops.Stats, field_names)
    | st.builds(ops.Ranges, field_names, buckets)
    | st.builds(ops.Distances, field_names, buckets)
    | st.builds(
        ops.TimeSeries,
        field_names,
        st.sampled_from(["year", "quarter", "month", "week", "day", "hour"]),
        st.sampled_from([None, "+0900", "-0330"]),
    )
    | st.builds(ops.TopValues, field_names, counts, counts),
    max_size=3,
)

ATTRIBUTES: dict[str, Make] = {
    "collection": names,
    "key": names,
    "type": names,
    "kind": names,
    "to_collection": names,
    "to_key": names,
    "kinds": st.lists(names, min_size=1, max_size=3),
    "value": values,
    "changes": changes,
    "condition": conditions,
    "upsert": st.booleans(),
    "purge": st.booleans(),
    "values": st.booleans(),
    "with_fields": fields,
    "without_fields": fields,
    "limit": counts,
    "offset": counts,
    "cursor": st.none() | texts,
    "sort": sorts,
    "aggregates": aggregates,
    "query": queries,
    "timestamp": moments,
    "ordinal": ordinals,
    "ref": refs,
    "field": field_names,
    "whole": st.booleans(),
    "prefix": texts,
    "only": fields,
    "records": st.deferred(lambda: st.lists(records, max_size=3)),
}
SPECIAL: dict[tuple[type[Any], str], Make] = {
    (ops.Get, "ref"): st.none() | refs,
    (ops.Search, "collection"): st.none() | names,
    (ops.Dump, "collection"): st.none() | names,
    (ops.Dump, "cursor"): texts,
    (ops.PostEvent, "timestamp"): st.none() | moments,
    (ops.PostEvent, "ordinal"): st.none() | ordinals,
    (ops.PutRelation, "value"): objects,
    (ops.ListRefs, "at"): st.none() | counts,
} | {
    (kind, bound): strategy
    for kind, strategy in ((ops.List, st.none() | texts), (ops.ListEvents, bounds))
    for bound in ("start", "after", "before", "end")
}


def make(kind: type[Any]) -> Make:
    """Values of an operation's class, each attribute drawn by its name."""
    if kind is ops.Batch:
        writes = [make(member) for member in WRITES]
        return st.lists(st.one_of(writes), max_size=4).map(ops.Batch)
    return st.builds(
        kind,
        **{
            attribute.name: SPECIAL.get((kind, attribute.name), ATTRIBUTES.get(attribute.name))
            for attribute in attrs.fields(kind)
            if attribute.eq
        },
    )


WRITES = ops.Write.__args__
OPERATIONS: dict[type[Any], Make] = {kind: make(kind) for kind in ops.all_operations()}
operations = st.one_of(list(OPERATIONS.values()))


# -- results ---------------------------------------------------------------------------------------

reftimes = st.none() | st.integers(0, 2**42)
beside: dict[str, Make] = {"reftime": reftimes, "score": st.none() | floats, "distance": st.none() | floats}
found = {"collection": names, "key": names, "ref": refs, "value": values}


def item_of(operation: Any) -> Make:
    given = {"collection": st.just(operation.collection), "key": st.just(operation.key)}
    return st.builds(ops.Item, **found | given, reftime=reftimes)


items = st.builds(ops.Item, **found, reftime=reftimes)
item_results = st.builds(ops.Item, **found, **beside)
events = st.builds(ops.EventItem, **found, type=names, timestamp=moments, ordinal=ordinals, reftime=reftimes)
event_results = st.builds(ops.EventItem, **found, type=names, timestamp=moments, ordinal=ordinals, **beside)
relation_results = st.builds(
    ops.RelationItem, **found, kind=names, to_collection=names, to_key=names, **beside
)
versions = st.builds(
    ops.Version, collection=names, key=names, ref=refs, reftime=reftimes, value=values
) | st.builds(
    ops.Version, collection=names, key=names, ref=st.none(), reftime=reftimes, deleted=st.just(True)
)

_record = found | {"reftime": st.integers(-(2**42), 2**42)}
records = (
    st.builds(ops.Version, **_record)
    | st.builds(ops.Version, **_record | {"value": st.none()}, deleted=st.just(True))
    | st.builds(ops.EventItem, **_record, type=names, timestamp=moments, ordinal=ordinals)
    | st.builds(ops.RelationItem, **_record, kind=names, to_collection=names, to_key=names)
)

_figures = dict.fromkeys(("min", "max", "mean", "sum", "sum_of_squares", "variance", "std_dev"), sides)
_common = {"field": texts, "value_count": counts}
_buckets = st.lists(st.builds(ops.BucketCount, sides, sides, counts), max_size=3)
aggregate_results = (
    st.builds(ops.StatsResult, **_common, **_figures)
    | st.builds(ops.RangesResult, **_common, buckets=_buckets)
    | st.builds(ops.DistancesResult, **_common, buckets=_buckets)
    | st.builds(
        ops.TimeSeriesResult,
        **_common,
        interval=st.sampled_from(["day", "hour"]),
        time_zone=st.sampled_from([None, "+0900", "-03:30", "UTC", "Europe/Oslo", "Etc/GMT+5"]),
        buckets=st.lists(st.builds(ops.IntervalCount, texts, counts), max_size=3),
    )
    | st.builds(
        ops.TopValuesResult,
        **_common,
        offset=counts,
        limit=counts,
        entries=st.lists(st.builds(ops.ValueCount, values, counts), max_size=3),
    )
)


def pages(operation: Any, results: Make, going_on: Callable[[], Make], **more: Make) -> Make:
    """Pages whose neighbours differ from the operation in where they begin."""
    neighbours = st.none() | going_on().map(lambda changed: attrs.evolve(operation, **changed))
    if not getattr(operation, "values", True):
        results = results.map(lambda result: attrs.evolve(result, value=None))
    return st.builds(
        ops.Page, results=st.lists(results, max_size=3), next=neighbours, prev=neighbours, **more
    )


def by_offset() -> Make:
    return st.fixed_dictionaries({"offset": counts})


def by_key() -> Make:
    return st.fixed_dictionaries({"after": texts, "start": st.none()})


def by_event() -> Make:
    place = st.builds(ops.EventBound, moments, ordinals)
    return st.fixed_dictionaries({"before": place, "end": st.none()})


def by_place() -> Make:
    return st.fixed_dictionaries({"cursor": texts})


def by_cursor() -> Make:
    return st.fixed_dictionaries({"cursor": texts, "offset": st.just(0)})


def _written(operation: Any) -> Make:
    key = st.just(operation.key) if hasattr(operation, "key") else names
    return st.builds(ops.Written, collection=st.just(operation.collection), key=key, ref=refs)


def _event_written(operation: Any) -> Make:
    given = {name: st.just(getattr(operation, name)) for name in ("collection", "key", "type")}
    moment = moments if operation.timestamp is None else st.just(operation.timestamp)
    ordinal = ordinals if operation.ordinal is None else st.just(operation.ordinal)
    return st.builds(ops.EventWritten, **given, timestamp=moment, ordinal=ordinal, ref=refs)


def _relation(operation: Any) -> Make:
    ends = ("collection", "key", "kind", "to_collection", "to_key")
    given = {name: st.just(getattr(operation, name)) for name in ends}
    return st.builds(ops.RelationItem, **given, ref=refs, value=values, reftime=reftimes)


def _search(operation: Any) -> Make:
    return pages(
        operation,
        item_results | event_results | relation_results,
        by_offset if operation.cursor is None else by_cursor,
        total=st.none() | counts,
        aggregates=st.lists(aggregate_results, max_size=2).map(tuple),
    )


def _outcomes(operation: Any) -> Make:
    return st.tuples(*(results(part) | errors for part in operation.operations)).map(ops.BatchResult)


def _restored(operation: Any) -> Make:
    return st.tuples(*(st.booleans() | errors for _ in operation.records)).map(ops.BatchResult)


RESULTS: dict[type[Any], Callable[[Any], Make]] = {
    ops.Ping: lambda operation: st.none(),
    ops.Get: item_of,
    ops.Put: _written,
    ops.Post: _written,
    ops.Patch: _written,
    ops.Delete: lambda operation: st.none(),
    ops.DeleteCollection: lambda operation: st.none(),
    ops.List: lambda operation: pages(operation, items, by_key),
    ops.ListRefs: lambda operation: pages(operation, versions, by_offset),
    ops.Search: _search,
    ops.PostEvent: _event_written,
    ops.GetEvent: lambda operation: events,
    ops.PutEvent: _event_written,
    ops.PatchEvent: _event_written,
    ops.DeleteEvent: lambda operation: st.none(),
    ops.ListEvents: lambda operation: pages(operation, events, by_event),
    ops.PutRelation: _written,
    ops.GetRelation: _relation,
    ops.DeleteRelation: lambda operation: st.none(),
    ops.ListRelations: lambda operation: pages(operation, items, by_offset),
    ops.ListTerms: lambda operation: st.builds(
        ops.Terms, documents=counts, terms=st.lists(st.builds(ops.TermCount, texts, counts), max_size=3)
    ),
    ops.Dump: lambda operation: pages(operation, records, by_place),
    ops.Restore: _restored,
    ops.Batch: _outcomes,
}


def results(operation: Any) -> Make:
    """What an operation's answer can be."""
    return RESULTS[type(operation)](operation)


asked_and_answered = operations.flatmap(lambda operation: st.tuples(st.just(operation), results(operation)))


# -- errors ----------------------------------------------------------------------------------------

_messages = st.none() | texts.filter(len)
errors: st.SearchStrategy[OrcodmError] = (
    st.builds(NotFound.item, names, names)
    | st.builds(Conflict.of_ref, names, names, st.none() | refs, st.none() | refs)
    | st.builds(AlreadyExists.of_ref, names, names, st.none(), refs)
    | st.builds(
        lambda kind, message, details: kind(message, details=details),
        st.sampled_from(
            [
                BadRequest,
                IndexingConflict,
                InternalError,
                InvalidParameter,
                InvalidQuery,
                MalformedRef,
                MethodNotAllowed,
                PatchConflict,
                QueryTimeout,
                RelationNotFound,
                TooLarge,
                Unauthorized,
            ]
        ),
        _messages,
        st.dictionaries(st.sampled_from(["info", "limit", "position"]), st.integers() | texts, max_size=2),
    )
    | st.builds(Aborted, texts.filter(len))
    | st.just(ApiError.of(503, "database_busy", "The database is busy. Try again."))
)


def same_error(one: OrcodmError, other: OrcodmError) -> bool:
    """Whether two errors tell the same."""
    return type(one) is type(other) and _told(one) == _told(other)


def _told(error: Any) -> tuple[Any, ...]:
    return str(error), *(getattr(error, name, None) for name in ("status", "code", "details"))
