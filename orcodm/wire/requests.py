"""Operations to requests and back, by the rows of the route table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from attrs import frozen

from .. import values
from ..errors import ApiError, BadRequest, InvalidKey, InvalidParameter, InvalidValue
from ..operations import (
    Batch,
    Changes,
    Condition,
    EventBound,
    IfAbsent,
    IfMatch,
    JsonPatch,
    ListEvents,
    MergePatch,
    Operation,
    Restore,
    Search,
)
from .batches import BATCH_TYPE, RECORDS_TYPE, Import, decode_import, texts_of
from .bodies import dump, load, read_record, reason_of, write_record
from .messages import Headers, Request, header
from .routes import (
    EMPTY_IS_A_VALUE,
    EXTENDED,
    MAX_LIMIT,
    MAX_TARGET,
    MERGE_TYPE,
    PATCH_TYPE,
    PATH_FORMS,
    QUERY_TYPE,
    TABLE,
    Asked,
    Route,
    route_of,
    route_to,
)
from .urls import raw_parameters, read_segment, read_value, sent_segment, sent_value, split_target, with_query

_ACCEPT: Final = ("Accept", "application/json")
_JSON: Final = ("Content-Type", "application/json")
_FORMS: Final = {
    "value": _JSON,
    "properties": _JSON,
    "batch": ("Content-Type", BATCH_TYPE),
    "records": ("Content-Type", RECORDS_TYPE),
}


@frozen
class Parsed:
    """A body that was parsed as part of another."""

    value: Any


Body = bytes | Parsed


# -- encoding --------------------------------------------------------------------------------------


def encode_request(operation: Operation[Any]) -> Request:
    """The request that asks for an operation. Raises `InvalidValue` for a value that is not JSON."""
    route = route_to(operation)
    headers: Headers = (_ACCEPT,)
    if getattr(operation, "limit", 0) > MAX_LIMIT:
        headers = (*headers, EXTENDED)
    if route.condition:
        headers = headers + _write_condition(operation.condition)  # type: ignore[attr-defined]
    body = b""
    if route.body:
        body, kind = _write_body(route.body, operation)
        if body:
            headers = (*headers, kind)
    target = _target(route, operation)
    if len(target) > MAX_TARGET and type(operation) in _POSTED:
        path, _, query = target.partition("?")
        return Request("POST", path, (*headers, _QUERY), query.encode())
    return Request(route.method, target, headers, body)


def is_posted(request: Request) -> bool:
    """Whether a request has its query in its body, which not every server takes."""
    return request.method == "POST" and Asked({}, request.headers).media_type == QUERY_TYPE


def whole_target(request: Request) -> str:
    """Path and query of a request, be its query in its target or in its body."""
    if not is_posted(request):
        return request.target
    query = request.body.decode("utf-8", "surrogateescape")
    return f"{request.target}{'&' if '?' in request.target else '?'}{query}"


_POSTED: Final = frozenset(route.operation for route in TABLE if route.body == "query")
_QUERY: Final = ("Content-Type", QUERY_TYPE)


def _target(route: Route, operation: Operation[Any]) -> str:
    path = "/v0"
    for segment in route.segments:
        if segment[0] != "{":
            path += "/" + segment
        elif segment[1] == "*":
            path += "".join("/" + sent_segment(name) for name in getattr(operation, segment[2:-1]))
        else:
            name = segment[1:-1]
            value = getattr(operation, name)
            path += "/" + sent_segment(PATH_FORMS[name][1](value) if name in PATH_FORMS else value)
    parameters = [*route.always, *route.required]
    query = getattr(operation, "query", "")
    for parameter in route.parameters:
        text = parameter.write(getattr(operation, parameter.attribute), query)
        if text is not None:
            parameters.append((parameter.name, sent_value(text)))
    return with_query(path, parameters) if parameters else path


def _write_condition(condition: Condition) -> Headers:
    match condition:
        case IfMatch(ref):
            return (("If-Match", f'"{ref}"'),)
        case IfAbsent():
            return (("If-None-Match", '"*"'),)
        case None:
            return ()


def _write_body(form: str, operation: Any) -> tuple[bytes, tuple[str, str]]:
    match form:
        case "changes":
            changes: Changes = operation.changes
            if isinstance(changes, JsonPatch):
                return values.encode(changes.operations), ("Content-Type", PATCH_TYPE)
            return values.encode(changes.value), ("Content-Type", MERGE_TYPE)
        case "batch":
            return dump([_write_part(part) for part in operation.operations]), _FORMS[form]
        case "records":
            return values.encode([write_record(record) for record in operation.records]), _FORMS[form]
        case "properties" if operation.value == {}:
            # The service of the first years knew no properties: without any, nothing is sent.
            return b"", _JSON
        case _:
            return values.encode(operation.value), _FORMS[form]


def _write_part(operation: Operation[Any]) -> dict[str, Any]:
    part = encode_request(operation)
    headers = {name: value for name, value in part.headers if name != "Accept"}
    entry: dict[str, Any] = {"method": part.method, "target": part.target}
    if headers:
        entry["headers"] = headers
    if part.body:
        entry["body"] = orjson.Fragment(part.body)
    return entry


# -- decoding --------------------------------------------------------------------------------------


def decode_request(request: Request) -> Operation[Any]:
    """The operation that a request asks for.

    Raises an `ApiError` for whatever is none: unknown paths and methods, parameters out of range,
    malformed conditions and bodies.
    """
    return _decode(request.method, request.target, request.headers, request.body)


def decode_link(link: str) -> Operation[Any]:
    """The operation of a page link. Raises an `ApiError` where it is none."""
    # Relative by the protocol; of an absolute one only the path is followed, at the host that is known.
    if not link.startswith("/"):
        link = "/" + link.partition("://")[2].partition("/")[2]
    return _decode("GET", link, (EXTENDED,), b"")


def _decode(method: str, target: str, headers: Headers, body: Body) -> Operation[Any]:
    segments, query = split_target(target)
    if not segments or segments[0] != "v0":
        raise ApiError.of(404, "not_found", "There is no such resource.")
    names = [read_segment(segment) for segment in segments[1:]]
    parameters = _texts(query) if query else {}
    if isinstance(body, bytes) and is_posted(Request(method, target, headers)):
        parameters = _texts(body.decode("utf-8", "surrogateescape")) | parameters
    route = route_of(method, names, Asked(parameters, headers))
    given: dict[str, Any] = {}
    try:
        for at, name in route.fields:
            given[name] = PATH_FORMS[name][0](names[at]) if name in PATH_FORMS else names[at]
        if route.rest is not None:
            given[route.rest] = tuple(names[len(route.segments) - 1 :])
        _read_parameters(route, parameters, given)
        if route.operation is ListEvents and (moment := given.pop("timestamp", None)) is not None:
            _bound_to(given, moment)
        if given.get("limit", 0) > MAX_LIMIT and header(headers, EXTENDED[0].lower()) is None:
            raise InvalidParameter(
                f"A page has at most {MAX_LIMIT} results, not {given['limit']}.",
                details={"limit": f"Must be at most {MAX_LIMIT}."},
            )
        if route.condition:
            given["condition"] = _read_condition(headers)
        if route.body == "batch":
            return _read_batch(route, given.get("collection"), body)
        if route.body == "records":
            return _read_records(body)
        if route.body == "changes":
            given["changes"] = _read_changes(headers, body)
        elif route.body == "properties":
            given["value"] = _read_properties(body)
        elif route.body and route.body != "query":
            given["value"] = _read_value(body)
        return route.operation(**given)
    except InvalidKey as error:
        raise BadRequest(str(error), details={"info": str(error)}) from None


def _texts(query: str) -> dict[str, str]:
    return {name: read_value(value) for name, value in raw_parameters(query).items()}


def _read_parameters(route: Route, parameters: Mapping[str, str], given: dict[str, Any]) -> None:
    for name, value in route.required:
        if parameters.get(name, "").lower() != value:
            raise BadRequest(f"This needs {name}={value}.", details={"info": f"{name}={value} is required."})
    query = parameters.get("query", "")
    if not query and route.operation is Search:
        raise InvalidParameter("The query is empty.", details={"query": "Query is empty."})
    if not parameters:
        return
    for parameter in route.parameters:
        text = parameters.get(parameter.name)
        if text is None or (not text and parameter.name not in EMPTY_IS_A_VALUE):
            continue
        given.setdefault(parameter.attribute, parameter.read(text, query))


def _bound_to(given: dict[str, Any], moment: int) -> None:
    """Bound a list of events to one moment; bounds within it stay."""
    for end in ("start", "end"):
        bound = given.get(end)
        if bound is None or bound.timestamp != moment:
            given[end] = EventBound(moment)


def _read_condition(headers: Headers) -> Condition:
    match, none_match = header(headers, "if-match"), header(headers, "if-none-match")
    if match is not None and none_match is not None:
        raise BadRequest("If-Match and If-None-Match exclude each other.")
    if match is not None:
        return IfMatch(read_etag(match))
    if none_match is None:
        return None
    if read_etag(none_match) != "*":
        raise BadRequest(f'If-None-Match is "*", not {none_match!r:.40}.')
    return IfAbsent()


def read_etag(text: str) -> str:
    """The ref in an ETag or a condition: quoted or bare, weak or not, with the suffix of gzip or not."""
    return text.strip().removeprefix("W/").strip('"').removesuffix("-gzip")


def _read_value(body: Body) -> Any:
    return body.value if isinstance(body, Parsed) else load(body)


def _read_changes(headers: Headers, body: Body) -> Changes:
    value = _read_value(body)
    kind = Asked({}, headers).media_type
    if kind == MERGE_TYPE:
        return MergePatch(value)
    # A missing key is reported before a malformed patch: so that is left to the engine, which finds an
    # operation that says nothing.
    if isinstance(value, list):
        return JsonPatch([one if isinstance(one, dict) else {} for one in value])
    return JsonPatch([{}]) if kind == PATCH_TYPE else MergePatch(value)


def _read_properties(body: Body) -> Any:
    value = _read_value(body) if body != b"" else None
    if value is not None and not isinstance(value, dict):
        raise BadRequest("The properties of a relation are an object.")
    return value or {}


def _read_batch(route: Route, collection: str | None, body: Body) -> Operation[Any]:
    if isinstance(body, Parsed):
        raise BadRequest("A batch holds no batch.")
    if route.operation is Import:
        return decode_import(body, collection)
    try:
        return Batch([_read_part(_read_text(bytes(text))) for text in texts_of(body, "a batch")])
    except InvalidValue as error:
        raise BadRequest(f"The body of a request cannot be stored: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadRequest(f"The batch is not an array of requests: {error!s:.200}") from None


def _read_text(text: bytes) -> Any:
    try:
        return values.read(text)
    except ValueError as error:
        reason = reason_of(text) or str(error)
        raise BadRequest(f"A request of the batch cannot be read: {reason:.200}") from None


def _read_records(body: Body) -> Operation[Any]:
    if isinstance(body, Parsed):
        raise BadRequest("A batch holds no records.")
    try:
        records = [read_record(entry) for entry in values.read(body)]
        for record in records:
            values.check(record.value)
        return Restore(records)
    except InvalidValue as error:
        raise BadRequest(f"A record cannot be stored: {error}") from None
    except ApiError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not an array of records: {error!s:.200}") from None


def _read_part(part: Mapping[str, Any]) -> Any:
    method, target, headers = part["method"], part["target"], part.get("headers", {})
    if not all(isinstance(text, str) for text in (method, target, *headers.values())):
        raise TypeError("method, target and headers are text")
    body: Body = b""
    if "body" in part:
        try:
            values.check(part["body"])
        except InvalidValue as error:
            raise BadRequest(f"The body cannot be stored: {error}") from None
        body = Parsed(part["body"])
    return _decode(method, target, tuple(headers.items()), body)
