"""Times: aware datetimes above, milliseconds below."""

from __future__ import annotations

import operator
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import InvalidValue, Timestamp
from orcodm.times import milliseconds

LATEST = milliseconds(datetime.max.replace(tzinfo=UTC))
EARLIEST = milliseconds(datetime.min.replace(tzinfo=UTC))


@given(st.integers(EARLIEST, LATEST))
def test_milliseconds_there_and_back(number: int) -> None:
    assert milliseconds(Timestamp.of(number)) == number


@given(st.integers(EARLIEST, LATEST), st.integers(EARLIEST, LATEST))
def test_a_timestamp_compares_with_milliseconds_and_with_datetimes(one: int, other: int) -> None:
    timestamp, plain = Timestamp.of(one), datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=other)
    for there in (other, plain, Timestamp.of(other)):
        for compare in (operator.eq, operator.lt, operator.le, operator.gt, operator.ge):
            assert compare(timestamp, there) == compare(one, other)


def test_a_timestamp_is_an_aware_datetime() -> None:
    timestamp = Timestamp.of(1_500)
    assert timestamp == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert timestamp == 1_500
    assert (timestamp.milliseconds, int(timestamp)) == (1_500, 1_500)
    assert timestamp.isoformat() == "1970-01-01T00:00:01.500000+00:00"
    assert hash(timestamp) == hash(datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC))
    assert timestamp - timedelta(seconds=1) == Timestamp.of(500)
    assert pickle.loads(pickle.dumps(timestamp)) == timestamp


def test_a_naive_datetime_is_utc() -> None:
    assert milliseconds(datetime(2020, 1, 1)) == milliseconds(datetime(2020, 1, 1, tzinfo=UTC))
    east = datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    assert milliseconds(east) == milliseconds(datetime(2019, 12, 31, 19, tzinfo=UTC))


@pytest.mark.parametrize("moment", ["2020-01-01", 1.5, True, None])
def test_what_is_no_time(moment: Any) -> None:
    with pytest.raises(InvalidValue, match="a time is a datetime or milliseconds since the epoch"):
        milliseconds(moment)


def test_a_number_outside_of_the_calendar() -> None:
    with pytest.raises(InvalidValue, match="outside of the years 1 to 9999"):
        Timestamp.of(2**62)
