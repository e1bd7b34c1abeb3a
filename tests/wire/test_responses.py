"""Answers whose form the clients depend on."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from orcodm.engine import Capabilities
from orcodm.errors import (
    Aborted,
    BadRequest,
    Conflict,
    DatabaseBusy,
    InternalError,
    InvalidValue,
    NotFound,
    ProtocolError,
    StorageError,
    Unauthorized,
)
from orcodm.operations import (
    Batch,
    BatchResult,
    EventBound,
    EventItem,
    EventWritten,
    Item,
    List,
    ListEvents,
    ListRefs,
    Page,
    Ping,
    PostEvent,
    Put,
    PutRelation,
    Version,
    Written,
)
from orcodm.wire.batches import ImportAnswer
from orcodm.wire.codec import (
    Request,
    Response,
    decode_capabilities,
    decode_response,
    encode_capabilities,
    encode_response,
    header,
)
from orcodm.wire.extensions import PLAIN
from orcodm.wire.faults import encode_fault
from orcodm.wire.responses import encode_import

K = {"collection": "c", "key": "k"}


def test_a_missing_item_to_the_letter() -> None:
    response = encode_fault(NotFound.item("COLLECTION_1", "KEY_1"))
    assert response.headers == (("Content-Type", "application/json"),)
    assert response.body == (
        b'{"message":"The requested items could not be found.",'
        b'"details":{"items":[{"collection":"COLLECTION_1","key":"KEY_1"}]},"code":"items_not_found"}'
    )


def test_a_conflict_has_the_refs_in_its_details() -> None:
    body = json.loads(encode_fault(Conflict.of_ref("c", "k", "a1", None)).body)
    assert body["message"] == "The version of the item does not match."
    assert body["details"] == {"items": [K], "expected": "a1", "current": None}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StorageError("/var/secret.db is broken"), 500, "internal_error"),
        (DatabaseBusy("/var/secret.db"), 503, "database_busy"),
        (InvalidValue("NaN"), 400, "api_bad_request"),
        (Aborted("because"), 424, "aborted"),
        (Unauthorized(), 401, "security_unauthorized"),
    ],
)
def test_errors_that_are_no_api_errors(error: Any, status: int, code: str) -> None:
    response = encode_fault(error)
    assert (response.status, json.loads(response.body)["code"]) == (status, code)
    assert b"secret" not in response.body


def test_a_bad_key_is_told_how_to_come_in() -> None:
    assert header(encode_fault(Unauthorized()).headers, "www-authenticate") == 'Basic realm="orchestrate.io"'


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/v0/c/k/events/t", 201),
        ("PUT", "/v0/c/k/events/t", 204),
        ("PUT", "/v0/c/k/events/t/5/7", 204),
    ],
)
def test_events_are_answered_by_the_form_of_the_request(method: str, target: str, status: int) -> None:
    written = EventWritten(**K, type="t", timestamp=5, ordinal=2**60, ref="ab")
    response = encode_response(PostEvent(**K, type="t", value=1), written, Request(method, target))
    assert response.status == status
    assert header(response.headers, "location") == f"/v0/c/k/events/t/5/{2**60}"


def test_locations_leave_what_a_segment_may_hold() -> None:
    response = encode_response(
        Put(collection="c", key="a:b@c /é", value=1), Written(collection="c", key="a:b@c /é", ref="ab")
    )
    assert header(response.headers, "location") == "/v0/c/a:b@c%20%2F%C3%A9/refs/ab"


@pytest.mark.parametrize(
    ("target", "operation", "beside", "link"),
    [
        ("/v0/c", List(collection="c"), {"after": "b c@x"}, "/v0/c?afterKey=b%20c@x&limit=10"),
        (
            "/v0/c/?limit=2&startKey=a%2Bb&values=false",
            List(collection="c", limit=2, start="a+b", values=False),
            {"after": "b", "start": None},
            "/v0/c/?afterKey=b&limit=2&values=false",
        ),
        (
            "/v0/c/k/refs?limit=1&values=true",
            ListRefs(**K, limit=1, values=True),
            {"offset": 1},
            "/v0/c/k/refs?offset=1&limit=1&values=true",
        ),
        (
            "/v0/c/k/events/t?afterEvent=0&limit=1&endEvent=9",
            ListEvents(**K, type="t", limit=1, after=EventBound(0), end=EventBound(9)),
            {"before": EventBound(5, 7), "end": None},
            "/v0/c/k/events/t?limit=1&afterEvent=0&beforeEvent=5/7",
        ),
    ],
)
def test_links_repeat_what_the_client_wrote(target: str, operation: Any, beside: Any, link: str) -> None:
    page: Page[Any] = Page(results=(), next=attrs.evolve(operation, **beside))
    response = encode_response(operation, page, Request("GET", target))
    assert json.loads(response.body)["next"] == link
    assert header(response.headers, "link") == f'<{link}>; rel="next"'


def test_a_tombstone_stands_in_the_path() -> None:
    page = Page(results=(Version(**K, ref=None, reftime=5, deleted=True),))
    body = json.loads(encode_response(ListRefs(**K, values=True), page).body)
    assert body["results"] == [
        {"path": {**K, "ref": "", "tombstone": True, "kind": "item", "reftime": 5}, "reftime": 5}
    ]


def test_an_ordinal_is_written_in_both_forms() -> None:
    event = EventItem(**K, type="t", timestamp=5, ordinal=383976025430188032, ref="ab", value=1)
    body = json.loads(encode_response(ListEvents(**K, type="t"), Page(results=(event,))).body)
    path = body["results"][0]["path"]
    assert (path["ordinal"], path["ordinal_str"]) == (383976025430188032, "0554282926086000")


def test_the_answer_to_an_import() -> None:
    event, relation = (
        PostEvent(**K, type="t", value=1),
        PutRelation(**K, kind="f", to_collection="c", to_key="d"),
    )
    unread = BadRequest("huh")
    answer = ImportAnswer()
    answer.add([(Put(**K, value=1), Written("c", "k", "ab", 123)), (unread, unread)])
    answer.add([])
    answer.add(
        [
            (event, EventWritten(**K, type="t", timestamp=1, ordinal=2, ref="cd")),
            (relation, NotFound.item("c", "d")),
            (relation, Written(**K, ref="ef", reftime=5)),
        ]
    )
    body = json.loads(encode_import(answer).body)
    assert (body["status"], body["success_count"]) == ("partial", 3)
    results = body["results"]
    assert [entry["operation_index"] for entry in results] == [0, 1, 2, 3, 4]
    assert results[0] == {
        "status": "success",
        "operation_index": 0,
        "item": {"path": {**K, "ref": "ab", "kind": "item", "reftime": 123}},
    }
    assert results[1]["error"] == {
        "message": "The API request is malformed.",
        "code": "api_bad_request",
        "details": {"info": "huh"},
    }
    assert results[2]["item"]["path"]["ordinal_str"] == "0000000000000002"
    assert results[3]["error"]["code"] == "items_not_found"
    assert results[4] == {"status": "success", "operation_index": 4}
    assert json.loads(encode_import(ImportAnswer()).body) == {
        "status": "success",
        "success_count": 0,
        "results": [],
    }


# -- answers of foreign servers --------------------------------------------------------------------


def test_an_indexing_conflict_was_stored() -> None:
    response = Response(409, (("ETag", '"ab"'),), b'{"code":"indexing_conflict","message":"x"}')
    assert decode_response(Put(**K, value=1), response) == Written(**K, ref="ab")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response(401, (("Content-Type", "text/html"),), b"<html>"), Unauthorized),
        (Response(404), NotFound),
        (Response(500), InternalError),
        (Response(404, (), b'{"code":"ITEMS_NOT_FOUND"}'), NotFound),
        (Response(502, (("Content-Type", "text/html"),), b"<html>Bad Gateway"), ProtocolError),
        (Response(302, (("Location", "https://elsewhere/"),)), ProtocolError),
    ],
)
def test_errors_of_foreign_servers(response: Response, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_response(Ping(), response)


def test_a_gzipped_etag_loses_its_suffix() -> None:
    response = Response(201, (("ETag", '"ab12-gzip"'),))
    assert decode_response(Put(**K, value=1), response) == Written(**K, ref="ab12")


def test_capabilities_are_announced_and_understood() -> None:
    ours = Capabilities(atomic_batch=True, keyset=False, ref_chain=True, max_limit=5000, own_writes=True)
    assert decode_capabilities(encode_capabilities(ours)) == ours
    assert decode_capabilities(None) == PLAIN
    assert decode_capabilities("huh, max_limit=x") == PLAIN


def test_outcomes_of_a_batch_match_its_operations() -> None:
    batch = Batch([Put(**K, value=1)])
    response = encode_response(batch, BatchResult([Written(**K, ref="ab")]))
    with pytest.raises(ProtocolError, match="1 answers to 2 operations"):
        decode_response(Batch([*batch.operations] * 2), response)


def test_items_have_the_later_members_after_the_recorded_ones() -> None:
    item = Item(**K, ref="ab", value={"a": 1}, reftime=5)
    body = encode_response(List(collection="c"), Page(results=(item,))).body
    assert body == (
        b'{"count":1,"results":[{"path":{"collection":"c","key":"k","ref":"ab","kind":"item","reftime":5},'
        b'"value":{"a":1},"reftime":5}]}'
    )
