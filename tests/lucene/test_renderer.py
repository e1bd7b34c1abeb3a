"""Trees and texts are two spellings of one thing."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from orcodm.errors import InvalidQuery
from orcodm.lucene.parser import parse
from orcodm.lucene.renderer import render
from orcodm.lucene.tree import (
    Boolean,
    Boost,
    Bound,
    Clause,
    Near,
    Node,
    Occur,
    Phrase,
    Range,
    Regexp,
    Term,
    Verbatim,
    Wildcard,
)

from ..strategies import any_trees, texts, trees

FRAGMENTS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "name:",
            "value.name:",
            "*",
            "?",
            "jo*",
            " AND ",
            " OR ",
            " NOT ",
            "&&",
            "||",
            "!",
            "+",
            "-",
        ),
        *(
            "(",
            ")",
            '"',
            '"a b"',
            "~",
            "~1",
            "~0.5",
            "^2",
            "^",
            "[1 TO 5]",
            "{a TO *]",
            "[",
            "]",
            "TO",
            "`",
            "`x`",
        ),
        *(
            "/",
            "/a.b/",
            "\\",
            "\\u0041",
            ":",
            ">=",
            "<",
            "5",
            " ",
            "NEAR:{lat:1 lon:2 dist:3km}",
            "_exists_:",
            "IN:{",
        ),
    ]
)
queries = st.lists(FRAGMENTS, max_size=12).map("".join) | texts
"""Texts that are often queries, and nearly always look like one."""


def test_trees_are_written_as_people_write_them():
    def must(*nodes: Node) -> Boolean:
        return Boolean(tuple(Clause(Occur.MUST, node) for node in nodes))

    a, b, c = Term("a"), Term("b", "name"), Term("c")
    either = Boolean((Clause(Occur.SHOULD, a), Clause(Occur.SHOULD, b)))
    unlike = Boolean((Clause(Occur.MUST, a), Clause(Occur.MUST_NOT, b)))
    mixed = Boolean((Clause(Occur.MUST, a), Clause(Occur.SHOULD, b), Clause(Occur.MUST_NOT, c)))
    table: list[tuple[Node, str]] = [
        (must(a, b), "a AND name:b"),
        (either, "a OR name:b"),
        (unlike, "a AND NOT name:b"),
        (mixed, "+a name:b -c"),
        (must(a), "+a"),
        (must(a, either), "a AND (a OR name:b)"),
        (Boost(either, 2), "(a OR name:b)^2"),
        (Boost(a, 0.25), "a^0.25"),
        (Boost(Boost(a, 2), 1e21), "(a^2)^1000000000000000000000"),
        (Range(Bound("21"), None, "value.age"), "value.age:[21 TO *]"),
        (Range(Bound("a b", False), Bound("36", True, True)), '{a\\ b TO "36"]'),
        (Verbatim("Ada", "value.name"), "value.name:`Ada`"),
        (Verbatim("`\\"), "`\\`\\\\`"),
        (Phrase('say "hi"', None, 2), '"say \\"hi\\""~2'),
        (Term("C:\\x y"), "C\\:\\\\x\\ y"),
        (Term("AND"), "\\AND"),
        (Term("-5", "age"), "age:\\-5"),
        (Wildcard("a b*\\*"), "a\\ b*\\*"),
        (Regexp("a/b"), "/a\\/b/"),
        (Near(51.5, -0.1, 10, "km", "home"), "home:NEAR:{lat:51.5 lon:-0.1 dist:10km}"),
    ]
    for tree, text in table:
        assert render(tree) == text
        assert parse(text) == tree


def test_trees_no_text_has_are_written_as_what_they_mean():
    assert render(Boolean((Clause(Occur.SHOULD, Term("a")),))) == "a"
    assert render(Boolean(())) == "-*:*"


@given(trees() | any_trees())
@settings(max_examples=300)
@example(Term("<5", "age"))
@example(Term("IN", "NEAR"))
@example(Range(Bound("TO"), Bound('"', False), "_exists_"))
def test_a_rendered_tree_is_read_back(tree: Node):
    assert parse(render(tree)) == tree


@given(queries)
@settings(max_examples=500)
def test_any_text_is_a_query_or_an_error_with_its_place(text: str):
    found = parsed(text)
    if isinstance(found, InvalidQuery):
        assert found.position in range(len(text) + 1)
        assert found.expected
        assert found.expected in str(found)
    else:
        rendered = render(found)
        assert parse(rendered) == found
        assert render(parse(rendered)) == rendered


def parsed(text: str) -> Node | InvalidQuery:
    try:
        return parse(text)
    except InvalidQuery as error:
        return error
