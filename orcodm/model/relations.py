"""`Relations` and `Related`: the directed graph between documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import InvalidKey, NotFound, RelationNotFound, UnknownAttribute, UsageError
from ..flow import Flow, perform
from ..mistakes import meant
from ..operations import DeleteRelation, GetRelation, Item, ListRelations, PutRelation, RelationItem
from ..query.listing import Listed
from ..query.results import Unread
from ..session import context, flows
from ..session.session import Session
from ..session.unit import Pending, Unit
from .declaration import declare_kinds, declared_kinds, kind_class, register

if TYPE_CHECKING:
    from .document import Document

R = TypeVar("R", bound="Document")

PAGE_SIZE = 500
"""How many documents a loop reads at once, where the engine allows that many."""


class Related(Unread, Generic[R]):
    """The documents at the end of one kind of relation, or of several in a row: `friends.liked`.

    To loop over, to ask with `in`; one hop can be added to and removed from. Several hops are one
    request: each document once, as first related.
    """

    def __init__(self, document: Document, kinds: tuple[str, ...], model: type[R] | None) -> None:
        self._document = document
        self._kinds = kinds
        self._model = model

    def add(self, target: R, **properties: Any) -> None:
        """Relate the document to another, with properties; once more replaces the properties.

        Within an open session it is written by the commit, else at once. Raises `NotFound` where either
        end is not stored, `UsageError` where the target is of another class than was declared.
        """
        session, operation = self._adding(target, properties)
        if not self._deferred(session, operation, target):
            session.run(perform(operation))

    async def aadd(self, target: R, **properties: Any) -> None:
        session, operation = self._adding(target, properties)
        if not self._deferred(session, operation, target):
            await session.arun(perform(operation))

    def remove(self, target: R) -> None:
        """Take the relation away; one that is not there is no error."""
        session, operation = self._removing(target)
        if not self._deferred(session, operation, target):
            session.run(perform(operation))

    async def aremove(self, target: R) -> None:
        session, operation = self._removing(target)
        if not self._deferred(session, operation, target):
            await session.arun(perform(operation))

    def properties(self, target: R) -> dict[str, Any]:
        """The properties of the relation to a document. Raises `RelationNotFound`."""
        session = context.session_of(self._document)
        return session.run(self._properties(session.unit, target))

    async def aproperties(self, target: R) -> dict[str, Any]:
        session = context.session_of(self._document)
        return await session.arun(self._properties(session.unit, target))

    def __contains__(self, target: object) -> bool:
        session = context.session_of(self._document)
        return session.run(self._contains(session.unit, target))

    async def acontains(self, target: R) -> bool:
        """The awaitable form of `target in related`."""
        session = context.session_of(self._document)
        return await session.arun(self._contains(session.unit, target))

    def __iter__(self) -> Iterator[R]:
        session = context.session_of(self._document)
        pages = RelatedPages(self, session)
        overlay = Overlay(self, session.unit)
        last: list[R] = []
        while (documents := session.run(pages.read())) is not None:
            yield from overlay.without_removed(documents)
            session.unit.release(documents, last)
        yield from overlay.added()

    async def __aiter__(self) -> AsyncIterator[R]:
        session = context.session_of(self._document)
        pages = RelatedPages(self, session)
        overlay = Overlay(self, session.unit)
        last: list[R] = []
        while (documents := await session.arun(pages.read())) is not None:
            for document in overlay.without_removed(documents):
                yield document
            session.unit.release(documents, last)
        for document in overlay.added():
            yield document

    def all(self) -> list[R]:
        """All of the documents, the oldest relation first."""
        return list(self)

    async def aall(self) -> list[R]:
        return [document async for document in self]

    def __getattr__(self, kind: str) -> Related[Any]:
        if kind.startswith("__"):
            raise AttributeError(kind)
        return self._hop(kind, strict=True)

    def __getitem__(self, kind: str) -> Related[Any]:
        if not isinstance(kind, str):
            raise InvalidKey(f"the kind of a relation is a string, not {kind!r:.100}")
        return self._hop(kind, strict=False)

    def _hop(self, kind: str, strict: bool) -> Related[Any]:
        model = None
        if self._model is not None:
            relations = self._model.relations
            declared = declared_kinds(relations, Relations)
            if strict and declared and kind not in declared:
                raise AttributeError(f"{relations.__name__} declares no relation of kind {kind!r}")
            model = target_class(relations, kind)
        return Related(self._document, (*self._kinds, kind), model)

    # -- operations

    def _ends(self, target: Any) -> dict[str, Any]:
        from .document import Document

        if len(self._kinds) != 1:
            raise UsageError(f"{'.'.join(self._kinds)} is several hops: relate the documents of one of them")
        if not isinstance(target, Document):
            raise UsageError(f"{self._kinds[0]}: a relation leads to a document, not to {target!r}")
        if self._model is not None and not isinstance(target, self._model):
            raise UsageError(
                f"{self._kinds[0]}: declared as a relation to {self._model.__name__}, "
                f"not to {type(target).__name__}"
            )
        source, end = self._document._read(), target._read()
        return {
            "collection": source.collection,
            "key": source.key,
            "kind": self._kinds[0],
            "to_collection": end.collection,
            "to_key": end.key,
        }

    def _adding(self, target: Any, properties: dict[str, Any]) -> tuple[Session, PutRelation]:
        session = context.session_of(self._document)
        if session.unit.tracking:
            for document in (self._document, target):
                if id(document) in session.unit.added:
                    document._name_it()
        return session, PutRelation(**self._ends(target), value=properties)

    def _removing(self, target: Any) -> tuple[Session, DeleteRelation]:
        return context.session_of(self._document), DeleteRelation(**self._ends(target))

    def _deferred(self, session: Session, operation: PutRelation | DeleteRelation, target: Any) -> bool:
        if session.unit.tracking:
            session.check_open()
            session.unit.relations.append(Pending(operation, self._document, target))
        return session.unit.tracking

    def _listing(self, session: Session) -> ListRelations:
        source = self._document._read()
        return ListRelations(
            collection=source.collection,
            key=source.key,
            kinds=self._kinds,
            limit=min(PAGE_SIZE, session.engine.capabilities.max_limit),
        )

    # -- flows

    def _load(self, unit: Unit, item: Item, fresh: list[Any]) -> Any:
        from .document import document_class

        model = self._model
        if model is not None and item.collection == model.collection:
            return model._load(unit, item, fresh)
        own = self._document._root
        identity = (item.collection, item.key)
        known = unit.known(identity)
        if known is not None:
            return known  # no class is declared, so the one that the session has it as is as good
        other = own if own.collection == item.collection else document_class(item.collection)
        return flows.load(unit, item, identity, other._of_item, fresh)

    def _contains(self, unit: Unit, target: Any) -> Flow[bool]:
        if len(self._kinds) == 1:
            ends = self._ends(target)
            for pending in reversed(unit.relations):
                if _same_ends(pending.operation, ends):
                    return isinstance(pending.operation, PutRelation)
            try:
                yield from perform(GetRelation(**ends))
            except NotFound:
                return False
            return True
        end = target._read()
        operation: Any = self._listing(unit.owner)
        while operation is not None:
            page = yield operation
            if any(item.collection == end.collection and item.key == end.key for item in page.results):
                return True
            operation = page.next
        return False

    def _properties(self, unit: Unit, target: Any) -> Flow[dict[str, Any]]:
        ends = self._ends(target)
        for pending in reversed(unit.relations):
            if _same_ends(pending.operation, ends):
                if isinstance(pending.operation, PutRelation):
                    return dict(pending.operation.value)
                raise RelationNotFound
        relation: RelationItem = yield GetRelation(**ends)
        return dict(relation.value or {})

    def __repr__(self) -> str:
        hops = ".".join(self._kinds)
        return f"<Related {hops} of {type(self._document).__name__} {self._document._shown_key()!r}>"


class RelatedPages(Generic[R]):
    """The way through the related documents: `read` gives the next ones until it gives None.

    Its pages are told by their positions, which writes move; so where there are several, what is related and
    was not met yet is listed when the second is asked for.
    """

    def __init__(self, related: Related[R], session: Session) -> None:
        self._related = related
        self._session = session
        self._begun = self._whole = False
        self._met: set[tuple[str, str]] = set()
        self._listed: Listed | None = None

    def read(self) -> Flow[list[R] | None]:
        unit = self._session.unit
        if not self._begun:
            self._begun = True
            try:
                page = yield from perform(self._related._listing(self._session))
            except NotFound:
                # A source that waits for the commit has no stored relations.
                if not unit.tracking or id(self._related._document) not in unit.added:
                    raise
                return None
            items: Sequence[Any] | None = page.results
            self._whole = page.next is None
            self._met.update((one.collection, one.key) for one in page.results)
        elif self._whole:
            return None
        else:
            if self._listed is None:
                self._listed = yield from self._list()
            items = yield from self._listed.read(None)
        if items is None:
            return None
        return (yield from flows.load_all(unit, items, self._related._load))

    def _list(self) -> Flow[Listed]:
        found: dict[tuple[str, str], str] = {}
        operation: Any = self._related._listing(self._session)
        while operation is not None:
            page = yield operation
            for one in page.results:
                if (one.collection, one.key) not in self._met:
                    found[one.collection, one.key] = one.ref
            operation = page.next
        collections = {collection for collection, _ in found}
        collection = collections.pop() if len(collections) == 1 else None
        listed = Listed("item", collection, PAGE_SIZE, local=self._session.engine.capabilities.local)
        for path, ref in found.items():
            listed.add(path, ref)
        return listed


class Overlay:
    """What a session will change in one hop of relations, over what is stored."""

    def __init__(self, related: Related[Any], unit: Unit) -> None:
        self.unit = unit
        self._last: dict[tuple[str, str], Pending] = {}
        for pending in unit.relations if len(related._kinds) == 1 else ():
            operation = pending.operation
            if (operation.collection, operation.key, operation.kind) == (
                related._document.collection,
                related._document.key,
                related._kinds[0],
            ):
                self._last[operation.to_collection, operation.to_key] = pending

    def without_removed(self, documents: list[Any]) -> Iterator[Any]:
        """The stored documents, but for those whose relation will be removed."""
        for document in documents:
            pending = self._last.get((document.collection, document.key))
            if pending is None:
                yield document
            elif isinstance(pending.operation, PutRelation):
                del self._last[document.collection, document.key]
                yield document

    def added(self) -> Iterator[Any]:
        """The documents whose relation will be added."""
        return (one.target for one in self._last.values() if isinstance(one.operation, PutRelation))


class Relations:
    """The relations of a document, a `Related` for each kind: as attribute, or `relations["kind"]`.

    A subclass declares the kinds and what they lead to: `friends: Related["User"]`. Without declarations any
    kind is an attribute.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        register(cls)
        declare_kinds(cls)

    def __init__(self, document: Document) -> None:
        self._document = document

    if not TYPE_CHECKING:  # to a type checker only the declared ones are there

        def __getattr__(self, kind: str) -> Any:
            declared = declared_kinds(type(self), Relations)
            if kind.startswith("__") or (declared and kind not in declared):
                raise UnknownAttribute(
                    f"{type(self).__name__} declares no relation of kind {kind!r}{meant(kind, declared)}"
                )
            return self[kind]

    def __getitem__(self, kind: str) -> Related[Any]:
        if not isinstance(kind, str):
            raise InvalidKey(f"the kind of a relation is a string, not {kind!r:.100}")
        return Related(self._document, (kind,), target_class(type(self), kind))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self._document).__name__} {self._document._shown_key()!r}>"


def target_class(relations: type, kind: str) -> Any:
    """The class that a declared kind leads to; None where none is declared."""
    return kind_class(relations, Relations, kind)


def _same_ends(operation: PutRelation | DeleteRelation, ends: dict[str, Any]) -> bool:
    return all(getattr(operation, name) == value for name, value in ends.items())
