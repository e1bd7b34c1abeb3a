"""The vocabulary: everything that can be asked of an engine, as values.

An operation is a frozen value whose class says what the answer is: `engine.execute(Get(...))` is an
`Item`. A value that exists is valid, so nobody behind it checks names, limits or times again. Values
under keys (`value`) are JSON and are checked where they are encoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final, Generic, Self, TypeVar

import attrs
from attrs import Attribute, define, frozen

from .errors import InvalidKey, InvalidParameter, MalformedRef, OrcodmError, shortened
from .times import zone_name

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

MAX_NAME_BYTES: Final = 1024
"""How long a collection, key, event type or relation kind may be, in bytes of UTF-8."""

MAX_RESULTS: Final = 10_000
"""The most results that a page may have, on any engine."""

MAX_OFFSET: Final = 2**53 - 1
"""How far the offset of a page reaches: integers beyond it are not exact to every reader of JSON."""

MAX_HOPS: Final = 100
"""The most kinds that one `ListRelations` may name."""

MAX_NAMED: Final = 10_000
"""The most fields, terms or buckets that one attribute may have."""

MAX_CLAUSES: Final = 1_000
"""The most sort clauses or aggregates of a search."""

MAX_EDGE: Final = 10**400
"""The edges of buckets are smaller than this: the wire writes them with up to 400 digits."""

MAX_TOP_VALUES: Final = 10_000
"""How far top values reach, offset and limit together: no engine counts more of them at once."""

DEFAULT_LIMIT: Final = 10
"""How many results a page has where nobody says (the protocol's default)."""

START: Final = "*"
"""The cursor before the first result: `Search(cursor=START)` begins keyset paging."""


# -- validators and converters ---------------------------------------------------------------------


def _wrong(attribute: str, wanted: str, value: Any, detail: str) -> InvalidParameter:
    return InvalidParameter(
        f"{attribute} must be {wanted}, not {shortened(value)}", details={attribute: detail}
    )


def _name(instance: Any, attribute: Attribute[Any], name: Any) -> None:
    if type(name) is not str:
        raise InvalidKey(f"{attribute.name} must be a string, not {shortened(name)}")
    if not name:
        raise InvalidKey(f"{attribute.name} must not be empty")
    if len(name) > MAX_NAME_BYTES // 4 or not name.isascii():
        try:
            size = len(name.encode())
        except UnicodeEncodeError as error:
            raise InvalidKey(
                f"{attribute.name} {shortened(name)} has a lone surrogate at position {error.start}: "
                "it is not Unicode text"
            ) from None
        if size > MAX_NAME_BYTES:
            raise InvalidKey(
                f"{attribute.name} has {size} bytes of UTF-8; at most {MAX_NAME_BYTES} are allowed"
            )


def _kinds(instance: Any, attribute: Attribute[Any], names: Any) -> None:
    if not names:
        raise InvalidKey(f"{attribute.name} must name at least one")
    for name in names:
        _name(instance, attribute, name)


_HEX: Final = "0123456789abcdefABCDEF"


def _ref(instance: Any, attribute: Attribute[Any], ref: Any) -> None:
    if not (type(ref) is str and 0 < len(ref) <= 64 and not ref.strip(_HEX)):
        shown = ref if type(ref) is str and len(ref) <= 80 else shortened(ref)
        raise MalformedRef(f"The provided Item Ref is malformed: {shortened(ref)}", details={"ref": shown})


def _some_ref(instance: Any, attribute: Attribute[Any], ref: Any) -> None:
    if ref is not None:
        _ref(instance, attribute, ref)


def _integer(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    if type(number) is not int:
        raise _wrong(attribute.name, "an integer", number, "Not an integer.")


def _milliseconds(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    _integer(instance, attribute, number)
    if not -(2**63) <= number < 2**63:
        raise _wrong(attribute.name, "within 64 bits", number, "Out of range.")


def _some_milliseconds(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    if number is not None:
        _milliseconds(instance, attribute, number)


def _some_place(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    """What engines know of a place: on a cluster, two numbers of 64 bits in one."""
    if number is not None:
        _integer(instance, attribute, number)
        if not 0 <= number < 2**128:
            raise _wrong(attribute.name, "a place that a page named", number, "Out of range.")


def _between(attribute: Attribute[Any], number: Any, most: int) -> None:
    if type(number) is not int or not 0 <= number <= most:
        wanted = f"an integer from 0 to {most}"
        raise _wrong(attribute.name, wanted, number, f"Must be at most {most}.")


def _limit(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    _between(attribute, number, MAX_RESULTS)


def _offset(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    _between(attribute, number, MAX_OFFSET)


def _top_values(instance: Any, attribute: Attribute[Any], number: Any) -> None:
    _between(attribute, number, MAX_TOP_VALUES)
    if attribute.name == "limit" and instance.offset + number > MAX_TOP_VALUES:
        raise InvalidParameter(
            f"offset {instance.offset} and limit {number} reach beyond the {MAX_TOP_VALUES} first values",
            details={"aggregate": f"Must not reach beyond {MAX_TOP_VALUES} values."},
        )


def _flag(instance: Any, attribute: Attribute[Any], flag: Any) -> None:
    if type(flag) is not bool:
        raise _wrong(attribute.name, "True or False", flag, "Must be true or false.")


def _text(instance: Any, attribute: Attribute[Any], text: Any) -> None:
    """A bound or a query: any Unicode text, which may be empty."""
    try:
        if type(text) is not str:
            raise TypeError
        text.encode()
    except (TypeError, UnicodeEncodeError):
        raise _wrong(attribute.name, "Unicode text", text, "Not Unicode text.") from None


def _some_text(instance: Any, attribute: Attribute[Any], text: Any) -> None:
    if text is not None:
        _text(instance, attribute, text)


INTERVALS: Final = ("year", "quarter", "month", "week", "day", "hour")


def _interval(instance: Any, attribute: Attribute[Any], interval: Any) -> None:
    if type(interval) is not str or interval not in INTERVALS:
        shown = shortened(interval)
        raise InvalidParameter(
            f"the interval {shown} is none of {', '.join(INTERVALS)}",
            details={"aggregate": f"Unknown interval {shown}."},
        )


def _time_zone(zone: Any) -> str | None:
    if zone is None:
        return None
    if type(zone) is not str:
        raise InvalidParameter(
            f"a time zone is a text, not {shortened(zone)}", details={"aggregate": "Not a time zone."}
        )
    return zone_name(zone)


def _tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    if type(values) is tuple:
        return values
    return tuple(values)


def _several(name: str, values: Any, kind: Any, wanted: str, most: int | None = MAX_NAMED) -> tuple[Any, ...]:
    """The elements of an attribute, each of a kind (None: of any). Raises `InvalidParameter`."""
    if type(values) is tuple or type(values) is list:
        found = tuple(values)
    elif isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        # The letters of "friends" are seven kinds nobody meant.
        what = "text " if isinstance(values, str) else ""
        raise InvalidParameter(
            f"{name}: a list or tuple is expected, not the {what}{shortened(values)}",
            details={name: "Not a list."},
        )
    else:
        found = tuple(values if most is None else islice(values, most + 1))
    if most is not None and len(found) > most:
        raise InvalidParameter(
            f"{name} has more than the {most} that are allowed", details={name: "Too many."}
        )
    if kind is not None:
        for one in found:
            if not isinstance(one, kind):
                raise InvalidParameter(
                    f"{name} holds {wanted}, not {shortened(one)}", details={name: f"Holds {wanted} only."}
                )
    return found


def _texts(name: str, values: Any, most: int = MAX_NAMED) -> tuple[str, ...]:
    found = _several(name, values, str, "texts", most)
    for text in found:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise _wrong(name, "Unicode text", text, "Not Unicode text.") from None
    return found


def _with_fields(values: Iterable[str]) -> tuple[str, ...]:
    return values if type(values) is tuple and not values else _texts("with_fields", values)


def _without_fields(values: Iterable[str]) -> tuple[str, ...]:
    return values if type(values) is tuple and not values else _texts("without_fields", values)


def _hops(values: Iterable[str]) -> tuple[str, ...]:
    """As a tuple; that each is a name is looked at afterwards."""
    return _several("kinds", values, None, "", MAX_HOPS)


def _some_name(instance: Any, attribute: Attribute[Any], name: Any) -> None:
    if name is not None:
        _name(instance, attribute, name)


def _condition(instance: Any, attribute: Attribute[Any], condition: Any) -> None:
    if condition is not None and type(condition) is not IfMatch and type(condition) is not IfAbsent:
        raise InvalidParameter(
            f"a write condition is IfMatch(ref), IfAbsent() or None, not {shortened(condition)}"
        )


def _condition_and_text(instance: Any, attribute: Attribute[Any], text: Any) -> None:
    """Both in one, since every save makes a `Put`."""
    if (condition := instance.condition) is not None:
        _condition(instance, attribute, condition)
    if text is not None and type(text) is not bytes:
        raise _wrong("text", "bytes or None", text, "Not bytes.")


# -- what all of them have in common ---------------------------------------------------------------


class Value:
    """Equal where class and attributes are, hashed and shown by them, as attrs would generate it.

    Written once: generating it for each of these classes took half of the time that importing them takes.
    What is frozen has no slots, which a frozen class fills at twice the cost.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __hash__(self) -> int:
        return hash((type(self), *_compared(self)))

    def __repr__(self) -> str:
        cls: Any = type(self)
        shown = [f"{one.name}={getattr(self, one.name)!r}" for one in attrs.fields(cls) if one.repr]
        return f"{cls.__name__}({', '.join(shown)})"


def _compared(value: Any) -> list[Any]:
    cls: Any = type(value)
    return [getattr(value, name) for name in _names_compared(cls)]


@cache
def _names_compared(cls: Any) -> tuple[str, ...]:
    return tuple(one.name for one in attrs.fields(cls) if one.eq)


# -- write conditions ------------------------------------------------------------------------------


@frozen(eq=False, repr=False, slots=False)
class IfMatch(Value):
    """Write only if this is the current ref."""

    ref: str = attrs.field(validator=_ref)


@frozen(eq=False, repr=False, slots=False)
class IfAbsent(Value):
    """Write only if there is no current value: never written, deleted or purged."""


Condition = IfMatch | IfAbsent | None
"""`None` writes whatever is there."""


# -- results ---------------------------------------------------------------------------------------


# There are many of these: to freeze them would double what making one takes, as would names for the values.
@define(eq=False, repr=False)
class Item(Value):
    """A stored value under its key. `reftime` is in milliseconds since the epoch.

    `reftime` is None where the service does not say (a plain GET over HTTP). In the results of a
    search `score` is the relevance, and `distance` the distance from the centre of its NEAR clause in
    that clause's unit. `text` is the JSON text of the value as it is stored, where the engine has it at hand;
    it has no part in equality.
    """

    collection: str
    key: str
    ref: str
    value: Any
    reftime: int | None = None
    text: bytes | None = attrs.field(default=None, eq=False, repr=False)
    score: float | None = None
    distance: float | None = None


@define(eq=False, repr=False)
class EventItem(Value):
    """A stored event: `timestamp` and `reftime` in milliseconds since the epoch; `text` as in `Item`."""

    collection: str
    key: str
    type: str
    timestamp: int
    ordinal: int
    ref: str
    value: Any
    reftime: int | None = None
    text: bytes | None = attrs.field(default=None, eq=False, repr=False)
    score: float | None = None
    distance: float | None = None


@define(kw_only=True, eq=False, repr=False)
class RelationItem(Value):
    """A stored relation; `value` is its properties; `text` as in `Item`."""

    collection: str
    key: str
    kind: str
    to_collection: str
    to_key: str
    ref: str
    value: Any
    reftime: int | None = None
    text: bytes | None = attrs.field(default=None, eq=False, repr=False)
    score: float | None = None
    distance: float | None = None


@define(kw_only=True, eq=False, repr=False)
class Version(Value):
    """One entry of a key's history. A deletion has neither ref nor value.

    `value` is None also where the list was asked for without values.
    """

    collection: str
    key: str
    ref: str | None
    reftime: int | None
    value: Any = None
    deleted: bool = False


@define(eq=False, repr=False)
class Written(Value):
    """The answer to a write of an item or a relation: where it is and its new ref.

    `reftime` is when it was written, where the engine says; it has no part in equality.
    """

    collection: str
    key: str
    ref: str
    reftime: int | None = attrs.field(default=None, eq=False, repr=False)


@define(kw_only=True, eq=False, repr=False)
class EventWritten(Value):
    """The answer to a write of an event; `reftime` as in `Written`."""

    collection: str
    key: str
    type: str
    timestamp: int
    ordinal: int
    ref: str
    reftime: int | None = attrs.field(default=None, eq=False, repr=False)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Page(Value, Generic[R_co]):
    """Some results, and the operations that fetch the pages beside this one.

    `next` and `prev` are None where there is nothing further. `total` counts all matches of a search
    (None on lists, and on keyset pages). `aggregates` are in the order asked for.
    """

    results: tuple[R_co, ...] = attrs.field(converter=_tuple)
    next: Operation[Page[R_co]] | None = None
    prev: Operation[Page[R_co]] | None = None
    total: int | None = None
    aggregates: tuple[AggregateResult, ...] = ()


@frozen(eq=False, repr=False, slots=False)
class BatchResult(Value):
    """One outcome for each operation of a `Batch`, in its order: its result, or its error.

    On an engine with `capabilities.atomic_batch`, one error means that nothing was written; the
    operations that would have succeeded then have `Aborted`.
    """

    outcomes: tuple[Any, ...] = attrs.field(converter=_tuple)

    @property
    def failed(self) -> bool:
        return any(isinstance(outcome, OrcodmError) for outcome in self.outcomes)


# -- operations: items -----------------------------------------------------------------------------


class Operation(Value, Generic[R_co]):
    """Something to ask of an engine; the answer is an `R_co`."""

    def _replace(self, **valid: Any) -> Self:
        """A copy with other values, at which nobody looks again."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **valid)
        return copy


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Ping(Operation[None]):
    """See that the engine answers and the credentials are good."""


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Get(Operation[Item]):
    """Read the item at a key: the current one, or the one a ref names. Raises `NotFound`."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    ref: str | None = attrs.field(default=None, validator=_some_ref)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)

    def at(self, key: str) -> Get:
        """The like of another key, for half of what it else takes. Raises `InvalidKey`."""
        _name(self, _KEY, key)
        operation = object.__new__(Get)
        fields = operation.__dict__
        fields["collection"], fields["key"] = self.collection, key
        fields["ref"], fields["with_fields"], fields["without_fields"] = None, (), ()
        return operation


_KEY: Final = attrs.fields(Get).key


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Put(Operation[Written]):
    """Create or replace the value at a key. Raises `Conflict` or `AlreadyExists` by its condition.

    `text` is what `orcodm.values.encode` makes of the value, where that is at hand; it is not compared.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    value: Any
    condition: Condition = None
    text: bytes | None = attrs.field(default=None, validator=_condition_and_text, eq=False, repr=False)

    def at(self, key: str, value: Any, condition: Condition, text: bytes) -> Put:
        """The like of another key, for a third of what it else takes. Raises `InvalidKey`."""
        _name(self, _KEY, key)
        operation = object.__new__(Put)
        fields = operation.__dict__
        fields["collection"], fields["key"] = self.collection, key
        fields["value"], fields["condition"], fields["text"] = value, condition, text
        return operation


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Post(Operation[Written]):
    """Create an item under a key that the engine generates."""

    collection: str = attrs.field(validator=_name)
    value: Any


def _changes_of(values: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    found = _several("changes", values, Mapping, "objects such as {'op': 'inc', 'path': 'n'}", None)
    return tuple(one if type(one) is dict else dict(one) for one in found)


@frozen(eq=False, repr=False, slots=False)
class JsonPatch(Value):
    """Operations of JSON Patch (RFC 6902) and the protocol's extensions, as JSON objects."""

    operations: tuple[dict[str, Any], ...] = attrs.field(converter=_changes_of)


@frozen(eq=False, repr=False, slots=False)
class MergePatch(Value):
    """A JSON Merge Patch (RFC 7396)."""

    value: Any


Changes = JsonPatch | MergePatch


def _changes(instance: Any, attribute: Attribute[Any], changes: Any) -> None:
    if not isinstance(changes, Changes):
        raise InvalidParameter(
            f"changes must be a JsonPatch or a MergePatch, not {shortened(changes)}",
            details={"changes": "Not a patch."},
        )


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Patch(Operation[Written]):
    """Change parts of the value at a key, all or nothing.

    Raises `NotFound` where there is no value (with `upsert` the changes apply to `{}`), `Conflict`,
    `PatchConflict` where an operation cannot be applied, `BadRequest` where one is malformed.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    changes: Changes = attrs.field(validator=_changes)
    condition: Condition = attrs.field(default=None, validator=_condition)
    upsert: bool = attrs.field(default=False, validator=_flag)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Delete(Operation[None]):
    """Delete the value at a key, leaving its history; with `purge` the history goes as well.

    Deleting what is not there is no error, unless the condition says otherwise.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    condition: Condition = attrs.field(default=None, validator=_condition)
    purge: bool = attrs.field(default=False, validator=_flag)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class DeleteCollection(Operation[None]):
    """Erase a collection: items, history, events and relations."""

    collection: str = attrs.field(validator=_name)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class List(Operation[Page[Item]]):
    """The items of a collection in the order of their keys (by code point), within bounds.

    `start` and `end` are inclusive, `after` and `before` exclusive; both of a side apply at once.
    """

    collection: str = attrs.field(validator=_name)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)
    start: str | None = attrs.field(default=None, validator=_some_text)
    after: str | None = attrs.field(default=None, validator=_some_text)
    before: str | None = attrs.field(default=None, validator=_some_text)
    end: str | None = attrs.field(default=None, validator=_some_text)
    values: bool = attrs.field(default=True, validator=_flag)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class ListRefs(Operation[Page[Version]]):
    """The history of a key, newest first. Raises `NotFound` where there never was one or it was purged.

    `at` is what the engine knows of the place `offset`, in the `next` of a page that it gave, so that it need
    not count up to it again. It says nothing to others, and has no part in equality.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)
    offset: int = attrs.field(default=0, validator=_offset)
    values: bool = attrs.field(default=False, validator=_flag)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)
    at: int | None = attrs.field(default=None, validator=_some_place, eq=False, repr=False)


# -- operations: search ----------------------------------------------------------------------------


@frozen(eq=False, repr=False, slots=False)
class SortField(Value):
    """Order by the exact value of a field (`value.name`, `@path.key`, `score`); missing values last."""

    field: str = attrs.field(validator=_text)
    descending: bool = attrs.field(default=False, validator=_flag)


@frozen(eq=False, repr=False, slots=False)
class SortDistance(Value):
    """Order by the distance of a point from the centre of the query's NEAR clause on that field."""

    field: str = attrs.field(validator=_text)
    descending: bool = attrs.field(default=False, validator=_flag)


@frozen(eq=False, repr=False, slots=False)
class SortRandom(Value):
    """A random order, the same for the same seed."""

    seed: str | None = attrs.field(default=None, validator=_some_text)


Sort = SortField | SortDistance | SortRandom


def _sorts(values: Iterable[Sort]) -> tuple[Sort, ...]:
    return (
        values
        if type(values) is tuple and not values
        else _several("sort", values, Sort, "clauses such as SortField('value.n')", MAX_CLAUSES)
    )


Bucket = tuple[float | None, float | None]
"""A half-open interval [min, max); None is an open side."""


def _buckets(values: Iterable[Any]) -> tuple[Bucket, ...]:
    return tuple(map(_bucket, _several("buckets", values, tuple | list, "pairs of numbers")))


def _bucket(bucket: Any) -> Bucket:
    if len(bucket) != 2:
        raise _wrong("buckets", "pairs of numbers", bucket, "Not a pair.")
    for side in bucket:
        if side is not None and not (
            (type(side) is int and -MAX_EDGE < side < MAX_EDGE)
            or (type(side) is float and math.isfinite(side))
        ):
            wanted = "pairs of finite numbers with fewer than 400 digits, or None for an open side"
            raise _wrong("buckets", wanted, side, "Not a number.")
    return bucket[0], bucket[1]


@frozen(eq=False, repr=False, slots=False)
class Stats(Value):
    """min, max, mean, sum, sum of squares, variance and standard deviation of a number field."""

    field: str = attrs.field(validator=_text)


@frozen(eq=False, repr=False, slots=False)
class Ranges(Value):
    """How many numbers of a field lie in each bucket."""

    field: str = attrs.field(validator=_text)
    buckets: tuple[Bucket, ...] = attrs.field(converter=_buckets)


@frozen(eq=False, repr=False, slots=False)
class Distances(Value):
    """How many points of a field lie in each ring around the centre of the query's NEAR clause.

    The radii are in that clause's unit.
    """

    field: str = attrs.field(validator=_text)
    buckets: tuple[Bucket, ...] = attrs.field(converter=_buckets)


@frozen(eq=False, repr=False, slots=False)
class TimeSeries(Value):
    """How many dates of a field lie in each `interval`: year, quarter, month, week, day or hour.

    `time_zone` is an offset such as `+0200` (`+02:00` and `+02` are read as that), `UTC`, or a name of the
    IANA database such as `Europe/Oslo`; None is UTC. An hour that comes twice, when clocks are set back, is
    two intervals.
    """

    field: str = attrs.field(validator=_text)
    interval: str = attrs.field(validator=_interval)
    time_zone: str | None = attrs.field(default=None, converter=_time_zone)


@frozen(eq=False, repr=False, slots=False)
class TopValues(Value):
    """The most frequent whole values of a field."""

    field: str = attrs.field(validator=_text)
    offset: int = attrs.field(default=0, validator=_top_values)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_top_values)


Aggregate = Stats | Ranges | Distances | TimeSeries | TopValues


def _aggregates(values: Iterable[Aggregate]) -> tuple[Aggregate, ...]:
    if type(values) is tuple and not values:
        return values
    return _several("aggregates", values, Aggregate, "aggregates such as Stats('value.n')", MAX_CLAUSES)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class StatsResult(Value):
    """`value_count` numbers; the figures are None where there is no number. Variance is of the population."""

    field: str
    value_count: int
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    sum: float | None = None
    sum_of_squares: float | None = None
    variance: float | None = None
    std_dev: float | None = None


@frozen(eq=False, repr=False, slots=False)
class BucketCount(Value):
    min: float | None
    max: float | None
    count: int


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class RangesResult(Value):
    field: str
    value_count: int
    buckets: tuple[BucketCount, ...] = attrs.field(converter=_tuple)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class DistancesResult(Value):
    field: str
    value_count: int
    buckets: tuple[BucketCount, ...] = attrs.field(converter=_tuple)


@frozen(eq=False, repr=False, slots=False)
class IntervalCount(Value):
    """`bucket` is a label: `2014`, `2014-Q4`, `2014-12`, `2014-W49`, `2014-12-01` or `2014-12-01T05`.

    An hour that comes twice in its time zone has its offset behind it the second time: `2015-10-25T02+01:00`.
    """

    bucket: str
    count: int


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class TimeSeriesResult(Value):
    """The intervals that have dates, ascending."""

    field: str
    value_count: int
    interval: str
    time_zone: str | None = None
    buckets: tuple[IntervalCount, ...] = attrs.field(converter=_tuple)


@frozen(eq=False, repr=False, slots=False)
class ValueCount(Value):
    value: Any
    count: int


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class TopValuesResult(Value):
    field: str
    value_count: int
    offset: int
    limit: int
    entries: tuple[ValueCount, ...] = attrs.field(converter=_tuple)


AggregateResult = StatsResult | RangesResult | DistancesResult | TimeSeriesResult | TopValuesResult

SearchResult = Item | EventItem | RelationItem


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Search(Operation[Page[SearchResult]]):
    """Search a collection (None: all of them) with a Lucene query.

    Only items are found unless the query mentions `@path.kind`. Without `sort` the best score comes
    first, then collection and key. `cursor` None pages by `offset`; `START` and the cursors of the
    pages' `next` page by keyset, so that writes in between neither skip nor repeat a result: that
    needs `capabilities.keyset`. Raises `InvalidQuery`.
    """

    query: str = attrs.field(validator=_text)
    collection: str | None = attrs.field(default=None, validator=_some_name)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)
    offset: int = attrs.field(default=0, validator=_offset)
    cursor: str | None = attrs.field(default=None, validator=_some_text)
    sort: tuple[Sort, ...] = attrs.field(default=(), converter=_sorts)
    aggregates: tuple[Aggregate, ...] = attrs.field(default=(), converter=_aggregates)
    values: bool = attrs.field(default=True, validator=_flag)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)


@frozen(eq=False, repr=False, slots=False)
class TermCount(Value):
    """A word or a value, and in how many items it is."""

    text: str
    count: int


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Terms(Value):
    """Some terms of a field; `documents` is how many items have the field."""

    documents: int
    terms: tuple[TermCount, ...] = attrs.field(converter=_tuple)


def _some(instance: Any, attribute: Attribute[Any], text: Any) -> None:
    _text(instance, attribute, text)
    if not text:
        raise InvalidParameter(
            f"{attribute.name} must not be empty", details={attribute.name: "Must not be empty."}
        )


def _terms(values: Iterable[str]) -> tuple[str, ...]:
    return _texts("only", values)


def _each_some(instance: Any, attribute: Attribute[Any], texts: Any) -> None:
    for text in texts:
        _some(instance, attribute, text)


LONGEST_TERM: Final = 128
"""Longer values are no suggestions: `ListTerms` leaves them out where it is not asked for `only` them."""


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class ListTerms(Operation[Terms]):
    """The words of a field of the items, or with `whole` its string values, each with how many items have it.

    Those that begin with `prefix`, upper and lower case alike, most frequent first, then by the alphabet. Or,
    where there are `only`, exactly these, in that order, those that nobody has among them. Needs
    `capabilities.terms`.
    """

    collection: str = attrs.field(validator=_name)
    field: str = attrs.field(validator=_some)
    whole: bool = attrs.field(default=False, validator=_flag)
    prefix: str = attrs.field(default="", validator=_text)
    only: tuple[str, ...] = attrs.field(default=(), converter=_terms, validator=_each_some)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)


# -- operations: events ----------------------------------------------------------------------------


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class PostEvent(Operation[EventWritten]):
    """Add an event; the item need not exist.

    `timestamp` None is the engine's now; `ordinal` None lets the engine give one, else the event is
    created with that ordinal if it is free (`AlreadyExists`).
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    type: str = attrs.field(validator=_name)
    value: Any
    timestamp: int | None = attrs.field(default=None, validator=_some_milliseconds)
    ordinal: int | None = attrs.field(default=None, validator=_some_milliseconds)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class GetEvent(Operation[EventItem]):
    """Read one event. Raises `NotFound`."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    type: str = attrs.field(validator=_name)
    timestamp: int = attrs.field(validator=_milliseconds)
    ordinal: int = attrs.field(validator=_milliseconds)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class PutEvent(Operation[EventWritten]):
    """Replace the value of an event. Raises `NotFound` or `Conflict`."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    type: str = attrs.field(validator=_name)
    timestamp: int = attrs.field(validator=_milliseconds)
    ordinal: int = attrs.field(validator=_milliseconds)
    value: Any
    condition: Condition = attrs.field(default=None, validator=_condition)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class PatchEvent(Operation[EventWritten]):
    """Change parts of an event's value. Raises `NotFound`, `Conflict` or `PatchConflict`."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    type: str = attrs.field(validator=_name)
    timestamp: int = attrs.field(validator=_milliseconds)
    ordinal: int = attrs.field(validator=_milliseconds)
    changes: Changes = attrs.field(validator=_changes)
    condition: Condition = attrs.field(default=None, validator=_condition)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class DeleteEvent(Operation[None]):
    """Erase an event. One that is not there is no error, unless the condition says otherwise."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    type: str = attrs.field(validator=_name)
    timestamp: int = attrs.field(validator=_milliseconds)
    ordinal: int = attrs.field(validator=_milliseconds)
    condition: Condition = attrs.field(default=None, validator=_condition)


@frozen(eq=False, repr=False, slots=False)
class EventBound(Value):
    """One end of a range of events: a timestamp in milliseconds, and an ordinal where it is that exact.

    Without an ordinal an inclusive bound covers all events of its millisecond, an exclusive one none.
    """

    timestamp: int = attrs.field(validator=_milliseconds)
    ordinal: int | None = attrs.field(default=None, validator=_some_milliseconds)


def _event_bound(instance: Any, attribute: Attribute[Any], bound: Any) -> None:
    if bound is not None and not isinstance(bound, EventBound):
        raise _wrong(attribute.name, "an EventBound or None", bound, "Not a bound.")


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class ListEvents(Operation[Page[EventItem]]):
    """The events of a key and type, newest first (timestamp, then ordinal), within bounds.

    `start` and `end` are inclusive, `after` and `before` exclusive; both of a side apply at once.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    type: str = attrs.field(validator=_name)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)
    start: EventBound | None = attrs.field(default=None, validator=_event_bound)
    after: EventBound | None = attrs.field(default=None, validator=_event_bound)
    before: EventBound | None = attrs.field(default=None, validator=_event_bound)
    end: EventBound | None = attrs.field(default=None, validator=_event_bound)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)


# -- operations: relations -------------------------------------------------------------------------


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class PutRelation(Operation[Written]):
    """Relate two items, or replace the properties of their relation.

    The answer's ref is the relation's, its collection and key are the source's. Raises `NotFound` with
    the missing end, `Conflict` or `AlreadyExists` by the condition.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    kind: str = attrs.field(validator=_name)
    to_collection: str = attrs.field(validator=_name)
    to_key: str = attrs.field(validator=_name)
    value: Any = attrs.field(factory=dict)
    condition: Condition = attrs.field(default=None, validator=_condition)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class GetRelation(Operation[RelationItem]):
    """Read the properties of one relation. Raises `RelationNotFound`."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    kind: str = attrs.field(validator=_name)
    to_collection: str = attrs.field(validator=_name)
    to_key: str = attrs.field(validator=_name)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class DeleteRelation(Operation[None]):
    """Remove a relation; one that is not there between existing items is no error. Raises `NotFound`."""

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    kind: str = attrs.field(validator=_name)
    to_collection: str = attrs.field(validator=_name)
    to_key: str = attrs.field(validator=_name)
    condition: Condition = attrs.field(default=None, validator=_condition)


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class ListRelations(Operation[Page[Item]]):
    """The items at the end of one hop for each kind, oldest relation first, each destination once.

    Relations whose target has no value are skipped. Raises `NotFound` where the source has no value.
    """

    collection: str = attrs.field(validator=_name)
    key: str = attrs.field(validator=_name)
    kinds: tuple[str, ...] = attrs.field(converter=_hops, validator=_kinds)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)
    offset: int = attrs.field(default=0, validator=_offset)
    with_fields: tuple[str, ...] = attrs.field(default=(), converter=_with_fields)
    without_fields: tuple[str, ...] = attrs.field(default=(), converter=_without_fields)


