"""Pages by the columns of the index are those that the documents' own keys give."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pytest
import tantivy
from hypothesis import example, given
from hypothesis import strategies as st

from orcodm.engines.embedded.columns import NotByColumns, marked, unmarked
from orcodm.engines.embedded.index import Placed, find, find_sorted
from orcodm.engines.embedded.matches import Match
from orcodm.engines.embedded.ordering import ordering, read_cursor, write_cursor
from orcodm.engines.embedded.sorting import Numbers, Sorted
from orcodm.operations import Sort, SortField, SortRandom

from ...strategies import documents, examples
from .indexed import Indexed

EVERYTHING = tantivy.Query.all_query()
FIELDS = ["name", "age", "tags", "address.city", "born", "nothing", "address", "@path.key", "@path.reftime"]


class Finder:
    """Of an index in which nothing is pending."""

    def __init__(self, indexed: Indexed) -> None:
        self._indexed = indexed

    def by_column(self, query: tantivy.Query, *order: Any) -> tuple[int, list[Placed]]:
        return find_sorted(self._indexed.searcher, query, *order)

    def by_place(self, query: tantivy.Query, wanted: int, after: Any = None) -> tuple[int, list[Numbers]]:
        stored = self._indexed.stored
        _, hits = find(self._indexed.searcher, query, len(stored))
        places = sorted(stored[hit.id].place for hit in hits)
        beyond = places[bisect_right(places, after) if after else 0 :]
        return len(hits), [(place[-1], stored[place[-1]].seq) for place in beyond[:wanted]]


def check(indexed: Indexed, sort: tuple[Sort, ...], wanted: int) -> int:
    """Walk through pages, each behind the key of the last document of the one before; returns how many."""
    key = ordering(sort, lambda field: lambda entry: [])
    matches = {
        number: Match(stored, 1.0, indexed.entries[number]) for number, stored in indexed.stored.items()
    }
    expected = sorted(map(key, matches.values()))

    found, last = [], None
    try:
        order = Sorted(Finder(indexed), indexed.layout, sort)
        query = unmarked(indexed.layout, EVERYTHING, order.marks)
        odd = marked(indexed.layout, EVERYTHING, order.marks)
        rest = [] if odd is None else [hit.id for hit in find(indexed.searcher, odd, len(matches))[1]]
        while True:
            total, first = order.page(query, last, wanted)
            if last is None:
                assert total + len(rest) == len(matches)
            page = [*(identity for identity, _ in first), *rest]
            keys = sorted(key(matches[number]) for number in page)
            keys = [each for each in keys if last is None or last < each][:wanted]
            if not keys:
                break
            found += keys
            last = read_cursor(write_cursor(keys[-1]), len(sort))
    except NotByColumns:
        pass
    else:
        assert found == expected
    assert found == expected[: len(found)]
    return len(found)


@examples(150)
@given(
    st.lists(documents(), min_size=1, max_size=15),
    st.lists(st.builds(SortField, st.sampled_from(FIELDS), descending=st.booleans()), min_size=1, max_size=3),
    st.integers(1, 5),
)
@example([{"age": 1}, {"age": 2**60}, {"age": 2**60 + 1}], [SortField("age")], 2)
@example([{"name": "x" * 200 + "b"}, {"name": "x" * 200 + "a"}], [SortField("name")], 1)
def test_pages_are_in_the_order_of_the_keys(values: list[Any], sort: list[Sort], wanted: int) -> None:
    with tempfile.TemporaryDirectory() as path:
        check(Indexed(Path(path) / "index", values), tuple(sort), wanted)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    values = [
        {"name": f"n{n % 7}", **({"age": n % 5 - 2.5} if n % 3 else {}), "text": "x" * n} for n in range(50)
    ]
    return Indexed(tmp_path_factory.mktemp("usual") / "index", values)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("fields", [["name"], ["age"], ["name", "age"], ["age", "name"], ["nothing", "name"]])
@pytest.mark.parametrize("wanted", [1, 7, 40])
def test_usual_sorts_are_done_by_columns(
    usual: Indexed, fields: list[str], descending: bool, wanted: int
) -> None:
    sort = tuple(SortField(name, descending=descending) for name in fields)
    assert check(usual, sort, wanted) == 50


@pytest.mark.parametrize("sort", [SortRandom("seed"), SortField("score"), SortField("@path.kind")])
def test_what_no_column_has_is_not_sorted_by_columns(tmp_path: Path, sort: Sort) -> None:
    indexed = Indexed(tmp_path / "index", [{"name": "a"}])
    with pytest.raises(NotByColumns):
        Sorted(Finder(indexed), indexed.layout, [sort])
