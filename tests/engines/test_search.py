"""Searching: the query syntax over stored items, always fresh, sorted, and of all kinds.

The people below are searched twice: as they are, few enough to be looked at one by one, and with so
many others beside them that the engine has to have an index. The answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import BadRequest, InvalidParameter, InvalidQuery
from orcodm.operations import (
    Batch,
    DeleteCollection,
    EventItem,
    Item,
    MergePatch,
    Patch,
    PostEvent,
    Put,
    PutRelation,
    RelationItem,
    Search,
    SortField,
    SortRandom,
)

from .asking import THINGS, delete, found, get, item, keys, put, put_all, streamed
from .conftest import Opener
from .test_items import KEYS
from .test_values import VALUES

PEOPLE: dict[str, Any] = {
    "ada": {
        "name": "Ada Lovelace",
        "age": 36,
        "tags": ["math", "poetry"],
        "address": {"city": "London", "country": "UK"},
        "born": "1815-12-10",
        "height": 1.65,
        "bio": "The first programmer of the Analytical Engine, long before there was one",
    },
    "bob": {
        "name": "Bob Stone",
        "age": 7,
        "tags": ["math"],
        "address": {"city": "Paris"},
        "born": "2014-01-31",
        "active": True,
    },
    "cyd": {"name": "Cyd Ada", "age": 21, "address": None, "born": "2014-02-01T10:00:00Z", "height": 1.5},
    "dan": {"name": "Dan Stone", "age": -5, "tags": [], "height": 1000.0, "active": False},
    "eve": {"name": "eve", "note": "New York City: a new start, a York ham"},
    "fay": {"name": "Фёдор Łódź 東京 straße", "age": 2**70},
    "gus": "just a lovelace string",
    "hal": {"name": "New York", "note": "york new", "code": 'A-1 (b) [c] {d} *?\\/"~^:+-!&&||'},
    "ivy": {"friends": [{"name": "ada", "age": 1}, {"name": "zed", "age": 99}]},
    "jon": {"name": None, "empty": "", "none": [], "object": {}, "nulls": [None]},
}
EVERYONE = "ada bob cyd dan eve fay gus hal ivy jon"

QUERIES = [
    # match-all
    ("*", EVERYONE),
    ("*:*", EVERYONE),
    # terms: analysed, in a field or in all of them
    ("name:ada", "ada cyd"),
    ("value.name:ada", "ada cyd"),
    ("name:ADA", "ada cyd"),
    ("name: ada", "ada cyd"),
    ("ada", "ada cyd ivy"),
    ("lovelace", "ada gus"),
    ("nothing", ""),
    ("name:lov", ""),
    ("unknown:ada", ""),
    ("name:math", ""),
    ("tags:math", "ada bob"),
    ("tags:poetry", "ada"),
    ("address.city:london", "ada"),
    ("value.address.city:london", "ada"),
    ("city:london", ""),
    ("friends.name:zed", "ivy"),
    ("name:фёдор", "fay"),
    ("name:ŁÓDŹ", "fay"),
    ("active:true", "bob"),
    ("active:false", "dan"),
    ("age:36", "ada"),
    ("age:7", "bob"),
    (r"age:\-5", "dan"),
    ("height:1.5", "cyd"),
    ("name:ada-stone", "ada bob cyd dan"),
    # phrases
    ('"new york"', "eve hal"),
    ('name:"new york"', "hal"),
    ('name:"york new"', ""),
    ('note:"NEW york"', "eve"),
    ('name:"ada"', "ada cyd"),
    ('name:"ada lovelace"', "ada"),
    ('bio:"analytical engine"', "ada"),
    ('bio:"engine analytical"', ""),
    ('tags:"math poetry"', ""),
    ('friends.name:"ada zed"', ""),
    # and, or, not, plus, minus: the default operator is OR
    ("name:ada name:bob", "ada bob cyd"),
    ("name:ada OR name:bob", "ada bob cyd"),
    ("name:ada || name:bob", "ada bob cyd"),
    ("name:ada AND name:cyd", "cyd"),
    ("name:ada && name:cyd", "cyd"),
    ("name:ada NOT name:cyd", "ada"),
    ("name:ada AND NOT name:cyd", "ada"),
    ("name:ada !name:cyd", "ada"),
    ("name:ada -name:cyd", "ada"),
    ("+name:ada +name:cyd", "cyd"),
    ("+name:ada name:cyd", "ada cyd"),
    ("+name:ada -tags:math", "cyd"),
    ("name:bob OR name:ada AND tags:math", "ada"),
    ("name:ada AND name:cyd OR name:bob", "cyd"),
    ("name:cyd OR (name:ada AND tags:math)", "ada cyd"),
    ("name:ada and name:cyd", "ada cyd"),
    ("-name:ada", ""),
    ("NOT name:ada", ""),
    ("* AND NOT name:*", "gus ivy jon"),
    ("*:* -tags:math", "cyd dan eve fay gus hal ivy jon"),
    # groups and field groups
    ("(name:ada OR name:bob) AND tags:math", "ada bob"),
    ("name:(ada bob)", "ada bob cyd"),
    ("name:(+ada -cyd)", "ada"),
    ("name:(ada AND (cyd OR lovelace))", "ada cyd"),
    ("name:(stone AND NOT bob)", "dan"),
    ('name:("new york" OR eve)', "eve hal"),
    ("((name:ada))", "ada cyd"),
    # ranges of numbers
    ("age:[7 TO 36]", "ada bob cyd"),
    ("age:{7 TO 36}", "cyd"),
    ("age:[7 TO 36}", "bob cyd"),
    ("age:{7 TO 36]", "ada cyd"),
    ("age:[* TO 7]", "bob dan"),
    ("age:[22 TO *]", "ada fay"),
    ("age:[* TO *]", "ada bob cyd dan fay"),
    ("age:[-10 TO 0]", "dan"),
    ("age:[6.5 TO 7.5]", "bob"),
    ("height:[1.6 TO 1.7]", "ada"),
    ("height:{1.5 TO *]", "ada dan"),
    ("height:[1 TO 1000]", "ada cyd dan"),
    ("friends.age:[99 TO 99]", "ivy"),
    ("friends.age:[2 TO 98]", ""),
    ("age:[36 TO 7]", ""),
    ("name:[1 TO 2]", ""),
    ("+age:[0 TO 100] -tags:math", "cyd"),
    # ranges of dates
    ("born:[2014-01-01 TO 2014-12-31]", "bob cyd"),
    ("born:[* TO 2000-01-01]", "ada"),
    ("born:{2014-01-31 TO *]", "cyd"),
    ("born:[2014-01-31 TO 2014-01-31]", "bob"),
    ("born:[2014-02-01T09:59:59Z TO 2014-02-01T10:00:00Z]", "cyd"),
    # ranges of strings, by the exact value
    ("name:[A TO C]", "ada bob"),
    ('name:["Bob" TO "Dan"]', "bob cyd"),
    ('name:["Ada Lovelace" TO "Bob Stone"}', "ada"),
    ("name:{e TO f}", "eve"),
    # prefixes
    ("name:lov*", "ada"),
    ("name:LOV*", "ada"),
    ("lov*", "ada gus"),
    ("address.city:par*", "bob"),
    ("name:stra*", "fay"),
    ("name:xyz*", ""),
    # the exact value
    ("name:`Ada Lovelace`", "ada"),
    ("name:`ada lovelace`", ""),
    ("name:`Ada`", ""),
    ("name:`New York`", "hal"),
    ("value.name:`eve`", "eve"),
    ("tags:`math`", "ada bob"),
    ("note:`york new`", "hal"),
    ("name:(`Ada Lovelace` `Cyd Ada`)", "ada cyd"),
    ("name:`Фёдор Łódź 東京 straße`", "fay"),
    # existence: a value that is not null
    ("tags:*", "ada bob"),
    ("name:*", "ada bob cyd dan eve fay hal"),
    ("active:*", "bob dan"),
    ("address:*", "ada bob"),
    ("address.country:*", "ada"),
    ("friends.name:*", "ivy"),
    ("nowhere:*", ""),
    ("name:* AND NOT age:*", "eve hal"),
    # where things are
    ("@path.key:ada", "ada"),
    ("@path.key:(ada bob)", "ada bob"),
    ("@path.key:`ada`", "ada"),
    ("@path.key:a*", "ada"),
    ("@path.collection:people", EVERYONE),
    ("@path.collection:`people` AND name:ada", "ada cyd"),
    ("@path.collection:films", ""),
    ("@path.kind:item", EVERYONE),
    ("@path.kind:item AND name:ada", "ada cyd"),
    ("@path.kind:event", ""),
    # escapes
    (r"code:\(b\)", "hal"),
    (r"name:new\ york", ["eve", "hal"][1]),
    (r'code:"\"~^:"', ""),
    (r"n\ame:ada", "ada cyd"),
]


SETTINGS = [
    pytest.param((name, size), id=f"{name}-{size}", marks=() if default else pytest.mark.slow)
    for name, size, default in (
        ("memory", "few", True),
        ("sqlite", "many", True),
        ("memory", "many", False),
        ("sqlite", "few", False),
        ("awaited", "many", False),
        ("http", "few", False),
        ("http-awaited", "few", False),
    )
]
SETTINGS.append(pytest.param(("opensearch", "few"), id="opensearch", marks=pytest.mark.cluster))


@pytest.fixture(scope="module", params=SETTINGS)
def people(
    request: pytest.FixtureRequest, opener: Opener, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine with the people above, which these tests only read."""
    name, size = request.param
    with opener(name, tmp_path_factory.mktemp("people")) as engine:
        if size == "many":
            crowd = {f"{n:04}": {"name": f"Ada {n}", "age": n, "tags": ["math"]} for n in range(2500)}
            put_all(engine, crowd, collection="crowd")
        put_all(engine, PEOPLE, collection="people")
        yield engine


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_a_query_finds(people: Engine, query: str, expected: str) -> None:
    assert sorted(found(people, query, collection="people", limit=100)) == expected.split()


