"""Names: ids of documents, and what the index calls the fields of values.

An `_id` may have 512 bytes and a key 1,024, so ids are hashes of the names. A field of the index is a kind
and a path, `string:address/city`: flat, since a name with dots would make objects of what may be text
elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import orjson

from ...names import joined, steps

ITEM: Final = "item"
EVENT: Final = "event"
RELATIONSHIP: Final = "relationship"
KINDS: Final = (ITEM, EVENT, RELATIONSHIP)
"""What searches find."""

TOMBSTONE: Final = "tombstone"
"""The current version of a key that was deleted."""
VERSION: Final = "version"
"""A version that another one was written on top of."""
PURGING: Final = "purging"
"""What is left of a key while its history is being erased: nothing, to whoever asks."""

_LONGEST: Final = 200
"""Characters of a path; longer ones are hashed."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-@$+=& ")


def item_id(collection: str, key: str) -> str:
    """The id of an item's current version, which also says on which shard all of its history is."""
    return _hash(ITEM, collection, key)


def version_id(item: str, born: str, number: int) -> str:
    """The id of an older version. `born` tells histories apart that began anew after a purge."""
    return f"{item}:{born}:{number}"


def event_id(collection: str, key: str, type_: str, timestamp: int, ordinal: int) -> str:
    return _hash(EVENT, collection, key, type_, timestamp, ordinal)


def relation_id(collection: str, key: str, kind: str, to_collection: str, to_key: str) -> str:
    return _hash(RELATIONSHIP, collection, key, kind, to_collection, to_key)


_EMPTY: Final = blake2b(digest_size=16)  # to copy it takes half of what making one does


def _hash(*parts: str | int) -> str:
    digest = _EMPTY.copy()
    digest.update(orjson.dumps(parts))
    return digest.hexdigest()


@lru_cache(maxsize=20_000)
def path(field: str) -> str:
    """What the index calls a field of values (by its full name): `value.address.city` is `address/city`.

    The root is the empty path. Characters that mean something to mappings or queries are written `~` and
    their code in hex; a path that is very long is a hash.
    """
    name = field.removeprefix("value")
    if not name:
        return ""
    written = "/".join("".join(map(_written, member)) for member in steps(name[1:]))
    # A path must differ from the root's also where the name of the member is empty.
    return (
        "~" + blake2b(name.encode(), digest_size=16).hexdigest() if len(written) > _LONGEST else f"/{written}"
    )


def _written(character: str) -> str:
    if character in _PLAIN or (character.isalnum() and not character.isascii()):
        return character
    return f"~{ord(character):x};"


def field_of(name: str) -> str:
    """The field of values that a field of the index is of, as far as its name still says it."""
    written = name.partition(":")[2]
    return joined(
        _CODE.sub(lambda code: chr(int(code[1], 16)), step) for step in f"value{written}".split("/")
    )


_CODE: Final = re.compile("~([0-9a-f]+);")
