"""Aggregates: statistics, top values, histograms, ranges and distances, over all matches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from orcodm import InvalidFilter, InvalidParameter, Session
from orcodm.operations import BucketCount, IntervalCount, StatsResult, ValueCount
from orcodm.testing import Watched

from ..people import Place, User

pytestmark = pytest.mark.usefixtures("users")


@pytest.fixture
def users(orcodm_engine: Watched) -> None:
    months = [1, 1, 2, 12]
    with Session() as session:
        for number, month in enumerate(months):
            session.add(
                User(
                    key=f"u{number}",
                    name="x",
                    age=number * 10,
                    tags=["all", "even" if number % 2 == 0 else "odd"],
                    joined=datetime(2020, month, 1, 23, tzinfo=UTC),
                    place=Place(lat=number, lon=0),
                )
            )
        session.add(User(key="none", name="y"))
    orcodm_engine.clear()


def test_stats() -> None:
    result = User.query.stats(User.age)
    assert (result.value_count, result.min, result.max, result.mean, result.sum) == (4, 0, 30, 15, 60)
    assert User.query.filter(User.age > 100).stats(User.age) == StatsResult(field="value.age", value_count=0)


def test_top() -> None:
    result = User.query.top(User.tags)
    assert result.entries == (ValueCount("all", 4), ValueCount("even", 2), ValueCount("odd", 2))
    assert User.query.top(User.tags, limit=1, offset=1).entries == (ValueCount("even", 2),)
    assert User.query.filter(User.age < 15).top(User.name).entries == (ValueCount("x", 2),)


def test_histogram() -> None:
    assert User.query.histogram(User.joined, "month").buckets == (
        IntervalCount("2020-01", 2), IntervalCount("2020-02", 1), IntervalCount("2020-12", 1)
    )  # fmt: skip
    days = User.query.filter(User.age == 0).histogram(User.joined, "day", "+0100").buckets
    assert days == (IntervalCount("2020-01-02", 1),)


def test_ranges() -> None:
    assert User.query.ranges(User.age, [None, 10, 25, None]).buckets == (
        BucketCount(None, 10, 1), BucketCount(10, 25, 2), BucketCount(25, None, 1)
    )  # fmt: skip


def test_distances() -> None:
    assert [one.count for one in User.query.distances(User.place, (0, 0), [0, 100, 250, None]).buckets] == [
        1,
        2,
        1,
    ]
    near = User.query.filter(User.place.near(0, 0, "250km"))
    assert [one.count for one in near.distances(User.place, (0, 0), [0, 100, None]).buckets] == [1, 2]
    miles = User.query.distances(User.place, (0, 0), [0, 100, None], unit="mi")
    assert [one.count for one in miles.buckets] == [2, 2]


def test_an_aggregate_reads_no_documents(orcodm_requests: list[Any]) -> None:
    User.query.stats(User.age)
    (search,) = orcodm_requests
    assert (search.limit, search.values, len(search.aggregates)) == (0, False, 1)


def test_the_awaitable_aggregates() -> None:
    async def main() -> None:
        query = User.query
        assert await query.astats(User.age) == query.stats(User.age)
        assert await query.atop(User.tags, 2, 1) == query.top(User.tags, 2, 1)
        assert await query.ahistogram(User.joined, "year") == query.histogram(User.joined, "year")
        assert await query.aranges(User.age, [0, 5]) == query.ranges(User.age, [0, 5])
        distances = await query.adistances(User.place, (0, 0), [0, 5], "mi")
        assert distances == query.distances(User.place, (0, 0), [0, 5], "mi")

    asyncio.run(main())


query: Any = User.query

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: query.stats("age"), "stats takes a field such as User.age, not 'age'"),
    (lambda: query.top(None), "top takes a field"),
    (
        lambda: query.histogram(User.joined, "decade"),
        "an interval is one of year, quarter, month, week, day, hour",
    ),
    (lambda: query.histogram(User.joined, "day", "Mars"), "histogram: 'Mars' is no time zone"),
    (lambda: query.ranges(User.age, [1]), "at least two edges"),
    (lambda: query.ranges(User.age, [1, None, 2]), "only the first and the last edge can be open"),
    (lambda: query.ranges(User.age, ["a", "b"]), "an edge is a number or None, not 'a'"),
    (lambda: query.distances(User.place, (0, 0), [0, 1], "parsec"), "a unit is one of km"),
    (lambda: query.distances(User.place, (91, 0), [0, 1]), "a latitude is a number"),
    (
        lambda: query.filter(User.place.near(1, 0, "9km")).distances(User.place, (0, 0), [0, 1]),
        r"\(1, 0\) in km",
    ),
    (lambda: query.filter(User.place.near(0, 0, "9km")).distances(User.place, (0, 0), [0, 1], "mi"), "in km"),
    (lambda: query.distances("home", (0, 0), [0, 1]), "distances takes a field"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_mistakes(orcodm_requests: list[Any], make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        make()
    assert orcodm_requests == []


@pytest.mark.parametrize("limit", [-1, "x"])
def test_a_limit_that_is_none(limit: Any) -> None:
    with pytest.raises(InvalidParameter):
        User.query.top(User.tags, limit=limit)
