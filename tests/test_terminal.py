"""Aggregates in the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from orcodm.operations import (
    AggregateResult,
    BucketCount,
    IntervalCount,
    RangesResult,
    StatsResult,
    TimeSeriesResult,
    TopValuesResult,
    ValueCount,
)
from orcodm.terminal import FILLED, show


def shown(result: AggregateResult) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=80).print(show(result))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def series(*labels: str, interval: str = "day") -> list[str]:
    buckets = [IntervalCount(label, 1) for label in labels]
    result = TimeSeriesResult(field="f", value_count=len(labels), interval=interval, buckets=buckets)
    return [line.split()[0] for line in shown(result)[2:]]


@pytest.mark.parametrize(
    ("interval", "first", "last", "between"),
    [
        ("year", "2019", "2021", ["2020"]),
        ("quarter", "2019-Q3", "2020-Q1", ["2019-Q4"]),
        ("month", "2019-11", "2020-02", ["2019-12", "2020-01"]),
        ("week", "2020-W52", "2021-W01", ["2020-W53"]),
        ("day", "2020-02-28", "2020-03-01", ["2020-02-29"]),
        ("hour", "2020-12-31T22", "2021-01-01T01", ["2020-12-31T23", "2021-01-01T00"]),
    ],
)
def test_empty_intervals_are_shown(interval: str, first: str, last: str, between: list[str]) -> None:
    assert series(first, last, interval=interval) == [first, *between, last]


def test_too_many_empty_intervals_and_strange_labels_are_left_out() -> None:
    assert series("1900-01-01", "2020-01-01") == ["1900-01-01", "2020-01-01"]
    assert len(series("2019-01-01", "2020-01-30")) == 395 <= FILLED
    assert series("huh", "zzz") == ["huh", "zzz"]
    assert series("2020-01-01", "2020-13-99") == ["2020-01-01", "2020-13-99"]
    assert series("9999", interval="year") == ["9999"]


def test_bars_are_in_proportion() -> None:
    entries = [ValueCount("a", 100), ValueCount(None, 50), ValueCount(1.5, 1), ValueCount(True, 0)]
    lines = shown(TopValuesResult(field="f", value_count=151, offset=0, limit=10, entries=entries))
    assert lines[0] == "f  (151 values)"
    assert [line.split()[:2] for line in lines[2:]] == [
        ["a", "100"],
        ["null", "50"],
        ["1.5", "1"],
        ["true", "0"],
    ]
    assert [line.count("█") for line in lines[2:]] == [40, 20, 0, 0]


def test_what_is_empty_is_shown_as_that() -> None:
    assert shown(StatsResult(field="f", value_count=0))[-1].split() == ["-"] * 5
    assert shown(RangesResult(field="f", value_count=0, buckets=[])) == ["f  (0 values)", "range  count"]
    everything = RangesResult(field="f", value_count=1, buckets=[BucketCount(None, None, 1)])
    assert shown(everything)[0] == "f  (1 value)"
    assert shown(everything)[2].split()[:2] == ["all", "1"]


def test_figures_keep_what_matters() -> None:
    result = StatsResult(field="f", value_count=2, min=-1e-9, max=1234567.0, mean=0.5, sum=1e300, std_dev=3.0)
    assert shown(result)[2].split() == ["-1e-09", "1,234,567", "0.5", "1e+300", "3"]