def test_the_total_counts_all_matches(people: Engine) -> None:
    page = people.execute(Search(query="name:ada", collection="people", limit=1))
    assert (len(page.results), page.total) == (1, 2)
    page = people.execute(Search(query="*", collection="people", limit=0))
    assert (page.results, page.total) == ((), 10)


def test_a_result_is_the_item_with_its_score(people: Engine) -> None:
    (result,) = people.execute(Search(query="name:lovelace", collection="people")).results
    assert isinstance(result, Item)
    assert (result.collection, result.key, result.value) == ("people", "ada", PEOPLE["ada"])
    assert result.ref == item(people, "ada", "people").ref
    assert isinstance(result.score, float)
    assert result.score > 0
    assert result.distance is None


def test_every_match_of_match_all_has_the_same_score(people: Engine) -> None:
    page = people.execute(Search(query="*", collection="people"))
    assert {result.score for result in page.results if isinstance(result, Item)} == {1.0}
    assert keys(page.results) == EVERYONE.split()


def test_the_best_match_comes_first(people: Engine) -> None:
    assert found(people, "name:(ada lovelace)", "people") == ["ada", "cyd"]
    assert found(people, "name:(cyd ada)", "people")[0] == "cyd"
    scores = [
        result.score
        for result in people.execute(Search(query="name:(ada lovelace)", collection="people")).results
        if isinstance(result, Item) and result.score is not None
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[1]


def test_a_boost_changes_the_order(people: Engine) -> None:
    assert found(people, "name:eve name:stone^10", "people")[-1] == "eve"
    assert found(people, "name:eve^10 name:stone", "people")[0] == "eve"


def test_results_can_come_without_values_or_in_part(people: Engine) -> None:
    search = {"query": "name:lovelace", "collection": "people"}
    (bare,) = people.execute(Search(**search, values=False)).results
    assert (bare.key, bare.value) == ("ada", None)
    (part,) = people.execute(Search(**search, with_fields=["value.address.city"])).results
    assert part.value == {"address": {"city": "London"}}


def test_a_search_of_all_collections(people: Engine) -> None:
    assert found(people, "name:lovelace", None) == ["ada"]
    assert found(people, "@path.collection:`people` AND name:ada", None, limit=100) == ["ada", "cyd"]


def test_a_collection_that_is_not_there_has_no_results(people: Engine) -> None:
    page = people.execute(Search(query="*", collection="nowhere"))
    assert (page.results, page.total, page.next, page.prev) == ((), 0, None, None)


@pytest.mark.parametrize(
    "query",
    [
        ":(",
        "(name:ada",
        "name:ada)",
        "name:",
        "name:ada AND",
        "AND name:ada",
        '"never closed',
        "name:[1 TO",
        "name:[1 TO 2",
        "name:[1 2]",
        "name:`never closed",
        "+",
        "a^b",
        "()",
    ],
)
def test_what_is_no_query_is_refused(people: Engine, query: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        people.execute(Search(query=query, collection="people"))
    assert (caught.value.status, caught.value.code) == (400, "search_query_malformed")


@pytest.mark.parametrize("query", ["", " ", "\t\n"])
def test_an_empty_query_is_refused(people: Engine, query: str) -> None:
    with pytest.raises(BadRequest) as caught:
        people.execute(Search(query=query, collection="people"))
    assert "query" in caught.value.details


def test_a_page_larger_than_the_engine_s_limit_is_refused(people: Engine) -> None:
    with pytest.raises(InvalidParameter) as caught:
        people.execute(Search(query="*", limit=people.capabilities.max_limit + 1))
    assert list(caught.value.details) == ["limit"]


# -- sorting ---------------------------------------------------------------------------------------


def by(*fields: str) -> tuple[SortField, ...]:
    """`-name` sorts downwards."""
    return tuple(SortField(field.removeprefix("-"), field.startswith("-")) for field in fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["@path.key"], EVERYONE),
        (["-@path.key"], "jon ivy hal gus fay eve dan cyd bob ada"),
        (["value.age"], "dan bob cyd ada fay | eve gus hal ivy jon"),
        (["-value.age"], "fay ada cyd bob dan | eve gus hal ivy jon"),
        (["age"], "dan bob cyd ada fay | eve gus hal ivy jon"),
        (["value.height"], "cyd ada dan | bob eve fay gus hal ivy jon"),
        (["value.name"], "ada bob cyd dan hal eve fay | gus ivy jon"),
        (["-value.name"], "fay eve hal dan cyd bob ada | gus ivy jon"),
        (["value.address.city"], "ada bob | cyd dan eve fay gus hal ivy jon"),
        (["value.born", "@path.key"], "ada bob cyd | dan eve fay gus hal ivy jon"),
        (["value.nothing", "-@path.key"], "| jon ivy hal gus fay eve dan cyd bob ada"),
    ],
    ids=str,
)
def test_sorted(people: Engine, fields: list[str], expected: str) -> None:
    """Behind the bar are those without a value: last in both directions."""
    present, _, missing = expected.partition("|")
    for limit in (100, 3):
        result = found(people, "*", "people", sort=by(*fields), limit=limit)
        assert result[: len(present.split())] == present.split()
        rest = result[len(present.split()) :]
        assert (rest if "key" in fields[-1] else sorted(rest)) == missing.split()


