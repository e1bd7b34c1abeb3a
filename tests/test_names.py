"""Names of fields: what leads to a value, whatever characters its members have in their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm import names

MEMBERS = st.text(
    alphabet=st.sampled_from('a.\\ :"[') | st.characters(exclude_categories=("Cs",)), max_size=5
)


@given(st.lists(MEMBERS, min_size=1, max_size=4))
def test_the_name_of_a_field_says_which_members_lead_to_it(members: list[str]) -> None:
    field = names.joined(members)
    assert names.steps(field) == tuple(members)
    assert names.normal(field) == field
    assert names.last(field) == members[-1]
    assert names.parent(field) == (names.joined(members[:-1]) if len(members) > 1 else "")


@given(MEMBERS)
def test_any_text_is_the_name_of_a_field(text: str) -> None:
    assert names.steps(names.normal(text)) == names.steps(text)


@pytest.mark.parametrize(
    ("field", "members"),
    [
        ("a.b", ("a", "b")),
        (r"a\.b", ("a.b",)),
        (r"a\\.b", ("a\\", "b")),
        (r"a\b", ("a\\b",)),
        ("a\\", ("a\\",)),
        ("a.", ("a", "")),
        ("", ("",)),
        (".", ("", "")),
    ],
)
def test_how_names_are_read(field: str, members: tuple[str, ...]) -> None:
    assert names.steps(field) == members
