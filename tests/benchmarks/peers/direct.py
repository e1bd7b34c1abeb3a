"""Tantivy, called directly: an index of the same fields, which keeps the documents as well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import tantivy

from ..wordnet import Synset

Hits: TypeAlias = list[tuple[Any, tantivy.DocAddress]]
"""Scores, or what else orders them, and where the documents are."""


class Tantivy:
    largest = None

    def __init__(self, folder: Path) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("key", stored=True, tokenizer_name="raw")
        builder.add_text_field("lemma", stored=True, tokenizer_name="raw", fast=True)
        builder.add_text_field("gloss", stored=True)
        builder.add_text_field("words", stored=True, tokenizer_name="raw", fast=True)
        builder.add_integer_field("lexicon", stored=True, indexed=True, fast=True)
        self.index = tantivy.Index(builder.build(), path=str(folder))

    def load(self, synsets: Sequence[Synset]) -> int:
        writer = self.index.writer(heap_size=128_000_000)
        for key, value, _ in synsets:
            document = tantivy.Document(key=key, lemma=value["lemma"], gloss=value["gloss"])
            document.add_integer("lexicon", value["lexicon"])
            for word in value["words"]:
                document.add_text("words", word)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        return len(synsets)

    def parsed(self, text: str) -> tantivy.Query:
        return self.index.parse_query(text, ["gloss"])

    def pattern(self, pattern: str) -> tantivy.Query:
        """Of words in the gloss."""
        return tantivy.Query.regex_query(self.index.schema, "gloss", pattern)

    def fuzzy(self, word: str) -> tantivy.Query:
        return tantivy.Query.fuzzy_term_query(self.index.schema, "gloss", word, distance=2)

    def top(self, query: tantivy.Query) -> Hits:
        return self.index.searcher().search(query, 10).hits

    def page(self, text: str, field: str) -> Hits:
        """The first ten by a number, the greatest first."""
        return self.index.searcher().search(self.parsed(text), 10, order_by_field=field).hits

    def documents(self, hits: Hits) -> list[dict[str, Any]]:
        searcher = self.index.searcher()
        return [searcher.doc(address).to_dict() for _, address in hits]

    def aggregate(self, text: str, **asked: Any) -> Hits:
        self.index.searcher().aggregate(self.parsed(text), {"asked": asked})
        return []

    def close(self) -> None:
        del self.index
