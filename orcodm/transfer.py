"""A database as lines of text and back, and whether it is sound: over any engine.

The lines are the service's export form, one JSON object each. From an engine that has records they are all of
them, deletions included, and an engine that has records stores them as they were: refs, times and ordinals.
Else lines are what searches find, with their history: items, then events, then relations, since both of their
ends have to be there; and reading is writing, conditional on what each line says was there before.

Either way an import that was interrupted is simply run again: what is there already is left alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from attrs import evolve, frozen

from .engine import Engine
from .errors import (
    Aborted,
    BadRequest,
    Conflict,
    CorruptDatabase,
    InvalidFile,
    InvalidValue,
    NotFound,
    OrcodmError,
    ProtocolError,
    UsageError,
)
from .lines import Source, lines, name_of
from .operations import (
    START,
    Batch,
    Delete,
    Dump,
    Get,
    GetEvent,
    GetRelation,
    IfAbsent,
    IfMatch,
    Item,
    List,
    ListRefs,
    Operation,
    Page,
    Post,
    PostEvent,
    Put,
    PutRelation,
    Record,
    Restore,
    Search,
    Version,
)
from .refs import tombstone_ref, value_ref
from .values import canonical, decode, encode, read
from .wire.bodies import (
    Object,
    read_record,
    write_record,
    write_result,
    write_version,
)

CHUNK: Final = 500
"""How many lines are read or written at once."""

MAX_CHUNK: Final = 8 * 2**20
"""How many bytes are written at once: a server takes no body of any size."""

Place = tuple[int, str]
"""How far an export of records is: which of the collections, and the cursor in it."""

BEGINNING: Final[Place] = (0, START)


def everything(
    engine: Engine, query: str, collection: str | None = None, *, values: bool = True
) -> Iterator[Any]:
    """All results of a search, by keyset paging where the engine has it."""
    capabilities = engine.capabilities
    cursor = START if capabilities.keyset else None
    limit = min(capabilities.max_limit, 1000)
    page: Operation[Page[Any]] | None = Search(
        query=query, collection=collection, limit=limit, cursor=cursor, values=values
    )
    while page is not None:
        found = engine.execute(page)
        yield from found.results
        page = found.next


def count(engine: Engine, collections: Iterable[str] = ()) -> int:
    """How many items, events and relations there are."""
    query = "@path.kind:(item event relationship)"
    return sum(
        engine.execute(Search(query=query, collection=collection, limit=0)).total or 0
        for collection in (tuple(collections) or (None,))
    )


# -- out -------------------------------------------------------------------------------------------


def export(engine: Engine, collections: Iterable[str] = (), *, history: bool = True) -> Iterator[bytes]:
    """The lines of some collections, or of all.

    Without `history` they are the current values only, and do not say what their refs were: whoever reads
    them begins their history. From an engine without records there is nothing of keys that are deleted.
    """
    if history and engine.capabilities.records:
        for lines, _ in pages(engine, collections):
            yield from lines
        return
    chosen = tuple(collections) or (None,)
    for query in ("@path.kind:(item event)", "@path.kind:relationship"):
        for collection in chosen:
            for found in everything(engine, query, collection):
                for entry in _entries(engine, found, history):
                    yield encode(entry) + b"\n"


class Incomplete(CorruptDatabase):
    """All that can be read was given; what is damaged was left out."""


def pages(
    engine: Engine, collections: Iterable[str] = (), place: Place = BEGINNING
) -> Iterator[tuple[list[bytes], Place]]:
    """The lines of all records from a place on, some at a time, with the place behind them.

    What is damaged is left out. Raises `Incomplete`, which names that, after all the others.
    """
    chosen = tuple(collections) or (None,)
    number, cursor = place
    limit = CHUNK
    damaged: list[str] = []
    while number < len(chosen):
        try:
            page = engine.execute(Dump(collection=chosen[number], limit=limit, cursor=cursor))
        except ProtocolError:
            if limit == 1:
                raise
            # An answer may be too large; one with fewer records is smaller.
            limit //= 2
            continue
        except CorruptDatabase as error:
            if error.beyond is None:
                raise
            damaged.append(_shown_path(error))
            cursor = error.beyond
            continue
        if isinstance(page.next, Dump):
            cursor = page.next.cursor
        else:
            number, cursor = number + 1, START
        yield [encode(write_record(record)) + b"\n" for record in page.results], (number, cursor)
    if damaged:
        raise Incomplete(
            f"{len(damaged)} record{'s are' if len(damaged) > 1 else ' is'} damaged and left out: "
            f"{', '.join(damaged[:10])}{', ...' if len(damaged) > 10 else ''}"
        )


def _shown_path(error: CorruptDatabase) -> str:
    path = error.path or {}
    return f"{path.get('collection')}/{path.get('key')}"


def _entries(engine: Engine, found: Any, history: bool) -> Iterator[Object]:
    if isinstance(found, Item) and history:
        for version in _versions(engine, found.collection, found.key):
            yield write_version(version, True)
        return
    entry = write_result(evolve(found, score=None))
    if not history:
        for part in (entry, entry["path"]):
            part.pop("reftime", None)
        del entry["path"]["ref"]
    yield entry


def _versions(engine: Engine, collection: str, key: str) -> list[Version]:
    """The history of an item, oldest first. Raises `NotFound`."""
    versions: list[Version] = []
    limit = min(engine.capabilities.max_limit, 1000)
    page: Operation[Page[Version]] | None = ListRefs(collection=collection, key=key, values=True, limit=limit)
    while page is not None:
        found = engine.execute(page)
        versions += found.results
        page = found.next
    return versions[::-1]


# -- in --------------------------------------------------------------------------------------------


@frozen
class Loaded:
    """What became of one line: written, there already, or the error, with the text of the line."""

    line: int
    written: bool = True
    error: OrcodmError | None = None
    text: bytes = b""


@frozen
class Line:
    """A line that was read; the entry is an error where it is no line of an export, or cannot be stored."""

    number: int
    entry: Any
    text: bytes

    @property
    def place(self) -> tuple[str, str] | None:
        """Whose history it is a part of, if it is a part of one."""
        if isinstance(self.entry, OrcodmError):
            return None
        path = self.entry["path"]
        return (path["collection"], path["key"]) if path.get("kind", "item") == "item" else None

    def failed(self, error: OrcodmError) -> Loaded:
        return Loaded(self.number, False, error, self.text)


Unit = list[Line]
"""The lines that are one thing: all versions of a key, or one line."""


def load(engine: Engine, source: Source) -> Iterator[Loaded]:
    """Write the lines of an export, and tell what became of each; what is there already is left alone.

    The source is a path, an open file or pipe, or the lines. gzip, bzip2, xz and zstd are unpacked; byte
    order marks and blank lines are skipped. A line that cannot be stored is given with its error. So is the
    end of a file that is cut off or damaged, behind all that could be read. Raises `InvalidFile`, before
    anything is written, for a file that cannot be opened or that is no export.
    """
    return store(engine, entries(source))


def store(engine: Engine, lines: Iterable[Line]) -> Iterator[Loaded]:
    """Write the lines that `entries` gives."""
    if not engine.capabilities.records:
        yield from _write_units(engine, _units(lines))
        return
    chunk: list[Line] = []
    size = 0
    for line in lines:
        # A history that other programs wrote stays together, as far as that goes.
        parts = not chunk or line.place is None or line.place != chunk[-1].place
        if (parts and len(chunk) >= CHUNK) or (chunk and size + len(line.text) > MAX_CHUNK):
            yield from _restore(engine, chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.text)
    if chunk:
        yield from _restore(engine, chunk)


def entries(source: Source) -> Iterator[Line]:
    """The lines of an export, read.

    Raises `InvalidFile` at once for a file that cannot be opened, or in whose first `CHUNK` lines there is
    nothing of an export: what is wrong with it is said once, and not for each of its lines.
    """
    reading = _read(lines(source))
    head: list[Line] = []
    size = 0
    for line in reading:
        head.append(line)
        size += len(line.text)
        if not isinstance(line.entry, InvalidFile):
            return chain(head, reading)
        if len(head) >= CHUNK or size > MAX_CHUNK:
            break
    reading.close()
    if head:
        raise InvalidFile(_no_export(name_of(source), head[0]))
    return iter(())


def _no_export(name: str, first: Line) -> str:
    text = first.text.strip()
    if not text:
        return str(first.entry)  # it could not be read at all
    if text.startswith(b"["):
        return (
            f"{name} is a JSON array and no export of orcodm, which has one JSON object a line: "
            f"take them out of the array first (jq -c '.[]')"
        )
    said = f"{name} is no export of orcodm: {first.entry}"
    if isinstance(_value(text), dict):
        return (
            f"{said}. `orcodm insert` stores plain objects, from Python session.bulk() does; or write each "
            'as {"path": {"collection": "users", "key": "ada"}, "value": {...}}'
        )
    return f"{said}. An export has one JSON object a line"


def _value(text: bytes) -> Any:
    """The value of a line, or None where it is no JSON."""
    try:
        return decode(text)
    except ValueError:
        return None


def _read(texts: Iterator[bytes]) -> Generator[Line, None, None]:
    number = 0
    try:
        for number, text in enumerate(texts, 1):
            if not text.isspace() and text:
                yield Line(number, _entry(text, number), text)
    except InvalidFile as error:
        # What was read before is stored, and then this is told.
        yield Line(number + 1, error, b"")


def _entry(text: bytes, number: int) -> Any:
    """The entry of a line, with a path that can be read, or what is wrong with it."""
    try:
        entry = read(text)
    except InvalidValue as error:
        return error
    except ValueError as error:
        if number > 1 and not text.endswith(b"\n") and text.lstrip().startswith(b"{"):
            return InvalidFile(f"line {number} is cut off, import the whole file again: {_shown(text)}")
        return InvalidFile(f"line {number} is no JSON: {_shown(text)} ({error})")
    if isinstance(entry, dict) and "path" not in entry and "relation" in entry:
        # The service's bulk import has relations without a path around their ends.
        path = {name: entry.get(name) for name in ("source", "destination", "relation")}
        entry = {"path": path | {"kind": "relationship"}, "value": entry.get("value") or {}}
    reason = _flaw(entry)
    return entry if reason is None else InvalidFile(f"line {number} {reason}")


def _shown(text: bytes) -> str:
    shown = text.strip().decode(errors="backslashreplace")
    return repr(shown if len(shown) <= 60 else f"{shown[:60]}...")


def _flaw(entry: Any) -> str | None:
    """What keeps an entry from being a line of an export, or None."""
    if not isinstance(entry, dict):
        return f"is {_KINDS.get(type(entry), 'a number')}, and no object"
    path = entry.get("path")
    if not isinstance(path, dict):
        return 'has no "path"' if path is None else f'has a "path" that is no object: {path!r:.60}'
    kind = path.get("kind", "item")
    if kind not in ("item", "event", "relationship"):
        return f'has a path of the kind {kind!r:.60}, and not "item", "event" or "relationship"'
    parts: list[tuple[str, Any, tuple[str, ...]]] = [("path", path, _MEMBERS[kind])]
    if kind == "relationship":
        parts += [(end, path.get(end), ("collection", "key")) for end in ("source", "destination")]
    for name, part, members in parts:
        if not isinstance(part, dict):
            return f'has a "{name}" that is no object: {part!r:.60}'
        for member in members:
            if member not in part:
                return f'has a "{name}" without "{member}"'
            if not isinstance(part[member], _TYPES.get(member, str)):
                return f'has a "{name}" whose "{member}" cannot be {part[member]!r:.60}'
    if "value" not in entry and path.get("tombstone") is not True:
        return 'has no "value"'
    return None


_KINDS: Final = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
_MEMBERS: Final = {
    "item": ("collection", "key"),
    "event": ("collection", "key", "type", "timestamp", "ordinal"),
    "relationship": ("source", "destination", "relation"),
}
_TYPES: Final[dict[str, Any]] = {
    "timestamp": int, "ordinal": int, "source": object, "destination": object,
}  # fmt: skip


# -- as records ------------------------------------------------------------------------------------


def _restore(engine: Engine, chunk: list[Line]) -> Iterator[Loaded]:
    """Store the lines that are records as such, and write the others."""
    records = _records(chunk)
    outcomes = _restored(engine, records)
    for run in _refused(chunk, outcomes):
        # Perhaps another program gave the refs: then the history begins here, and has our own from the start.
        again = _restored(engine, _chained([records[at] for at in run]))
        for at, outcome in zip(run, again, strict=True):
            if not isinstance(outcome, OrcodmError):
                outcomes[at] = outcome
    others: list[Line] = []
    for line, record, outcome in zip(chunk, records, outcomes, strict=True):
        if record is None:
            others.append(line)
        elif not isinstance(outcome, OrcodmError):
            yield Loaded(line.number, outcome)
        elif _is_current(engine, record):
            yield Loaded(line.number, False)
        else:
            yield line.failed(outcome)
    yield from _write_units(engine, _units(others))


def _restored(engine: Engine, records: list[Any]) -> list[Any]:
    """The outcome of each record, None where there is no record."""
    outcomes = iter(engine.execute(Restore([record for record in records if record is not None])).outcomes)
    return [None if record is None else next(outcomes) for record in records]


def _records(chunk: list[Line]) -> list[Record | None]:
    """The records of lines; None where one does not say all of it, as those of other programs may not."""
    records: list[Record | None] = []
    before: Line | None = None
    for line in chunk:
        try:
            record = read_record(line.entry)
            previous = records[-1] if before is not None and before.place == line.place else None
            if isinstance(record, Version) and record.deleted and not record.ref:
                # Lists of a history do not tell it.
                record = evolve(record, ref=tombstone_ref(None if previous is None else previous.ref))
            Restore([record])
            records.append(record)
        except (OrcodmError, KeyError, TypeError, ValueError, AttributeError):
            records.append(None)
        before = line
    return records


def _refused(chunk: list[Line], outcomes: list[Any]) -> Iterator[list[int]]:
    """The versions of each key in a row, by their indexes, that continue nothing which is there."""
    run: list[int] = []
    for at, (line, outcome) in enumerate(zip(chunk, outcomes, strict=True)):
        if run and (line.place is None or line.place != chunk[run[-1]].place or at != run[-1] + 1):
            yield run
            run = []
        if line.place is not None and isinstance(outcome, Conflict):
            run.append(at)
    if run:
        yield run


def _chained(versions: list[Any]) -> list[Any]:
    """The same history with refs of ours."""
    chained: list[Any] = []
    previous: str | None = None
    for version in versions:
        previous = tombstone_ref(previous) if version.deleted else value_ref(previous, version.value)
        chained.append(evolve(version, ref=previous))
    return chained


def _is_current(engine: Engine, record: Record) -> bool:
    """Whether what is there has the same value, under another ref."""
    [(_, operation, _)] = _writes([Line(0, write_record(record), b"")])
    return not isinstance(operation, Delete) and _is_there(engine, operation, None)


# -- as writes -------------------------------------------------------------------------------------


def _write_units(engine: Engine, units: Iterable[Unit]) -> Iterator[Loaded]:
    pending: list[Write] = []
    for unit in units:
        try:
            if isinstance(unit[0].entry, OrcodmError):
                raise unit[0].entry
            done = _done(engine, unit)
            writes = [*_writes(unit)]
        except (UsageError, BadRequest) as error:
            yield from (line.failed(error) for line in unit)
            continue
        yield from (Loaded(line.number, False) for line in unit[:done])
        pending += writes[done:]
        if len(pending) >= CHUNK:
            yield from _write(engine, pending)
            pending = []
    if pending:
        yield from _write(engine, pending)


def _units(lines: Iterable[Line]) -> Iterator[Unit]:
    unit: Unit = []
    place: Any = None
    for line in lines:
        following = line.place
        if unit and (following is None or following != place):
            yield unit
            unit = []
        unit.append(line)
        place = following
    if unit:
        yield unit


def _done(engine: Engine, unit: Unit) -> int:
    """How many of a key's versions are there already, where conditions alone cannot tell.

    A key that is deleted looks like one that never was: an import that stopped behind a tombstone would
    begin the history once more, on top of it.
    """
    paths = [line.entry["path"] for line in unit]
    if not any(path.get("tombstone") for path in paths):
        return 0
    refs = [None if path.get("tombstone") else path.get("ref") for path in paths]
    try:
        there = [version.ref for version in _versions(engine, paths[0]["collection"], paths[0]["key"])]
    except NotFound:
        return 0
    return len(there) if there == refs[: len(there)] else 0


Write = tuple[Line, Any, str | None]
"""A line, the operation it asks for, and the ref that should make (None where that is not told)."""


def _writes(unit: Unit) -> Iterator[Write]:
    """The writes that lines ask for. Raises `UsageError` and `BadRequest` for names that cannot be."""
    previous: str | None = None
    for line in unit:
        entry = line.entry
        path = entry["path"]
        match path.get("kind", "item"):
            case "event":
                given = {name: path[name] for name in ("collection", "key", "type", "timestamp", "ordinal")}
                yield line, PostEvent(value=entry["value"], **given), None
            case "relationship":
                ends = {f"to_{name}": path["destination"][name] for name in ("collection", "key")}
                ends |= {name: path["source"][name] for name in ("collection", "key")}
                given = {"kind": path["relation"], "value": entry["value"], "condition": IfAbsent()}
                yield line, PutRelation(**ends, **given), None
            case _:
                place = {"collection": path["collection"], "key": path["key"]}
                condition = IfAbsent() if previous is None else IfMatch(previous)
                previous = path.get("ref") or None
                if path.get("tombstone") is True:
                    yield line, Delete(**place, condition=condition), None
                else:
                    yield line, Put(**place, value=entry["value"], condition=condition), previous


def _write(engine: Engine, pending: list[Write]) -> Iterator[Loaded]:
    outcomes = engine.execute(Batch([operation for _, operation, _ in pending])).outcomes
    if any(isinstance(outcome, Aborted) for outcome in outcomes):
        # Something was there already: each line for itself, now.
        outcomes = tuple(_outcome(engine, operation) for _, operation, _ in pending)
    for (line, operation, ref), outcome in zip(pending, outcomes, strict=True):
        if not isinstance(outcome, OrcodmError):
            yield Loaded(line.number)
        elif isinstance(outcome, Conflict) and _is_there(engine, operation, ref):
            yield Loaded(line.number, False)
        else:
            yield line.failed(outcome)


def _outcome(engine: Engine, operation: Any) -> Any:
    try:
        return engine.execute(operation)
    except OrcodmError as error:
        return error


def _is_there(engine: Engine, operation: Any, ref: str | None) -> bool:
    """Whether what a line wants to write was written before."""
    try:
        match operation:
            case Put(collection=collection, key=key, value=value):
                if ref is not None and engine.capabilities.ref_chain:
                    try:
                        engine.execute(Get(collection=collection, key=key, ref=ref))
                    except NotFound:
                        pass
                    else:
                        return True
                found: Any = engine.execute(Get(collection=collection, key=key))
            case PostEvent(value=value):
                names = ("collection", "key", "type", "timestamp", "ordinal")
                place: Any = {name: getattr(operation, name) for name in names}
                found = engine.execute(GetEvent(**place))
            case PutRelation(value=value):
                names = ("collection", "key", "kind", "to_collection", "to_key")
                place = {name: getattr(operation, name) for name in names}
                found = engine.execute(GetRelation(**place))
            case _:
                return True  # a deletion in the past of what is there now
    except NotFound:
        return False
    return canonical(found.value) == canonical(value)


# -- plain objects ---------------------------------------------------------------------------------


def insert(
    engine: Engine, collection: str, source: Source, *, key: str | None = None, upsert: bool = False
) -> Iterator[Loaded]:
    """Store the JSON objects of a source, one a line, as items, and tell what became of each line.

    The source is read as by `load`. `key` names the member that has each item's key, a text or an integer;
    without it the engine generates keys, and a second run stores everything once more. A key that is taken
    is left alone: where the value is the same the line was written before, else it has an error; with
    `upsert` the value is replaced. Raises `InvalidFile` at once for a source that cannot be opened.
    """
    return _insert(engine, _values(lines(source), collection, key, upsert))


def _insert(engine: Engine, read_lines: Iterable[Line]) -> Iterator[Loaded]:
    chunk: list[Line] = []
    size = 0
    for line in read_lines:
        if isinstance(line.entry, OrcodmError):
            yield line.failed(line.entry)
            continue
        if chunk and (len(chunk) >= CHUNK or size + len(line.text) > MAX_CHUNK):
            yield from _write_all(engine, chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.text)
    if chunk:
        yield from _write_all(engine, chunk)


def _values(texts: Iterator[bytes], collection: str, key: str | None, upsert: bool) -> Iterator[Line]:
    """The lines, each with the write that it asks for, or with what is wrong with it."""
    number = 0
    try:
        for number, text in enumerate(texts, 1):
            if text and not text.isspace():
                try:
                    write = _insertion(text, number, collection, key, upsert)
                except (UsageError, BadRequest) as error:
                    yield Line(number, error, text)
                else:
                    yield Line(number, write, text)
    except InvalidFile as error:
        yield Line(number + 1, error, b"")


def _insertion(text: bytes, number: int, collection: str, key: str | None, upsert: bool) -> Put | Post:
    try:
        value = read(text)
    except InvalidValue:
        raise
    except ValueError as error:
        raise InvalidFile(f"line {number} is no JSON: {_shown(text)} ({error})") from error
    if not isinstance(value, dict):
        remedy = "; take objects out of an array first (jq -c '.[]')" if isinstance(value, list) else ""
        raise InvalidFile(f"line {number} is no JSON object: {_shown(text)}{remedy}")
    if key is None:
        return Post(collection=collection, value=value)
    if key not in value:
        raise InvalidFile(f"line {number} has no member {key!r} for its key: {_shown(text)}")
    found = value[key]
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise InvalidFile(f"line {number} has a key that is no text and no integer: {key} is {found!r}")
    condition = None if upsert else IfAbsent()
    return Put(collection=collection, key=str(found), value=value, condition=condition)


def _write_all(engine: Engine, chunk: list[Line]) -> Iterator[Loaded]:
    """Write lines in few transactions: those that fail are left out of the next one."""
    outcomes: dict[int, Any] = {}
    left = chunk
    while left:
        made = engine.execute(Batch([line.entry for line in left])).outcomes
        told = [(line, one) for line, one in zip(left, made, strict=True) if not isinstance(one, Aborted)]
        outcomes |= {line.number: outcome for line, outcome in told}
        if not told:
            outcomes |= {line.number: _outcome(engine, line.entry) for line in left}
        left = [line for line in left if line.number not in outcomes]
    for line in chunk:
        outcome = outcomes[line.number]
        if not isinstance(outcome, OrcodmError):
            yield Loaded(line.number)
        elif isinstance(outcome, Conflict) and _is_there(engine, line.entry, None):
            yield Loaded(line.number, False)
        else:
            yield line.failed(outcome)


# -- is it sound? ----------------------------------------------------------------------------------


@frozen
class Flaw:
    """Something that is not as it should be."""

    collection: str
    key: str
    reason: str


def verify(engine: Engine, collections: Iterable[str] = ()) -> Iterator[Flaw | Item]:
    """Every item as it is checked, and every flaw: broken ref chains, items that search does not find."""
    named = {item.collection for item in everything(engine, "*", values=False)}
    chosen = tuple(collections) or tuple(sorted(named))
    if engine.capabilities.records:
        for collection, key in _deleted(engine, collections):
            yield from _broken_links(engine, collection, key)
    for collection in chosen:
        found = {item.key: item.ref for item in everything(engine, "*", collection, values=False)}
        for item in _listed(engine, collection):
            yield item
            if isinstance(item, Flaw):
                found.pop(item.key, None)
                continue
            if engine.capabilities.ref_chain:
                yield from _broken_links(engine, item.collection, item.key)
            if found.pop(item.key, None) != item.ref:
                yield Flaw(collection, item.key, "search does not find its current version")
        for key in found:
            yield Flaw(collection, key, "search finds it, and it is not there")


def _listed(engine: Engine, collection: str) -> Iterator[Item | Flaw]:
    limit = min(engine.capabilities.max_limit, 1000)
    first = List(collection=collection, limit=limit)
    page: Operation[Page[Item]] | None = first
    while page is not None:
        try:
            listed = engine.execute(page)
        except CorruptDatabase as error:
            if error.beyond is None:
                raise
            yield Flaw(collection, error.beyond, str(error))
            page = evolve(first, after=error.beyond)
            continue
        yield from listed.results
        page = listed.next


def _deleted(engine: Engine, collections: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The keys that are deleted now, which nothing but the records tells."""
    for collection in tuple(collections) or (None,):
        deleted: dict[tuple[str, str], None] = {}
        page: Operation[Page[Record]] | None = Dump(collection=collection, limit=CHUNK)
        while page is not None:
            try:
                dumped = engine.execute(page)
            except CorruptDatabase as error:
                if error.beyond is None:
                    raise
                page = Dump(collection=collection, limit=CHUNK, cursor=error.beyond)
                continue
            for record in dumped.results:
                if isinstance(record, Version) and record.deleted:
                    deleted[record.collection, record.key] = None
                elif isinstance(record, Version):
                    deleted.pop((record.collection, record.key), None)
            page = dumped.next
        yield from deleted


def _broken_links(engine: Engine, collection: str, key: str) -> Iterator[Flaw]:
    previous: str | None = None
    try:
        versions = _versions(engine, collection, key)
    except CorruptDatabase as error:
        yield Flaw(collection, key, str(error))
        return
    for version in versions:
        expected = tombstone_ref(previous) if version.deleted else value_ref(previous, version.value)
        if not version.deleted and version.ref != expected:
            yield Flaw(collection, key, f"the version {version.ref} should have the ref {expected}")
        previous = expected if version.deleted else version.ref
