import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.errors import BadRequest, PatchConflict, TooLarge
from orcodm.operations import JsonPatch, MergePatch
from orcodm.patch import apply, equal

VALUE = {"name": "Ada", "age": 36, "tags": ["a", "b"], "home": {"city": "London"}, "x.y": 1, "a/b~c": 2}


def patched(*operations: dict[str, Any], value: Any = VALUE) -> Any:
    before = copy.deepcopy(value)
    try:
        return apply(value, JsonPatch(operations))
    finally:
        assert value == before, "the input was changed"


def changed(**members: Any) -> dict[str, Any]:
    return {name: member for name, member in (VALUE | members).items() if member is not ...}


WORKS = [
    ({"op": "add", "path": "/born", "value": 1815}, changed(born=1815)),
    ({"op": "add", "path": "born", "value": None}, changed(born=None)),
    ({"op": "add", "path": "/age", "value": 1}, changed(age=1)),
    ({"op": "add", "path": "/tags/1", "value": "x"}, changed(tags=["a", "x", "b"])),
    ({"op": "add", "path": "tags.2", "value": "x"}, changed(tags=["a", "b", "x"])),
    ({"op": "add", "path": "/tags/-", "value": "x"}, changed(tags=["a", "b", "x"])),
    ({"op": "add", "path": "home.country", "value": "UK"}, changed(home={"city": "London", "country": "UK"})),
    ({"op": "add", "path": "", "value": [1]}, [1]),
    ({"op": "add", "path": "/", "value": 1}, changed(**{"": 1})),
    ({"op": "remove", "path": "/age"}, changed(age=...)),
    ({"op": "remove", "path": "tags.0"}, changed(tags=["b"])),
    ({"op": "remove", "path": "/x.y"}, changed(**{"x.y": ...})),
    ({"op": "remove", "path": "/a~1b~0c", "value": None}, changed(**{"a/b~c": ...})),
    ({"op": "replace", "path": "/home/city", "value": None}, changed(home={"city": None})),
    ({"op": "replace", "path": "", "value": {}}, {}),
    (
        {"op": "move", "from": "/age", "path": "/home/age"},
        changed(age=..., home={"city": "London", "age": 36}),
    ),
    ({"op": "move", "from": "/tags/0", "path": "/tags/1"}, changed(tags=["b", "a"])),
    ({"op": "move", "from": "/age", "path": "age"}, VALUE),
    ({"op": "copy", "from": "home", "path": "work"}, changed(work={"city": "London"})),
    ({"op": "test", "path": "/tags", "value": ["a", "b"]}, VALUE),
    ({"op": "test", "path": "/age", "value": 36.0}, VALUE),
    ({"op": "test", "path": "/age", "value": 3, "negate": True}, VALUE),
    ({"op": "test", "path": "/age"}, VALUE),
    ({"op": "test", "path": "/nothing", "negate": True}, VALUE),
    ({"op": "test", "path": "/nothing", "value": 1, "negate": True}, VALUE),
    ({"op": "inc", "path": "/age"}, changed(age=37)),
    ({"op": "inc", "path": "age", "value": -1.5}, changed(age=34.5)),
    ({"op": "inc", "path": "age", "value": None}, changed(age=37)),
    ({"op": "init", "path": "/age", "value": 1}, VALUE),
    ({"op": "init", "path": "/born", "value": 1}, changed(born=1)),
    ({"op": "append", "path": "/tags", "value": "c"}, changed(tags=["a", "b", "c"])),
    ({"op": "append", "path": "tags", "value": ["c", ["d"]]}, changed(tags=["a", "b", "c", ["d"]])),
    ({"op": "merge", "path": "home", "value": {"city": None, "no": 1}}, changed(home={"no": 1})),
    ({"op": "merge", "path": "/", "value": {"home": {"no": 1}}}, changed(home={"city": "London", "no": 1})),
    ({"op": "merge", "path": "", "value": {"age": None}}, changed(age=...)),
    (
        {"op": "patch", "path": "home", "value": [{"op": "add", "path": "no", "value": 1}]},
        changed(home={"city": "London", "no": 1}),
    ),
    ({"op": "patch", "path": "/", "value": [{"op": "inc", "path": "age"}]}, changed(age=37)),
]


