"""Decoding what was encoded gives it back: for every operation, every result, every error."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.errors import ApiError, OrcodmError, ProtocolError
from orcodm.operations import BatchResult, Get, ListTerms, Operation, Page, Search, all_operations
from orcodm.wire.codec import (
    Request,
    Response,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from orcodm.wire.faults import decode_fault, encode_fault
from orcodm.wire.responses import CACHED
from orcodm.wire.routes import MAX_TARGET, ROUTES

from ..operation_strategies import OPERATIONS, RESULTS, asked_and_answered, errors, operations, same_error
from ..strategies import examples


def test_every_operation_is_routed_and_has_strategies() -> None:
    assert {kind for kind, routes in ROUTES.items() if routes} == all_operations()
    assert set(OPERATIONS) == set(RESULTS) == all_operations()


@pytest.mark.parametrize("kind", sorted(OPERATIONS, key=lambda kind: kind.__name__))
@examples(20)
@given(st.data())
def test_a_request_gives_its_operation_back(kind: type[Any], data: st.DataObject) -> None:
    operation = data.draw(OPERATIONS[kind])
    request = encode_request(operation)
    assert decode_request(request) == operation
    assert request.target.isascii()
    assert not set(request.target) & set(' "<>\\^`{|}\r\n#')


@examples(20)
@given(st.integers(2_000, 70_000), st.sampled_from([None, "c/é"]), st.text(max_size=5))
def test_a_long_search_goes_as_a_body_and_gives_its_operation_back(
    length: int, collection: str | None, tail: str
) -> None:
    operation = Search(collection=collection, query="x" * length + " OR " + tail, limit=200, offset=3)
    request = encode_request(operation)
    assert len(request.target) <= MAX_TARGET
    assert request.method == ("GET" if length < 7_000 else "POST" if length > MAX_TARGET else request.method)
    assert decode_request(request) == operation
    page = Page(results=(), next=attrs.evolve(operation, offset=203), prev=attrs.evolve(operation, offset=0))
    response = encode_response(operation, page, request)
    assert decode_response(operation, response) == page
    assert encode_response(operation, page) == response
    assert all(len(value) <= MAX_TARGET + 50 for _, value in response.headers)


@examples(5)
@given(st.integers(2_000, 10_000))
def test_a_long_list_of_terms_goes_as_a_body(length: int) -> None:
    operation = ListTerms(collection="c", field="name", only=[f"t{number}" for number in range(length)])
    assert decode_request(encode_request(operation)) == operation


def outcomes_match(one: Any, other: Any) -> bool:
    if isinstance(one, BatchResult):
        return all(map(outcomes_match, one.outcomes, other.outcomes))
    if isinstance(one, OrcodmError):
        return same_error(one, other)
    return bool(one == other)


@pytest.mark.parametrize("kind", sorted(OPERATIONS, key=lambda kind: kind.__name__))
@examples(20)
@given(st.data())
def test_a_response_gives_its_result_back(kind: type[Any], data: st.DataObject) -> None:
    operation = data.draw(OPERATIONS[kind])
    result = data.draw(RESULTS[kind](operation))
    request = encode_request(operation)
    response = encode_response(operation, result, request)
    assert outcomes_match(decode_response(operation, response), result)
    assert encode_response(operation, result) == response
    assert all(text.isascii() and text.isprintable() for _, text in response.headers)


@given(errors)
def test_an_error_keeps_its_class_details_and_message(error: OrcodmError) -> None:
    assert same_error(decode_fault(encode_fault(error)), error)


@given(asked_and_answered)
def test_head_has_the_headers_of_get_and_no_body(pair: tuple[Operation[Any], Any]) -> None:
    operation, result = pair
    request = encode_request(operation)
    if request.method == "GET":
        head = attrs.evolve(request, method="HEAD")
        if request.target.partition("?")[0] != "/v0":
            assert decode_request(head) == operation
        expected = attrs.evolve(encode_response(operation, result, request), body=b"")
        assert encode_response(operation, result, head) == expected


@given(asked_and_answered)
def test_who_has_the_ref_of_what_is_read_gets_the_headers_alone(pair: tuple[Operation[Any], Any]) -> None:
    operation, result = pair
    request = encode_request(operation)
    response = encode_response(operation, result, request)
    for tag in (response.header("etag") or '"0"', '"0"'):
        conditional = attrs.evolve(request, headers=(*request.headers, ("If-None-Match", tag)))
        known = type(operation) in CACHED and tag == response.header("etag")
        expected = Response(304, response.headers) if known else response
        assert encode_response(operation, result, conditional) == expected


# -- whatever comes --------------------------------------------------------------------------------

header_values = st.sampled_from(
    [
        '"*"',
        "*",
        '"abc"',
        "abc",
        'W/"abc-gzip"',
        "zz",
        "",
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/orchestrate-export+json",
        "application/vnd.orcodm.batch+json",
    ]
)
headers = st.lists(
    st.tuples(st.sampled_from(["If-Match", "If-None-Match", "Content-Type", "X-Orcodm"]), header_values),
    max_size=3,
)
segments = st.sampled_from(
    [
        "v0",
        "c",
        "k",
        "refs",
        "events",
        "relation",
        "relations",
        "",
        "%",
        "%ff",
        "%2F",
        ".",
        "é",
        "1",
        "-1",
        "x" * 2000,
    ]
) | st.text(max_size=4)
parameters = st.sampled_from(
    [
        "limit=1",
        "limit=x",
        "limit=101",
        "offset=-1",
        "query=",
        "query=*",
        "sort=:(",
        "aggregate=a:range:x",
        "force=true",
        "values=maybe",
        "beforeEvent=a/b",
        "start=1994",
        "endEvent=1/zz",
        "with_fields=",
        "nullstart=",
        "%ff=%ff",
        "=",
        "&",
    ]
) | st.text(max_size=6)
targets = st.builds(
    lambda path, query: "/" + "/".join(path) + ("?" + "&".join(query) if query else ""),
    st.lists(segments, max_size=8).map(lambda path: ["v0", *path]) | st.lists(segments, max_size=3),
    st.lists(parameters, max_size=4),
)
bodies = st.sampled_from(
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[{}]",
        b'[{"method":"PUT","target":"/v0/a/b","body":1}]',
        b"[" * 5000,
        b"{" * 300,
        b'{"a":' * 250 + b"1" + b"}" * 250,
        b'{"path":{"kind":"event"},"value":1}',
        b"1e999",
        b'"\\ud800"',
        b"9" * 5000,
    ]
) | st.binary(max_size=30)


@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "FOO"]) | st.text(max_size=5),
    targets,
    headers,
    bodies,
)
def test_any_request_is_an_operation_or_an_api_error(
    method: str, target: str, fields: Any, body: bytes
) -> None:
    try:
        outcome: Any = decode_request(Request(method, target, tuple(fields), body))
    except ApiError as error:
        outcome = error
    assert isinstance(outcome, Operation) or 400 <= encode_fault(outcome).status < 500


answers = st.sampled_from(
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"results":[{}]}',
        b'{"results":null}',
        b'{"results":[],"next":"/v0/%ff"}',
        b'{"results":[],"next":7}',
        b"<html>",
        b'{"message":1,"code":2,"details":[]}',
        b"[" * 5000,
    ]
) | st.binary(max_size=30)
answer_headers = st.lists(
    st.tuples(
        st.sampled_from(["ETag", "Location", "Link", "X-Orcodm-Reftime"]),
        st.sampled_from(
            ['"abc"', '"é"', "", "/v0/c/k/refs/abc", "/", "<x>; rel=next", '</v0/c?query=a>; rel="next"']
        ),
    ),
    max_size=3,
)


@given(
    operations,
    st.sampled_from([200, 201, 204, 301, 304, 400, 401, 404, 409, 412, 500, 503]),
    answer_headers,
    answers,
)
def test_any_response_is_a_result_or_an_error_of_ours(
    operation: Operation[Any], status: int, fields: Any, body: bytes
) -> None:
    try:
        outcome: Any = decode_response(operation, Response(status, tuple(fields), body))
    except OrcodmError as error:
        outcome = error
    assert isinstance(outcome, OrcodmError) <= (status != 200 or isinstance(outcome, ProtocolError))


def test_what_came_is_said() -> None:
    page = Response(200, (("Content-Type", "text/html"), ("ETag", '"a1"')), b"<html>Please log in</html>")
    with pytest.raises(
        ProtocolError, match=r"answered 200 \(text/html, 26 bytes\) to Get .*: '<html>Please log in"
    ):
        decode_response(Get(collection="c", key="k"), page)
    with pytest.raises(ProtocolError, match="without an ETag"):
        decode_response(Get(collection="c", key="k"), Response(200, (), b"{}"))
