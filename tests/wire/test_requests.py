"""What clients send, line by line: each form of the reference, read as its operation."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from orcodm.errors import ApiError, BadRequest, TooLarge
from orcodm.operations import (
    Batch,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    Distances,
    EventBound,
    Get,
    GetRelation,
    IfAbsent,
    IfMatch,
    JsonPatch,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    MergePatch,
    Operation,
    Patch,
    Ping,
    Post,
    PostEvent,
    Put,
    PutRelation,
    Ranges,
    Search,
    SortDistance,
    SortField,
    SortRandom,
    Stats,
    TimeSeries,
    TopValues,
)
from orcodm.wire.batches import Import
from orcodm.wire.codec import Request, decode_request, encode_request

MERGE = {"Content_Type": "application/merge-patch+json"}
PATCH = {"Content_Type": "application/json-patch+json"}
ABSENT = {"If_None_Match": "*"}
K = {"collection": "c", "key": "k"}
E = K | {"type": "t"}
R = K | {"kind": "f", "to_collection": "d", "to_key": "e"}
NEAR = "value.home:NEAR:{lat:0 lon:0 dist:5km}"


def asked(line: str, body: str = "", **headers: str) -> Operation[Any]:
    method, target = line.split(" ", 1)
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return decode_request(Request(method, target, fields, body.encode("utf-8", "surrogatepass")))


READ: list[tuple[str, Operation[Any]]] = [
    ("HEAD /v0", Ping()),
    ("HEAD //v0/", Ping()),
    ("GET /v0?query=a", Search(query="a")),
    ("GET /v0/?query=a+b%2Bc", Search(query="a b+c")),
    ("GET /v0/c/", List(collection="c")),
    ("GET /v0/c?startKey=a&afterKey=&values=FALSE", List(collection="c", start="a", after="", values=False)),
    ("GET /v0/c?limit=1&limit=2&nullstart=", List(collection="c", limit=1)),
    (
        "GET /v0/c?with_fields=&without_fields=value.a,value.b",
        List(collection="c", without_fields=["value.a", "value.b"]),
    ),
    ("HEAD /v0/c/k", Get(**K)),
    ("GET /v0/c/a+b%2Fc%252F", Get(collection="c", key="a+b/c%2F")),
    ("GET /v0/c/%2E%2E", Get(collection="c", key="..")),
    ("GET /v0/c/%F0%9F%A6%89", Get(collection="c", key="🦉")),
    ("GET /v0/c/🦉", Get(collection="c", key="🦉")),
    ("GET /v0/refs/events", Get(collection="refs", key="events")),
    ("GET /v0/c/k/refs/?values=true", ListRefs(**K, values=True)),
    ("GET /v0/c/k/refs/ab12", Get(**K, ref="ab12")),
    ("DELETE /v0/c?force=True", DeleteCollection(collection="c")),
    ("DELETE /v0/c/k?purge=false", Delete(**K)),
    ("DELETE /v0/c/k?purge=true", Delete(**K, purge=True)),
    ("DELETE /v0/c/k/events/t/5/7", DeleteEvent(**E, timestamp=5, ordinal=7)),
    (
        "DELETE /v0/c/k/events/t/1994-11-06T08:49:37Z/0554282926086000?purge=true",
        DeleteEvent(**E, timestamp=784111777000, ordinal=383976025430188032),
    ),
    ("GET /v0/c/k/events/t/?start=1&end=2", ListEvents(**E, start=EventBound(1), before=EventBound(2))),
    (
        "GET /v0/c/k/events/t?afterEvent=1%2F2&endEvent=3/4",
        ListEvents(**E, after=EventBound(1, 2), end=EventBound(3, 4)),
    ),
    ("GET /v0/c/k/relations/a/b", ListRelations(**K, kinds=["a", "b"])),
    ("GET /v0/c/k/relations/a/b/c", ListRelations(**K, kinds=["a", "b", "c"])),
    ("GET /v0/c/k/relation/a", ListRelations(**K, kinds=["a"])),
    ("GET /v0/c/k/relation/f/d/e", GetRelation(**R)),
    ("PUT /v0/c/k/relation/f/d/e", PutRelation(**R)),
    ("PUT /v0/c/k/relations/f/d/e", PutRelation(**R)),
    ("DELETE /v0/c/k/relation/f/d/e?purge=true", DeleteRelation(**R)),
]


@pytest.mark.parametrize(("line", "operation"), READ)
def test_lines_without_bodies(line: str, operation: Operation[Any]) -> None:
    assert asked(line, Content_Type="application/json") == operation


WRITTEN: list[tuple[str, str, dict[str, str], Operation[Any]]] = [
    ("POST /v0/c", "{}", {}, Post(collection="c", value={})),
    ("PUT /v0/c/k", '"text"', {"Content_Type": "application/json; charset=utf-8"}, Put(**K, value="text")),
    ("PUT /v0/c/k", "{}", {"If_Match": '"ab"'}, Put(**K, value={}, condition=IfMatch("ab"))),
    ("PUT /v0/c/k", "{}", {"if_match": " ab "}, Put(**K, value={}, condition=IfMatch("ab"))),
    ("PUT /v0/c/k", "{}", {"If_Match": 'W/"ab-gzip"'}, Put(**K, value={}, condition=IfMatch("ab"))),
    ("PUT /v0/c/k", "{}", {"If_None_Match": "*"}, Put(**K, value={}, condition=IfAbsent())),
    ("PUT /v0/c/k", "{}", {"If_None_Match": '"*"'}, Put(**K, value={}, condition=IfAbsent())),
    ("PUT /v0/c/k", "{}", {"IfMatch": "ab"}, Put(**K, value={})),
    ("PATCH /v0/c/k?upsert=true", "[]", {}, Patch(**K, changes=JsonPatch([]), upsert=True)),
    ("PATCH /v0/c/k?upsert=false", '{"a":1}', {}, Patch(**K, changes=MergePatch({"a": 1}))),
    ("PATCH /v0/c/k", "[1]", MERGE, Patch(**K, changes=MergePatch([1]))),
    ("POST /v0/c/k", "[]", PATCH, Patch(**K, changes=JsonPatch([]))),
    ("POST /v0/c/k/events/t", "1", {}, PostEvent(**E, value=1)),
    ("POST /v0/c/k/events/t/5", "1", {}, PostEvent(**E, value=1, timestamp=5)),
    ("POST /v0/c/k/events/t/5/7", "1", {}, PostEvent(**E, value=1, timestamp=5, ordinal=7)),
    ("PUT /v0/c/k/events/t?timestamp=5", "1", {}, PostEvent(**E, value=1, timestamp=5)),
    ("PUT /v0/c/k/relation/f/d/e", "null", {}, PutRelation(**R)),
    ("PUT /v0/c/k/relation/f/d/e", "{}", {}, PutRelation(**R)),
    ("PUT /v0/c/k/relation/f/d/e", '{"a":1}', ABSENT, PutRelation(**R, value={"a": 1}, condition=IfAbsent())),
]


@pytest.mark.parametrize(("line", "body", "headers", "operation"), WRITTEN)
def test_lines_with_bodies(line: str, body: str, headers: dict[str, str], operation: Operation[Any]) -> None:
    assert asked(line, body, **headers) == operation


REFUSED: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET /", "", {}, 404, "not_found"),
    ("GET /v1/c/k", "", {}, 404, "not_found"),
    ("GET /v0/c/k/huh", "", {}, 404, "items_not_found"),
    ("GET /v0/c/k/events", "", {}, 404, "items_not_found"),
    ("POST /v0/c/k", "{}", {}, 405, "method_not_allowed"),
    ("PATCH /v0/c", "{}", {}, 405, "method_not_allowed"),
    ("DELETE /v0/c", "", {}, 400, "api_bad_request"),
    ("GET /v0", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?query=", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?limit=101", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?limit=-1", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?limit=ten", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?query=*&offset=x", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?query=*&aggregate=a:range:abc", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c?query=*&aggregate=a:time_series:eon", "", {}, 400, "search_param_invalid"),
    ("GET /v0/c/k/refs/badetag", "", {}, 400, "item_ref_malformed"),
    ("GET /v0/c/%ff", "", {}, 400, "api_bad_request"),
    ("GET /v0//k", "", {}, 200, ""),
    ("GET /v0/c/" + "k" * 1025, "", {}, 400, "api_bad_request"),
    ("GET /v0/c/k/events/t?start=someday", "", {}, 400, "api_bad_request"),
    ("PUT /v0/c/k", "", {}, 400, "api_bad_request"),
    ("PUT /v0/c/k", "{", {}, 400, "api_bad_request"),
    ("PUT /v0/c/k", "[" * 201 + "]" * 201, {}, 400, "api_bad_request"),
    ("PUT /v0/c/k", "{}", {"If_Match": "badetag"}, 400, "item_ref_malformed"),
    ("PUT /v0/c/k", "{}", {"If_None_Match": "ab"}, 400, "api_bad_request"),
    ("PUT /v0/c/k", "{}", {"If_None_Match": "*", "If_Match": "ab"}, 400, "api_bad_request"),
    ("PUT /v0/c/k/relation/f/d/e", "[1]", {}, 400, "api_bad_request"),
    ("POST /v0", "{}", {}, 400, "api_bad_request"),
]


@pytest.mark.parametrize(("line", "body", "headers", "status", "code"), REFUSED)
def test_lines_that_are_refused(
    line: str, body: str, headers: dict[str, str], status: int, code: str
) -> None:
    if status == 200:  # an empty segment at the start carries no meaning, one within is a name
        line, status, code = "GET /v0/c//refs", 400, "api_bad_request"
    with pytest.raises(ApiError) as raised:
        asked(line, body, **headers)
    assert (raised.value.status, raised.value.code) == (status, code)


def test_an_empty_query_is_named() -> None:
    with pytest.raises(ApiError) as raised:
        asked("GET /v0/c?query=")
    assert raised.value.details == {"query": "Query is empty."}


def searched(query: str = "*", **parameters: str) -> Any:
    texts = "".join(f"&{name}={quote(text)}" for name, text in parameters.items())
    return asked(f"GET /v0/c?query={quote(query)}{texts}")


@pytest.mark.parametrize(
    ("query", "text", "sort"),
    [
        ("*", "value.name:asc,age:desc", (SortField("value.name"), SortField("age", True))),
        ("*", "name", (SortField("name"),)),
        ("*", "@path.key:DESC", (SortField("@path.key", True),)),
        ("*", "value.home:distance:desc", (SortDistance("value.home", True),)),
        ("*", "distance:asc", (SortField("distance"),)),
        (NEAR, "distance:asc", (SortDistance("value.home"),)),
        (NEAR, "home:desc", (SortDistance("home", True),)),
        ("*", "@path.key,_random", (SortField("@path.key"), SortRandom())),
        ("*", "_random:seed", (SortRandom("seed"),)),
        ("*", ":(", ()),
        ("*", "name:sideways", ()),
        ("*", "", ()),
    ],
)
def test_sorts(query: str, text: str, sort: Any) -> None:
    assert searched(query, sort=text).sort == sort


@pytest.mark.parametrize(
    ("text", "aggregates"),
    [
        ("value.age:stats", (Stats("value.age"),)),
        ("a:range:*~18:18~65.5:-65~*", (Ranges("a", [(None, 18), (18, 65.5), (-65, None)]),)),
        ("a:range:0~1:", (Ranges("a", [(0, 1)]),)),
        ("a:distance:0~1", (Distances("a", [(0, 1)]),)),
        ("a:time_series:day", (TimeSeries("a", "day"),)),
        ("a:time_series:Hour: 0900", (TimeSeries("a", "hour", "+0900"),)),
        ("a:time_series:day:-0330", (TimeSeries("a", "day", "-0330"),)),
        ("a:top_values,b:stats", (TopValues("a"), Stats("b"))),
        ("a:top_values:offset", (TopValues("a"),)),
        ("a:top_values:offset:2:limit:20", (TopValues("a", 2, 20),)),
    ],
)
def test_aggregates_with_the_bugs_of_the_clients(text: str, aggregates: Any) -> None:
    assert searched(aggregate=text).aggregates == aggregates


TIMESTAMPS = [
    ("784111777000", 784111777000),
    ("1", 1),
    ("19941106T084937Z", 784111777000),
    ("19941106T014937.221-0700", 784111777221),
    ("1994-11-06T08:49:37Z", 784111777000),
    ("1994-11-06T01:49:37.221-07:00", 784111777221),
    ("Sun, 06 Nov 1994 08:49:37 UTC", 784111777000),
    ("Sun, 06 Nov 1994 01:49:37 MST", 784111777000),
    ("Sun, 06 Nov 1994 01:49:37 -0700", 784111777000),
    ("Sunday, 06-Nov-1994 08:49:37 UTC", 784111777000),
    ("Sunday, 06-Nov-14 08:49:37 UTC", 1415263777000),
    ("Sun Nov 6 08:49:37 1994", 784111777000),
]


@pytest.mark.parametrize(("text", "moment"), TIMESTAMPS)
def test_formats_of_timestamps(text: str, moment: int) -> None:
    operation = asked(f"POST /v0/c/k/events/t/{quote(text)}", "{}")
    assert operation == PostEvent(**E, value={}, timestamp=moment)


# -- several at once -------------------------------------------------------------------------------

ENTRIES = (
    '{"path":{"kind":"item","collection":"c","key":"k"},"value":{"a":1}}\n'
    '{"path":{"kind":"event","key":"k","type":"t","timestamp":5},"value":1}'
    '{"source":{"collection":"c","key":"k"},"destination":{"collection":"d","key":"e"},"relation":"f","value":null}'
)


@pytest.mark.parametrize("array", [False, True])
def test_the_bulk_import(array: bool) -> None:
    body = "[" + ENTRIES.replace("}\n{", "},{").replace('1}{"s', '1},{"s') + "]" if array else ENTRIES
    kind = "application/orchestrate-export+json" if array else "application/orchestrate-export-stream+json"
    operation = asked("POST /v0/c", body, Content_Type=kind)
    expected = [Put(**K, value={"a": 1}), PostEvent(**E, value=1, timestamp=5), PutRelation(**R)]
    assert imported(operation) == expected
    assert list(operation.slices(2, 1000)) == [expected[:2], expected[2:]]
    assert list(operation.slices(10, 80)) == [expected[:2], expected[2:]]


def imported(operation: Any) -> list[Any]:
    assert isinstance(operation, Import)
    return [entry for entries in operation.slices(100, 2**20) for entry in entries]


@pytest.mark.parametrize("value", ["", ',"value":null', ',"value":{}'])
@pytest.mark.parametrize("path", [False, True])
def test_a_relation_of_an_import_needs_no_value(value: str, path: bool) -> None:
    ends = '"source":{"collection":"c","key":"k"},"destination":{"collection":"d","key":"e"},"relation":"f"'
    entry = f'{{"path":{{"kind":"relationship",{ends}}}{value}}}' if path else f"{{{ends}{value}}}"
    assert imported(asked("POST /v0", entry, Content_Type="application/orchestrate-export-stream+json")) == [
        PutRelation(**R)
    ]


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(
    ("value", "info"),
    [('"x\\ud800"', "value: a lone surrogate at position 1"), ("NaN", "value: JSON has no nan")],
)
def test_an_entry_with_what_json_cannot_hold_is_its_own_error(array: bool, value: str, info: str) -> None:
    entries = [f'{{"path":{{"collection":"c","key":"k"}},"value":{each}}}' for each in ("1", value, '"]"')]
    body = f" [ {' , '.join(entries)} ] " if array else "\n ".join(entries)
    read = imported(asked("POST /v0", body, Content_Type="application/orchestrate-export+json"))
    assert [read[0], read[2]] == [Put(**K, value=1), Put(**K, value="]")]
    assert info in str(read[1])
    kind = "application/vnd.orcodm.batch+json"
    with pytest.raises(BadRequest, match=info.partition(": ")[2]):
        asked("POST /v0", f'[{{"method":"PUT","target":"/v0/c/k","body":{value}}}]', Content_Type=kind)


@pytest.mark.parametrize("body", ["[" + "1," * 4_100_000 + "1]", "{} " * 600_000])
def test_entries_without_end_are_refused(body: str) -> None:
    with pytest.raises(TooLarge, match="at most 500000 entries"):
        asked("POST /v0", body, Content_Type="application/orchestrate-export+json")


@pytest.mark.parametrize(
    "body",
    [
        "[NaN,]",
        "[NaN",
        "NaN]",
        "[NaN}",
        "[NaN NaN]",
        "[NaN],",
        "[,NaN]",
        "[1,]",
        '{"a":1',
        "[1] [2]",
        '{"a":nul}',
        "nope",
    ],
)
def test_what_is_no_export_is_refused_as_a_whole(body: str) -> None:
    with pytest.raises(BadRequest, match="not an export"):
        asked("POST /v0", body, Content_Type="application/orchestrate-export-stream+json")


@pytest.mark.parametrize(
    ("value", "info"),
    [
        (r'{"a":["b","\ud800x"]}', r"a\[1\]: a lone surrogate at position 0"),
        (r'{"\udfff":1}', "lone surrogate"),
        ('{"a":NaN}', "a: JSON has no nan"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_place(value: str, info: str) -> None:
    with pytest.raises(BadRequest, match=info) as refused:
        asked("PUT /v0/c/k", value)
    assert re.search(info, refused.value.details["info"])


def test_kinds_of_an_import_may_be_the_constants_of_java() -> None:
    for written in ("item", "ITEM"):
        body = ENTRIES.replace('"item"', f'"{written}"').replace('"event"', '"EVENT"')
        operation = asked("POST /v0/c", body, Content_Type="application/orchestrate-export-stream+json")
        assert [type(entry) for entry in imported(operation)] == [Put, PostEvent, PutRelation]


def test_an_entry_that_cannot_be_read_is_its_own_error() -> None:
    entries = (
        '[{"value":1},{"path":{"key":"k"},"value":1},{"path":{"collection":"c","key":"k"},"value":2},'
        '{"path":{"collection":"c","key":"k"}},[],"\xff",{"path":{"collection":"c","key":"k"},"value":1e999}]'
    )
    operation = asked("POST /v0", entries, Content_Type="application/orchestrate-export+json")
    entries_read = imported(operation)
    assert [getattr(entry, "status", 200) for entry in entries_read] == [400, 400, 200, 400, 400, 400, 400]
    assert entries_read[2] == Put(**K, value=2)


def test_a_batch_holds_requests() -> None:
    batch = Batch([Put(**K, value={"a": 1}, condition=IfMatch("ab")), Delete(**K)])
    request = encode_request(batch)
    assert request.body == (
        b'[{"method":"PUT","target":"/v0/c/k","headers":{"If-Match":"\\"ab\\"","Content-Type":"application/json"},'
        b'"body":{"a":1}},{"method":"DELETE","target":"/v0/c/k"}]'
    )
    with pytest.raises(ApiError):
        decode_request(Request("POST", "/v0", request.headers, b'[{"method":"GET","target":"/v0/c/k"}]'))