@pytest.mark.parametrize(("operation", "result"), WORKS, ids=lambda case: str(case)[:60])
def test_what_an_operation_does(operation: dict[str, Any], result: Any) -> None:
    assert patched(operation) == result


FAILS = [
    ({"op": "add", "path": "/no/where", "value": 1}, "nothing is at '/no'"),
    ({"op": "add", "path": "/tags/3", "value": 1}, "'3' is no place in an array of 2"),
    ({"op": "add", "path": "/tags/01", "value": 1}, "'01' is no place in an array of 2"),
    ({"op": "add", "path": "/name/x", "value": 1}, "'/name' is neither an object nor an array"),
    ({"op": "remove", "path": "/no"}, "nothing is at '/no'"),
    ({"op": "remove", "path": "/tags/-"}, "nothing is at '/tags/-'"),
    ({"op": "remove", "path": ""}, "the whole value cannot be removed by a patch"),
    ({"op": "replace", "path": "/Huh", "value": "x"}, "nothing is at '/Huh'"),
    ({"op": "move", "from": "/no", "path": "/x"}, "nothing is at '/no'"),
    ({"op": "move", "from": "/home", "path": "/home/home"}, "'/home' cannot be moved into itself"),
    ({"op": "copy", "from": "/no", "path": "/x"}, "nothing is at '/no'"),
    ({"op": "inc", "path": "/no"}, "nothing is at '/no'"),
    ({"op": "inc", "path": "/name"}, "'/name' is not a number"),
    ({"op": "inc", "path": "/age", "value": 1.7e308}, None),
    ({"op": "init", "path": "/no/where", "value": 1}, "nothing is at '/no'"),
    ({"op": "append", "path": "/name", "value": 1}, "'/name' is not an array"),
    ({"op": "append", "path": "/no", "value": 1}, "nothing is at '/no'"),
    ({"op": "merge", "path": "/no", "value": {}}, "nothing is at '/no'"),
    (
        {"op": "patch", "path": "home", "value": [{"op": "remove", "path": "no"}], "conditional": True},
        "in its operation 0 (remove): nothing is at '/no'",
    ),
]


@pytest.mark.parametrize(("operation", "info"), FAILS, ids=lambda case: str(case)[:60])
def test_what_cannot_be_applied(operation: dict[str, Any], info: str | None) -> None:
    if info is None:
        operation, first = {"op": "inc", "path": "/age", "value": 1.7e308}, operation
        with pytest.raises(PatchConflict, match="larger than a number can be"):
            patched(first, operation)
        return
    with pytest.raises(PatchConflict) as raised:
        patched({"op": "test", "path": "age"}, operation)
    innermost = operation["value"][0] if operation["op"] == "patch" else operation
    assert raised.value.details == {"op": innermost, "opIndex": 1, "info": info}
    assert raised.value.status == 409
    assert raised.value.code == "patch_conflict"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "test", "path": "/age", "value": 1}, 1),
        ({"op": "test", "path": "/age", "value": None}, None),
        ({"op": "test", "path": "/no", "value": None}, None),
        ({"op": "test", "path": "/age", "value": 36, "negate": True}, 36),
        ({"op": "test", "path": "/no"}, True),
        ({"op": "test", "path": "/age", "negate": True}, False),
        ({"op": "patch", "path": "", "value": [{"op": "test", "path": "age", "value": 1}]}, 1),
    ],
)
def test_a_failed_test_says_what_it_expected(operation: dict[str, Any], expected: Any) -> None:
    with pytest.raises(PatchConflict) as raised:
        patched(operation)
    assert raised.value.details["expected"] is expected


def test_a_failed_test_skips_a_conditional_block_only() -> None:
    block = [{"op": "inc", "path": "age"}, {"op": "test", "path": "age", "value": 1}]
    conditional = {"op": "patch", "path": "", "value": block, "conditional": True}
    assert patched(conditional, {"op": "add", "path": "/done", "value": True}) == changed(done=True)
    nested = {"op": "patch", "path": "", "value": [{"op": "patch", "path": "", "value": block}]}
    assert patched(nested | {"conditional": True}) == VALUE
    with pytest.raises(PatchConflict):
        patched(nested)


