"""Model instances to JSON and back: every type, what is kept, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NewType, TypedDict
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcodm import (
    Document,
    Embedded,
    Field,
    InvalidDocument,
    InvalidModel,
    Nested,
    Problem,
    Session,
    connect,
    converter,
    field,
)
from orcodm.session.merge import same

from ..engines.strategies import json_values, texts


class Color(Enum):
    RED = "r"
    BLUE = "b"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Mood(StrEnum):
    GOOD = "good"


class Shade(str, Enum):  # noqa: UP042 - what applications have
    DARK = "dark"


class Point(Embedded):
    x: Field[int]
    y: Field[int | None] = field(default=None)


class Cat(Embedded):
    name: Field[str]
    lives: Field[int] = field(default=9)


class Dog(Embedded):
    name: Field[str]
    tricks: Field[list[str]] = field(factory=list)


class Movie(TypedDict):
    title: str


@dataclasses.dataclass
class Plain:
    a: int


@attrs.define
class Attrs:
    a: int


UserId = NewType("UserId", str)


def model(type_: Any, **options: Any) -> Any:
    """A document class with one field `f` of a type."""
    body = {"__annotations__": {"f": Field[type_]}, "f": field(**options), "__module__": __name__}
    kind: Any = type(Document)
    return kind("Thing", (Document,), body, collection="things")


def dumped(type_: Any, value: Any) -> Any:
    return model(type_)(f=value).to_value()["f"]


def loaded(type_: Any, value: Any) -> Any:
    return model(type_).from_value({"f": value}).f


def shown(one: Any) -> str:
    """The name of a parameter: the same in every process, which the order of a set is not."""
    return str(sorted(one, key=str) if isinstance(one, set) else one)[:40]


def problems(make: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as caught:
        make()
    return [(problem.path, problem.reason) for problem in caught.value.problems]


integers = st.integers() | st.integers(2**63, 2**80)
floats = st.floats(allow_nan=False, allow_infinity=False)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3))])
points = st.builds(Point, x=st.integers(), y=st.none() | st.integers())

TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, texts),
    (int, integers),
    (float, floats),
    (bool, st.booleans()),
    (Any, json_values()),
    (None, st.none()),
    (datetime, st.datetimes()),
    (datetime, st.datetimes(timezones=zones)),
    (date, st.dates()),
    (time, st.times()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (timedelta, st.timedeltas()),
    (UUID, st.uuids()),
    (bytes, st.binary()),
    (Color, st.sampled_from(Color)),
    (Size, st.sampled_from(Size)),
    (Mood, st.sampled_from(Mood)),
    (Shade, st.sampled_from(Shade)),
    (Literal["a", 1], st.sampled_from(["a", 1])),
    (UserId, texts),
    (Annotated[int, "documented"], integers),
    (list[str], st.lists(texts)),
    (list[Any], st.lists(json_values(max_leaves=3))),
    (list[Color], st.lists(st.sampled_from(Color))),
    (list[list[Mood]], st.lists(st.lists(st.sampled_from(Mood)))),
    (list[datetime | None], st.lists(st.none() | st.datetimes())),
    (set[int], st.sets(integers)),
    (set[Shade], st.sets(st.sampled_from(Shade))),
    (set[tuple[int, str]], st.sets(st.tuples(integers, texts))),
    (frozenset[bytes], st.frozensets(st.binary())),
    (tuple[int, ...], st.lists(integers).map(tuple)),
    (tuple[int, Color], st.tuples(integers, st.sampled_from(Color))),
    (Movie, st.fixed_dictionaries({"title": texts})),
    (dict[str, Any], st.dictionaries(texts, json_values(max_leaves=3))),
    (dict[str, Point], st.dictionaries(texts, points)),
    (dict[int, Point], st.dictionaries(integers, points)),
    (dict[Color, int], st.dictionaries(st.sampled_from(Color), integers)),
    (dict[date, str], st.dictionaries(st.dates(), texts)),
    (Point, points),
    (Point | None, st.none() | points),
    (list[Point], st.lists(points)),
    (dict[str, list[Point]] | None, st.none() | st.dictionaries(texts, st.lists(points), max_size=3)),
    (int | str, integers | texts),
    (int | float | None, st.none() | integers | floats),
    (bool | int, st.booleans() | integers),
    (date | int, st.dates() | integers),
    (list[int] | str, st.lists(integers) | texts),
    (Point | str, points | texts),
    (Size | str, st.sampled_from(Size) | texts),
    (Plain | None, st.none() | st.builds(Plain, st.integers())),
    (Attrs, st.builds(Attrs, st.integers())),
]


@pytest.mark.parametrize(("type_", "values"), TYPES, ids=shown)
def test_a_value_of_every_type_comes_back(type_: Any, values: st.SearchStrategy[Any]) -> None:
    thing = model(type_)

    @settings(max_examples=25)
    @given(values)
    def check(value: Any) -> None:
        written = thing(f=value).to_value()
        again = thing.from_value(written).f
        assert again == value
        assert type(again) is type(value)

    check()


JSON_OF: list[tuple[Any, Any, Any]] = [
    (datetime, datetime(2020, 1, 2, 3, 4, tzinfo=UTC), "2020-01-02T03:04:00+00:00"),
    (date, date(2020, 1, 2), "2020-01-02"),
    (Decimal, Decimal("1.10"), "1.10"),
    (UUID, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (bytes, b"\x00\xff", "AP8="),
    (timedelta, timedelta(days=1, hours=2), "P1DT7200S"),
    (Color, Color.RED, "r"),
    (Size, Size.LARGE, 2),
    (set[str], {"b", "a"}, ["a", "b"]),
    (tuple[int, ...], (2, 1), [2, 1]),
    (dict[int, str], {1: "x"}, {"1": "x"}),
    (Point, Point(x=1), {"x": 1, "y": None}),
    (float, 5, 5),
]


@pytest.mark.parametrize(("type_", "value", "json"), JSON_OF, ids=shown)
def test_the_json_of_a_type(type_: Any, value: Any, json: Any) -> None:
    assert same(dumped(type_, value), json)
    assert loaded(type_, json) == value


MISFITS: list[tuple[Any, Any, str, str]] = [
    (str, 1, "f", "expected a string, not an integer"),
    (int, "1", "f", "expected an integer, not a string"),
    (int, True, "f", "expected an integer, not a boolean"),
    (int, 1.0, "f", "expected an integer, not a number"),
    (float, "1", "f", "expected a number, not a string"),
    (str, None, "f", "expected a string, not null"),
    (list[int], [1, "x", True], "f[1]", "expected an integer, not a string"),
    (list[int], "12", "f", "expected an array, not a string"),
    (list[Point], [{"x": 1}, {"x": "a"}], "f[1].x", "expected an integer, not a string"),
    (datetime, "yesterday", "f", "expected an ISO 8601 datetime"),
    (date, 5, "f", "expected an ISO 8601 date, not an integer"),
    (Decimal, "x", "f", "expected the text of a decimal number"),
    (UUID, "x", "f", "expected the text of a UUID"),
    (bytes, 5, "f", "expected bytes in base64, not an integer"),
    (Color, "green", "f", "expected one of 'r', 'b'"),
    (Size, True, "f", "expected one of 1, 2"),
    (dict[int, str], {"01": "x"}, "f", "expected an integer as the name of a member"),
    (int | str, 1.5, "f", "expected an integer, not a number; or expected a string, not a number"),
    (Point, [], "f", "expected an object"),
    (Point, {}, "f.x", "required, but missing"),
    (Plain, {"a": 1, "b": 2}, "f", "Extra fields in constructor for Plain: b"),
]


@pytest.mark.parametrize(("type_", "json", "path", "reason"), MISFITS, ids=shown)
def test_a_stored_value_that_does_not_fit(type_: Any, json: Any, path: str, reason: str) -> None:
    assert problems(lambda: loaded(type_, json))[0] == (path, reason)


WRONG: list[tuple[Any, Any, str]] = [
    (str, 5, "expected a string, not an integer"),
    (list[str], "abc", "expected an array, not a string"),
    (list[int], [1, "x"], "expected an integer, not a string"),
    (list[Point], [{"x": 1}], "expected an object of Point, not dict: Point.from_value(...) makes one"),
    (Color, "r", "expected a member of Color: Color.RED ('r'), Color.BLUE ('b'), not str"),
    (datetime, "2020-01-01", "expected a datetime, not str: datetime.fromisoformat(...) makes one"),
    (date, datetime(2020, 1, 1), "expected an ISO 8601 date"),
    (set[int | str], {1, "a"}, "a set of mixed types has no stable order in JSON; use a list, or one type"),
    (list[float], [float("nan")], "JSON has no nan; use None"),
    (date | str, "2020-01-01", "it would be read back as datetime.date(2020, 1, 1)"),
]


@pytest.mark.parametrize(("type_", "value", "reason"), WRONG, ids=shown)
def test_a_value_of_a_wrong_type_is_refused_where_it_is_made(type_: Any, value: Any, reason: str) -> None:
    assert reason in problems(lambda: dumped(type_, value))[0][1]


def test_of_several_models_the_one_that_knows_most_members_reads_an_object() -> None:
    assert loaded(Cat | Dog, {"name": "Rex", "tricks": []}) == Dog(name="Rex")
    assert loaded(Cat | Dog, {"name": "Tom", "lives": 3}) == Cat(name="Tom", lives=3)
    assert dumped(Dog | Cat, Cat(name="Tom")) == {"name": "Tom", "lives": 9}


@pytest.mark.parametrize("type_", [complex, object(), Callable[[], int]])
def test_a_type_without_a_form_in_json_is_an_error_of_the_declaration(type_: Any) -> None:
    with pytest.raises(InvalidModel, match=r"Thing\.f"):
        model(type_).schema()


def test_hooks_for_types_of_the_application() -> None:
    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

    converter.register_structure_hook(Money, lambda value, _: Money(value))
    converter.register_unstructure_hook(Money, lambda money: money.cents)
    assert dumped(Money, Money(150)) == 150
    assert loaded(list[Money], [1, 2])[1].cents == 2


# -- what is kept ----------------------------------------------------------------------------------


class Room(Embedded):
    name: Field[str]
    points: Nested[list[Point]] = field(factory=list)


class House(Document, collection="houses"):
    name: Field[str] = field(default="")
    rooms: Nested[list[Room]] = field(factory=list)
    hall: Nested[Room | None] = field(default=None)
    by_name: Field[dict[str, Room]] = field(factory=dict)
    built: Field[datetime | None] = field(default=None)
    opened: Field[list[date]] = field(factory=list)
    size: Field[float] = field(default=1.0)
    note: Field[str | None] = field(default="none yet")
    colors: Field[set[int]] = field(factory=set)


unknown = st.dictionaries(texts.map(lambda name: f"?{name}"), json_values(max_leaves=3), max_size=2)


def kept(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the members, and some that no model knows."""
    return st.builds(
        lambda known, more: {**more, **known}, st.fixed_dictionaries({}, optional=members), unknown
    )


