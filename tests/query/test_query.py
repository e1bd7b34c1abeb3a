"""Queries: refined without reading, read lazily, page by page, and what they keep in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from orcodm import (
    Capabilities,
    Document,
    Expr,
    Field,
    InvalidFilter,
    InvalidQuery,
    MultipleResults,
    NoEngine,
    NotFound,
    Session,
    bind,
    field,
    random_order,
    score,
)
from orcodm.operations import START, Item, List, Page, Put, Search
from orcodm.testing import Watched

from ..engines.scripted import Scripted
from ..people import Address, Place, User


@pytest.fixture(autouse=True)
def engine(orcodm_engine: Watched) -> Watched:
    """Nine users, u0 to u8, of ages 0 to 8 (the last one's is missing)."""
    users = [
        User(
            key=f"u{number}",
            name=f"User {number}" if number % 3 else f"Ada {number}",
            age=None if number == 8 else number,
            tags=["all", "even" if number % 2 == 0 else "odd"],
            address=Address(city="London" if number < 4 else "Paris") if number % 2 else None,
            place=Place(lat=50 + number, lon=0),
            bio="the analytical engine weaves" if number < 2 else None,
        )
        for number in range(9)
    ]
    assert all(outcome.error is None for outcome in Session().bulk(users))
    orcodm_engine.clear()
    return orcodm_engine


def keys(documents: Any) -> str:
    return " ".join(document.key for document in documents)


FOUND: list[tuple[Callable[[], Any], str]] = [
    (lambda: User.query, "u0 u1 u2 u3 u4 u5 u6 u7 u8"),
    (lambda: User.query.filter(User.age >= 6), "u6 u7"),
    (lambda: User.query.filter(User.age > 1, User.age < 4), "u2 u3"),
    (lambda: User.query.filter(User.age.between(2, 4)), "u2 u3 u4"),
    (lambda: User.query.filter(User.age.is_in([1, 2, 99])), "u1 u2"),
    (lambda: User.query.filter(User.age == 3), "u3"),
    (lambda: User.query.filter(User.age == None), "u8"),  # noqa: E711
    (lambda: User.query.filter(~(User.age < 7)), "u7 u8"),
    (lambda: User.query.filter((User.age < 1) | (User.age > 6)), "u0 u7"),
    (lambda: User.query.filter(User.name == "Ada 3"), "u3"),
    (lambda: User.query.filter(User.name == "ada 3"), ""),
    (lambda: User.query.filter(User.name.matches("ADA")).order_by(User.key), "u0 u3 u6"),
    (lambda: User.query.filter(User.name.startswith("Ada")), "u0 u3 u6"),
    (lambda: User.query.filter(User.name.startswith("ada")), ""),
    (lambda: User.query.filter(User.name.fuzzy("adda")).order_by(-User.age), "u6 u3 u0"),
    (lambda: User.query.filter(User.bio.phrase("analytical engine")), "u0 u1"),
    (lambda: User.query.filter(User.bio.matches("engine machine")), "u0 u1"),
    (lambda: User.query.filter(User.tags.contains("even")), "u0 u2 u4 u6 u8"),
    (lambda: User.query.filter(User.address.exists()), "u1 u3 u5 u7"),
    (lambda: User.query.filter(User.address.city == "London"), "u1 u3"),
    (lambda: User.query.filter(User.place.near(50, 0, "150km")).order_by(User.place.nearest()), "u0 u1"),
    (lambda: User.query.filter(User.key == "u4"), "u4"),
    (lambda: User.query.filter(User.key >= "u7"), "u7 u8"),
    (lambda: User.query.filter(User.age.is_in([])), ""),
    (lambda: User.query.search("name:ada AND age:[3 TO *]").order_by(User.age), "u3 u6"),
    (lambda: User.query.search("-name:ada"), ""),
    (lambda: User.query.search("name:ada^3 OR tags:odd").filter(User.age < 4), "u3 u0 u1"),
    (lambda: User.query.search("tags:odd").filter(User.age > 3).order_by(User.age), "u5 u7"),
    (lambda: User.query.filter(User.age > 3).filter(User.age < 6), "u4 u5"),
    (lambda: User.query.order_by(-User.age), "u7 u6 u5 u4 u3 u2 u1 u0 u8"),
    (lambda: User.query.order_by(User.age), "u0 u1 u2 u3 u4 u5 u6 u7 u8"),
    (lambda: User.query.order_by(User.address.city, -User.age), "u3 u1 u7 u5 u6 u4 u2 u0 u8"),
    (lambda: User.query.order_by(User.age).order_by(-User.key)[:2], "u8 u7"),
    (lambda: User.query[2:4], "u2 u3"),
    (lambda: User.query[7:], "u7 u8"),
    (lambda: User.query[:2], "u0 u1"),
    (lambda: User.query[2:8][1:3], "u3 u4"),
    (lambda: User.query[2:4][1:], "u3"),
    (lambda: User.query[2:4][5:], ""),
    (lambda: User.query[3:3], ""),
    (lambda: User.query.order_by(-User.age)[1:3], "u6 u5"),
    (lambda: User.query.filter(User.name.matches("ada")).order_by(score, User.key)[1:], "u3 u6"),
]


@pytest.mark.parametrize(("make", "found"), FOUND)
def test_what_a_query_finds(make: Callable[[], Any], found: str) -> None:
    query = make()
    assert keys(query) == found
    assert keys(query.all()) == found
    assert query.count() == len(found.split())
    assert query.exists() == bool(found)
    assert keys([query.first()] if found else []) == " ".join(found.split()[:1])
    assert keys(one for page in query.pages(2) for one in page) == found

    async def main() -> list[Any]:
        assert [one.key async for one in query] == found.split()
        assert await query.acount() == len(found.split())
        assert await query.aexists() == bool(found)
        first = await query.afirst()
        assert (first.key if first else "") == " ".join(found.split()[:1])
        return [one async for page in query.apages(4) for one in page]

    assert keys(asyncio.run(main())) == found
    assert keys(asyncio.run(query.aall())) == found


def test_one() -> None:
    assert User.query.filter(User.age == 3).one().key == "u3"
    with pytest.raises(NotFound, match=r"no User matches value\.age:\[99 TO 99\]"):
        User.query.filter(User.age == 99).one()
    with pytest.raises(MultipleResults, match="more than one User matches"):
        User.query.one()
    assert asyncio.run(User.query.filter(User.age == 3).aone()).key == "u3"
    with pytest.raises(NotFound):
        asyncio.run(User.query.filter(User.age == 99).aone())


def test_refining_reads_nothing_and_changes_nothing(engine: Watched) -> None:
    query = User.query
    query.filter(User.age > 1).search("x").order_by(User.age)[1:2]
    assert (str(query), repr(query)) == ("*:*", "<Query User: *:*>")
    assert query.explain().text == "*:*"
    assert engine.operations == []


def test_pages_know_the_number_of_all(engine: Watched) -> None:
    pages = list(User.query.filter(User.age >= 0).pages(3))
    assert [(len(page), page.total) for page in pages] == [(3, 8), (3, 8), (2, 8)]
    assert (pages[0][0].key, keys(pages[0][1:])) == ("u0", "u1 u2")
    assert repr(pages[2]) == "<ResultPage 2 of 8>"
    # The first page; the newest and the list of the others; and these.
    assert [type(one).__name__ for one in engine.operations] == ["Search"] * 3 + ["Get"] * 5


@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_a_page_has_a_size(size: Any) -> None:
    with pytest.raises(InvalidFilter, match="a page has a size from 1"):
        list(User.query.pages(size))


def test_reading_is_lazy(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 2)
    users = iter(User.query.filter(User.age >= 0))
    assert engine.operations == []
    next(users)
    assert len(engine.operations) == 1
    next(users), next(users)
    assert len(engine.operations) == 2
    assert User.query.filter(User.age >= 0).first() is not None
    assert getattr(engine.operations[-1], "limit", None) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: User.query,
        lambda: User.query.filter(User.score == 0),
        lambda: User.query.order_by(User.score),
        lambda: User.query.filter(User.score >= 0).order_by(-User.score),
    ],
)
def test_writes_in_between_neither_skip_nor_repeat(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 2)
    seen = []
    for user in make():
        seen.append(user.key)
        User(key=f"t{user.key}", name="before").save()
        user.delete()
        user.history.restore(user.history.all()[-1])
    assert seen == [f"u{number}" for number in range(9)]


