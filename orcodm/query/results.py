"""What a query answers with besides documents: pages, and explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from attrs import frozen

from ..errors import InvalidFilter
from ..lucene.tree import Node
from ..operations import List, Search, Sort, SortDistance, SortField, SortRandom

if TYPE_CHECKING:
    from ..lucene import explaining

D = TypeVar("D")


class Unread:
    """What reads when it is looped over, and not before: it has no truth value, which would have to read."""

    def __bool__(self) -> NoReturn:
        raise InvalidFilter(
            f"{type(self).__name__} has no truth value, since it has not been read: loop over it, or ask for "
            "all(), first() or exists() where it has them"
        )


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
    """How a query will run: its text, its tree, the operation that starts it, and how it pages.

    Where a document was asked about, `score` is its score (None: it does not match), and `parts` says which
    parts of the query it matches and what each adds. As a string it is all of that.
    """

    text: str
    tree: Node
    operation: Search | List
    paging: str
    parts: explaining.Explanation
    score: float | None = None

    def __str__(self) -> str:
        score = "" if self.score is None else f"score:      {self.score:.4f}\n"
        return (
            f"query:      {self.text}\ncollection: {self.operation.collection or 'all'}\n"
            f"operation:  {type(self.operation).__name__}\n"
            f"order:      {self._order()}\npaging:     {self.paging}\n{score}\n{self.parts}"
        )

    def _order(self) -> str:
        if isinstance(self.operation, List) or (self.operation.cursor and not self.operation.sort):
            return "key"
        return ", ".join(map(_shown, self.operation.sort)) or "relevance, then key"


def _shown(sort: Sort) -> str:
    match sort:
        case SortField(field, descending):
            return f"{field} {'descending' if descending else 'ascending'}"
        case SortDistance(field, descending):
            return f"distance of {field} {'descending' if descending else 'ascending'}"
        case SortRandom(seed):
            return "random" if seed is None else f"random, seed {seed!r}"
