"""The OpenAPI document of the routes, generated from the table that the codec reads."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Final

from ..operations import PutRelation
from ..wire.batches import BATCH_TYPE, IMPORT_TYPES, RECORDS_TYPE
from ..wire.responses import CACHED
from ..wire.routes import MERGE_TYPE, PATCH_TYPE, QUERY_TYPE, TABLE, Route
from .answers import ANYTHING, SCHEMAS, answer, codes, named

_MEDIA: Final[dict[str, tuple[str, ...]]] = {
    "value": ("application/json",),
    "properties": ("application/json",),
    "changes": (PATCH_TYPE, MERGE_TYPE, "application/json"),
    "batch": (BATCH_TYPE, *sorted(IMPORT_TYPES)),
    "records": (RECORDS_TYPE,),
    "query": (QUERY_TYPE,),
}
_ERROR: Final[dict[str, Any]] = {"content": {"application/json": {"schema": named("Error")}}}
_CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "If-Match": {"type": "string", "pattern": '^"[0-9a-f]{1,64}"$'},
    "If-None-Match": {"enum": ['"*"', "*"]},
}
_INTEGERS: Final = frozenset({"limit", "offset"})
_FLAGS: Final = frozenset({"values", "upsert", "purge", "force", "whole"})


@cache
def describe() -> dict[str, Any]:
    """The document; routes that share path and method are described together."""
    paths: dict[str, dict[str, Any]] = {}
    for route in TABLE:
        if route.liberal:
            continue
        path = "/v0" + ("/" + route.path if route.path else "").replace("{*", "{")
        methods = paths.setdefault(path, {})
        known = methods.get(route.method.lower())
        methods[route.method.lower()] = _operation(route) if known is None else _together(known, route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Orchestrate v0",
            "version": version("orcodm"),
            "description": "Keys with their history, full-text search, events and a graph.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "basic"}},
            "schemas": SCHEMAS,
        },
        "security": [{"key": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{route.operation.__name__}_{len(route.segments)}"
        + ("_by_body" if route.body == "query" else ""),
        "summary": (route.operation.__doc__ or "").partition("\n")[0],
        "parameters": _parameters(route),
        "responses": {
            str(route.status): answer(route.operation),
            "4XX": {"description": f"The request was refused: {', '.join(codes())}."}
            | ({} if route.method == "HEAD" else _ERROR),
        },
    }
    if route.operation in CACHED and route.method == "GET":
        described["responses"]["304"] = {"description": "The reader has it: If-None-Match names its ref."}
        described["parameters"].append(
            {"name": "If-None-Match", "in": "header", "description": "Refs.", "schema": {"type": "string"}}
        )
    if route.operation is PutRelation:
        described["responses"]["204"] = answer(PutRelation) | {"description": "Done, to early clients."}
    if route.body:
        schema = {"type": "string"} if route.body == "query" else ANYTHING
        media = {kind: {"schema": schema} for kind in _MEDIA[route.body]}
        described["requestBody"] = {"required": route.body != "properties", "content": media}
    return described


def _parameters(route: Route) -> list[dict[str, Any]]:
    names = [name for _, name in route.fields] + ([route.rest] if route.rest else [])
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in names
    ]
    found += [
        {
            "name": parameter.name,
            "in": "query",
            "description": parameter.about,
            "schema": _schema(parameter.name),
        }
        for parameter in route.parameters
    ]
    found += [
        {"name": name, "in": "query", "required": True, "schema": {"enum": [value]}}
        for name, value in route.required
    ]
    found += [{"name": name, "in": "query", "schema": {"enum": [value]}} for name, value in route.always]
    if route.condition:
        found += [{"name": name, "in": "header", "schema": schema} for name, schema in _CONDITIONS.items()]
    return found


def _schema(name: str) -> dict[str, Any]:
    if name in _INTEGERS:
        return {"type": "integer", "minimum": 0} | ({"maximum": 100} if name == "limit" else {})
    return {"type": "boolean"} if name in _FLAGS else {"type": "string"}


def _together(known: dict[str, Any], route: Route) -> dict[str, Any]:
    other = _operation(route)
    parameters = {(each["in"], each["name"]): each for each in (*known["parameters"], *other["parameters"])}
    if "200" in known["responses"] and "200" in other["responses"]:
        # Which of them is answered is for the reader to know, who knows what was asked.
        schemas = [each["responses"]["200"]["content"] for each in (known, other)]
        either = {"anyOf": [each["application/json"]["schema"] for each in schemas]}
        known["responses"]["200"]["content"] = {"application/json": {"schema": either}}
    together = known | {
        "summary": f"{known['summary']} Or: {other['summary']}",
        "parameters": list(parameters.values()),
        "responses": other["responses"] | known["responses"],
    }
    if "requestBody" in other and "requestBody" in known:
        content = known["requestBody"]["content"] | other["requestBody"]["content"]
        together["requestBody"] = known["requestBody"] | {"content": content}
    return together