def test_find_change_save(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 2)
    with Session() as session:
        for user in session.query(User).filter(User.age < 5):
            user.name = "changed"
    assert keys(User.query.filter(User.name == "changed")) == "u0 u1 u2 u3 u4"


def test_a_loop_keeps_no_more_than_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 3)
    with Session() as session:
        held = session.get(User, "u1")
        for count, user in enumerate(User.query):
            if count == 4:
                user.age = 99
            assert len(list(session)) <= 3 + 3
        del user
        assert held in session
        assert [one.key for one in session.dirty] == ["u4"]
        assert {one.key for one in session} == {"u1", "u4", "u8"}
    assert User.get("u4").age == 99


def test_pages_keep_no_more_than_three(orcodm_requests: list[Any]) -> None:
    with Session() as session:
        for page in User.query.pages(2):
            assert len(list(session)) <= 6
            page[0].age = 99 if page[0].key == "u2" else page[0].age
        assert [one.key for one in session.dirty] == ["u2"]

    async def main() -> None:
        async with Session() as session:
            async for _ in User.query.apages(1):
                assert len(list(session)) <= 3

    asyncio.run(main())


def test_how_a_query_will_run() -> None:
    def operation(query: Any) -> Any:
        return query.explain().operation

    assert operation(User.query) == List(collection="users", limit=500)
    assert operation(User.query.filter(User.age == 1)) == Search(
        collection="users", query="value.age:[1 TO 1]", limit=500, cursor=START
    )
    assert operation(User.query.filter(User.name.matches("x"))) == Search(
        collection="users", query="value.name:x", limit=500
    )
    assert operation(User.query[10:20]).offset == 10
    text = str(User.query.filter(User.age == 1).explain())
    assert "query:      value.age:[1 TO 1]\ncollection: users\noperation:  Search" in text
    assert "order:      key\npaging:     keyset" in text
    assert "order:      relevance, then key" in str(User.query.search("ada").explain())
    ordered = User.query.order_by(-User.age, User.place.nearest(), random_order("x"))
    assert "order:      value.age descending, distance of value.place ascending, random, seed 'x'\n" in str(
        ordered.explain()
    )
    assert "collection: all" in str(Document.query.explain())
    assert "paging:     list" in str(User.query[10:20].explain())