stored_points = st.builds(
    lambda one, more: {"x": 1, **one, **more}, kept(y=st.none() | st.integers()), unknown
)
stored_rooms = st.builds(
    lambda one, more: {"name": "r", **one, **more}, kept(points=st.lists(stored_points, max_size=2)), unknown
)
stored_dates = st.sampled_from(
    ["2020-01-01T00:00:00Z", "2020-01-01", "20200101T000000", "2020-01-01 00:00:00+00:00"]
)
stored_houses = kept(
    name=texts,
    rooms=st.lists(stored_rooms, max_size=3),
    hall=st.none() | stored_rooms,
    by_name=st.dictionaries(texts, stored_rooms, max_size=2),
    built=st.none() | stored_dates,
    opened=st.lists(st.sampled_from(["2020-01-01", "20200102"])),
    size=st.integers(-3, 3) | st.floats(-3, 3),
    note=st.none() | st.text(),
    colors=st.lists(st.integers(0, 5), max_size=5),
)


@given(stored_houses)
def test_nothing_is_sent_when_nothing_changed_whatever_the_stored_spelling(value: dict[str, Any]) -> None:
    with Session(connect("memory:")) as session:
        session.engine.execute(_put(value))
        session.get(House, "a")
        assert session.dirty == ()


@given(stored_houses)
def test_what_was_not_changed_keeps_its_stored_form_beside_a_change(value: dict[str, Any]) -> None:
    engine = connect("memory:")
    engine.execute(_put(value))
    with Session(engine) as session:
        house = session.get(House, "a")
        house.name = "changed" if house.name != "changed" else "again"
        changed = house.name
    assert same(_stored(engine), {**value, "name": changed})


