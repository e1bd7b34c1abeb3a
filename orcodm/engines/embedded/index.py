"""The Tantivy index in its directory: opening, reading, writing, and making it anew.

The directory holds `state.json`, a `lock` for whoever writes, and one directory for each *generation* of
the index, of which the state names the valid one:

    {"format": 7, "database": "...", "generation": "...", "applied": 4711, "mark": "...", "next": null,
     "layout": {...}, "checksum": "..."}

`applied` is the last sequence number that the index is known to contain. `mark` is drawn anew for each commit
and written into the database as well: where that has another one, it went back to an older state (a backup, a
power cut) and has given numbers a second time. `next` is the one that is about to be written there. `layout`
says which field is where. The state is replaced, atomically, after Tantivy's commit; a crash between the two
leaves changes in the index that will be applied again, which is the same as applying them once. An index that
cannot be read, has another format or belongs to another database is left alone and a new generation is begun,
so nothing here is ever repaired.

This is the one module that meets tantivy's exceptions; they leave it as `IndexFailure`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import tantivy

from ...errors import OrcodmError
from ...lucene.casts import date, decimal, is_sure
from ...lucene.entries import Entry, Leaf
from .documents import Stored
from .layout import (
    BOOLEANS,
    DATES,
    DECIMALS,
    IDENTITY,
    NULLS,
    NUMBERS,
    SCHEMA,
    SEQ,
    SORTS_OF_VALUES,
    STRINGS,
    WORDS,
    Column,
    Layout,
)
from .terms import (
    EXACT,
    LONGEST,
    MANY,
    ODD,
    UNINDEXED,
    analysed,
    boolean,
    cut,
    existing,
    loose,
    mark,
    nearest,
    prefix,
    rounded,
    scopes,
    tight,
)

FORMAT: Final = 7
"""Of the terms and of the schema below; another number makes every index anew."""

HEAP: Final = 128_000_000
"""How much memory new documents take before they become a segment: every search asks each segment."""
_STATE: Final = "state.json"
_LOCK: Final = "lock"


class IndexFailure(OrcodmError):
    """The index cannot be read or written; the data is untouched and answers without it."""


class WriterBusy(IndexFailure):
    """Somebody else is writing to this index."""


def document(stored: Stored, entry: Entry, layout: Layout) -> tantivy.Document:
    """The index document of a stored one, by its entry. Fields that are new to the layout get their place."""
    made = tantivy.Document()
    made.add_integer("id", stored.id)
    made.add_integer(IDENTITY, loose(stored.id))
    made.add_integer(SEQ, loose(stored.seq))
    add = made.add_text
    add("scope", " ".join(scopes(stored.kind, stored.collection)))
    has, words = [existing(entry)], list[str]()
    layout.documents += 1
    nulls = entry.nulls if b"null" in stored.text else {}
    for field, leaves in entry.path.items():
        if field not in UNINDEXED and (marks := _add(made, layout, field, leaves)):
            has += marks
    for field, leaves in entry.leaves.items():
        if marks := _add(made, layout, field, leaves, nulls.get(field, 0)):
            has += marks
        for leaf in leaves:
            if type(leaf) is str:
                if found := analysed(leaf):
                    column, count = layout.claim(WORDS, field), found.count(" ") + 1
                    column.tokens += count
                    layout.tokens += count
                    _add_words(made, column, found)
                    words.append(found)
            elif type(leaf) is bool:
                has.append(boolean(field, leaf))
    if nulls:
        add("null", " ".join(map(prefix, nulls)))
        for field, count in nulls.items():
            layout.claim(NULLS, field)
            if field not in entry.leaves:
                has += _marks(layout, field, odd=count > 1, many=count > 1)
    add("has", " ".join(has))
    add("words", " ".join(words))
    return made


def _add(
    made: tantivy.Document, layout: Layout, field: str, leaves: Sequence[Leaf], nulls: int = 0
) -> list[str]:
    """Add the whole values of a field; returns the document's marks."""
    odd = False
    for leaf in leaves:
        if type(leaf) is str:
            odd |= _add_string(made, layout, field, leaf)
        elif type(leaf) is bool:
            layout.claim(BOOLEANS, field)
        else:
            assert not isinstance(leaf, str)
            odd |= _add_number(made, layout, field, leaf)
    many = len(leaves) > 1
    if odd or many or nulls:
        odd |= nulls > 1 or (many and len(set(leaves)) < len(leaves))
        return _marks(layout, field, odd=odd, many=many)
    return []


