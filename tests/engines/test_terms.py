"""The terms of a field: words and values with how many items have them, always current."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from orcodm.engine import Engine
from orcodm.errors import BadRequest, InvalidParameter
from orcodm.lucene.analysis import analyze, lower
from orcodm.operations import LONGEST_TERM, DeleteCollection, ListTerms, PostEvent, Terms

from .asking import THINGS, delete, put, put_all

PEOPLE: dict[str, Any] = {
    "a": {"name": "Ada Lovelace", "tags": ["math", "Poetry", "math"], "address": {"city": "London"}},
    "b": {"name": "adam Smith", "tags": ["math"], "age": 3},
    "c": {"name": "Ada Lovelace", "tags": [], "address": {"city": "Lyon"}},
    "d": {"name": "Éda ada", "tags": ["a,b", "c\\d", "art"]},
    "e": {"name": 5},
    "f": "ada",
}


@pytest.fixture
def people(engine: Engine) -> Engine:
    if not engine.capabilities.terms:
        pytest.skip("this engine tells no terms")
    put_all(engine, PEOPLE)
    put_all(engine, {"x": {"name": "Ada elsewhere"}}, "others")
    engine.execute(PostEvent(collection=THINGS, key="a", type="login", value={"name": "adamant"}))
    return engine


def terms(engine: Engine, field: str, prefix: str = "", **more: Any) -> list[tuple[str, int]]:
    found = engine.execute(ListTerms(collection=THINGS, field=field, prefix=prefix, **more))
    return [(term.text, term.count) for term in found.terms]


def test_words_with_a_prefix_come_the_most_frequent_first(people: Engine) -> None:
    assert terms(people, "name", "ad") == [("ada", 3), ("adam", 1)]
    assert terms(people, "value.name", "AD") == [("ada", 3), ("adam", 1)]
    assert terms(people, "name", "lov") == [("lovelace", 2)]
    assert terms(people, "name") == [("ada", 3), ("lovelace", 2), ("adam", 1), ("smith", 1), ("éda", 1)]
    assert terms(people, "name", limit=2) == [("ada", 3), ("lovelace", 2)]
    assert terms(people, "name", limit=0) == []
    assert terms(people, "name", "x") == terms(people, "nothing") == []
    assert terms(people, "address.city", "l") == [("london", 1), ("lyon", 1)]


def test_whole_values(people: Engine) -> None:
    assert terms(people, "name", "ad", whole=True) == [("Ada Lovelace", 2), ("adam Smith", 1)]
    assert terms(people, "name", "ada l", whole=True) == [("Ada Lovelace", 2)]
    assert terms(people, "tags", whole=True) == [
        ("math", 2),
        ("a,b", 1),
        ("art", 1),
        ("c\\d", 1),
        ("Poetry", 1),
    ]
    assert terms(people, "value", "a", whole=True) == [("ada", 1)]


def test_only_those_that_are_asked_for(people: Engine) -> None:
    assert terms(people, "name", only=["smith", "nobody", "ada"]) == [("smith", 1), ("nobody", 0), ("ada", 3)]
    only = ["a,b", "c\\d", "Ada"]
    assert terms(people, "tags", whole=True, only=only) == [("a,b", 1), ("c\\d", 1), ("Ada", 0)]


def test_how_many_items_have_the_field(people: Engine) -> None:
    for more in ({"prefix": "ad"}, {"only": ["ada"]}):
        assert people.execute(ListTerms(collection=THINGS, field="name", **more)).documents == 5
    nowhere = people.execute(ListTerms(collection="nowhere", field="name"))
    assert nowhere == Terms(documents=0, terms=())


def test_terms_follow_every_write(people: Engine) -> None:
    assert terms(people, "name", "ad") == [("ada", 3), ("adam", 1)]
    put(people, "g", {"name": "Adele"})
    put(people, "b", {"name": "Bea"})
    delete(people, "a")
    assert terms(people, "name", "ad") == [("ada", 2), ("adele", 1)]
    assert terms(people, "name", "b") == [("bea", 1)]
    put(people, "a", {"name": "ADELE"})
    delete(people, "c", purge=True)
    assert terms(people, "name", "ad") == [("adele", 2), ("ada", 1)]
    people.execute(DeleteCollection(collection=THINGS))
    assert terms(people, "name") == []


def test_terms_are_those_of_the_items(people: Engine, early: None) -> None:
    chance = random.Random(5)
    words = ["Ab", "abc", "b", "ÉA", "éb", "x1", "東京", "Straße"]
    stored: dict[str, Any] = {}
    for _ in range(12):
        for _ in range(chance.choice([1, 30, 150])):
            key = f"{chance.randrange(200)}"
            if key in stored and chance.random() < 0.3:
                delete(people, key, collection="random")
                del stored[key]
            else:
                text = " ".join(
                    chance.choice(words) + chance.choice(["", "7", str(chance.randrange(99))])
                    for _ in range(3)
                )
                stored[key] = {"text": chance.choice([text, [text, "b"], 5])}
                put(people, key, stored[key], collection="random")
        texts = {
            key: [
                text
                for text in (value["text"] if isinstance(value["text"], list) else [value["text"]])
                if text != 5
            ]
            for key, value in stored.items()
        }
        for whole in (False, True):
            held = (
                set(found) if whole else {word for text in found for word in analyze(text)}
                for found in texts.values()
            )
            counts = Counter(term for one in held for term in one)
            for prefix in ("", "a", "AB", "é", "東", "straSS", "b7"):
                expected = sorted(
                    (
                        (term, count)
                        for term, count in counts.items()
                        if lower(term).startswith(lower(prefix))
                    ),
                    key=lambda one: (-one[1], lower(one[0]), one[0]),
                )
                asked = ListTerms(collection="random", field="text", whole=whole, prefix=prefix, limit=20)
                assert [(one.text, one.count) for one in people.execute(asked).terms] == expected[:20]


def test_terms_of_many_fields(people: Engine, early: None) -> None:
    fields = [f"field{number}" for number in range(40)]  # more than an index has columns
    put_all(people, {f"m{each}": {each: f"Both {each}", "words": f"{each} end"} for each in fields})
    put(people, "m0", {"field0": "other"})
    for field in fields:
        assert terms(people, field, "b") == [("both", 1)]
        assert terms(people, field, "both F", whole=True) == [(f"Both {field}", 1)]
        assert terms(people, field, field) == [(field, 1)]


def test_letters_in_any_case_and_long_values(people: Engine, early: None) -> None:
    longest = "L" * LONGEST_TERM
    values = ["\N{KELVIN SIGN}elvin", "Kk", "kK", "İstanbul", "istanbul", longest, longest + "l", "l" * 300]
    put_all(people, {f"v{number}": {"value": text} for number, text in enumerate(values)})
    assert {text for text, _ in terms(people, "value.value", "K", whole=True)} == set(values[:3])
    assert {text for text, _ in terms(people, "value.value", "kelv", whole=True)} == {values[0]}
    assert {text for text, _ in terms(people, "value.value", "IST", whole=True)} == set(values[3:5])
    assert terms(people, "value.value", "ll", whole=True) == [(longest, 1)]


def test_metadata_has_terms_too(people: Engine, early: None) -> None:
    assert terms(people, "@path.collection", whole=True) == [(THINGS, len(PEOPLE))]
    assert terms(people, "@path.key", "A", whole=True) == [("a", 1)]


def test_what_is_no_question_is_refused(people: Engine) -> None:
    for wrong in ({"field": ""}, {"field": "name", "only": [""]}, {"field": "name", "only": "ada"}):
        with pytest.raises(InvalidParameter):
            ListTerms(collection=THINGS, **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadRequest):
        people.execute(ListTerms(collection=THINGS, field="name", limit=people.capabilities.max_limit + 1))
