"""Declarations: what makes a field, and what is refused while the class is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import attrs
import pytest

import orcodm
from orcodm import (
    Document,
    Embedded,
    Event,
    Field,
    InvalidDocument,
    InvalidKey,
    InvalidModel,
    Nested,
    UsageError,
    field,
)
from orcodm.query.expressions import Expr

from ..people import Address, User
from . import eager


class Node(Document, collection="nodes"):
    """A class of strings for annotations, one of itself and one of a later class among them."""

    name: Field[str]
    children: Nested[list[Leaf]] = field(factory=list)
    root: Nested[Leaf | None] = field(default=None)


class Leaf(Embedded):
    label: Field[str]
    leaves: Nested[list[Leaf]] = field(factory=list)


def test_a_field_is_a_value_on_an_instance_and_an_expression_on_the_class() -> None:
    user = User(name="Ada", age=36)
    assert (user.name, user.age) == ("Ada", 36)
    assert isinstance(User.age, Expr)
    assert (User.age.path, User.key.path) == ("value.age", "@path.key")
    assert User.address.city.path == "value.address.city"
    assert repr(User.address) == "<Path value.address>"


def test_defaults_and_factories() -> None:
    one, other = User(name="x"), User(name="y")
    assert (one.age, one.tags) == (None, [])
    assert one.tags is not other.tags


def test_names_of_later_classes_and_of_the_class_itself() -> None:
    node = Node(name="a", children=[Leaf(label="b", leaves=[Leaf(label="c")])])
    assert Node.from_value(node.to_value()).children == node.children
    assert Node.children.leaves.label.path == "value.children.leaves.label"


def test_annotations_that_are_no_strings() -> None:
    house = eager.House(key="a", rooms=[eager.Room(name="hall")])
    assert eager.House.from_value(house.to_value()).rooms == house.rooms
    assert eager.House.rooms.name.path == "value.rooms.name"


def test_classes_within_a_function() -> None:
    class Inner(Embedded):
        x: Field[int]
        again: Nested[Inner | None] = field(default=None)

    class Outer(Document, collection="outers"):
        inner: Nested[Inner]
        later: Nested[Later | None] = field(default=None)

    class Later(Embedded):
        y: orcodm.Field[int]

    outer = Outer(inner=Inner(x=1, again=Inner(x=2)), later=Later(y=3))
    assert Outer.from_value(outer.to_value()).later == Later(y=3)


def test_a_class_keeps_no_locals_but_those_it_names() -> None:
    large = object()

    class Small(Document, collection="smalls"):
        when: Field[datetime]

    assert large not in Small._namespace.values()


def test_another_name_in_json() -> None:
    class Coded(Document, collection="coded"):
        from_: Field[str] = field(name="from")
        save_: Field[int] = field(name="save", default=1)

    assert Coded(from_="x").to_value() == {"from": "x", "save": 1}
    assert Coded.from_value({"from": "y"}).from_ == "y"
    assert Coded.from_.path == "value.from"
    with pytest.raises(InvalidDocument, match="from: required, but missing"):
        Coded.from_value({})


def test_a_converter_takes_what_the_constructor_is_given() -> None:
    class Tag(Document, collection="tags"):
        word: Field[str] = field(convert=str.strip)
        other: Field[str] = field(default="", converter=str.upper)

    assert Tag(word="  x ").word == "x"
    assert Tag(word="x", other="y").other == "Y"
    assert Tag.from_value({"word": " x "}).word == " x "


def even(document: Any, attribute: attrs.Attribute[Any], value: int) -> None:
    if value % 2:
        raise ValueError(f"{attribute.name} is odd")


def test_validators() -> None:
    class Even(Document, collection="evens"):
        number: Field[int] = field(validator=even)
        small: Field[int] = field(default=0, validator=[even, attrs.validators.le(10)])

    assert Even(number=2).number == 2
    with pytest.raises(InvalidDocument) as caught:
        Even(number=1, small=11)
    assert [(one.path, one.reason) for one in caught.value.problems] == [
        ("number", "number is odd"), ("small", "small is odd"), ("small", "'small' must be <= 10: 11")
    ]  # fmt: skip
    document = Even(number=2)
    with pytest.raises(InvalidDocument, match=r"number: number is odd \(got 3\)"):
        document.number = 3
    assert document.number == 2


class Code(StrEnum):
    A = "a"


def test_what_is_assigned_is_converted() -> None:
    class Word(Embedded):
        text: Field[str] = field(default="", convert=str.strip)

    class Line(Document, collection="lines"):
        words: Nested[list[Word]] = field(factory=list)
        title: Field[str] = field(default="", convert=str.title)

        @property
        def shouted(self) -> str:
            return self.title.upper()

        @shouted.setter
        def shouted(self, text: str) -> None:
            self.title = text.lower()

    line, word = Line(title="a line"), Word(text=" a ")
    line.title, word.text = "another line", " b "
    assert (line.title, word.text) == ("Another Line", "b")
    line.shouted = "THIRD"
    assert line.title == "Third"
    user = User(name="x")
    user.key = Code.A  # type: ignore[assignment]
    assert type(user.key) is str
    with pytest.raises(InvalidKey, match="a key is a string"):
        user.key = 5  # type: ignore[assignment]


def test_an_unknown_attribute_is_refused_with_the_nearest_field() -> None:
    user: Any = User(name="Ada", address=Address(city="London"))
    for thing, name, meant in (
        (user, "nmae", "name"),
        (user, "adress", "address"),
        (user.address, "ciy", "city"),
    ):
        with pytest.raises(AttributeError, match=rf"has no field '{name}' \(did you mean '{meant}'\?\)"):
            setattr(thing, name, "x")
    for name in ("relations", "events"):
        with pytest.raises(UsageError, match="are not assigned"):
            setattr(user, name, [])
    user._mine = 5
    assert user._mine == 5
    assert user.to_value()["name"] == "Ada"


def test_wrong_arguments_of_a_constructor() -> None:
    make: Any = User
    for arguments in ({"nme": "x"}, {}, {"name": "x", "extra": {}}):
        with pytest.raises(TypeError):
            make(**arguments)
    with pytest.raises(TypeError):
        make("Ada")


@pytest.mark.usefixtures("orcodm_engine")
def test_inheritance_and_abstract_bases() -> None:
    class Stamped(Document):
        created: Field[int] = field(default=0)
        note: Field[str] = field(default="")

    class Named(Document):
        name: Field[str]

    class Thing(Named, Stamped, collection="things"):
        note: Field[str] = field(default="mine")

    assert Thing(name="x").to_value() == {"created": 0, "name": "x", "note": "mine"}
    assert Thing.created.path == "value.created"
    for use in (lambda: Stamped.get("a"), lambda: Stamped.query):
        with pytest.raises(
            InvalidModel, match=r"bound to no collection: class Stamped\(Document, collection="
        ):
            use()


def test_embedded_objects_are_equal_by_their_fields() -> None:
    assert Address(city="a") == Address(city="a") != Address(city="b")
    assert User(name="a") != User(name="a")


def test_what_belongs_to_no_document() -> None:
    class Counted(Document, collection="counted"):
        n: Field[int] = field(default=0)
        count: ClassVar[int] = 0
        _cache: ClassVar[dict[str, int]]

        @property
        def double(self) -> int:
            return self.n * 2

    assert Counted(n=2).to_value() == {"n": 2}
    assert Counted(n=2).double == 4


@pytest.mark.parametrize("name", ["name", "address", "key"])
def test_a_field_cannot_be_deleted(name: str) -> None:
    user: Any = User(key="ada", name="Ada")
    with pytest.raises(UsageError, match=rf"User\.{name} is a field"):
        delattr(user, name)
    user._note = 5
    del user._note
    assert user.to_value()["name"] == "Ada"


def make(annotation: Any, default: Any = None, base: type = Document, name: str = "x") -> Callable[[], Any]:
    body = {"__annotations__": {name: annotation}, "__module__": __name__}
    if default is not None:
        body[name] = default
    kind: Any = type(base)
    return lambda: kind("Wrong", (base,), body).schema()


def subclass(base: type, **options: Any) -> Any:
    kind: Any = type(base)
    return kind("Sub", (base,), {}, **options)


WRONG: list[tuple[Callable[[], Any], str]] = [
    (make(int), r"Wrong\.x: declare it as Field\[\.\.\.\] or Nested"),
    (make("int"), "declare it as Field"),
    (make("Field[str]", default="y"), r"give the default as field\(default='y'\)"),
    (make(Field), "say of which type"),
    (make("Field[Unknown]"), "name 'Unknown' is not defined"),
    (make("Field[str]", name="save"), "Tracked has an attribute of that name"),
    (make("Field[str]", name="save"), r'field\(name="save"\)'),
    (make("Field[int]", name="timestamp", base=Event), "Event has an attribute of that name"),
    (make("Field[int]", name="near", base=Embedded), "Embedded has an attribute of that name"),
    (lambda: field(default=1, factory=int), "a default or a factory, not both"),
    (lambda: field(default=[]), r"would be shared by all documents: use factory="),
    (lambda: field(default=Address(city="x")), "would be shared"),
    (lambda: subclass(User, discriminator="t"), "a discriminator is declared beside the collection"),
]  # fmt: skip


@pytest.mark.parametrize(("declare", "message"), WRONG)
def test_a_declaration_that_cannot_work(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        declare()


def test_nested_takes_embedded_objects() -> None:
    class Odd(Document, collection="odds"):
        f: Nested[int]

    with pytest.raises(InvalidModel, match="Nested takes a subclass of Embedded, not <class 'int'>"):
        _ = Odd.f


def test_two_fields_with_one_name_in_json() -> None:
    class Twice(Document, collection="twices"):
        a: Field[int] = field(default=0)
        b: Field[int] = field(default=0, name="a")

    with pytest.raises(InvalidModel, match="two fields have the same name in JSON"):
        Twice()


@pytest.mark.parametrize("collection", ["", "x" * 1025, "\ud800"])
def test_a_collection_has_a_name(collection: str) -> None:
    with pytest.raises(orcodm.InvalidKey):
        subclass(Document, collection=collection)
