"""The unit of work: which documents there are, and what is pending. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import ReferenceType, ref

from attrs import define, evolve, field

from ..errors import UsageError
from ..operations import DeleteRelation, PutRelation
from .state import Identity, Mapped
from .tracking import dirty, shown


@define(eq=False)
class Pending:
    """The write of a relation that waits for the commit; `subject` is its source."""

    operation: PutRelation | DeleteRelation
    subject: Any
    target: Any


@define(eq=False)
class Unit:
    """The identity map and the pending work of one session, its `owner`.

    Where `tracking` is off nothing is remembered: each call is a unit of its own. Events are mapped
    things like documents.
    """

    owner: Any
    tracking: bool = True
    identity: dict[Identity, Any] = field(factory=dict)
    added: dict[int, Any] = field(factory=dict)
    deleted: dict[int, Any] = field(factory=dict)
    relations: list[Pending] = field(factory=list)

    def known(self, identity: Identity) -> Any | None:
        """The object that stands for a stored thing in this session."""
        document = self.identity.get(identity)
        # One that waits to be created may have got another key since.
        return document if document is None or document._identity == identity else None

    def remember(self, document: Mapped) -> None:
        """Make a stored document the one object for its key, unless there is one: that may have changes."""
        if self.tracking:
            identity = document._state.identity
            if identity is not None and self.identity.setdefault(identity, document) is document:
                document.__dict__["_session"] = self.owner

    def settle(self, document: Mapped) -> None:
        """Note that a document is stored as it is."""
        self.added.pop(id(document), None)
        self.remember(document)

    def add(self, document: Mapped) -> None:
        """Plan to write a document. Raises `UsageError` where another object has its key."""
        if document._state.deleted:
            raise UsageError(f"{shown(document)} was deleted: make a new document to store it again")
        session = document._session
        if session is not None and session is not self.owner and not session.closed:
            raise UsageError(f"{shown(document)} belongs to another open session: expunge it there first")
        self._check_pending()
        self._check_only(document)
        self.deleted.pop(id(document), None)
        if document._identity is not None:
            self.identity[document._identity] = document
        if document._state.ref is None:
            self.added[id(document)] = document
        document._session = self.owner

    def delete(self, document: Mapped) -> None:
        """Plan to delete a document; one that was only added is forgotten."""
        if id(document) in self.added:
            self.drop(document)
        elif document._state.deleted:
            pass
        elif document._state.ref is None:
            raise UsageError(
                f"{shown(document)} was neither read nor saved, so there is no version to delete: "
                "get it first, or use its delete(force=True)"
            )
        else:
            self._check_pending()
            self._check_only(document)
            self.remember(document)
            self.deleted[id(document)] = document

    def _check_pending(self) -> None:
        if not self.tracking:
            raise UsageError(
                "outside of `with Session(...)` nothing waits for a commit: use the document's own "
                "save() and delete()"
            )

    def _check_only(self, document: Mapped) -> None:
        identity = document._identity
        other = None if identity is None else self.identity.get(identity)
        if other is not None and other is not document and id(other) not in self.deleted:
            raise UsageError(
                f"the session already has another object for {shown(document)}: change that one, "
                "or expunge it first"
            )

    def forget(self, document: Mapped) -> None:
        """Take a document out of the session; it stays readable."""
        self.added.pop(id(document), None)
        self.deleted.pop(id(document), None)
        for identity in (document._state.identity, document._identity):
            if identity is not None and self.identity.get(identity) is document:
                del self.identity[identity]
        document._session = None

    def drop(self, document: Mapped) -> None:
        """Take a document out of the session, and what waits for the commit because of it."""
        unstored = id(document) in self.added
        self.forget(document)
        for other in self.deleted.values():
            self.remember(other)  # one that was to be replaced is again what its key stands for
        self.relations = [
            one
            for one in self.relations
            if one.subject is not document and not (unstored and one.target is document)
        ]
        for one in list(self.added.values()):
            if getattr(one, "_document", None) is document:
                self.forget(one)

    def release(self, documents: list[Any], last: list[Any] | None = None) -> None:
        """Let go of the documents that are unchanged and that nobody else holds; empties the list.

        So that a loop over a large result needs no more memory than a page. A document that somebody
        holds could still be changed, and one that was changed has to be written. Where the last one is
        still in the variable of a loop, it goes to `last`, and the one that was there is let go of.
        """
        if last is not None:
            kept = documents[-1:]
            documents[-1:] = last
            last[:] = kept
            kept.clear()
        # Whoever holds one, a weak reference answers after the session has let go of it; where an
        # implementation of Python collects later than at the last reference, it is kept.
        let_go = list(map(self._let_go, documents)) if self.identity else []
        documents.clear()
        for reference in let_go:
            held = None if reference is None else reference()
            if held is not None:
                self.remember(held)

    def _let_go(self, document: Mapped) -> ReferenceType[Mapped] | None:
        """Take an unchanged document out of the identity map; None where it is to stay there."""
        identity = document._state.identity
        if (
            identity is None
            or self.identity.get(identity) is not document
            or document._identity != identity
            or id(document) in self.added
            or id(document) in self.deleted
            or dirty(document)
        ):
            return None
        del self.identity[identity]
        return ref(document)

    def stored(self) -> Iterator[Any]:
        """The documents that stand on a stored version and are not to be deleted."""
        for identity, document in self.identity.copy().items():  # a list of pairs costs twice as much
            if id(document) in self.added or id(document) in self.deleted:
                continue
            if document._state.identity == identity:
                yield document
            else:  # it was added under another key
                del self.identity[identity]

    def dirty(self) -> tuple[Any, ...]:
        return tuple(document for document in self.stored() if dirty(document))

    def rollback(self) -> None:
        """Forget what is pending; loaded documents get back the values they were read with."""
        for document in list(self.added.values()):
            self.forget(document)
            document._taken_back()
        self.deleted.clear()
        self.relations.clear()
        for identity, document in list(self.identity.items()):
            if document._state.identity != identity:
                del self.identity[identity]
            elif document._identity != identity or dirty(document):
                # A write that nobody saw the answer of is not waited for either: it meets what was read.
                document._state = evolve(document._state, sent=())
                document._taken_back()

    def close(self) -> None:
        """Let go of everything, and of the owner: what is in no circle needs no garbage collector."""
        self.owner = None
        self.identity.clear()
        self.added.clear()
        self.deleted.clear()
        self.relations.clear()
