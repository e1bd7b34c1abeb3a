"""Results and errors to responses and back, and the links between pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import attrs
import orjson

from .. import values
from ..errors import OrcodmError, ProtocolError
from ..operations import (
    Batch,
    BatchResult,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    Dump,
    EventItem,
    EventWritten,
    Get,
    GetEvent,
    GetRelation,
    Item,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    ListTerms,
    Operation,
    Page,
    Patch,
    PatchEvent,
    Ping,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    RelationItem,
    Restore,
    Search,
    TermCount,
    Terms,
    Written,
)
from .agents import expects_204
from .batches import ImportAnswer
from .bodies import (
    Object,
    dump,
    read_aggregate,
    read_event,
    read_item,
    read_record,
    read_result,
    read_version,
    write_aggregate,
    write_event,
    write_item,
    write_record,
    write_result,
    write_version,
)
from .faults import CONTENT_TYPE, decode_fault, encode_fault, strange
from .messages import Headers, Request, Response, header
from .requests import decode_link, encode_request, read_etag, whole_target
from .routes import MAX_TARGET
from .timestamps import read_decimal
from .urls import (
    raw_parameters,
    read_segment,
    read_value,
    shown_segment,
    shown_target,
    shown_value,
    split_target,
    with_query,
)

R = TypeVar("R")

REFTIME: Final = "X-Orcodm-Reftime"
"""When a bare value was written, which the protocol says in lists only. An extension."""

_VARY: Final = ("Vary", "Accept-Encoding")
_REF: Final = re.compile(r"[0-9a-fA-F]{1,64}")
_LINK: Final = re.compile(r"""<([^>]*)>\s*;\s*rel\s*=\s*"?(next|prev)\b""")


# -- encoding --------------------------------------------------------------------------------------


def encode_response(operation: Operation[Any], outcome: Any, request: Request | None = None) -> Response:
    """The response for an operation's result, or for its error.

    `request` is what asked for it: page links repeat its parameters as they were written, and some
    forms of a request have answers of their own. Without it the form of our own client is taken.
    """
    if isinstance(outcome, OrcodmError):
        response = encode_fault(outcome)
    else:
        response = _WRITERS[type(operation)](operation, outcome, request)
        if type(operation) in CACHED and request is not None and _is_known(request, response):
            # What a 200 would have said of the value, without the value (RFC 9110, 15.4.5).
            response = Response(304, response.headers)
    if request is not None and request.method == "HEAD" and response.body:
        return attrs.evolve(response, body=b"")
    return response


CACHED: Final = frozenset({Get, GetEvent, GetRelation})
"""What is answered 304 to a reader who has it."""
_IMMUTABLE: Final = ("Cache-Control", "private, max-age=31536000, immutable")
"""Of a version, whose ref names its value for ever."""


def _is_known(request: Request, response: Response) -> bool:
    """Whether `If-None-Match` of a read names the ref of the answer."""
    asked = header(request.headers, "if-none-match")
    if asked is None:
        return False
    ref = read_etag(header(response.headers, "etag") or "")
    return any(read_etag(tag) in ("*", ref) for tag in asked.split(","))


def _location(*names: str) -> str:
    return "/v0/" + "/".join(map(shown_segment, names))


def _etag(ref: str) -> tuple[str, str]:
    return "ETag", f'"{ref}"'


def _nothing(operation: Any, outcome: None, request: Request | None) -> Response:
    return Response(204, (CONTENT_TYPE,))


def _pong(operation: Ping, outcome: None, request: Request | None) -> Response:
    return Response(200, (CONTENT_TYPE,))


def _value(operation: Get, item: Item, request: Request | None) -> Response:
    place = ("Content-Location", _location(item.collection, item.key, "refs", item.ref))
    return _bare(item, place) if operation.ref is None else _bare(item, place, _IMMUTABLE)


def _properties(operation: GetRelation, relation: RelationItem, request: Request | None) -> Response:
    return _bare(relation)


def _bare(result: Item | RelationItem, *headers: tuple[str, str]) -> Response:
    reftime = () if result.reftime is None else ((REFTIME, str(result.reftime)),)
    return Response(200, (CONTENT_TYPE, _etag(result.ref), *headers, _VARY, *reftime), dump(result.value))


def _written(operation: Any, written: Written, request: Request | None) -> Response:
    location = _location(written.collection, written.key, "refs", written.ref)
    return Response(201, (CONTENT_TYPE, _etag(written.ref), ("Location", location)))


