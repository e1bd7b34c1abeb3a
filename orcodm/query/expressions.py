"""`User.age >= 21` as a value: expressions, criteria, orders and updates.

An expression stands for a field of a document class. Comparing it gives a `Criterion`, which is a Lucene
tree; negating it gives an `Order`; `set`, `inc` and their kin give an `Update` for `Document.patch`.
How a Python value of the field's type is written in JSON comes with the expression as `encode`, so
that this module knows no model.
"""

from __future__ import annotations

import builtins
import re
import types
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NoReturn,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
    overload,
)

from attrs import frozen

from ..errors import InvalidFilter
from ..lucene.exact import equal, only
from ..lucene.renderer import render
from ..lucene.tree import (
    Boolean,
    Bound,
    Box,
    Clause,
    Exists,
    Fuzzy,
    MatchAll,
    Near,
    Node,
    Occur,
    Phrase,
    Range,
    Regexp,
    Term,
    Wildcard,
)
from ..mistakes import unknown
from ..names import member
from ..operations import Sort, SortDistance, SortField, SortRandom

T = TypeVar("T")
X = TypeVar("X")


class Criterion:
    """A condition on documents. Combine with `&`, `|` and `~`, each side in parentheses."""

    __slots__ = ("_negated", "_node")

    def __init__(self, node: Node, negated: bool = False) -> None:
        self._node = node
        self._negated = negated

    @property
    def tree(self) -> Node:
        """The Lucene tree of the condition."""
        return _all([self]) if self._negated else self._node

    def __and__(self, other: Criterion) -> Criterion:
        return Criterion(_all([self, _criterion(other)]))

    def __or__(self, other: Criterion) -> Criterion:
        return Criterion(_any(side.tree for side in (self, _criterion(other))))

    def __invert__(self) -> Criterion:
        return Criterion(self._node, not self._negated)

    def __bool__(self) -> bool:
        raise InvalidFilter(
            "a criterion has no truth value: write & for `and`, | for `or`, ~ for `not`, with parentheses "
            "around each side, and a < x, x < b (or .between) for a < x < b"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Criterion) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.tree)

    def __str__(self) -> str:
        return render(self.tree)

    def __repr__(self) -> str:
        return f"<Criterion {self}>"


def conjunction(criteria: Iterable[Criterion]) -> Node:
    """The tree that matches where every criterion does; `*:*` for none."""
    return _all([_criterion(criterion) for criterion in criteria])


def _criterion(thing: object) -> Criterion:
    if isinstance(thing, Criterion):
        return thing
    if isinstance(thing, str):
        raise InvalidFilter(
            f"a filter takes criteria such as User.age >= 21, not the text {thing!r:.200}: texts are for "
            "search(), in Lucene's syntax, as in User.query.search('age:[21 TO *]')"
        )
    if isinstance(thing, Expr):
        raise InvalidFilter(
            f"a filter takes criteria, and {thing.path} is compared with nothing: "
            "write == True, > 0 or .exists()"
        )
    raise InvalidFilter(
        f"a filter takes criteria such as User.age >= 21, not {thing!r}: a comparison of two plain values, "
        "or `and`, `or`, `not` or `in` between criteria, gives a plain value"
    )


def _all(criteria: list[Criterion]) -> Node:
    clauses: list[Clause] = []
    for criterion in criteria:
        node = criterion._node
        if criterion._negated:
            clauses.append(Clause(Occur.MUST_NOT, node))
        elif isinstance(node, Boolean) and _conjunctive(node):
            clauses.extend(node.clauses)  # (a AND b) AND c reads better flat, and means the same
        elif not isinstance(node, MatchAll):
            clauses.append(Clause(Occur.MUST, node))
    if not any(clause.occur is Occur.MUST for clause in clauses):
        if not clauses:
            return MatchAll()
        clauses.insert(0, Clause(Occur.MUST, MatchAll()))  # exclusions alone would match nothing
    clauses = [
        clause
        for index, clause in enumerate(clauses)
        if not (index and clause.occur is Occur.MUST and isinstance(clause.node, MatchAll))
    ]
    if len(clauses) == 1:
        return clauses[0].node
    return Boolean(tuple(clauses))


def _conjunctive(node: Boolean) -> bool:
    # One of exclusions alone matches nothing, so it must not become exclusions from something else.
    occurs = {clause.occur for clause in node.clauses}
    return Occur.MUST in occurs and Occur.SHOULD not in occurs