def _put(value: Any) -> Any:
    from orcodm.operations import Put

    return Put(collection="houses", key="a", value=value)


def _stored(engine: Any) -> Any:
    from orcodm.operations import Get

    return engine.execute(Get(collection="houses", key="a")).value


def rewritten(stored: dict[str, Any], change: Callable[[House], object]) -> Any:
    """What is stored after a change of a loaded document."""
    engine = connect("memory:")
    engine.execute(_put(stored))
    with Session(engine) as session:
        change(session.get(House, "a"))
    return _stored(engine)


REWRITES: list[tuple[dict[str, Any], Callable[[House], object], dict[str, Any]]] = [
    ({"colors": [3, 1, 2]}, lambda house: house.colors.symmetric_difference_update({3, 5}),
     {"colors": [1, 2, 5]}),
    ({"rooms": [{"name": "a", "?": 1}]}, lambda house: setattr(house.rooms[0], "name", "b"),
     {"rooms": [{"name": "b", "?": 1}]}),
    ({"hall": None}, lambda house: setattr(house, "name", "x"), {"hall": None, "name": "x"}),
    ({"?": 1, "!": 2}, lambda house: house.other_members.pop("?"), {"!": 2}),
    ({}, lambda house: house.other_members.update(a=[1]), {"a": [1]}),
    ({"opened": ["20200101", "2020-01-02"]}, lambda house: house.opened.append(date(2020, 1, 3)),
     {"opened": ["2020-01-01", "2020-01-02", "2020-01-03"]}),
    ({"note": "x"}, lambda house: setattr(house, "note", None), {"note": None}),
    ({"size": 5}, lambda house: setattr(house, "size", 5.0), {"size": 5.0}),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "change", "after"), REWRITES)
