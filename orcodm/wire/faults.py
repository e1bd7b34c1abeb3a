"""Errors to responses and back: the same class and the same details on both sides.

The messages of the reference's table are kept to the letter, since clients compare them. What an error
of ours says beyond its class's message follows from its details, or travels among them.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Final

from .. import values
from ..errors import (
    Aborted,
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    DatabaseBusy,
    IndexingConflict,
    InternalError,
    InvalidParameter,
    InvalidQuery,
    MalformedRef,
    MethodNotAllowed,
    NotFound,
    OrcodmError,
    ProtocolError,
    RelationNotFound,
    Unauthorized,
    UsageError,
)
from .bodies import Object, dump
from .messages import Headers, Response, header

CONTENT_TYPE: Final = ("Content-Type", "application/json")
"""On every response, and exactly so: Ruby's client compares the whole text before it reads an error."""

_EXPLANATION: Final = "explanation"
"""The member of `details` with our message, where the reference fixes the one beside it."""

_SECONDS: Final = re.compile(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*")

_FIXED: Final = frozenset(
    {
        AlreadyExists,
        Conflict,
        IndexingConflict,
        InternalError,
        InvalidParameter,
        InvalidQuery,
        MalformedRef,
        NotFound,
        RelationNotFound,
        Unauthorized,
    }
)


def encode_fault(error: OrcodmError) -> Response:
    """The response for an error of an engine or of the decoder.

    What is not the caller's to know (a file, a transport, a program fault) is an internal error.
    """
    fault = _as_api_error(error)
    message, details = fault.message, dict(fault.details)
    if type(fault) in _FIXED:
        message = fault.default_message
        if fault.message not in (message, _located(type(fault), details)):
            details[_EXPLANATION] = fault.message
    body: Object = {"message": message, "details": details, "code": fault.code}
    if not details:
        del body["details"]
    return Response(fault.status, (CONTENT_TYPE, *_headers(fault)), dump(body))


def _as_api_error(error: OrcodmError) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Aborted):
        return ApiError.of(424, "aborted", str(error))
    if isinstance(error, DatabaseBusy):
        return ApiError.of(503, "database_busy", "The database is busy. Try again.")
    if isinstance(error, UsageError):
        return BadRequest(str(error))
    return InternalError()


def _headers(fault: ApiError) -> Headers:
    if fault.status == 401:
        return (("WWW-Authenticate", 'Basic realm="orchestrate.io"'),)
    if fault.status == 503:
        return (("Retry-After", "1"),)
    if isinstance(fault, IndexingConflict) and (ref := fault.details.get("ref")):
        # As of any write: who takes it for a success takes the ref from here.
        uri = str(fault.details.get("conflicts_uri", ""))
        return (("ETag", f'"{ref}"'), ("Location", uri.removesuffix("/conflicts")))
    if isinstance(fault, MethodNotAllowed):
        return (("Allow", ", ".join(fault.details.get("allow", ()))),)
    return ()


def _located(kind: type[ApiError], details: Object) -> str | None:
    """The message that an engine's error of these details has."""
    match details:
        case {"items": [{"collection": str(collection), "key": str(key)}, *_], **others}:
            if kind is NotFound:
                return NotFound.item(collection, key).message
            if issubclass(kind, Conflict):
                return kind.of_ref(collection, key, others.get("expected"), others.get("current")).message
    return None


def decode_fault(response: Response) -> OrcodmError:
    """The error that a response means, or the `ProtocolError` that says what came instead of one."""
    status, body = response.status, response.body
    if not body:
        # HEAD has no bodies, and neither have some proxies.
        return ApiError.of(status, None)
    try:
        fault = values.decode(body)
    except ValueError:
        fault = None
    if not isinstance(fault, dict):
        # The service itself answered a bad key on HEAD with a page.
        return Unauthorized() if status == 401 else strange(response, "instead of an error in JSON")
    code, message, details = fault.get("code"), fault.get("message"), fault.get("details")
    code = code if isinstance(code, str) else None
    details = dict(details) if isinstance(details, dict) else {}
    if (status, code) == (424, "aborted"):
        return Aborted(str(message))
    explanation = details.pop(_EXPLANATION, None)
    error = ApiError.of(status, code, message if isinstance(message, str) else None, details)
    if error.message == error.default_message:
        located = _located(type(error), details) if type(error) is NotFound or "expected" in details else None
        text = explanation if isinstance(explanation, str) else located
        error = ApiError.of(status, code, text, details)
    return error


def strange(response: Response, why: str) -> ProtocolError:
    """The error for a response that is none of the protocol's; says what came, up to a point."""
    kind = header(response.headers, "content-type") or "no Content-Type"
    start = response.body[:80].decode("utf-8", "replace")
    size = len(response.body)
    return ProtocolError(f"The server answered {response.status} ({kind}, {size} bytes) {why}: {start!r}")


def retry_after(headers: Headers, now: float) -> float | None:
    """The seconds for which `Retry-After` asks, be it in seconds or a date; None where it is neither."""
    text = header(headers, "retry-after")
    if text is None:
        return None
    try:
        return max(
            0.0, float(text) if _SECONDS.fullmatch(text) else parsedate_to_datetime(text).timestamp() - now
        )
    except (ValueError, TypeError, OverflowError):
        return None
