"""The server does what its OpenAPI document says, whatever it is sent."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from orcodm.engines.connect import connect
from orcodm.operations import PostEvent, Put, PutRelation
from orcodm.server.app import create_app
from orcodm.server.openapi import describe

KEY = {"Authorization": "Basic a2V5Og=="}
ROUTES = [(path, method) for path, methods in describe()["paths"].items() for method in methods]


def test_references_lead_somewhere() -> None:
    def references(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(references, part))
        if not isinstance(part, dict):
            return set()
        return {part["$ref"]} & {*part.values()} if "$ref" in part else references([*part.values()])

    document = describe()
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= names
    operations = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(set(operations)) == len(operations)


@cache
def described() -> Any:
    """The document as schemathesis reads it, and an application that has something to find."""
    schemathesis = pytest.importorskip("schemathesis")
    engine = connect("memory:")
    for key in ("0", "1"):
        engine.execute(Put(collection="0", key=key, value={"a": key}))
    engine.execute(PostEvent(collection="0", key="0", type="0", value={}, timestamp=0, ordinal=0))
    engine.execute(PutRelation(collection="0", key="0", kind="0", to_collection="0", to_key="1"))
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(engine, ["key"]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the libraries that ask, not of ours
@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_the_server_does_what_its_document_says(path: str, method: str) -> None:
    schema = described()
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    # What reads liberally refuses little, and a query or a patch can be wrong in ways no schema tells: so it
    # is not asked that all valid data be accepted, nor all other refused.
    asked = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
        checks.unsupported_method,
    ]

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(headers=KEY, checks=asked)

    check()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_nothing_is_told_without_a_key(path: str, method: str) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=described()[path][method].as_strategy())
    def check(case: Any) -> None:
        assert case.call(headers={"Authorization": "Basic d3Jvbmc6"}).status_code == 401

    check()
