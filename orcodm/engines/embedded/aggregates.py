"""Aggregates over matching documents: each is fed one entry after another and then asked for its result.

Values count, not documents: an array contributes each of its elements. Numbers that no float can hold are
left out.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from ...errors import InvalidParameter
from ...lucene.entries import Entry, field_name
from ...operations import (
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
from .ordering import RANKS, Measure

MILLISECOND_FIELDS: Final = frozenset({"@path.timestamp", "@path.reftime"})
"""Numbers that are moments."""


class Accumulator(Protocol):
    """What one aggregate has seen so far."""

    def add(self, entry: Entry) -> None: ...

    def result(self) -> AggregateResult: ...


def accumulator(aggregate: Aggregate, measure: Measure) -> Accumulator:
    """Where an aggregate begins. Raises `InvalidParameter` for an interval or a zone that is none."""
    match aggregate:
        case Stats():
            return _Stats(aggregate)
        case Ranges():
            return _Ranges(aggregate)
        case Distances():
            return _Distances(aggregate, measure)
        case TimeSeries():
            return _TimeSeries(aggregate)
        case TopValues():
            return _TopValues(aggregate)


def _full(field: str) -> str:
    return field_name(field) or field


def _numbers(entry: Entry, field: str) -> Iterator[float]:
    for leaf in entry.values(field):
        if type(leaf) is int or type(leaf) is float:
            try:
                yield float(leaf)
            except OverflowError:
                continue


class _Stats:
    def __init__(self, aggregate: Stats) -> None:
        self._field = aggregate.field
        self._name = _full(aggregate.field)
        self._numbers = array("d")

    def add(self, entry: Entry) -> None:
        self._numbers.extend(_numbers(entry, self._name))

    def result(self) -> StatsResult:
        numbers = self._numbers
        if not numbers:
            return StatsResult(field=self._field, value_count=0)
        mean = _finite_sum(numbers) / len(numbers)
        # The textbook's mean of squares minus square of the mean cancels; the deviations do not.
        variance = _finite_sum((number - mean) ** 2 for number in numbers) / len(numbers)
        return StatsResult(
            field=self._field,
            value_count=len(numbers),
            min=min(numbers),
            max=max(numbers),
            mean=mean,
            sum=_finite_sum(numbers),
            sum_of_squares=_finite_sum(number * number for number in numbers),
            variance=variance,
            std_dev=math.sqrt(variance),
        )


def _finite_sum(numbers: Any) -> float:
    try:
        return min(max(math.fsum(numbers), -_LARGEST), _LARGEST)
    except OverflowError:  # JSON has no infinity
        return _LARGEST


_LARGEST: Final = math.nextafter(math.inf, 0)


class _Buckets:
    """Counts in half-open intervals, which may overlap."""

    def __init__(self, buckets: Sequence[Bucket]) -> None:
        self._buckets = buckets
        self._counts = [0] * len(buckets)
        self.seen = 0

    def add(self, number: float) -> None:
        self.seen += 1
        for position, (low, high) in enumerate(self._buckets):
            if (low is None or number >= low) and (high is None or number < high):
                self._counts[position] += 1

    def counts(self) -> list[BucketCount]:
        return [
            BucketCount(low, high, count)
            for (low, high), count in zip(self._buckets, self._counts, strict=True)
        ]


class _Ranges:
    def __init__(self, aggregate: Ranges) -> None:
        self._field = aggregate.field
        self._name = _full(aggregate.field)
        self._buckets = _Buckets(aggregate.buckets)

    def add(self, entry: Entry) -> None:
        for number in _numbers(entry, self._name):
            self._buckets.add(number)

    def result(self) -> RangesResult:
        return RangesResult(field=self._field, value_count=self._buckets.seen, buckets=self._buckets.counts())


class _Distances:
    def __init__(self, aggregate: Distances, measure: Measure) -> None:
        self._field = aggregate.field
        self._distances = measure(aggregate.field)
        self._buckets = _Buckets(aggregate.buckets)

    def add(self, entry: Entry) -> None:
        for distance in self._distances(entry):
            self._buckets.add(distance)

    def result(self) -> DistancesResult:
        return DistancesResult(
            field=self._field, value_count=self._buckets.seen, buckets=self._buckets.counts()
        )


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04}-W{week:02}"


_LABELS: Final[dict[str, Callable[[datetime], str]]] = {
    "year": lambda moment: f"{moment.year:04}",
    "quarter": lambda moment: f"{moment.year:04}-Q{(moment.month + 2) // 3}",
    "month": lambda moment: f"{moment.year:04}-{moment.month:02}",
    "week": _week,
    "day": lambda moment: f"{moment.year:04}-{moment.month:02}-{moment.day:02}",
    "hour": lambda moment: f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}",
}
_ZONE: Final = re.compile(r"([+-])(\d\d):?([0-5]\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _TimeSeries:
    def __init__(self, aggregate: TimeSeries) -> None:
        self._aggregate = aggregate
        self._name = _full(aggregate.field)
        try:
            self._label = _LABELS[aggregate.interval.lower()]
        except KeyError:
            raise InvalidParameter(
                f"{aggregate.interval!r} is no interval; there are {', '.join(_LABELS)}",
                details={"aggregate": f"Unknown interval {aggregate.interval!r}."},
            ) from None
        self._shift = _shift(aggregate.time_zone)
        self._counts: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        if self._name in MILLISECOND_FIELDS:
            moments = [int(number) * 1000 for number in _numbers(entry, self._name)]
        else:
            moments = entry.dates(self._name)
        for moment in moments:
            try:
                label = self._label(_EPOCH + timedelta(microseconds=moment) + self._shift)
            except OverflowError:  # before the year 1 or after 9999
                continue
            self._counts[label] = self._counts.get(label, 0) + 1

    def result(self) -> TimeSeriesResult:
        return TimeSeriesResult(
            field=self._aggregate.field,
            value_count=sum(self._counts.values()),
            interval=self._aggregate.interval,
            time_zone=self._aggregate.time_zone,
            buckets=[IntervalCount(label, count) for label, count in sorted(self._counts.items())],
        )


def _shift(zone: str | None) -> timedelta:
    if zone is None:
        return timedelta(0)
    match = _ZONE.fullmatch(zone)
    if match is None:
        raise InvalidParameter(
            f"{zone!r} is no time zone; write +HHMM or -HHMM", details={"aggregate": f"Not a zone: {zone!r}."}
        )
    sign, hours, minutes = match.groups()
    shift = timedelta(hours=int(hours), minutes=int(minutes))
    return -shift if sign == "-" else shift


class _TopValues:
    def __init__(self, aggregate: TopValues) -> None:
        self._aggregate = aggregate
        self._name = _full(aggregate.field)
        # By rank and value, since 1 and True are one key to a dict, and 1 and 1.0 are one value to JSON.
        self._counts: dict[tuple[int, Any], int] = {}
        self._nulls = 0

    def add(self, entry: Entry) -> None:
        counts = self._counts
        for leaf in entry.values(self._name):
            key = RANKS[type(leaf)], leaf
            counts[key] = counts.get(key, 0) + 1
        if not self._name.startswith("@"):
            self._nulls += entry.nulls.get(self._name, 0)

    def result(self) -> TopValuesResult:
        offset, limit = self._aggregate.offset, self._aggregate.limit
        ranked = sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))
        entries = [ValueCount(value, count) for (_, value), count in ranked]
        if self._nulls:
            entries.append(ValueCount(None, self._nulls))
            entries.sort(key=lambda entry: -entry.count)
        return TopValuesResult(
            field=self._aggregate.field,
            value_count=sum(self._counts.values()) + self._nulls,
            offset=offset,
            limit=limit,
            entries=entries[offset : offset + limit],
        )
