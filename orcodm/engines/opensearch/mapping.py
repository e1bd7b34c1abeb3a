"""The mapping of the index, and what is known of it.

Nothing is mapped by accident: `dynamic` is off, and who writes a field that the index does not have adds it
first. A field's definition follows from its name, so any number of writers may add the same. At the limit
of fields a value is stored without its new ones, and the writer is told: `IndexingConflict`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ...errors import BadRequest, StorageError
from .address import Address
from .exchange import Steps, error_type, repeat
from .fields import (
    BOOLEAN,
    DATE,
    DECIMAL,
    INSTANT,
    INTEGER,
    LONG,
    LONGEST,
    NUMBER,
    OTHER,
    POINT,
    STRING,
    WORDS,
)

GAP: Final = 1_000
"""Positions between the elements of an array: phrases with less slop than this stay within one."""

MAX_WINDOW: Final = 20_000
"""How far offsets reach into the results of a search, with the page."""

MAX_REGEXP: Final = 10_000

VERSION: Final = 3
"""Of the mapping and of what is indexed: an older index is copied into one of this version by `reindex`.

The first one copied the words of all fields into one more, which cost a quarter of a write. The second one
took a member with a dot in its name for a member of a member. Either can be used as it is: all that is asked
for other names is there in both.
"""

_KEYWORD: Final = {"type": "keyword"}
_UNSORTED: Final = {"type": "keyword", "doc_values": False}
_LONG: Final = {"type": "long"}
_TEXT: Final = {"type": "text", "analyzer": "standard", "position_increment_gap": GAP}

PROPERTIES: Final[dict[str, Any]] = {
    **dict.fromkeys(("kind", "collection", "key", "ref", "born", "stamp", "type", "relation"), _KEYWORD),
    **dict.fromkeys(("to_collection", "to_key", "source", "destination"), _KEYWORD),
    **dict.fromkeys(("reftime", "timestamp", "ordinal"), _LONG),
    **dict.fromkeys(("multiple", "again", "nulls"), _KEYWORD),
    "has": _UNSORTED,
}
"""The fields that every index has."""

_FORMS: Final[dict[str, dict[str, Any]]] = {
    STRING: {
        "type": "keyword",
        "ignore_above": LONGEST,
        "fields": {WORDS[1:]: _TEXT | {"fielddata": True}},  # made when a vocabulary is asked for
    },
    LONG: _KEYWORD,
    DATE: {"type": "date", "format": "epoch_millis"},
    INSTANT: _LONG,
    OTHER: _UNSORTED,
    NUMBER: {"type": "double"},
    INTEGER: _KEYWORD,
    DECIMAL: {"type": "double"},
    BOOLEAN: {"type": "boolean"},
    POINT: {"type": "geo_point"},
}

FORM_NAMES: Final = {kind: kind[:-1] for kind in _FORMS}


def form(name: str) -> str | None:
    """What kind of form a field of the index is; None for those that every index has."""
    kind = name[: name.find(":") + 1]
    return kind or None


def definition(name: str) -> dict[str, Any]:
    """How a field of the index is mapped."""
    return _FORMS[name[: name.index(":") + 1]]


def cost(name: str) -> int:
    """How many fields of the index a field is."""
    return 1 + len(definition(name).get("fields", ()))


def mapping(names: Iterable[str] = ()) -> dict[str, Any]:
    """The mapping of an index that has these fields from the start."""
    return {
        "dynamic": False,
        "_meta": {"orcodm": VERSION},
        "properties": PROPERTIES | {name: definition(name) for name in names},
    }


def settings(address: Address, nodes: int) -> dict[str, Any]:
    """The settings of a new index on a cluster of so many nodes."""
    replicas = min(2, nodes - 1) if address.replicas is None else address.replicas
    return {
        "number_of_shards": min(nodes, 5) if address.shards is None else address.shards,
        "number_of_replicas": replicas,
        # OpenSearch answers a write when all copies in step have it; this keeps it from being in step with
        # itself alone: without a majority of copies nothing is taken.
        "write.wait_for_active_shards": str((replicas + 1) // 2 + 1),
        "refresh_interval": "1s",
        "mapping.total_fields.limit": address.fields,
        "max_result_window": MAX_WINDOW,
        "max_regex_length": MAX_REGEXP,
    }


class Fields:
    """The fields that the index is known to have. What is not among them may still be there."""

    def __init__(self, address: Address, name: str | None = None) -> None:
        self._name = name or address.prefix
        self.known: frozenset[str] = frozenset()
        self.index = ""
        self._limit = address.fields

    def of(self, *forms: str) -> list[str]:
        """The known fields of some forms."""
        return sorted(name for name in self.known if name.startswith(forms))

    def learn(self) -> Steps[bool]:
        """Ask the index; False where there is none yet. Raises `StorageError` for another program's."""
        answer = yield from repeat("GET", f"/{self._name}")
        if "error" in answer:
            if error_type(answer) == "index_not_found_exception":
                return False
            raise StorageError(f"the index {self._name} cannot be read: {error_type(answer)}")
        self.index, found = next(iter(answer.items()))
        if found["mappings"].get("_meta", {}).get("orcodm") is None:
            raise StorageError(
                f"there is an index {self._name} on the cluster that is not orcodm's; "
                "choose another prefix, opensearch://host/prefix"
            )
        mapped = found["settings"]["index"].get("mapping", {}).get("total_fields", {}).get("limit", 1000)
        self._limit = int(mapped)
        self.known = frozenset(name for name in found["mappings"]["properties"] if ":" in name)
        return True

    def add(self, names: set[str]) -> Steps[frozenset[str]]:
        """Have fields mapped; gives those that are not, because the index has as many as it may have."""
        while missing := sorted(names - self.known):
            fitting = self._fitting(missing)
            if not fitting:
                return frozenset(missing)
            properties = {name: definition(name) for name in fitting}
            # By the alias: what is told to an index that was left behind is never asked for.
            answer = yield from _mapped(self._name, properties)
            if answer is None:
                self.known |= frozenset(fitting)
            else:  # others have added some, or the index is another one by now
                before = self.known, self.index
                yield from self.learn()
                if (self.known, self.index) == before:
                    return frozenset(missing)
        return frozenset()

    def _fitting(self, names: list[str]) -> list[str]:
        room = self._limit - len(PROPERTIES) - sum(map(cost, self.known))
        fitting = []
        for name in names:
            room -= cost(name)
            if room < 0:
                break
            fitting.append(name)
        return fitting


def _mapped(index: str, properties: dict[str, Any]) -> Steps[str | None]:
    """Why the index does not take these fields; None where it has them now."""
    try:
        answer = yield from repeat("PUT", f"/{index}/_mapping", {"properties": properties})
    except BadRequest as error:
        return str(error)
    return error_type(answer)
