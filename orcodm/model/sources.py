"""What a query goes through besides documents: the events and the relations of a class, or of all.

Each is to a `Query` what a document class is: a criterion that tells its things from others, an order, and
the function that makes an object of what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from ..errors import InvalidFilter
from ..flow import Flow
from ..operations import EventItem, RelationItem, Sort, SortField
from ..query.expressions import Criterion, Expr
from ..session import context, flows
from ..session.session import Session
from ..session.unit import Unit
from . import mapping
from .declaration import Kind, declared_kinds
from .events import Event, Events, Place, UntypedEvent, event_class, event_maker, load_event
from .relation import End, Relation
from .relations import target_class

if TYPE_CHECKING:
    from .document import Document

EVENT: Final = "event"
RELATIONSHIP: Final = "relationship"


@frozen
class EventSource:
    """Events of the documents of a class, or of all where the class has no collection.

    They become what the class declares for their type, or in any case a `model` where that is `given`.
    """

    owner: type[Document]
    criterion: Criterion
    model: type[Any] = Event
    given: bool = False

    __name__ = "Event"
    _kind = EVENT
    _order: tuple[Sort, ...] = (SortField("@path.timestamp", True), SortField("@path.ordinal", True))

    @property
    def collection(self) -> str:
        return self.owner.collection

    def _criterion(self) -> Criterion:
        return self.criterion

    def _source(self) -> Session:
        return context.current()

    def _load_all(self, unit: Unit, items: Iterable[EventItem]) -> Flow[list[Any]]:
        return flows.load_all(unit, items, self._load)

    def _load(self, unit: Unit, item: EventItem, fresh: list[Any]) -> Any:
        model = self.model
        if not self.given:
            model = _event_class(self.owner, item.collection, item.type, self.model)
        make = event_maker(model, Place(item.collection, item.key), item.type)
        return load_event(unit, item, make, fresh, self.model)


@frozen
class RelationSource:
    """Relations from the documents of a class, or from those of all where the class has no collection."""

    owner: type[Document]
    criterion: Criterion

    __name__ = "Relation"
    _kind = RELATIONSHIP
    _order: tuple[Sort, ...] = tuple(
        SortField(f"@path.{name}")
        for name in ("collection", "source.key", "relation", "destination.collection", "destination.key")
    )

    @property
    def collection(self) -> str:
        return self.owner.collection

    def _criterion(self) -> Criterion:
        return self.criterion

    def _source(self) -> Session:
        return context.current()

    def _load_all(self, unit: Unit, items: Iterable[RelationItem]) -> Flow[list[Any]]:
        return flows.load_all(unit, items, self._load)

    def _load(self, unit: Unit, item: RelationItem, fresh: list[Any]) -> Any:
        collection, to_collection = item.collection, item.to_collection
        owner = self.owner

        def source() -> type[Document]:
            return class_of(owner, collection)

        def target() -> type[Document]:
            return _target_class(owner, collection, item.kind, to_collection)

        def make(item: RelationItem) -> tuple[Relation[Any, Any], None]:
            relation: Relation[Any, Any] = Relation.from_value(item.value)
            relation._kind = item.kind
            relation._source = End(item.collection, item.key, source)
            relation._target = End(item.to_collection, item.to_key, target)
            return relation, None

        identity = (item.collection, item.key, item.kind, item.to_collection, item.to_key)
        return flows.load(unit, evolve(item, value=item.value or {}), identity, make, fresh, Relation)


def event_source(owner: type[Document], of: Any, type_: str | None) -> EventSource:
    """The events that `User.query.events(...)` names. Raises `InvalidFilter`."""
    _check_whole(owner, "events")
    events = _path("kind") == EVENT
    name = of.name if isinstance(of, Kind) else of if isinstance(of, str) else type_
    if isinstance(of, type) and issubclass(of, Event):
        if type_ is not None:
            return EventSource(owner, events & (_path("type") == type_), of, given=True)
        return EventSource(owner, events if of is Event else events & _declared(owner, of), of)
    if of is not None and name is type_:
        raise InvalidFilter(
            f"events takes a class of events, User.events.login or the name of a type, not {of!r}"
        )
    return EventSource(owner, events if name is None else events & (_path("type") == name))


def relation_source(owner: type[Document], kind: Any) -> RelationSource:
    """The relations that `User.query.relations(...)` names. Raises `InvalidFilter`."""
    _check_whole(owner, "relations")
    relations = _path("kind") == RELATIONSHIP
    name = kind.name if isinstance(kind, Kind) else kind
    if not (name is None or isinstance(name, str)):
        raise InvalidFilter(f"relations takes User.relations.friends or the name of a kind, not {kind!r}")
    return RelationSource(owner, relations if name is None else relations & (_path("relation") == name))


def _check_whole(owner: type[Document], method: str) -> None:
    if owner._criterion() is not None:
        raise InvalidFilter(
            f"{method} are searched by collection, which {owner.__name__} shares with other classes: use "
            f"{owner._root.__name__}.query.{method}(...)"
        )


def _declared(owner: type[Document], model: type[Event]) -> Criterion:
    """The types that are declared with an event class, for one document class or for all."""
    places: Criterion | None = None
    for collection, types in _types(owner, model):
        place = _path("type").is_in(types)
        if not owner.collection:
            place = (_path("collection") == collection) & place
        places = place if places is None else places | place
    if places is None:
        raise InvalidFilter(
            f"{owner.__name__} declares no series of {model.__name__}: say of which type they are, as in "
            f"events({model.__name__}, type={model.__name__.lower()!r})"
        )
    return places


def _types(owner: type[Document], model: type[Event]) -> Iterator[tuple[str, list[str]]]:
    from .document import bound

    for one in [owner] if owner.collection else bound:
        types = [
            type_
            for type_ in declared_kinds(one.events, Events)
            if issubclass(event_class(one.events, type_), model)
        ]
        if types:
            yield one.collection, types


def class_of(near: type[Document] | None, collection: str) -> type[Document]:
    """The document class of a collection: `near`, if it is its own. Raises `InvalidModel` for several."""
    from .document import document_class

    return near if near is not None and near.collection == collection else document_class(collection)


def _classes(owner: type[Document], collection: str) -> list[type[Document]]:
    from .document import bound

    return [owner] if owner.collection == collection else bound.classes(collection)


def _target_class(owner: type[Document], collection: str, kind: str, to: str) -> type[Document]:
    """The class of the document in the collection `to` that a relation leads to."""
    sources = _classes(owner, collection)
    declared = {target_class(one.relations, kind) for one in sources} - {None}
    near = [one for one in declared if one.collection == to] or [
        one for one in sources if one.collection == to
    ]
    return class_of(near[0] if len(near) == 1 else None, to)


def _event_class(owner: type[Document], collection: str, type_: str, model: type[Any]) -> type[Any]:
    """The class of the events of a type, which is a `model`. Raises `InvalidModel` for several."""
    declared = {event_class(one.events, type_) for one in _classes(owner, collection)} - {UntypedEvent}
    fitting = [one for one in declared if issubclass(one, model)]
    if not declared:
        return UntypedEvent
    return fitting[0] if len(fitting) == 1 else event_class(class_of(owner, collection).events, type_)


def _path(name: str) -> Expr[str]:
    return Expr(f"@path.{name}", (), str, mapping.encode)
