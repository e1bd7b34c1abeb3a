"""What every node means, on one document; and the parts of that meaning against slower, plainer ones."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcodm.lucene.analysis import analyze
from orcodm.lucene.entries import Entry, entry
from orcodm.lucene.evaluator import compile_query, distance, find_near, matches, mentions_kind
from orcodm.lucene.parser import parse
from orcodm.lucene.patterns import fuzzy, wildcard
from orcodm.lucene.phrases import phrase
from orcodm.lucene.renderer import render
from orcodm.lucene.tree import Boolean, Boost, Clause, MatchAll, Node, Occur, Term

from ..strategies import documents, patterns, trees

ADA = entry(
    "item",
    {"collection": "users", "key": "Ada", "ref": "0123456789abcdef", "reftime": 1_400_000_000_000},
    {
        "name": "Ada King, Countess of Lovelace",
        "age": 36,
        "score": 3.5,
        "big": 2**53 + 1,
        "huge": 1e23,
        "zip": "08036",
        "ok": True,
        "tags": ["analytical engine", "math", 7, None],
        "born": "1815-12-10",
        "seen": ["2014-06-01T12:00:00Z", "never"],
        "address": {"city": "London", "at": {"lat": 51.5, "lon": -0.1}},
        "empty": "",
        "null": None,
        "jp": "東京都庁",
    },
)

# Queries two blanks apart: after = they match, after ! they do not.
MEANINGS = """
Terms are analysed, and any of their tokens will do.
= ADA  name:king  name:lovelace-or-not  value.name:ADA  jp:東  jp:都西
! adam  bytheway  age:ada  missing:ada  name:love  jp:西

Numbers and booleans by their JSON.
= age:36  age:36.0  age:3.6e1  36  "36"  age:"36"  score:3.5  score:3.50  score:35e-1  tags:7  tags:`7`
! age:37  age:036  age:3  score:3  tags:`null`
= big:9007199254740993  huge:1e23  zip:08036  zip:`08036`  ok:true  ok:`true`  true
! big:9007199254740992  huge:99999999999999999999999  zip:8036  ok:TRUE  ok:1  ok:false  1

Verbatim is exact.
= name:`Ada King, Countess of Lovelace`  `math`  tags:`math`  empty:``
! name:`Ada`  name:`ada king, countess of lovelace`  name:``

Phrases stand in one element.
= name:"ada king"  "countess of lovelace"  name:"OF LOVELACE"  tags:"analytical engine"  tags:"math"
! name:"king ada"  tags:"engine math"  "ada math"  tags:"engine math"~99
= name:"ada countess"~1  name:"king ada"~2  name:"lovelace king"~4
! name:"ada countess"  name:"king ada"~1  name:"lovelace king"~3  name:"ada ada"~9

Patterns are for single tokens of strings.
= name:love*  name:*lace  name:l?v*c?  LOVE*  *ngin*  name:?da  name:/love.*/  /[a-m]ath/  name:/LOVELACE/
! name:lov?  age:3*  ok:t*  name:"love*"  name:countess\\ of*  name:/love/  age:/36/  name:/ada king.*/
= name:lovelase~  name:lovleace~1  name:ad~1  name:LOVELASE~1  name:lovelace~0
! name:lovelase~0  name:lvlase~1  age:37~1

Ranges of numbers.
= age:[36 TO 36]  age:[* TO 36]  age:{35 TO *}  age:>=36  age:[35.5 TO 36.5]  age:<1e3
= [35 TO 37]  tags:[7 TO 8]
! age:{36 TO *]  age:[* TO 36}  age:["35" TO "37"]  age:[a TO b]  ok:[0 TO 1]  zip:[8000 TO 9000]
= big:[9007199254740993 TO 9007199254740993]  huge:[1e23 TO 1e23]
! big:[* TO 9007199254740992]

Ranges of dates. A day is a whole one.
= born:[1815-01-01 TO 1815-12-31]  born:[1815-12-10 TO 1815-12-10]  born:<1815-12-11  born:[* TO 1815-12-10]
! born:{1815-12-10 TO *]  born:[* TO 1815-12-10}  born:[1815-12-11 TO *]
= seen:[2014-06-01 TO 2014-06-01]  seen:{2014-05-31 TO 2014-06-02}
= seen:[2014-06-01T13:30+02:00 TO 2014-06-01T12:00]
! seen:{2014-06-01 TO 2014-07-01]  seen:[2014-05-01 TO 2014-06-01}  seen:[2014-06-01T13:00 TO 2014-07-01]

