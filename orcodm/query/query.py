"""`Query`: an immutable description of a search over the documents of one class, and the ways to run it.

A query that asks for words (`matches`, `phrase`, `fuzzy`, raw text) comes best match first. Any other
comes in the order of `order_by`, or of the keys. A loop meets each document once, whatever it or others write
meanwhile: `listing` says how.
"""

from __future__ import annotations

import html
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Never, Protocol, TypeAlias, TypeVar, cast, overload

from attrs import field, frozen

from ..errors import InvalidFilter, MultipleResults, NotFound
from ..flow import Flow, perform
from ..lucene.renderer import render
from ..lucene.tree import Fuzzy, MatchAll, Node, Phrase, Regexp, Term, Wildcard, leaves
from ..mistakes import refuse, unknown
from ..operations import (
    START,
    Aggregate,
    List,
    Search,
    Sort,
    TermCount,
)
from .expressions import Criterion, Expr, Order, conjunction, orders
from .listing import Walk, is_fixed
from .results import Explanation, ResultPage, Unread
from .summaries import Summaries

if TYPE_CHECKING:
    from ..model.document import Document
    from ..model.events import Event, Series
    from ..model.relation import Relation
    from ..model.relations import Related
    from .beyond import Scored
    from .highlights import Highlights

D = TypeVar("D")
R = TypeVar("R")
E = TypeVar("E", bound="Event")
T = TypeVar("T", bound="Document")

ITEM: Final = "item"

Text: TypeAlias = "Expr[str] | Expr[str | None] | Expr[list[str]]"
"""A field of text."""

_ELSEWHERE: Final = {
    "limit": "slice it, as in query[:10]",
    "offset": "slice it, as in query[10:20]",
    "skip": "slice it, as in query[10:]",
    "where": "write filter(User.age >= 21)",
    "filter_by": "write filter(User.name == 'Ada')",
    "exclude": "write filter(~(User.age >= 21))",
    "get": "write User.get(key), or filter(...).one()",
    "find": "write filter(...) or search(...)",
    "sort": "write order_by(User.age)",
    "delete": "loop over it, and delete each: for user in query: user.delete()",
    "update": "loop over it, and change each in a session, or patch it",
    "scalars": "loop over it, or ask for all()",
    "values": "loop over it",
    "values_list": "loop over it",
    "len": "write count()",
}
"""What to write for the names that other libraries have."""

PAGE_SIZE = 500
"""How many documents a loop reads at once, where the engine allows that many."""


class Source(Protocol):
    """What runs a query: a session."""

    engine: Any
    unit: Any

    def run(self, flow: Flow[Any]) -> Any: ...

    async def arun(self, flow: Flow[Any]) -> Any: ...


class Queryable(Protocol):
    """What a query needs of a document class, or of the events or relations of one."""

    __name__: str
    collection: str
    """Empty for all collections."""
    _kind: str
    """What the results are: "item", "event" or "relationship"."""
    _order: tuple[Sort, ...]
    """The order of results where none is asked for and nothing is scored."""

    def _load_all(self, unit: Any, items: Iterable[Any]) -> Flow[list[Any]]: ...

    def _criterion(self) -> Criterion | None:
        """What tells these things from others in the collection."""

    def _source(self) -> Source:
        """The session that runs a query which names none."""


