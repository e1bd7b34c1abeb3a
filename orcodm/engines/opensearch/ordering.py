"""The order of results, in the words of a search, and cursors, which are the last result's values as text.

A field has several forms, and in any one document mostly one of them: so a sort by a field is a sort by its
forms, one after the other, in each of which what is missing comes last. That makes booleans, numbers and
strings follow each other in either direction. (Where an array has several types, those that the first form
does not tell apart are ordered by the next.) The place of a document ends every order, so that no two are
equal.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import orjson

from ...errors import InvalidParameter
from ...lucene.casts import cast_of
from ...lucene.entries import field_name
from ...lucene.evaluator import find_near
from ...lucene.tree import Node
from ...operations import START, Search, Sort, SortDistance, SortField, SortRandom
from .compile import NUMBERS, PATHS, forms_of_cast
from .fields import BOOLEAN, DECIMAL, INSTANT, INTEGER, LONG, NUMBER, POINT, STRING
from .names import ITEM, path

Clauses: TypeAlias = list[Any]

_FORMS: Final = {
    BOOLEAN: "boolean",
    NUMBER: "double",
    INTEGER: "keyword",
    STRING: "keyword",
    LONG: "keyword",
}

_TYPES: Final = {INSTANT: "long", DECIMAL: "double", NUMBER: "double"}

_MIXED: Final = """
long x = Long.parseUnsignedLong(doc['born'].value, 16) ^ params.seed;
x = (x ^ (x >>> 33)) * -49064778989728563L;
x = (x ^ (x >>> 33)) * -4265267296055464877L;
return (x ^ (x >>> 33)) >>> 11;
"""
_WITHOUT: Final = "doc.containsKey(params.field) && doc[params.field].size() > 0 ? 0 : 1"


def ordering(operation: Search, tree: Node, kinds: tuple[str, ...]) -> Clauses:
    """The sort clauses of a search among some kinds; what they leave equal comes in the order of places."""
    clauses = [clause for each in operation.sort for clause in _clauses(each, tree)]
    # As short as can be: each clause is looked up for each match.
    collection = ["collection"] if operation.collection is None else []
    age = ["born"] if kinds != (ITEM,) else []
    return [*clauses, *collection, "key", *age]


def is_by_score(sort: tuple[Sort, ...]) -> bool:
    """Whether the relevance has a part in an order."""
    return any(isinstance(each, SortField) and each.field == "score" for each in sort)


def _clauses(sort: Sort, tree: Node) -> Clauses:
    match sort:
        case SortField(field="score", descending=descending):
            return [{"_score": "desc" if descending else "asc"}]
        case SortField(field=field, descending=descending):
            return _by_field(field_name(field) or field, descending)
        case SortDistance(field=field, descending=descending):
            return _by_distance(field, descending, tree)
        case SortRandom(seed=seed):
            number = int.from_bytes(blake2b((seed or "").encode(), digest_size=8).digest(), signed=True)
            return [_script(_MIXED, seed=number)]


def _by_field(field: str, descending: bool) -> Clauses:
    # Of several values the one that comes first in the direction counts.
    order = "desc" if descending else "asc"
    if (cast := cast_of(field)) is not None:
        return [
            {form + path(cast[1]): {"order": order, "missing": "_last", "unmapped_type": _TYPES[form]}}
            for form in forms_of_cast(cast[0])
        ]
    if field.startswith("@"):
        name = (PATHS | NUMBERS).get(field)
        return [] if name is None else [{name: {"order": order, "missing": "_last"}}]
    forms = list(_FORMS.items())
    return [
        {form + path(field): {"order": order, "missing": "_last", "unmapped_type": kind}}
        for form, kind in (reversed(forms) if descending else forms)
    ]


def _by_distance(field: str, descending: bool, tree: Node) -> Clauses:
    near = find_near(tree, field)
    name = POINT + path(field_name(field) or "")
    if near is None:
        return []
    by_distance = {
        name: {"lat": near.latitude, "lon": near.longitude},
        "order": "desc" if descending else "asc",
        "mode": "max" if descending else "min",
        "unit": "m",
        "ignore_unmapped": True,
    }
    # What has no point is infinitely far, and comes last all the same.
    return [*([_script(_WITHOUT, field=name)] if descending else []), {"_geo_distance": by_distance}]


def _script(source: str, **params: Any) -> dict[str, Any]:
    return {"_script": {"type": "number", "script": {"source": source, "params": params}, "order": "asc"}}


# -- cursors ---------------------------------------------------------------------------------------


def write_cursor(operation: Search, order: Clauses, values: list[Any]) -> str:
    """The place behind a result, as opaque text."""
    data = orjson.dumps([_mark(operation, order), *values])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_cursor(operation: Search, order: Clauses) -> list[Any] | None:
    """The values behind which a search goes on; None at its start. Raises `InvalidParameter`."""
    cursor = operation.cursor
    if cursor is None or cursor == START:
        return None
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found: list[Any] = orjson.loads(data)
        mark, *values = found
    except (ValueError, TypeError, binascii.Error):
        raise InvalidParameter(
            f"{cursor!r} is no cursor of this search; use the `next` of a page, or {START!r} to begin",
            details={"cursor": "Not a cursor."},
        ) from None
    if mark != _mark(operation, order):
        raise InvalidParameter(
            f"{cursor!r} is a cursor of another search", details={"cursor": "Of another search."}
        )
    return values


def _mark(operation: Search, order: Clauses) -> str:
    search = repr((operation.query, operation.collection, order))
    return blake2b(search.encode(), digest_size=8).hexdigest()
