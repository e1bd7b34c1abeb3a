"""An index of given documents, without a database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_float
from pathlib import Path
from typing import Any

import pytest
import tantivy

from orcodm.engines.embedded import layout
from orcodm.engines.embedded.compile import compile_plan, within
from orcodm.engines.embedded.documents import Stored
from orcodm.engines.embedded.index import IndexDirectory, find
from orcodm.engines.embedded.terms import scopes
from orcodm.lucene.entries import Entry
from orcodm.lucene.evaluator import compile_query
from orcodm.lucene.tree import Node
from orcodm.values import encode


class Indexed:
    """Documents in an index, and their entries."""

    def __init__(self, path: Path, values: list[Any]) -> None:
        self.entries: dict[int, Entry] = {}
        self.stored: dict[int, Stored] = {}
        directory = IndexDirectory(path, "database")
        generation = directory.begin()
        with directory.writing(generation) as writer:
            for number, value in enumerate(values, 1):
                if number % 5 == 0:
                    writer.commit(number - 1, None)  # so that there are several segments
                ref, key = f"{number:04}", str(number)
                stored = Stored(number, number, "item", "things", key, ref, 1000 + number, encode(value))
                self.stored[number], self.entries[number] = stored, stored.entry()
                writer.put(stored, self.entries[number])
            writer.commit(len(values), None)
        generation.reload(len(values), generation.layout)
        self.layout = generation.layout
        self.searcher = generation.searcher

    def fetch(self, query: tantivy.Query) -> list[Entry]:
        _, hits = find(self.searcher, query, self.searcher.num_docs)
        return [self.entries[hit.id] for hit in hits]

    def check(self, tree: Node) -> None:
        plan = compile_plan(tree, self.layout)
        matches = compile_query(tree)
        expected = {number for number, entry in self.entries.items() if matches(entry)}
        for query in (plan.query, within(plan, scopes("item", "things")[2])):
            total, hits = find(self.searcher, query, self.searcher.num_docs)
            found = {hit.id for hit in hits}
            assert total == len(found)
            if plan.exact:
                assert found == expected
            else:
                assert found >= expected
            if plan.score is not None:
                score = c_float(plan.score).value  # which is what Tantivy calculates with
                # Several boosts may leave what a float can hold on the way to a product that it could.
                held = [hit.score for hit in hits if 0 < hit.score < math.inf]
                assert held == pytest.approx([score] * len(held))


@contextmanager
def few_columns() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "COLUMNS", dict.fromkeys(layout.COLUMNS, 2))
        yield
