"""The little languages inside parameters: lists of fields, `sort` and `aggregate`, both ways.

Commas and colons divide them. Where a field's own name has one, it is written with a backslash before
it: the protocol does not say, and Lucene does so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from ..errors import InvalidParameter
from ..operations import (
    Aggregate,
    Bucket,
    Distances,
    Ranges,
    Sort,
    SortDistance,
    SortField,
    SortRandom,
    Stats,
    TimeSeries,
    TopValues,
)

_SPECIAL = re.compile(r"[\\,:]")
_TOKEN = re.compile(r"\\?.|\\$", re.DOTALL)
_NEAR = re.compile(r"([^\s():,]+):\s?NEAR:")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _split(text: str, mark: str) -> list[str]:
    """The parts between marks that have no backslash before them; the backslashes stay."""
    if "\\" not in text:
        return text.split(mark)
    parts = [""]
    for token in _TOKEN.findall(text):
        if token == mark:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _escape(name: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", name)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text


# -- with_fields and without_fields ----------------------------------------------------------------


def read_fields(text: str) -> tuple[str, ...]:
    return tuple(_unescape(name) for name in _split(text, ",") if name)


def write_fields(fields: Iterable[str]) -> str:
    # A colon divides nothing here, and foreign servers know of no backslashes.
    return ",".join(name.replace("\\", "\\\\").replace(",", "\\,") for name in fields)


# -- sort ------------------------------------------------------------------------------------------


def read_sort(text: str, query: str) -> tuple[Sort, ...]:
    """The clauses of a sort. One that is unintelligible makes the whole be ignored, as the service did.

    `query` says which field the distance is measured from where the clause does not (Ruby's
    `distance:asc` and `location:asc`).
    """
    clauses = [_read_sort(clause, query) for clause in _split(text, ",")]
    return tuple(clause for clause in clauses if clause is not None) if None not in clauses else ()


def _read_sort(clause: str, query: str) -> Sort | None:
    name, *words = _split(clause.lstrip(), ":")
    if name == "_random":
        # The order of a random order means nothing; what follows the name is the seed.
        return SortRandom(_unescape(words[0]) if words else None)
    descending = False
    if words and words[-1].lower() in ("asc", "desc"):
        descending = words.pop().lower() == "desc"
    if not name or len(words) > 1 or (words and words[0] != "distance"):
        return None
    centred = _NEAR.search(query) if not words else None
    if centred is not None and (name == "distance" or _bare(name) == _bare(centred[1])):
        return SortDistance(centred[1] if name == "distance" else _unescape(name), descending)
    if words:
        return SortDistance(_unescape(name), descending)
    return SortField(_unescape(name), descending)


def _bare(field: str) -> str:
    return field.removeprefix("value.")


def write_sort(sort: Iterable[Sort], query: str) -> str:
    return ",".join(_write_sort(clause, query) for clause in sort)


def _write_sort(clause: Sort, query: str) -> str:
    match clause:
        case SortRandom(seed=seed):
            return "_random" if seed is None else f"_random:{_escape(seed)}"
        case SortDistance(field, descending):
            text = f"{_escape(field)}:distance:{'desc' if descending else 'asc'}"
        case SortField(field, descending):
            text = f"{_escape(field)}:{'desc' if descending else 'asc'}"
        case _:
            assert_never(clause)
    # What the reader would take for something else gets a backslash that says it is a name.
    return text if _read_sort(text, query) == clause else "\\" + text


# -- aggregate -------------------------------------------------------------------------------------


def read_aggregates(text: str) -> tuple[Aggregate, ...]:
    """The aggregates of a list, with the clients' bugs. Raises `InvalidParameter`."""
    return tuple(_read_aggregate(entry) for entry in _split(text, ",") if entry)


def _read_aggregate(entry: str) -> Aggregate:
    field, *words = _split(entry, ":")
    if words and not words[-1]:
        words.pop()  # Ruby's ranges end with a colon
    field, kind, arguments = _unescape(field), words[0].lower() if words else "", words[1:]
    match kind, arguments:
        case "stats", []:
            return Stats(field)
        case "range", buckets:
            return Ranges(field, tuple(_read_bucket(bucket, entry) for bucket in buckets))
        case "distance", buckets:
            return Distances(field, tuple(_read_bucket(bucket, entry) for bucket in buckets))
        case "time_series", [interval]:
            return TimeSeries(field, interval.lower())
        case "time_series", [interval, *parts]:
            zone = ":".join(parts)  # an offset may have a colon
            # A plus that the client did not escape was decoded to a space.
            return TimeSeries(field, interval.lower(), "+" + zone[1:] if zone[:1] == " " else zone)
        case "top_values", [] | ["offset"]:
            # JavaScript's client drops the numbers, and everything after them.
            return TopValues(field)
        case "top_values", ["offset", offset]:
            return TopValues(field, _read_count(offset, entry))
        case "top_values", ["limit", limit]:
            return TopValues(field, limit=_read_count(limit, entry))
        case "top_values", ["offset", offset, "limit", limit] | ["limit", limit, "offset", offset]:
            return TopValues(field, _read_count(offset, entry), _read_count(limit, entry))
        case _:
            raise _malformed(entry)


def _malformed(entry: str) -> InvalidParameter:
    return InvalidParameter(
        f"The aggregate is malformed: {entry!r:.80}", details={"aggregate": f"Malformed: {entry:.80}"}
    )


def _read_count(text: str, entry: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise _malformed(entry)


def _read_bucket(text: str, entry: str) -> Bucket:
    low, mark, high = text.partition("~")
    if not mark:
        raise _malformed(entry)
    return _read_side(low, entry), _read_side(high, entry)


def _read_side(text: str, entry: str) -> float | None:
    if text == "*":
        return None
    if not _NUMBER.fullmatch(text) or len(text) > 400:
        raise _malformed(entry)
    try:
        return int(text)
    except ValueError:
        return float(text)


def write_aggregates(aggregates: Iterable[Aggregate]) -> str:
    return ",".join(f"{_escape(aggregate.field)}:{_write_arguments(aggregate)}" for aggregate in aggregates)


def _write_arguments(aggregate: Aggregate) -> str:
    match aggregate:
        case Stats():
            return "stats"
        case Ranges(buckets=buckets):
            return ":".join(["range", *map(_write_bucket, buckets)])
        case Distances(buckets=buckets):
            return ":".join(["distance", *map(_write_bucket, buckets)])
        case TimeSeries(interval=interval, time_zone=None):
            return f"time_series:{interval}"
        case TimeSeries(interval=interval, time_zone=zone):
            return f"time_series:{interval}:{zone}"
        case TopValues(offset=offset, limit=limit):
            return f"top_values:offset:{offset}:limit:{limit}"
        case _:
            assert_never(aggregate)


def _write_bucket(bucket: Bucket) -> str:
    return "~".join("*" if side is None else repr(side) for side in bucket)
