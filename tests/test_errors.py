"""The error table: every row has its class, what is unknown degrades, and errors survive a journey."""

from __future__ import annotations

import copy
import pickle

import pytest

from orcodm import errors
from orcodm.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    IndexingConflict,
    InternalError,
    InvalidDocument,
    InvalidParameter,
    InvalidQuery,
    InvalidValue,
    MalformedRef,
    NotFound,
    OrcodmError,
    PatchConflict,
    Problem,
    RelationNotFound,
    TransportError,
    Unauthorized,
    UsageError,
)

TABLE = [
    (400, "api_bad_request", BadRequest, "The API request is malformed."),
    (400, "search_param_invalid", InvalidParameter, "A provided search query param is invalid."),
    (400, "search_query_malformed", InvalidQuery, "The search query provided is invalid."),
    (400, "item_ref_malformed", MalformedRef, "The provided Item Ref is malformed."),
    (401, "security_unauthorized", Unauthorized, "Valid credentials are required."),
    (404, "items_not_found", NotFound, "The requested items could not be found."),
    (404, "relation_not_found", RelationNotFound, "The requested graph relationship could not be found."),
    (
        409,
        "indexing_conflict",
        IndexingConflict,
        "The item has been stored but conflicts were detected when indexing. "
        "Conflicting fields have not been indexed.",
    ),
    (409, "patch_conflict", PatchConflict, "The patch could not be applied."),
    (412, "item_version_mismatch", Conflict, "The version of the item does not match."),
    (412, "item_already_present", AlreadyExists, "The item is already present."),
    (500, "internal_error", InternalError, "Internal Error."),
]


@pytest.mark.parametrize(("status", "code", "kind", "message"), TABLE)
def test_every_row_of_the_table_has_its_class(
    status: int, code: str, kind: type[ApiError], message: str
) -> None:
    for error in (kind(), ApiError.of(status, code), ApiError.of(status, code.upper())):
        assert type(error) is kind
        assert (error.status, error.code, error.message, str(error)) == (status, code, message, message)
        assert error.details == {}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "something_new", BadRequest),
        (404, None, NotFound),
        (412, "something_new", Conflict),
        (500, "security_authentication", InternalError),
        (409, "something_new", ApiError),  # two classes, and neither is the family of the other
        (409, None, ApiError),
        (418, "teapot", ApiError),
        (503, None, ApiError),
        (404, "item_version_mismatch", NotFound),
    ],
)
def test_an_unknown_code_degrades_by_its_status(status: int, code: str | None, kind: type[ApiError]) -> None:
    error = ApiError.of(status, code, "what came", {"a": 1})
    assert type(error) is kind
    assert error.status == status
    assert error.code == (code or kind.code)
    assert error.message == "what came"
    assert error.details == {"a": 1}


def test_a_conflict_from_the_wire_has_all_that_a_conflict_has() -> None:
    here = Conflict.of_ref("users", "ada", "0a", None)
    there = ApiError.of(here.status, here.code, here.message, here.details)
    assert isinstance(there, Conflict)
    assert str(there) == ("The version of the item does not match. (users/ada: expected 0a, found no value)")
    for error in (here, there):
        assert (error.collection, error.key, error.expected, error.current) == ("users", "ada", "0a", None)
        assert error.conflicts == (error,)
        assert (error.document, error.mine, error.base, error.theirs) == (None, None, None, None)


@pytest.mark.parametrize("details", [{}, {"items": []}, {"items": "no"}, {"items": [3]}, {"items": {}}])
def test_a_conflict_survives_details_of_another_shape(details: dict[str, object]) -> None:
    error = ApiError.of(412, "item_version_mismatch", None, details)
    assert isinstance(error, Conflict)
    assert (error.collection, error.key, error.expected, error.current) == (None, None, None, None)


def test_a_conflict_without_a_document_cannot_merge() -> None:
    with pytest.raises(UsageError, match="no document to merge"):
        Conflict.of_ref("users", "ada", "0a", "0b").merge()


def test_not_found_names_the_item_as_clients_read_it() -> None:
    error = NotFound.item("users", "ada")
    assert str(error) == "The requested items could not be found. (users/ada)"
    assert error.details == {"items": [{"collection": "users", "key": "ada"}]}


def test_an_invalid_query_says_where() -> None:
    error = InvalidQuery(details={"position": 3, "expected": "a term"})
    assert (error.position, error.expected) == (3, "a term")
    assert (InvalidQuery().position, InvalidQuery().expected) == (None, None)


def test_already_exists_is_a_conflict() -> None:
    assert issubclass(AlreadyExists, Conflict)
    assert issubclass(RelationNotFound, NotFound)


def test_every_exception_has_one_root() -> None:
    exceptions = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(exceptions) > 30
    assert all(issubclass(error, OrcodmError) and error.__doc__ for error in exceptions)


@pytest.mark.parametrize(
    "error",
    [
        Conflict.of_ref("users", "ada", "0a", "0b"),
        NotFound.item("users", "ada"),
        ApiError.of(418, "teapot", "short and stout", {"handle": True}),
        TransportError("lost", sent=False),
        InvalidValue("JSON has no nan", path="a.b"),
        InvalidDocument("User", "ada", [Problem("age", "x", "no number"), Problem("name", None, "missing")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_a_copy_and_another_process(error: OrcodmError) -> None:
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_an_invalid_document_reports_all_problems_at_once() -> None:
    error = InvalidDocument(
        "User", "ada", [Problem("age", "x" * 100, "no number"), Problem("a.b[2]", 1, "no")]
    )
    assert str(error).splitlines() == [
        "User 'ada' does not fit its model:",
        f"  age: no number (got '{'x' * 76}...)",
        "  a.b[2]: no (got 1)",
    ]
    assert str(InvalidDocument("User", None, [])) == "User does not fit its model:"
