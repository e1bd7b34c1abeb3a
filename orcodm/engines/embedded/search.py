"""Search: which documents match, in which order, which page of them."""

from __future__ import annotations

from ...errors import Unsupported
from ...operations import Page, Search, SearchResult
from .store import Store


class Searcher:
    def __init__(self, store: Store) -> None:
        self.store = store

    def close(self) -> None:
        """Release the index."""


def search(searcher: Searcher, operation: Search) -> Page[SearchResult]:
    raise Unsupported("search is not there yet")
