"""Distances on the globe, which is a sphere here, and their units."""

from __future__ import annotations

from collections.abc import Callable
from math import asin, cos, degrees, pi, radians, sin, sqrt
from typing import Final

RADIUS: Final = 6_378_137.0
"""Metres. The equatorial radius: a degree on the equator is 111.32 km, as with the hosted service."""

UNITS: Final[dict[str, float]] = {
    "km": 1000.0,
    "m": 1.0,
    "cm": 0.01,
    "mm": 0.001,
    "mi": 1609.344,
    "yd": 0.9144,
    "ft": 0.3048,
    "in": 0.0254,
    "nmi": 1852.0,
}
"""Units of distance, in metres."""

Point = tuple[float, float]


def distance_from(latitude: float, longitude: float) -> Callable[[Point], float]:
    """The great-circle distance of points (latitude, longitude) from a centre, in metres."""
    phi, cosine = radians(latitude), cos(radians(latitude))

    def distance(point: Point) -> float:
        other = radians(point[0])
        across = sin(radians(point[1] - longitude) / 2)
        along = sin((other - phi) / 2)
        # Rounding must not leave the domain of asin at the antipode.
        return 2 * RADIUS * asin(min(1.0, sqrt(along * along + cosine * cos(other) * across * across)))

    return distance


_MARGIN: Final = 1e-9
"""Radians, so that rounding loses nothing at the edge."""


def around(latitude: float, longitude: float, metres: float) -> tuple[float, float, float, float]:
    """A box that has every point within a distance: south, north, west, east, in degrees.

    Where it crosses the date line west is greater than east.
    """
    angle, phi = metres / RADIUS + _MARGIN, radians(latitude)
    south, north = latitude - degrees(angle), latitude + degrees(angle)
    if south <= -90 or north >= 90 or angle >= pi / 2:
        return south, north, -180.0, 180.0
    wide = degrees(asin(min(1.0, sin(angle) / cos(phi)))) + degrees(_MARGIN)
    if wide >= 180:
        return south, north, -180.0, 180.0
    west, east = longitude - wide, longitude + wide
    return south, north, west + 360 if west < -180 else west, east - 360 if east > 180 else east
