"""Times of events and versions: aware datetimes in Python, milliseconds since the epoch below."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from .errors import InvalidValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Timestamp(datetime):
    """An aware datetime in UTC that also compares with integers, as milliseconds since the epoch."""

    @classmethod
    def of(cls, milliseconds: int) -> Self:
        """The time of a number of milliseconds. Raises `InvalidValue` outside of the years 1 to 9999."""
        try:
            moment = _EPOCH + milliseconds * _MILLISECOND
        except OverflowError:
            raise InvalidValue(f"{milliseconds} milliseconds is outside of the years 1 to 9999") from None
        return cls(
            moment.year,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond,
            UTC,
        )

    @property
    def milliseconds(self) -> int:
        """Milliseconds since the epoch."""
        return milliseconds(self)

    def __int__(self) -> int:
        return self.milliseconds

    def __eq__(self, other: object) -> bool:
        return self.milliseconds == other if type(other) is int else super().__eq__(other)

    def __lt__(self, other: Any) -> bool:
        return self.milliseconds < other if type(other) is int else super().__lt__(other)

    def __le__(self, other: Any) -> bool:
        return self.milliseconds <= other if type(other) is int else super().__le__(other)

    def __gt__(self, other: Any) -> bool:
        return self.milliseconds > other if type(other) is int else super().__gt__(other)

    def __ge__(self, other: Any) -> bool:
        return self.milliseconds >= other if type(other) is int else super().__ge__(other)

    __hash__ = datetime.__hash__


def milliseconds(moment: datetime | int, name: str = "a time") -> int:
    """Milliseconds since the epoch, of a datetime or such a number. Raises `InvalidValue`.

    A naive datetime is UTC, as it is to a search. Parts of a millisecond are cut off.
    """
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (aware.astimezone(UTC) - _EPOCH) // _MILLISECOND
    if type(moment) is int:
        return moment
    raise InvalidValue(f"{name} is a datetime or milliseconds since the epoch, not {moment!r}")


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04}-W{week:02}"


INTERVALS: Final[dict[str, Callable[[datetime], str]]] = {
    "year": lambda moment: f"{moment.year:04}",
    "quarter": lambda moment: f"{moment.year:04}-Q{(moment.month + 2) // 3}",
    "month": lambda moment: f"{moment.year:04}-{moment.month:02}",
    "week": _week,
    "day": lambda moment: f"{moment.year:04}-{moment.month:02}-{moment.day:02}",
    "hour": lambda moment: f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}",
}
"""The intervals of time series: how the one with a moment is called."""
