"""Aggregates: over all matches, whatever page of them is asked for."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm.engine import Engine
from orcodm.operations import (
    Aggregate,
    AggregateResult,
    BucketCount,
    IntervalCount,
    Ranges,
    RangesResult,
    Search,
    Stats,
    StatsResult,
    TimeSeries,
    TimeSeriesResult,
    TopValues,
    TopValuesResult,
    ValueCount,
)

from .asking import THINGS, delete, put, put_all


def aggregate(engine: Engine, *aggregates: Aggregate, query: str = "*", **more: Any) -> list[AggregateResult]:
    search = Search(query=query, collection=THINGS, aggregates=aggregates, **{"limit": 0, **more})
    return list(engine.execute(search).aggregates)


@pytest.fixture(params=["few", "many"])
def numbers(engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """1 to 5 in the field a, among others; alone or beside a crowd."""
    if request.param == "many":
        request.getfixturevalue("early")
        put_all(engine, {f"{n:02}": {"a": n} for n in range(99)}, collection="crowd")
    put_all(engine, {f"{n}": {"a": n, "odd": n % 2 == 1} for n in range(1, 6)})
    put_all(engine, {"none": {"b": 1}, "null": {"a": None}, "text": {"a": "3"}, "flag": {"a": True}})
    return engine


def test_stats(numbers: Engine) -> None:
    assert aggregate(numbers, Stats("value.a")) == [
        StatsResult(
            field="value.a",
            value_count=5,
            min=1.0,
            max=5.0,
            mean=3.0,
            sum=15.0,
            sum_of_squares=55.0,
            variance=2.0,
            std_dev=math.sqrt(2),
        )
    ]


@pytest.mark.parametrize("field", ["value.text", "value.nothing", "value.a.deeper"])
def test_stats_of_no_numbers(numbers: Engine, field: str) -> None:
    put(numbers, "t", {"text": "word"})
    assert aggregate(numbers, Stats(field)) == [StatsResult(field=field, value_count=0)]


def test_an_array_contributes_each_of_its_elements(engine: Engine) -> None:
    put_all(engine, {"a": {"n": [1, 2, [3]]}, "b": {"n": [], "in": [{"n": 7}, {"n": 8}]}, "c": {"n": 6}})
    (stats,) = aggregate(engine, Stats("value.n"))
    assert isinstance(stats, StatsResult)
    assert (stats.value_count, stats.sum) == (4, 12.0)
    (stats,) = aggregate(engine, Stats("value.in.n"))
    assert isinstance(stats, StatsResult)
    assert (stats.value_count, stats.sum) == (2, 15.0)


def test_aggregates_are_over_the_matches(numbers: Engine) -> None:
    (stats,) = aggregate(numbers, Stats("value.a"), query="odd:true")
    assert isinstance(stats, StatsResult)
    assert (stats.value_count, stats.sum) == (3, 9.0)
    assert aggregate(numbers, Stats("value.a"), query="nowhere:x") == [
        StatsResult(field="value.a", value_count=0)
    ]


@pytest.mark.parametrize("page", [{"limit": 1}, {"limit": 2, "offset": 4}, {"limit": 1, "offset": 100}])
def test_aggregates_see_all_matches_on_every_page(numbers: Engine, page: dict[str, int]) -> None:
    assert aggregate(numbers, Stats("value.a"), **page) == aggregate(numbers, Stats("value.a"))


def test_aggregates_are_as_fresh_as_the_results(numbers: Engine) -> None:
    put(numbers, "5", {"a": 50})
    delete(numbers, "4")
    (stats,) = aggregate(numbers, Stats("value.a"))
    assert isinstance(stats, StatsResult)
    assert (stats.value_count, stats.sum, stats.max) == (4, 56.0, 50.0)


def test_ranges(numbers: Engine) -> None:
    buckets = [(None, 2), (2, 4), (4, None), (1, 6), (10, 20), (4.5, 5.5), (None, None)]
    assert aggregate(numbers, Ranges("value.a", buckets)) == [
        RangesResult(
            field="value.a",
            value_count=5,
            buckets=[
                BucketCount(None, 2, 1),
                BucketCount(2, 4, 2),
                BucketCount(4, None, 2),
                BucketCount(1, 6, 5),
                BucketCount(10, 20, 0),
                BucketCount(4.5, 5.5, 1),
                BucketCount(None, None, 5),
            ],
        )
    ]


SNOWFLAKE = 1850000000000000000


@pytest.mark.parametrize(
    ("edges", "steps"),
    [
        ([SNOWFLAKE, SNOWFLAKE + 10, SNOWFLAKE + 20], [SNOWFLAKE + n for n in range(-5, 25)]),
        ([2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2], [2**53 + n for n in range(-3, 5)]),
        ([10**25, 10**25 + 1, 10**25 + 2], [10**25 + n for n in range(-1, 4)]),
        ([10**350, 10**350 + 1, 10**350 + 2], [10**350 + n for n in range(-1, 4)]),
        ([-SNOWFLAKE - 1, -SNOWFLAKE, 0], [-SNOWFLAKE - 1, -SNOWFLAKE, -1, 0, -0.0, 1e-300]),
        ([0.1, 0.2, 0.3], [0.1, 0.15, 0.2, 0.30000000000000004, 0.3]),
        ([1, 2], [1, 1.0, 2.0, 1.5, True, "1"]),
    ],
)
@pytest.mark.parametrize("where", ["pending", "indexed"])
def test_ranges_count_what_a_filter_finds(
    engine: Engine, edges: list[float], steps: list[Any], where: str, request: pytest.FixtureRequest
) -> None:
    if where == "indexed":
        request.getfixturevalue("early")
        put_all(engine, {f"{n:02}": {"n": n} for n in range(99)}, collection="crowd")
    put_all(engine, {f"{n}": {"n": value} for n, value in enumerate(steps)})
    (found,) = aggregate(engine, Ranges("value.n", tuple(pairwise(edges))))
    assert isinstance(found, RangesResult)
    for bucket in found.buckets:
        query = f"n:[{bucket.min!r} TO {bucket.max!r}}}"
        assert bucket.count == engine.execute(Search(query=query, collection=THINGS, limit=0)).total


def test_top_values(engine: Engine) -> None:
    tags = [*["monkey"] * 4, *[1] * 3, *[None] * 2, "New York"]
    put_all(engine, {f"{n}": {"tag": tag} for n, tag in enumerate(tags)})
    put(engine, "without", {"other": 1})
    assert aggregate(engine, TopValues("value.tag")) == [
        TopValuesResult(
            field="value.tag",
            value_count=10,
            offset=0,
            limit=10,
            entries=[
                ValueCount("monkey", 4),
                ValueCount(1, 3),
                ValueCount(None, 2),
                ValueCount("New York", 1),
            ],
        )
    ]


def test_top_values_are_paged(engine: Engine) -> None:
    put_all(engine, {f"{n}{m}": {"tags": [f"t{n}"]} for n in range(1, 6) for m in range(n)})
    (top,) = aggregate(engine, TopValues("value.tags", offset=1, limit=2))
    assert isinstance(top, TopValuesResult)
    assert (top.offset, top.limit, top.value_count) == (1, 2, 15)
    assert top.entries == (ValueCount("t4", 4), ValueCount("t3", 3))


def test_top_values_keep_booleans_numbers_and_texts_apart(engine: Engine) -> None:
    put_all(engine, {f"{n}": {"x": value} for n, value in enumerate([True, True, True, "1", "1", 1, False])})
    (top,) = aggregate(engine, TopValues("value.x"))
    assert isinstance(top, TopValuesResult)
    shown = [(repr(entry.value), entry.count) for entry in top.entries]
    assert shown[:2] == [("True", 3), ("'1'", 2)]
    assert {name for name, _ in shown[2:]} in ({"1", "False"}, {"1.0", "False"})


MOMENTS = [
    "2014-11-30",
    "2014-12-01",
    "2014-12-01T05:30:00Z",
    "2014-12-04T16:40:56Z",
    "2014-12-31T23:59:59.999Z",
    "2015-01-01T00:30:00+01:00",
    "no date",
]


@pytest.mark.parametrize(
    ("interval", "zone", "expected"),
    [
        ("year", None, {"2014": 6}),
        ("quarter", None, {"2014-Q4": 6}),
        ("month", None, {"2014-11": 1, "2014-12": 5}),
        ("week", None, {"2014-W48": 1, "2014-W49": 3, "2015-W01": 2}),
        ("day", None, {"2014-11-30": 1, "2014-12-01": 2, "2014-12-04": 1, "2014-12-31": 2}),
        ("day", "+1100", {"2014-11-30": 1, "2014-12-01": 2, "2014-12-05": 1, "2015-01-01": 2}),
        ("day", "-0800", {"2014-11-29": 1, "2014-11-30": 2, "2014-12-04": 1, "2014-12-31": 2}),
        ("year", "+0100", {"2014": 4, "2015": 2}),
        (
            "hour",
            None,
            {
                "2014-11-30T00": 1,
                "2014-12-01T00": 1,
                "2014-12-01T05": 1,
                "2014-12-04T16": 1,
                "2014-12-31T23": 2,
            },
        ),
    ],
)
def test_a_time_series(engine: Engine, interval: str, zone: str | None, expected: dict[str, int]) -> None:
    put_all(engine, {f"{n}": {"when": moment} for n, moment in enumerate(MOMENTS)})
    assert aggregate(engine, TimeSeries("value.when", interval, zone)) == [
        TimeSeriesResult(
            field="value.when",
            value_count=6,
            interval=interval,
            time_zone=zone,
            buckets=[IntervalCount(label, count) for label, count in expected.items()],
        )
    ]


# From summer to winter in Oslo, a day of 25 hours whose third hour comes twice; and one of 23 in spring.
# Lord Howe sets its clocks by half an hour; Cairo's midnight did not come on the 15th of May 2014.
SET_CLOCKS = [
    *(f"2015-10-{day}T{hour:02}:30:00Z" for day in (24, 25) for hour in range(24)),
    *(f"2015-03-29T{hour:02}:15:00Z" for hour in range(24)),
    *(f"2015-04-04T{hour:02}:{minute}:00Z" for hour in (13, 14, 15, 16) for minute in ("05", "40")),
    *(f"2014-05-{day}T{hour}:59:59.999999Z" for day in (14, 15) for hour in (20, 21, 22)),
]


@pytest.mark.parametrize(
    "zone", ["Europe/Oslo", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "+05:30"]
)
@pytest.mark.parametrize("interval", ["hour", "day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("beside", ["pending", "indexed"])
def test_a_time_series_where_clocks_are_set(
    engine: Engine, interval: str, zone: str, beside: str, request: pytest.FixtureRequest
) -> None:
    if beside == "indexed":
        request.getfixturevalue("early")
    put_all(engine, {f"{n}": {"when": moment} for n, moment in enumerate(SET_CLOCKS)})
    (found,) = aggregate(engine, TimeSeries("value.when", interval, zone))
    place = timezone(timedelta(hours=5, minutes=30)) if zone == "+05:30" else ZoneInfo(zone)
    expected: Counter[str] = Counter()
    for moment in SET_CLOCKS:
        local = datetime.fromisoformat(moment).astimezone(place)
        year, week, _ = local.isocalendar()
        label = {
            "hour": f"{local:%Y-%m-%dT%H}" + (local.isoformat()[-6:] if is_again(local) else ""),
            "day": f"{local:%Y-%m-%d}",
            "week": f"{year}-W{week:02}",
            "month": f"{local:%Y-%m}",
            "quarter": f"{local.year}-Q{(local.month + 2) // 3}",
            "year": f"{local.year}",
        }[interval]
        expected[label] += 1
    assert isinstance(found, TimeSeriesResult)
    assert {bucket.bucket: bucket.count for bucket in found.buckets} == expected


def is_again(local: datetime) -> bool:
    """Whether clocks showed this time before."""
    return local.utcoffset() != local.replace(fold=0).utcoffset()


def test_a_time_series_of_no_dates(engine: Engine) -> None:
    put(engine, "a", {"when": "never"})
    assert aggregate(engine, TimeSeries("value.when", "day")) == [
        TimeSeriesResult(field="value.when", value_count=0, interval="day", buckets=[])
    ]


def test_several_aggregates_come_in_the_order_asked_for(numbers: Engine) -> None:
    asked = (TopValues("value.a"), Stats("value.a"), Ranges("value.a", [(None, 3)]), Stats("value.b"))
    results = aggregate(numbers, *asked, limit=3)
    assert [type(result) for result in results] == [TopValuesResult, StatsResult, RangesResult, StatsResult]
    assert [result.field for result in results] == ["value.a", "value.a", "value.a", "value.b"]


def test_a_field_may_leave_out_its_prefix(numbers: Engine) -> None:
    (stats,) = aggregate(numbers, Stats("a"))
    assert isinstance(stats, StatsResult)
    assert (stats.field, stats.value_count) == ("a", 5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-100, 100) | st.floats(-100, 100), max_size=6))
def test_stats_are_what_arithmetic_says(engine: Engine, values: list[float]) -> None:
    for n in range(6):
        delete(engine, f"{n}", purge=True)
    put_all(engine, {f"{n}": {"x": value} for n, value in enumerate(values)})
    (stats,) = aggregate(engine, Stats("value.x"))
    assert isinstance(stats, StatsResult)
    assert stats.value_count == len(values)
    if values:
        mean = math.fsum(values) / len(values)
        assert stats.min == min(values)
        assert stats.max == max(values)
        assert stats.mean == pytest.approx(mean)
        assert stats.variance == pytest.approx(
            math.fsum((value - mean) ** 2 for value in values) / len(values), abs=1e-6
        )