def _marks(layout: Layout, field: str, *, odd: bool, many: bool) -> list[str]:
    for sort in SORTS_OF_VALUES:
        if (column := layout.column(sort, field)) is not None:
            layout.note(column, odd=odd, many=many)
    return [mark(field, sign) for sign, there in ((ODD, odd), (MANY, many)) if there]


def _add_string(made: tantivy.Document, layout: Layout, field: str, text: str) -> bool:
    """Whether the column says less than the text."""
    column = layout.claim(STRINGS, field)
    term = text if len(text) <= LONGEST or field.startswith("@") else cut(text)
    made.add_text(column.name, column.start + term if column.start else term)
    instant, odd = None, term is not text
    if text and text[0] in _FIRST:
        if (instant := date(text)) is not None and (name := layout.claim(DATES, field).name):
            made.add_integer(name, instant)
        if (found := decimal(text)) is not None:
            odd |= not is_sure(found)
            if name := layout.claim(DECIMALS, field).name:
                made.add_float(name, nearest(found))
    if instant is None and not column.mixed:
        layout.note(column, mixed=True)
    return odd


_FIRST: Final = frozenset("0123456789-+.")
"""What dates and decimal numbers begin with."""


def _add_number(made: tantivy.Document, layout: Layout, field: str, value: int | float) -> bool:
    """Whether the column says less than the number."""
    column, stored = layout.claim(NUMBERS, field), rounded(value)
    if type(value) is float and not column.mixed:
        layout.note(column, mixed=True)
    if column.name:
        made.add_float(column.name, stored)
    return stored != value or abs(stored) >= EXACT


def _add_words(made: tantivy.Document, column: Column, found: str) -> None:
    # Each string is an addition of its own: there is a gap in the positions between two of them, and so
    # no phrase matches across.
    if column.start:
        found = " ".join([column.start + word for word in found.split()])
    made.add_text(column.name, found)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        raise _translate(error) from error


def _translate(error: BaseException) -> BaseException:
    """What an exception of Tantivy's is to us; others stay what they are."""
    if isinstance(error, ValueError | OSError):
        return IndexFailure(f"the search index: {error}")
    # A damaged file makes Tantivy panic now and then, which is no Exception.
    if type(error).__name__ == "PanicException":
        return IndexFailure(f"the search index is damaged: {error}")
    return error


class Hit(NamedTuple):
    """What the index found: a document's score and its numbers."""

    score: float
    id: int
    seq: int


def find(
    searcher: tantivy.Searcher, query: tantivy.Query, limit: int, needed: int | None = None
) -> tuple[int, list[Hit]]:
    """How many documents a query matches, and the best of them, best first.

    With `needed` only so many come and those whose score is that of the last of them; fewer than `limit`
    then means that these are all with that score.
    """
    try:
        result = searcher.search(query, limit=max(1, min(limit, searcher.num_docs)))
        hits = result.hits if limit else []
        if needed is not None and 0 < needed < len(hits):
            edge = hits[needed - 1][0]
            while hits[-1][0] != edge:
                hits.pop()  # to look up the numbers of a hit costs as much as finding it
        ids, seqs = _numbers(searcher, [address for _, address in hits])
    except BaseException as error:
        raise _translate(error) from error
    return _count(result), list(map(Hit._make, zip([score for score, _ in hits], ids, seqs, strict=True)))


class Placed(NamedTuple):
    """What the index found by a column: the value there (None: none) and the document's numbers."""

    value: Any
    id: int
    seq: int


def find_sorted(
    searcher: tantivy.Searcher, query: tantivy.Query, limit: int, column: str, descending: bool
) -> tuple[int, list[Placed]]:
    """How many documents a query matches, and the first in the order of a column; without a value is last."""
    order = tantivy.Order.Desc if descending else tantivy.Order.Asc
    with _translated():
        result = searcher.search(
            query, limit=max(1, min(limit, searcher.num_docs)), order_by_field=column, order=order
        )
        ids, seqs = _numbers(searcher, [address for _, address in result.hits])
    values = [value for value, _ in result.hits]
    return _count(result), list(map(Placed._make, zip(values, ids, seqs, strict=True)))


