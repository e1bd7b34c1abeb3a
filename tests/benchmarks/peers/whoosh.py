"""Whoosh, the search library in plain Python: an index of the gloss, which gives the best keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whoosh import index
from whoosh.fields import ID, NUMERIC, TEXT, Schema
from whoosh.qparser import FuzzyTermPlugin, QueryParser, RegexPlugin

from ..wordnet import Synset


class Whoosh:
    largest = 10_000  # indexing takes a minute for ten times as many

    def __init__(self, folder: Path) -> None:
        schema = Schema(key=ID(stored=True), gloss=TEXT(stored=False), lexicon=NUMERIC(sortable=True))
        self.index = index.create_in(folder, schema)
        self.parser = QueryParser("gloss", schema, plugins=None)
        self.parser.add_plugins([FuzzyTermPlugin(), RegexPlugin(expr="/(?P<text>[^/]*)/")])

    def load(self, synsets: Sequence[Synset]) -> int:
        writer = self.index.writer(limitmb=256)
        for key, value, _ in synsets:
            writer.add_document(key=key, gloss=value["gloss"], lexicon=value["lexicon"])
        writer.commit()
        return len(synsets)

    def top(self, text: str) -> None:
        with self.index.searcher() as searcher:
            searcher.search(self.parser.parse(text), limit=10)

    def close(self) -> None:
        self.index.close()