def test_sorted_by_several_fields(engine: Engine) -> None:
    put_all(
        engine,
        {
            "a": {"x": 1, "y": "b"},
            "b": {"x": 2, "y": "a"},
            "c": {"x": 1, "y": "a"},
            "d": {"y": "a"},
            "e": {"x": 2},
            "f": {"x": 1, "y": "c"},
        },
    )
    assert found(engine, "*", sort=by("x", "y")) == list("cafbed")
    assert found(engine, "*", sort=by("-x", "y")) == list("becafd")
    assert found(engine, "*", sort=by("x", "-y")) == list("facbed")
    assert found(engine, "*", sort=by("-y", "-x")) == list("fabcde")


def test_numbers_sort_as_numbers_and_text_by_code_point(engine: Engine) -> None:
    values = [-(2**70), -10, -1.5, 0, 0.25, 9, 10, 2**53, 2**53 + 1, 2**63, 1e300]
    put_all(engine, {f"{index:02}": {"n": value} for index, value in enumerate(values)})
    assert [int(key) for key in found(engine, "*", sort=by("n"), limit=4)] == list(range(len(values)))
    texts = ["", "10", "9", "Z", "a", "aa", "b", "é", "\uffff", "😀"]
    put_all(engine, {f"{index:02}": {"t": text} for index, text in enumerate(texts)}, "texts")
    assert [int(key) for key in found(engine, "*", "texts", sort=by("t"), limit=4)] == list(range(len(texts)))


