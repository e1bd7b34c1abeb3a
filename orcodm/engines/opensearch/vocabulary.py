"""Terms of a field with their counts: what somebody who types may mean.

Whole values are counted from their columns. Words have none, so each shard makes one for a field when it is
first asked for its words, and keeps it in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...lucene.analysis import cases, lower
from ...lucene.entries import field_name
from ...lucene.exact import equal
from ...lucene.tree import Exists, Node, Term
from ...operations import LONGEST_TERM, ListTerms, TermCount, Terms
from .compile import PATHS, compile_tree
from .context import Context
from .exchange import Steps
from .fields import STRING, WORDS
from .names import ITEM, path
from .search import scoped

MARGIN: Final = 1_000
"""How many terms more are asked for: of those with the same count the first by the alphabet are shown."""


def list_terms(context: Context, operation: ListTerms) -> Steps[Terms]:
    field = field_name(operation.field) or operation.field
    kind: Callable[[str, str], Node] = equal if operation.whole else Term
    counts: dict[str, Any] = {"documents": {"filter": compile_tree(Exists(field), context.fields.of)}}
    for number, text in enumerate(operation.only):
        counts[f"{number}"] = {"filter": compile_tree(kind(text, field), context.fields.of)}
    if not operation.only:
        counts["terms"] = {"terms": _terms(operation, field)}
    query = scoped({"match_all": {}}, (ITEM,), operation.collection)
    answer = yield from context.search({"query": query, "size": 0, "aggs": counts})
    found = answer["aggregations"]
    if operation.only:
        terms = [
            TermCount(text, found[f"{number}"]["doc_count"]) for number, text in enumerate(operation.only)
        ]
    else:
        terms = _first(operation, found["terms"]["buckets"])
    return Terms(documents=found["documents"]["doc_count"], terms=terms)


def _terms(operation: ListTerms, field: str) -> dict[str, Any]:
    start = lower(operation.prefix)
    pattern = "".join(map(_either_case if operation.whole else _literal, start))
    size = operation.limit + MARGIN
    asked: dict[str, Any] = {"size": size, "shard_size": 2 * size}
    if operation.whole:
        asked["field"] = PATHS.get(field, STRING + path(field))
        asked["include"] = f"{pattern}(.|\n)*"
    else:
        asked["field"] = STRING + path(field) + WORDS
        if pattern:
            asked["include"] = f"{pattern}.*"
    return asked


def _first(operation: ListTerms, buckets: list[Any]) -> list[TermCount]:
    start = lower(operation.prefix)
    counts = [
        (bucket["key"], bucket["doc_count"])
        for bucket in buckets
        if 0 < len(bucket["key"]) <= LONGEST_TERM and lower(bucket["key"]).startswith(start)
    ]
    counts.sort(key=lambda one: (-one[1], lower(one[0]), one[0]))
    return [TermCount(text, count) for text, count in counts[: operation.limit]]


def _literal(character: str) -> str:
    return character if character.isalnum() else f"\\{character}"


def _either_case(character: str) -> str:
    """A pattern for all characters that become this one in lower case."""
    return "(" + "|".join(map(_literal, cases(character))) + ")"