def test_an_engine_without_keysets_is_paged_by_offset() -> None:
    capabilities = Capabilities(
        atomic_batch=False, keyset=False, ref_chain=False, max_limit=2, own_writes=True
    )
    item = Item(collection="users", key="a", ref="0a", value={"name": "x"})
    engine = Scripted(Page(results=[item]), capabilities=capabilities)
    with Session(engine):
        assert keys(User.query.filter(User.age == 1)) == "a"
    (search,) = engine.asked
    assert isinstance(search, Search)
    assert (search.cursor, search.offset, search.limit) == (None, 0, 2)
    assert [getattr(one, "field", None) for one in search.sort] == ["@path.key"]


def test_a_random_order_is_the_same_for_a_seed() -> None:
    shuffled = keys(User.query.order_by(random_order("seed")))
    assert shuffled == keys(User.query.order_by(random_order("seed")))
    assert sorted(shuffled.split()) == keys(User.query).split()


def test_a_session_sees_what_it_wrote_and_its_own_objects() -> None:
    with Session() as session:
        user = session.get(User, "u1")
        user.age = 50
        assert next(iter(User.query.filter(User.age == 1))) is user
        session.commit()
        assert User.query.filter(User.age == 50).one() is user


def test_a_query_of_one_session_stays_there() -> None:
    with Session() as session:
        query = session.query(User)
        with Session():
            assert query.filter(User.key == "u1").one() is session.get(User, "u1")


