"""Texts that stand for something with an order of its own: dates, decimal numbers, times of day.

JSON has no type for these, so a model stores them as texts, of which one value may have several:
`2020-01-01T00:00Z` and `20200101T010000+01`, `10.5` and `10.50`. With a *cast* before the full name of a
field, what the texts stand for is compared, ordered, grouped and counted: `@decimal.value.price:[9 TO 10.5]`,
`sort=@date.value.at:desc`. Texts that stand for no such value are missing then. The query says it, since only
a model knows that a field is of such a type: `10.50` may as well be the number of a house.

    @date       instants, in microseconds since the epoch
    @decimal    numbers, exact; those of JSON are among them
    @time       microseconds since midnight in UTC
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeAlias

from attrs import frozen

Ordered: TypeAlias = int | Decimal
"""What a cast makes of a text."""


# -- dates -----------------------------------------------------------------------------------------

_USUAL: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?:(:\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_DAY: Final = r"\d{4}(?:-\d\d-\d\d|\d{4}|-W\d\d(?:-\d)?|W\d{2,3})"
_IS_DAY: Final = re.compile(_DAY, re.ASCII).fullmatch
_ANY: Final = re.compile(rf"{_DAY}(?:.\d\d.*)?", re.ASCII | re.DOTALL).fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SHORTEST_DATE: Final = 7
_LONGEST_DATE: Final = 64
DAY: Final = 86_400_000_000
"""A day in microseconds."""


def date(text: str) -> int | None:
    """The instant of an ISO 8601 date or date-time, in microseconds since the epoch; else None.

    Every spelling that `datetime.fromisoformat` reads is one: the extended and the basic format, weeks, hours
    alone. A date alone is its first instant. Without a zone it is UTC. Digits beyond microseconds are cut.
    """
    if len(text) < _SHORTEST_DATE or not "0" <= text[3] <= "9" or not "0" <= text[0] <= "9":
        return None
    try:
        match = _USUAL.fullmatch(text)
        if match is not None:
            day, minutes, seconds, fraction, zone = match.groups()
            text = f"{day}T{minutes or '00:00'}{seconds or ':00'}.{(fraction or '')[:6]:0<6}{zone or 'Z'}"
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        if len(text) > _LONGEST_DATE or _ANY(text) is None:
            return None
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None  # a 30th of February, or an hour 25


def is_day(text: str) -> bool:
    """Whether a date, as `date` reads it, has no time of day."""
    return len(text) <= 10 and _IS_DAY(text) is not None


# -- decimal numbers -------------------------------------------------------------------------------

_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII).fullmatch
_LONGEST_DECIMAL: Final = 400


def decimal(text: str) -> Decimal | None:
    """The decimal number that a text is: `10.50`, `-3`, `1E+3`; else None."""
    if not text or text[0] not in "0123456789-+." or len(text) > _LONGEST_DECIMAL or _DECIMAL(text) is None:
        return None
    return Decimal(text)


def number(value: int | float) -> Ordered:
    """A number of JSON as an exact one: 0.1 is a tenth."""
    return Decimal(repr(value)) if type(value) is float else int(value)


SURE_DIGITS: Final = 15
"""Decimal numbers of so many digits are told apart by the floats that are nearest."""


def is_sure(value: Ordered) -> bool:
    """Whether no other decimal number of `SURE_DIGITS` has the same nearest float."""
    made = Decimal(value)
    return len(made.as_tuple().digits) <= SURE_DIGITS and (not made or -290 < made.adjusted() < 290)


# -- times of day ----------------------------------------------------------------------------------


def time_of_day(text: str) -> int | None:
    """Microseconds since midnight in UTC of an ISO 8601 time; else None. Without a zone it is UTC."""
    if not text or len(text) > _LONGEST_DATE or text[0] not in "T0123456789":
        return None
    try:
        moment = time.fromisoformat(text)
    except ValueError:
        return None
    seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
    offset = moment.utcoffset() or timedelta(0)
    return (timedelta(seconds=seconds, microseconds=moment.microsecond) - offset) // _MICROSECOND


# -- casts -----------------------------------------------------------------------------------------


@frozen
class Cast:
    """How the values of a field are read."""

    name: str
    read: Callable[[str], Ordered | None]
    numbers: bool = False
    """Whether numbers of JSON are such values as well."""

    def values(self, leaves: list[Any]) -> list[Any]:
        """What leaves stand for; those that stand for nothing are left out."""
        return [value for _, value in self.pairs(leaves)]

    def pairs(self, leaves: list[Any]) -> list[tuple[Any, Any]]:
        """The leaves that stand for something, each with that."""
        found = []
        for leaf in leaves:
            if type(leaf) is str:
                value = self.read(leaf)
            elif self.numbers and type(leaf) in (int, float):
                value = number(leaf)
            else:
                continue
            if value is not None:
                found.append((leaf, value))
        return found


DATE: Final = Cast("date", date)
DECIMAL: Final = Cast("decimal", decimal, numbers=True)
TIME: Final = Cast("time", time_of_day)
CASTS: Final = {f"@{cast.name}.": cast for cast in (DATE, DECIMAL, TIME)}


@lru_cache(maxsize=10_000)
def cast_of(field: str | None) -> tuple[Cast, str] | None:
    """The cast of a field and the name of the field below it; None where there is no cast."""
    if field is None or not field.startswith(tuple(CASTS)):
        return None
    name, dot, rest = field.partition(".")
    return CASTS[name + dot], rest


def plain(field: str) -> str:
    """The name of a field without a cast."""
    cast = cast_of(field)
    return field if cast is None else cast[1]