def _related(operation: PutRelation, written: Written, request: Request | None) -> Response:
    source = (operation.collection, operation.key, "relation", operation.kind)
    location = _location(*source, operation.to_collection, operation.to_key)
    status = 204 if request is not None and expects_204(header(request.headers, "user-agent")) else 201
    return Response(status, (CONTENT_TYPE, _etag(written.ref), ("Location", location)))


def _event(operation: GetEvent, event: EventItem, request: Request | None) -> Response:
    return Response(200, (CONTENT_TYPE, _etag(event.ref), _VARY), dump(write_event(event)))


def _event_written(operation: Any, written: EventWritten, request: Request | None) -> Response:
    # A new event used to be PUT, and was answered as the update of one still is.
    by_put = request.method == "PUT" if request is not None else type(operation) is PutEvent
    place = (written.collection, written.key, "events", written.type)
    location = _location(*place, str(written.timestamp), str(written.ordinal))
    return Response(204 if by_put else 201, (CONTENT_TYPE, _etag(written.ref), ("Location", location)))


def _page(
    operation: Operation[Page[Any]], page: Page[Any], request: Request | None, entries: list[Object]
) -> Response:
    body: Object = {"count": len(entries)}
    if page.total is not None:
        body["total_count"] = page.total
    body["results"] = entries
    if page.aggregates:
        body["aggregates"] = [write_aggregate(aggregate) for aggregate in page.aggregates]
    headers: Headers = (CONTENT_TYPE, _VARY)
    for name, beside in (("next", page.next), ("prev", page.prev)):
        if beside is not None:
            body[name] = link = _link(request or encode_request(operation), beside)
            if len(link) <= MAX_TARGET:  # no client takes a longer header
                headers = (*headers, ("Link", f'<{link}>; rel="{name}"'))
    return Response(200, headers, dump(body))


def _items(operation: List | ListRelations, page: Page[Item], request: Request | None) -> Response:
    shown = operation.values if isinstance(operation, List) else True
    return _page(operation, page, request, [write_item(item, shown) for item in page.results])


def _results(operation: Search, page: Page[Any], request: Request | None) -> Response:
    entries = [write_result(result, operation.values) for result in page.results]
    return _page(operation, page, request, entries)


def _versions(operation: ListRefs, page: Page[Any], request: Request | None) -> Response:
    entries = [write_version(version, operation.values) for version in page.results]
    return _page(operation, page, request, entries)


def _events(operation: ListEvents, page: Page[EventItem], request: Request | None) -> Response:
    return _page(operation, page, request, [write_event(event) for event in page.results])


def _records(operation: Dump, page: Page[Any], request: Request | None) -> Response:
    return _page(operation, page, request, [write_record(record) for record in page.results])


def _terms(operation: ListTerms, terms: Terms, request: Request | None) -> Response:
    entries = [{"term": term.text, "count": term.count} for term in terms.terms]
    body = {"count": len(entries), "total_count": terms.documents, "results": entries}
    return Response(200, (CONTENT_TYPE, _VARY), dump(body))


def _restored(operation: Restore, result: BatchResult, request: Request | None) -> Response:
    parts = [
        _write_part(
            encode_fault(outcome) if isinstance(outcome, OrcodmError) else Response(201 if outcome else 200)
        )
        for outcome in result.outcomes
    ]
    return Response(200, (CONTENT_TYPE, _VARY), dump(parts))


def _outcomes(operation: Batch, result: BatchResult, request: Request | None) -> Response:
    parts = [
        _write_part(encode_response(part, outcome))
        for part, outcome in zip(operation.operations, result.outcomes, strict=True)
    ]
    return Response(200, (CONTENT_TYPE, _VARY), dump(parts))


def _write_part(response: Response) -> Object:
    headers = {name: value for name, value in response.headers if name != CONTENT_TYPE[0]}
    part: Object = {"status": response.status}
    if headers:
        part["headers"] = headers
    if response.body:
        part["body"] = orjson.Fragment(response.body)
    return part


def encode_import(answer: ImportAnswer) -> Response:
    """The response for an import, all of whose outcomes were added to its answer."""
    return Response(200, (CONTENT_TYPE, _VARY), answer.body())


# -- links -----------------------------------------------------------------------------------------

_CONTINUATIONS: Final = frozenset(
    {"offset", "cursor", "records", "startKey", "afterKey", "beforeEvent", "endEvent", "end"}
)


