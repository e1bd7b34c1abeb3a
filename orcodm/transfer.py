"""A database as lines of text and back, and whether it is sound: over any engine.

The lines are the service's export form, one JSON object each. From an engine that has records they are all of
them, deletions included, and an engine that has records stores them as they were: refs, times and ordinals.
Else lines are what searches find, with their history: items, then events, then relations, since both of their
ends have to be there; and reading is writing, conditional on what each line says was there before.

Either way an import that was interrupted is simply run again: what is there already is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import evolve, frozen

from .engine import Engine
from .errors import Aborted, BadRequest, Conflict, InvalidValue, NotFound, OrcodmError, ProtocolError
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
    PostEvent,
    Put,
    PutRelation,
    Record,
    Restore,
    Search,
    Version,
)
from .refs import tombstone_ref, value_ref
from .values import canonical, encode, read
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


def everything(engine: Engine, query: str, collection: str | None = None) -> Iterator[Any]:
    """All results of a search, by keyset paging where the engine has it."""
    capabilities = engine.capabilities
    cursor = START if capabilities.keyset else None
    limit = min(capabilities.max_limit, 1000)
    page: Operation[Page[Any]] | None = Search(query=query, collection=collection, limit=limit, cursor=cursor)
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


def pages(
    engine: Engine, collections: Iterable[str] = (), place: Place = BEGINNING
) -> Iterator[tuple[list[bytes], Place]]:
    """The lines of all records from a place on, some at a time, with the place behind them."""
    chosen = tuple(collections) or (None,)
    number, cursor = place
    limit = CHUNK
    while number < len(chosen):
        try:
            page = engine.execute(Dump(collection=chosen[number], limit=limit, cursor=cursor))
        except ProtocolError:
            if limit == 1:
                raise
            # An answer may be too large; one with fewer records is smaller.
            limit //= 2
            continue
        if isinstance(page.next, Dump):
            cursor = page.next.cursor
        else:
            number, cursor = number + 1, START
        yield [encode(write_record(record)) + b"\n" for record in page.results], (number, cursor)


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
    """What became of one line: written, there already, or the error."""

    line: int
    written: bool = True
    error: OrcodmError | None = None


Unit = list[tuple[int, Any]]
"""The entries, with the numbers of their lines, that are one thing: all versions of a key, or one line."""


@frozen
class Line:
    """A line that was read; the entry is None where it is none, and an error where it cannot be stored."""

    number: int
    entry: Any
    size: int

    @property
    def place(self) -> tuple[str, str] | None:
        """Whose history it is a part of, if it is a part of one."""
        try:
            path = self.entry["path"]
            return (path["collection"], path["key"]) if path.get("kind", "item") == "item" else None
        except (KeyError, TypeError, AttributeError):
            return None


def load(engine: Engine, lines: Iterable[bytes]) -> Iterator[Loaded]:
    """Write the lines of an export; what is there already is left alone."""
    if not engine.capabilities.records:
        yield from _write_units(engine, _units(_read(lines)))
        return
    chunk: list[Line] = []
    size = 0
    for line in _read(lines):
        # A history that other programs wrote stays together, as far as that goes.
        parts = not chunk or line.place is None or line.place != chunk[-1].place
        if (parts and len(chunk) >= CHUNK) or (chunk and size + line.size > MAX_CHUNK):
            yield from _restore(engine, chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += line.size
    if chunk:
        yield from _restore(engine, chunk)


def _read(lines: Iterable[bytes]) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = read(line)
        except InvalidValue as error:
            entry = error
        except ValueError:
            entry = None
        if isinstance(entry, dict) and "path" not in entry and "relation" in entry:
            # The service's bulk import has relations without a path around their ends.
            path = {name: entry.get(name) for name in ("source", "destination", "relation")}
            entry = {"path": path | {"kind": "relationship"}, "value": entry.get("value") or {}}
        yield Line(number, entry, len(line))


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
            yield Loaded(line.number, False, outcome)
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
    [(_, operation, _)] = _writes([(0, write_record(record))])
    return not isinstance(operation, Delete) and _is_there(engine, operation, None)


# -- as writes -------------------------------------------------------------------------------------


def _write_units(engine: Engine, units: Iterable[Unit]) -> Iterator[Loaded]:
    pending: list[tuple[int, Any, str | None]] = []
    for unit in units:
        try:
            if isinstance(unit[0][1], InvalidValue):
                raise unit[0][1]
            done = _done(engine, unit)
            writes = [*_writes(unit)]
        except (OrcodmError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield from _wrong(unit, error)
            continue
        yield from (Loaded(number, False) for number, _ in unit[:done])
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
        unit.append((line.number, line.entry))
        place = following
    if unit:
        yield unit


def _wrong(unit: Unit, error: Exception) -> Iterator[Loaded]:
    for number, _ in unit:
        yield Loaded(number, False, BadRequest(f"line {number} is no line of an export: {error}"))


def _done(engine: Engine, unit: Unit) -> int:
    """How many of a key's versions are there already, where conditions alone cannot tell.

    A key that is deleted looks like one that never was: an import that stopped behind a tombstone would
    begin the history once more, on top of it.
    """
    if not any(entry["path"].get("tombstone") for _, entry in unit):
        return 0
    refs = [None if entry["path"].get("tombstone") else entry["path"].get("ref") for _, entry in unit]
    path = unit[0][1]["path"]
    try:
        there = [version.ref for version in _versions(engine, path["collection"], path["key"])]
    except NotFound:
        return 0
    return len(there) if there == refs[: len(there)] else 0


def _writes(unit: Unit) -> Iterator[tuple[int, Any, str | None]]:
    """The writes that lines ask for, each with the ref it should make (None where that is not told)."""
    previous: str | None = None
    for number, entry in unit:
        path = entry["path"]
        match path.get("kind", "item"):
            case "event":
                names = ("collection", "key", "type", "timestamp", "ordinal")
                yield number, PostEvent(value=entry["value"], **{name: path[name] for name in names}), None
            case "relationship":
                ends = {f"to_{name}": path["destination"][name] for name in ("collection", "key")}
                ends |= {name: path["source"][name] for name in ("collection", "key")}
                given = {"kind": path["relation"], "value": entry["value"], "condition": IfAbsent()}
                yield number, PutRelation(**ends, **given), None
            case _:
                place = {"collection": path["collection"], "key": path["key"]}
                condition = IfAbsent() if previous is None else IfMatch(previous)
                previous = path.get("ref") or None
                if path.get("tombstone") is True:
                    yield number, Delete(**place, condition=condition), None
                else:
                    yield number, Put(**place, value=entry["value"], condition=condition), previous


def _write(engine: Engine, pending: list[tuple[int, Any, str | None]]) -> Iterator[Loaded]:
    outcomes = engine.execute(Batch([operation for _, operation, _ in pending])).outcomes
    if any(isinstance(outcome, Aborted) for outcome in outcomes):
        # Something was there already: each line for itself, now.
        outcomes = tuple(_outcome(engine, operation) for _, operation, _ in pending)
    for (number, operation, ref), outcome in zip(pending, outcomes, strict=True):
        if not isinstance(outcome, OrcodmError):
            yield Loaded(number)
        elif isinstance(outcome, Conflict) and _is_there(engine, operation, ref):
            yield Loaded(number, False)
        else:
            yield Loaded(number, False, outcome)


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


# -- is it sound? ----------------------------------------------------------------------------------


@frozen
class Flaw:
    """Something that is not as it should be."""

    collection: str
    key: str
    reason: str


def verify(engine: Engine, collections: Iterable[str] = ()) -> Iterator[Flaw | Item]:
    """Every item as it is checked, and every flaw: broken ref chains, items that search does not find."""
    chosen = tuple(collections) or tuple(sorted({item.collection for item in everything(engine, "*")}))
    if engine.capabilities.records:
        for collection, key in _deleted(engine, collections):
            yield from _broken_links(engine, collection, key)
    for collection in chosen:
        found = {item.key: item.ref for item in everything(engine, "*", collection)}
        for item in _listed(engine, collection):
            yield item
            if engine.capabilities.ref_chain:
                yield from _broken_links(engine, item.collection, item.key)
            if found.pop(item.key, None) != item.ref:
                yield Flaw(collection, item.key, "search does not find its current version")
        for key in found:
            yield Flaw(collection, key, "search finds it, and it is not there")


def _listed(engine: Engine, collection: str) -> Iterator[Item]:
    limit = min(engine.capabilities.max_limit, 1000)
    page: Operation[Page[Item]] | None = List(collection=collection, limit=limit)
    while page is not None:
        listed = engine.execute(page)
        yield from listed.results
        page = listed.next


def _deleted(engine: Engine, collections: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The keys that are deleted now, which nothing but the records tells."""
    for collection in tuple(collections) or (None,):
        deleted: dict[tuple[str, str], None] = {}
        page: Operation[Page[Record]] | None = Dump(collection=collection, limit=CHUNK)
        while page is not None:
            dumped = engine.execute(page)
            for record in dumped.results:
                if isinstance(record, Version) and record.deleted:
                    deleted[record.collection, record.key] = None
                elif isinstance(record, Version):
                    deleted.pop((record.collection, record.key), None)
            page = dumped.next
        yield from deleted


def _broken_links(engine: Engine, collection: str, key: str) -> Iterator[Flaw]:
    previous: str | None = None
    for version in _versions(engine, collection, key):
        expected = tombstone_ref(previous) if version.deleted else value_ref(previous, version.value)
        if not version.deleted and version.ref != expected:
            yield Flaw(collection, key, f"the version {version.ref} should have the ref {expected}")
        previous = expected if version.deleted else version.ref
