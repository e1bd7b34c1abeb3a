"""What is stored: documents of the index, as they are written and as results show them.

A document is a plain object. All of them say what they are (`kind`), where (`collection`, `key`, and what
else a place has), and which value under which ref. `born` stays as long as the thing exists and orders by
age, `stamp` orders all writes; both are 16 hex digits. `token` tells a writer whose answer was lost that a
document is its own; `trail` has the tokens of the writes before it, where no older versions have them.
"""

from __future__ import annotations

import os
import secrets
import time
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias

import orjson
from attrs import field, frozen

from ...identifiers import Identifiers
from ...lucene.entries import Entry, entry
from ...operations import EventItem, Item, RelationItem, Search, SearchResult, Version
from ...projection import project
from ...values import decode
from .names import EVENT, ITEM, RELATIONSHIP, TOMBSTONE, VERSION

Source: TypeAlias = dict[str, Any]

_MISSING: Final[Any] = object()


@frozen
class Draft:
    """A document that is to be written, or that was read (then its value is read on demand)."""

    source: Source
    _value: Any = _MISSING

    @property
    def value(self) -> Any:
        return decode(self.source["value"]) if self._value is _MISSING else self._value

    @property
    def ref(self) -> str:
        ref: str = self.source["ref"]
        return ref

    @property
    def kind(self) -> str:
        kind: str = self.source["kind"]
        return kind

    def entry(self) -> Entry:
        """What a search sees of it."""
        return found_entry(self.source, self.value)


@frozen
class Found:
    """A document as it was read: its place in the order of writes is what a conditional write names."""

    id: str
    seq_no: int
    primary_term: int
    source: Source = field(repr=False)


class Moment(NamedTuple):
    """When a write was asked for: milliseconds since the epoch, and its place in the order of writes."""

    now: int
    stamp: str

    def after(self, before: str | None) -> str:
        """The stamp, or the next one where another machine's clock was ahead."""
        if before is None or before < self.stamp:
            return self.stamp
        return f"{int(before, 16) + 1:016x}"


class Clock:
    """Where moments come from, each with a stamp of its own, and tokens that nobody else has."""

    def __init__(self) -> None:
        self._identifiers = Identifiers()
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._writer = secrets.token_hex(8)
        self._numbers = count()

    def _notice_fork(self) -> None:
        if self._process != os.getpid():  # the child of a fork must not draw what its parent draws
            self._begin()
            self._identifiers.renew()

    def moments(self, number: int) -> list[Moment]:
        """So many moments, in the order of their stamps."""
        self._notice_fork()
        now = int(time.time() * 1000)
        return [Moment(now, self._identifiers.next_key()) for _ in range(number)]

    def seconds(self) -> float:
        """Some clock that is never set back."""
        return time.monotonic()

    def token(self) -> str:
        self._notice_fork()
        return f"{self._writer}{next(self._numbers):x}"


STORED: Final = (
    *("kind", "collection", "key", "ref", "reftime", "born", "stamp", "number", "previous", "token", "value"),
    *(
        "type",
        "timestamp",
        "ordinal",
        "relation",
        "to_collection",
        "to_key",
        "source",
        "destination",
        "trail",
    ),
)
"""The members of a document that say something; all others follow from the value, for the index.

They are kept beside each other: to have OpenSearch store these only costs it more than all of the indexing.
"""


def stored(source: Source) -> Source:
    """A document without what is only for the index."""
    return {name: source[name] for name in STORED if name in source}


TRAIL: Final = 8


def sign(draft: Draft, token: str, base: Source | None) -> None:
    """Say whose a document is that is written on top of another one."""
    source = draft.source
    source["token"] = token
    if base is not None and not is_head(source):
        source["trail"] = [*base.get("trail", ()), base["token"]][-TRAIL:]


def archived(source: Source) -> Source:
    """A current version as an older one."""
    return stored(source) | {"kind": VERSION}


# -- as results ------------------------------------------------------------------------------------