def _any(nodes: Iterable[Node]) -> Node:
    clauses: list[Clause] = []
    for node in nodes:
        if isinstance(node, Boolean) and all(clause.occur is Occur.SHOULD for clause in node.clauses):
            clauses.extend(node.clauses)
        else:
            clauses.append(Clause(Occur.SHOULD, node))
    if not clauses:
        return Boolean((Clause(Occur.MUST_NOT, MatchAll()),))
    return clauses[0].node if len(clauses) == 1 else Boolean(tuple(clauses))


@frozen
class Order:
    """One key of a sort."""

    sort: Sort


score = Order(SortField("score", descending=True))
"""Best match first."""


def random_order(seed: str | None = None) -> Order:
    """A random order, the same for the same seed."""
    return Order(SortRandom(seed))


@frozen
class Update:
    """One change of `Document.patch`, as an operation of JSON Patch."""

    operation: dict[str, Any]


class Encode(Protocol):
    """Writes a Python value of a type as JSON. Raises `InvalidFilter` where the value does not fit."""

    def __call__(self, type_: Any, value: Any, where: str, /) -> Any: ...


class Expr(Generic[T]):
    """A field of a document class, of values of type `T`."""

    __slots__ = ("_encode", "_members", "_type", "path")

    def __init__(self, path: str, members: tuple[str, ...], type_: Any, encode: Encode) -> None:
        self.path = path
        self._members = members
        self._type = _without_none(type_)
        self._encode = encode

    # -- exact values

    def __eq__(self, other: T) -> Criterion:  # type: ignore[override]
        try:
            return self._equals(self._type, other)
        except InvalidFilter as error:
            if _element(self._type) is None or isinstance(other, (list, tuple, Expr)):
                raise
            raise InvalidFilter(f"{error}; for one of its elements write .contains({other!r:.60})") from None

    def __ne__(self, other: T) -> Criterion:  # type: ignore[override]
        return ~(self == other)

    __hash__ = object.__hash__

    def is_in(self, values: Collection[T]) -> Criterion:
        """The value is one of these; of none, nothing matches."""
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise InvalidFilter(f"{self.path}: is_in takes a list of values, not {values!r}")
        return Criterion(_any(self._equals(self._type, value).tree for value in values))

    @overload
    def contains(self: Expr[list[X]], item: X) -> Criterion: ...
    @overload
    def contains(self: Expr[builtins.set[X]], item: X) -> Criterion: ...  # `set` is a method here
    @overload
    def contains(self: Expr[frozenset[X]], item: X) -> Criterion: ...
    @overload
    def contains(self: Expr[tuple[X, ...]], item: X) -> Criterion: ...
    @overload
    def contains(self: Expr[list[X] | None], item: X) -> Criterion: ...
    def contains(self, item: Any) -> Criterion:
        """One of the elements of the list is this value, exactly."""
        element = _element(self._type)
        if element is None:
            raise InvalidFilter(
                f"{self.path} is no list: use == for the whole value, matches() for words, "
                "startswith() for a start"
            )
        if item is None:
            raise InvalidFilter(f"{self.path}: a search does not see the nulls in a list")
        return self._equals(element, item)

    def exists(self) -> Criterion:
        """The field is there and is not null."""
        return Criterion(Exists(self.path))

    # -- ranges

    def __ge__(self, other: T) -> Criterion:
        return self._range(other, None)

    def __gt__(self, other: T) -> Criterion:
        return self._range(other, None, inclusive=False)

    def __le__(self, other: T) -> Criterion:
        return self._range(None, other)

    def __lt__(self, other: T) -> Criterion:
        return self._range(None, other, inclusive=False)

    def between(self, lower: T, upper: T) -> Criterion:
        """From `lower` to `upper`, both included."""
        return self._range(lower, upper)

    def startswith(self: Expr[str] | Expr[str | None], prefix: str) -> Criterion:
        """The exact value begins with this, upper and lower case distinguished."""
        text = self._text(prefix, "startswith")
        if not text:
            return self.exists()
        upper = _successor(text)
        return Criterion(
            Range(
                Bound(text, quoted=True),
                None if upper is None else Bound(upper, inclusive=False, quoted=True),
                self.path,
            )
        )

    # -- text

    def matches(self: Expr[str] | Expr[str | None] | Expr[list[str]], text: str) -> Criterion:
        """The analysed text has any of these words; more and rarer words score higher."""
        words = self._text(text, "matches").split()
        return Criterion(_any(Term(word, self.path) for word in words))

    def phrase(self: Expr[str] | Expr[str | None] | Expr[list[str]], text: str, slop: int = 0) -> Criterion:
        """The analysed text has these words in this order, with at most `slop` moves between them."""
        return Criterion(Phrase(self._text(text, "phrase"), self.path, slop))

    def fuzzy(self: Expr[str] | Expr[str | None] | Expr[list[str]], text: str, edits: int = 2) -> Criterion:
        """The analysed text has a word within `edits` (0 to 2) changes of one letter."""
        if edits not in (0, 1, 2):
            raise InvalidFilter(f"{self.path}: fuzzy takes 0, 1 or 2 edits, not {edits!r}")
        return Criterion(Fuzzy(self._text(text, "fuzzy"), self.path, edits))

    def wildcard(self: Expr[str] | Expr[str | None] | Expr[list[str]], pattern: str) -> Criterion:
        """A word of the text fits the pattern: `*` any characters, `?` any one, a backslash escapes."""
        return Criterion(Wildcard(self._text(pattern, "wildcard"), self.path))

    def regexp(self: Expr[str] | Expr[str | None] | Expr[list[str]], pattern: str) -> Criterion:
        """A word of the text fits the pattern, in Lucene's regexp syntax."""
        return Criterion(Regexp(self._text(pattern, "regexp"), self.path))

    # -- orders

    def __neg__(self) -> Order:
        return self.desc()

    def asc(self) -> Order:
        """Ascending by the exact value, dates and Decimals by what they are; missing values last."""
        return Order(SortField(self._ordered))

    def desc(self) -> Order:
        """Descending by the exact value, dates and Decimals by what they are; missing values last."""
        return Order(SortField(self._ordered, descending=True))

    # -- updates

    def set(self, value: T) -> Update:
        """Replace the value, or create it."""
        return self._update("add", value=self._json(self._type, value) if value is not None else None)

    def unset(self) -> Update:
        """Remove the field from the document."""
        return self._update("remove")

    def inc(self: Expr[int] | Expr[int | None] | Expr[float] | Expr[float | None], by: float = 1) -> Update:
        """Add to a number; the patch fails where there is none."""
        if type(by) not in (int, float):
            raise InvalidFilter(f"{self.path}: inc takes a number, not {by!r}")
        if _element(self._type) is not None or any(_is_only(self._type, one) for one in (str, bool, *_CASTS)):
            raise InvalidFilter(f"{self.path}: inc is for numbers, and this field is {_shown(self._type)}")
        return self._update("inc", value=by)

    def append(self: Expr[list[X]], item: X) -> Update:
        """Add an element at the end of a list."""
        element = _element(self._type)
        if element is None:
            raise InvalidFilter(f"{self.path} is no list: nothing can be appended to it")
        return self._update("append", value=[self._json(element, item)])

    # -- below

    def __getitem__(self: Expr[dict[str, X]], name: str) -> Expr[X]:
        """The member `name` of an object, or of one of the objects in a list."""
        found = _inner(self._type, name)
        if found is None:
            raise InvalidFilter(f"{self.path}: {_shown(self._type)} has no member {name!r}")
        name, type_ = found
        return Expr(f"{self.path}.{member(name)}", (*self._members, name), type_, self._encode)

    @property
    def type(self) -> Any:
        """The declared type of the field, without None."""
        return self._type

    def joined(self, other: Expr[Any]) -> Expr[Any]:
        """The same field with the types of both, as objects of two classes have it."""
        type_: Any = Union.__getitem__((self._type, other._type))
        return Expr(self.path, self._members, type_, self._encode)

    def __iter__(self) -> Any:
        raise InvalidFilter(
            f"{self.path} is an expression and cannot be iterated: use .contains() or .is_in()"
        )

    def __contains__(self, item: object) -> bool:
        raise InvalidFilter(f"`in` cannot ask a search: use {self.path} with .contains(), or .is_in()")

    def _unparenthesised(self, other: object) -> NoReturn:
        raise InvalidFilter(
            f"{self.path} is compared with nothing: & and | bind more than comparisons, so that each side "
            "needs parentheses, as in (User.age >= 21) & (User.age < 65); of a boolean write == True"
        )

    __and__ = __rand__ = __or__ = __ror__ = _unparenthesised

    def __invert__(self) -> NoReturn:
        raise InvalidFilter(f"{self.path} is compared with nothing: of a boolean write == False")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise unknown(self, name, _ELSEWHERE)

    def __bool__(self) -> bool:
        raise InvalidFilter(
            f"{self.path} is an expression without a truth value: compare it (== True, .exists())"
        )

    def __repr__(self) -> str:
        return f"<Expr {self.path}>"

    def _json(self, type_: Any, value: Any) -> Any:
        return self._encode(type_, value, self.path)

    def _text(self, text: Any, method: str) -> str:
        if not isinstance(text, str):
            raise InvalidFilter(f"{self.path}: {method} takes a text, not {text!r}")
        self._json(str, text)
        element = _element(self._type) or self._type
        if not _may_be(element, str):
            raise InvalidFilter(f"{self.path}: {method} is for texts, and this field is {_shown(self._type)}")
        return text

    def _equals(self, type_: Any, value: Any) -> Criterion:
        if value is None:
            return ~self.exists()
        if isinstance(value, Expr):
            raise InvalidFilter(f"{self.path}: a field can be compared with a value, not with another field")
        if isinstance(value, (date, Decimal, time)):
            # One of these has several spellings: equal as what it is, not as a text.
            return Criterion(only(Bound(self._json(type_, value)), self._compared(value)))
        json = self._json(type_, value)
        if type(json) not in (str, bool, int, float):
            raise InvalidFilter(f"{self.path}: a search compares single values, not {json!r:.200}")
        return Criterion(equal(json, self.path))

    def _range(self, lower: Any, upper: Any, inclusive: bool = True) -> Criterion:
        bounds = [None if value is None else self._bound(value, inclusive) for value in (lower, upper)]
        if bounds == [None, None]:
            raise InvalidFilter(f"{self.path}: a range needs a value to compare with, not None")
        return Criterion(Range(bounds[0], bounds[1], self._compared(upper if lower is None else lower)))

    def _compared(self, value: Any) -> str:
        """The field as it is compared with a value. Ranges of dates need no cast: every server knows them."""
        return (
            self.path
            if isinstance(value, date) or not isinstance(value, tuple(_CASTS))
            else next(f"{cast}{self.path}" for known, cast in _CASTS.items() if isinstance(value, known))
        )

    @property
    def _ordered(self) -> str:
        """The field as it is ordered and grouped: with the cast of its type."""
        type_ = _element(self._type) or self._type
        if self.path.startswith("@"):
            return self.path
        return next(
            (f"{cast}{self.path}" for known, cast in _CASTS.items() if _is_only(type_, known)), self.path
        )

    def _bound(self, value: Any, inclusive: bool) -> Bound:
        type_ = _element(self._type) or self._type
        json = self._json(type_, value)
        if isinstance(value, (date, Decimal, time)):
            return Bound(json, inclusive)
        plain = value.value if isinstance(value, Enum) else value
        if isinstance(plain, str):
            return Bound(json, inclusive, quoted=True)
        if isinstance(plain, (int, float)) and type(plain) is not bool:
            return Bound(repr(json), inclusive)
        raise InvalidFilter(
            f"{self.path}: {_shown(self._type)} has no order in a search; "
            "ranges are for numbers, texts and dates"
        )

    def _update(self, name: str, **members: Any) -> Update:
        if not self._members:
            raise InvalidFilter(f"{self.path} cannot be changed")
        pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in self._members)
        return Update({"op": name, "path": pointer, **members})


