"""Dates, Decimals and times are compared, ordered and counted as what they are, however they are spelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Document, Field, field
from orcodm.engine import Engine
from orcodm.lucene import casts
from orcodm.operations import START, Delete, Ranges, Search, SortField, Stats, TopValues
from orcodm.testing import Watched

from ..strategies import examples
from .asking import THINGS, follow, put_all


class Sale(Document, collection="sales"):
    price: Field[Decimal | None] = field(default=None)
    at: Field[datetime | None] = field(default=None)
    day: Field[date | None] = field(default=None)
    opens: Field[time | None] = field(default=None)
    prices: Field[list[Decimal]] = field(factory=list)


PRICES = ["9", "10.50", "10.5", "100.5", "-3", "0", "-0.00", "1E+3", "1000", "0.1", "0.10", "0.2", "+7", "5."]
LONG = [
    "0.12345678901234567890123",
    "0.12345678901234567890124",
    "0.1234567890123456789",
    "123456789012345678901",
]
MOMENTS = [
    "2020-01-01T00:00:00Z",
    "2020-01-01T00Z",
    "20200101T000000Z",
    "2020-01-01T00:00:00+00",
    "2020-01-01T01:00:00+01:00",
    "2019-12-31T19:00:00.000-0500",
    "2020-W01-3T00:00:00Z",
    "2020W013",
    "2019-12-31T23:59:59.999999Z",
    "2020-01-01T00:00:00.000001Z",
    "2020-01-01T02:00+03:00",
    "1815-12-10",
    "9999-12-31T23:59:59",
]
TIMES = ["10:00", "10", "1000", "T10:00:00", "12:00+02:00", "09:59:59.999999", "00:00", "23:00"]


@pytest.fixture(params=["pending", "indexed"])
def where(engine: Engine, request: pytest.FixtureRequest) -> str:
    if request.param == "indexed":
        request.getfixturevalue("early")
        put_all(engine, {f"{n}": {"n": n} for n in range(60)}, collection="crowd")
    where: str = request.param
    return where


def instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def time_of(text: str) -> timedelta:
    moment = time.fromisoformat(text)
    parts = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return parts + timedelta(microseconds=moment.microsecond) - (moment.utcoffset() or timedelta(0))


FIELDS: list[tuple[str, list[str], Callable[[str], Any]]] = [
    ("price", [*PRICES, *LONG], Decimal),
    ("price", PRICES, Decimal),
    ("at", MOMENTS, instant),
    ("day", ["2020-01-01", "20200101", "2020-W01-3", "2019-12-31", "0001-01-01"], date.fromisoformat),
    ("opens", TIMES, time_of),
]


@pytest.mark.parametrize(("name", "texts", "read"), FIELDS, ids=["long", "price", "at", "day", "opens"])
def test_a_field_is_ordered_and_compared_by_what_it_is(
    watched: Watched, where: str, name: str, texts: list[str], read: Callable[[str], Any]
) -> None:
    put_all(watched, {f"{n:02}": {name: text} for n, text in enumerate(texts)}, collection="sales")
    put_all(watched, {"none": {}}, collection="sales")
    expression: Any = getattr(Sale, name)
    by_key = {f"{n:02}": read(text) for n, text in enumerate(texts)}
    ascending = sorted(by_key, key=lambda key: (by_key[key], key))
    descending = sorted(ascending, key=lambda key: by_key[key], reverse=True)
    assert [one.key for one in Sale.query.order_by(expression)] == [*ascending, "none"]
    assert [one.key for one in Sale.query.order_by(-expression)] == [*descending, "none"]
    assert [one.key for page in Sale.query.order_by(expression).pages(3) for one in page] == [
        *ascending,
        "none",
    ]
    loaded = {one.key: getattr(one, name) for one in Sale.query.filter(expression.exists())}
    for key, value in loaded.items():
        equal = {other for other in by_key if by_key[other] == by_key[key]}
        assert {one.key for one in Sale.query.filter(expression == value)} == equal, value
        assert {one.key for one in Sale.query.filter(expression.is_in([value]))} == equal
        below = {other for other in by_key if by_key[other] < by_key[key]}
        assert {one.key for one in Sale.query.filter(expression < value)} == below
        assert {one.key for one in Sale.query.filter(expression <= value)} == below | equal
        assert {one.key for one in Sale.query.filter(expression > value)} == set(by_key) - below - equal
        assert {one.key for one in Sale.query.filter(expression >= value)} == set(by_key) - below
    top = Sale.query.top(expression, 100)
    assert top.field == f"value.{name}"
    shown = {read(entry.value): entry.count for entry in top.entries if entry.value is not None}
    assert shown == Counter(by_key.values())


def test_decimals_are_summed_and_counted_as_what_they_are(watched: Watched, where: str) -> None:
    prices = ["0.1", "0.2", "0.30", "10.50", "-3", "1E+2"]
    put_all(watched, {f"{n}": {"price": price} for n, price in enumerate(prices)}, collection="sales")
    exact = [Decimal(price) for price in prices]
    found = Sale.query.stats(Sale.price)
    assert (found.field, found.value_count, found.min, found.max) == ("value.price", 6, -3, 100)
    assert found.sum == float(sum(exact))
    assert found.mean == float(sum(exact) / 6)
    assert Sale.query.filter(Sale.price < Decimal(1)).stats(Sale.price).sum == -2.4
    edges = [None, Decimal("0.1"), Decimal("0.2"), Decimal("0.3"), Decimal("10.5"), None]
    buckets = Sale.query.ranges(Sale.price, edges).buckets
    assert [(one.min, one.max, one.count) for one in buckets] == [
        (None, Decimal("0.1"), 1),
        (Decimal("0.1"), Decimal("0.2"), 1),
        (Decimal("0.2"), Decimal("0.3"), 1),
        (Decimal("0.3"), Decimal("10.5"), 1),
        (Decimal("10.5"), None, 2),
    ]


def test_dates_are_counted_between_dates(watched: Watched, where: str) -> None:
    put_all(watched, {f"{n:02}": {"at": text} for n, text in enumerate(MOMENTS)}, collection="sales")
    edges = [datetime(1800, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 0, 0, 0, 1), None]
    counted = [one.count for one in Sale.query.ranges(Sale.at, edges).buckets]
    assert counted == [3, 8, 2]
    days = {one.bucket: one.count for one in Sale.query.histogram(Sale.at, "day").buckets}
    assert days == {"1815-12-10": 1, "2019-12-31": 2, "2020-01-01": 9, "9999-12-31": 1}


def test_elements_of_lists_are_compared_as_what_they_are(watched: Watched, where: str) -> None:
    stored = {"a": ["10.50", "3"], "b": ["3.0"], "c": [], "d": ["20"]}
    put_all(watched, {key: {"prices": prices} for key, prices in stored.items()}, collection="sales")
    prices: Any = Sale.prices
    assert [one.key for one in Sale.query.filter(prices.contains(Decimal("10.5")))] == ["a"]
    assert [one.key for one in Sale.query.filter(prices.contains(Decimal(3)))] == ["a", "b"]
    assert [one.key for one in Sale.query.order_by(prices)] == ["a", "b", "d", "c"]
    assert [one.key for one in Sale.query.order_by(-prices)] == ["d", "a", "b", "c"]
    assert Sale.query.stats(prices).sum == 36.5


MIXED = (
    st.sampled_from([*PRICES, *LONG, *MOMENTS[:6], *TIMES, "", "ada", "10.5 kg", "NaN", "1_0", "٣"])
    | st.sampled_from([0, 1, -0.0, 0.1, 10.5, 2**53 + 1, 10**25, True, False, None])
    | st.decimals(-1000, 1000, places=2).map(str)
    | st.integers(-5, 5)
)


@pytest.mark.parametrize("name", sorted(casts.CASTS))
@examples(20)
@given(values=st.lists(st.lists(MIXED, max_size=2) | MIXED, max_size=10), descending=st.booleans())
def test_what_a_cast_makes_of_values_is_what_python_makes(
    engine: Engine, early: None, name: str, values: list[Any], descending: bool
) -> None:
    cast = casts.CASTS[name]
    if not engine.execute(Search(query="*", collection="crowd", limit=0)).total:
        put_all(engine, {f"{n}": {"n": n} for n in range(60)}, collection="crowd")
    keys = [f"{n:02}" for n in range(len(values))]
    for n in range(10):
        engine.execute(Delete(collection=THINGS, key=f"{n:02}"))
    put_all(engine, {key: {"x": value} for key, value in zip(keys, values, strict=True)})
    read = {
        key: cast.values(value if isinstance(value, list) else [value])
        for key, value in zip(keys, values, strict=True)
    }
    path = f"{name}value.x"
    sort = (SortField(path, descending),)
    best = max if descending else min
    some = sorted((key for key in keys if read[key]), key=lambda key: best(read[key]), reverse=descending)
    expected = [*some, *(key for key in keys if not read[key])]
    whole = Search(query="*", collection=THINGS, sort=sort, limit=3, cursor=START)
    assert [one.key for one in follow(engine, whole)] == expected
    every = [value for key in keys for value in read[key]]
    asked = (
        Stats(path),
        TopValues(path, limit=100),
        Ranges(path, [(None, 1), (1, 10.5), (10.5, None), (None, None)]),
    )
    stats, top, ranges = engine.execute(
        Search(query="*", collection=THINGS, limit=0, aggregates=asked)
    ).aggregates
    assert stats.value_count == ranges.value_count == len(every)  # type: ignore[union-attr]
    if every:
        assert stats.sum == float(sum(map(Decimal, every)))  # type: ignore[union-attr]
    counts = [sum(value < 1 for value in every), sum(1 <= value < Decimal("10.5") for value in every)]
    found = [one.count for one in ranges.buckets]  # type: ignore[union-attr]
    assert found == [*counts, len(every) - sum(counts), len(every)]
    frequent = sorted(one.count for one in top.entries if one.value is not None)  # type: ignore[union-attr]
    assert frequent == sorted(Counter(every).values())
    for bound in ("10.5", "0.1", "0.12345678901234567890123", "2020-01-01", "10:00"):
        edge = cast.read(bound)
        total = engine.execute(
            Search(query=f"{path}:[{bound.replace(':', chr(92) + ':')} TO *]", collection=THINGS, limit=0)
        ).total
        assert total == (
            0 if edge is None else sum(any(value >= edge for value in read[key]) for key in keys)
        )
