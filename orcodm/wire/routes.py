"""The route table, read in both directions.

A row says where an operation goes: method, path, parameters, condition and body. Encoding takes the
first row of an operation whose path it can fill; decoding takes the row of the path's shape and method,
or, where several share both, the first whose `when` agrees. Rows marked `liberal` are read, never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from attrs import frozen

from ..errors import ApiError, BadRequest, InvalidParameter, MethodNotAllowed, NotFound
from ..operations import (
    DEFAULT_LIMIT,
    Batch,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
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
    Ping,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Restore,
    Search,
)
from .batches import BATCH_TYPE, IMPORT_TYPES, RECORDS_TYPE, Import
from .clauses import read_aggregates, read_fields, read_sort, write_aggregates, write_fields, write_sort
from .messages import Headers, header
from .timestamps import read_bound, read_ordinal, read_timestamp, write_bound, write_ordinal

MAX_LIMIT: Final = 100
"""The largest page of the protocol. Larger ones are an extension, for whom `extended` is said."""

EXTENDED: Final = ("X-Orcodm", "1")
"""The request header of a client that knows our extensions: larger pages than the protocol's."""

MERGE_TYPE: Final = "application/merge-patch+json"
PATCH_TYPE: Final = "application/json-patch+json"
QUERY_TYPE: Final = "application/vnd.orcodm.query"
"""Of a body that is the query of a URL which would be too long. An extension."""

MAX_TARGET: Final = 8_000
"""How long path and query are at most, in what we send: what RFC 9110 (4.1) asks every server to take."""


# -- parameters ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Parameter:
    """A query parameter: its name on the wire, the attribute it is, and both texts.

    `write` gives None where nothing is sent. `read` and `write` also get the operation's query, which
    some of the texts can only be understood with.
    """

    name: str
    attribute: str
    read: Callable[[str, str], Any]
    write: Callable[[Any, str], str | None]
    about: str


