"""The ref chain: deterministic, blind to the order of members, and different for every past."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orcodm.refs import link, tombstone_ref, value_ref
from orcodm.values import canonical

from .engines.strategies import json_values

TOMBSTONE = object()

links = st.lists(json_values(max_leaves=3) | st.just(TOMBSTONE), min_size=1, max_size=6)


def chain(*values: Any) -> list[str]:
    """The refs of a key that was given these values, one after the other."""
    refs: list[str] = []
    for value in values:
        previous = refs[-1] if refs else None
        refs.append(tombstone_ref(previous) if value is TOMBSTONE else value_ref(previous, value))
    return refs


@settings(max_examples=40)
@given(links)
def test_refs_are_sixteen_lower_case_hex_digits(values: list[Any]) -> None:
    assert all(re.fullmatch("[0-9a-f]{16}", ref) for ref in chain(*values))


@settings(max_examples=40)
@given(links)
def test_no_ref_of_a_key_comes_twice(values: list[Any]) -> None:
    refs = chain(*values, *values)
    assert len(set(refs)) == len(refs)


def test_a_value_written_again_after_another_has_a_new_ref() -> None:
    first, _, third = chain("a", "b", "a")
    assert first != third


@settings(max_examples=40)
@given(links, json_values())
def test_a_ref_depends_on_the_whole_past(values: list[Any], value: Any) -> None:
    assert chain(*values, value)[-1] != chain(value)[-1]


def test_a_ref_is_blind_to_the_order_of_members_but_not_to_types() -> None:
    assert value_ref(None, {"a": 1, "b": 2}) == value_ref(None, {"b": 2, "a": 1})
    assert len({value_ref(None, value) for value in (1, 1.0, True, "1", [1], None, {})}) == 7


def test_a_tombstone_is_no_value() -> None:
    values = (None, "", [], {}, False, 0)
    assert tombstone_ref(None) not in {value_ref(None, value) for value in values}
    assert tombstone_ref("00" * 8) != tombstone_ref(None)


def test_refs_do_not_change_between_versions_of_orcodm() -> None:
    """Stored histories must verify for ever: these were computed by hand with BLAKE2b."""
    assert value_ref(None, {}) == link(None, b"{}") == "778ad073d9641129"
    assert value_ref("0123456789abcdef", {"b": "é", "a": [1, 2.5, None]}) == "c1d62ae4c82e2ffc"
    assert tombstone_ref("0123456789abcdef") == "f8b324e5aa86757b"


@settings(max_examples=40)
@given(json_values())
def test_a_ref_can_be_made_from_the_canonical_text_alone(value: Any) -> None:
    assert value_ref("00ff", value) == link("00ff", canonical(value))
