"""The codec beside real traffic of the service (September 2014).

Every recorded exchange is read from both sides: our server's reading of the request, our client's
of the answer, and what each of them would have written in its place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from orcodm.errors import NotFound
from orcodm.operations import (
    Delete,
    DeleteEvent,
    DeleteRelation,
    Get,
    GetEvent,
    List,
    ListEvents,
    ListRelations,
    Operation,
    Page,
    Ping,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Search,
)
from orcodm.wire.codec import (
    Request,
    Response,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    header,
)
from orcodm.wire.urls import raw_parameters

EXCHANGES = [json.loads(line) for line in Path(__file__).with_name("recorded.jsonl").read_text().splitlines()]

exchanges = pytest.mark.parametrize(
    "exchange", EXCHANGES, ids=[f"{each['cassette']}:{each['seq']}" for each in EXCHANGES]
)


def request_of(exchange: Any) -> Request:
    sent = exchange["request"]
    return Request(sent["method"], sent["url"], tuple(sent["headers"].items()), (sent["body"] or "").encode())


def response_of(exchange: Any) -> Response:
    came = exchange["response"]
    pairs = [(name, value if isinstance(value, list) else [value]) for name, value in came["headers"].items()]
    headers = tuple((name, one) for name, values in pairs for one in values)
    return Response(came["status"], headers, (came["body"] or "").encode())


def outcome_of(exchange: Any) -> Any:
    """What the recorded answer meant: a result, or the error."""
    operation = decode_request(request_of(exchange))
    try:
        return decode_response(operation, response_of(exchange))
    except NotFound as error:
        return error


@exchanges
def test_what_was_asked_is_understood(exchange: Any) -> None:
    operations = (
        Delete, DeleteEvent, DeleteRelation, Get, GetEvent, List, ListEvents, ListRelations, Ping, Post,
        PostEvent, Put, PutEvent, PutRelation, Search,
    )  # fmt: skip
    cassette, operation = exchange["cassette"], decode_request(request_of(exchange))
    assert isinstance(operation, operations) or cassette == "client/relations"
    assert getattr(operation, "collection", "COLLECTION_1") in ("COLLECTION_1", "movies")


@exchanges
def test_our_request_is_what_the_service_was_sent(exchange: Any) -> None:
    recorded = request_of(exchange)
    ours = encode_request(decode_request(recorded))
    path, _, query = recorded.target.partition("?")
    our_path, _, our_query = ours.target.partition("?")
    assert ours.method == recorded.method
    assert our_path == "/" + path.lstrip("/")
    assert raw_parameters(our_query) == raw_parameters(query)
    for name in ("accept", "if-match", "if-none-match"):
        assert header(ours.headers, name) == header(recorded.headers, name)
    if recorded.body:
        assert json.loads(ours.body) == json.loads(recorded.body)
        assert header(ours.headers, "content-type") == header(recorded.headers, "content-type")
    else:
        assert not ours.body


@exchanges
def test_our_answer_has_the_recorded_status_headers_and_shape(exchange: Any) -> None:
    request, recorded = request_of(exchange), response_of(exchange)
    operation = decode_request(request)
    ours = encode_response(operation, outcome_of(exchange), request)
    if isinstance(operation, PutRelation):  # 201 from 2015 on, which later clients insist on
        assert (recorded.status, ours.status) == (204, 201)
        return
    assert ours.status == recorded.status
    transport = {"connection", "date", "transfer-encoding", "content-length", "x-orchestrate-req-id"}
    theirs = {name: value for name, value in recorded.headers if name not in transport}
    written = {name.lower(): value for name, value in ours.headers}
    if isinstance(operation, Get) and operation.ref is not None:
        assert written.pop("content-location")  # as in the first documentation
        assert written.pop("cache-control")  # a ref names its value for ever
    links = {name: headers.pop("link", "") for name, headers in (("theirs", theirs), ("ours", written))}
    assert written == theirs
    # The service repeated what came twice.
    assert links["ours"] == links["theirs"].replace("limit=1&limit=1", "limit=1").replace(
        "query=%2A&query=%2A", "query=%2A"
    )
    assert shape(ours.body, recorded.body) == recorded.body


def shape(ours: bytes, theirs: bytes) -> bytes:
    """Our body without what later years added, as the service of 2014 would have written it."""
    if not theirs.startswith(b'{"count"') and not theirs.startswith(b'{"path"'):
        return ours
    body = json.loads(ours)
    for entry in body.get("results", [body]):
        for name in ("kind", "ordinal_str", "reftime"):
            entry["path"].pop(name, None)
    for name in ("next", "prev"):
        if name in body:
            body[name] = json.loads(theirs)[name]
    return json.dumps(body, separators=(",", ":")).encode()


@exchanges
def test_our_client_reads_the_recorded_answer(exchange: Any) -> None:
    recorded = response_of(exchange)
    outcome = outcome_of(exchange)
    if recorded.status == 404:
        assert (outcome.collection, outcome.key) if hasattr(outcome, "collection") else outcome.details
        assert outcome.details == json.loads(recorded.body)["details"]
    elif isinstance(outcome, Page):
        body = json.loads(recorded.body)
        assert len(outcome.results) == body["count"]
        assert outcome.total == body.get("total_count")
        assert (outcome.next is None, outcome.prev is None) == ("next" not in body, "prev" not in body)
    elif outcome is not None and header(recorded.headers, "etag") is not None:
        assert f'"{outcome.ref}"' == header(recorded.headers, "etag")


def test_pages_go_on_by_the_links_of_either_place() -> None:
    exchange = next(each for each in EXCHANGES if "next" in (each["response"]["body"] or ""))
    request, response = request_of(exchange), response_of(exchange)
    operation: Operation[Page[Any]] = decode_request(request)
    by_body = decode_response(operation, attrs.evolve(response, headers=()))
    body = json.loads(response.body)
    del body["next"]
    by_header = decode_response(operation, attrs.evolve(response, body=json.dumps(body).encode()))
    assert by_body.next == by_header.next
    assert by_body.next is not None


def test_porc_pages_by_appending_its_own_parameters() -> None:
    request = Request("GET", "//v0/COLLECTION_1?limit=1&query=%2A&offset=1&query=%2A&limit=1")
    operation = decode_request(request)
    assert operation == Search(collection="COLLECTION_1", query="*", limit=1, offset=1)
    page: Page[Any] = Page(
        results=(), next=attrs.evolve(operation, offset=2), prev=attrs.evolve(operation, offset=0)
    )
    assert [value for name, value in encode_response(operation, page, request).headers if name == "Link"] == [
        '</v0/COLLECTION_1?limit=1&query=%2A&offset=2>; rel="next"',
        '</v0/COLLECTION_1?limit=1&query=%2A&offset=0>; rel="prev"',
    ]