_ELSEWHERE: Final = {
    "in_": "write .is_in([...])",
    "any": "write .contains(...)",
    "has": "write .contains(...)",
    "like": "write .startswith(...), .matches(...) for words or .wildcard(...) for a pattern of one",
    "ilike": "write .matches(...) for words, which pays no regard to case",
    "is_": "write == None, or .exists()",
    "is_not": "write != None, or .exists()",
    "isnot": "write != None, or .exists()",
    "is_null": "write == None",
    "not_in": "write ~field.is_in([...])",
    "endswith": "write .wildcard('*...') for the end of a word",
}
"""What to write for the names that other libraries have."""


def path_of(thing: Any) -> Any:
    """The path of a field, also of a nested one; None of anything else."""
    return getattr(thing, "path" if isinstance(thing, Expr) else "_path", None)


def near(path: str, latitude: float, longitude: float, distance: str) -> Criterion:
    """Points of a field within a distance such as `"10km"` of a centre."""
    match = _DISTANCE.fullmatch(distance) if isinstance(distance, str) else None
    if match is None:
        raise InvalidFilter(
            f"{path}: a distance is a number with a unit ({', '.join(_UNITS)}), such as '10km', "
            f"not {distance!r}"
        )
    _coordinates(path, latitude, longitude)
    return Criterion(Near(float(latitude), float(longitude), float(match[1]), match[2], path))


