"""JSON bodies to values and back: entries of lists, events, aggregates.

Members are written in the order that was recorded from the service, the later ones after them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, assert_never

from attrs import evolve

from .. import values
from ..errors import BadRequest, InvalidValue
from ..operations import (
    AggregateResult,
    BucketCount,
    DistancesResult,
    EventItem,
    IntervalCount,
    Item,
    RangesResult,
    Record,
    RelationItem,
    SearchResult,
    StatsResult,
    TimeSeriesResult,
    TopValuesResult,
    ValueCount,
    Version,
)
from .timestamps import hexadecimal

Object = dict[str, Any]


def dump(body: Any) -> bytes:
    """The text of a body around values that an engine gave, which are valid already."""
    return values.encode_known(body)


def load(body: bytes) -> Any:
    """The value of a request's body. Raises `BadRequest`."""
    if not body:
        raise BadRequest("The request has no body.", details={"info": "The body is empty."})
    try:
        value = values.read(body)
        # Only that many brackets can nest too deep.
        if body.count(b"[") + body.count(b"{") > values.MAX_DEPTH:
            values.check(value)
    except InvalidValue as error:
        raise BadRequest(f"The body cannot be stored: {error}", details={"info": str(error)}) from None
    except (ValueError, RecursionError) as error:
        reason = reason_of(body) or str(error)[:200]
        raise BadRequest(f"The body is not JSON: {reason}", details={"info": reason}) from None
    return value


def reason_of(body: bytes) -> str | None:
    """What is wrong with a text that only a more liberal reader takes for JSON: lone surrogates, NaN."""
    try:
        values.check(json.loads(body))
    except InvalidValue as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return None


# -- entries ---------------------------------------------------------------------------------------


def write_item(item: Item, value: bool = True) -> Object:
    path = {"collection": item.collection, "key": item.key, "ref": item.ref, "kind": "item"}
    return _entry(item, path, value)


def write_event(event: EventItem, value: bool = True) -> Object:
    path = {
        "collection": event.collection,
        "key": event.key,
        "type": event.type,
        "timestamp": event.timestamp,
        "ordinal": event.ordinal,
        "ref": event.ref,
        "kind": "event",
        # Ordinals exceed 2**53, which JavaScript rounds.
        "ordinal_str": hexadecimal(event.ordinal),
    }
    return _entry(event, path, value)


def write_relation(relation: RelationItem, value: bool = True) -> Object:
    path = {
        "kind": "relationship",
        "source": {"kind": "item", "collection": relation.collection, "key": relation.key},
        "destination": {"kind": "item", "collection": relation.to_collection, "key": relation.to_key},
        "relation": relation.kind,
        "ref": relation.ref,
    }
    return _entry(relation, path, value)


def _entry(result: SearchResult, path: Object, value: bool) -> Object:
    if result.reftime is not None:
        path["reftime"] = result.reftime
    entry: Object = {"path": path}
    if value:
        entry["value"] = result.value
    if result.score is not None:
        entry["score"] = result.score
    if result.distance is not None:
        entry["distance"] = result.distance
    if isinstance(result, EventItem):
        entry["timestamp"] = result.timestamp
        entry["ordinal"] = result.ordinal
    if result.reftime is not None:
        entry["reftime"] = result.reftime
    return entry


def write_result(result: SearchResult, value: bool = True) -> Object:
    match result:
        case Item():
            return write_item(result, value)
        case EventItem():
            return write_event(result, value)
        case RelationItem():
            return write_relation(result, value)
        case _:
            assert_never(result)


def read_item(entry: Object) -> Item:
    path = entry["path"]
    return Item(
        collection=_text(path["collection"]), key=_text(path["key"]), ref=_text(path["ref"]), **_beside(entry)
    )


def read_event(entry: Object) -> EventItem:
    path = entry["path"]
    return EventItem(
        collection=_text(path["collection"]),
        key=_text(path["key"]),
        type=_text(path["type"]),
        timestamp=_integer(path["timestamp"]),
        ordinal=_integer(path["ordinal"]),
        ref=_text(path["ref"]),
        **_beside(entry),
    )


def read_relation(entry: Object) -> RelationItem:
    path = entry["path"]
    source, destination = path["source"], path["destination"]
    return RelationItem(
        collection=_text(source["collection"]),
        key=_text(source["key"]),
        kind=_text(path["relation"]),
        to_collection=_text(destination["collection"]),
        to_key=_text(destination["key"]),
        ref=_text(path["ref"]),
        **_beside(entry),
    )


def _beside(entry: Object) -> Object:
    reftime = entry.get("reftime", entry["path"].get("reftime"))
    return {
        "value": entry.get("value"),
        "reftime": None if reftime is None else _integer(reftime),
        "score": _some_number(entry.get("score")),
        "distance": _some_number(entry.get("distance")),
    }


def read_result(entry: Object) -> SearchResult:
    # The service of 2014 wrote no kind, and found nothing but items.
    kind = entry["path"].get("kind", "item")
    if kind == "item":
        return read_item(entry)
    if kind == "event":
        return read_event(entry)
    if kind == "relationship":
        return read_relation(entry)
    raise ValueError(f"a result of the kind {kind!r:.40}")