def test_times_of_any_spelling_are_equal(engine: Watched) -> None:
    for key, text in (
        ("a", "2020-01-01T12:00:00Z"),
        ("b", "2020-01-01T13:00:00+01:00"),
        ("c", "2020-01-01T12:00:01Z"),
    ):
        engine.execute(Put(collection="users", key=key, value={"name": "x", "joined": text}))
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert keys(User.query.filter(User.joined == noon)) == "a b"
    assert keys(User.query.filter(User.joined == noon.astimezone(timezone(timedelta(hours=3))))) == "a b"
    assert keys(User.query.filter(User.joined > noon)) == "c"


class Thing(Document, collection="things"):
    text: Field[str] = field(default="")
    number: Field[float] = field(default=0)
    flag: Field[bool] = field(default=False)


TRICKY = [
    "",
    " ",
    "*",
    "AND",
    "a`b",
    "a\\",
    '"',
    "(x OR y)",
    "naïve",
    "東京",
    "a\nb",
    "1",
    "true",
    "null",
    "\x00",
    "/x/",
    "x~2",
]


def test_equality_is_exact_whatever_the_text() -> None:
    with Session() as session:
        session.add(*(Thing(key=str(index), text=text) for index, text in enumerate(TRICKY)))
    for index, text in enumerate(TRICKY):
        assert keys(Thing.query.filter(Thing.text == text)) == str(index), text


def test_equality_of_numbers_and_booleans() -> None:
    with Session() as session:
        session.add(
            Thing(key="a", number=1), Thing(key="b", number=1.0), Thing(key="c", number=1.5, flag=True)
        )
    assert keys(Thing.query.filter(Thing.number == 1)) == "a b"
    assert keys(Thing.query.filter(Thing.number == 1.0)) == "a b"
    assert keys(Thing.query.filter(Thing.number >= 1, Thing.number < 1.5)) == "a b"
    assert keys(Thing.query.filter(Thing.flag == True)) == "c"  # noqa: E712


# -- mistakes --------------------------------------------------------------------------------------

query: Any = User.query
mistaken: Any = User

WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: query.filter(True), InvalidFilter, "a filter takes criteria such as User.age >= 21, not True"),
    (lambda: query.filter(User.age), InvalidFilter, "a filter takes criteria"),
    (lambda: query.filter("age:1"), InvalidFilter, "a filter takes criteria"),
    (lambda: query.filter(User.age >= 1 and User.age < 3), InvalidFilter, "write & for `and`"),
    (lambda: query.filter(mistaken.nmae == "x"), AttributeError, "nmae"),
    (lambda: query.filter(mistaken.age >= "x"), InvalidFilter, "expected an integer"),
    (lambda: query.search("age:["), InvalidQuery, "age"),
    (lambda: query.search(5), InvalidFilter, "search takes the text of a Lucene query, not 5"),
    (lambda: query.order_by("age"), InvalidFilter, "order_by takes fields, not the text"),
    (lambda: query[3], InvalidFilter, r"use q\[3:\]\.first\(\)"),
    (lambda: query[-3:], InvalidFilter, "no negative bounds"),
    (lambda: query[::2], InvalidFilter, "has no step"),
    (lambda: query[1:2].filter(User.age == 1), InvalidFilter, "filter comes before the slice"),
    (lambda: query[1:2].search("x"), InvalidFilter, "search comes before the slice"),
    (lambda: query[1:2].order_by(User.age), InvalidFilter, "order_by comes before the slice"),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG)
def test_mistakes(engine: Watched, make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
    assert engine.operations == []


def test_without_an_engine_a_query_can_be_made_but_not_read() -> None:
    bind(None)
    made: Any = User.query.filter(User.age == 1)
    assert str(made) == "value.age:[1 TO 1]"
    for read in (
        made.all,
        made.first,
        made.count,
        made.explain,
        lambda: next(made.pages()),
        lambda: iter(made),
    ):
        with pytest.raises(NoEngine):
            list(read()) if read is not None else None


def test_an_expression_is_typed() -> None:
    assert isinstance(User.address.city, Expr)
