"""A loop meets each document once, in its order, whatever it does to them and whatever others write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from orcodm import (
    Document,
    Embedded,
    Event,
    Events,
    Field,
    Nested,
    Series,
    Session,
    bind,
    field,
    random_order,
)
from orcodm.engine import Capabilities, Engine
from orcodm.testing import Watched

from .conftest import Opener

NUMBER = 23


class Spot(Embedded):
    lat: Field[float]
    lon: Field[float]


class Step(Event):
    rank: Field[int]


class TaskEvents(Events):
    step: Series[Step]


class Task(Document, collection="tasks"):
    due: Field[int]
    group: Field[str] = field(default="a")
    text: Field[str] = field(default="spam")
    spot: Nested[Spot | None] = field(default=None)
    events: ClassVar[TaskEvents]


class Limited(Watched):
    """An engine with small pages, and with or without keyset paging: as other servers are."""

    def __init__(self, engine: Engine, keyset: bool, max_limit: int) -> None:
        super().__init__(engine)
        self._keyset, self._limit = keyset, max_limit

    @property
    def capabilities(self) -> Capabilities:
        return evolve(
            self.engine.capabilities, keyset=self._keyset, max_limit=self._limit, local=self._keyset
        )


@pytest.fixture(params=["memory", "sqlite", "http", "small", "foreign"])
def looped(
    request: pytest.FixtureRequest, opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """An engine as the default one, with tasks of falling `due`; loops read four at once."""
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 4)
    monkeypatch.setattr("orcodm.model.relations.PAGE_SIZE", 4)
    monkeypatch.setattr("orcodm.model.history.PAGE_SIZE", 4)
    name = "memory" if request.param in ("small", "foreign") else request.param
    with opener(name, tmp_path) as engine:
        if name != request.param:
            engine = Limited(engine, request.param == "small", 5)
        bind(engine)
        with Session(engine) as session:
            session.add(*map(task, range(NUMBER)))
        yield engine
        bind(None)


def task(number: int) -> Task:
    return Task(
        key=f'k{number:02}/ü `\\"',
        due=NUMBER - number,
        group="abc"[number % 3],
        text="spam " * (1 + number % 4) + "ham " * (number % 5),
        spot=Spot(lat=50 + (number * 7 % NUMBER) / 100, lon=0),
    )


QUERIES: dict[str, Callable[[], Any]] = {
    "keys": lambda: Task.query,
    "filter": lambda: Task.query.filter(Task.due > 0),
    "field": lambda: Task.query.order_by(Task.due),
    "descending": lambda: Task.query.order_by(-Task.due),
    "fields": lambda: Task.query.filter(Task.due > 0).order_by(Task.group, -Task.due),
    "text": lambda: Task.query.order_by(Task.text),
    "key descending": lambda: Task.query.order_by(-Task.key),
    "distance": lambda: Task.query.filter(Task.spot.near(50, 0, "1000km")).order_by(Task.spot.nearest()),
    "random": lambda: Task.query.order_by(random_order("seed")),
    "words": lambda: Task.query.search("value.text:spam"),
    "words, sorted": lambda: Task.query.filter(Task.text.matches("spam")).order_by(Task.due),
    "all collections": lambda: Document.query.search("value.due:[0 TO *]").order_by(Task.due),
    "slice": lambda: Task.query.order_by(Task.due)[:NUMBER],
    "pages": lambda: Paged(Task.query.order_by(Task.due)),
    "pages of keys": lambda: Paged(Task.query),
    "pages of words": lambda: Paged(Task.query.search("value.text:spam")),
}


class Paged:
    """The documents of a query, by its pages."""

    def __init__(self, query: Any) -> None:
        self.query = query

    def __iter__(self) -> Iterator[Any]:
        return (document for page in self.query.pages(4) for document in page)

    async def __aiter__(self) -> Any:
        async for page in self.query.apages(4):
            for document in page:
                yield document


def later(task: Any) -> None:
    task.due += 1000
    task.group, task.text, task.spot = "z", task.text + " spam spam", Spot(lat=59, lon=0)
    task.save()


def earlier(task: Any) -> None:
    task.due = 1
    task.group, task.text, task.spot = "0", "spam", Spot(lat=50, lon=0)
    task.save()


def delete(task: Any) -> None:
    task.delete()


@pytest.mark.parametrize("change", [later, earlier, delete])
@pytest.mark.parametrize("name", QUERIES)
def test_a_loop_that_changes_what_it_goes_through(
    looped: Engine, name: str, change: Callable[[Any], None]
) -> None:
    expected = [task.key for task in QUERIES[name]()]
    assert sorted(set(expected)) == sorted(expected)
    assert len(expected) == NUMBER
    seen = []
    for task in QUERIES[name]():
        seen.append(task.key)
        assert len(seen) <= NUMBER
        change(task)
    if name == "pages of words":  # how well the others match changes with the texts of the first page
        seen, expected = sorted(seen), sorted(expected)
    assert seen == expected


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("looped", ["memory", "small", "foreign"], indirect=True)
def test_the_awaitable_loop_too(looped: Engine, name: str) -> None:
    async def main() -> list[str]:
        seen = []
        async for task in QUERIES[name]():
            seen.append(task.key)
            assert len(seen) <= NUMBER
            await task.adelete()
        return seen

    expected = [task.key for task in QUERIES[name]()]
    seen = asyncio.run(main())
    if name == "pages of words":
        seen, expected = sorted(seen), sorted(expected)
    assert seen == expected


@pytest.mark.parametrize("name", QUERIES)
def test_what_others_move_is_neither_skipped_nor_repeated(looped: Engine, name: str) -> None:
    """After the third they postpone what was met, bring forward what was not, delete one and add one."""
    expected = [task.key for task in QUERIES[name]()]
    seen = []
    for task in QUERIES[name]():
        seen.append(task.key)
        if len(seen) == 3:
            for key in expected[:2]:
                later(Task.get(key))
            for key in expected[-4:]:
                earlier(Task.get(key))
            Task.get(expected[10]).delete()
    left = [key for key in expected if key != expected[10]]
    if name.startswith("pages"):  # these are listed when the second page is asked for
        seen, left = sorted(seen), sorted(left)
    assert seen == left


def test_what_matches_no_more_is_passed_over(looped: Engine) -> None:
    query = Task.query.filter(Task.due <= NUMBER).order_by(Task.due)
    expected = [task.key for task in query]
    seen = []
    for task in query:
        seen.append(task.key)
        if len(seen) == 3:
            later(Task.get(expected[10]))
    assert seen == [key for key in expected if key != expected[10]]


def test_a_loop_that_adds_comes_to_an_end(looped: Engine) -> None:
    for count, task in enumerate(Task.query.order_by(Task.due)):
        assert count < NUMBER
        Task(due=task.due + 1000).save()
    assert Task.query.count() == 2 * NUMBER


@pytest.mark.parametrize(("start", "stop"), [(3, 20), (0, 9), (5, None), (20, 30), (30, None), (2, 3)])
@pytest.mark.parametrize("paged", [False, True])
def test_a_slice_has_the_documents_of_its_positions(
    looped: Engine, start: int, stop: int | None, paged: bool
) -> None:
    expected = [task.key for task in Task.query.order_by(Task.due)][start:stop]
    part = Task.query.order_by(Task.due)[start:stop]
    seen = []
    for task in Paged(part) if paged else part:
        seen.append(task.key)
        task.delete()
    assert seen == expected


def test_events_and_relations_in_an_order_of_their_values(looped: Engine) -> None:
    tasks = Task.query.all()
    first = tasks[0]
    for number in range(NUMBER):
        first.events.step.add(rank=NUMBER - number, at=number)
        first.relations["next"].add(tasks[number], rank=NUMBER - number)
    for query in (
        Task.query.events(Step).order_by(Step.rank),
        Task.query.events(Step),
        Task.query.events(Step).search("value.rank:[0 TO *]").order_by(-Step.rank),
    ):
        expected = [event.timestamp for event in query]
        assert len(expected) == NUMBER
        seen = []
        for event in query:
            seen.append(event.timestamp)
            event.rank += 1000
            event.save()
        assert seen == expected
    from orcodm import Relation

    order = Task.query.relations("next").order_by(Relation.properties["rank"])
    for query in (order, Task.query.relations("next")):
        ends = [relation.target.key for relation in query]
        assert len(ends) == NUMBER
        seen_ends = []
        for relation in query:
            seen_ends.append(relation.target.key)
            relation.properties["rank"] += 1000
            relation.save()
        assert seen_ends == ends


@pytest.mark.parametrize("way", ["remove", "delete"])
def test_a_loop_over_related_documents_that_takes_them_away(looped: Engine, way: str) -> None:
    tasks = Task.query.all()
    source = Task(key="source", due=0)
    source.save()
    for task in tasks:
        source.relations["next"].add(task)
    seen = []
    for task in source.relations["next"]:
        seen.append(task.key)
        source.relations["next"].remove(task) if way == "remove" else task.delete()
    assert seen == [task.key for task in tasks]
    assert source.relations["next"].all() == []


def test_a_loop_over_a_history_that_goes_on(looped: Engine) -> None:
    task = Task.get(Task.query.all()[0].key)
    for number in range(10):
        task.due = number
        task.save()
    seen = []
    for version in task.history:
        seen.append(version.value["due"])
        task.due += 100
        task.save()
    assert seen == [*range(9, -1, -1), NUMBER]


def test_history_as_of_asks_for_no_more_than_a_page_may_have(looped: Engine) -> None:
    task = Task.query.all()[0]
    (version,) = task.history.all()
    assert version.reftime is not None
    assert task.history.as_of(version.reftime).ref == task.ref


def test_a_ranked_loop_while_the_index_catches_up(engine: Engine) -> None:
    """Nobody writes; scores change when documents move from those that wait into the index."""
    bind(engine)
    try:
        texts = ["of a " + "word " * (number % 7) + "of " * (number % 11) for number in range(1300)]
        for outcome in Session(engine).bulk(Task(due=n, text=text) for n, text in enumerate(texts)):
            assert outcome.error is None
        seen = [task.due for task in Task.query.search("value.text:(of OR a)")]
        assert sorted(seen) == list(range(1300))
        assert sorted(t.due for page in Task.query.search("of OR a").pages(100) for t in page) == sorted(seen)
    finally:
        bind(None)
