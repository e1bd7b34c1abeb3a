"""Times of events and versions: aware datetimes in Python, milliseconds since the epoch below."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Self

from .errors import InvalidParameter, InvalidValue

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


# -- time zones ------------------------------------------------------------------------------------

_OFFSET: Final = re.compile(r"([+-])([01]\d|2[0-3])(?::?([0-5]\d))?", re.ASCII)


def zone_name(name: str) -> str:
    """A time zone as operations name it: an offset `+0200`, or a name of the IANA database.

    `+02:00` and `+02` are such an offset too, `Z` and `UTC` are `+0000`. Raises `InvalidParameter` for what
    names no zone.
    """
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        return f"{sign}{hours}{minutes or '00'}"
    if name in ("Z", "UTC"):
        return "+0000"
    _region(name)
    return name


def zone_of(name: str | None) -> tzinfo:
    """The time zone of a name that `zone_name` gave; None is UTC."""
    if name is None:
        return UTC
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset)
    return _region(name)


@lru_cache(maxsize=1_000)
def _region(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # here, since few programs ask for one

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # no such file, no such path, or a folder
        raise InvalidParameter(
            f"{name!r:.80} is no time zone; write an offset as +0200 or +02:00, UTC, or a name of the IANA "
            "database such as Europe/Oslo",
            details={"aggregate": f"Unknown time zone {name!r:.80}."},
        ) from None


_DAY: Final = timedelta(days=1)


def changes_of_offset(zone: tzinfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """The moments between two others at which clocks of a zone are set, to the second, in UTC."""
    if isinstance(zone, timezone):
        return
    first = first.astimezone(UTC)
    days = (last - first) // _DAY + 1
    offsets = [
        ((first + number * _DAY), (first + number * _DAY).astimezone(zone).utcoffset())
        for number in range(days)
    ]
    offsets.append((last.astimezone(UTC), last.astimezone(zone).utcoffset()))
    for (before, old), (after, new) in pairwise(offsets):
        if old == new:
            continue
        low, high = 0, int((after - before).total_seconds())
        while high - low > 1:
            middle = (low + high) // 2
            if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
                low = middle
            else:
                high = middle
        yield (before + timedelta(seconds=high)).replace(microsecond=0)


# -- intervals -------------------------------------------------------------------------------------


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04}-W{week:02}"


def _hour(moment: datetime) -> str:
    # When clocks are set back an hour comes twice; the second one says its offset.
    again = moment.fold and moment.utcoffset() != moment.replace(fold=0).utcoffset()
    name = f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}"
    return name + moment.replace(microsecond=0).isoformat()[19:] if again else name


INTERVALS: Final[dict[str, Callable[[datetime], str]]] = {
    "year": lambda moment: f"{moment.year:04}",
    "quarter": lambda moment: f"{moment.year:04}-Q{(moment.month + 2) // 3}",
    "month": lambda moment: f"{moment.year:04}-{moment.month:02}",
    "week": _week,
    "day": lambda moment: f"{moment.year:04}-{moment.month:02}-{moment.day:02}",
    "hour": _hour,
}
"""The intervals of time series: how the one with a moment, in its time zone, is called."""
