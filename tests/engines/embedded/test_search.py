"""A search by the index, beside what that has not seen, gives what a look at every document gives."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcodm.engines.embedded import hits, search
from orcodm.engines.embedded.engine import EmbeddedEngine
from orcodm.operations import START, Delete, Operation, Put, Search, SortField

WORDS = ["red", "green", "blue", "redder"]
VALUES = st.fixed_dictionaries(
    {"text": st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)},
    optional={"word": st.sampled_from(WORDS), "n": st.integers(0, 3)},
)
WRITES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 15).map("k{}".format), st.none() | VALUES), max_size=40
)
ALIKE = [
    "*:*",
    "text:red*",
    "text:rde~1",
    "text:/r.*d/^2",
    "n:[1 TO 2]",
    "word:`red`",
    "+n:1 -word:blue",
    "n:*",
]
"""Queries whose hits all score the same."""
RANKED = ["text:red", "text:red AND n:[1 TO 3]", 'text:"red green"', "red OR n:1", 'text:"red blue"~2 n:2']
SORTS = [(), (SortField("n"), SortField("word", descending=True)), (SortField("@path.key", descending=True),)]


Found: TypeAlias = tuple[int | None, list[tuple[str, str]]]
"""What a page says: how many there are in all, where it does, and the places on it."""


def write(engine: EmbeddedEngine, writes: list[Any]) -> None:
    for collection, key, value in writes:
        if value is None:
            engine.execute(Delete(collection=collection, key=key))
        else:
            engine.execute(Put(collection=collection, key=key, value=value))


def walk(engine: EmbeddedEngine, asked: Operation[Any] | None) -> Iterator[Found]:
    while asked is not None:
        page = engine.execute(asked)
        yield page.total, [(item.collection, item.key) for item in page.results]
        asked = page.next


def places(pages: list[Found]) -> list[tuple[str, str]]:
    return sorted(chain.from_iterable(found for _, found in pages))


@contextmanager
def small() -> Iterator[None]:
    """What is done for many hits, done for few."""
    with pytest.MonkeyPatch.context() as patch:
        for name, number in {"TIES": 1, "MANY": 5}.items():
            patch.setattr(hits, name, number)
            patch.setattr(search, name, number)
        for name, number in {"FIRST": 2, "ROOM": 2, "DENSE": 0}.items():
            patch.setattr(hits, name, number)
        yield


@pytest.mark.parametrize("limits", [nullcontext, small])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(WRITES, WRITES)
def test_with_an_index_and_without_the_same_is_found(
    limits: Callable[[], AbstractContextManager[None]], before: list[Any], after: list[Any]
) -> None:
    with limits(), tempfile.TemporaryDirectory() as folder:
        indexed, plain = EmbeddedEngine(str(Path(folder) / "app.db")), EmbeddedEngine()
        for engine in (indexed, plain):
            write(engine, before)
        indexed.reindex()
        for engine in (indexed, plain):
            write(engine, after)
        for query in (*ALIKE, *RANKED):
            for collection in ("a", None):
                for sort in SORTS:
                    page = Search(query=query, collection=collection, limit=3, sort=sort)
                    stream = evolve(page, cursor=START)
                    assert list(walk(indexed, stream)) == list(walk(plain, stream)), (query, sort)
                    found, expected = list(walk(indexed, page)), list(walk(plain, page))
                    if sort or query in ALIKE:
                        assert found == expected, (query, collection, sort)
                    else:
                        assert [total for total, _ in found] == [total for total, _ in expected]
                        assert places(found) == places(expected)
        indexed.close()
        plain.close()


@pytest.mark.parametrize("query", ["text:red", "red", "text:(red green)^2", 'text:"red green"', "title:red"])
def test_a_change_scores_like_what_the_index_has(tmp_path: Path, query: str) -> None:
    engine = EmbeddedEngine(str(tmp_path / "app.db"))
    chance = random.Random(7)
    for number in range(300):
        text = " ".join(chance.choices(["red", "green", "blue", "grey"], k=chance.randint(1, 12)))
        title = {"title": "of red" if number % 30 == 0 else "of"} if number % 3 == 0 else {}
        engine.execute(Put(collection="a", key=f"k{number:03}", value={"text": text, **title}))
    engine.reindex()
    engine.execute(Put(collection="a", key="new", value={"text": "a red green house", "title": "red"}))
    search = Search(query=query, collection="a", limit=400)
    pending = {item.key: item.score for item in engine.execute(search).results}  # type: ignore[union-attr]
    engine.reindex()
    settled = {item.key: item.score for item in engine.execute(search).results}  # type: ignore[union-attr]
    assert pending == pytest.approx(settled, rel=0.05)
    engine.close()
