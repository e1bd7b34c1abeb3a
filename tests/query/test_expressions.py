"""Expressions to Lucene trees and texts: what is sent, and that no value can change what it means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Document, Embedded, Field, InvalidFilter, Nested, field, random_order, score
from orcodm.lucene.exact import equal
from orcodm.lucene.parser import parse
from orcodm.lucene.tree import Boolean, Clause, MatchAll, Occur, Term
from orcodm.operations import SortDistance, SortField, SortRandom
from orcodm.query.expressions import orders

from ..people import Address, User
from ..strategies import texts


class Color(Enum):
    RED = "r"


class Size(IntEnum):
    LARGE = 2


class File(Embedded):
    path: Field[str]


class Item(Document, collection="items"):
    name: Field[str] = field(default="")
    count: Field[int] = field(default=0)
    price: Field[Decimal] = field(default=Decimal(0))
    ratio: Field[float | None] = field(default=None)
    mixed: Field[int | str] = field(default=0)
    done: Field[bool] = field(default=False)
    day: Field[date | None] = field(default=None)
    when: Field[datetime | None] = field(default=None)
    color: Field[Color] = field(default=Color.RED)
    size: Field[Size] = field(default=Size.LARGE)
    token: Field[UUID | None] = field(default=None)
    raw: Field[bytes] = field(default=b"")
    words: Field[list[str]] = field(factory=list)
    numbers: Field[set[int]] = field(factory=set)
    pair: Field[tuple[int, ...]] = field(default=())
    prices: Field[dict[str, int]] = field(factory=dict)
    payload: Field[Any] = field(default=None)
    file: Nested[File | None] = field(default=None)
    files: Nested[list[File]] = field(factory=list)
    odd: Field[str] = field(default="", name="a b:c")


NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)

mistaken: Any = Item

TEXTS: list[tuple[Any, str]] = [
    # what is equal
    (Item.name == "Ada Lovelace", "value.name:`Ada Lovelace`"),
    (Item.name != "x", "*:* AND NOT value.name:`x`"),
    (Item.count == 3, "value.count:[3 TO 3]"),
    (Item.count == -3, "value.count:[-3 TO -3]"),
    (Item.count == 2**70, f"value.count:[{2**70} TO {2**70}]"),
    (Item.ratio == 1.5, "value.ratio:[1.5 TO 1.5]"),
    (Item.done == True, "value.done:[true TO true]"),  # noqa: E712
    (Item.color == Color.RED, "value.color:`r`"),
    (Item.size == Size.LARGE, "value.size:[2 TO 2]"),
    (Item.price == Decimal("1.10"), "@decimal.value.price:[1.10 TO 1.10]"),
    (Item.token == UUID(int=1), "value.token:`00000000-0000-0000-0000-000000000001`"),
    (Item.day == date(2020, 1, 2), "value.day:[2020-01-02 TO 2020-01-02]"),
    (Item.when == NOON, "value.when:[2020-01-01T12:00:00+00:00 TO 2020-01-01T12:00:00+00:00]"),
    (Item.raw == b"\x00\xff", "value.raw:`AP8=`"),
    (Item.mixed == "x", "value.mixed:`x`"),
    (Item.payload == "x", "value.payload:`x`"),
    (Item.ratio == None, "*:* AND NOT value.ratio:*"),  # noqa: E711
    (Item.ratio != None, "value.ratio:*"),  # noqa: E711
    (Item.key == "a/b", "@path.key:`a/b`"),
    (Item.odd == "x", r"value.a\ b\:c:`x`"),
    (Item.name.is_in(["a", "b"]), "value.name:`a` OR value.name:`b`"),
    (Item.name.is_in({"a"}), "value.name:`a`"),
    (Item.name.is_in([]), "-*:*"),
    (Item.words.contains("x y"), "value.words:`x y`"),
    (Item.numbers.contains(3), "value.numbers:[3 TO 3]"),
    (Item.pair.contains(3), "value.pair:[3 TO 3]"),
    (Item.prices["eur"] == 3, "value.prices.eur:[3 TO 3]"),
    (Item.payload["a"]["b"] == 3, "value.payload.a.b:[3 TO 3]"),
    (Item.file.path == "x", "value.file.path:`x`"),
    (Item.files.path == "x", "value.files.path:`x`"),
    (Item.file.exists(), "value.file:*"),
    (Item.name.exists(), "value.name:*"),
    # ranges
    (Item.count >= 3, "value.count:[3 TO *]"),
    (Item.count > 3, "value.count:{3 TO *]"),
    (Item.count <= -3, "value.count:[* TO -3]"),
    (Item.count < 3, "value.count:[* TO 3}"),
    (Item.count.between(1, 2), "value.count:[1 TO 2]"),
    (Item.size > Size.LARGE, "value.size:{2 TO *]"),
    (Item.name >= "b", 'value.name:["b" TO *]'),
    (Item.name >= "10", 'value.name:["10" TO *]'),
    (Item.day < date(2020, 1, 2), "value.day:[* TO 2020-01-02}"),
    (Item.when >= NOON, "value.when:[2020-01-01T12:00:00+00:00 TO *]"),
    (mistaken.numbers >= 3, "value.numbers:[3 TO *]"),
    (Item.name.startswith("Ad"), 'value.name:["Ad" TO "Ae"}'),
    (Item.name.startswith(""), "value.name:*"),
    (Item.name.startswith("\U0010ffff"), 'value.name:["\U0010ffff" TO *]'),
    (Item.name.startswith("\ud7ff"), 'value.name:["\ud7ff" TO "\ue000"}'),
    # text
    (Item.name.matches("analytical engine"), "value.name:analytical OR value.name:engine"),
    (Item.name.matches("a AND b*"), r"value.name:a OR value.name:\AND OR value.name:b\*"),
    (Item.name.matches("  "), "-*:*"),
    (Item.words.matches("x"), "value.words:x"),
    (Item.name.phrase("analytical engine"), 'value.name:"analytical engine"'),
    (Item.name.phrase("a b", slop=2), 'value.name:"a b"~2'),
    (Item.name.fuzzy("lovelase"), "value.name:lovelase~2"),
    (Item.name.fuzzy("love", edits=1), "value.name:love~1"),
    (Item.name.wildcard("l?ve*"), "value.name:l?ve*"),
    (Item.name.regexp("l[ou]ve"), "value.name:/l[ou]ve/"),
    # places
    (User.place.near(51.5, -0.1, "10km"), "value.place:NEAR:{lat:51.5 lon:-0.1 dist:10km}"),
    (User.place.within(1, 2, -1, -2), "value.place:IN:{north:1 east:2 south:-1 west:-2}"),
    # combinations
    ((Item.count < 3) | (Item.count > 5), "value.count:[* TO 3} OR value.count:{5 TO *]"),
    ((Item.count == 1) & (Item.name == "a"), "value.count:[1 TO 1] AND value.name:`a`"),
    (~(Item.count == 3), "*:* AND NOT value.count:[3 TO 3]"),
    (~~(Item.count == 3), "value.count:[3 TO 3]"),
    ((Item.count == 1) & ~(Item.name == "a"), "value.count:[1 TO 1] AND NOT value.name:`a`"),
    (~(Item.name == "a") & (Item.count == 1), "-value.name:`a` +value.count:[1 TO 1]"),
    (~((Item.count == 1) | (Item.count == 2)), "*:* AND NOT (value.count:[1 TO 1] OR value.count:[2 TO 2])"),
    (((Item.count == 1) | (Item.count == 2)) & (Item.name == "a"),
     "(value.count:[1 TO 1] OR value.count:[2 TO 2]) AND value.name:`a`"),
    ((Item.count == 1) | ~(Item.count == 2), "value.count:[1 TO 1] OR (*:* AND NOT value.count:[2 TO 2])"),
    ((Item.count == 1) | (Item.count == 2) | (Item.count == 3),
     "value.count:[1 TO 1] OR value.count:[2 TO 2] OR value.count:[3 TO 3]"),
]  # fmt: skip


@pytest.mark.parametrize(("criterion", "text"), TEXTS, ids=lambda one: str(one)[:50])
def test_the_text_of_a_criterion(criterion: Any, text: str) -> None:
    assert str(criterion) == text
    assert parse(text) == criterion.tree
    assert repr(criterion) == f"<Criterion {text}>"


METHODS: list[Callable[[str], Any]] = [
    lambda text: Item.name == text,
    lambda text: Item.name != text,
    lambda text: Item.name.is_in([text, "x"]),
    lambda text: Item.name >= text,
    lambda text: Item.name.between(text, text),
    lambda text: Item.name.startswith(text),
    lambda text: Item.name.matches(text),
    lambda text: Item.name.phrase(text),
    lambda text: Item.words.contains(text),
    lambda text: Item.prices[text] == 1,
    lambda text: Item.payload == text,
    lambda text: Item.key == text,
    lambda text: Item.key.startswith(text),
]


@pytest.mark.parametrize("number", range(len(METHODS)))
def test_no_text_can_change_what_a_query_means(number: int) -> None:
    @given(texts)
    def check(text: str) -> None:
        criterion = METHODS[number](text)
        for query in (Item.query.filter(criterion), Item.query.filter(~criterion, Item.count == 1)):
            assert parse(str(query)) == query.tree
        if number == 0:
            assert criterion.tree == equal(text, "value.name")

    check()


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.dates(), st.datetimes())
def test_no_other_value_can_either(number: float, day: date, moment: datetime) -> None:
    criteria = [
        Item.ratio == number,
        Item.ratio >= number,
        Item.day < day,
        Item.when == moment,
        Item.when > moment,
    ]
    query = Item.query.filter(*criteria)
    assert parse(str(query)) == query.tree


def test_raw_text_beside_criteria_keeps_its_meaning() -> None:
    one = Clause(Occur.MUST, equal(1, "value.count"))
    cases = {
        "a OR b": Boolean((Clause(Occur.MUST, parse("a OR b")), one)),
        "a AND b": Boolean((Clause(Occur.MUST, Term("a")), Clause(Occur.MUST, Term("b")), one)),
        "a -b": Boolean((Clause(Occur.MUST, parse("a -b")), one)),
        "-a": Boolean((Clause(Occur.MUST, parse("-a")), one)),
        "*": equal(1, "value.count"),
    }
    for text, tree in cases.items():
        query = Item.query.search(text).filter(Item.count == 1)
        assert query.tree == tree
        assert parse(str(query)) == tree
    assert Item.query.search("-a").tree == parse("-a")
    assert Item.query.tree == MatchAll()


# -- mistakes --------------------------------------------------------------------------------------

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: mistaken.count == "3", r"value\.count: '3' is not int: expected an integer, not a string"),
    (lambda: mistaken.count >= 1.5, "expected an integer, not a number"),
    (lambda: mistaken.count == True, "expected an integer, not a boolean"),  # noqa: E712
    (lambda: mistaken.name == 3, "expected a string, not an integer"),
    (lambda: mistaken.color == "x", "expected a member of Color: Color"),
    (lambda: mistaken.when > "2020-01-01", "expected a datetime, not str"),
    (lambda: mistaken.day == NOON, "expected an ISO 8601 date"),
    (lambda: mistaken.ratio == float("nan"), "nan"),
    (lambda: mistaken.name == "\ud800", "surrogate"),
    (lambda: mistaken.words.contains(3), "expected a string, not an integer"),
    (lambda: mistaken.name.contains("x"), r"value\.name is no list: use == for the whole value, matches\(\)"),
    (lambda: mistaken.words == "x", "expected"),
    (lambda: mistaken.name.is_in("abc"), "is_in takes a list of values, not 'abc'"),
    (lambda: mistaken.count.is_in(3), "is_in takes a list of values, not 3"),
    (lambda: mistaken.count.is_in([1, "x"]), "expected an integer"),
    (lambda: mistaken.count.matches("x"), "matches is for texts, and this field is int"),
    (lambda: mistaken.name.matches(3), "matches takes a text, not 3"),
    (lambda: mistaken.count.startswith("x"), "startswith is for texts"),
    (lambda: mistaken.name.fuzzy("x", edits=3), "fuzzy takes 0, 1 or 2 edits, not 3"),
    (lambda: mistaken.done > False, "bool has no order in a search"),
    (lambda: mistaken.count > None, "a range needs a value to compare with"),
    (lambda: mistaken.count == Item.count, "not with another field"),
    (lambda: mistaken.payload == {"a": 1}, "a search compares single values"),
    (lambda: mistaken.name["x"] == 1, r"value\.name: str has no member"),
    (lambda: [*mistaken.name], "cannot be iterated"),
    (lambda: "x" in mistaken.name, "`in` cannot ask a search"),
    (lambda: bool(mistaken.name), "is an expression without a truth value"),
    (lambda: (Item.count == 1) and (Item.count == 2), "write & for `and`"),
    (lambda: not (Item.count == 1), "~ for `not`"),  # noqa: SIM201
    (lambda: 1 < mistaken.count < 3, "has no truth value"),
    (lambda: mistaken.name.inc("x"), "inc takes a number, not 'x'"),
    (lambda: mistaken.name.append("x"), "is no list: nothing can be appended"),
    (lambda: mistaken.count.set("x"), "expected an integer"),
    (lambda: mistaken.key.set("x"), "@path.key cannot be changed"),
    (lambda: User.place.near(91, 0, "1km"), "a latitude is a number from -90 to 90, not 91"),
    (lambda: User.place.near(0, 181, "1km"), "a longitude is a number from -180 to 180"),
    (lambda: User.place.near(0, 0, "1 parsec"), "a distance is a number with a unit"),
    (lambda: User.place.near(0, 0, mistaken), "a distance is a number with a unit"),
    (lambda: Address.exists(), r"ask a field of a document that holds Address"),
    (lambda: orders([mistaken]), r"order_by takes User\.age or -User\.age, not"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_mistakes_are_errors_of_the_line_that_made_them(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        make()


def test_a_name_that_is_no_field() -> None:
    for use in (lambda: mistaken.nmae, lambda: mistaken.file.pth, lambda: mistaken.count.bits):
        with pytest.raises(AttributeError):
            use()


# -- orders and updates ----------------------------------------------------------------------------


def test_orders() -> None:
    given_ = (
        Item.name,
        -Item.count,
        Item.name.asc(),
        Item.name.desc(),
        score,
        random_order("x"),
        User.place.nearest(),
    )
    assert orders(given_) == (
        SortField("value.name"),
        SortField("value.count", descending=True),
        SortField("value.name"),
        SortField("value.name", descending=True),
        SortField("score", descending=True),
        SortRandom("x"),
        SortDistance("value.place"),
    )


UPDATES: list[tuple[Any, dict[str, Any]]] = [
    (Item.name.set("x"), {"op": "add", "path": "/name", "value": "x"}),
    (Item.ratio.set(None), {"op": "add", "path": "/ratio", "value": None}),
    (Item.day.set(date(2020, 1, 1)), {"op": "add", "path": "/day", "value": "2020-01-01"}),
    (Item.name.unset(), {"op": "remove", "path": "/name"}),
    (Item.count.inc(), {"op": "inc", "path": "/count", "value": 1}),
    (Item.ratio.inc(-0.5), {"op": "inc", "path": "/ratio", "value": -0.5}),
    (Item.words.append("x"), {"op": "append", "path": "/words", "value": ["x"]}),
    (Item.prices["a/b~"].set(1), {"op": "add", "path": "/prices/a~1b~0", "value": 1}),
    (Item.file.path.set("x"), {"op": "add", "path": "/file/path", "value": "x"}),
    (Item.odd.set("x"), {"op": "add", "path": "/a b:c", "value": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("update", "operation"), UPDATES)
def test_updates(update: Any, operation: dict[str, Any]) -> None:
    assert update.operation == operation


def test_criteria_are_values() -> None:
    assert (Item.count == 1) == (Item.count == 1)
    assert len({Item.count == 1, Item.count == 1, Item.count == 2}) == 2
    assert repr(Item.count) == "<Expr value.count>"
