"""The index finds what the evaluator accepts: compiled queries on random documents, against the oracle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tantivy
from hypothesis import example, given
from hypothesis import strategies as st

from orcodm.engines.embedded.compile import compile_plan
from orcodm.engines.embedded.documents import ITEM, Stored
from orcodm.engines.embedded.index import Generation, IndexDirectory, find
from orcodm.engines.embedded.layout import IDENTITY, SEQ
from orcodm.engines.embedded.terms import analysed, loose, prefix, tight
from orcodm.lucene.analysis import analyze
from orcodm.lucene.entries import entry
from orcodm.lucene.evaluator import compile_query
from orcodm.lucene.parser import parse
from orcodm.lucene.tree import Node, Wildcard
from orcodm.model.mapping import encode
from orcodm.query.expressions import Expr

from ...strategies import documents, examples, trees
from .indexed import Indexed, few_columns

VALUES: list[Any] = [
    {"name": "Ada Lovelace", "age": 36, "tags": ["math", "poetry"], "address": {"city": "London"}},
    {"name": "Bob", "age": 7.5, "born": "2014-01-31", "active": True, "tags": ["math"]},
    {"name": "ada", "age": 2**60 + 1, "born": "2014-02-01T10:00:00Z", "text": "x" * 150},
    {"name": "x" * 129, "age": 2**60, "text": "x" * 112 + "\x1e" + "0" * 16},
    {"name": ["new", "york"], "age": "36", "born": "2014-01-3", "address": {"city": {"name": "York"}}},
    {"name": "new york", "age": -0.0, "active": "true", "born": "2014"},
    {"name": "", "age": 10**400, "tags": [None], "with space": "word", "a.b": "dot"},
    {"name": None, "age": -(10**400), "a": {"b": "dot"}, "text": "line\nline two"},
    {"name": "Фёдор 東京 😀", "age": 1e23, "born": "9999-12-31T23:59:59.999999Z"},
    {"name": "new-york's 3,000", "age": 10**23, "born": "0001-01-01"},
    "a lovelace text",
    [1, 2, "36", [True]],
    None,
    {"place": {"lat": 51.5, "lon": -0.1}, "name": "york new", "age": 36.0},
]

QUERIES = [
    "*",
    "name:ada",
    "ada",
    "lovelace",
    "36",
    "true",
    "age:36",
    "age:0",
    "age:[* TO 0]",
    "age:{7 TO 36]",
    "age:[7.5 TO 7.5]",
    f"age:{2**60}",
    f"age:[{2**60} TO {2**60}]",
    f"age:{{{2**60} TO *]",
    "age:1e23",
    f"age:{10**23}",
    f"age:[{10**300} TO *]",
    "age:`36`",
    "`36`",
    "`ada`",
    "name:`" + "x" * 129 + "`",
    "text:`" + "x" * 150 + "`",
    "text:[" + "x" * 120 + " TO *]",
    "text:[* TO " + "x" * 120 + "}",
    "name:[a TO n}",
    "[a TO n}",
    "name:[* TO *]",
    "born:[2014-01-31 TO 2014-02-01]",
    "born:{2014-01-31 TO *]",
    "born:[* TO 2014-01-31}",
    "born:[2014 TO 2015]",
    'born:["2014-01-31" TO "2014-02-01"]',
    'name:"new york"',
    '"new york"',
    'name:"york new"~3',
    "name:new*",
    "na*",
    "*da",
    "name:?da",
    "text:*li?e*",
    "name:lovelase~",
    "lovelase~1",
    "name:/ad[a-z]/",
    "address:*",
    "address.city:*",
    "value:*",
    "a.b:dot",
    r"with\ space:word",
    "name:... AND ada",
    "name:(ada -lovelace)",
    "-name:ada",
    "* -name:lovelase~",
    "* -(name:ada age:[1 TO 100])",
    "name:ada AND NOT (-age:36)",
    "place:NEAR:{lat:51 lon:0 dist:100km}",
    "* -place:IN:{north:60 south:50 east:1 west:-1}",
    "@path.key:`1`",
    "@path.key:1*",
    "@path.key:[3 TO 5]",
    "@path.reftime:[1000 TO 1005}",
    "@path.reftime:1003",
    "@path.ref:`0004`",
    "@path.kind:item",
    "@path.kind:ite*",
    "@path.kind:event",
    "@path.collection:`things`",
    "@path.collection:thin*",
    "@path.nothing:*",
    "name:ada^3 OR name:bob",
]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    return Indexed(tmp_path_factory.mktemp("index") / "things", VALUES)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_the_index_agrees_with_the_evaluator(indexed: Indexed, query: str) -> None:
    indexed.check(parse(query))


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """An index where nearly all fields came too late for a column of their own."""
    with few_columns():
        yield Indexed(tmp_path_factory.mktemp("index") / "things", VALUES)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_fields_without_a_column_of_their_own_are_found_as_well(crowded: Indexed, query: str) -> None:
    crowded.check(parse(query))


@examples(60)
@given(st.lists(documents(), min_size=1, max_size=8), st.lists(trees(), min_size=5, max_size=20))
def test_any_query_finds_what_the_evaluator_accepts(values: list[Any], nodes: list[Node]) -> None:
    with tempfile.TemporaryDirectory() as path:
        indexed = Indexed(Path(path) / "index", values)
        for node in nodes:
            indexed.check(node)
        with few_columns():
            crowded = Indexed(Path(path) / "crowded", values)
            for node in nodes:
                crowded.check(node)


LETTERS = st.sampled_from("abAzß東\ud7ff\ue000😀\U0010ffff\x01 \x1f*\\.")
TEXTS = st.text(LETTERS, max_size=4) | st.integers(0, 130).map(lambda length: "ab" * length)


@examples(100)
@given(st.lists(TEXTS, min_size=1, max_size=12), st.lists(TEXTS, min_size=1, max_size=6))
def test_what_begins_with_a_text_is_found(texts: list[str], starts: list[str]) -> None:
    name: Expr[str] = Expr("value.name", ("name",), str, encode)
    with tempfile.TemporaryDirectory() as path:
        indexed = Indexed(Path(path) / "index", [{"name": text} for text in texts])
        for start in starts:
            tree = name.startswith(start).tree
            indexed.check(tree)
            expected = {number for number, text in enumerate(texts, 1) if text.startswith(start)}
            matches = compile_query(tree)
            assert {number for number, entry in indexed.entries.items() if matches(entry)} == expected
            for word in analyze(start):
                indexed.check(Wildcard(f"{word}*", "name"))
                indexed.check(Wildcard(f"{word}*"))


@pytest.mark.parametrize(
    "query",
    [
        *("name:ada", "name:`Ada`", "age:[1 TO 5]", 'name:"a b"', "na*", "* -name:ada", "+a +b", "x:*"),
        *("age:5", "name:ad?", "name:*da", "name:ada~", "adda~1", "name:/ad[a-z]/", "active:true"),
    ],
)
def test_the_usual_queries_need_no_second_look(indexed: Indexed, query: str) -> None:
    assert compile_plan(parse(query), indexed.layout).exact


@given(st.text(st.sampled_from("aZ09_ .,:;'-\n\té\x1f") | st.characters(codec="utf-8")))
@example("x" * 300)
@example("a.b")
def test_the_words_of_the_index_are_those_of_the_analyser(text: str) -> None:
    assert analysed(text).split() == analyze(text)


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_fields_have_terms_of_their_own(one: str, other: str) -> None:
    fields = [f"value.{one}", f"value.{other}", f"@path.{one}", "value"]
    assert len({prefix(field) for field in fields}) == len(set(fields))
    assert not any(character in prefix(field) for field in fields for character in " \t\n\f\r")


@given(st.lists(st.integers(0, 2**44 - 1)))
def test_loose_numbers_are_read_as_they_were(numbers: list[int]) -> None:
    assert tight(map(loose, numbers)) == numbers
    assert all(0 <= loose(number) < 2**63 for number in numbers)


def test_loose_numbers_have_no_order() -> None:
    tops = "".join(str(loose(number) >> 44) for number in range(10_000))
    assert 4_500 < tops.count("1") < 5_500
    assert "0" * 20 not in tops
    assert "1" * 20 not in tops


def test_what_is_deleted_first_stays_deleted_while_a_merge_is_under_way(tmp_path: Path) -> None:
    # What killed processes leave: commits that nobody merged, of which some deleted what others added.
    for run in range(20):
        directory = IndexDirectory(tmp_path / str(run), "database")
        generation = directory.begin()
        for commit in range(8):
            writer = generation.index.writer(15_000_000, 1)
            for number in range(3):
                document = tantivy.Document()
                for name, value in (
                    ("id", 3 * commit + number),
                    (IDENTITY, loose(3 * commit + number)),
                    (SEQ, 0),
                ):
                    document.add_integer(name, value)
                writer.add_document(document)
            if commit == 7:
                for earlier in range(1, 7):
                    writer.delete_documents_by_term("id", 3 * earlier)
            writer.commit()
            del writer  # without waiting for its merges
        directory.save(generation, 100, None)
        state = directory.state()
        assert state is not None
        generation = Generation(directory.path, state)
        with directory.locked(), directory.writing(generation) as changes:
            changes.delete(7)
            changes.put(Stored(101, 101, ITEM, "things", "key", "ref", 1000, b"{}"), entry(ITEM, {}, {}))
            changes.commit(101, None)
        generation.reload(101, generation.layout)
        total, hits = find(generation.searcher, tantivy.Query.all_query(), 100)
        there = set(range(24)) - {3, 6, 9, 12, 15, 18} - {7}
        assert {hit.id for hit in hits} == there | {101}
        assert total == len(there) + 1