Ranges of text.
= name:[Ada TO B]  name:[* TO Adb}  born:["1815" TO "1816"]  zip:["08" TO "09"]
= seen:[n TO z]  empty:["" TO ""]
! name:[ada TO b]  name:[a TO *]  name:[* TO ""]

Being there.
= name:*  age:*  ok:*  empty:*  address:*  address.city:*  address.at:*  value:*  _exists_:name  name:[* TO *]
= *  *:*  [* TO *]  @path.key:*
! null:*  missing:*  addres:*  @path.type:*  -*:*  -missing:x

Metadata is exact.
= @path.key:Ada  @path.key:`Ada`  @path.key:"Ada"  @path.key:A*  @path.key:/A.a/
= @path.key:Adam~1  @path.key:[0 TO B]
! @path.key:ada  users  @path.kind:event  @path.reftime:14*  @path.key:[a TO b]  @path.key:/a.a/
= @path.kind:item  @path.kind:(item event)  @path.collection:users  @path.reftime:1400000000000
= @path.reftime:[1300000000000 TO 1400000000000]

Places.
= address.at:NEAR:{lat:51.5 lon:-0.1 dist:0m}  address.at:NEAR:{lat:51 lon:0 dist:60km}
= NEAR:{lat:51 lon:0 dist:60km}
! address.at:NEAR:{lat:51 lon:0 dist:50km}  address:NEAR:{lat:51.5 lon:-0.1 dist:9km}
! name:NEAR:{lat:0 lon:0 dist:9km}
= address.at:IN:{north:52 east:0 south:51 west:-1}  address.at:IN:{north:51.5 east:-0.1 south:51.5 west:-0.1}
= address.at:IN:{north:52 east:0 south:51 west:170}
! address.at:IN:{north:52 east:-10 south:51 west:170}

Together.
= +ada +king  ada xyz  ada AND NOT xyz  (+ada -xyz)  *:* -xyz  xyz OR ada  (xyz ada)^2  ada^0
! +ada +xyz  +ada -king  -xyz  ada AND (-xyz)  xyz OR zyx

