"""`Document`: what an application subclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Never, Self, TypeVar, cast, overload

import attrs

from ..errors import InvalidDocument, InvalidKey, InvalidModel, Problem, UsageError
from ..flow import Flow
from ..identifiers import identifiers
from ..mistakes import refuse
from ..operations import Condition, Delete, Get, Item, Post, Put, Sort, SortField, Written
from ..query.expressions import Criterion, Expr, Update
from ..query.query import Query
from ..session import context, flows
from ..session.flows import RAISE
from ..session.session import Session
from ..session.state import Identity
from ..session.unit import Unit
from . import mapping
from .declaration import declared_annotations, descriptor_of, resolve
from .events import Events
from .fields import Field, field
from .history import History
from .model import Model
from .registry import Registry
from .relations import Relations
from .schema import Read
from .sources import EventSource, RelationSource, event_source, relation_source
from .tracked import Tracked


def _plain(key: Any) -> Any:
    if type(key) is str or key is None:
        return key
    if not isinstance(key, str):
        raise InvalidKey(f"a key is a string, not {key!r:.100}: give str(...) of it")
    # A member of a StrEnum is a text, and says so by its class; a key is just the text.
    return str.__str__(key)


D = TypeVar("D", bound="Document")
T = TypeVar("T")

bound = Registry()
"""The document classes that applications declare."""

_untyped: dict[str, type[Document]] = {}


class QueryAttribute:
    """`User.query`: a fresh query over the documents of the class; `Document.query`: over all collections."""

    def __get__(self, instance: object, owner: type[D]) -> Query[D]:
        if owner is not Document:
            owner._concrete()
        return Query(owner)


class Declared:
    """`relations: ClassVar[UserRelations]`: the declared class, bound to a document."""

    def __init__(self, owner: type, annotation: Any, default: type) -> None:
        self._owner = owner
        self._annotation = annotation
        self._default = default
        self._class: Any = None

    def __get__(self, instance: Any, owner: type) -> Any:
        if self._class is None:
            found = resolve(self._owner, self._annotation)
            self._class = (
                found if isinstance(found, type) and issubclass(found, self._default) else self._default
            )
        return self._class if instance is None else self._class(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        raise UsageError(
            "relations and events are not assigned: add to one of them, as in ada.relations.friends.add(bob)"
        )


class Unbound:
    """Stands for the operations of a class that is bound to no collection, and says so."""

    def __get__(self, instance: Any, owner: type[Document]) -> Any:
        owner._concrete()


class Document(Tracked, Model):
    """A stored JSON object under a key.

    `class User(Document, collection="users")` binds a class to a collection; a class without one is
    abstract, there to be inherited from. A subclass of a bound class shares its collection: what it stores
    carries the subclass's `tag` (its name, if none is given) in the member `discriminator` ("_type") and is
    loaded as that subclass. The constructor takes the fields as keywords, and raises `InvalidDocument` with
    every problem at once.
    """

    key: Field[str] = field(default=None, convert=_plain)
    query: ClassVar[QueryAttribute] = QueryAttribute()
    relations: ClassVar[Any] = None
    events: ClassVar[Any] = None
    history: ClassVar[History] = History()
    collection: ClassVar[str] = ""

    _keywords: ClassVar[tuple[str, ...]] = ("collection", "tag", "discriminator")
    _outside: ClassVar[frozenset[str]] = frozenset({"key"})  # where it lies, not what it says
    _reading: ClassVar[Any] = Unbound()
    _writing: ClassVar[Any] = Unbound()
    _root: ClassVar[Any] = None
    _declared: ClassVar[bool] = True
    _tag: ClassVar[str | None] = None
    _discriminator: ClassVar[str] = "_type"
    _kind: ClassVar[str] = "item"
    _order: ClassVar[tuple[Sort, ...]] = (SortField("@path.collection"), SortField("@path.key"))

    def __init_subclass__(
        cls,
        collection: str | None = None,
        discriminator: str | None = None,
        tag: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        for name, default in (("relations", Relations), ("events", Events)):
            if name in declared_annotations(cls) and name not in cls.__dict__:
                setattr(cls, name, Declared(cls, declared_annotations(cls)[name], default))
        if collection is not None:
            cls._reading = Get(collection=collection, key="key")  # the rules for names are the operations'
            cls._writing = Put(collection=collection, key="key", value=None)
            cls.collection, cls._root, cls._variants, cls._tag = collection, cls, {}, tag
            cls._discriminator = discriminator or "_type"
            cls._order = (SortField("@path.key"),)
            if cls._declared:
                bound.bind(collection, cls)
        elif cls._root is not None:
            if discriminator is not None:
                raise InvalidModel(f"{cls.__name__}: a discriminator is declared beside the collection")
            cls._tag = tag or cls.__name__
        if cls._tag is not None:
            for one in attrs.fields(cast("Any", cls)):
                if (descriptor_of(cls, one.name).spec.name or one.name) == cls._discriminator:
                    raise InvalidModel(
                        f"{cls.__name__}.{one.name}: {cls._discriminator!r} is what tells the classes of the "
                        "collection apart; choose another name, or another discriminator="
                    )
            cls._variants[cls._tag] = cls

    # -- what it is

    @classmethod
    def _tagged(cls) -> tuple[str, str] | None:
        return None if cls._tag is None else (cls._discriminator, cls._tag)

    @classmethod
    def _variant(cls, value: Any) -> type[Self]:
        if type(value) is not dict:
            return cls
        tag = value.get(cls._discriminator)
        variant = cls._variants.get(tag, cls._root) if isinstance(tag, str) else cls._root
        if not issubclass(variant, cls):
            problem = Problem(cls._discriminator, tag, f"this is a {variant.__name__}")
            raise InvalidDocument(cls.__name__, None, [problem])
        return cast("type[Self]", variant)

    # -- reading and writing

    @overload
    @classmethod
    def get(cls, key: str) -> Self: ...
    @overload
    @classmethod
    def get(cls, key: str, default: T) -> Self | T: ...
    @classmethod
    def get(cls, key: str, default: Any = RAISE) -> Any:
        """The document at a key. Raises `NotFound`, unless there is a default."""
        session = context.current()
        return session.run(cls._get_flow(session.unit, key, default))

    @overload
    @classmethod
    async def aget(cls, key: str) -> Self: ...
    @overload
    @classmethod
    async def aget(cls, key: str, default: T) -> Self | T: ...
    @classmethod
    async def aget(cls, key: str, default: Any = RAISE) -> Any:
        session = context.current()
        return await session.arun(cls._get_flow(session.unit, key, default))

    def patch(self, *updates: Update, **wrong: Never) -> None:
        """Change parts of the stored document at once: `ada.patch(User.age.inc(), User.name.set("Ada"))`.

        Afterwards the document is current. Raises `Conflict` where it is not the version that was read any
        more, `PatchConflict` where an update cannot be applied.
        """
        session = context.session_of(self)
        session.run(flows.patch(session.unit, self, _operations(updates, wrong)))

    async def apatch(self, *updates: Update, **wrong: Never) -> None:
        session = context.session_of(self)
        await session.arun(flows.patch(session.unit, self, _operations(updates, wrong)))

    # -- what the session and the query see

    @property
    def _identity(self) -> Identity | None:
        key = self.__dict__.get("key")
        return None if key is None else (self.collection, key)

    def _read(self) -> Get:
        reading: Get = self._reading
        return reading.at(self.key)

    def _write(self, value: Any, text: bytes, condition: Condition) -> Put | Post:
        writing: Put = self._writing
        key = self.__dict__.get("key")
        if key is None:
            return Post(collection=self.collection, value=value)
        return writing.at(key, value, condition, text)

    def _erase(self, condition: Condition, purge: bool) -> Delete:
        read = self._read()
        return Delete(collection=read.collection, key=read.key, condition=condition, purge=purge)

    def _stored(self, result: Item | Written) -> None:
        self.__dict__["key"] = result.key

    def _later(self, name: str) -> Any:
        if name == "key":
            raise UsageError(f"this {type(self).__name__} has no key yet: save it before, or give it one")
        return super()._later(name)

    def _name_it(self) -> None:
        """Give it a key, since something that is written with it has to name it."""
        if self._shown_key() is None:
            self.key = identifiers.next_key()

    def _taken_back(self) -> None:
        super()._taken_back()
        if self._state.identity is not None:
            self.key = cast("str", self._state.identity[1])

    @classmethod
    def _get_flow(cls, unit: Unit, key: str, default: Any) -> Flow[Any]:
        key = _plain(key)
        return flows.get(unit, cls._reading.at(key), (cls.collection, key), cls._of_item, default, cls)

    @classmethod
    def _of_item(cls, item: Item) -> tuple[Self, Read]:
        return cls._made(item.value, item.key)

    @classmethod
    def _load(cls, unit: Unit, item: Item, fresh: list[Any]) -> Any:
        model = cls if cls.collection else document_class(item.collection)
        # The class's own name of the collection: one text for all that are held.
        return flows.load(unit, item, (model.collection, item.key), model._of_item, fresh, cls)

    @classmethod
    def _load_all(cls, unit: Unit, items: Iterable[Item]) -> Flow[list[Any]]:
        return flows.load_all(unit, items, cls._load)

    @classmethod
    def _criterion(cls) -> Criterion | None:
        if cls._root in (cls, None):
            return None
        tags = [tag for tag, variant in cls._variants.items() if issubclass(variant, cls)]
        member: Expr[str] = Expr(f"value.{cls._discriminator}", (cls._discriminator,), str, mapping.encode)
        return member.is_in(tags)

    @classmethod
    def _source(cls) -> Session:
        return context.current()

    @classmethod
    def _event_source(cls, of: Any, type_: str | None) -> EventSource:
        return event_source(cls, of, type_)

    @classmethod
    def _relation_source(cls, kind: Any) -> RelationSource:
        return relation_source(cls, kind)

    @classmethod
    def _concrete(cls) -> None:
        if not cls.collection:
            raise InvalidModel(
                f'{cls.__name__} is bound to no collection: class {cls.__name__}(Document, collection="...")'
            )

    @classmethod
    def expression(cls, attribute: str, path: str = "value", members: tuple[str, ...] = ()) -> Any:
        if attribute == "key":
            return Expr("@path.key", (), str, mapping.encode)
        return super().expression(attribute, path, members)

    def _shown_key(self) -> str | None:
        return self.__dict__.get("key")


Document.relations = Declared(Document, Relations, Relations)
Document.events = Declared(Document, Events, Events)


def _operations(updates: tuple[Update, ...], wrong: Mapping[str, Any]) -> list[dict[str, Any]]:
    if wrong:
        refuse("patch", wrong, (), "give updates, such as User.age.set(36)")
    for update in updates:
        if not isinstance(update, Update):
            raise UsageError(f"patch takes updates such as User.age.inc(), not {update!r}")
    return [update.operation for update in updates]


class Untyped(Document):
    """A document of a collection that no class is bound to: its members are attributes, read-only."""

    _declared: ClassVar[bool] = False

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_extra"][name]
        except KeyError:
            raise AttributeError(f"this document of {self.collection!r} has no member {name!r}") from None


def document_class(collection: str) -> type[Document]:
    """The class of a collection's documents, as far as one is declared. Raises `InvalidModel` for several."""
    known = bound.one(collection) or _untyped.get(collection)
    if known is None:
        known = _untyped[collection] = type("Untyped", (Untyped,), {}, collection=collection)
    return known