def _read_count(name: str) -> Callable[[str, str], int]:
    def read(text: str, query: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20:
            return int(text)
        raise InvalidParameter(
            f"{name} must be a number from 0: {text!r:.40}",
            details={name: f"Not a number from 0: {text:.40}"},
        )

    return read


def _count(name: str, default: int, about: str) -> Parameter:
    return Parameter(
        name=name,
        attribute=name,
        read=_read_count(name),
        write=lambda count, query: None if count == default else str(count),
        about=about,
    )


def _flag(name: str, default: bool, about: str) -> Parameter:
    def read(text: str, query: str) -> bool:
        word = text.lower()
        if word not in ("true", "false"):
            raise InvalidParameter(
                f"{name} is true or false, not {text!r:.40}", details={name: "Neither true nor false."}
            )
        return word == "true"

    return Parameter(
        name=name,
        attribute=name,
        read=read,
        write=lambda value, query: None if value is default else str(value).lower(),
        about=about,
    )


def _text(name: str, attribute: str, about: str) -> Parameter:
    return Parameter(
        name=name,
        attribute=attribute,
        read=lambda text, query: text,
        write=lambda text, query: text,
        about=about,
    )


def _bound(name: str, attribute: str, about: str) -> Parameter:
    return Parameter(
        name=name,
        attribute=attribute,
        read=lambda text, query: read_bound(text),
        write=lambda bound, query: None if bound is None else write_bound(bound),
        about=about,
    )


def _deprecated(parameter: Parameter) -> Parameter:
    """The parameter, read but never sent."""
    return attrs.evolve(parameter, write=lambda value, query: None)


def _integer(name: str, read: Callable[[str], int], write: Callable[[int], str], about: str) -> Parameter:
    return Parameter(
        name=name,
        attribute=name,
        read=lambda text, query: read(text),
        write=lambda number, query: None if number is None else write(number),
        about=about,
    )


def _fields(name: str, about: str) -> Parameter:
    return Parameter(
        name=name,
        attribute=name,
        read=lambda text, query: read_fields(text),
        write=lambda fields, query: write_fields(fields) or None,
        about=about,
    )


_LIMIT = _count("limit", DEFAULT_LIMIT, f"How many results a page has, at most {MAX_LIMIT}.")
_OFFSET = _count("offset", 0, "How many results come before the page.")
_VALUES = _flag("values", True, "Whether the results have their values.")
_FIELDS = (
    _fields("with_fields", "The fields that are kept of each value, divided by commas."),
    _fields("without_fields", "The fields that are dropped of each value, divided by commas."),
)
_SORT = Parameter(
    name="sort",
    attribute="sort",
    read=read_sort,
    write=lambda sort, query: write_sort(sort, query) or None,
    about="The order: field:asc or field:desc, divided by commas.",
)
_AGGREGATE = Parameter(
    name="aggregate",
    attribute="aggregates",
    read=lambda text, query: read_aggregates(text),
    write=lambda aggregates, query: write_aggregates(aggregates) or None,
    about="What is counted over all matches: field:kind:arguments, divided by commas.",
)

# A parameter that is there but empty is a value for these, and nothing for any other.
EMPTY_IS_A_VALUE: Final = frozenset(
    {"query", "startKey", "afterKey", "beforeKey", "endKey", "cursor", "records", "terms"}
)


# -- rows ------------------------------------------------------------------------------------------


@frozen
class Asked:
    """What a choice between rows may look at."""

    parameters: Mapping[str, str]
    headers: Headers

    @property
    def media_type(self) -> str:
        return (header(self.headers, "content-type") or "").partition(";")[0].strip().lower()


@frozen(kw_only=True)
class Route:
    """One row of the table.

    `path` stands below `/v0`, its fields in braces being attributes of the operation; a starred one
    takes all segments that are left. `body` names what the body is: "" (none), "value", "changes",
    "properties", "batch", "records" or "query" (the parameters).
    """

    operation: type[Operation[Any]]
    method: str
    path: str
    parameters: tuple[Parameter, ...] = ()
    always: tuple[tuple[str, str], ...] = ()
    required: tuple[tuple[str, str], ...] = ()
    condition: bool = False
    body: str = ""
    status: int = 200
    when: Callable[[Asked], bool] | None = None
    liberal: bool = False
    segments: tuple[str, ...] = attrs.field(init=False)
    fields: tuple[tuple[int, str], ...] = attrs.field(init=False)
    rest: str | None = attrs.field(init=False)

    @segments.default
    def _segments(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")) if self.path else ()

    @fields.default
    def _fields(self) -> tuple[tuple[int, str], ...]:
        return tuple(
            (at, name[1:-1]) for at, name in enumerate(self.segments) if name[:1] == "{" and "*" not in name
        )

    @rest.default
    def _rest(self) -> str | None:
        return self.segments[-1][2:-1] if self.segments and self.segments[-1][:2] == "{*" else None

    @property
    def shape(self) -> tuple[int, str]:
        """What paths are told apart by: how many segments (-1: any) and the word in third place."""
        word = self.segments[2] if len(self.segments) > 2 else ""
        return (-1 if self.rest else len(self.segments)), word


PATH_FORMS: Final[dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]]] = {
    "timestamp": (read_timestamp, str),
    "ordinal": (read_ordinal, write_ordinal),
}
"""The fields of paths that are not plain names."""

_ITEM = "{collection}/{key}"
_EVENTS = _ITEM + "/events/{type}"
_EVENT = _EVENTS + "/{timestamp}/{ordinal}"
_RELATION = _ITEM + "/relation/{kind}/{to_collection}/{to_key}"


def _searches(asked: Asked) -> bool:
    return "query" in asked.parameters


def _dumps(asked: Asked) -> bool:
    return "records" in asked.parameters


def _lists_terms(asked: Asked) -> bool:
    return "terms" in asked.parameters


def _restores(asked: Asked) -> bool:
    return asked.media_type == RECORDS_TYPE


def _imports(asked: Asked) -> bool:
    return asked.media_type in IMPORT_TYPES


def _searches_by_body(asked: Asked) -> bool:
    return asked.media_type == QUERY_TYPE and "terms" not in asked.parameters


def _lists_terms_by_body(asked: Asked) -> bool:
    return asked.media_type == QUERY_TYPE and "terms" in asked.parameters


def _is_batch(asked: Asked) -> bool:
    return asked.media_type == BATCH_TYPE


def _patches(asked: Asked) -> bool:
    return asked.media_type in (MERGE_TYPE, PATCH_TYPE)


_SEARCH = (
    _text("query", "query", "The Lucene query."),
    _LIMIT,
    _SORT,
    _AGGREGATE,
    _VALUES,
    *_FIELDS,
    _OFFSET,
    _text("cursor", "cursor", "Where keyset paging goes on; * begins it. An extension."),
)

_DUMP = (
    _text("records", "cursor", "Everything that is stored, from where it goes on; * begins. An extension."),
    _LIMIT,
)

