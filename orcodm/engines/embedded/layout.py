"""Which field of the index has the values of which field of the documents.

Tantivy's fields are fixed when an index is made, those of documents are not: so an index has a number of
*columns* of each sort, and a field takes one when a document first has a value of that sort in it:

* words    the analysed words of its strings, with positions and a length that is its own;
* strings  whole strings, in the order of code points;
* numbers  as floats;
* decimals as floats, the strings that are decimal numbers;
* dates    the instants of strings that are ISO 8601 dates, in microseconds since the epoch.

Booleans take none; they are terms of `has`, of which only the memory is kept here. When no column is left,
later fields share one, in which the name is a part of each term; of their numbers, dates and decimals it says
no more than which documents have some.

A column also remembers what it met, since that decides what can be read from it: see `Column`. Documents
for which it says less than they do carry a mark of that, `ODD` or `MANY`, among the terms of `has`. All of
this is written to the index's state with each commit. It only ever grows, so a reader may share it with the
writer: what it sees too early makes it more careful, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import tantivy
from attrs import define

from .terms import prefix

WORDS: Final = "words"
STRINGS: Final = "strings"
NUMBERS: Final = "numbers"
DATES: Final = "dates"
DECIMALS: Final = "decimals"
BOOLEANS: Final = "booleans"
NULLS: Final = "nulls"

IDENTITY: Final = "identity"
SEQ: Final = "seq"

COLUMNS: Final = {WORDS: 16, STRINGS: 24, NUMBERS: 32, DATES: 8, DECIMALS: 16, BOOLEANS: 64, NULLS: 64}
"""How many fields have a column of their own. An index field with words or strings costs a byte for each
document, whether or not that has a value there."""
SHARED: Final = {WORDS: "words_shared", STRINGS: "strings_shared"}


EMPTY: Final[Mapping[str, Any]] = {}


@define
class Column:
    """Where the values of one sort of one field are.

    `name` is the field of the index, empty where it has none; `start` what each term begins with there.
    """

    name: str
    start: str = ""
    many: bool = False
    """Some document has more than one value in the field."""
    odd: bool = False
    """Some document is not quite there: a value was cut or rounded, or it has the same one twice."""
    mixed: bool = False
    """Of strings: some are no dates. Of numbers: some are floats."""
    tokens: int = 0
    """Of words: how many have been added."""

    @property
    def own(self) -> bool:
        """Whether no other field shares it."""
        return not self.start and bool(self.name)


class Layout:
    """The columns of one index."""

    def __init__(self, plain: Mapping[str, Any] = EMPTY) -> None:
        self._columns: dict[str, dict[str, Column]] = {sort: {} for sort in COLUMNS}
        for sort, fields in plain.get("columns", EMPTY).items():
            self._columns[sort] = {field: Column(**column) for field, column in fields.items()}
        self.documents: int = plain.get("documents", 0)
        """How many have been added, those that are gone again among them."""
        self.tokens: int = plain.get("tokens", 0)
        """How many words of any field have been added."""
        self.version = 0
        """Another number whenever something was added, so that a plan knows when it is out of date."""

    def plain(self) -> dict[str, Any]:
        """What `__init__` makes a layout of, as JSON."""
        columns = {
            sort: {field: attrs.asdict(column) for field, column in fields.items()}
            for sort, fields in self._columns.items()
        }
        return {"columns": columns, "documents": self.documents, "tokens": self.tokens}

    def length(self, field: str | None) -> float:
        """How many words a document has on average, in a field (None: in all)."""
        column = None if field is None else self._columns[WORDS].get(field)
        tokens = self.tokens if column is None else column.tokens
        return tokens / self.documents if tokens else 1.0

    def column(self, sort: str, field: str) -> Column | None:
        """The column of a field (its full name); None where no document has such a value."""
        return self._columns[sort].get(field) or (self._shared(sort, field) if self.full(sort) else None)

    def full(self, sort: str) -> bool:
        """Whether later fields have no column of their own."""
        return len(self._columns[sort]) >= COLUMNS[sort]

    def columns(self, sort: str) -> Iterator[tuple[str, Column]]:
        """The fields that have a column of their own."""
        return iter(list(self._columns[sort].items()))

    def claim(self, sort: str, field: str) -> Column:
        """The column of a field that has a value of this sort."""
        columns = self._columns[sort]
        if (known := columns.get(field)) is not None:  # as nearly always
            return known
        if self.full(sort):
            return self._shared(sort, field)
        column = columns[field] = Column(f"{sort}{len(columns)}" if sort in INDEXED else "")
        self.version += 1
        return column

    def note(self, column: Column, **facts: bool) -> None:
        """Remember what was met in a column."""
        for name, met in facts.items():
            if met and not getattr(column, name):
                setattr(column, name, True)
                self.version += 1

    def _shared(self, sort: str, field: str) -> Column:
        name = SHARED.get(sort, "")
        return Column(name, prefix(field) if name else "", many=True, odd=True, mixed=True)


INDEXED: Final = frozenset({WORDS, STRINGS, NUMBERS, DATES, DECIMALS})
"""The sorts whose columns are fields of the index."""
SORTS_OF_VALUES: Final = (STRINGS, NUMBERS, DATES, DECIMALS, BOOLEANS, NULLS)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed, since deleting by term makes a signed term of a Python integer, which finds no unsigned one.
    builder.add_integer_field("id", indexed=True, fast=True)
    for name in (IDENTITY, SEQ):
        builder.add_integer_field(name, fast=True)
    for name in ("scope", "has", "null"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    for number in range(COLUMNS[WORDS]):
        _add_words(builder, f"{WORDS}{number}")
    for number in range(COLUMNS[STRINGS]):
        builder.add_text_field(f"{STRINGS}{number}", tokenizer_name="raw", index_option="basic", fast=True)
    for sort in (NUMBERS, DECIMALS):
        for number in range(COLUMNS[sort]):
            builder.add_float_field(f"{sort}{number}", indexed=True, fast=True)
    for number in range(COLUMNS[DATES]):
        builder.add_integer_field(f"{DATES}{number}", fast=True)
    _add_words(builder, SHARED[WORDS])
    builder.add_text_field(SHARED[STRINGS], tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _add_words(builder: tantivy.SchemaBuilder, name: str) -> None:
    builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")


SCHEMA: Final = _schema()
"""The fields of every index: the columns, those that are shared, and

* `words`  the words of all fields, without positions, for queries that name none;
* `has`    the names of the fields that have a value and of those above them, their booleans, their marks;
* `null`   the names of the fields with a null;
* `scope`  kind and collection, together and apart;
* `id`     the document's number, by which it is replaced and excluded;
* `IDENTITY` and `SEQ`, its numbers as `terms.loose` writes them, to be looked up.
"""
