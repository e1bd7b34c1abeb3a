"""Search: from the operation to the body of a request, and from its hits to a page."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from attrs import evolve

from ...errors import InvalidParameter
from ...lucene.evaluator import distance, find_near, mentions_kind
from ...lucene.parser import parse
from ...lucene.tree import Node
from ...operations import AggregateResult, Page, Search, SearchResult
from ..paging import page_before
from .aggregates import plan_aggregate
from .compile import Query, compile_tree, has_words, needs_fields
from .context import Context
from .documents import STORED, Draft, as_result
from .exchange import Steps
from .mapping import MAX_WINDOW
from .names import ITEM, KINDS
from .ordering import Clauses, is_by_score, ordering, read_cursor, write_cursor

_WITHOUT_VALUE: Final = [name for name in STORED if name != "value"]


class Understood:
    """A query: everything about it that does not depend on the index."""

    def __init__(self, text: str) -> None:
        self.tree: Node = parse(text)
        self.kinds = KINDS if mentions_kind(self.tree) else (ITEM,)
        self.measured = find_near(self.tree) is not None
        self.needs_fields = needs_fields(self.tree)
        self.has_words = has_words(self.tree)


_remembered = lru_cache(maxsize=500)(Understood)

LONGEST_REMEMBERED: Final = 2_000
"""Queries of more characters are not remembered: a loop asks for documents by their keys, each query once."""


def understand(text: str) -> Understood:
    """The query of a text; the last ones are remembered. Raises `InvalidQuery`."""
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else Understood(text)


def search(context: Context, operation: Search) -> Steps[Page[SearchResult]]:
    if not operation.query.strip():
        raise InvalidParameter(details={"query": "Query is empty."})
    query = understand(operation.query)
    order = ordering(operation, query.tree, query.kinds)
    after = read_cursor(operation, order)
    if query.needs_fields:
        # Others may have added fields since.
        yield from context.fields.learn()
    plans = [plan_aggregate(each, query.tree) for each in operation.aggregates]
    body = _body(operation, query, compile_tree(query.tree, context.fields.of), order, after)
    if plans:
        body["aggs"] = {
            f"{number}": {"filter": {"match_all": {}}, "aggs": plan.body} for number, plan in enumerate(plans)
        }
    # Each shard knows its own words only; where they decide, they are counted over all shards first.
    ranked = query.has_words and (
        is_by_score(operation.sort)
        or (not operation.sort and operation.cursor is None and operation.limit > 0)
    )
    params: dict[str, Any] = {"search_type": "dfs_query_then_fetch"} if ranked else {}
    answer = yield from context.search(body, **params)
    aggregates = tuple(plan.read(answer["aggregations"][f"{number}"]) for number, plan in enumerate(plans))
    return _page(operation, query, order, answer["hits"], aggregates)


def scoped(query: Query, kinds: tuple[str, ...], collection: str | None) -> Query:
    """A query among the documents of some kinds, and of a collection."""
    scope: list[Query] = [{"terms": {"kind": kinds}} if len(kinds) > 1 else {"term": {"kind": kinds[0]}}]
    if collection is not None:
        scope.append({"term": {"collection": collection}})
    return {"bool": {"must": [query], "filter": scope}}


def _body(
    operation: Search, query: Understood, compiled: Query, order: Clauses, after: list[Any] | None
) -> dict[str, Any]:
    limit, offset, streams = operation.limit, operation.offset, operation.cursor is not None
    body: dict[str, Any] = {
        "query": scoped(compiled, query.kinds, operation.collection),
        "size": limit + 1 if streams and limit else limit,
        "track_total_hits": not streams,
    }
    if operation.sort or streams:
        body["sort"] = order
        body["track_scores"] = True
    elif limit:
        body["sort"] = [{"_score": "desc"}, *order]
    if after is not None:
        body["search_after"] = after
    if not streams and offset:
        if offset + limit > MAX_WINDOW:
            raise InvalidParameter(
                f"offset {offset} and limit {limit} reach beyond the first {MAX_WINDOW} results; "
                "read them in order with a cursor instead",
                details={"offset": f"Must, with the limit, be at most {MAX_WINDOW}."},
            )
        body["from"] = offset
    if not operation.values and not query.measured:
        body["_source"] = _WITHOUT_VALUE
    return body


def _page(
    operation: Search,
    query: Understood,
    order: Clauses,
    hits: Any,
    aggregates: tuple[AggregateResult, ...],
) -> Page[SearchResult]:
    limit, offset = operation.limit, operation.offset
    found = hits["hits"]
    results = [_result(hit, operation, query) for hit in found[:limit]]
    if operation.cursor is not None:
        following = None
        if len(found) > limit and limit:
            following = evolve(operation, cursor=write_cursor(operation, order, found[limit - 1]["sort"]))
        return Page(results=results, next=following, aggregates=aggregates)
    total = hits["total"]["value"]
    following = None
    if results and offset + len(results) < total:
        following = evolve(operation, offset=offset + limit)
    return Page(
        results=results, next=following, prev=page_before(operation), total=total, aggregates=aggregates
    )


def _result(hit: Any, operation: Search, query: Understood) -> SearchResult:
    source = hit["_source"]
    far = distance(query.tree, Draft(source).entry()) if query.measured else None
    return as_result(source, operation, hit["_score"], far)