def box(path: str, north: float, east: float, south: float, west: float) -> Criterion:
    """Points of a field within a box; one with `west > east` crosses the date line."""
    _coordinates(path, north, east)
    _coordinates(path, south, west)
    return Criterion(Box(float(north), float(east), float(south), float(west), path))


def nearest(path: str, descending: bool = False) -> Order:
    """By the distance from the centre of the query's `near` on that field."""
    return Order(SortDistance(path, descending))


def orders(given: Iterable[Order | Expr[Any]]) -> tuple[Sort, ...]:
    """The sort of orders and expressions (ascending). Raises `InvalidFilter` for anything else."""
    sorts = []
    for one in given:
        if isinstance(one, Order):
            sorts.append(one.sort)
        elif isinstance(one, Expr):
            sorts.append(one.asc().sort)
        else:
            raise InvalidFilter(f"order_by takes User.age or -User.age, not {one!r}")
    return tuple(sorts)


_UNITS = ("km", "m", "cm", "mm", "mi", "yd", "ft", "in", "nmi")
_DISTANCE = re.compile(rf"\s*(\d+(?:\.\d*)?|\.\d+)\s*({'|'.join(_UNITS)})\s*")


def _coordinates(path: str, latitude: Any, longitude: Any) -> None:
    for name, number, limit in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if type(number) not in (int, float) or not -limit <= number <= limit:
            raise InvalidFilter(f"{path}: a {name} is a number from -{limit} to {limit}, not {number!r}")


