"""Members of any name: each is found, sorted, counted, changed and highlighted as itself, on every engine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm import Document, Field
from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import matches
from orcodm.lucene.parser import parse
from orcodm.names import member
from orcodm.operations import Get, Put, ValueCount
from orcodm.query.expressions import Expr
from orcodm.testing import Watched

NAMES = [
    "lodash.merge",
    "ada@example.com",
    "a.b.c",
    ".",
    "..",
    "",
    "a.",
    ".a",
    "back\\slash",
    "back\\.dot",
    "a:b",
    "a b",
    'say "so"',
    "[0]",
    "{x}",
    "(y)",
    "a/b~c",
    "a,b",
    "*",
    "wi?ld",
    "`tick`",
    "é東.京",
    "AND",
    "-minus",
    "+plus",
    "tab\there",
    "NEAR",
    "x" * 250 + ".y",
]


class Package(Document, collection="packages"):
    members: Field[dict[str, Any]]
    rank: Field[int]


def beside(name: str) -> dict[str, Any]:
    """A member of another name, with the same parts."""
    inner: Any = "4 words"
    for part in reversed(name.split(".")):
        inner = {part: inner}
    other: dict[str, Any] = inner if "." in name else {name + ".": "4 words", name + "x": "4 words"}
    return other


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["pending", "indexed"])
def test_a_member_of_any_name_is_that_member(
    watched: Watched, name: str, where: str, request: pytest.FixtureRequest
) -> None:
    if where == "indexed":
        request.getfixturevalue("early")
        for number in range(40):
            watched.execute(Put(collection="crowd", key=f"{number}", value={}))
    for key, members, rank in (
        ("one", {name: "4 words"}, 1),
        ("other", beside(name), 2),
        ("two", {name: "5 more words"}, 3),
        ("number", {name: 7}, 4),
    ):
        watched.execute(Put(collection="packages", key=key, value={"members": members, "rank": rank}))
    field: Any = Package.members[name]
    query = Package.query.order_by(Package.rank)

    def keys(criterion: Any) -> str:
        assert query.filter(criterion).count() == len(query.filter(criterion).all())
        return " ".join(one.key for one in query.filter(criterion))

    assert keys(field == "4 words") == "one"
    assert keys(field.is_in(["4 words", "5 more words"])) == "one two"
    assert keys(field.exists()) == "one two number"
    assert keys(~field.exists()) == "other"
    assert keys(field.matches("words")) == "one two"
    assert keys(field > 6) == "number"
    assert keys(field.startswith("5")) == "two"
    ordered = [one.key for one in Package.query.filter(Package.rank != 2).order_by(-field)]
    assert ordered == ["two", "one", "number"]
    assert Package.query.top(field).entries == (
        ValueCount(7, 1),
        ValueCount("4 words", 1),
        ValueCount("5 more words", 1),
    )
    assert Package.query.stats(field).sum == 7
    (hit, _) = Package.query.filter(field.matches("words")).order_by(Package.rank).highlight(field)
    assert hit[field] == ("4 <em>words</em>",)
    path = field.path
    found = watched.execute(Get(collection="packages", key="one", with_fields=[path])).value
    assert found == {"members": {name: "4 words"}}
    assert watched.execute(Get(collection="packages", key="other", with_fields=[path])).value == {}
    left = watched.execute(Get(collection="packages", key="one", without_fields=[path])).value
    assert left == {"members": {}, "rank": 1}
    package = Package.get("one")
    package.patch(field.set("new"))
    assert Package.get("one").members == {name: "new"}
    package.patch(field.unset())
    assert Package.get("one").members == {}


LETTERS = st.sampled_from("a.\\: ")
OBJECTS = st.recursive(
    st.sampled_from([1, "x", None, True]),
    lambda inner: (
        st.dictionaries(st.text(LETTERS, max_size=3), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)


def found_at(value: Any, members: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [leaf for element in value for leaf in found_at(element, members)]
    if not members:
        return [] if isinstance(value, dict) or value is None else [value]
    return found_at(value[members[0]], members[1:]) if isinstance(value, dict) and members[0] in value else []


@settings(suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.text(LETTERS, max_size=3), OBJECTS, max_size=3),
    st.lists(st.text(LETTERS, max_size=3), min_size=1, max_size=3),
)
def test_an_entry_has_the_leaves_of_a_path(value: dict[str, Any], members: list[str]) -> None:
    path = "value." + ".".join(map(member, members))
    expected = found_at(value, members)
    assert entry("item", {}, value).values(path) == expected
    whole = entry("item", {}, value)
    assert whole.leaves.get(path, []) == expected
    assert whole.values(path) == expected
    expression: Any = Expr(path, (), Any, lambda type_, json, where: json)
    for leaf in (1, "x", True):
        text = str(expression == leaf)
        assert matches(parse(text), whole) == any(type(one) is type(leaf) and one == leaf for one in expected)