# -- operations: everything, as it is stored -------------------------------------------------------

Record = Version | EventItem | RelationItem
"""One thing that is stored. Of a `Version` among records the ref is told also where it is a deletion."""


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Dump(Operation[Page[Record]]):
    """Read everything that is stored, in a collection or (None) in all: what searches do not find as well.

    Versions come in the order of their writing, so those of a key oldest first; then events, then relations,
    oldest first. `cursor` is `START` or that of a page's `next`. What is written meanwhile may be in or not;
    what was there before, and still is, is in. Needs `capabilities.records`.
    """

    collection: str | None = attrs.field(default=None, validator=_some_name)
    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_limit)
    cursor: str = attrs.field(default=START, validator=_text)


def _records(values: Iterable[Any]) -> tuple[Record, ...]:
    found = _several("records", values, Record, "versions, events and relations", None)
    for record in found:
        for field in attrs.fields(type(record)):
            if (check := _RECORD.get(field.name)) is not None:
                check(record, field, getattr(record, field.name))
    return found


_RECORD: Final[dict[str, Any]] = {
    **dict.fromkeys(("collection", "key", "type", "kind", "to_collection", "to_key"), _name),
    **dict.fromkeys(("reftime", "timestamp", "ordinal"), _milliseconds),
    "ref": _ref,
    "deleted": _flag,
}


