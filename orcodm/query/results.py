"""What a query answers with besides documents: pages, and explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, overload

from attrs import frozen

from ..lucene.tree import Node
from ..operations import List, Search

D = TypeVar("D")


class ResultPage(Sequence[D]):
    """The documents of one page, with the number of all matches (`total`, None where not counted)."""

    def __init__(self, documents: Sequence[D], total: int | None) -> None:
        self._documents = tuple(documents)
        self.total = total

    @overload
    def __getitem__(self, index: int) -> D: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[D]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._documents[index]

    def __len__(self) -> int:
        return len(self._documents)

    def __repr__(self) -> str:
        return f"<ResultPage {len(self)} of {self.total}>"


@frozen
class Explanation:
    """How a query will run: its text, its tree, the operation that starts it, and how it pages."""

    text: str
    tree: Node
    operation: Search | List
    paging: str

    def __str__(self) -> str:
        sort = ", ".join(map(str, getattr(self.operation, "sort", ()))) or "relevance, then key"
        if isinstance(self.operation, List):
            sort = "key"
        return (
            f"query:      {self.text}\ncollection: {self.operation.collection}\n"
            f"operation:  {type(self.operation).__name__}\n"
            f"order:      {sort}\npaging:     {self.paging}\ntree:       {self.tree}"
        )