@frozen(eq=False, repr=False, str=False)
class Query(Summaries, Unread, Generic[D]):
    """A search over the documents of a class. Refining it gives another query; running it reads."""

    model: Any = field()
    _criteria: tuple[Criterion, ...] = ()
    _sort: tuple[Sort, ...] = ()
    _start: int = 0
    _stop: int | None = None
    _session: Source | None = None

    # -- what it goes through

    @overload
    def events(self, of: type[E], type: str | None = None) -> Query[E]: ...
    @overload
    def events(self, of: Series[E]) -> Query[E]: ...
    @overload
    def events(self, of: str | None = None) -> Query[Any]: ...
    def events(self, of: Any = None, type: str | None = None) -> Query[Any]:
        """The events of all documents of the class, newest first: `User.query.events(Login)`.

        `of` is a class of events (of every type that is declared with it, or of `type`), a series
        (`User.events.login`) or the name of a type; None is all of them. Raises `InvalidFilter`.
        """
        return self._through("events", of, type)

    @overload
    def relations(self, kind: Related[T]) -> Query[Relation[D, T]]: ...
    @overload
    def relations(self, kind: str | None = None) -> Query[Relation[D, Any]]: ...
    def relations(self, kind: Any = None) -> Query[Any]:
        """The relations from all documents of the class: `User.query.relations(User.relations.friends)`.

        `kind` may be a name as well; None is all kinds. They come by source, kind and target, and those whose
        ends were deleted are among them. Raises `InvalidFilter`.
        """
        return self._through("relations", kind)

    def _through(self, what: str, *named: Any) -> Query[Any]:
        if self.model._kind != ITEM or self._criteria or self._sort or self._sliced:
            raise InvalidFilter(
                f"{what} are asked of a document class, and refined then: User.query.{what}(...).filter(...)"
            )
        source = self.model._event_source if what == "events" else self.model._relation_source
        return Query(source(*named), session=self._session)

    # -- refining

    def filter(self, *criteria: Criterion, **wrong: Never) -> Query[D]:
        """Only documents that match all of these as well. Raises `InvalidFilter`."""
        self._refuse_slice("filter")
        if wrong:
            refuse("filter", wrong, (), "compare fields, as in User.name == 'Ada'")
        conjunction(criteria)  # an error belongs to the line that made it
        return self._with(criteria=(*self._criteria, *criteria))

    def search(self, text: str, **wrong: Never) -> Query[D]:
        """Only documents that match a query in Lucene's syntax as well. Raises `InvalidQuery`."""
        # Only text needs the parser, a tenth of the package's import.
        from ..lucene.entries import KIND
        from ..lucene.parser import parse

        self._refuse_slice("search")
        if wrong:
            refuse("search", wrong, (), "what it finds is all in its text")
        if not isinstance(text, str):
            remedy = "; criteria are for filter()" if isinstance(text, Criterion) else ""
            raise InvalidFilter(f"search takes the text of a Lucene query, not {text!r:.200}{remedy}")
        tree = parse(text)
        for leaf in leaves(tree):
            if getattr(leaf, "field", None) == KIND and getattr(leaf, "text", None) != self.model._kind:
                raise InvalidFilter(
                    f"this query finds things of the kind {self.model._kind!r} only: others are found by "
                    "User.query.events(...) and User.query.relations(...)"
                )
        return self._with(criteria=(*self._criteria, Criterion(tree)))

    def order_by(self, *given: Order | Expr[Any], **wrong: Never) -> Query[D]:
        """In this order: `User.name`, `-User.age`; missing values last. Replaces an earlier order.

        Raises `InvalidFilter`.
        """
        self._refuse_slice("order_by")
        if wrong:
            refuse("order_by", wrong, (), "descending is -User.age")
        for one in given:
            if isinstance(one, str):
                raise InvalidFilter(
                    f"order_by takes fields, not the text {one!r:.200}: write "
                    f"{'-' if one.startswith('-') else ''}{self.model.__name__}.{one.lstrip('-'):.100}"
                )
        return self._with(sort=orders(given))

    def __getitem__(self, part: slice) -> Query[D]:
        """Some of the documents by their position: `q[10:20]`. Reads nothing yet."""
        if not isinstance(part, slice):
            remedy = (
                f"use q[{part}:].first()" if type(part) is int and part >= 0 else "slice it, as in q[:10]"
            )
            raise InvalidFilter(f"a query has no single position {part!r:.100} without reading: {remedy}")
        start, stop = part.start or 0, part.stop
        if any(edge is not None and not hasattr(edge, "__index__") for edge in (part.start, stop)):
            raise InvalidFilter(f"the bounds of a slice are whole numbers, not {part.start!r} and {stop!r}")
        if part.step not in (None, 1) or start < 0 or (stop is not None and stop < 0):
            raise InvalidFilter("a slice of a query has no step and no negative bounds")
        low = self._start + start
        high = self._stop if stop is None else self._start + stop
        if self._stop is not None and high is not None:
            high = min(high, self._stop)
        return Query(
            self.model,
            self._criteria,
            self._sort,
            low,
            high if high is None else max(low, high),
            self._session,
        )

    def _in(self, session: Source) -> Query[D]:
        return self._with(session=session)

    def _with(
        self,
        *,
        criteria: tuple[Criterion, ...] | None = None,
        sort: tuple[Sort, ...] | None = None,
        session: Source | None = None,
    ) -> Query[D]:
        # By hand, since evolve() costs more than all the rest of building a query.
        return Query(
            self.model,
            self._criteria if criteria is None else criteria,
            self._sort if sort is None else sort,
            self._start,
            self._stop,
            session or self._session,
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise unknown(self, name, _ELSEWHERE)

    # -- what it says

    @property
    def tree(self) -> Node:
        """The Lucene tree that is sent."""
        own = self.model._criterion()
        return conjunction((own, *self._criteria) if own is not None else self._criteria)

    def __str__(self) -> str:
        return render(self.tree)

    def __repr__(self) -> str:
        return f"<Query {self.model.__name__}: {self}>"

    def explain(self, document: D | None = None) -> Explanation:
        """How the query will run on the engine of the current session; without a document it reads nothing.

        With a document also why it is a hit or none, and where its score comes from: what each part of the
        query adds to it. Raises `NotFound` where it is not stored any more.
        """
        source = self._source()
        scored = None if document is None else source.run(self._scoring(document))
        return self._plan(source, scored)

    async def aexplain(self, document: D | None = None) -> Explanation:
        source = self._source()
        scored = None if document is None else await source.arun(self._scoring(document))
        return self._plan(source, scored)

    def _scoring(self, document: Any) -> Flow[Scored]:
        from .beyond import scoring

        return scoring(self.model, self.tree, document)

    def _plan(self, source: Source, scored: Scored | None) -> Explanation:
        from ..lucene.explaining import explain

        operation = self._walk(source)
        if isinstance(operation, List) or (operation.cursor is not None and is_fixed(operation.sort)):
            paging = "keyset: writes in between neither skip nor repeat a document"
        else:
            paging = "list: what matches is listed once, so that writes neither skip nor repeat a document"
        if scored is None:
            return Explanation(str(self), self.tree, operation, paging, explain(self.tree))
        return Explanation(str(self), self.tree, operation, paging, scored.parts, scored.score)

    # -- beyond finding

    def highlight(
        self,
        *fields: Any,
        before: str = "<em>",
        after: str = "</em>",
        width: int | None = 100,
        most: int = 5,
        escape: Callable[[str], str] | None = html.escape,
    ) -> Highlights[D]:
        """The results with what the query found in their texts: `hit.document`, `hit[User.bio]`.

        Of the given fields, or of all; `before` and `after` are the marks. Of a text come at most `most`
        passages of about `width` characters, or all of it where `width` is None. `escape` is applied to the
        text and not to the marks, which makes it safe to show as HTML; None leaves the text as it is. Raises
        `InvalidFilter`.
        """
        from .highlights import highlights

        return highlights(self, fields, before, after, width, most, escape)

    def like(self, document: Any, *fields: Any, most: int = 25, least: int = 2) -> Query[D]:
        """Only documents that share words with one, those with the rarest and most of them first.

        The words are those that tell it apart: at most `most`, each in at least `least` documents, of the
        given fields or of all its texts. This asks the engine how rare they are; the query that it gives has
        them in its text, and is refined and read like any other. The document itself is left out.
        """
        return self.filter(*self._source().run(self._alike(document, fields, most, least)))

    async def alike(self, document: Any, *fields: Any, most: int = 25, least: int = 2) -> Query[D]:
        return self.filter(*(await self._source().arun(self._alike(document, fields, most, least))))

    def _alike(self, document: Any, fields: tuple[Any, ...], most: int, least: int) -> Flow[list[Criterion]]:
        from .beyond import alike

        self._refuse_slice("like")
        return alike(self.model, document, fields, most, least)

    def suggest(self, field: Text, prefix: str, *, words: bool = False, limit: int = 10) -> list[TermCount]:
        """The values of a text field that begin with a text, case apart, the most frequent first.

        With `words` it is the words of its texts. Each has its `text`, and as `count` in how many documents
        of the collection it is. Values of more than 128 characters are left out. The query must be
        unrefined. Raises `InvalidFilter`.
        """
        found: list[TermCount] = self._source().run(self._suggesting(field, prefix, words, limit))
        return found

    async def asuggest(
        self, field: Text, prefix: str, *, words: bool = False, limit: int = 10
    ) -> list[TermCount]:
        found: list[TermCount] = await self._source().arun(self._suggesting(field, prefix, words, limit))
        return found

    def _suggesting(self, field: Any, prefix: str, words: bool, limit: int) -> Flow[list[TermCount]]:
        from .beyond import suggestions

        refined = bool(self._criteria or self._sort or self._sliced)
        return suggestions(self.model, field, prefix, words, limit, refined)

    # -- reading documents

    def __iter__(self) -> Iterator[D]:
        source = self._source()
        walk = self._through_all(source)
        last: list[D] = []
        while (documents := source.run(walk.read())) is not None:
            yield from documents
            source.unit.release(documents, last)

    async def __aiter__(self) -> AsyncIterator[D]:
        source = self._source()
        walk = self._through_all(source)
        last: list[D] = []
        while (documents := await source.arun(walk.read())) is not None:
            for document in documents:
                yield document
            source.unit.release(documents, last)

    def all(self) -> list[D]:
        """All documents."""
        return list(self)

    async def aall(self) -> list[D]:
        return [document async for document in self]

    def first(self) -> D | None:
        """The first document, or None."""
        source = self._source()
        operation: Any = self._walk(source, 1)
        documents: list[D]
        while operation is not None and self._length() != 0:
            documents, operation = source.run(self._read(source, operation, 1))
            if documents:
                return documents[0]
        return None

    async def afirst(self) -> D | None:
        source = self._source()
        operation: Any = self._walk(source, 1)
        documents: list[D]
        while operation is not None and self._length() != 0:
            documents, operation = await source.arun(self._read(source, operation, 1))
            if documents:
                return documents[0]
        return None

    def one(self) -> D:
        """The only document. Raises `NotFound`, or `MultipleResults`."""
        return self._only(self[:2].all())

    async def aone(self) -> D:
        return self._only(await self[:2].aall())

    def pages(self, size: int = 100) -> Iterator[ResultPage[D]]:
        """Page by page, with the number of all matches when it began.

        A page is shorter where some of its documents were deleted, or match no more, since they were listed.
        """
        source = self._source()
        walk: Walk[D] = Walk(self, source, self._offset_page(size), size, eager=False)
        older: list[D] = []
        newer: list[D] = []  # the caller's loop still holds it when the next page is asked for
        while (documents := source.run(walk.read())) is not None:
            source.unit.release(older)
            older, newer = newer, documents
            if documents or walk.total == 0:
                yield ResultPage(documents, walk.total)

    async def apages(self, size: int = 100) -> AsyncIterator[ResultPage[D]]:
        source = self._source()
        walk: Walk[D] = Walk(self, source, self._offset_page(size), size, eager=False)
        older: list[D] = []
        newer: list[D] = []
        while (documents := await source.arun(walk.read())) is not None:
            source.unit.release(older)
            older, newer = newer, documents
            if documents or walk.total == 0:
                yield ResultPage(documents, walk.total)

    # -- counting

    def count(self) -> int:
        """How many documents match."""
        return self._counted(self._source().run(perform(self._counting())))

    async def acount(self) -> int:
        return self._counted(await self._source().arun(perform(self._counting())))

    def exists(self) -> bool:
        """Whether any document matches."""
        return self.count() > 0

    async def aexists(self) -> bool:
        return await self.acount() > 0

    # -- operations

    def _source(self) -> Source:
        return self._session if self._session is not None else cast("Source", self.model._source())

    def _through_all(self, source: Source) -> Walk[D]:
        return Walk(self, source, self._walk(source), PAGE_SIZE, eager=True)

    def _walk(self, source: Source, most: int | None = None) -> Search | List:
        """The operation that begins a walk through all documents, or the first of them."""
        capabilities = source.engine.capabilities
        limit = min(most or PAGE_SIZE, capabilities.max_limit)
        length = self._length()
        if length is not None:
            limit = max(1, min(limit, length))
        tree, collection = self.tree, self._collection
        if isinstance(tree, MatchAll) and not self._sort and not self._start and collection is not None:
            return List(collection=collection, limit=limit)
        text = render(tree)
        if _scored(tree) and not self._sort:
            return Search(query=text, collection=collection, limit=limit, offset=self._start)
        if capabilities.keyset and not self._start:
            # Items come in their own order by themselves, which costs an engine less than a sort.
            sort = self._sort or (() if self.model._kind == ITEM else self.model._order)
            return Search(query=text, collection=collection, limit=limit, sort=sort, cursor=START)
        return self._offset_page(limit)

    def _offset_page(self, size: int) -> Search:
        if type(size) is not int or size < 1:
            raise InvalidFilter(f"a page has a size from 1, not {size!r}")
        tree = self.tree
        sort = self._sort or (() if _scored(tree) else self.model._order)
        return Search(
            query=render(tree),
            collection=self._collection,
            limit=size if self._length() is None else min(size, self._length() or 0),
            offset=self._start,
            sort=sort,
        )

    def _counting(self, *asked: Aggregate) -> Search:
        return Search(query=str(self), collection=self._collection, limit=0, values=False, aggregates=asked)

    @property
    def _collection(self) -> str | None:
        return self.model.collection or None

    @property
    def _sliced(self) -> bool:
        return bool(self._start) or self._stop is not None

    def _counted(self, page: Any) -> int:
        total: int = max(0, page.total - self._start)
        length = self._length()
        return total if length is None else min(total, length)

    def _length(self) -> int | None:
        return None if self._stop is None else self._stop - self._start

    def _read(self, source: Source, operation: Any, left: int | None) -> Flow[tuple[list[D], Any]]:
        page = yield operation
        items = page.results if left is None else page.results[:left]
        documents = yield from self.model._load_all(source.unit, items)
        return documents, page.next

    def _only(self, documents: list[D]) -> D:
        if not documents:
            raise NotFound(f"no {self.model.__name__} matches {self}")
        if len(documents) > 1:
            raise MultipleResults(f"more than one {self.model.__name__} matches {self}")
        return documents[0]

    def _refuse_slice(self, method: str) -> None:
        if self._sliced:
            raise InvalidFilter(f"{method} comes before the slice: q.{method}(...)[10:20]")


def _scored(tree: Node) -> bool:
    return any(isinstance(leaf, (Term, Phrase, Fuzzy, Wildcard, Regexp)) for leaf in leaves(tree))
