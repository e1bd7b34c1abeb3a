"""The grammar, one line for each thing it can say: a text, and the tree as it is rendered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcodm.errors import InvalidQuery
from orcodm.lucene.parser import MAX_CLAUSES, MAX_LENGTH, MAX_NESTING, parse
from orcodm.lucene.renderer import render
from orcodm.lucene.tree import (
    Boost,
    Bound,
    Box,
    Exists,
    Fuzzy,
    MatchAll,
    Near,
    Node,
    Phrase,
    Range,
    Regexp,
    Term,
    Verbatim,
    Wildcard,
)

LEAVES: list[tuple[str, Node]] = [
    ("steve", Term("steve")),
    ("name:steve", Term("steve", "name")),
    ("name: steve", Term("steve", "name")),
    ("name :steve", Term("steve", "name")),
    ("@path.kind:event", Term("event", "@path.kind")),
    ("value.a.b:x", Term("x", "value.a.b")),
    ("my\\ field:x", Term("x", "my field")),
    ("a-b_c.d@e", Term("a-b_c.d@e")),
    ("don`t", Term("don`t")),
    ("C\\:\\\\x", Term("C:\\x")),
    ("\\u0041\\u00e9", Term("Aé")),
    ("\\ud83d\\ude00", Term("😀")),
    ("\\AND", Term("AND")),
    ("and", Term("and")),
    ("&&x", Term("&&x")),
    ("TO", Term("TO")),
    ("- ", Term("-")),
    ("age:-5", Term("-5", "age")),
    ("`New York`", Verbatim("New York")),
    ("name:`a \\` b\\\\c\\d`", Verbatim("a ` b\\c\\d", "name")),
    ('"New York"', Phrase("New York")),
    ('name:"say \\"hi\\" \\u0041"', Phrase('say "hi" A', "name")),
    ('"a b"~5', Phrase("a b", None, 5)),
    ('"a b"~1.9', Phrase("a b", None, 1)),
    ('"a b"~', Phrase("a b")),
    ("jo*", Wildcard("jo*")),
    ("*Crime*", Wildcard("*Crime*")),
    ("name:?o?", Wildcard("?o?", "name")),
    ("a\\*b*", Wildcard("a\\*b*")),
    ("a\\-\\u0041*", Wildcard("a-A*")),
    ("a\\*", Term("a*")),
    ("/jo[hn]+/", Regexp("jo[hn]+")),
    ("name:/a\\/b\\d/", Regexp("a/b\\d", "name")),
    ("roam~", Fuzzy("roam")),
    ("roam~0", Fuzzy("roam", None, 0)),
    ("name:roam~1", Fuzzy("roam", "name", 1)),
    ("roam ~2", Fuzzy("roam")),
    ("roam~3", Fuzzy("roam")),
    ("roam~0.5", Fuzzy("roam")),
    ("roam~.7", Fuzzy("roam", None, 1)),
    ("roam~bar", Fuzzy("roam")),
    ("roam~1bar", Fuzzy("roam")),
    ("roam~1f", Fuzzy("roam", None, 1)),  # Java's floats
    ("roam~+0x.8p1", Fuzzy("roam", None, 1)),
    ("roam~NaN", Fuzzy("roam", None, 0)),
    ("a~0.99999999", Fuzzy("a", None, 1)),  # which is 1 in 32 bits
    ('"a b"~bar', Phrase("a b")),
    ('"a b"~2.9', Phrase("a b", None, 2)),
    ('"a b"~1e400', Phrase("a b", None, 2**31 - 1)),
    ("roams~0.8", Fuzzy("roams", None, 0)),  # 32-bit floats: (1 - 0.8f) * 5 is below 1
    ("age:[1 TO 5]", Range(Bound("1"), Bound("5"), "age")),
    ("{1 TO 5}", Range(Bound("1", False), Bound("5", False))),
    ("[1 TO 5}", Range(Bound("1"), Bound("5", False))),
    ("{1 TO 5]", Range(Bound("1", False), Bound("5"))),
    ("[* TO 5]", Range(None, Bound("5"))),
    ("{1 TO *}", Range(Bound("1", False), None)),
    ("[* TO *]", Range(None, None)),
    ('["*" TO `a b`]', Range(Bound("*", quoted=True), Bound("a b", quoted=True))),
    ("[\\* TO a\\ b]", Range(Bound("*"), Bound("a b"))),
    ("[2014-01-01T10:00:00+01:00 TO TO]", Range(Bound("2014-01-01T10:00:00+01:00"), Bound("TO"))),
    ("age:>=30", Range(Bound("30"), None, "age")),
    ("at:>2014-01-01T10:00:00Z", Range(Bound("2014-01-01T10:00:00Z", False), None, "at")),
    ("age:> 30", Range(Bound("30", False), None, "age")),
    ("age:<=-3.5", Range(None, Bound("-3.5"), "age")),
    ('name:<"m n"', Range(None, Bound("m n", False, True), "name")),
    (">=30", Term(">=30")),
    ("*", MatchAll()),
    ("*:*", MatchAll()),
    ("(*)", MatchAll()),
    ("*:(*)", MatchAll()),
    ("*:x", Term("x", "*")),
    ("\\*:*", MatchAll()),
    ("_exists_:\\*", Exists("*")),
    ("name:*", Exists("name")),
    ("name:(*)", Exists("name")),
    ("_exists_:name", Exists("name")),
    ("_exists_:my\\ name", Exists("my name")),
    ("a:NEAR:{lat:1 lon:-2.5 dist:5km}", Near(1, -2.5, 5, "km", "a")),
    ("a: NEAR : { radius:5mi, LONG: 2,latitude:1 }", Near(1, 2, 5, "mi", "a")),
    ("a:IN:{north:12.5 east:57 south:12 west:56}", Box(12.5, 57, 12, 56, "a")),
    ("a:IN:{west:170,east:-170,south:-1,north:1}", Box(1, -170, -1, 170, "a")),
    ("NEAR:{a TO b}", Range(Bound("a", False), Bound("b", False), "NEAR")),
    ("NEAR:{lat:1 lng:2 rad:3m}", Near(1, 2, 3, "m")),
    ("IN:x", Term("x", "IN")),
    ("steve^2", Boost(Term("steve"), 2)),
    ('"a b"~2^0.5', Boost(Phrase("a b", None, 2), 0.5)),
    ('"a b"^0.5~2', Boost(Phrase("a b", None, 2), 0.5)),
    ("roam~1^3", Boost(Fuzzy("roam", None, 1), 3)),
    ("[a TO b]^2", Boost(Range(Bound("a"), Bound("b")), 2)),
    ("`x`^2", Boost(Verbatim("x"), 2)),
    ("(steve)^2", Boost(Term("steve"), 2)),
    ("((steve)^2)^3", Boost(Boost(Term("steve"), 2), 3)),
    ("\u3000a\t", Term("a")),
]


@pytest.mark.parametrize(("text", "tree"), LEAVES)
def test_a_leaf(text: str, tree: Node):
    assert parse(text) == tree


BOOLEANS: list[tuple[str, str]] = [
    ("a b", "a OR b"),
    ("a OR b", "a OR b"),
    ("a || b", "a OR b"),
    ("a AND b", "a AND b"),
    ("a && b", "a AND b"),
    ("a&&b", "a&&b"),
    ("a OR b AND c", "a +b +c"),
    ("a AND b OR c", "+a +b c"),
    ("a AND b c", "+a +b c"),
    ("a b AND c d", "a +b +c d"),
    ("NOT a", "-a"),
    ("!a", "-a"),
    ("-a", "-a"),
    ("+a", "+a"),
    ("-a -b", "-a -b"),
    ("a NOT b", "a -b"),
    ("a AND NOT b", "a AND NOT b"),
    ("a OR NOT b", "a -b"),
    ("+a -b c", "+a -b c"),
    ("-a AND b", "-a +b"),
    ("a AND -b AND c", "a AND NOT b AND c"),
    ("a - b", "a OR \\- OR b"),
    ("a ! b", "a OR \\! OR b"),
    ("(a b) AND c", "(a OR b) AND c"),
    ("(a) AND ((b))", "a AND b"),
    ("(+a) b", "(+a) OR b"),
    ("name:(a b)", "name:a OR name:b"),
    ("name:(a age:b c)", "name:a OR age:b OR name:c"),
    ("name:(a (b AND c))^2 d", "(name:a OR (name:b AND name:c))^2 OR d"),
    ('name:(+"a b" -`c` d* /e/ f~1)', '+name:"a b" -name:`c` name:d* name:/e/ name:f~1'),
    ("at:(>2014-01-01T10:00:00Z)", "at:{2014-01-01T10:00:00Z TO *]"),
    ("age:(>=3 AND <5)", "age:[3 TO *] AND age:[* TO 5}"),
    ("@path.kind:(item event) AND (q)", "(@path.kind:item OR @path.kind:event) AND q"),
    ("at:(NEAR:{lat:1 lon:2 dist:3km} OR x)", "at:NEAR:{lat:1 lon:2 dist:3km} OR at:x"),
    # A clause without words is passed over by AND, as Lucene does, which has dropped it by then.
    ("a ... AND b", "a AND ... AND b"),
    ("a OR (... ...) AND b", "a AND (... OR ...) AND b"),
    ('a "" AND b', 'a AND "" AND b'),
]


@pytest.mark.parametrize(("text", "rendered"), BOOLEANS)
def test_clauses_together(text: str, rendered: str):
    assert render(parse(text)) == rendered


def test_leaves_without_a_field_get_the_default():
    assert render(parse("a AND name:b", "bio")) == "bio:a AND name:b"
    assert parse("*", "bio") == MatchAll()
    assert parse("*:a", "bio") == Term("a", "*")
    assert parse(">=3", "bio") == Term(">=3", "bio")


ERRORS = [
    ("", 0, "a term"),
    ("   ", 3, "a term"),
    (":(", 0, "the name of a field"),
    ("a AND", 5, "a term"),
    ("AND a", 0, "a term"),
    ("a AND OR b", 6, "a term"),
    ("a OR", 4, "a term"),
    ("NOT", 3, "a term"),
    ("+-a", 1, "a term"),
    ("a:", 2, "a term"),
    ("a: AND b", 3, "a term"),
    ("a:b:c", 3, "one colon only"),
    ("a*:b", 0, "the name of one field"),
    ("a:+b", 2, "a term"),
    ("(a", 2, "a closing parenthesis (one was opened at 0)"),
    ("a)", 1, "the end of the query"),
    ("()", 1, "a term"),
    ('name:"foo', 5, 'a closing "'),
    ("x `foo", 2, "a closing `"),
    ("/foo", 0, "a closing /"),
    ("/(a/", 3, ")"),
    ("/a{2,1}/", 3, "two small numbers"),
    ("a\\", 1, "a character after the backslash"),
    ("\\u12x4", 2, "four hexadecimal digits"),
    ("\\ud83d", 0, "no half of a surrogate pair"),
    ("a \ud83d", 2, "Unicode text"),
    ("~2", 0, "a term before the ~"),
    ("^2", 0, "a term before the ^"),
    ("foo~-1", 4, "a whole number"),
    ("foo~Infinity", 4, "a whole number"),
    ('"a b"~-1', 6, "a number of moves"),
    ("foo~1.5", 4, "a whole number of edits"),
    ("foo~1~2", 5, "no second ~"),
    ("`foo`~1", 5, "no ~ here"),
    ("foo^", 4, "a number"),
    ("foo^x", 4, "a number"),
    ("foo^2^3", 5, "no second ^"),
    ("(foo)^2^3", 7, "no second ^"),
    ("[a b]", 3, "TO"),
    ("[a TO", 5, "the upper bound"),
    ("[TO b]", 4, "TO"),
    ("[a TO b", 7, "] or }"),
    ("[a TO b)", 8, "] or }"),
    ("a]", 1, "a term"),
    ("age:>", 5, "a value after the comparison"),
    ("age:>*", 5, "a value after the comparison"),
    ("_exists_:(a)", 9, "the name of a field"),
    ("_exists_:a*", 9, "the name of a field"),
    ("a:NEAR:{lat:1 lon:2 dist:5}", 26, "a unit"),
    ("a:NEAR:{lat:1 lon:2 dist:5miles}", 26, "a unit"),
    ("a:NEAR:{lat:1 dist:5km}", 22, "name:number for longitude"),
    ("a:NEAR:{lat:1 lat:2 lon:2 dist:5km}", 14, "name:number for longitude, distance"),
    ("a:NEAR:{lat:91 lon:2 dist:5km}", 12, "a latitude from -90 to 90"),
    ("a:NEAR:{lat:x}", 8, "name:number for latitude"),
    ("a:IN:{north:1 south:2 east:1 west:0}", 6, "a north that is not below south"),
    ("a:NEAR:(b)", 6, "one colon only"),
]


@pytest.mark.parametrize(("text", "position", "expected"), ERRORS)
def test_an_error_says_where_and_what(text: str, position: int, expected: str):
    with pytest.raises(InvalidQuery) as raised:
        parse(text)
    assert raised.value.position == position
    assert (raised.value.expected or "").startswith(expected)
    assert raised.value.details["query"] == text[:200]


def test_the_message_shows_the_place():
    with pytest.raises(InvalidQuery) as raised:
        parse("name:ada AND (age:[3 TO 5] OR )")
    assert str(raised.value) == (
        "The search query provided is invalid. At position 30: "
        "expected a term, a phrase, a range or a group, found ')'. name:ada AND (age:[3 TO 5] OR  >>> )"
    )


@pytest.mark.parametrize(
    ("allowed", "refused", "expected"),
    [
        ("a" * MAX_LENGTH, "a" * (MAX_LENGTH + 1), "at most 100,000 characters"),
        ("a " * MAX_CLAUSES, "a " * (MAX_CLAUSES + 1), "at most 1,024 clauses"),
        ("(" * MAX_NESTING + "a" + ")" * MAX_NESTING, "(" * (MAX_NESTING + 1), "at most 100 levels"),
        ("/(a{0,99}){2}/", "/((a{0,2000}){0,2000}){0,2000}/", None),
        ("/a{0,99}/ " * 40, "/a{0,99}/ " * 60, "smaller regular expressions"),
        ("a*" * 512, "a*" * 513, "a pattern of at most 1,024"),
        ("x", "(" * 50_000, "at most 100 levels"),
        ("x", "a AND NOT " * 9_000, "at most 1,024 clauses"),
    ],
)
def test_there_are_limits(allowed: str, refused: str, expected: str | None):
    parse(allowed)
    with pytest.raises(InvalidQuery) as raised:
        parse(refused)
    assert (raised.value.expected or "").startswith(expected or "")


@given(
    st.sampled_from(
        ["value.name", "@path.key", "value.a_b.C1", "value._x", "value.", "name", "value.1", "*"]
    ),
    st.text(alphabet='a \\`"():*é', max_size=6),
    st.sampled_from(["", " ", "^2", " AND b", "~"]),
)
def test_one_value_of_one_field_is_read_like_anything_else(field: str, value: str, more: str) -> None:
    text = f"{field}:`{value}`{more}"
    try:
        usual = parse(f" {text}")
    except InvalidQuery:
        with pytest.raises(InvalidQuery):
            parse(text)
    else:
        assert parse(text) == usual
