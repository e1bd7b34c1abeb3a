"""Aggregates, in the words of a search and back.

Values count, not documents: an array contributes each of its elements. OpenSearch's own aggregations count
a document once for each bucket, so those that put values into buckets are used where a field has one value
(all but the documents that `multiple` marks), and scripts count the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from attrs import frozen

from ...lucene.casts import Cast, cast_of, plain
from ...lucene.entries import field_name
from ...lucene.evaluator import find_near
from ...lucene.geometry import RADIUS, UNITS
from ...lucene.tree import Bound, Node, Range
from ...operations import (
    MAX_TOP_VALUES,
    Aggregate,
    AggregateResult,
    Bucket,
    BucketCount,
    Distances,
    DistancesResult,
    IntervalCount,
    Ranges,
    RangesResult,
    Stats,
    StatsResult,
    TimeSeries,
    TimeSeriesResult,
    TopValues,
    TopValuesResult,
    ValueCount,
)
from ...times import INTERVALS, zone_of
from .compile import NUMBERS, PATHS, Query, compile_tree, forms_of_cast
from .fields import (
    BOOLEAN,
    DATE,
    EXACT,
    INTEGER,
    LONG,
    NUMBER,
    POINT,
    STRING,
    double,
    mark,
    read_ordered,
    repeated,
)
from .names import path

_MARGIN: Final = 100
_MOST_POWERS: Final = 40

_QUARTER: Final = 900_000
"""Milliseconds in a quarter of an hour: in every time zone of today an hour begins with one."""
_LARGEST: Final = math.nextafter(math.inf, 0)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_INIT: Final = "state.counts = new HashMap(); state.seen = 0L;"
_COMBINE: Final = "state.counts['seen'] = state.seen; return state.counts"
_REDUCE: Final = """
Map all = new HashMap();
for (one in states) {
  if (one == null) continue;
  for (entry in one.entrySet()) all.merge(entry.getKey(), entry.getValue(), Long::sum);
}
return all
"""
_IN_BUCKETS: Final = """
state.seen += 1;
for (int i = 0; i < params.low.size(); i++) {
  if (value >= ((Number) params.low.get(i)).doubleValue()
      && (params.open.get(i) || value < ((Number) params.high.get(i)).doubleValue())) {
    state.counts.merge('' + i, 1L, Long::sum);
  }
}
"""
_NUMBERS: Final = f"""
if (doc.containsKey(params.field)) for (value in doc[params.field]) {{ {_IN_BUCKETS} }}
"""
_DISTANCES: Final = f"""
if (doc.containsKey(params.field)) for (point in doc[params.field]) {{
  double across = Math.sin(Math.toRadians(point.lon - params.lon) / 2);
  double along = Math.sin(Math.toRadians(point.lat - params.lat) / 2);
  double c = Math.cos(Math.toRadians(params.lat)) * Math.cos(Math.toRadians(point.lat));
  double value = params.scale * Math.asin(Math.min(1.0, Math.sqrt(along * along + c * across * across)));
  {_IN_BUCKETS}
}}
"""
_QUARTERS: Final = """
if (doc.containsKey(params.field)) for (value in doc[params.field]) {
  long moment = params.dates ? ((ZonedDateTime) value).toInstant().toEpochMilli() : (long) value;
  long quarter = moment / 900000L;
  if (moment < 0 && moment % 900000L != 0) quarter -= 1;
  state.counts.merge('' + quarter, 1L, Long::sum);
}
"""


@frozen
class Plan:
    """What to ask for an aggregate, and how to read the answer."""

    body: dict[str, Any]
    read: Callable[[Any], AggregateResult]


def plan_aggregate(aggregate: Aggregate, tree: Node) -> Plan:
    """The plan of an aggregate. Raises `InvalidParameter` for a page of values that is too deep."""
    match aggregate:
        case Stats():
            return _stats(aggregate)
        case Ranges():
            return _ranges(aggregate)
        case Distances():
            return _distances(aggregate, tree)
        case TimeSeries():
            return _time_series(aggregate)
        case TopValues():
            return _top_values(aggregate)


def _number_field(field: str) -> str:
    name = field_name(field) or field
    if (cast := cast_of(name)) is not None:
        return forms_of_cast(cast[0])[0] + path(cast[1])
    return NUMBERS.get(name, name) if name.startswith("@") else NUMBER + path(name)


def _single(field: str, one: dict[str, Any], several: dict[str, Any]) -> dict[str, Any]:
    """An aggregation on documents with one value in a field, and another for those with several."""
    multiple = {"term": {"multiple": mark(plain(field_name(field) or field))}}
    return {
        "one": {"filter": {"bool": {"must_not": [multiple]}}, "aggs": {"found": one}},
        "several": {"filter": multiple, "aggs": {"found": several}},
    }


def _script(code: str, **params: Any) -> dict[str, Any]:
    return {
        "scripted_metric": {
            "init_script": _INIT,
            "map_script": code,
            "combine_script": _COMBINE,
            "reduce_script": _REDUCE,
            "params": params,
        }
    }


# -- numbers ---------------------------------------------------------------------------------------


def _stats(aggregate: Stats) -> Plan:
    def read(answer: Any) -> StatsResult:
        found = answer["found"]
        if not found["count"]:
            return StatsResult(field=aggregate.field, value_count=0)
        return StatsResult(
            field=aggregate.field,
            value_count=found["count"],
            min=found["min"],
            max=found["max"],
            mean=_finite(found["avg"]),
            sum=_finite(found["sum"]),
            sum_of_squares=_finite(found["sum_of_squares"]),
            variance=_finite(found["variance"]),
            std_dev=_finite(found["std_deviation"]),
        )

    return Plan({"found": {"extended_stats": {"field": _number_field(aggregate.field)}}}, read)


def _finite(figure: float | str | None) -> float:
    # Beyond the largest double OpenSearch says "Infinity" or "NaN"; JSON has neither.
    if type(figure) is float or type(figure) is int:
        return float(figure)
    return -_LARGEST if str(figure).startswith("-") else _LARGEST


def _ranges(aggregate: Ranges) -> Plan:
    field, buckets = _number_field(aggregate.field), aggregate.buckets
    ranges = [
        {"key": f"{number}"}
        | ({} if low is None else {"from": double(low)})
        | ({} if high is None else {"to": double(high)})
        for number, (low, high) in enumerate(buckets)
    ]
    open_ones = [number for number, bounds in enumerate(buckets) if bounds == (None, None)]
    bounded = [one for number, one in enumerate(ranges) if number not in open_ones]
    one: dict[str, Any]
    one = {"range": {"field": field, "keyed": True, "ranges": bounded or [{"key": "none", "from": 0}]}}
    if any(edge is not None and abs(edge) >= EXACT for bounds in buckets for edge in bounds):
        # Doubles do not tell such integers apart, and what a filter asks does.
        each = {f"{number}": _within(aggregate.field, *bounds) for number, bounds in enumerate(buckets)}
        one = {"filters": {"filters": each}}
    body = _single(aggregate.field, one, _script(_NUMBERS, field=field, **_sides(buckets)))
    body["seen"] = {"value_count": {"field": field}}

    def read(answer: Any) -> RangesResult:
        several = answer["several"]["found"]["value"] or {}
        seen = answer["seen"]["value"]
        single = answer["one"]["found"]["buckets"]
        counts = [
            seen if bounds == (None, None) else single[f"{number}"]["doc_count"] + several.get(f"{number}", 0)
            for number, bounds in enumerate(buckets)
        ]
        return RangesResult(field=aggregate.field, value_count=seen, buckets=_counted(buckets, counts))

    return Plan(body, read)


def _within(field: str, low: float | None, high: float | None) -> Query:
    """The documents with a number in a bucket."""
    lower, upper = (
        None if edge is None else Bound(repr(edge), side) for edge, side in ((low, True), (high, False))
    )
    return compile_tree(Range(lower, upper, field), lambda form: [])


def _sides(buckets: tuple[Bucket, ...]) -> dict[str, list[float]]:
    # The parameters of a script cannot be null.
    return {
        "low": [-_LARGEST if low is None else double(low) for low, _ in buckets],
        "high": [_LARGEST if high is None else double(high) for _, high in buckets],
        "open": [high is None for _, high in buckets],
    }


def _counted(buckets: tuple[Bucket, ...], counts: list[int]) -> list[BucketCount]:
    return [BucketCount(low, high, count) for (low, high), count in zip(buckets, counts, strict=True)]


def _distances(aggregate: Distances, tree: Node) -> Plan:
    near, buckets = find_near(tree, aggregate.field), aggregate.buckets
    body: dict[str, Any] = {}
    if near is not None:
        centre = {"lat": near.latitude, "lon": near.longitude, "scale": 2 * RADIUS / UNITS[near.unit]}
        name = POINT + path(field_name(aggregate.field) or "")
        body = {"found": _script(_DISTANCES, field=name, **centre, **_sides(buckets))}

    def read(answer: Any) -> DistancesResult:
        found = (answer["found"]["value"] or {}) if near is not None else {}
        counts = [found.get(f"{number}", 0) for number in range(len(buckets))]
        return DistancesResult(
            field=aggregate.field, value_count=found.get("seen", 0), buckets=_counted(buckets, counts)
        )

    return Plan(body, read)


# -- dates -----------------------------------------------------------------------------------------


def _time_series(aggregate: TimeSeries) -> Plan:
    name, zone = field_name(aggregate.field) or aggregate.field, zone_of(aggregate.time_zone)
    if name in NUMBERS:
        body = {"found": _script(_QUARTERS, field=NUMBERS[name], dates=False)}
    else:
        histogram: dict[str, Any] = {
            "field": DATE + path(name),
            "calendar_interval": aggregate.interval,
            "min_doc_count": 1,
        }
        if written := aggregate.time_zone:
            offset = written[0] in "+-"
            histogram["time_zone"] = f"{written[:3]}:{written[3:]}" if offset else written
        quarters = _script(_QUARTERS, field=histogram["field"], dates=True)
        body = _single(aggregate.field, {"date_histogram": histogram}, quarters)

    def read(answer: Any) -> TimeSeriesResult:
        label, counts = INTERVALS[aggregate.interval], Counter[str]()
        for bucket in answer.get("one", {}).get("found", {}).get("buckets", ()):
            _count(counts, label, zone, bucket["key"], bucket["doc_count"])
        quarters = answer.get("several", answer)["found"]["value"] or {}
        for quarter, count in quarters.items():
            if quarter != "seen":
                _count(counts, label, zone, int(quarter) * _QUARTER, count)
        return TimeSeriesResult(
            field=aggregate.field,
            value_count=sum(counts.values()),
            interval=aggregate.interval,
            time_zone=aggregate.time_zone,
            buckets=[IntervalCount(label, count) for label, count in sorted(counts.items())],
        )

    return Plan(body, read)


def _count(
    counts: Counter[str], label: Callable[[datetime], str], zone: tzinfo, moment: int, count: int
) -> None:
    try:
        counts[label((_EPOCH + timedelta(milliseconds=moment)).astimezone(zone))] += count
    except OverflowError:  # before the year 1 or after 9999
        return


# -- values ----------------------------------------------------------------------------------------

_RANKS: Final = {BOOLEAN: 0, NUMBER: 1, INTEGER: 1, STRING: 2}


def _top_values(aggregate: TopValues) -> Plan:
    name = field_name(aggregate.field) or aggregate.field
    cast = cast_of(name)
    if cast is not None:
        forms_of_cast(cast[0])
        name = cast[1]
    end = aggregate.offset + aggregate.limit
    if name.startswith("@"):
        fields = {STRING: PATHS[name]} if name in PATHS else {NUMBER: NUMBERS.get(name, name)}
    else:
        fields = {form: form + path(name) for form in _RANKS}
    body: dict[str, Any] = {}
    for form, field in fields.items():
        # The spellings of a value are put together here, so all of them are to be known.
        body[form] = {"terms": {"field": field, "size": end + _MARGIN if cast is None else MAX_TOP_VALUES}}
        body[f"count {form}"] = {"value_count": {"field": field}}
    body["long"] = {"value_count": {"field": LONG + path(name)}}
    for marks in ("again", "nulls"):
        body[marks] = {"terms": {"field": marks, "include": f"{mark(name)}.*", "size": MAX_TOP_VALUES}}

    def read(answer: Any) -> TopValuesResult:
        again = _counts(answer["again"])
        nulls = sum(count << int(key.rpartition(":")[2]) for key, count in _counts(answer["nulls"]).items())
        found = [
            (count + _more(name, value, again), _RANKS[form], value)
            for form in fields
            for value, count in _values(form, answer[form])
        ]
        if cast is not None:
            found = _grouped(cast[0], found)
        found.sort(key=lambda one: (-one[0], *one[1:]))
        entries = [ValueCount(value, count) for count, _, value in found]
        if nulls:
            entries.append(ValueCount(None, nulls))
            entries.sort(key=lambda entry: -entry.count)
        repeats = sum(
            count << int(key.rpartition(":")[2])
            for key, count in again.items()
            if key[len(mark(name))] == "s"
        )
        total = nulls + repeats + answer["long"]["value"]
        total += sum(answer[f"count {form}"]["value"] for form in fields if form != INTEGER)
        if cast is not None:
            total = nulls + sum(count for count, _, _ in found)
        return TopValuesResult(
            field=aggregate.field,
            value_count=total,
            offset=aggregate.offset,
            limit=aggregate.limit,
            entries=entries[aggregate.offset : end],
        )

    return Plan(body, read)


def _grouped(cast: Cast, found: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """The counts of what values stand for, each under the first of its spellings."""
    groups: dict[Any, tuple[int, int, Any]] = {}
    for count, rank, leaf in found:
        for _, value in cast.pairs([leaf]):
            others, *known = groups.get(value, (0, rank, leaf))
            first, spelled = min((rank, leaf), known, key=lambda one: str(one[1]))
            groups[value] = count + others, first, spelled
    return list(groups.values())


def _counts(answer: Any) -> dict[str, int]:
    return {bucket["key"]: bucket["doc_count"] for bucket in answer["buckets"]}


def _more(field: str, value: Any, again: dict[str, int]) -> int:
    """How often a value is there again, in the documents that have it several times."""
    if not again:
        return 0
    return sum(again.get(repeated(field, value, power), 0) << power for power in range(_MOST_POWERS))


def _values(form: str, answer: Any) -> list[tuple[Any, int]]:
    buckets = [(bucket["key"], bucket["doc_count"]) for bucket in answer["buckets"]]
    match form:
        case "boolean:":
            return [(bool(key), count) for key, count in buckets]
        case "number:":
            numbers = [(key, count) for key, count in buckets if abs(key) < EXACT]
            return [(int(key) if float(key).is_integer() else key, count) for key, count in numbers]
        case "integer:":
            return [(read_ordered(key), count) for key, count in buckets]
        case _:
            return buckets