def shown(source: Source, operation: Any) -> Any:
    """The value, or the parts of it that an operation asks for."""
    value = decode(source["value"])
    if operation.with_fields or operation.without_fields:
        return project(value, operation.with_fields, operation.without_fields)
    return value


def as_item(source: Source, operation: Any) -> Item:
    """The item of a document that a read asked for."""
    text: str | None = source.get("value")
    whole = not (operation.with_fields or operation.without_fields)
    return Item(
        collection=source["collection"],
        key=source["key"],
        ref=source["ref"],
        value=None if text is None else shown(source, operation),
        reftime=source["reftime"],
        text=text.encode() if whole and text is not None else None,
    )


def as_version(source: Source, operation: Any) -> Version:
    """One entry of a history, as lists show it."""
    place: Any = {"collection": source["collection"], "key": source["key"], "reftime": source["reftime"]}
    if "value" not in source:
        return Version(**place, ref=None, deleted=True)
    return Version(**place, ref=source["ref"], value=shown(source, operation) if operation.values else None)


def as_event(source: Source, operation: Any) -> EventItem:
    return EventItem(
        collection=source["collection"],
        key=source["key"],
        type=source["type"],
        timestamp=source["timestamp"],
        ordinal=source["ordinal"],
        ref=source["ref"],
        value=shown(source, operation),
        reftime=source["reftime"],
    )


def as_relation(source: Source, operation: Any) -> RelationItem:
    return RelationItem(
        collection=source["collection"],
        key=source["key"],
        kind=source["relation"],
        to_collection=source["to_collection"],
        to_key=source["to_key"],
        ref=source["ref"],
        value=shown(source, operation),
        reftime=source["reftime"],
    )


def as_result(source: Source, operation: Search, score: float | None, distance: float | None) -> SearchResult:
    """A hit of a search."""
    value = shown(source, operation) if operation.values else None
    place: Any = {"collection": source["collection"], "key": source["key"], "ref": source["ref"]}
    place |= {"value": value, "reftime": source["reftime"], "score": score, "distance": distance}
    match source["kind"]:
        case "event":
            moment = {name: source[name] for name in ("type", "timestamp", "ordinal")}
            return EventItem(**place, **moment)
        case "relationship":
            ends = {name: source[name] for name in ("to_collection", "to_key")}
            return RelationItem(**place, kind=source["relation"], **ends)
        case _:
            return Item(**place)


def as_record(source: Source) -> Version | EventItem | RelationItem:
    """A document as `Dump` tells it."""
    place: Any = {name: source[name] for name in ("collection", "key", "ref", "reftime")}
    if "value" not in source:
        return Version(**place, deleted=True)
    place["value"] = decode(source["value"])
    match source["kind"]:
        case "event":
            return EventItem(**place, **{name: source[name] for name in ("type", "timestamp", "ordinal")})
        case "relationship":
            ends = {name: source[name] for name in ("to_collection", "to_key")}
            return RelationItem(**place, kind=source["relation"], **ends)
        case _:
            return Version(**place)


def found_entry(source: Source, value: Any) -> Entry:
    """The flattened view of a document."""
    path = {name: source[name] for name in ("collection", "key", "ref", "reftime")}
    if source["kind"] == EVENT:
        path |= {name: source[name] for name in ("type", "timestamp", "ordinal")}
    elif source["kind"] == RELATIONSHIP:
        path |= {
            "relation": source["relation"],
            "source.collection": source["collection"],
            "source.key": source["key"],
            "destination.collection": source["to_collection"],
            "destination.key": source["to_key"],
        }
    return entry(source["kind"], path, value)


def is_live(source: Source | None) -> bool:
    """Whether a document is an item that has a value."""
    return source is not None and source["kind"] == ITEM


def is_searchable(source: Source) -> bool:
    return source["kind"] in (ITEM, EVENT, RELATIONSHIP)


def is_head(source: Source) -> bool:
    """Whether a document is the current version of a key, deleted or not."""
    return source["kind"] in (ITEM, TOMBSTONE)


def dump(source: Source) -> bytes:
    return orjson.dumps(source)