def _numbers(searcher: tantivy.Searcher, addresses: list[Any]) -> tuple[list[int], list[int]]:
    """The ids and the sequence numbers of documents."""
    values: Callable[..., list[Any]] = searcher.fast_field_values
    return tight(values(IDENTITY, addresses)), tight(values(SEQ, addresses))


def _count(result: tantivy.SearchResult) -> int:
    # The stubs do not say that there is one.
    count: int = result.count  # type: ignore[attr-defined]
    return count


def aggregate(searcher: tantivy.Searcher, query: tantivy.Query, asked: dict[str, Any]) -> dict[str, Any]:
    """Tantivy's aggregations over the documents that a query matches."""
    with _translated():
        return searcher.aggregate(query, asked)


def _last(searcher: tantivy.Searcher) -> int:
    """The greatest id of any document; 0 without documents."""
    found = aggregate(searcher, tantivy.Query.all_query(), {"last": {"max": {"field": "id"}}})
    return int(found["last"]["value"] or 0)


def frequency(searcher: tantivy.Searcher, field: str, term: str | float) -> int:
    """How many documents have a term."""
    try:  # a context manager would take as long again
        return searcher.doc_freq(field, term)
    except BaseException as error:
        raise _translate(error) from error


def terms(
    searcher: tantivy.Searcher, field: str, beginning: str, among: tantivy.Query | None
) -> list[tuple[str, int]]:
    """The terms of a field that begin with a text, and in how many of some documents (None: all) each is."""
    with _translated():
        return searcher.terms_with_prefix(field, beginning, among)


_GENERATION: Final = re.compile(r"[0-9a-f]{8}")
_PARTS: Final = ("fast", "fieldnorm", "idx", "pos", "store", "term")
"""The files of a segment."""
_FOOTER: Final = struct.Struct("<II")
_MAGIC: Final = 1337


def _is_generation(directory: Path) -> bool:
    """Whether a directory is one that an index made here: anything else that lies there is somebody's own."""
    return (
        _GENERATION.fullmatch(directory.name) is not None
        and not directory.is_symlink()
        and (directory / "meta.json").is_file()
    )


def _sound(file: Path) -> bool:
    """Whether a file of Tantivy has the checksum that stands at its end: body, JSON, its length, a number."""
    data = memoryview(file.read_bytes())
    length, magic = _FOOTER.unpack(data[-_FOOTER.size :])
    body = len(data) - _FOOTER.size - length
    if magic != _MAGIC or body < 0:
        return False
    stated: int = orjson.loads(data[body : -_FOOTER.size])["crc"]
    return stated == zlib.crc32(data[:body])


class Generation:
    """An open index and the state it was opened with."""

    def __init__(self, directory: Path, state: Mapping[str, Any]) -> None:
        self.name: str = state["generation"]
        self.applied: int = state["applied"]
        self.layout = Layout(state.get("layout", {}))
        path = directory / self.name
        with _translated():
            if self.applied:
                self.index = tantivy.Index.open(str(path))
            else:
                path.mkdir(parents=True)
                self.index = tantivy.Index(SCHEMA, path=str(path))
            self.index.config_reader("manual")
            whitespace = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            self.index.register_tokenizer("whitespace", whitespace)
        self._look(self.applied)

    def reload(self, applied: int, layout: Layout) -> None:
        """See what was committed; `applied` and `layout` are what the state said before."""
        self._look(applied)
        self.applied = applied
        self.layout = layout

    def _look(self, applied: int) -> None:
        with _translated():
            self.index.reload()
            searcher = self.index.searcher()
        # More than `applied` after a crash between Tantivy's commit and that of the state.
        self.last = max(applied, _last(searcher))
        self.searcher = searcher
        """No document of the index has a greater id."""


