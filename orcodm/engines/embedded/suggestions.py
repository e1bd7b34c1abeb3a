"""Terms of a field with their counts: those of a prefix by its vocabulary, single ones by searching."""

from __future__ import annotations

from ...lucene.entries import field_name
from ...lucene.renderer import render
from ...lucene.tree import Exists, Node, Term, Verbatim
from ...operations import ListTerms, Search, TermCount, Terms
from .search import Searcher, search


def list_terms(searcher: Searcher, operation: ListTerms) -> Terms:
    """The terms of a field."""
    field = field_name(operation.field) or operation.field
    documents = _count(searcher, operation.collection, Exists(field))
    if operation.only:
        kind = Verbatim if operation.whole else Term
        return Terms(
            documents=documents,
            terms=[
                TermCount(text, _count(searcher, operation.collection, kind(text, field)))
                for text in operation.only
            ],
        )
    name = (operation.collection, field, operation.whole)
    return Terms(
        documents=documents, terms=searcher.vocabularies.suggest(name, operation.prefix, operation.limit)
    )


def _count(searcher: Searcher, collection: str, tree: Node) -> int:
    # By asking for the best one, which waits for an index that is being made: that is quicker than reading
    # all documents for every word.
    asked = Search(query=render(tree), collection=collection, limit=1, values=False)
    return search(searcher, asked).total or 0
