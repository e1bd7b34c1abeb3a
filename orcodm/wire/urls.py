"""Percent-encoding to the letter: path segments and query parameters, both ways.

A path is split on its slashes first and each segment decoded once, so a key may hold any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ..errors import BadRequest

_PCHAR = "!$&'()*+,;=:@"  # besides the unreserved characters, what RFC 3986 leaves alone in a segment


def sent_segment(text: str) -> str:
    """A path segment as a client sends it: all but the unreserved characters escaped."""
    return text if text.isalnum() and text.isascii() else _dots(quote(text, safe=""))


def shown_segment(text: str) -> str:
    """A path segment as the service shows it in `Location`: clients take it from there undecoded."""
    return text if text.isalnum() and text.isascii() else _dots(quote(text, safe=_PCHAR))


def _dots(segment: str) -> str:
    # A key of "." or ".." is a dot segment to URL libraries, and quote() leaves dots
    # alone, so the dots of such a key are written as %2E.
    return segment.replace(".", "%2E") if segment in (".", "..") else segment


def read_segment(segment: str) -> str:
    """The text of a path segment; a plus is a plus. Raises `BadRequest` where it is not UTF-8."""
    if "%" not in segment and segment.isascii():
        return segment
    try:
        return unquote_to_bytes(segment.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise BadRequest(f"The path is not UTF-8: {segment!r:.80}") from None


def split_target(target: str) -> tuple[list[str], str]:
    """The segments of a target's path, still encoded, and its query.

    Empty segments at the start and the end carry no meaning: clients send `//v0/c` and `/v0/c/`.
    """
    path, _, query = target.partition("?")
    path = path.strip("/")
    return (path.split("/") if path else []), query


def sent_value(text: str) -> str:
    """The value of a query parameter as a client sends it."""
    return quote(text, safe="")


def shown_value(text: str) -> str:
    """The value of a query parameter that the service fills into a link: `@`, `:` and `/` stay raw."""
    return quote(text, safe="@:/*")


_UNSHOWABLE: Final = re.compile(r"[^!#-;=?-~]")


def shown_target(target: str) -> str:
    """A target as a client wrote it, with whatever no URI has, or would end a link, percent-encoded."""
    return _UNSHOWABLE.sub(lambda found: quote(found[0].encode("utf-8", "surrogateescape")), target)


def raw_parameters(query: str) -> dict[str, str]:
    """The parameters of a query, values still encoded; of a repeated name the first wins.

    Porc appends its own parameters to the link it follows: the link's offset comes first, and has to win.
    """
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            parameters.setdefault(read_value(name), value)
    return parameters


def read_value(value: str) -> str:
    """The text of a query parameter's value, which is form data: a plus is a space."""
    if value.isalnum() and value.isascii():
        return value
    try:
        return unquote_to_bytes(value.replace("+", " ").encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise BadRequest(f"The query is not UTF-8: {value!r:.80}") from None


def with_query(path: str, parameters: Iterable[tuple[str, str]]) -> str:
    """A target of a path and parameters whose values are encoded already."""
    query = "&".join(f"{name}={value}" for name, value in parameters)
    return f"{path}?{query}" if query else path