def _link(request: Request, beside: Operation[Any]) -> str:
    """The link to the page of an operation, with every other parameter as the request wrote it.

    Of a parameter that came twice only the first is repeated: the service repeated all, so that Porc,
    which adds its own to every link, made longer and longer ones.
    """
    sent = whole_target(encode_request(beside))
    target = shown_target(whole_target(request))
    path = "/" + target.partition("?")[0].lstrip("/")
    parameters = raw_parameters(target.partition("?")[2])
    limit = ("limit", str(getattr(beside, "limit", "")))
    if read_value(written := parameters.pop("limit", "")) == limit[1]:
        limit = ("limit", written)
    going_on = {
        name: shown_value(read_value(value))
        for name, value in raw_parameters(sent.partition("?")[2]).items()
        if name in _CONTINUATIONS
    }
    if hasattr(beside, "offset") and not going_on:
        going_on["offset"] = "0"
    query = [(name, parameters.pop(name)) for name in ("query",) if name in parameters]
    others = [(shown_value(name), value) for name, value in parameters.items() if name not in _CONTINUATIONS]
    # The order is that of the recorded links, and of those in the tests of the clients.
    match beside:
        case Search():
            ordered = [limit, *query, *others, *going_on.items()]
        case List() | ListRefs() | ListRelations():
            ordered = [*going_on.items(), limit, *others]
        case _:
            ordered = [limit, *others, *going_on.items()]
    return with_query(path, ordered)


# -- decoding --------------------------------------------------------------------------------------


