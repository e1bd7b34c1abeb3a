"""Aggregates over matching documents: each is fed one entry after another and then asked for its result.

What the index knows of all its matches together is read from its columns at once, where that is exact.

Values count, not documents: an array contributes each of its elements. Ranges compare integers of any length
exactly; statistics are floats, and leave out what is beyond the largest.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone, tzinfo
from heapq import nlargest
from itertools import islice
from typing import Any, Final, Protocol

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
from ...times import INTERVALS, changes_of_offset, zone_of
from .columns import MOST, Columns, Moments, NotByColumns
from .layout import DATES, NUMBERS
from .ordering import RANKS, Measure
from .terms import MANY, ODD, rounded

MILLISECOND_FIELDS: Final = frozenset({"@path.timestamp", "@path.reftime"})
"""Numbers that are moments."""


class Accumulator(Protocol):
    """What one aggregate has seen so far."""

    def read(self, columns: Columns) -> None:
        """Add what the index says of its matches. Raises `NotByColumns`, with nothing added."""

    def add(self, entry: Entry) -> None: ...

    def result(self) -> AggregateResult: ...


def accumulator(aggregate: Aggregate, measure: Measure) -> Accumulator:
    """Where an aggregate begins."""
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


def _numbers(entry: Entry, field: str) -> Iterator[int | float]:
    return (leaf for leaf in entry.values(field) if type(leaf) is int or type(leaf) is float)


def _floats(entry: Entry, field: str) -> Iterator[float]:
    for number in _numbers(entry, field):
        try:
            yield float(number)
        except OverflowError:
            continue


class _Stats:
    def __init__(self, aggregate: Stats) -> None:
        self._field = aggregate.field
        self._name = _full(aggregate.field)
        self._numbers = array("d")
        self._read = Moments()

    def read(self, columns: Columns) -> None:
        self._read = columns.moments(self._name)
        for entry in columns.rest(self._name, ODD):
            self.add(entry)

    def add(self, entry: Entry) -> None:
        self._numbers.extend(_floats(entry, self._name))

    def result(self) -> StatsResult:
        both = _moments(self._numbers).with_(self._read)
        if not both.count:
            return StatsResult(field=self._field, value_count=0)
        variance = both.deviations / both.count
        return StatsResult(
            field=self._field,
            value_count=both.count,
            min=both.min,
            max=both.max,
            mean=both.sum / both.count,
            sum=both.sum,
            sum_of_squares=both.sum_of_squares,
            variance=variance,
            std_dev=math.sqrt(variance),
        )


def _moments(numbers: array[float]) -> Moments:
    if not numbers:
        return Moments()
    total = _finite_sum(numbers)
    mean = total / len(numbers)
    return Moments(
        len(numbers),
        total,
        _finite_sum(number * number for number in numbers),
        # The textbook's mean of squares minus square of the mean cancels; the deviations do not.
        _finite_sum((number - mean) ** 2 for number in numbers),
        min(numbers),
        max(numbers),
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

    def read(self, columns: Columns, sort: str, field: str) -> None:
        """Count the values of a field, but for documents that are odd or have many."""
        # As floats, which is exact: what the columns have of values beyond 2**53 is odd.
        edges = sorted({rounded(edge) for bucket in self._buckets for edge in bucket if edge is not None})
        counts = columns.intervals(sort, field, edges)
        self.seen += sum(counts)
        # The first interval ends, the others begin, with an edge.
        for position, (low, high) in enumerate(self._buckets):
            start = 0 if low is None else edges.index(rounded(low)) + 1
            end = len(counts) if high is None else edges.index(rounded(high)) + 1
            self._counts[position] += sum(counts[start:end])

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

    def read(self, columns: Columns) -> None:
        self._buckets.read(columns, NUMBERS, self._name)
        for entry in columns.rest(self._name, ODD, MANY):
            self.add(entry)

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

    def read(self, columns: Columns) -> None:
        raise NotByColumns

    def add(self, entry: Entry) -> None:
        for distance in self._distances(entry):
            self._buckets.add(distance)

    def result(self) -> DistancesResult:
        return DistancesResult(
            field=self._field, value_count=self._buckets.seen, buckets=self._buckets.counts()
        )


_MONTHS: Final = {"year": 12, "quarter": 3, "month": 1}
_LENGTHS: Final = {"week": timedelta(weeks=1), "day": timedelta(days=1), "hour": timedelta(hours=1)}


def _local_starts(interval: str, first: datetime, last: datetime) -> Iterator[datetime]:
    """The local times at which intervals begin, from the one with `first` to the one with `last`."""
    hour = first.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    months = _MONTHS.get(interval)
    if months is None:
        start = {"week": day - timedelta(days=day.weekday()), "day": day, "hour": hour}[interval]
        while start <= last:
            yield start
            start += _LENGTHS[interval]
        return
    number = (day.year * 12 + day.month - 1) // months * months
    while (start := day.replace(year=number // 12, month=number % 12 + 1, day=1)) <= last:
        yield start
        number += months
        if number // 12 > MAXYEAR:
            return


def _starts(interval: str, zone: tzinfo, first: datetime, last: datetime) -> list[datetime]:
    """Moments in UTC, from `first` to `last`, between which the name of the interval stays the same.

    Raises `NotByColumns` where these are too many, and `OverflowError` outside of the years 1 to 9999.
    """
    if last - first > _LONGEST_BY_DAYS and not isinstance(zone, timezone):
        raise NotByColumns
    local = [moment.astimezone(zone).replace(tzinfo=None, fold=0) for moment in (first, last)]
    starts = {first, *changes_of_offset(zone, first, last)}
    # Clocks may have been set between the two: an hour on either side is one start more, which does no harm.
    for start in islice(_local_starts(interval, local[0], max(local) + _LENGTHS["hour"]), MOST + 1):
        for fold in (0, 1):
            starts.add(start.replace(tzinfo=zone, fold=fold).astimezone(UTC))
    if len(starts) > MOST:
        raise NotByColumns
    return sorted(start for start in starts if first <= start <= last)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_BY_DAYS: Final = timedelta(days=100_000)
"""To look for the days on which clocks were set takes a microsecond for each."""


class _TimeSeries:
    def __init__(self, aggregate: TimeSeries) -> None:
        self._aggregate = aggregate
        self._name = _full(aggregate.field)
        self._label = INTERVALS[aggregate.interval]
        self._zone = zone_of(aggregate.time_zone)
        self._counts: dict[str, int] = {}

    def read(self, columns: Columns) -> None:
        sort, unit = (NUMBERS, 1000) if self._name in MILLISECOND_FIELDS else (DATES, 1)
        for entry in columns.rest(self._name, ODD, MANY):
            self.add(entry)
        found = columns.extremes(sort, self._name)
        if found is None:
            return
        try:
            first, last = (_EPOCH + timedelta(microseconds=one * unit) for one in found)
            starts = _starts(self._aggregate.interval, self._zone, first, last)
        except OverflowError:  # before the year 1 or after 9999
            raise NotByColumns from None
        edges = [(start - _EPOCH) // timedelta(microseconds=unit) for start in starts[1:]]
        for start, count in zip(starts, columns.intervals(sort, self._name, edges), strict=True):
            if count:
                self._count(self._label(start.astimezone(self._zone)), count)

    def add(self, entry: Entry) -> None:
        if self._name in MILLISECOND_FIELDS:
            moments = [int(number) * 1000 for number in _numbers(entry, self._name)]
        else:
            moments = entry.dates(self._name)
        for moment in moments:
            try:
                self._count(self._label((_EPOCH + timedelta(microseconds=moment)).astimezone(self._zone)), 1)
            except OverflowError:  # before the year 1 or after 9999
                continue

    def _count(self, label: str, count: int) -> None:
        self._counts[label] = self._counts.get(label, 0) + count

    def result(self) -> TimeSeriesResult:
        return TimeSeriesResult(
            field=self._aggregate.field,
            value_count=sum(self._counts.values()),
            interval=self._aggregate.interval,
            time_zone=self._aggregate.time_zone,
            buckets=[IntervalCount(label, count) for label, count in sorted(self._counts.items())],
        )


class _TopValues:
    def __init__(self, aggregate: TopValues) -> None:
        self._aggregate = aggregate
        self._name = _full(aggregate.field)
        # By rank and value, since 1 and True are one key to a dict, and 1 and 1.0 are one value to JSON.
        self._counts: dict[tuple[int, Any], int] = {}
        self._total = 0
        self._nulls = 0
        self._columns: Columns | None = None
        self._read: dict[tuple[int, Any], int] = {}
        self._most = 0

    def read(self, columns: Columns) -> None:
        odd = list(columns.rest(self._name, ODD))
        found = columns.counts(self._name, self._aggregate.offset + self._aggregate.limit)
        for values in (found.strings, found.numbers, found.booleans):
            self._read |= {(RANKS[type(value)], value): count for value, count in values.items()}
        self._columns, self._total, self._nulls, self._most = columns, found.values, found.nulls, found.most
        for entry in odd:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        counts = self._counts
        for leaf in entry.values(self._name):
            key = RANKS[type(leaf)], leaf
            counts[key] = counts.get(key, 0) + 1
            self._total += 1
        if not self._name.startswith("@") and (nulls := entry.nulls.get(self._name)):
            self._nulls += nulls
            self._total += nulls

    def result(self) -> TopValuesResult:
        offset, limit = self._aggregate.offset, self._aggregate.limit
        counts = self._counted(offset + limit)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        entries = [ValueCount(value, count) for (_, value), count in ranked]
        if self._nulls:
            entries.append(ValueCount(None, self._nulls))
            entries.sort(key=lambda entry: -entry.count)
        return TopValuesResult(
            field=self._aggregate.field,
            value_count=self._total,
            offset=offset,
            limit=limit,
            entries=entries[offset : offset + limit],
        )

    def _counted(self, wanted: int) -> dict[tuple[int, Any], int]:
        """How often values are there; those are left out that cannot be among the first so many."""
        counts = {key: count + self._counts.get(key, 0) for key, count in self._read.items()}
        others = {key: count for key, count in self._counts.items() if key not in counts}
        if self._columns is None or not self._most:
            return counts | others
        surely = nlargest(wanted, counts.values())
        needed = surely[-1] if len(surely) == wanted else 0
        for (rank, value), count in others.items():
            # The columns told of the frequent ones only.
            if count + self._most >= needed:
                counts[rank, value] = count + self._columns.count(self._name, value)
        return counts
