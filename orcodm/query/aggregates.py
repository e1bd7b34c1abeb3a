"""Aggregates of the operations, made from expressions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

from ..errors import InvalidFilter, InvalidParameter
from ..operations import Bucket, Distances, Ranges, Stats, TimeSeries, TopValues
from .expressions import Criterion, Expr, near, path_of

INTERVALS = ("year", "quarter", "month", "week", "day", "hour")

# Half of the earth's circumference in each unit, and a little more: everything is nearer than that.
_ANYWHERE = {
    "km": "20100km",
    "m": "20100000m",
    "mi": "12500mi",
    "nmi": "10860nmi",
    "yd": "22000000yd",
    "ft": "66000000ft",
    "in": "792000000in",
    "cm": "2010000000cm",
    "mm": "20100000000mm",
}


def stats(expression: Expr[Any]) -> Stats:
    return Stats(_ordered(expression, "stats"))


def top(expression: Expr[Any], limit: int, offset: int) -> TopValues:
    return TopValues(_ordered(expression, "top"), offset, limit)


def histogram(expression: Expr[Any], interval: str, zone: str | tzinfo | None) -> TimeSeries:
    if interval not in INTERVALS:
        raise InvalidFilter(f"histogram: an interval is one of {', '.join(INTERVALS)}, not {interval!r}")
    try:
        return TimeSeries(_path(expression, "histogram"), interval, _zone(zone))
    except InvalidParameter as error:
        raise InvalidFilter(f"histogram: {error}") from None


def _zone(zone: str | tzinfo | None) -> Any:
    """The name of a zone of Python's; anything else as it is."""
    if isinstance(zone, timezone):
        return f"{datetime(2000, 1, 1, tzinfo=zone):%z}"
    return getattr(zone, "key", zone)


def ranges(expression: Expr[Any], edges: Sequence[Any]) -> Ranges:
    return Ranges(_ordered(expression, "ranges"), _buckets([_edge(edge) for edge in edges]))


def _ordered(expression: Any, name: str) -> str:
    path = _path(expression, name)
    return expression._ordered if isinstance(expression, Expr) else path


def _edge(edge: Any) -> Any:
    """An edge as a number: of a date its microseconds, of a Decimal the float or integer that it is."""
    if isinstance(edge, date):
        moment = edge if isinstance(edge, datetime) else datetime(edge.year, edge.month, edge.day)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if not isinstance(edge, Decimal):
        return edge
    made = int(edge) if edge.is_finite() and edge == edge.to_integral_value() else float(edge)
    if Decimal(repr(made)) != edge:
        raise InvalidFilter(f"an edge has at most 15 digits, or is an integer, not {edge}")
    return made


def distances(place: Any, edges: Sequence[float | None]) -> Distances:
    return Distances(_path(place, "distances"), _buckets(edges))


def anywhere(place: Any, center: tuple[float, float], unit: str) -> Criterion:
    """A NEAR clause that every point matches, since distances are measured from one."""
    if unit not in _ANYWHERE:
        raise InvalidFilter(f"distances: a unit is one of {', '.join(_ANYWHERE)}, not {unit!r}")
    latitude, longitude = center
    return near(_path(place, "distances"), latitude, longitude, _ANYWHERE[unit])


def _path(expression: Any, name: str) -> str:
    path = path_of(expression)
    if not isinstance(path, str):
        raise InvalidFilter(f"{name} takes a field such as User.age, not {expression!r}")
    return path


def _buckets(edges: Sequence[float | None]) -> tuple[Bucket, ...]:
    if len(edges) < 2:
        raise InvalidFilter(f"at least two edges make a range, not {edges!r}")
    for index, edge in enumerate(edges):
        if edge is None and 0 < index < len(edges) - 1:
            raise InvalidFilter("only the first and the last edge can be open (None)")
        if edge is not None and type(edge) not in (int, float):
            raise InvalidFilter(f"an edge is a number or None, not {edge!r}")
    return tuple(itertools.pairwise(edges))