def _successor(text: str) -> str | None:
    """The least text, by code point, above everything that begins with `text`."""
    while text:
        last = ord(text[-1])
        if last < 0x10FFFF:
            return text[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        text = text[:-1]
    return None


def _without_none(type_: Any) -> Any:
    if get_origin(type_) in (Union, types.UnionType):
        rest = [member for member in get_args(type_) if member is not type(None)]
        return rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return type_


def _inner(type_: Any, name: str) -> tuple[str, Any] | None:
    """The member of an object of a type, and the type of its values; None where it has none.

    A class of models says it in `_member`; any other class by its annotations, as TypedDicts, dataclasses and
    NamedTuples do.
    """
    if type_ in (Any, object, dict):
        return name, Any
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        return next(filter(None, (_inner(each, name) for each in arguments)), None)
    if (element := _element(type_)) is not None:
        return _inner(element, name)
    declared = origin or type_
    if not isinstance(declared, type):
        return None
    if issubclass(declared, Mapping):
        if len(arguments) == 2:
            return name, arguments[1]
        if not is_typeddict(declared):
            return name, Any
    if hasattr(declared, "_member"):
        found: tuple[str, Any] | None = declared._member(name)
        return found
    if declared in _PLAIN or name not in getattr(declared, "__annotations__", ()):
        return None
    return name, get_type_hints(declared)[name]


_PLAIN = frozenset({str, int, float, bool, type(None), bytes})


def _element(type_: Any) -> Any:
    """The type of the elements of a list, a set or a tuple; None for anything else."""
    if type_ in (list, set, frozenset, tuple):
        return Any
    if get_origin(type_) in (list, set, frozenset, tuple):
        return get_args(type_)[0]
    return None


_CASTS: dict[type, str] = {datetime: "@date.", date: "@date.", Decimal: "@decimal.", time: "@time."}
"""The casts (see `lucene.casts`) of the types that are texts in JSON and have an order of their own."""


def _is_only(type_: Any, wanted: type) -> bool:
    """Whether all values of a type are of another one."""
    if get_origin(type_) in (Union, types.UnionType):
        rest = [member for member in get_args(type_) if member is not type(None)]
        return all(_is_only(member, wanted) for member in rest)
    return isinstance(type_, type) and issubclass(type_, wanted)


def _may_be(type_: Any, wanted: type) -> bool:
    if type_ is Any or type_ is wanted:
        return True
    if get_origin(type_) in (Union, types.UnionType):
        return any(_may_be(member, wanted) for member in get_args(type_))
    return isinstance(type_, type) and issubclass(type_, (wanted, Enum))


def _shown(type_: Any) -> str:
    return getattr(type_, "__name__", None) or str(type_)