@frozen(eq=False, repr=False, slots=False)
class Restore(Operation[BatchResult]):
    """Store records as they were dumped, with their refs, times and ordinals.

    The outcome of a record is True where it was stored, False where it is there already, else its error:
    `Conflict` where a version does not continue the history of its key, `AlreadyExists` where there is
    another event or relation in its place. One that fails does not hinder the others. A relation may be
    restored whose ends are deleted. Restoring again changes nothing. Needs `capabilities.records`.
    """

    records: tuple[Record, ...] = attrs.field(converter=_records)


# -- operations: several at once -------------------------------------------------------------------

Write = (
    Put
    | Post
    | Patch
    | Delete
    | PostEvent
    | PutEvent
    | PatchEvent
    | DeleteEvent
    | PutRelation
    | DeleteRelation
)
"""What a `Batch` may hold."""


def _writes(values: Iterable[Any]) -> tuple[Write, ...]:
    writes = _several("operations", values, None, "", None)
    for operation in writes:
        if not isinstance(operation, Write):
            raise InvalidParameter(f"a batch holds writes, not {shortened(operation)}")
    return writes


@frozen(eq=False, repr=False, slots=False)
class Batch(Operation[BatchResult]):
    """Several writes, each seeing those before it.

    With `capabilities.atomic_batch` they are one transaction. Errors are outcomes, never raised.
    """

    operations: tuple[Write, ...] = attrs.field(converter=_writes)


def all_operations() -> frozenset[type[Operation[Any]]]:
    """Every class of operation, for the tables that must cover them."""
    return frozenset(
        thing
        for thing in globals().values()
        if isinstance(thing, type) and issubclass(thing, Operation) and thing is not Operation
    )