_TERMS = (
    _text("terms", "field", "The terms of a field, with how many items have each. An extension."),
    _flag("whole", False, "Whether they are whole values in place of words."),
    _text("prefix", "prefix", "What they begin with."),
    Parameter(
        name="only",
        attribute="only",
        read=lambda text, query: read_fields(text),
        write=lambda texts, query: write_fields(texts) or None,
        about="These in place of all with the prefix, divided by commas.",
    ),
    _LIMIT,
)

_UPSERT = _flag("upsert", False, "Whether the changes apply to {} where there is no value.")

TABLE: Final = (
    Route(operation=Ping, method="HEAD", path=""),
    Route(operation=Dump, method="GET", path="{collection}", parameters=_DUMP, when=_dumps),
    Route(operation=Dump, method="GET", path="", parameters=_DUMP, when=_dumps),
    Route(operation=Search, method="GET", path="{collection}", parameters=_SEARCH, when=_searches),
    Route(operation=ListTerms, method="GET", path="{collection}", parameters=_TERMS, when=_lists_terms),
    Route(operation=Search, method="GET", path="", parameters=_SEARCH),
    *(
        Route(operation=operation, method="POST", path=path, parameters=known, body="query", when=when)
        for path in ("{collection}", "")
        for operation, known, when in (
            (Search, _SEARCH, _searches_by_body),
            (ListTerms, _TERMS, _lists_terms_by_body),
        )
        if path or operation is Search
    ),
    Route(operation=Batch, method="POST", path="", body="batch", when=_is_batch),
    Route(operation=Restore, method="POST", path="", body="records", when=_restores),
    Route(operation=Import, method="POST", path="", body="batch", when=_imports, liberal=True),
    Route(operation=Import, method="POST", path="{collection}", body="batch", when=_imports, liberal=True),
    Route(
        operation=List,
        method="GET",
        path="{collection}",
        parameters=(
            _LIMIT,
            _text("startKey", "start", "The first key."),
            _text("afterKey", "after", "Only keys after this one."),
            _text("beforeKey", "before", "Only keys before this one."),
            _text("endKey", "end", "The last key."),
            _VALUES,
            *_FIELDS,
        ),
    ),
    Route(operation=Post, method="POST", path="{collection}", body="value", status=201),
    Route(
        operation=DeleteCollection,
        method="DELETE",
        path="{collection}",
        required=(("force", "true"),),
        status=204,
    ),
    Route(operation=Get, method="GET", path=_ITEM + "/refs/{ref}", parameters=_FIELDS),
    Route(operation=Get, method="GET", path=_ITEM, parameters=_FIELDS),
    Route(operation=Put, method="PUT", path=_ITEM, condition=True, body="value", status=201),
    Route(
        operation=Patch,
        method="PATCH",
        path=_ITEM,
        parameters=(_UPSERT,),
        condition=True,
        body="changes",
        status=201,
    ),
    Route(
        operation=Patch,
        method="POST",
        path=_ITEM,
        parameters=(_UPSERT,),
        condition=True,
        body="changes",
        status=201,
        when=_patches,
        liberal=True,
    ),
    Route(
        operation=Delete,
        method="DELETE",
        path=_ITEM,
        parameters=(_flag("purge", False, "Whether the history goes as well."),),
        condition=True,
        status=204,
    ),
    Route(
        operation=ListRefs,
        method="GET",
        path=_ITEM + "/refs",
        parameters=(
            _OFFSET,
            _LIMIT,
            _flag("values", False, "Whether the versions have their values."),
            *_FIELDS,
        ),
    ),
    Route(operation=PostEvent, method="POST", path=_EVENT, body="value", status=201),
    Route(operation=PostEvent, method="POST", path=_EVENTS + "/{timestamp}", body="value", status=201),
    Route(
        operation=PostEvent,
        method="POST",
        path=_EVENTS,
        # An ordinal without a timestamp has no place in a path.
        parameters=(_integer("ordinal", read_ordinal, write_ordinal, "The ordinal, if it is free."),),
        body="value",
        status=201,
    ),
    Route(
        operation=PostEvent,
        method="PUT",
        path=_EVENTS,
        parameters=(_integer("timestamp", read_timestamp, str, "When it happened."),),
        body="value",
        status=204,
        liberal=True,
    ),
    Route(
        operation=ListEvents,
        method="GET",
        path=_EVENTS,
        parameters=(
            _bound("startEvent", "start", "The first moment."),
            _deprecated(_bound("start", "start", "The first moment (deprecated).")),
            _bound("afterEvent", "after", "Only after this moment."),
            _bound("beforeEvent", "before", "Only before this moment."),
            _deprecated(_bound("end", "before", "Only before this moment (deprecated).")),
            _bound("endEvent", "end", "The last moment."),
            _LIMIT,
            *_FIELDS,
        ),
    ),
    # Of one moment. The service had it, and no documentation.
    Route(
        operation=ListEvents,
        method="GET",
        path=_EVENTS + "/{timestamp}",
        parameters=(
            _bound("startEvent", "start", "The first moment."),
            _bound("afterEvent", "after", "Only after this moment."),
            _bound("beforeEvent", "before", "Only before this moment."),
            _bound("endEvent", "end", "The last moment."),
            _LIMIT,
            *_FIELDS,
        ),
        liberal=True,
    ),
    Route(operation=GetEvent, method="GET", path=_EVENT, parameters=_FIELDS),
    Route(operation=PutEvent, method="PUT", path=_EVENT, condition=True, body="value", status=204),
    Route(operation=PatchEvent, method="PATCH", path=_EVENT, condition=True, body="changes", status=201),
    Route(
        operation=DeleteEvent,
        method="DELETE",
        path=_EVENT,
        always=(("purge", "true"),),
        condition=True,
        status=204,
    ),
    Route(
        operation=ListRelations,
        method="GET",
        path=_ITEM + "/relations/{*kinds}",
        parameters=(_OFFSET, _LIMIT, *_FIELDS),
    ),
    Route(
        operation=ListRelations,
        method="GET",
        path=_ITEM + "/relation/{*kinds}",
        parameters=(_OFFSET, _LIMIT, *_FIELDS),
        liberal=True,
    ),
    Route(operation=GetRelation, method="GET", path=_RELATION, parameters=_FIELDS),
    Route(operation=PutRelation, method="PUT", path=_RELATION, condition=True, body="properties", status=201),
    Route(
        operation=PutRelation,
        method="PUT",
        path=_RELATION.replace("/relation/", "/relations/"),
        condition=True,
        body="properties",
        status=201,
        liberal=True,
    ),
    Route(
        operation=DeleteRelation,
        method="DELETE",
        path=_RELATION,
        always=(("purge", "true"),),
        condition=True,
        status=204,
    ),
)


