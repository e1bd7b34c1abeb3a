"""What a model makes of a value does not depend on what it was given before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import Document, Field, InvalidDocument, field


def account() -> Any:
    """A class that has seen nothing yet: plain fields, one that may be None, lists, one that is renamed."""

    class Account(Document, collection="accounts"):
        name: Field[str]
        age: Field[int | None] = field(default=None)
        score: Field[float] = field(default=0)
        tags: Field[list[str]] = field(factory=list)
        open: Field[bool] = field(default=True, name="isOpen")

    return Account


LEAVES = st.sampled_from(["", "a", 0, 1, 1.0, 0.5, True, False, None])
MEMBERS = LEAVES | st.lists(LEAVES, max_size=2)
VALUES = st.dictionaries(
    st.sampled_from(["name", "age", "score", "tags", "isOpen", "open", "x"]), MEMBERS
) | st.fixed_dictionaries(
    {
        "name": st.just("a"),
        "age": st.none() | st.just(3),
        "score": st.sampled_from([0, 0.5]),
        "tags": st.just(["a"]),
    },
    optional={"isOpen": MEMBERS, "x": LEAVES},
)


def loaded(model: type[Document], value: Any) -> Any:
    """What a value becomes, in detail, or everything that is wrong with it."""
    try:
        document = model.from_value(value)
    except InvalidDocument as error:
        return [(problem.path, problem.reason) for problem in error.problems]
    return repr([getattr(document, name) for name in model.schema().by_name]), dict(document.other_members)


def dumped(model: type[Document], value: Any) -> Any:
    """What a document is stored as whose fields were set to these."""
    document = model.from_value({"name": "before"})
    document.__dict__.update(value)
    try:
        return repr(document.to_value())
    except InvalidDocument as error:
        return [(problem.path, problem.reason) for problem in error.problems]


@given(st.lists(VALUES, max_size=4), VALUES)
def test_what_was_loaded_before_does_not_count(before: list[Any], value: Any) -> None:
    used = account()
    for other in before:
        loaded(used, other)
    assert loaded(used, value) == loaded(account(), value)


@given(st.lists(VALUES, max_size=4), VALUES)
def test_what_was_dumped_before_does_not_count(before: list[Any], value: Any) -> None:
    used = account()
    for other in before:
        dumped(used, other)
    assert dumped(used, value) == dumped(account(), value)


def test_a_loaded_list_is_the_documents_own() -> None:
    model, value = account(), {"name": "a", "age": 1, "score": 1, "tags": ["a"], "isOpen": True}
    for _ in range(2):
        model.from_value(value).tags.append("b")
    assert value["tags"] == ["a"]


def test_members_that_are_not_there_any_more_are_no_extra() -> None:
    model, value = account(), {"name": "a", "age": 1, "score": 1, "tags": ["a"], "isOpen": True}
    model.from_value(value)
    document = model.from_value({**value, "x": 1})
    assert document.other_members == {"x": 1}
    document._fill(value)
    assert document.other_members == {}


def test_what_is_loaded_is_not_assigned() -> None:
    class Sealed(Document, collection="sealed"):
        name: Field[str]
        size: Field[int | None] = field(default=None)

        def __setattr__(self, name: str, value: Any) -> None:
            if name in ("name", "size"):
                raise TypeError("sealed")
            super().__setattr__(name, value)

    whole, part = Sealed.from_value({"name": "a", "size": 1}), Sealed.from_value({"name": "b"})
    assert (whole.name, whole.size, part.name, part.size) == ("a", 1, "b", None)
    assert whole.to_value() == {"name": "a", "size": 1}
    with pytest.raises(TypeError, match="sealed"):
        whole.size = 2
