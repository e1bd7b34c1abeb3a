"""Aggregates as people read them: tables, and histograms of bars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, assert_never

from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .operations import (
    AggregateResult,
    BucketCount,
    DistancesResult,
    IntervalCount,
    RangesResult,
    StatsResult,
    TimeSeriesResult,
    TopValuesResult,
)
from .values import encode

BAR: Final = 40
"""How many characters the longest bar has."""
FILLED: Final = 400
"""So many intervals a histogram may have for the empty ones to be shown as well."""

_FIGURES: Final = ("min", "max", "mean", "sum", "std_dev")

Row = tuple[str, int]


def show(result: AggregateResult) -> RenderableType:
    """A table of an aggregate; counts have bars beside them."""
    match result:
        case StatsResult():
            return _stats(result)
        case RangesResult():
            return _counts(result, "range", [(_interval(each), each.count) for each in result.buckets])
        case DistancesResult():
            return _counts(result, "distance", [(_interval(each), each.count) for each in result.buckets])
        case TimeSeriesResult():
            return _counts(result, _titled(result), list(_filled(result.buckets)))
        case TopValuesResult():
            rows = [
                (each.value if isinstance(each.value, str) else encode(each.value).decode(), each.count)
                for each in result.entries
            ]
            return _counts(result, "value", rows)
        case _:
            assert_never(result)


def _table(result: AggregateResult) -> Table:
    values = "value" if result.value_count == 1 else "values"
    title = f"{result.field}  ({result.value_count:,} {values})"
    return Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)


def _stats(result: StatsResult) -> Table:
    table = _table(result)
    for name in _FIGURES:
        table.add_column(name.replace("_", " "), justify="right", style="cyan", header_style="dim")
    table.add_row(*(_figure(getattr(result, name)) for name in _FIGURES))
    return table


def _counts(result: AggregateResult, what: str, rows: Sequence[Row]) -> Table:
    table = _table(result)
    most = max((count for _, count in rows), default=0)
    table.add_column(what, overflow="fold", header_style="dim")
    table.add_column("count", justify="right", style="cyan", header_style="dim")
    table.add_column("", width=BAR)
    for label, count in rows:
        # As a `Text`, so that brackets in the data are no marks.
        table.add_row(Text(label), f"{count:,}", Bar(most or 1, 0, count, width=BAR, color="blue"))
    return table


def _figure(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:,.0f}" if number == int(number) and abs(number) < 1e15 else f"{number:,.6g}"


def _interval(bucket: BucketCount) -> str:
    low, high = bucket.min, bucket.max
    if low is None:
        return "all" if high is None else f"below {_figure(high)}"
    return f"from {_figure(low)}" if high is None else f"{_figure(low)} to {_figure(high)}"


# -- time ------------------------------------------------------------------------------------------


def _titled(result: TimeSeriesResult) -> str:
    return result.interval if result.time_zone is None else f"{result.interval} ({result.time_zone})"


def _filled(buckets: Sequence[IntervalCount]) -> Iterator[Row]:
    """The intervals with those between them in which nothing is, where these are not too many."""
    rows = [(each.bucket, each.count) for each in buckets]
    counts = dict(rows)
    if not rows or (labels := _between(rows[0][0], rows[-1][0])) is None:
        return iter(rows)
    return ((label, counts.get(label, 0)) for label in labels)


def _between(first: str, last: str) -> list[str] | None:
    """The labels from one to another; None where they are too many, or none that follow each other."""
    labels = [first]
    while labels[-1] != last:
        following = _following(labels[-1])
        if following is None or following > last or len(labels) == FILLED:
            return None
        labels.append(following)
    return labels


_LABEL = re.compile(r"(\d{4})(?:-(?:Q(\d)|W(\d\d)|(\d\d)(?:-(\d\d)(?:T(\d\d))?)?))?")


def _following(label: str) -> str | None:
    """The label of the interval after one: of `2014-12-31` it is `2015-01-01`."""
    match = _LABEL.fullmatch(label)
    if match is None:
        return None
    year, quarter, week, month, day, hour = (None if part is None else int(part) for part in match.groups())
    assert year is not None
    try:
        if quarter is not None:
            return f"{year:04}-Q{quarter + 1}" if quarter < 4 else f"{year + 1:04}-Q1"
        if week is not None:
            following = (date.fromisocalendar(year, week, 1) + timedelta(weeks=1)).isocalendar()
            return f"{following.year:04}-W{following.week:02}"
        if month is None:
            return f"{year + 1:04}"
        if day is None:
            return f"{year:04}-{month + 1:02}" if month < 12 else f"{year + 1:04}-01"
        if hour is None:
            return (date(year, month, day) + timedelta(days=1)).isoformat()
        return (datetime(year, month, day, hour) + timedelta(hours=1)).isoformat(timespec="hours")
    except (ValueError, OverflowError):
        return None
