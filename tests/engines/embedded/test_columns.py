"""What is read from the columns of the index is what the documents say, one by one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
import tantivy
from hypothesis import example, given
from hypothesis import strategies as st

from orcodm.engines.embedded import columns
from orcodm.engines.embedded.aggregates import accumulator
from orcodm.engines.embedded.columns import Columns, NotByColumns
from orcodm.lucene.entries import entry
from orcodm.operations import Aggregate, Ranges, Stats, StatsResult, TimeSeries, TopValues

from ...strategies import documents, examples
from .indexed import Indexed, few_columns

EVERYTHING = tantivy.Query.all_query()
AGGREGATES: list[Aggregate] = [
    Stats("age"),
    Stats("name"),
    Stats("tags"),
    Stats("nothing"),
    Ranges("age", ((None, 0.0), (0.0, 10.0), (5.0, None), (5.0, 5.0), (None, None))),
    Ranges("tags", ((1.0, 2.0),)),
    Ranges("age", ((None, None),)),
    TopValues("name"),
    TopValues("age", offset=1, limit=3),
    TopValues("tags", limit=50),
    TopValues("address.city"),
    TopValues("@path.key", limit=3),
    TimeSeries("born", "year"),
    TimeSeries("born", "quarter", "+0530"),
    TimeSeries("born", "month", "-1100"),
    TimeSeries("born", "week"),
    TimeSeries("born", "day", "+0100"),
    TimeSeries("name", "hour"),
    TimeSeries("@path.reftime", "hour"),
]


def both(indexed: Indexed, aggregate: Aggregate) -> tuple[Any, Any]:
    """By the columns (None where they do not say) and by the entries."""
    read, added = (accumulator(aggregate, lambda field: lambda entry: []) for _ in range(2))
    for each in indexed.entries.values():
        added.add(each)
    read_from = Columns(indexed.searcher, indexed.layout, EVERYTHING, indexed.fetch)
    try:
        read.read(read_from)
    except NotByColumns:
        return None, added.result()
    return read.result(), added.result()


def figures(result: Any) -> dict[str, float]:
    return {name: figure for name, figure in attrs.asdict(result).items() if type(figure) in (int, float)}


def check(indexed: Indexed) -> None:
    for aggregate in AGGREGATES:
        read, expected = both(indexed, aggregate)
        if isinstance(read, StatsResult):
            assert figures(read) == pytest.approx(figures(expected), rel=1e-9, abs=1e-6)
        elif read is not None:
            assert read == expected


@examples(60)
@given(st.lists(documents(), max_size=12))
@example([{"age": 1}, {"age": 1.0}, {"age": True}, {"age": None}, {"age": "1"}])
@example([{"tags": [1, 1, 2]}, {"tags": ["a", "a"]}, {"tags": [None, None]}, {"tags": [True, True]}])
@example([{"age": 2**60}, {"age": 10**400}, {"age": 1e308}, {"age": -1e308}])
@example([{"born": "0001-01-01"}, {"born": "9999-12-31T23:59:59.999999Z"}, {"born": "2024-02-29"}])
@example([{"name": "x" * 200}, {"name": "x" * 201}])
def test_aggregates_are_those_of_the_documents(values: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as path:
        check(Indexed(Path(path) / "index", values))
        with few_columns():
            check(Indexed(Path(path) / "crowded", values))


def test_what_is_usual_is_read_from_the_columns(tmp_path: Path) -> None:
    values = [
        {
            "name": f"n{n % 7}",
            "age": n % 5,
            "born": f"20{n % 30:02}-01-31T10:00:00Z",
            "tags": ["a", f"{n % 3}"],
        }
        for n in range(100)
    ]
    indexed = Indexed(tmp_path / "index", values)
    for aggregate in AGGREGATES:
        read, expected = both(indexed, aggregate)
        assert read == expected or isinstance(read, StatsResult)


LISTS: st.SearchStrategy[list[Any]] = st.lists(
    st.builds(dict, tags=st.lists(st.sampled_from("abcdefg1234"), max_size=6)), max_size=12
)


@examples(60)
@given(LISTS, LISTS, st.integers(0, 3), st.integers(0, 3), st.integers(1, 4))
def test_top_values_are_exact_however_few_the_index_tells(
    values: list[Any], pending: list[Any], spare: int, offset: int, limit: int
) -> None:
    with tempfile.TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "SPARE", spare)
        indexed = Indexed(Path(path) / "index", values)
        fresh = [entry("item", {"key": "a"}, value) for value in pending]
        read, added = (
            accumulator(TopValues("tags", offset, limit), lambda field: lambda entry: []) for _ in range(2)
        )
        read.read(Columns(indexed.searcher, indexed.layout, EVERYTHING, indexed.fetch))
        for each in fresh:
            read.add(each)
        for each in (*indexed.entries.values(), *fresh):
            added.add(each)
        assert read.result() == added.result()
