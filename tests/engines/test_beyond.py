"""What goes beyond finding, over every engine: highlights, likeness, suggestions, reasons of scores."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from orcodm import (
    Document,
    Event,
    Field,
    InvalidFilter,
    NotFound,
    Session,
    Unsupported,
    UsageError,
    field,
)
from orcodm.engine import Capabilities
from orcodm.lucene.explaining import Explanation as Part
from orcodm.operations import List, ListTerms, Search
from orcodm.query.highlights import Hit
from orcodm.testing import Watched

from ..people import Address, Film, Login, User
from .scripted import Scripted

BIOS = {
    "ada": "The first programmer of the Analytical Engine, long before there was one",
    "bob": "Builds engines & bridges",
    "cyd": "Wrote of engines, and again of the analytical engine, and of nothing but the engine",
    "dan": None,
    "eve": "Plays chess",
}


@pytest.fixture
def people(watched: Watched) -> dict[str, User]:
    users = {
        key: User(
            key=key,
            name=f"{key.title()} Stone" if key in "bob dan" else key.title(),
            bio=bio,
            age=20 + len(key),
            tags=["maths", "Chess"] if key == "eve" else ["maths"],
            homes=[Address(city="New York"), Address(city="York")] if key == "eve" else [],
        )
        for key, bio in BIOS.items()
    }
    with Session() as session:
        session.add(*users.values())
    watched.clear()
    return users


@pytest.fixture
def terms(watched: Watched) -> None:
    if not watched.capabilities.terms:
        pytest.skip("this engine tells no terms")


# -- highlights ------------------------------------------------------------------------------------


def test_what_was_found_is_marked(people: Any) -> None:
    hits = User.query.filter(User.bio.matches("engine")).order_by(User.key).highlight(User.bio).all()
    assert [(hit.document.key, hit[User.bio]) for hit in hits] == [
        ("ada", ("The first programmer of the Analytical <em>Engine</em>, long before there was one",)),
        (
            "cyd",
            (
                "Wrote of engines, and again of the analytical <em>engine</em>, and of nothing but the "
                "<em>engine</em>",
            ),
        ),
    ]
    assert all(type(hit) is Hit and type(hit.document) is User for hit in hits)


def test_passages_marks_and_fields_are_chosen(people: Any) -> None:
    query = User.query.search("engine^2 OR bio:chess OR york OR name:stone").order_by(User.key)
    found = {hit.document.key: hit.fragments for hit in query.highlight(before="[", after="]", width=20)}
    assert found == {
        "ada": {"value.bio": ("…Analytical [Engine], long…",)},
        "bob": {"value.name": ("Bob [Stone]",)},
        "cyd": {"value.bio": ("…analytical [engine], and…", "…nothing but the [engine]")},
        "dan": {"value.name": ("Dan [Stone]",)},
        "eve": {"value.bio": ("Plays [chess]",), "value.homes.city": ("New [York]", "[York]")},
    }
    (eve,) = query.filter(User.key == "eve").highlight(User.homes, User.name)
    assert eve[User.homes] == eve[User.homes.city] == ("New <em>York</em>", "<em>York</em>")
    assert (eve[User.name], eve[User.bio]) == ((), ())
    (cyd,) = query.filter(User.key == "cyd").highlight(User.bio, width=20, most=1)
    assert cyd[User.bio] == ("…analytical <em>engine</em>, and…",)


def test_text_is_escaped_and_marks_are_not(people: Any) -> None:
    (hit,) = User.query.filter(User.bio.phrase("engines bridges")).highlight()
    assert hit[User.bio] == ("Builds <em>engines</em> &amp; <em>bridges</em>",)
    (whole,) = User.query.search("bio:builds").highlight(User.bio, width=None, escape=None)
    assert whole[User.bio] == ("<em>Builds</em> engines & bridges",)


def test_what_looks_for_no_words_marks_nothing(people: Any) -> None:
    assert all(hit.fragments == {} for hit in User.query.filter(User.age > 3).highlight())
    assert len(User.query[1:3].highlight().all()) == 2
    assert User.query.search("nobody").highlight().first() is None


def test_what_is_stored_is_marked_not_what_was_changed(people: Any) -> None:
    with Session() as session:
        ada = session.get(User, "ada")
        ada.bio = "changed"
        hit = session.query(User).search("bio:programmer").highlight().first()
        assert hit is not None
        assert hit.document is ada
        assert "<em>programmer</em>" in hit[User.bio][0]
        session.rollback()


def test_events_are_highlighted_as_well(people: dict[str, User]) -> None:
    people["ada"].events.login.add(ip="10 downing street")
    (hit,) = User.query.events(Login).filter(Login.ip.matches("downing")).highlight(Login.ip)
    assert hit[Login.ip] == ("10 <em>downing</em> street",)


# -- more like this --------------------------------------------------------------------------------


def test_what_shares_rare_words_is_alike(people: dict[str, User], terms: None) -> None:
    alike = User.query.like(people["ada"], User.bio)
    assert [one.key for one in alike] == ["cyd"]
    assert "value.bio:analytical^0.5" in str(alike)
    assert "NOT @path.key:`ada`" in str(alike)
    assert alike.count() == 1
    assert User.query.filter(User.age > 100).like(people["ada"]).count() == 0
    assert alike.filter(User.key == "bob").count() == 0
    assert {one.key for one in User.query.like(people["bob"])} == {"ada", "cyd", "dan", "eve"}  # maths
    assert [one.key for one in User.query.like(people["bob"], User.name)] == ["dan"]


def test_likeness_is_limited_as_asked(people: dict[str, User], terms: None) -> None:
    assert str(User.query.like(people["cyd"], User.bio, most=1)).count("value.bio:") == 1
    assert User.query.like(people["eve"], User.bio).count() == 0  # her words are nobody else's
    assert [one.key for one in User.query.like(people["eve"], User.homes, least=1)] == []
    draft = User(name="x", bio="an engine")
    assert {one.key for one in User.query.like(draft, User.bio, least=1)} == {"ada", "cyd"}


def test_one_request_for_each_field_is_enough(people: dict[str, User], terms: None, watched: Watched) -> None:
    alike = User.query.like(people["ada"], User.bio, User.name)
    assert [type(operation) for operation in watched.operations] == [ListTerms, ListTerms]
    alike.all()
    assert [type(operation) for operation in watched.operations[2:]] == [Search]


# -- suggestions -----------------------------------------------------------------------------------


def test_values_and_words_are_suggested(people: Any, terms: None) -> None:
    def texts(*arguments: Any, **more: Any) -> list[tuple[str, int]]:
        return [(one.text, one.count) for one in User.query.suggest(*arguments, **more)]

    assert texts(User.name, "a") == [("Ada", 1)]
    assert texts(User.name, "BOB s") == [("Bob Stone", 1)]
    assert texts(User.name, "s") == []
    assert texts(User.name, "s", words=True) == [("stone", 2)]
    assert texts(User.tags, "") == [("maths", 5), ("Chess", 1)]
    assert texts(User.tags, "", limit=1) == [("maths", 5)]
    assert texts(User.homes.city, "york", words=True) == [("york", 1)]
    assert texts(User.bio, "eng", words=True) == [("engine", 2), ("engines", 2)]


# -- where a score comes from ----------------------------------------------------------------------


def leaves(part: Part) -> list[Part]:
    return [leaf for one in part.parts for leaf in leaves(one)] if part.parts else [part]


def test_without_a_document_nothing_is_read(people: Any, watched: Watched) -> None:
    explained = User.query.filter(User.bio.matches("engine"), User.age > 3).explain()
    assert watched.operations == []
    assert (explained.score, explained.parts.matches) == (None, None)
    text = str(explained)
    assert "query:      value.bio:engine AND value.age:{3 TO *]" in text
    assert text.endswith(
        "all that must\n  must: value.bio has a word of 'engine'\n  must: value.age is in {3 TO *]"
    )
    assert isinstance(User.query.explain().operation, List)


def test_a_score_is_the_sum_of_its_parts(people: dict[str, User]) -> None:
    query = User.query.search(
        "bio:(analytical^2 engine chess) OR name:cyd^0.5 OR (age:[1 TO 99] AND bio:wrote)"
    )
    for key, count in (("cyd", 5), ("ada", 2), ("eve", 1)):
        explained = query.explain(people[key])
        found = next(item for item in _results(query) if item.key == key)
        assert explained.score == pytest.approx(found.score, rel=1e-4)
        assert explained.parts.score == pytest.approx(found.score, rel=1e-4)
        scored = [leaf for leaf in leaves(explained.parts) if leaf.score]
        assert len(scored) == count
        assert all(leaf.matches for leaf in scored)
    explained = query.explain(people["cyd"])
    assert "value.bio has a word of 'analytical', counted 2 times" in str(explained)
    assert "1 of 15 words, in 2 of 5)" in str(explained)
    assert "score:      " in str(explained)


@pytest.mark.parametrize("indexed", [False, True], ids=["not indexed", "indexed"])
def test_any_score_is_the_sum_of_its_parts(
    orcodm_engine: Watched, request: pytest.FixtureRequest, indexed: bool
) -> None:
    if indexed:
        request.getfixturevalue("early")
    chance = random.Random(7)
    words = ["ada", "byron", "countess", "engine", "king", "lovelace"]
    users = [
        User(
            key=f"u{number:03}",
            name=" ".join(chance.choices(words, k=chance.randrange(1, 5))),
            bio=" ".join(chance.choices(words, k=chance.randrange(1, 9))),
            age=chance.randrange(5),
        )
        for number in range(300 if indexed else 40)
    ]
    with Session() as session:
        session.add(*users)
    assert User.query.search("bio:ada").first()  # what is ranked waits for the index

    def clause(depth: int) -> str:
        boost = chance.choice(["", "", "^2", "^0.5"])
        if depth and chance.random() < 0.4:
            parts = (f"{chance.choice(['', '', '+', '-'])}{clause(depth - 1)}" for _ in range(3))
            return f"({' '.join(parts)}){boost}"
        word = chance.choice(words)
        field = chance.choice(["name:", "bio:"])
        leaf = chance.choice([word, word, f'"{word} {chance.choice(words)}"', f"{word[:3]}*", f"{word}~1"])
        return chance.choice([f"{field}{leaf}{boost}", f"age:[1 TO 3]{boost}", f"name:`{word}`{boost}"])

    for _ in range(60):
        query = User.query.search(clause(3))
        for found in _results(query)[:3]:
            explained = query.explain(User.get(found.key))
            assert explained.score == pytest.approx(found.score, rel=1e-4), str(query)
            assert explained.parts.score == pytest.approx(found.score, rel=1e-4), str(explained)


def _results(query: Any) -> Any:
    engine: Any = Session().engine
    return engine.execute(Search(query=str(query), collection="users", limit=100)).results


def test_what_does_not_match_says_which_part_did_not(people: dict[str, User]) -> None:
    explained = User.query.search("+bio:engine -bio:analytical").explain(people["cyd"])
    assert (explained.score, explained.parts.matches) == (None, False)
    assert "[yes] must not: value.bio has a word of 'analytical'" in str(explained)
    assert "score:" not in str(explained)


def test_a_change_is_explained_as_it_is_stored(people: dict[str, User]) -> None:
    bob = people["bob"]
    bob.bio = "an engine"
    query = User.query.search("bio:engine")
    assert query.explain(bob).score is None
    bob.save()
    assert query.explain(bob).score is not None
    bob.delete()
    with pytest.raises(NotFound):
        query.explain(bob)


def test_events_and_relations_are_explained(people: dict[str, User]) -> None:
    ada, bob = people["ada"], people["bob"]
    event = ada.events.login.add(ip="a street")
    ada.events.login.add(ip="a house")
    logins = User.query.events(Login).filter(Login.ip.matches("street"))
    explained = logins.explain(event)
    (found,) = _results(logins)
    assert explained.score == pytest.approx(found.score, rel=1e-4)
    assert "1 of 2 words, in 1 of 2)" in str(explained)
    ada.relations.friends.add(bob, note="old friends")
    relations = User.query.relations("friends").search("note:old")
    assert relations.explain(relations.one()).score is not None


# -- what is refused -------------------------------------------------------------------------------


class Plain(Event):
    text: Field[str] = field(default="")


query: Any = User.query


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: query.highlight("bio"), "highlight takes fields such as User.bio"),
        (lambda: query.highlight(User.bio, width=0), "width is a number from 1"),
        (lambda: query.highlight(most=0), "most is a number from 1"),
        (lambda: query.like("ada"), "like takes a document"),
        (lambda: query.like(User(name="x"), "bio"), "like takes fields such as User.bio"),
        (lambda: query[:3].like(User(name="x")), "like comes before the slice"),
        (lambda: query.events(Login).like(User(name="x")), "of the documents of one collection"),
        (lambda: Document.query.like(User(name="x")), "of the documents of one collection"),
        (lambda: query.suggest("name", "a"), "suggest takes a field such as User.name"),
        (lambda: query.suggest(User.key, "a"), "suggest takes a field such as User.name"),
        (lambda: query.suggest(User.name, 3), "suggest takes the beginning of a text"),
        (lambda: query.filter(User.age > 3).suggest(User.name, "a"), "nothing of filters"),
        (lambda: query[1:].suggest(User.name, "a"), "nothing of filters"),
        (lambda: Document.query.suggest(Film.title, "a"), "of the documents of one collection"),
    ],
)
def test_mistakes(orcodm_engine: Watched, ask: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        ask()
    assert orcodm_engine.operations == []


def test_what_is_not_stored_has_no_score(orcodm_engine: Watched) -> None:
    for stranger in (User(name="x"), "ada"):
        with pytest.raises(UsageError, match="explain takes a document that is stored"):
            query.explain(stranger)


def test_an_engine_without_terms_says_so() -> None:
    capabilities = Capabilities(
        atomic_batch=False, keyset=False, ref_chain=False, max_limit=100, own_writes=True
    )
    with Session(Scripted(Unsupported("no terms"), capabilities=capabilities)), pytest.raises(Unsupported):
        User.query.suggest(User.name, "a")


def test_the_awaitable_ones(orcodm_engine: Watched) -> None:
    async def main() -> None:
        ada, bob = User(key="ada", name="Ada", bio="an engine"), User(key="bob", name="Bob", bio="the engine")
        async with Session() as session:
            session.add(ada, bob)
        query = User.query.search("bio:engine")
        hits = query.highlight(User.bio)
        assert [hit[User.bio] async for hit in hits] == [("an <em>engine</em>",), ("the <em>engine</em>",)]
        assert len(await hits.aall()) == 2
        first = await hits.afirst()
        assert first is not None
        assert first.document.key == "ada"
        assert [one.key for one in await (await User.query.alike(ada, User.bio)).aall()] == ["bob"]
        assert [one.text for one in await User.query.asuggest(User.name, "b")] == ["Bob"]
        explained = await query.aexplain(ada)
        assert explained.score == query.explain(ada).score
        assert (await query.aexplain()).score is None

    asyncio.run(main())
