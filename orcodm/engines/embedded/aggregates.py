"""Aggregates over matching documents: each is fed one entry after another and then asked for its result.

What the index knows of all its matches together is read from its columns at once, where that is exact.

Values count, not documents: an array contributes each of its elements. Ranges compare integers of any length
exactly; statistics are floats, and leave out what is beyond the largest.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone, tzinfo
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from heapq import nlargest
from itertools import islice
from typing import Any, Final, Protocol

from ...caching import cached_property
from ...lucene.casts import DATE, DECIMAL, cast_of
from ...lucene.casts import number as exact_number
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
from .layout import DATES, DECIMALS, NUMBERS
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


_NUMBERS: Final = frozenset({int, float, Decimal})


def _numbers(entry: Entry, field: str) -> list[Any]:
    return [leaf for leaf in entry.values(field) if type(leaf) in _NUMBERS]


def _floats(numbers: Iterable[Any]) -> Iterator[float]:
    for number in numbers:
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
        self._exact: list[Decimal] | None = None if cast_of(self._name) is None else []
        """Of a field with a cast the values themselves, whose sum is exact."""

    def read(self, columns: Columns) -> None:
        if self._exact is not None:
            raise NotByColumns
        self._read = columns.moments(self._name)
        for entry in columns.rest(self._name, ODD):
            self.add(entry)

    def add(self, entry: Entry) -> None:
        numbers = _numbers(entry, self._name)
        if self._exact is None:
            self._numbers.extend(_floats(numbers))
        else:
            self._exact.extend(map(Decimal, numbers))

    def result(self) -> StatsResult:
        both = _moments(self._numbers).with_(self._read)
        if self._exact:
            both = _exact_moments(self._exact)
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


_EXACT: Final = Context(prec=2_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""More digits than sums of decimal numbers have, but for those that are very far apart."""


def _exact_moments(numbers: list[Decimal]) -> Moments:
    with localcontext(_EXACT):
        total, count = sum(numbers, Decimal(0)), len(numbers)
        squares = sum((number * number for number in numbers), Decimal(0))
        figures = (total, squares, squares - total * total / count, min(numbers), max(numbers))
        return Moments(count, *(min(max(float(figure), -_LARGEST), _LARGEST) for figure in figures))


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

    def add(self, number: float | Decimal, exact: Sequence[tuple[Any, Any]] | None = None) -> None:
        self.seen += 1
        for position, (low, high) in enumerate(self._buckets if exact is None else exact):
            if (low is None or number >= low) and (high is None or number < high):
                self._counts[position] += 1

    @cached_property
    def edges(self) -> list[float]:
        """The edges in their order, as floats: what the columns have of values beyond 2**53 is odd."""
        return sorted({rounded(edge) for bucket in self._buckets for edge in bucket if edge is not None})

    def take(self, counts: Sequence[int]) -> None:
        """Add how many values are below the first edge, from it to the next, and so on."""
        edges = self.edges
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


_SORTS_OF_CASTS: Final = {DATE: [DATES], DECIMAL: [DECIMALS, NUMBERS]}
"""The columns that have the values of casts."""


class _Ranges:
    def __init__(self, aggregate: Ranges) -> None:
        self._field = aggregate.field
        self._name = _full(aggregate.field)
        self._buckets = _Buckets(aggregate.buckets)
        self._cast = cast_of(self._name)
        # Of a field with a cast an edge of 0.1 is a tenth.
        self._edges = [
            tuple(None if edge is None or self._cast is None else exact_number(edge) for edge in bucket)
            for bucket in aggregate.buckets
        ]

    def read(self, columns: Columns) -> None:
        sorts, name = [NUMBERS], self._name
        if self._cast is not None:
            cast, name = self._cast
            sorts = _SORTS_OF_CASTS.get(cast, [])
            if not sorts:
                raise NotByColumns
        rest = list(columns.rest(name, ODD, MANY))
        counts = [columns.intervals(sort, name, self._buckets.edges) for sort in sorts]
        for each in counts:
            self._buckets.take(each)
        for entry in rest:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        exact: Any = None if self._cast is None else self._edges
        for number in _numbers(entry, self._name):
            self._buckets.add(number, exact)

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
    folds = (0,) if isinstance(zone, timezone) else (0, 1)
    # Clocks may have been set between the two: an hour on either side is one start more, which does no harm.
    for start in islice(_local_starts(interval, local[0], max(local) + _LENGTHS["hour"]), MOST + 1):
        for fold in folds:
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
        self._cast = cast_of(self._name)
        self._spelled: dict[tuple[int, Any], Any] = {}
        """Of a field with a cast the first spelling of a value, by which that is shown."""
        # By rank and value, since 1 and True are one key to a dict, and 1 and 1.0 are one value to JSON.
        self._counts: dict[tuple[int, Any], int] = {}
        self._total = 0
        self._nulls = 0
        self._columns: Columns | None = None
        self._read: dict[tuple[int, Any], int] = {}
        self._most = 0

    def read(self, columns: Columns) -> None:
        if self._cast is not None:
            raise NotByColumns
        odd = list(columns.rest(self._name, ODD))
        found = columns.counts(self._name, self._aggregate.offset + self._aggregate.limit)
        for values in (found.strings, found.numbers, found.booleans):
            self._read |= {(RANKS[type(value)], value): count for value, count in values.items()}
        self._columns, self._total, self._nulls, self._most = columns, found.values, found.nulls, found.most
        for entry in odd:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        counts, name = self._counts, self._name
        if self._cast is None:
            for leaf in entry.values(name):
                key = RANKS[type(leaf)], leaf
                counts[key] = counts.get(key, 0) + 1
                self._total += 1
        else:
            cast, name = self._cast
            for leaf, value in cast.pairs(entry.values(name)):
                key = RANKS[type(value)], value
                counts[key] = counts.get(key, 0) + 1
                self._total += 1
                self._spelled[key] = min(self._spelled.get(key, leaf), leaf, key=str)
        if not name.startswith("@") and (nulls := entry.nulls.get(name)):
            self._nulls += nulls
            self._total += nulls

    def result(self) -> TopValuesResult:
        offset, limit = self._aggregate.offset, self._aggregate.limit
        counts = self._counted(offset + limit)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        entries = [ValueCount(self._spelled.get(key, key[1]), count) for key, count in ranked]
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