Without words a clause is dropped, and alone it matches nothing.
= ada AND ...  +ada +""  ada -"..."  ada AND (... AND "")
! ...  "!?"  (...) AND ""  -ada +...  -ada ...
"""


def lines() -> list[tuple[str, bool]]:
    """The queries of the table, and whether each matches."""
    marked = [line for line in MEANINGS.splitlines() if line[:2] in ("= ", "! ")]
    return [(query, line[0] == "=") for line in marked for query in line[2:].split("  ")]


@pytest.mark.parametrize(("query", "expected"), lines())
def test_a_query_matches_ada_or_not(query: str, expected: bool):
    assert matches(parse(query), ADA) is expected


# -- Booleans --------------------------------------------------------------------------------------


def test_a_boolean_without_clauses_matches_nothing_anywhere():
    nothing = Boolean(())
    both = Boolean((Clause(Occur.MUST, MatchAll()), Clause(Occur.MUST, nothing)))
    assert [matches(tree, ADA) for tree in (nothing, both, parse(render(both)))] == [False, False, False]


def naive(tree: Node, entry: Entry) -> bool | None:
    """The meaning of Booleans in the fewest words; None for what is dropped."""
    if isinstance(tree, Boost):
        return naive(tree.node, entry)
    if not isinstance(tree, Boolean):
        if isinstance(tree, Term) and not analyze(tree.text) and not (tree.field or "").startswith("@"):
            return None
        return matches(tree, entry)
    found = [(clause.occur, naive(clause.node, entry)) for clause in tree.clauses]
    kept = [(occur, match) for occur, match in found if match is not None]
    if not kept:
        return None
    wanted = [match for occur, match in kept if occur is Occur.MUST]
    either = [match for occur, match in kept if occur is Occur.SHOULD]
    return (
        all(wanted)
        and bool(wanted or any(either))
        and not any(match for occur, match in kept if occur is Occur.MUST_NOT)
    )


@given(
    st.recursive(
        st.builds(Term, st.sampled_from(["a", "b", "c", "..."])),
        lambda inner: (
            st.builds(Boost, inner, st.just(2.0))
            | st.lists(st.builds(Clause, st.sampled_from(Occur), inner), min_size=1, max_size=4).map(Boolean)
        ),
    ),
    st.sets(st.sampled_from("abc")),
)
def test_booleans_mean_what_they_say(tree: Node, words: set[str]):
    found = entry("item", {}, {"text": " ".join(words)})
    assert matches(tree, found) is bool(naive(tree, found))


@given(trees(), documents())
@settings(max_examples=200)
def test_a_tree_matches_the_same_after_a_trip_through_text(tree: Node, value: Any):
    found = entry("item", {"key": "ada"}, value)
    assert matches(parse(render(tree)), found) is matches(tree, found)


# -- patterns and phrases by brute force -----------------------------------------------------------


@given(patterns(st.text(alphabet="ab*?\\", min_size=1, max_size=3)), st.text(alphabet="ab*?\\", max_size=8))
def test_wildcards_fit_as_their_definition_says(pattern: str, token: str):
    signs = re.findall(r"\\(.)|(.)", pattern)

    @cache
    def fits(at: int, position: int) -> bool:
        if at == len(signs):
            return position == len(token)
        escaped, plain = signs[at]
        if plain == "*":
            return fits(at + 1, position) or (position < len(token) and fits(at, position + 1))
        same = position < len(token) and (plain == "?" or token[position] == (escaped or plain))
        return same and fits(at + 1, position + 1)

    assert wildcard(pattern)(token) is fits(0, 0)


@given(st.text(alphabet="abc", max_size=6), st.text(alphabet="abc", max_size=6), st.integers(0, 2))
def test_fuzzy_terms_are_so_many_edits_away(left: str, right: str, edits: int):
    @cache
    def apart(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        ways = [apart(i - 1, j) + 1, apart(i, j - 1) + 1, apart(i - 1, j - 1) + (left[i - 1] != right[j - 1])]
        if i > 1 and j > 1 and left[i - 2 : i] == right[j - 1] + right[j - 2]:
            ways.append(apart(i - 2, j - 2) + 1)
        return min(ways)

    assert fuzzy(left, edits)(right) is (apart(len(left), len(right)) <= edits)


WORDS = st.lists(st.sampled_from("abc"), min_size=2, max_size=4)


@given(WORDS, st.lists(st.sampled_from("abcd"), max_size=7), st.integers(0, 4))
def test_phrases_stand_as_their_definition_says(words: list[str], tokens: list[str], slop: int):
    places = [[at for at, token in enumerate(tokens) if token == word] for word in words]
    expected = any(
        len(set(chosen)) == len(chosen)
        and max(at - i for i, at in enumerate(chosen)) - min(at - i for i, at in enumerate(chosen)) <= slop
        for chosen in product(*places)
    )
    assert phrase(words, slop)(tokens) is expected


# -- around the evaluator --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "mentions"),
    [
        ("ada", False),
        ("* AND NOT (x y)", False),
        ("@path.key:a", False),
        ("@path.kind:event", True),
        ("a AND (b OR (-@path.kind:*)^2)", True),
        ("@path.kind:[a TO z]", True),
    ],
)
def test_a_query_may_mention_kinds(query: str, mentions: bool):
    assert mentions_kind(parse(query)) is mentions


def test_distances_are_in_the_unit_of_the_query():
    tree = parse("name:x OR address.at:NEAR:{lat:51.5 lon:0.9 dist:100km}")
    assert distance(tree, ADA) == pytest.approx(69.297, abs=0.001)
    assert distance(parse("address.at:NEAR:{lat:51.5 lon:0.9 dist:100mi}"), ADA) == pytest.approx(
        43.059, abs=0.001
    )
    assert distance(parse("NEAR:{lat:51.5 lon:-0.1 dist:1ft}"), ADA) == 0.0
    assert distance(parse("name:NEAR:{lat:51.5 lon:-0.1 dist:1ft}"), ADA) is None
    assert distance(parse("ada"), ADA) is None


def test_a_degree_on_the_equator_is_as_long_as_it_was_with_the_service():
    here = entry("item", {}, {"lat": 0, "lon": 1})
    assert distance(parse("value:NEAR:{lat:0 lon:0 dist:1km}"), here) == pytest.approx(111.3, abs=0.05)


def test_the_centre_may_be_asked_for_by_field():
    tree = parse("a:NEAR:{lat:1 lon:1 dist:1km} AND value.b:NEAR:{lat:2 lon:2 dist:1km}")
    found = [find_near(tree), find_near(tree, "b"), find_near(tree, "c")]
    assert [near and near.latitude for near in found] == [1, 2, None]


def test_a_compiled_query_can_be_used_again():
    match = compile_query(parse("name:lovelase~ OR /x.*/"))
    others = [entry("item", {}, {"name": name}) for name in ("lovelace", "love", "xy", "")]
    assert [match(other) for other in others * 2] == [True, False, True, False] * 2
