"""Moments and ordinals as the protocol writes them, and as its clients do.

Out go milliseconds since the epoch; in come those, ISO 8601 in both forms, and the three dates of
HTTP. The standard library reads all of them (`datetime.fromisoformat`, `email.utils`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

from ..errors import BadRequest
from ..operations import EventBound
from ..times import milliseconds

_MILLISECONDS = re.compile(r"-?[0-9]{1,19}")
_ISO = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ].*)?")
_TWO_DIGIT_YEAR = re.compile(r"(?<=-)[0-9]{2}(?= )")
_HEX_ORDINAL = re.compile(r"[0-9a-fA-F]{16}")


def read_timestamp(text: str) -> int:
    """The milliseconds of a timestamp in any format of the protocol. Raises `BadRequest`."""
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    try:
        if _ISO.fullmatch(text):
            return milliseconds(datetime.fromisoformat(text))
        # RFC 1036 dates have two digits for the year, which the protocol counts from 2000.
        parts = parsedate_tz(_TWO_DIGIT_YEAR.sub(r"20\g<0>", text, count=1)) if len(text) < 64 else None
        if parts is not None:
            zone = timedelta(seconds=parts[9] or 0)
            return milliseconds(datetime(*parts[:6], tzinfo=UTC) - zone)
    except (ValueError, OverflowError, TypeError):
        pass
    raise BadRequest(f"The timestamp is in no known format: {text!r:.80}")


def read_ordinal(text: str) -> int:
    """An ordinal: 16 hex digits are hex, anything else is decimal. Raises `BadRequest`."""
    if _HEX_ORDINAL.fullmatch(text):
        ordinal = int(text, 16)
        return ordinal if ordinal < 2**63 else ordinal - 2**64
    return read_decimal(text)


def read_decimal(text: str) -> int:
    """An ordinal as `Location` has it, always in decimal. Raises `BadRequest`."""
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    raise BadRequest(f"The ordinal is neither decimal nor 16 hex digits: {text!r:.80}")


def write_ordinal(ordinal: int) -> str:
    """An ordinal that `read_ordinal` reads: a decimal of 16 digits would pass for hex."""
    text = str(ordinal)
    return hexadecimal(ordinal) if len(text) == 16 and ordinal >= 0 else text


def hexadecimal(ordinal: int) -> str:
    """The 16 hex digits of an ordinal, as in `ordinal_str`."""
    return f"{ordinal & (2**64 - 1):016x}"


def read_bound(text: str) -> EventBound:
    """A bound of a list of events: a timestamp, or a timestamp and an ordinal. Raises `BadRequest`."""
    # No format of a timestamp has a slash.
    timestamp, slash, ordinal = text.partition("/")
    return EventBound(read_timestamp(timestamp), read_ordinal(ordinal) if slash and ordinal else None)


def write_bound(bound: EventBound) -> str:
    if bound.ordinal is None:
        return str(bound.timestamp)
    return f"{bound.timestamp}/{write_ordinal(bound.ordinal)}"
