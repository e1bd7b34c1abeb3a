import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.projection import project

VALUE = {"a": 1, "b": [{"c": 1, "d": 2}, {"c": 3}, 4], "e": {"f": {"g": 1}, "h": None}, "i.j": 5}


@pytest.mark.parametrize(
    ("keep", "drop", "result"),
    [
        ((), (), VALUE),
        (("",), ("",), VALUE),
        (("value",), (), VALUE),
        (("value.a",), (), {"a": 1}),
        (("a",), (), {"a": 1}),
        (("value.b.d",), (), {"b": [{"d": 2}]}),
        (("value.b.c",), (), {"b": [{"c": 1}, {"c": 3}]}),
        (("value.e",), (), {"e": {"f": {"g": 1}, "h": None}}),
        (("value.e.f.g", "value.a"), (), {"a": 1, "e": {"f": {"g": 1}}}),
        (("value.e.h",), (), {"e": {"h": None}}),
        ((r"value.i\.j",), (), {"i.j": 5}),
        (("value.i.j",), (), {}),
        (("value.no", "value.a.no"), (), {}),
        ((), ("value",), {}),
        ((), ("value.b", "value.e.f"), {"a": 1, "e": {"h": None}, "i.j": 5}),
        ((), ("value.b.c", "value.no"), VALUE | {"b": [{"d": 2}, {}, 4]}),
        (("value.e",), ("value.e.f.g",), {"e": {"f": {}, "h": None}}),
    ],
)
def test_keep_then_drop(keep: tuple[str, ...], drop: tuple[str, ...], result: Any) -> None:
    before = copy.deepcopy(VALUE)
    assert project(VALUE, keep, drop) == result
    assert before == VALUE


@pytest.mark.parametrize(("value", "result"), [([{"a": 1, "b": 2}, 3], [{"a": 1}]), ("text", {}), ([], [])])
def test_values_that_are_no_objects(value: Any, result: Any) -> None:
    assert project(value, ("value.a",), ()) == result


names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)
fields = st.lists(st.lists(names, min_size=1, max_size=3).map(".".join), max_size=3)


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, member in value.items() for leaf in leaves(member, f"{path}.{name}")]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item, path)]
    return [(path.removeprefix("."), value)]


@given(st.dictionaries(names, values), fields, fields)
def test_exactly_the_named_leaves_are_left(value: Any, keep: list[str], drop: list[str]) -> None:
    def under(path: str, names: list[str]) -> bool:
        return any(path == name or path.startswith(name + ".") for name in names)

    expected = [
        (path, leaf)
        for path, leaf in leaves(value)
        if (not keep or under(path, keep)) and not under(path, drop)
    ]
    assert leaves(project(value, keep, drop)) == expected