def test_a_change_is_written_beside_what_is_kept(stored: Any, change: Any, after: Any) -> None:
    assert same(rewritten(stored, change), after)


class Days(Document, collection="houses"):
    hours: Field[dict[date, int]] = field(factory=dict)


def test_names_in_another_spelling_are_not_lost() -> None:
    engine = connect("memory:")
    engine.execute(_put({"hours": {"20200101": 1, "2020-01-02": 2}}))
    with Session(engine) as session:
        session.get(Days, "a").hours[date(2020, 1, 3)] = 3
    assert _stored(engine) == {"hours": {"2020-01-01": 1, "2020-01-02": 2, "2020-01-03": 3}}


def test_a_member_called_key_belongs_to_the_value_of_an_embedded_object() -> None:
    class Entry(Embedded):
        key: Field[str]

    assert dumped(Entry, Entry(key="x")) == {"key": "x"}
    assert loaded(Entry, {"key": "x"}).key == "x"


# -- what is reported ------------------------------------------------------------------------------


def test_every_problem_is_reported_at_once_with_its_path() -> None:
    class Person(Document, collection="people"):
        name: Field[str]
        age: Field[int] = field(validator=attrs.validators.ge(0))
        rooms: Nested[list[Room]] = field(factory=list)
        by: Field[dict[str, int]] = field(factory=dict)

    stored = {"age": "x", "rooms": [{"name": 1}, {"points": [{"x": None}]}], "by": {"a": 1, "b": "x"}}
    with pytest.raises(InvalidDocument) as caught:
        Person.from_value(stored)
    assert [problem.path for problem in caught.value.problems] == [
        "name", "age", "rooms[0].name", "rooms[1].name", "rooms[1].points[0].x", "by['b']"
    ]  # fmt: skip
    person: Any = Person
    assert caught.value.problems[1] == Problem("age", "x", "expected an integer, not a string")
    assert str(caught.value).startswith("Person does not fit its model:\n  name: required, but missing")
    assert problems(lambda: person(name=5, age=-1)) == [
        ("name", "expected a string, not an integer"), ("age", "'age' must be >= 0: -1")
    ]  # fmt: skip
    assert problems(lambda: person(name="x", age="y")) == [("age", "expected an integer, not a string")]


def test_what_is_stored_is_read_and_kept_though_a_validator_refuses_it() -> None:
    class Person(Document, collection="houses"):
        age: Field[int] = field(default=0, validator=attrs.validators.ge(0))
        name: Field[str] = field(default="")
        pets: Nested[list[Cat]] = field(factory=list)

    engine = connect("memory:")
    engine.execute(_put({"age": -1}))
    with Session(engine) as session:
        person = session.get(Person, "a")
        assert session.dirty == ()
        person.name = "Ada"
        assert problems(session.commit) == [("age", "'age' must be >= 0: -1")]
        person.age = 1
    assert _stored(engine) == {"age": 1, "name": "Ada"}


def test_validators_of_nested_objects_are_asked_at_any_depth() -> None:
    class Dot(Embedded):
        x: Field[int] = field(validator=attrs.validators.lt(10))
        tags: Field[list[str]] = field(factory=list, validator=attrs.validators.max_len(1))

    class Drawing(Document, collection="drawings"):
        dots: Field[dict[str, list[Dot]]]

    assert problems(lambda: Dot(x=10)) == [("x", "'x' must be < 10: 10")]
    drawing = Drawing(dots={"a": [Dot(x=1), Dot(x=2)]})
    drawing.dots["a"][1].tags.extend("ab")
    assert problems(drawing.to_value) == [("dots['a'][1].tags", "Length of 'tags' must be <= 1: 2")]
