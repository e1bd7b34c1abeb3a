"""The compiled functions of a class, and their readable twins; values that do not fit cost linear time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from orcodm import Document, Embedded, Field, InvalidDocument, Nested, field
from orcodm.model.misfits import Report

from .test_mapping import House, stored_houses


@given(stored_houses)
def test_compiled_and_readable_functions_give_the_same(value: dict[str, Any]) -> None:
    schema, report = House.schema(), Report()
    quick = House.from_value(value)
    readable = schema.blank(None)
    assert schema.fill_each(readable, value, "", report)
    assert schema.dump(quick) == schema.dump_each(readable, "", report)
    assert report.problems == []


class Reply(Embedded):
    text: Field[str]
    replies: Nested[list[Reply]] = field(factory=list)


class Talk(Document, collection="talks"):
    root: Nested[Reply]
    marks: Field[list[int]] = field(factory=list)


def test_one_wrong_leaf_deep_down_is_one_problem() -> None:
    value: Any = {"text": 5}
    for _ in range(80):
        value = {"text": "x", "replies": [value]}
    with pytest.raises(InvalidDocument) as caught:
        Talk.from_value({"root": value})
    assert [one.path for one in caught.value.problems] == ["root" + ".replies[0]" * 80 + ".text"]


def test_many_problems_are_all_there_and_few_are_shown() -> None:
    with pytest.raises(InvalidDocument) as caught:
        Talk.from_value({"root": {"text": "x"}, "marks": ["x"] * 10_000})
    assert len(caught.value.problems) == 10_000
    assert len(str(caught.value)) < 3_000


def test_a_cycle_is_refused_where_it_is_made() -> None:
    reply = Reply(text="x")
    reply.replies.append(reply)
    with pytest.raises(InvalidDocument, match="it contains itself"):
        Talk(root=reply)
