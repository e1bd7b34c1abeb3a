"""Random keys and JSON values: everything an engine has to keep unchanged."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

texts = st.text(st.characters(codec="utf-8"))
"""Any Unicode text: no lone surrogates, which no UTF-8 can hold."""

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)

integers = st.integers() | st.integers(min_value=-(2**80), max_value=2**80)

scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts


def json_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
        max_leaves=max_leaves,
    )