def test_a_field_of_mixed_types_still_has_an_order(engine: Engine) -> None:
    values = [1, "a", True, None, [2, 1], {"y": 1}, "b", 0, []]
    put_all(engine, {str(n): {"x": value} for n, value in enumerate(values)})
    upwards = found(engine, "*", sort=by("x"), limit=2)
    assert sorted(upwards) == list("012345678")
    assert upwards == found(engine, "*", sort=by("x"), limit=100)
    assert upwards.index("7") < upwards.index("0")
    assert upwards.index("1") < upwards.index("6")


def test_a_random_order_is_the_same_for_the_same_seed(people: Engine) -> None:
    orders = {seed: found(people, "*", "people", sort=[SortRandom(seed)], limit=3) for seed in "abcdef"}
    assert all(sorted(order) == EVERYONE.split() for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 1
    assert found(people, "*", "people", sort=[SortRandom("a")], limit=100) == orders["a"]


# -- fresh after every write -----------------------------------------------------------------------


@pytest.fixture(params=["few", "many"])
def started(engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """An engine that has searched before, alone or over a crowd."""
    if request.param == "many":
        request.getfixturevalue("early")
        put_all(engine, {f"{n:02}": {"crowd": n} for n in range(99)}, collection="crowd")
    assert found(engine, "*") == []
    return engine


def test_a_search_sees_every_write_before_it(started: Engine) -> None:
    put(started, "a", {"word": "first", "n": 1})
    assert found(started, "word:first") == ["a"]
    put(started, "a", {"word": "second", "n": 2})
    assert found(started, "word:second") == found(started, "n:[2 TO 2]") == ["a"]
    assert found(started, "word:first") == found(started, "n:[1 TO 1]") == []
    started.execute(Patch(collection=THINGS, key="a", changes=MergePatch({"word": "third"})))
    assert found(started, "word:third") == ["a"]
    assert found(started, "word:second") == []
    delete(started, "a")
    assert found(started, "word:third") == found(started, "*") == []
    put(started, "a", {"word": "fourth"})
    assert found(started, "word:fourth") == found(started, "*") == ["a"]
    delete(started, "a", purge=True)
    assert found(started, "*") == []


def test_an_item_that_matches_again_is_one_result(started: Engine) -> None:
    for n in range(3):
        put(started, "a", {"word": "red", "words": ["red", "red"], "n": n})
        for query in ("word:`red`", "words:`red`", "word:red", "red", "n:[0 TO 9]", "word:*", "*"):
            for sort in ((), by("value.n")):
                assert found(started, query, sort=sort) == streamed(started, query, sort=sort) == ["a"]


def test_old_values_are_never_found_among_many_changes(started: Engine) -> None:
    for n in range(60):
        put(started, f"{n % 7}", {"n": n, "even": n % 2 == 0})
        assert found(started, f"n:[{n} TO {n}]") == [f"{n % 7}"]
        assert found(started, f"n:[* TO {n - 7}]") == []
    assert started.execute(Search(query="*", collection=THINGS)).total == 7


def test_a_deletion_of_what_the_index_has_is_seen(started: Engine) -> None:
    put_all(started, {f"{n:03}": {"n": n} for n in range(300)})
    assert started.execute(Search(query="*", collection=THINGS)).total == 300
    for n in range(0, 300, 3):
        delete(started, f"{n:03}")
    page = started.execute(Search(query="n:[0 TO 299]", collection=THINGS, limit=0))
    assert page.total == 200
    assert found(started, "n:[0 TO 5]") == ["001", "002", "004", "005"]


def test_a_batch_is_searchable_at_once(started: Engine) -> None:
    put(started, "a", {"n": 1})
    batch = Batch([Put(collection=THINGS, key=key, value={"n": 2}) for key in "abc"])
    started.execute(batch)
    assert found(started, "n:2") == ["a", "b", "c"]
    assert found(started, "n:1") == []


def test_an_erased_collection_is_not_found(started: Engine) -> None:
    put_all(started, {"a": {"n": 1}, "b": {"n": 1}})
    put(started, "a", {"n": 1}, collection="others")
    assert found(started, "n:1") == ["a", "b"]
    started.execute(DeleteCollection(collection=THINGS))
    assert found(started, "n:1") == []
    assert found(started, "n:1", "others") == ["a"]
    put(started, "c", {"n": 1})
    assert found(started, "n:1") == ["c"]


def test_the_same_key_in_two_collections_is_two_items(started: Engine) -> None:
    put(started, "a", {"n": 1}, collection="ones")
    put(started, "a", {"n": 2}, collection="twos")
    assert found(started, "n:1", "twos") == []
    delete(started, "a", collection="ones")
    assert found(started, "*", "ones") == []
    assert found(started, "*", "twos") == ["a"]


# -- any key and any value -------------------------------------------------------------------------


def test_any_key_can_be_found_by_its_path(engine: Engine) -> None:
    put_all(engine, {key: {"index": index} for index, key in enumerate(KEYS)})
    assert found(engine, "*", sort=by("@path.key"), limit=7) == sorted(KEYS)
    for index, key in enumerate(KEYS):
        assert found(engine, f"index:[{index} TO {index}]") == [key]
        if "`" not in key and "\\" not in key:
            assert found(engine, f"@path.key:`{key}`") == [key]


def test_any_collection_can_be_searched(engine: Engine) -> None:
    for name in KEYS:
        put(engine, "a", {"n": name}, collection=name)
    for name in KEYS:
        page = engine.execute(Search(query="*", collection=name))
        assert [(result.collection, result.value) for result in page.results] == [(name, {"n": name})]
    assert engine.execute(Search(query="*", limit=0)).total == len(KEYS)


@pytest.mark.parametrize("size", ["few", "many"])
def test_any_value_is_found_again(engine: Engine, size: str, request: pytest.FixtureRequest) -> None:
    if size == "many":
        request.getfixturevalue("early")
        put_all(engine, {f"{n:02}": {"crowd": n} for n in range(99)}, collection="crowd")
    put_all(engine, {f"{n:02}": value for n, value in enumerate(VALUES)})
    assert found(engine, "*", sort=by("@path.key")) == [f"{n:02}" for n in range(len(VALUES))]
    page = engine.execute(Search(query="*", collection=THINGS, sort=by("@path.key"), limit=100))
    assert [result.value for result in page.results] == VALUES


def test_a_field_may_have_another_type_in_every_item(engine: Engine) -> None:
    values = ["5", 5, 5.0, True, "true", "2014-01-31", {"y": 5}]
    put_all(engine, {str(n): {"x": value} for n, value in enumerate(values)})
    assert found(engine, "x:[5 TO 5]", sort=by("@path.key")) == ["1", "2"]
    assert found(engine, "x:true", sort=by("@path.key")) == ["3", "4"]
    assert found(engine, "x.y:5") == ["6"]
    assert found(engine, "x:[2014-01-01 TO 2014-12-31]") == ["5"]


def test_names_with_dots_and_odd_characters(engine: Engine) -> None:
    put_all(engine, {"a": {"a.b": 1}, "b": {"a": {"b": 1}}, "c": {"with space": "word", "ключ": "word"}})
    assert "b" in found(engine, "a.b:1")
    assert found(engine, r"with\ space:word") == ["c"]
    assert found(engine, "ключ:word") == ["c"]


# -- kinds -----------------------------------------------------------------------------------------


@pytest.fixture
def kinds(engine: Engine) -> Engine:
    """One of each kind, with the same word in all of them."""
    put_all(engine, {"a": {"word": "same"}, "b": {"word": "other"}})
    engine.execute(
        PostEvent(collection=THINGS, key="a", type="log", value={"word": "same"}, timestamp=5, ordinal=7)
    )
    engine.execute(
        PutRelation(
            collection=THINGS,
            key="a",
            kind="next",
            to_collection=THINGS,
            to_key="b",
            value={"word": "same"},
        )
    )
    return engine


def kinds_found(engine: Engine, query: str) -> list[str]:
    names = {Item: "item", EventItem: "event", RelationItem: "relationship"}
    page = engine.execute(Search(query=query, collection=THINGS))
    assert page.total == len(page.results)
    return sorted(names[type(result)] for result in page.results)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("word:same", "item"),
        ("@path.kind:event", "event"),
        ("@path.kind:event AND word:same", "event"),
        ("@path.kind:(event) AND (word:same)", "event"),
        ("(word:same) AND @path.kind:(event) AND @path.type:(log other)", "event"),
        ("@path.kind:event AND @path.type:other", ""),
        ("@path.kind:event AND @path.key:a", "event"),
        ("@path.kind:event AND @path.timestamp:[5 TO 5]", "event"),
        ("@path.kind:(item event) AND word:same", "event item"),
        ('@path.kind:"relationship"', "relationship"),
        ("@path.kind:relationship AND @path.relation:next", "relationship"),
        ("@path.kind:relationship AND @path.source.key:a AND @path.destination.key:b", "relationship"),
        ("@path.kind:relationship AND @path.source.collection:`things`", "relationship"),
        ("@path.kind:* AND word:same", "event item relationship"),
    ],
)
def test_only_items_are_searched_unless_the_query_asks_for_kinds(
    kinds: Engine, query: str, expected: str
) -> None:
    assert kinds_found(kinds, query) == expected.split()


def test_an_event_that_is_found_says_which_it_is(kinds: Engine) -> None:
    (event,) = kinds.execute(Search(query="@path.kind:event", collection=THINGS)).results
    assert isinstance(event, EventItem)
    assert (event.collection, event.key, event.type) == (THINGS, "a", "log")
    assert (event.timestamp, event.ordinal, event.value) == (5, 7, {"word": "same"})


def test_a_relation_that_is_found_says_which_it_is(kinds: Engine) -> None:
    (relation,) = kinds.execute(Search(query="@path.kind:relationship", collection=THINGS)).results
    assert isinstance(relation, RelationItem)
    assert (relation.key, relation.kind, relation.to_collection, relation.to_key) == (
        "a",
        "next",
        THINGS,
        "b",
    )
    assert relation.value == {"word": "same"}


def test_events_do_not_stand_in_for_their_item(kinds: Engine) -> None:
    delete(kinds, "a")
    assert kinds_found(kinds, "word:same") == []
    assert kinds_found(kinds, "@path.kind:event") == ["event"]
    assert get(kinds, "b") == {"word": "other"}
