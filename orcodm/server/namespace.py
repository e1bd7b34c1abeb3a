"""One application's part of an engine: its collections, under their own names, and nothing else.

Collections are stored under the application's name, a colon and their own. Operations are rewritten on
their way in, results and errors on their way out; a query that names collections is rewritten as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import attrs

from ..engine import Capabilities, Closing, Engine
from ..errors import Aborted, ApiError, BadRequest, OrcodmError, UsageError
from ..lucene import parser, renderer
from ..lucene.tree import (
    Boolean,
    Boost,
    Bound,
    Clause,
    Leaf,
    Node,
    Occur,
    Phrase,
    Range,
    Regexp,
    Term,
    Verbatim,
    Wildcard,
)
from ..operations import (
    Batch,
    BatchResult,
    Operation,
    Page,
    Restore,
    Search,
    TopValuesResult,
    ValueCount,
)

R = TypeVar("R")

INLINE_PARTS: Final = 200
"""Of how many parts an operation or a result is rewritten at once."""

_COLLECTION: Final = "@path.collection"
_FIELDS: Final = frozenset({_COLLECTION, "@path.source.collection", "@path.destination.collection"})
_NAMES: Final = ("collection", "to_collection")
_MARKED: Final = frozenset("\\*?+-|()[]{}\"'.@#&<>~^:/")


class Namespaced(Closing):
    """An engine that shows the collections of one application of another engine."""

    def __init__(self, engine: Engine, application: str) -> None:
        self._engine = engine
        self._prefix = f"{application}:"

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    def execute(self, operation: Operation[R], /) -> R:
        try:
            return cast("R", self._shown(operation, self._engine.execute(self._stored(operation))))
        except OrcodmError as error:
            raise self._shown_error(error) from None

    async def aexecute(self, operation: Operation[R], /) -> R:
        try:
            stored = await _beside(self._stored, operation, parts=operation)
            result = await self._engine.aexecute(stored)
            return cast("R", await _beside(self._shown, operation, result, parts=result))
        except OrcodmError as error:
            raise self._shown_error(error) from None

    def close(self) -> None:
        """Nothing: the engine belongs to all of its applications."""

    async def aclose(self) -> None:
        """Nothing: the engine belongs to all of its applications."""

    # -- in ----------------------------------------------------------------------------------------

    def _stored(self, operation: Any) -> Any:
        if isinstance(operation, Batch):
            return Batch([self._stored(part) for part in operation.operations])
        if isinstance(operation, Restore):
            return Restore([attrs.evolve(record, **self._names(record)) for record in operation.records])
        names = self._names(operation)
        if isinstance(operation, Search):
            query = self._stored_query(operation.query, operation.collection is None)
            return attrs.evolve(operation, query=query, **names)
        return attrs.evolve(operation, **names)

    def _names(self, operation: Any) -> dict[str, Any]:
        return {
            name: self._prefix + getattr(operation, name)
            for name in _NAMES
            if getattr(operation, name, None) is not None
        }

    def _stored_query(self, query: str, everywhere: bool) -> str:
        tree = parser.parse(query)
        if everywhere:
            # Without a weight of its own, so that the scores stay what they are.
            within = Boost(Wildcard(_literal(self._prefix, "\\*?") + "*", _COLLECTION), 0.0)
            tree = Boolean((Clause(Occur.MUST, self._stored_node(tree)), Clause(Occur.MUST, within)))
        elif "@path" in query:
            tree = self._stored_node(tree)
        else:
            return query
        return renderer.render(tree)

    def _stored_node(self, node: Node) -> Node:
        if isinstance(node, Boolean):
            return Boolean(Clause(clause.occur, self._stored_node(clause.node)) for clause in node.clauses)
        if isinstance(node, Boost):
            return Boost(self._stored_node(node.node), node.factor)
        return self._stored_leaf(node) if getattr(node, "field", None) in _FIELDS else node

    def _stored_leaf(self, leaf: Leaf) -> Leaf:
        match leaf:
            case Term(text, field) | Phrase(text, field) | Verbatim(text, field):
                return Verbatim(self._prefix + text, field)
            case Wildcard(pattern, field):
                return Wildcard(_literal(self._prefix, "\\*?") + pattern, field)
            case Regexp(pattern, field):
                return Regexp(_literal(self._prefix, _MARKED) + pattern, field)
            case Range(lower, upper, field):
                # The open ends are those of the application.
                last = Bound(self._prefix[:-1] + ";", inclusive=False, quoted=True)
                return Range(
                    self._stored_bound(lower) or Bound(self._prefix), self._stored_bound(upper) or last, field
                )
            case _:
                return leaf

    def _stored_bound(self, bound: Bound | None) -> Bound | None:
        return None if bound is None else Bound(self._prefix + bound.text, bound.inclusive, quoted=True)

    # -- out ---------------------------------------------------------------------------------------

    def _shown(self, operation: Any, result: Any) -> Any:
        match result:
            case Page():
                shown = tuple(self._shown_value(entry) for entry in result.results if self._is_own(entry))
                return attrs.evolve(
                    result,
                    results=shown,
                    next=self._shown_page(operation, result.next),
                    prev=self._shown_page(operation, result.prev),
                    aggregates=tuple(map(self._shown_aggregate, result.aggregates)),
                )
            case BatchResult(outcomes):
                return BatchResult([self._shown_value(outcome) for outcome in outcomes])
            case _:
                return self._shown_value(result)

    def _is_own(self, entry: Any) -> bool:
        # Whoever dumps all collections dumps all of them; whatever else finds something found it here.
        own: bool = entry.collection.startswith(self._prefix)
        return own

    def _shown_value(self, value: Any) -> Any:
        if isinstance(value, OrcodmError):
            return self._shown_error(value)
        if value is None or isinstance(value, bool):
            return value
        names = {name: self._own(getattr(value, name)) for name in _NAMES if hasattr(value, name)}
        return attrs.evolve(value, **names)

    def _shown_page(self, operation: Any, page: Any) -> Any:
        if page is None:
            return None
        asked = {"collection": operation.collection}
        if isinstance(operation, Search):
            asked["query"] = operation.query
        return attrs.evolve(page, **asked)

    def _shown_aggregate(self, aggregate: Any) -> Any:
        if not isinstance(aggregate, TopValuesResult) or aggregate.field not in _FIELDS:
            return aggregate
        entries = [ValueCount(self._own(entry.value), entry.count) for entry in aggregate.entries]
        return attrs.evolve(aggregate, entries=entries)

    def _shown_error(self, error: OrcodmError) -> OrcodmError:
        if isinstance(error, ApiError):
            message = error.message.replace(self._prefix, "")
            return ApiError.of(error.status, error.code, message, self._shown_details(error.details))
        if isinstance(error, Aborted):
            return Aborted(str(error).replace(self._prefix, ""))
        if isinstance(error, UsageError):
            return BadRequest(str(error).replace(self._prefix, ""))
        return error

    def _shown_details(self, details: Any) -> Any:
        if isinstance(details, dict):
            return {
                name: self._own(member) if name == "collection" else self._shown_details(member)
                for name, member in details.items()
            }
        if isinstance(details, list | tuple):
            return [self._shown_details(member) for member in details]
        return details

    def _own(self, name: Any) -> Any:
        return name.removeprefix(self._prefix) if isinstance(name, str) else name


async def _beside(rewrite: Callable[..., Any], *given: Any, parts: Any) -> Any:
    """What rewriting gives: of many parts beside the event loop."""
    for name in ("operations", "records", "outcomes", "results"):
        if len(getattr(parts, name, ())) > INLINE_PARTS:
            return await asyncio.to_thread(rewrite, *given)
    return rewrite(*given)


def _literal(text: str, marked: Any) -> str:
    return "".join("\\" + letter if letter in marked else letter for letter in text)