MALFORMED = [
    ({"op": "frobnicate", "path": "/a"}, "frobnicate"),
    ({"op": "add", "path": "/a"}, "has no value"),
    ({"op": "add", "value": 1}, "has no path"),
    ({"op": "move", "path": "/a"}, "has no from"),
    ({"op": "remove", "path": 3}, "path is not text"),
    ({"op": "remove", "path": "/~2"}, "neither ~0 nor ~1"),
    ({"path": "/a"}, "has no op"),
    ({"op": ["add"], "path": "/a"}, "has no op"),
    ({"op": "test", "path": "a", "negate": "yes"}, "neither true nor false"),
    ({"op": "inc", "path": "age", "value": "1"}, "not a number"),
    ({"op": "inc", "path": "age", "value": True}, "not a number"),
    ({"op": "patch", "path": "", "value": {}}, "not an array of operations"),
    ({"op": "patch", "path": "", "value": [{"op": "huh", "path": ""}]}, "huh"),
]


@pytest.mark.parametrize(("operation", "message"), MALFORMED)
def test_what_is_malformed_is_named_before_anything_is_tried(operation: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as raised:
        patched({"op": "test", "path": "/no"}, operation)
    assert raised.value.code == "api_bad_request"


def test_nesting_and_copies_have_limits() -> None:
    nested: list[dict[str, Any]] = []
    for _ in range(60):
        nested = [{"op": "patch", "path": "", "value": nested}]
    with pytest.raises(BadRequest, match="deeper than 50"):
        patched(*nested)
    with pytest.raises(TooLarge):
        patched(*[{"op": "copy", "from": "", "path": f"/{n}"} for n in range(60)], value={"text": "x" * 99})
    block = {"op": "patch", "path": "", "value": [{"op": "copy", "from": "", "path": "/a"}]}
    with pytest.raises(TooLarge):
        patched(*[block] * 60, value={"text": "x" * 9999, "a": ""} | {str(n): "" for n in range(60)})


def test_equality_is_json_equality() -> None:
    assert equal({"a": [1, (2,)]}, {"a": [1.0, [2]]})
    assert not equal({"a": 1}, {"a": True})
    assert not equal([0], [False])
    assert equal(True, True)


# -- merge patch -----------------------------------------------------------------------------------

RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("value", "patch", "result"), RFC_7396)
def test_the_examples_of_the_merge_rfc(value: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(value)
    assert apply(value, MergePatch(patch)) == result
    assert value == before


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~.", max_size=2)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(values, values)
def test_merging_twice_changes_no_more(value: Any, patch: Any) -> None:
    once = apply(value, MergePatch(patch))
    assert equal(apply(once, MergePatch(patch)), once)


paths = st.lists(st.sampled_from(["a", "b", "", "0", "1", "-"]), max_size=3).map(
    lambda steps: "".join("/" + step for step in steps)
)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(
            ["add", "remove", "replace", "move", "copy", "test", "init", "append", "merge"]
        ),
        "path": paths,
        "from": paths,
        "value": values,
    }
)


@given(values, st.lists(operations, max_size=5))
def test_a_patch_gives_a_value_or_a_conflict_and_spares_its_input(value: Any, patch: Any) -> None:
    before, asked = copy.deepcopy(value), copy.deepcopy(patch)
    try:
        apply(value, JsonPatch(patch))
    except PatchConflict as conflict:
        details = conflict.details
        assert patch[details["opIndex"]] == details["op"]
    assert equal(value, before)
    assert patch == asked


def test_what_fails_inside_a_patch_is_named_at_any_depth() -> None:
    test = {"op": "test", "path": "age", "value": 1}
    block = {"op": "patch", "path": "", "value": [{"op": "test", "path": "age"}, test]}
    with pytest.raises(PatchConflict) as raised:
        patched({"op": "test", "path": "age"}, {"op": "patch", "path": "", "value": [block]})
    details = raised.value.details
    assert (details["op"], details["opIndex"], details["expected"]) == (test, 1, 1)


@given(values, paths, values)
def test_what_was_added_is_found_by_a_test(value: Any, path: str, added: Any) -> None:
    if path.endswith("-"):
        return
    patch = JsonPatch(
        [{"op": "add", "path": path, "value": added}, {"op": "test", "path": path, "value": added}]
    )
    try:
        apply(value, patch)
    except PatchConflict as conflict:
        details = conflict.details
        assert details["opIndex"] == 0