def decode_response(operation: Operation[R], response: Response) -> R:
    """The result in a response. Raises the error it means, or `ProtocolError` where it means nothing."""
    status = response.status
    # The value was stored, and is not indexed in full: a success, as in Ruby's client.
    stored = (status, type(operation)) in _STORED and header(response.headers, "etag") is not None
    if status >= 400 and not stored:
        raise decode_fault(response)
    if not (stored or 200 <= status < 300):
        raise strange(response, f"to {type(operation).__name__}")
    try:
        return _READERS[type(operation)](operation, response)  # type: ignore[no-any-return]
    except ProtocolError:
        raise
    except (
        OrcodmError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        raise strange(response, f"to {type(operation).__name__} ({error!s:.80})") from error


_STORED: Final = {(409, Put), (409, Post), (409, Patch)}


def _ref(response: Response) -> str:
    etag = header(response.headers, "etag")
    if etag is None:
        raise strange(response, "without an ETag")
    ref = read_etag(etag)
    if not _REF.fullmatch(ref):
        raise strange(response, f"with an ETag that is no ref ({etag!r:.40})")
    return ref


def _place(response: Response) -> list[str]:
    """The decoded segments of `Location`, below `/v0`."""
    location = header(response.headers, "location")
    if location is None:
        raise strange(response, "without a Location")
    if "://" in location:
        location = location.partition("://")[2].partition("/")[2]
    return [read_segment(segment) for segment in split_target(location)[0][1:]]


def _reftime(response: Response) -> int | None:
    text = header(response.headers, REFTIME.lower())
    return None if text is None else int(text)


def _read_nothing(operation: Any, response: Response) -> None:
    return None


def _read_value(operation: Get, response: Response) -> Item:
    return Item(
        collection=operation.collection,
        key=operation.key,
        ref=_ref(response),
        value=values.decode(response.body),
        reftime=_reftime(response),
    )


def _read_properties(operation: GetRelation, response: Response) -> RelationItem:
    return RelationItem(
        collection=operation.collection,
        key=operation.key,
        kind=operation.kind,
        to_collection=operation.to_collection,
        to_key=operation.to_key,
        ref=_ref(response),
        value=values.decode(response.body) if response.body else {},
        reftime=_reftime(response),
    )


def _read_written(operation: Put | Patch, response: Response) -> Written:
    return Written(collection=operation.collection, key=operation.key, ref=_ref(response))


def _read_posted(operation: Post, response: Response) -> Written:
    return Written(collection=operation.collection, key=_place(response)[1], ref=_ref(response))


def _read_related(operation: PutRelation, response: Response) -> Written:
    # The service of the first years gave relations no ref.
    early = response.status == 204 and header(response.headers, "etag") is None
    return Written(collection=operation.collection, key=operation.key, ref="" if early else _ref(response))


def _read_event(operation: GetEvent, response: Response) -> EventItem:
    return read_event(values.decode(response.body))


def _read_event_written(operation: PostEvent | PutEvent | PatchEvent, response: Response) -> EventWritten:
    place: Object = {"collection": operation.collection, "key": operation.key, "type": operation.type}
    if isinstance(operation, PostEvent):
        timestamp, ordinal = map(read_decimal, _place(response)[4:6])
    else:
        timestamp, ordinal = operation.timestamp, operation.ordinal
    return EventWritten(**place, timestamp=timestamp, ordinal=ordinal, ref=_ref(response))


def _reader_of_pages(read: Callable[[Object], Any]) -> Callable[[Any, Response], Page[Any]]:
    def read_page(operation: Operation[Page[Any]], response: Response) -> Page[Any]:
        body = values.decode(response.body)
        links = dict(
            reversed([(name, link) for link, name in _LINK.findall(", ".join(_links(response.headers)))])
        )
        return Page(
            results=[read(entry) for entry in body["results"]],
            next=_beside(operation, body.get("next") or links.get("next")),
            prev=_beside(operation, body.get("prev") or links.get("prev")),
            total=body.get("total_count"),
            aggregates=tuple(map(read_aggregate, body.get("aggregates") or ())),
        )

    return read_page


def _links(headers: Headers) -> Iterable[str]:
    return (value for name, value in headers if name.lower() == "link")


def _beside(operation: Operation[Page[Any]], link: str | None) -> Operation[Page[Any]] | None:
    if link is None:
        return None
    beside = decode_link(link)
    if type(beside) is not type(operation):
        raise ValueError(f"the link {link!r:.80} leads to {type(beside).__name__}")
    return beside


def _read_terms(operation: ListTerms, response: Response) -> Terms:
    body = values.decode(response.body)
    entries = [TermCount(entry["term"], entry["count"]) for entry in body["results"]]
    return Terms(documents=body["total_count"], terms=entries)


def _read_outcomes(operation: Batch, response: Response) -> BatchResult:
    parts = values.decode(response.body)
    if len(parts) != len(operation.operations):
        raise ValueError(f"{len(parts)} answers to {len(operation.operations)} operations")
    return BatchResult(map(_read_part, operation.operations, parts))


def _read_restored(operation: Restore, response: Response) -> BatchResult:
    parts = values.decode(response.body)
    if len(parts) != len(operation.records):
        raise ValueError(f"{len(parts)} answers to {len(operation.records)} records")
    return BatchResult(
        decode_fault(_response(part)) if part["status"] >= 400 else part["status"] == 201 for part in parts
    )


def _response(part: Object) -> Response:
    body = dump(part["body"]) if "body" in part else b""
    return Response(part["status"], tuple(part.get("headers", {}).items()), body)


def _read_part(operation: Operation[Any], part: Object) -> Any:
    try:
        return decode_response(operation, _response(part))
    except ProtocolError:
        raise
    except OrcodmError as error:
        return error


_WRITERS: Final[dict[type[Operation[Any]], Callable[[Any, Any, Request | None], Response]]] = {
    Ping: _pong,
    Get: _value,
    Put: _written,
    Post: _written,
    Patch: _written,
    Delete: _nothing,
    DeleteCollection: _nothing,
    List: _items,
    ListRefs: _versions,
    Search: _results,
    PostEvent: _event_written,
    GetEvent: _event,
    PutEvent: _event_written,
    PatchEvent: _event_written,
    DeleteEvent: _nothing,
    ListEvents: _events,
    PutRelation: _related,
    GetRelation: _properties,
    DeleteRelation: _nothing,
    ListRelations: _items,
    Batch: _outcomes,
    ListTerms: _terms,
    Dump: _records,
    Restore: _restored,
}

_READERS: Final[dict[type[Operation[Any]], Callable[[Any, Response], Any]]] = {
    Ping: _read_nothing,
    Get: _read_value,
    Put: _read_written,
    Post: _read_posted,
    Patch: _read_written,
    Delete: _read_nothing,
    DeleteCollection: _read_nothing,
    List: _reader_of_pages(read_item),
    ListRefs: _reader_of_pages(read_version),
    Search: _reader_of_pages(read_result),
    PostEvent: _read_event_written,
    GetEvent: _read_event,
    PutEvent: _read_event_written,
    PatchEvent: _read_event_written,
    DeleteEvent: _read_nothing,
    ListEvents: _reader_of_pages(read_event),
    PutRelation: _read_related,
    GetRelation: _read_properties,
    DeleteRelation: _read_nothing,
    ListRelations: _reader_of_pages(read_item),
    Batch: _read_outcomes,
    ListTerms: _read_terms,
    Dump: _reader_of_pages(read_record),
    Restore: _read_restored,
}
