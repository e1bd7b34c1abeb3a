"""The three-way merge and its laws, differences, and the spelling that is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import MISSING, Change
from orcodm.session.merge import Overlap, difference, keep_spelling, merge, same

from ..engines.strategies import json_values

# Few names and few scalars, so that changes meet.
scalars = st.sampled_from([None, True, 0, 1, 1.0, "", "a"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def merged(base: Any, mine: Any, theirs: Any) -> Any:
    """The merge, or the paths of the overlap."""
    try:
        return merge(base, mine, theirs)
    except Overlap as overlap:
        return set(overlap.paths)


@given(json_values(), json_values())
def test_one_side_alone_wins(base: Any, changed: Any) -> None:
    assert same(merge(base, changed, base), changed)
    assert same(merge(base, base, changed), changed)
    assert same(merge(base, changed, changed), changed)


@given(objects, objects, objects)
def test_it_is_symmetric(base: Any, mine: Any, theirs: Any) -> None:
    one, other = merged(base, mine, theirs), merged(base, theirs, mine)
    assert one == other if isinstance(one, set) else same(one, other)


@given(objects, objects, objects)
def test_it_has_the_changes_of_both(base: Any, mine: Any, theirs: Any) -> None:
    try:
        both = merge(base, mine, theirs)
    except Overlap:
        return
    for side in (mine, theirs):
        for name in {*base, *side}:
            before, after = base.get(name, MISSING), side.get(name, MISSING)
            if not same(before, after) and not isinstance(after, dict):
                assert same(both.get(name, MISSING), after)


MERGES: list[tuple[Any, Any, Any, Any]] = [
    # base, mine, theirs, merged (a set of paths: the overlap)
    ({"a": 1}, {"a": 2}, {"a": 1, "b": 3}, {"a": 2, "b": 3}),
    ({"a": 1}, {"a": 2}, {"a": 3}, {"a"}),
    ({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 1}}, {"a": {"b": 1, "c": 3}}, {"a": {"b": 2, "c": 3}}),
    ({"a": {"b": 1}, "c": 1}, {"a": {"b": 2}, "c": 2}, {"a": {"b": 3}, "c": 3}, {"a.b", "c"}),
    ({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}),
    ({"a": 1}, {}, {"a": 2}, {"a"}),
    ({"a": 1}, {}, {}, {}),
    ({}, {"a": 1}, {"a": 1}, {"a": 1}),
    ({}, {"a": 1}, {"a": 1.0}, {"a"}),
    ({}, {"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
    ({"a": None}, {"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
    ({"a": None}, {}, {"a": None, "b": 1}, {"b": 1}),
    ({"a": [1]}, {"a": [1, 2]}, {"a": [3, 1]}, {"a"}),
    ({"a": [1]}, {"a": [1, 2]}, {"a": [1]}, {"a": [1, 2]}),
    (None, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ({"a": 1}, {"a": {"b": 1}}, {"a": [1]}, {"a"}),
]


@pytest.mark.parametrize(("base", "mine", "theirs", "expected"), MERGES)
def test_merges(base: Any, mine: Any, theirs: Any, expected: Any) -> None:
    assert merged(base, mine, theirs) == expected


DIFFERENCES: list[tuple[Any, Any, list[Change]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 1.0}, [Change("a", 1, 1.0)]),
    ({"a": 1}, {"b": 1}, [Change("a", 1, MISSING), Change("b", MISSING, 1)]),
    ({"a": None}, {}, [Change("a", None, MISSING)]),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [Change("a.c", 2, 3)]),
    ({"a": [1, 2]}, {"a": [1, 3]}, [Change("a", [1, 2], [1, 3])]),
    (1, {"a": 1}, [Change("", 1, {"a": 1})]),
]


@pytest.mark.parametrize(("before", "after", "changes"), DIFFERENCES)
def test_differences(before: Any, after: Any, changes: list[Change]) -> None:
    assert list(difference(before, after)) == changes


@given(values, values)
def test_no_difference_means_the_same(one: Any, other: Any) -> None:
    assert (not difference(one, other)) == same(one, other)


@given(values)
def test_what_was_not_changed_keeps_its_spelling(raw: Any) -> None:
    assert keep_spelling({"any": 1}, {"any": 1}, raw) is raw


def test_missing_is_false_and_says_what_it_is() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"