# -- both readings ---------------------------------------------------------------------------------


def _by_operation() -> dict[type[Operation[Any]], tuple[Route, ...]]:
    operations = {route.operation for route in TABLE}
    return {
        operation: tuple(route for route in TABLE if route.operation is operation and not route.liberal)
        for operation in operations
    }


def _by_shape() -> dict[tuple[int, str], dict[str, tuple[Route, ...]]]:
    shapes: dict[tuple[int, str], dict[str, tuple[Route, ...]]] = {}
    for route in TABLE:
        methods = shapes.setdefault(route.shape, {})
        methods[route.method] = (*methods.get(route.method, ()), route)
    return shapes


ROUTES: Final = _by_operation()
SHAPES: Final = _by_shape()


def route_to(operation: Operation[Any]) -> Route:
    """The row that an operation is sent by."""
    routes = ROUTES[type(operation)]
    for route in routes:
        if all(getattr(operation, name) is not None for _, name in route.fields):
            return route
    raise AssertionError(f"no route for {operation!r}")


def route_of(method: str, names: list[str], asked: Asked) -> Route:
    """The row that a request comes by; `names` are the segments below `/v0`.

    Raises `NotFound` where no row has such a path, `MethodNotAllowed` where none has the method.
    """
    word = names[2] if len(names) > 2 else ""
    methods = SHAPES.get((len(names), word), {})
    if len(names) > 3:
        methods = SHAPES.get((-1, word), {}) | methods
    if not methods:
        raise _nowhere(names)
    if method == "HEAD" and "HEAD" not in methods:
        method = "GET"
    for route in methods.get(method, ()):
        if route.when is None or route.when(asked):
            return route
    if (len(names), method) == (0, "POST"):
        raise BadRequest(f"What is posted here is one of {', '.join(sorted(IMPORT_TYPES))}.")
    # A method of which no row takes this body is not among them.
    allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])} - {method})
    raise MethodNotAllowed(f"{method:.20} is not one of {', '.join(allowed)}.", details={"allow": allowed})


def _nowhere(names: list[str]) -> ApiError:
    if len(names) > 1 and all(names[:2]):
        return NotFound.item(names[0], names[1])
    return ApiError.of(404, "not_found", "There is no such resource.")
