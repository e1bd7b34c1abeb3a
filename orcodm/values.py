"""JSON values as text: encode, decode, canonical form.

msgspec reads, and writes the canonical form: it is exact with integers of any size (beyond 64 bits they are
floats to orjson), and keeps to one spelling of floats, which refs are made of (orjson's 1e16 became 1e+16 in
version 3.12). orjson writes what is stored, since it refuses what is not JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import orjson

from .errors import InvalidValue, shortened

MAX_DEPTH = 200
"""How deep lists and objects may nest in a value."""

_ORJSON_DEPTH = 254
"""How deep orjson goes. In C that is found out at once, where Python takes longer than all the rest."""

PASSTHROUGH = (
    orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_decode = msgspec.json.Decoder().decode
copied = msgspec.to_builtins
"""A copy of a decoded value, at every depth."""
_sorted = msgspec.json.Encoder(order="sorted").encode


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON with the members in their own order.

    Raises `InvalidValue`, with the path, for what JSON cannot hold: NaN and the infinities, a lone
    surrogate, a key that is no string, any type that is not None, bool, int, float, str, list, tuple
    or dict, and nesting deeper than `MAX_DEPTH`. (A UUID is written as its text and a member of an
    Enum as its value, since orjson does so by itself and asking each value would double the cost.)
    """
    try:
        data = orjson.dumps(value, option=PASSTHROUGH)
    except TypeError:
        check(value)
        return msgspec.json.encode(value)  # what is valid here and not orjson's: an integer beyond 64 bits
    # Only a value that shows as null can have been NaN, which then is read as another value.
    if (b"null" in data and orjson.loads(data) != value) or _too_deep(value, data):
        check(value)
    return data


def encode_known(value: Any) -> bytes:
    """The same for a value that was decoded, or that `encode` has taken: it is not looked at again."""
    try:
        return orjson.dumps(value, option=PASSTHROUGH)
    except TypeError:
        return msgspec.json.encode(value)


def _too_deep(value: Any, text: bytes) -> bool:
    """Whether a value, which has that text, nests deeper than `MAX_DEPTH`."""
    # Only so many brackets can nest so deep, and each of them is closed again.
    if len(text) <= 2 * MAX_DEPTH or text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    for _ in range(_ORJSON_DEPTH - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value, option=PASSTHROUGH)
    except TypeError:
        return True
    return False


def canonical(value: Any) -> bytes:
    """Compact UTF-8 JSON with the members sorted: equal values give equal bytes, and only those do.

    The value is one that was decoded or that `encode` has taken, which is not looked at again.
    """
    return _sorted(value)


def decode(data: bytes | str) -> Any:
    """The value of a JSON text, which may hold values. Raises `ValueError` where it is no JSON."""
    try:
        return _decode(data)
    except RecursionError:
        raise ValueError("nested too deep") from None


def read(data: bytes | str) -> Any:
    """The value of a JSON text that comes from outside, whose numbers may be any.

    Raises `ValueError` where it is no JSON, and `InvalidValue` for a number with a fraction or an exponent
    that no float is: which is not what the nearest float becomes when that is written with as many digits. So
    0.1 and 0.10000000000000001 are read, 0.12345678901234567890123 and 1e400 are not. Integers are exact.
    """
    text = data.encode() if isinstance(data, str) else data
    try:
        value = decode(text)
        # What another program wrote as it is written here was a float there.
        if msgspec.json.encode(value) == text:
            return value
        # Up to 15 digits and a small exponent any number is a float's.
        shape = text.translate(_SHAPE)
        if not any(long in shape for long in _LONG):
            return value
    except ValueError:
        pass  # for 1e400 as well, of which the other decoder says more
    try:
        return _read(text)
    except _Rounded as error:
        raise InvalidValue(
            f"the number {error.text:.60} cannot be stored as it is, since the nearest float is "
            f"{error.nearest!r}; write it as a text, or round it first"
        ) from None
    except RecursionError:
        raise ValueError("nested too deep") from None


class _Rounded(Exception):
    """A number that is no float. (A ValueError would come out of msgspec as one of its own.)"""

    def __init__(self, text: str, nearest: float) -> None:
        self.text = text
        self.nearest = nearest


def _exactly(text: str) -> float:
    """The float that a number is. Raises `_Rounded` where none is."""
    nearest = float(text)
    if repr(nearest) == text:
        return nearest
    try:
        written = Decimal(text)
    except ArithmeticError:  # an exponent beyond all measure
        raise _Rounded(text, nearest) from None
    # The shortest text of a float need not be the nearest of that length: both are that float.
    if math.isfinite(nearest) and Decimal(repr(nearest)) == written:
        return nearest
    digits = max(1, len(bytes(written.as_tuple().digits).rstrip(b"\0")))
    # The longest floats have fewer than 800 digits.
    if not math.isfinite(nearest) or digits > 800 or Decimal(f"{nearest:.{digits - 1}e}") != written:
        raise _Rounded(text, nearest)
    return nearest


_read = msgspec.json.Decoder(float_hook=_exactly).decode
_SHAPE = bytes(
    ord("0") if code in b"0123456789." else ord("e") if code in b"eE" else ord("+") if code in b"+-" else 32
    for code in range(256)
)
"""What a text looks like: where there are digits and exponents."""
_LONG = (b"0" * 16, b"0e000", b"0e+000")


def decode_all(texts: Iterable[bytes]) -> list[Any]:
    """The values of JSON texts, for less than one by one. Raises `ValueError` as `decode`."""
    values: list[Any] = decode(b"[" + b",".join(texts) + b"]")
    return values


def check(value: Any) -> None:
    """Raise `InvalidValue` for the first thing in the value that JSON cannot hold."""
    _check(value, "", 0)


def storable(value: Any) -> bool:
    """Whether `encode` takes a value as it is."""
    try:
        encode(value)
    except InvalidValue:
        return False
    return True


def unstorable(value: Any) -> str | None:
    """The reason why JSON cannot hold something that is no list and no object; None where it can."""
    kind = type(value)
    if kind is str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                return (
                    f"a lone surrogate at position {error.start} cannot be stored; "
                    "decode the text properly first"
                )
    elif kind is float:
        if not math.isfinite(value):
            return f"JSON has no {value}; use None"
    elif kind is int:
        try:
            str(value)
        except ValueError:
            return "an integer of so many digits cannot be stored"
    elif value is not None and kind is not bool:
        return f"JSON cannot hold a {kind.__name__}"
    return None


def _check(value: Any, path: str, depth: int) -> None:
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise InvalidValue(
                f"{path[:80] or 'the value'}...: nested deeper than {MAX_DEPTH} levels", path=path
            )
        if kind is dict:
            for name, member in value.items():
                if type(name) is not str:
                    raise InvalidValue(
                        f"{path or 'the value'}: the name {shortened(name)} of a member is no string",
                        path=path,
                    )
                _check(name, f"{path}.{name!a}" if path else repr(name), depth)
                _check(member, f"{path}.{name}" if path else name, depth + 1)
        else:
            for index, member in enumerate(value):
                _check(member, f"{path}[{index}]", depth + 1)
    elif (reason := unstorable(value)) is not None:
        shown = f" ({shortened(value)})" if reason.startswith("JSON cannot hold") else ""
        raise InvalidValue(f"{path or 'the value'}: {reason}{shown}", path=path)