def write_version(version: Version, value: bool) -> Object:
    path: Object = {"collection": version.collection, "key": version.key, "ref": version.ref or ""}
    if version.deleted:
        path["tombstone"] = True
    path["kind"] = "item"
    entry: Object = {"path": path}
    if value and not version.deleted:
        entry["value"] = version.value
    if version.reftime is not None:
        path["reftime"] = entry["reftime"] = version.reftime
    return entry


def read_version(entry: Object) -> Version:
    path = entry["path"]
    deleted = path.get("tombstone") is True
    beside = _beside(entry)
    return Version(
        collection=_text(path["collection"]),
        key=_text(path["key"]),
        ref=None if deleted else _text(path["ref"]),
        reftime=beside["reftime"],
        value=beside["value"],
        deleted=deleted,
    )


def write_record(record: Record) -> Object:
    match record:
        case Version():
            return write_version(record, True)
        case EventItem() | RelationItem():
            return write_result(record)
        case _:
            assert_never(record)


def read_record(entry: Object) -> Record:
    kind = entry["path"].get("kind", "item")
    if kind == "event":
        return read_event(entry)
    if kind == "relationship":
        return read_relation(entry)
    version = read_version(entry)
    return evolve(version, ref=_text(entry["path"]["ref"])) if version.deleted else version


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r:.40} where text belongs")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.40} where an integer belongs")
    return value


def _some_number(value: Any) -> float | None:
    if value is not None and type(value) is not int and type(value) is not float:
        raise TypeError(f"{value!r:.40} where a number belongs")
    return value


# -- aggregates ------------------------------------------------------------------------------------

_FIGURES: Final = ("min", "max", "mean", "sum", "sum_of_squares", "variance", "std_dev")


def write_aggregate(result: AggregateResult) -> Object:
    match result:
        case StatsResult():
            figures = {name: getattr(result, name) for name in _FIGURES}
            return _aggregate("stats", result) | {"statistics": figures}
        case RangesResult():
            return _aggregate("range", result) | {"buckets": _write_buckets(result.buckets)}
        case DistancesResult():
            return _aggregate("distance", result) | {"buckets": _write_buckets(result.buckets)}
        case TimeSeriesResult():
            zone = {} if result.time_zone is None else {"time_zone": result.time_zone}
            buckets = [{"bucket": bucket.bucket, "count": bucket.count} for bucket in result.buckets]
            return (
                _aggregate("time_series", result)
                | {"interval": result.interval}
                | zone
                | {"buckets": buckets}
            )
        case TopValuesResult():
            entries = [{"value": entry.value, "count": entry.count} for entry in result.entries]
            paging = {"offset": result.offset, "limit": result.limit}
            return _aggregate("top_values", result) | paging | {"entries": entries}
        case _:
            assert_never(result)


def _aggregate(kind: str, result: AggregateResult) -> Object:
    return {"aggregate_kind": kind, "field_name": result.field, "value_count": result.value_count}


def _write_buckets(buckets: Iterable[BucketCount]) -> list[Object]:
    # An open side has no member at all.
    return [
        {
            name: figure
            for name, figure in (("min", bucket.min), ("max", bucket.max), ("count", bucket.count))
            if figure is not None
        }
        for bucket in buckets
    ]


def read_aggregate(entry: Object) -> AggregateResult:
    common = {"field": _text(entry["field_name"]), "value_count": _integer(entry["value_count"])}
    return _AGGREGATES[entry["aggregate_kind"]](entry, common)


def _read_stats(entry: Object, common: Object) -> AggregateResult:
    figures: Object = {name: _some_number(entry["statistics"].get(name)) for name in _FIGURES}
    return StatsResult(**common, **figures)


def _read_ranges(entry: Object, common: Object) -> AggregateResult:
    return RangesResult(**common, buckets=_read_buckets(entry))


def _read_distances(entry: Object, common: Object) -> AggregateResult:
    return DistancesResult(**common, buckets=_read_buckets(entry))


def _read_time_series(entry: Object, common: Object) -> AggregateResult:
    return TimeSeriesResult(
        **common,
        interval=_text(entry["interval"]),
        time_zone=entry.get("time_zone"),
        buckets=[
            IntervalCount(_text(bucket["bucket"]), _integer(bucket["count"])) for bucket in entry["buckets"]
        ],
    )


def _read_top_values(entry: Object, common: Object) -> AggregateResult:
    return TopValuesResult(
        **common,
        offset=_integer(entry["offset"]),
        limit=_integer(entry["limit"]),
        entries=[ValueCount(found["value"], _integer(found["count"])) for found in entry["entries"]],
    )


def _read_buckets(entry: Object) -> list[BucketCount]:
    return [
        BucketCount(
            _some_number(bucket.get("min")), _some_number(bucket.get("max")), _integer(bucket["count"])
        )
        for bucket in entry["buckets"]
    ]


_AGGREGATES: Final[dict[str, Callable[[Object, Object], AggregateResult]]] = {
    "stats": _read_stats,
    "range": _read_ranges,
    "distance": _read_distances,
    "time_series": _read_time_series,
    "top_values": _read_top_values,
}
