"""`Relation`: one relation as a thing of its own, which a query found: its ends, its kind, its properties.

A mapped thing like a document: a session tracks it, and every write of it is guarded by its ref. What a
document is related to is `Related`; relations are made there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from attrs import evolve, field, frozen

from ..errors import InvalidDocument, InvalidFilter, InvalidValue, Problem, UsageError
from ..flow import Flow
from ..operations import Condition, DeleteRelation, Get, GetRelation, PutRelation, RelationItem, Written
from ..query.expressions import Expr
from ..session import context, flows
from ..session.flows import RAISE
from ..session.session import Session
from ..session.state import Identity
from ..values import encode
from . import mapping
from .mapping import ANYTHING
from .metadata import metadata
from .misfits import Report
from .tracked import Tracked

S = TypeVar("S")
T = TypeVar("T")
D = TypeVar("D")


@frozen
class End(Generic[D]):
    """A document at one end of a relation: where it is, and the way to it."""

    collection: str
    key: str
    _model: Callable[[], Any] = field(eq=False, repr=False)
    """What gives the class of the document, which is only asked where one is read."""
    _relation: Any = field(default=None, eq=False, repr=False)

    def get(self) -> D:
        """The document. Raises `NotFound`."""
        session = context.session_of(self._relation)
        return session.run(self._flow(session))

    async def aget(self) -> D:
        session = context.session_of(self._relation)
        return await session.arun(self._flow(session))

    def _flow(self, session: Session) -> Flow[D]:
        operation = Get(collection=self.collection, key=self.key)
        identity = (self.collection, self.key)
        model = self._model()
        return flows.get(session.unit, operation, identity, model._of_item, RAISE, model)


class EndPath:
    """An end on the class: `Relation.target.key` and `.collection` are expressions."""

    def __init__(self, path: str) -> None:
        self.collection: Expr[str] = Expr(f"{path}.collection", (), str, mapping.encode)
        self.key: Expr[str] = Expr(f"{path}.key", (), str, mapping.encode)

    def __eq__(self, other: object) -> bool:
        raise InvalidFilter("compare the key of an end, as in Relation.target.key == 'ada'")

    __hash__ = object.__hash__


class _End:
    """The descriptor of an end."""

    def __init__(self, path: str) -> None:
        self._path = EndPath(path)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self._path
        # What the relation has of an end does not refer back: without a circle, the last reference to a
        # relation is seen to be the last, and a loop over many keeps none.
        return evolve(getattr(instance, self._name), relation=instance)


class _Source(_End):
    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> EndPath: ...
        @overload
        def __get__(self, instance: Relation[S, Any], owner: Any) -> End[S]: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...


class _Target(_End):
    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> EndPath: ...
        @overload
        def __get__(self, instance: Relation[Any, T], owner: Any) -> End[T]: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...


class Properties:
    """The properties of a relation: a dict on an instance, on the class the way to expressions of members.

    `Relation.properties["since"] >= 1833`.
    """

    _expression: Expr[dict[str, Any]] = Expr("value", (), dict[str, Any], mapping.encode)

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Expr[dict[str, Any]]: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> dict[str, Any]: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: dict[str, Any]) -> None: ...

    else:  # without __set__: the dict of an instance lies in its __dict__, where it is found first

        def __get__(self, instance, owner):
            return self._expression


class Relation(Tracked, Generic[S, T]):
    """A stored relation from a document to another: `source`, `kind`, `target` and `properties`.

    `User.query.relations("friends")` finds some. The properties can be changed and saved, the relation
    deleted; `source.get()` and `target.get()` read the documents.
    """

    source = _Source("@path.source")
    target = _Target("@path.destination")
    properties: Properties = Properties()

    _kind: str
    _source: End[S]
    _target: End[T]

    def __init__(self) -> None:
        raise UsageError("relations are made by a document: ada.relations.friends.add(bob)")

    @metadata("@path.relation", str)
    def kind(self) -> str:
        """The kind of the relation."""
        return self._kind

    def __repr__(self) -> str:
        source, target = self._source, self._target
        ends = f"{source.collection}/{source.key} {self._kind} {target.collection}/{target.key}"
        return f"<Relation {ends}>"

    # -- what the session sees

    @property
    def _identity(self) -> Identity:
        ends = self._ends()
        return (ends["collection"], ends["key"], ends["kind"], ends["to_collection"], ends["to_key"])

    def _dumped(self, validate: bool) -> dict[str, Any]:
        return self.properties

    def _encoded(self, validate: bool) -> tuple[dict[str, Any], bytes]:
        try:
            return self.properties, encode(self.properties)
        except InvalidValue as error:
            report = Report()
            ANYTHING.dump(self.properties, "", report)
            problems = report.problems or [Problem(error.path, None, str(error))]
            raise InvalidDocument(type(self).__name__, None, problems) from None

    def _validate(self) -> None:
        """Properties have no validators."""

    def _untouched(self, read: Any) -> bool:
        return False  # properties may be changed at any depth

    def _revised(self, read: Any) -> dict[str, Any]:
        raise NotImplementedError("properties have no fields")

    def _own(self, value: Any) -> Any:
        return value

    def _noted(self, value: Any, before: Any) -> None:
        return None

    def _complete(self) -> None:
        """Properties are set as they are read."""

    @classmethod
    def _read_of(cls, value: Any, key: str | None) -> None:
        return None

    def _fill(self, value: Any) -> None:
        self.properties = value or {}

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """A relation with these properties, which is nowhere yet."""
        relation = cls.__new__(cls)
        relation._fill(value)
        return relation

    @classmethod
    def _upgraded(cls, value: Any) -> Any:
        return value

    @classmethod
    def _normal(cls, value: Any) -> tuple[Any, bytes]:
        return value, encode(value)  # properties have no model that could change them

    def _read(self) -> GetRelation:
        return GetRelation(**self._ends())

    def _write(self, value: Any, text: bytes, condition: Condition) -> PutRelation:
        return PutRelation(**self._ends(), value=value, condition=condition)

    def _erase(self, condition: Condition, purge: bool) -> DeleteRelation:
        return DeleteRelation(**self._ends(), condition=condition)

    def _stored(self, result: RelationItem | Written) -> None:
        """Where it is was known before."""

    def _ends(self) -> dict[str, Any]:
        return {
            "collection": self._source.collection,
            "key": self._source.key,
            "kind": self._kind,
            "to_collection": self._target.collection,
            "to_key": self._target.key,
        }