class IndexDirectory:
    """The sidecar directory of one database."""

    def __init__(self, path: Path, database: str) -> None:
        self.path = path
        self._database = database

    def state(self) -> dict[str, Any] | None:
        """What the state file says, if it is about this database and this format."""
        try:
            state = orjson.loads((self.path / _STATE).read_bytes())
            # A name that is wrong by one bit would be a wrong answer.
            sound = state.pop("checksum") == _checksum(state)
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None
        mine = (state["format"], state["database"]) == (FORMAT, self._database) if sound else False
        return state if mine else None

    def open(self, state: Mapping[str, Any]) -> Generation | None:
        """The generation that a state names, or None where it cannot be read."""
        try:
            return Generation(self.path, state)
        except IndexFailure:
            return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Meanwhile nobody else changes the state or a generation. Raises `WriterBusy` where one does."""
        from filelock import FileLock, Timeout  # here, for whoever only reads need not wait for its import

        with _translated():
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / _LOCK, blocking=False)
            try:
                lock.acquire()
            except Timeout:
                raise WriterBusy(f"another process writes to {self.path}") from None
        try:
            yield
        finally:
            lock.release()

    def begin(self) -> Generation:
        """A new, empty generation. It becomes the valid one by its first commit."""
        return Generation(self.path, {"generation": secrets.token_hex(4), "applied": 0})

    def damaged(self, generation: Generation) -> bool:
        """Whether a file of a generation is not what was written, by Tantivy's own checksums.

        A query may fail for reasons of its own; the files tell whether the index did.
        """
        directory = self.path / generation.name
        try:
            segments = orjson.loads((directory / "meta.json").read_bytes())["segments"]
            names = [segment["segment_id"].replace("-", "") for segment in segments]
            files = [directory / f"{name}.{part}" for name in names for part in _PARTS]
            return not all(map(_sound, [*files, *directory.glob("*.del")]))
        except (OSError, ValueError, KeyError, TypeError):
            return True

    @contextmanager
    def writing(self, generation: Generation) -> Iterator[Writer]:
        """A writer on this generation, for who has the lock."""
        with _translated():
            writer = Writer(self, generation)
        try:
            yield writer
        finally:
            writer.close()

    def announce(self, mark: str) -> None:
        """Let the state be valid also where the database has another mark."""
        state = self.state()
        if state is not None:
            self._write({**state, "next": mark})

    def save(self, generation: Generation, applied: int, mark: str | None) -> None:
        """Write the state: this generation is valid and contains everything up to a number."""
        state = {
            "format": FORMAT,
            "database": self._database,
            "generation": generation.name,
            "applied": applied,
            "mark": mark,
            "next": None,
            "layout": generation.layout.plain(),
        }
        self._write(state)
        with _translated():
            for other in self.path.iterdir():
                if other.name != generation.name and _is_generation(other):
                    shutil.rmtree(other, ignore_errors=True)

    def _write(self, state: Mapping[str, Any]) -> None:
        temporary = self.path / f"{_STATE}.{os.getpid()}"
        with _translated():
            temporary.write_bytes(orjson.dumps({**state, "checksum": _checksum(state)}))
            os.replace(temporary, self.path / _STATE)

    def forget(self) -> None:
        """Declare that no generation is valid."""
        with suppress(OSError):
            (self.path / _STATE).unlink()


def _checksum(state: Mapping[str, Any]) -> str:
    return blake2b(orjson.dumps(state, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


class Writer:
    """Changes on their way into the index; `commit` makes them visible to the next `reload`."""

    def __init__(self, directory: IndexDirectory, generation: Generation) -> None:
        self._directory = directory
        self._generation = generation
        # More threads make more segments, and one keeps up with us.
        self._writer: tantivy.IndexWriter | None = generation.index.writer(HEAP, 1)
        # What a new generation was given; looking for documents to replace costs more than not to.
        self._added: set[int] | None = None if generation.applied else set()
        # Tantivy stamps the first operation of a writer like the last commit before it. A merge of what that
        # commit left may then take it for done where it is not, and bring back what it deletes. So the first
        # one deletes nothing.
        self._writer.delete_documents_by_term("id", -1)

    def put(self, stored: Stored, entry: Entry) -> None:
        assert self._writer is not None
        made = document(stored, entry, self._generation.layout)
        identity = stored.id
        try:
            if self._added is None or identity in self._added:
                self._writer.delete_documents_by_term("id", identity)
            else:
                self._added.add(identity)
            self._writer.add_document(made)
        except BaseException as error:  # not by _translated, which costs more than adding a document
            raise _translate(error) from error

    def delete(self, identity: int) -> None:
        assert self._writer is not None
        with _translated():
            self._writer.delete_documents_by_term("id", identity)

    def commit(self, applied: int, mark: str | None) -> None:
        """Make the changes durable; they are everything up to a sequence number."""
        assert self._writer is not None
        with _translated():
            self._writer.commit()
        self._directory.save(self._generation, applied, mark)
        self._added = None

    def close(self) -> None:
        """Release the directory, after the merges under way."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(ValueError, OSError):
                writer.wait_merging_threads()
