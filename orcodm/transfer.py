"""A database as lines of text and back, and whether it is sound: over any engine.

The lines are the service's export form, one JSON object each: items with every version of their history,
oldest first, then events; relations last, since both of their ends have to be there. Reading them back
makes the same ref chains. Writing is conditional on what each line says was there before, so an import
that was interrupted is simply run again: what is there already is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import evolve, frozen

from .engine import Engine
from .errors import Aborted, BadRequest, Conflict, NotFound, OrcodmError
from .operations import (
    START,
    Batch,
    Delete,
    EventItem,
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
    RelationItem,
    Search,
    Version,
)
from .refs import tombstone_ref, value_ref
from .values import canonical, decode, encode
from .wire.bodies import Object, write_event, write_item, write_relation, write_version

CHUNK: Final = 500
"""How many lines are written at once."""


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
    """The lines of some collections, or of all. Keys that are deleted now are left out."""
    chosen = tuple(collections) or (None,)
    for query in ("@path.kind:(item event)", "@path.kind:relationship"):
        for collection in chosen:
            for found in everything(engine, query, collection):
                for entry in _entries(engine, found, history):
                    yield encode(entry) + b"\n"


def _entries(engine: Engine, found: Any, history: bool) -> Iterator[Object]:
    match found:
        case Item() if history:
            for version in _versions(engine, found.collection, found.key):
                yield write_version(version, True)
        case Item():
            yield write_item(evolve(found, score=None))
        case EventItem():
            yield write_event(evolve(found, score=None))
        case RelationItem():
            yield write_relation(evolve(found, score=None))


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


def load(engine: Engine, lines: Iterable[bytes]) -> Iterator[Loaded]:
    """Write the lines of an export; what is there already is left alone."""
    pending: list[tuple[int, Any, str | None]] = []
    for unit in _units(lines):
        try:
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


Unit = list[tuple[int, Any]]
"""The entries, with the numbers of their lines, that are one thing: all versions of a key, or one line."""


def _units(lines: Iterable[bytes]) -> Iterator[Unit]:
    unit: Unit = []
    place: Any = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = decode(line)
            path = entry["path"]
            following = (path["collection"], path["key"]) if path.get("kind", "item") == "item" else None
        except (ValueError, KeyError, TypeError, AttributeError):
            entry, following = None, None
        if unit and (following is None or following != place):
            yield unit
            unit = []
        unit.append((number, entry))
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
    refs = [entry["path"].get("ref") or None for _, entry in unit]
    if None not in refs or _kind(unit) != "item":
        return 0
    path = unit[0][1]["path"]
    try:
        there = [version.ref for version in _versions(engine, path["collection"], path["key"])]
    except NotFound:
        return 0
    return len(there) if there == refs[: len(there)] else 0


def _kind(unit: Unit) -> str:
    kind: str = unit[0][1]["path"].get("kind", "item")
    return kind


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
    for collection in chosen:
        found = {item.key: item.ref for item in everything(engine, "*", collection)}
        for item in _listed(engine, collection):
            yield item
            if engine.capabilities.ref_chain:
                yield from _broken_links(engine, item)
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


def _broken_links(engine: Engine, item: Item) -> Iterator[Flaw]:
    previous: str | None = None
    for version in _versions(engine, item.collection, item.key):
        expected = tombstone_ref(previous) if version.deleted else value_ref(previous, version.value)
        if not version.deleted and version.ref != expected:
            yield Flaw(item.collection, item.key, f"the version {version.ref} should have the ref {expected}")
        previous = expected if version.deleted else version.ref
