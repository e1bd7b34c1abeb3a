"""What goes beyond finding: what is alike, what begins so, and where a score comes from. Flows."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from attrs import frozen

from ..errors import InvalidFilter, NotFound, UsageError
from ..flow import Flow, perform
from ..lucene import explaining
from ..lucene.entries import Entry, entry
from ..lucene.likeness import more_like
from ..lucene.renderer import render
from ..lucene.tree import Boolean, Boost, Clause, Node, Occur, Verbatim
from ..operations import (
    ListTerms,
    Search,
    TermCount,
)
from .expressions import Criterion, Expr, path_of
from .listing import NAMES, at_path, entry_of

ITEM: Final = "item"
EVERYTHING: Final = "*"
MOST_WORDS: Final = 500
"""Of a longer text the most frequent words are compared."""


def suggestions(
    model: Any, field: Any, prefix: str, words: bool, limit: int, refined: bool
) -> Flow[list[TermCount]]:
    """The most frequent words or values of a field that begin with a text."""
    collection = _whole_collection(model, "suggest", refined)
    if not isinstance(field, Expr) or not field.path.startswith("value."):
        raise InvalidFilter(f"suggest takes a field such as User.name, not {field!r}")
    if not isinstance(prefix, str):
        raise InvalidFilter(f"suggest takes the beginning of a text, not {prefix!r}")
    asked = ListTerms(collection=collection, field=field.path, whole=not words, prefix=prefix, limit=limit)
    return _terms(asked)


def _terms(asked: ListTerms) -> Flow[list[TermCount]]:
    answer = yield from perform(asked)
    return list(answer.terms)


def alike(model: Any, document: Any, fields: tuple[Any, ...], most: int, least: int) -> Flow[list[Criterion]]:
    """The criteria of what is like a document: it shares the words that tell it apart, and is not itself."""
    collection = _whole_collection(model, "like", False)
    if not hasattr(document, "_dumped"):
        raise InvalidFilter(f"like takes a document, not {document!r}")
    sample = entry(ITEM, {}, document._dumped(False))
    counts: dict[tuple[str | None, str], int] = {}
    documents = 0
    names = _text_fields(sample, fields)
    for name in names:
        frequent = Counter(word for words in sample.tokens(name) for word in words).most_common(MOST_WORDS)
        asked = ListTerms(collection=collection, field=name, only=[word for word, _ in frequent])
        answer = yield from perform(asked)
        documents = max(documents, answer.documents)
        counts |= {(name, term.text): term.count for term in answer.terms}
    tree = more_like(
        sample,
        documents,
        lambda name, word: counts.get((name, word), 0),
        fields=names,
        most=most,
        least_documents=least,
    )
    criteria = [Criterion(tree)]
    identity = document._state.identity
    if identity is not None and identity[0] == collection and len(identity) == len(NAMES[ITEM]):
        criteria.append(~Criterion(Verbatim(identity[1], "@path.key")))
    return criteria


def _text_fields(sample: Entry, fields: tuple[Any, ...]) -> list[str]:
    """The fields of an entry that have words: all, or those that are given and below them."""
    wanted = [path_of(field) for field in fields]
    for field, path in zip(fields, wanted, strict=True):
        if not isinstance(path, str):
            raise InvalidFilter(f"like takes fields such as User.bio, not {field!r}")
    return [
        name
        for name in sample.leaves
        if any(sample.tokens(name))
        and (not wanted or any(name == path or name.startswith(f"{path}.") for path in wanted))
    ]


def _whole_collection(model: Any, method: str, refined: bool) -> str:
    if model._kind != ITEM or not model.collection:
        raise InvalidFilter(f"{method} is asked of the documents of one collection: User.query.{method}(...)")
    if refined or (method == "suggest" and model._criterion() is not None):
        raise InvalidFilter(
            f"{method} knows the words of whole collections, and nothing of filters: User.query.{method}(...)"
        )
    collection: str = model.collection
    return collection


# -- where a score comes from ----------------------------------------------------------------------


@frozen
class Scored:
    """Whether and why a document is a hit: its score, and what each part of the query adds to it."""

    score: float | None
    parts: explaining.Explanation


def scoring(model: Any, tree: Node, document: Any) -> Flow[Scored]:
    """Why a stored document matches a query or does not. Raises `NotFound`, `UsageError`.

    Scores are sums, so each leaf is searched for by itself, in that document only and among all.
    """
    identity = getattr(getattr(document, "_state", None), "identity", None)
    if identity is None:
        raise UsageError(f"explain takes a document that is stored, not {document!r}")
    collection = model.collection or None
    itself = at_path(model._kind, identity)
    page = yield from perform(Search(query=render(itself), collection=collection, limit=1))
    if not page.results:
        raise NotFound(f"{document!r} is not there any more, or is none of what this query goes through")
    stored = entry_of(model._kind, page.results[0])
    total = yield from _found(collection, model, None)
    contributions: dict[Node, explaining.Contribution] = {}
    for leaf in explaining.scored(tree, stored):
        score = yield from _score(collection, leaf, itself)
        found = yield from _found(collection, model, leaf)
        if score is not None:
            contributions[leaf] = explaining.Contribution(score, found, total)
    score = yield from _score(collection, tree, itself)
    return Scored(score, explaining.explain(tree, stored, contributions))


def _score(collection: str | None, tree: Node, itself: Node) -> Flow[float | None]:
    """The score that one document has for a tree; None where it does not match."""
    both = Boolean((Clause(Occur.MUST, tree), Clause(Occur.MUST, Boost(itself, 0.0))))
    page = yield from perform(Search(query=render(both), collection=collection, limit=1, values=False))
    return page.results[0].score if page.results else None


def _found(collection: str | None, model: Any, tree: Node | None) -> Flow[int]:
    """How many things of the kind a tree finds; None is all."""
    within = [] if model._kind == ITEM else [Clause(Occur.MUST, Verbatim(model._kind, "@path.kind"))]
    clauses = [*within, *([] if tree is None else [Clause(Occur.MUST, tree)])]
    query = render(Boolean(clauses)) if clauses else EVERYTHING
    page = yield from perform(Search(query=query, collection=collection, limit=0, values=False))
    return page.total or 0
