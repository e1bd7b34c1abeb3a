"""What a class body declares: fields of mixins, every spelling of an annotation, and what is refused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

import orcodm
from orcodm import Document, Embedded, Field, InvalidModel, Nested, field
from orcodm import Field as Column


class Stamped:
    created: Field[int] = field(default=1)
    source: Column[str]


class Tagged(Stamped):
    tags: Field[list[str]] = field(factory=list)


class Note(Tagged, Document, collection="declared_notes"):
    text: Field[str]


class Memo(Note):
    created = field(default=5)


class Spelled(Document, collection="declared_spellings"):
    quoted: orcodm.Field[int]
    renamed: Column[int]
    dotted: orcodm.Field[int]
    late: Nested[Later | None] = field(default=None)
    _private: Field[int] = field(default=0)


class Later(Embedded):
    n: Field[int]


def test_fields_of_plain_mixins_are_fields(orcodm_session: Any) -> None:
    note = Note(key="a", text="x", source="web", tags=["t"])
    note.save()
    assert Note.get("a").to_value() == {"created": 1, "source": "web", "tags": ["t"], "text": "x"}
    assert Note.query.filter(Note.source == "web", Note.created >= 1).count() == 1
    note.source = "cli"
    note.save()
    assert Note.get("a").source == "cli"


def test_a_subclass_gives_another_default() -> None:
    assert Memo(text="x", source="s").created == 5
    assert Note(text="x", source="s").created == 1


def test_every_spelling_of_an_annotation_is_a_field(orcodm_session: Any) -> None:
    Spelled(key="a", quoted=1, renamed=2, dotted=3, late=Later(n=4), _private=5).save()
    assert Spelled.get("a").to_value() == {
        "quoted": 1,
        "renamed": 2,
        "dotted": 3,
        "late": {"n": 4},
        "_private": 5,
    }


def a_field_without_a_type() -> Any:
    class Wrong(Document, collection="declared_wrong"):
        n = field(default=1)


def a_field_of_a_mixin_without_a_type() -> Any:
    class Mixin:
        n = field(default=1)

    class Wrong(Mixin, Document, collection="declared_wrong"):
        pass


def a_field_hidden_by_a_value() -> Any:
    class Wrong(Note):
        created = 5


def a_field_hidden_by_a_method() -> Any:
    class Wrong(Note):
        def created(self) -> int:
            return 5


def a_field_called_self() -> Any:
    class Wrong(Embedded):
        self: Field[str]


def a_field_called_as_a_method() -> Any:
    class Wrong(Document, collection="declared_wrong"):
        upgrade: Field[str] = field(default="")


def a_wrong_keyword() -> Any:
    class Wrong(Document, colection="declared_wrong"):  # type: ignore[call-arg]
        pass


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (a_field_without_a_type, r"Wrong.n: say of which type it is"),
        (a_field_of_a_mixin_without_a_type, r"Wrong.n: say of which type it is"),
        (a_field_hidden_by_a_value, r"created = field\(default=...\)"),
        (a_field_hidden_by_a_method, r"choose another name"),
        (a_field_called_self, r'field\(name="self"\)'),
        (a_field_called_as_a_method, r'field\(name="upgrade"\)'),
        (a_wrong_keyword, r"'colection' is no keyword of the class"),
    ],
)
def test_what_would_be_lost_silently_is_refused(declared: Any, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        declared()


def test_a_constructor_of_its_own_may_call_the_one_that_is_made() -> None:
    class Person(Document, collection="declared_people"):
        name: Field[str]
        age: Field[int] = field(default=0)

        def __init__(self, name: str, **values: Any) -> None:
            super().__init__(name=name.title(), **values)

    class Employee(Person):
        pay: Field[int] = field(default=1)

    assert (Person("ada", age=5).name, Person("ada", age=5).age) == ("Ada", 5)
    assert (Employee("bob", pay=7).name, Employee("bob", pay=7).pay) == ("Bob", 7)
    assert Person.from_value({"name": "x", "age": 1}).name == "x"


def test_an_equality_of_its_own_stays() -> None:
    class Version(Embedded):
        text: Field[str]

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Version) and self.text.lower() == other.text.lower()

        __hash__ = None  # type: ignore[assignment]

    assert Version(text="A") == Version(text="a")


MODULES = {
    "declared_shipping": "from orcodm import *\nclass Address(Embedded):\n    street: Field[str]\n",
    "declared_network": "from orcodm import *\nclass Address(Embedded):\n    ip: Field[str]\n",
    "declared_checked": """
from __future__ import annotations
from typing import TYPE_CHECKING
from orcodm import *
if TYPE_CHECKING:
    from declared_shipping import Address
class Order(Document, collection="declared_orders"):
    to: Nested[Address]
""",
    "declared_vague": """
from orcodm import *
class Order(Document, collection="declared_vague"):
    to: Nested["Address"]
""",
}


def test_a_name_is_never_another_modules_class_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    shipping, _, checked, vague = map(importlib.import_module, MODULES)
    assert checked.Order(key="a", to=shipping.Address(street="Main St")).to_value()["to"]
    with pytest.raises(InvalidModel, match=r"declared_network.Address or declared_shipping.Address"):
        vague.Order.schema()
