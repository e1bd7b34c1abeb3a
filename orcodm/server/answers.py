"""What the OpenAPI document says of answers: the schema of each body, and the headers beside it.

Schemas say what is promised, and leave room for what may be added: members that a reader does not know are
no error.
"""

from __future__ import annotations

from typing import Any, Final

from ..errors import ApiError
from ..operations import (
    Batch,
    Dump,
    Get,
    GetEvent,
    GetRelation,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    ListTerms,
    Operation,
    Patch,
    PatchEvent,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Restore,
    Search,
)

Schema = dict[str, Any]

ANYTHING: Final[Schema] = {}
"""The schema of a value under a key: any JSON."""

_TEXT: Final[Schema] = {"type": "string"}
_INTEGER: Final[Schema] = {"type": "integer"}
_REF: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{1,64}$"}
_ETAG: Final[Schema] = {"type": "string", "pattern": '^"[0-9a-f]{1,64}"$'}
_LINK: Final[Schema] = {"type": "string", "pattern": "^/v0"}


def _object(required: Schema, **optional: Schema) -> Schema:
    return {"type": "object", "required": [*required], "properties": required | optional}


def named(schema: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{schema}"}


def _page(of: Schema, **optional: Schema) -> Schema:
    required = {"count": {"type": "integer", "minimum": 0}, "results": {"type": "array", "items": of}}
    return _object(required, next=_LINK, prev=_LINK, **optional)


_ITEM_PATH: Final = _object({"collection": _TEXT, "key": _TEXT, "ref": _REF, "kind": {"const": "item"}})
_EVENT_PATH: Final = _object(
    {
        "collection": _TEXT,
        "key": _TEXT,
        "type": _TEXT,
        "timestamp": _INTEGER,
        "ordinal": _INTEGER,
        "ordinal_str": _TEXT,
        "ref": _REF,
        "kind": {"const": "event"},
    }
)
_END: Final = _object({"collection": _TEXT, "key": _TEXT, "kind": {"const": "item"}})
_RELATION_PATH: Final = _object(
    {"source": _END, "destination": _END, "relation": _TEXT, "ref": _REF, "kind": {"const": "relationship"}}
)
_VERSION_PATH: Final = _object(
    # The ref of a tombstone is the empty text.
    {"collection": _TEXT, "key": _TEXT, "ref": _TEXT, "kind": {"const": "item"}},
    tombstone={"const": True},
)
_BESIDE: Final[Schema] = {
    "value": ANYTHING,
    "reftime": _INTEGER,
    "score": {"type": "number"},
    "distance": {"type": "number"},
}
_PART: Final = _object(
    {"status": {"type": "integer", "minimum": 200, "maximum": 599}},
    headers={"type": "object", "additionalProperties": _TEXT},
    body=ANYTHING,
)
_IMPORTED: Final = _object(
    {
        "status": {"enum": ["success", "partial", "failure"]},
        "success_count": {"type": "integer", "minimum": 0},
        "results": {"type": "array", "items": {"type": "object"}},
    }
)

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": _object({"message": _TEXT, "code": _TEXT}, details={"type": "object"}),
    "Item": _object({"path": _ITEM_PATH}, **_BESIDE),
    "Event": _object(
        {"path": _EVENT_PATH, "value": ANYTHING, "timestamp": _INTEGER, "ordinal": _INTEGER}, reftime=_INTEGER
    ),
    "Version": _object({"path": _VERSION_PATH}, value=ANYTHING, reftime=_INTEGER),
    "SearchResult": {
        "anyOf": [_object({"path": path}, **_BESIDE) for path in (_ITEM_PATH, _EVENT_PATH, _RELATION_PATH)]
    },
    "Items": _page(named("Item")),
    "Events": _page(named("Event")),
    "Versions": _page(named("Version")),
    "SearchResults": _page(
        named("SearchResult"),
        total_count={"type": "integer", "minimum": 0},
        aggregates={"type": "array", "items": _object({"aggregate_kind": _TEXT, "value_count": _INTEGER})},
    ),
    "Terms": _page(
        _object({"term": _TEXT, "count": {"type": "integer", "minimum": 0}}),
        total_count={"type": "integer", "minimum": 0},
    ),
    "Records": _page({"anyOf": [named("Version"), named("SearchResult")]}),
    "Outcomes": {"anyOf": [{"type": "array", "items": _PART}, _IMPORTED]},
}
"""The schemas by their names in the document."""

BODIES: Final[dict[type[Operation[Any]], Schema]] = {
    Get: ANYTHING,
    GetRelation: {"type": "object"},
    GetEvent: named("Event"),
    List: named("Items"),
    ListRelations: named("Items"),
    ListRefs: named("Versions"),
    ListEvents: named("Events"),
    Search: named("SearchResults"),
    Batch: named("Outcomes"),
    ListTerms: named("Terms"),
    Dump: named("Records"),
    Restore: named("Outcomes"),
}
"""The bodies of answers that have one."""

_WRITTEN: Final = ("ETag", "Location")
HEADERS: Final[dict[type[Operation[Any]], tuple[str, ...]]] = {
    Get: ("ETag", "Content-Location"),
    GetEvent: ("ETag",),
    GetRelation: ("ETag",),
    Put: _WRITTEN,
    Post: _WRITTEN,
    Patch: _WRITTEN,
    PostEvent: _WRITTEN,
    PutEvent: _WRITTEN,
    PatchEvent: _WRITTEN,
    PutRelation: _WRITTEN,
}
"""The headers that say where something is and which ref it has."""


def answer(operation: type[Operation[Any]]) -> Schema:
    """The answer to an operation, as the document describes a response."""
    described: Schema = {
        "description": "Done.",
        "headers": {"X-ORCHESTRATE-REQ-ID": _header(_TEXT)}
        | {name: _header(_ETAG if name == "ETag" else _LINK) for name in HEADERS.get(operation, ())},
    }
    if operation in BODIES:
        described["content"] = {"application/json": {"schema": BODIES[operation]}}
    return described


def _header(schema: Schema) -> Schema:
    return {"required": True, "schema": schema}


def codes() -> list[str]:
    """The codes that errors have."""
    return sorted({code for _, code in ApiError._by_code})
