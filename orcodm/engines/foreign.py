"""Searches for servers that know no casts: said without them where that means the same, else refused.

The service read texts that are dates as dates, so it orders and groups these by instants without a cast.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from ..errors import Unsupported
from ..lucene.casts import CASTS, DATE, cast_of
from ..lucene.parser import parse
from ..lucene.renderer import render
from ..lucene.tree import Boolean, Boost, Node
from ..operations import Search


def uses_casts(operation: Any) -> bool:
    """Whether an operation may have a field with a cast in it."""
    return isinstance(operation, Search) and (
        any(cast in operation.query for cast in CASTS)
        or any(cast_of(getattr(one, "field", None)) for one in (*operation.sort, *operation.aggregates))
    )


def without_casts(operation: Any) -> Any:
    """The search without casts. Raises `Unsupported` where it would be another one."""
    query = operation.query
    if any(cast in query for cast in CASTS):
        query = render(_plain(parse(query)))
    return evolve(
        operation,
        query=query,
        sort=tuple(map(_with_plain_field, operation.sort)),
        aggregates=tuple(map(_with_plain_field, operation.aggregates)),
    )


def _plain(node: Node) -> Node:
    match node:
        case Boolean():
            return evolve(node, clauses=[evolve(one, node=_plain(one.node)) for one in node.clauses])
        case Boost():
            return evolve(node, node=_plain(node.node))
        case _:
            plain: Node = _with_plain_field(node)
            return plain


def _with_plain_field(thing: Any) -> Any:
    cast = cast_of(getattr(thing, "field", None))
    if cast is None:
        return thing
    if cast[0] is not DATE:
        raise Unsupported(
            f"This server compares the texts of {cast[1]} letter by letter, and not as what they stand for."
        )
    return evolve(thing, field=cast[1])
