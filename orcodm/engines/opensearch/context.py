"""What the flows of all operations share: the index and its requests, read by id or searched.

A read by id is real-time. A search sees what was refreshed: so an engine refreshes before it searches where
it has written since it last did, and with `fresh` before each search.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from ...errors import DatabaseBusy, QueryTimeout, StorageError
from .address import Address
from .documents import Clock, Found, Source
from .exchange import Steps, backoff, error_type, repeat
from .mapping import Fields, mapping, settings

REMEMBERED: Final = 1_000
SMALL: Final = 8_000
"""So many documents that were lately read or written are kept, with values of at most so many characters."""


class Context:
    """The index behind an alias, as one engine knows it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.alias = address.prefix
        self.fields = Fields(address)
        self.clock = Clock()
        self._search_seconds = address.timeout / 3
        self.overwrites = False
        """Whether unconditional writes lately met what was there: then looking first is cheaper."""
        self._heads: dict[str, Found] = {}
        self._ready = False
        self._written = 0
        self._refreshed = 0
        self._counting = threading.Lock()

    # -- the index -----------------------------------------------------------------------------------

    def ready(self) -> Steps[None]:
        """See that the index is there; the first one to ask makes it."""
        if not self._ready:
            if not (yield from self.fields.learn()):
                yield from self._create()
            self._ready = True

    def template(self) -> Steps[None]:
        """Store the template that indexes are made from."""
        health = yield from self.read("GET", "/_cluster/health")
        made = settings(self.address, health["number_of_data_nodes"])
        yield from self.read(
            "PUT",
            f"/_index_template/{self.alias}",
            {
                "index_patterns": [f"{self.alias}~*"],
                "priority": 200,
                "template": {"settings": {"index": made}, "mappings": mapping()},
            },
        )

    def _create(self) -> Steps[None]:
        yield from self.template()
        answer = yield from self.read("PUT", f"/{self.alias}~000001", {"aliases": {self.alias: {}}})
        if error_type(answer) not in (None, "resource_already_exists_exception"):
            raise StorageError(f"the index cannot be made: {answer['error'].get('reason')}")
        for attempt in range(10):  # another engine that is just making it has the index before its alias
            if (yield from self.fields.learn()):
                return
            yield backoff(attempt)
        raise StorageError(f"there is an index {self.alias}~000001 without the alias {self.alias}")

    # -- reading by id ---------------------------------------------------------------------------------

    def get(self, identity: str, routing: str | None = None) -> Steps[Source | None]:
        """The document of an id, as it is at this moment."""
        more = {} if routing is None else {"routing": routing}
        answer = yield from self.read("GET", f"/{self.alias}/_doc/{quote(identity, safe=':')}", **more)
        source: Source | None = answer.get("_source")
        if source is None:
            if error_type(answer) is not None:
                raise self._missing(answer)
        elif routing is None:
            self.remember(Found(identity, answer["_seq_no"], answer["_primary_term"], source))
        return source

    def remember(self, *documents: Found) -> None:
        """Keep documents for a while: who read or wrote one may write to it next, if it is still this."""
        with self._counting:
            for found in documents[-REMEMBERED:]:
                if len(found.source.get("value", "")) <= SMALL:
                    self._heads.pop(found.id, None)
                    self._heads[found.id] = found
            while len(self._heads) > REMEMBERED:
                del self._heads[next(iter(self._heads))]

    def recall(self, identity: str, ref: str) -> Found | None:
        """The document that had this ref lately. A write on top of it is refused where it has no more."""
        found = self._heads.get(identity)
        return found if found is not None and found.source["ref"] == ref else None

    def mget(
        self, ids: Sequence[str], *, routing: str | None = None, only: tuple[str, ...] = ()
    ) -> Steps[list[Found | None]]:
        """The documents of ids, in their order; `only` some of their members."""
        if not ids:
            return []
        params: dict[str, Any] = {"_source_includes": ",".join(only)} if only else {}
        if routing is not None:
            params["routing"] = routing
        return (yield from self._documents({"ids": list(ids)}, **params))

    def mget_each(self, targets: list[dict[str, str]]) -> Steps[list[Found | None]]:
        """The documents of ids that have a routing each."""
        return (yield from self._documents({"docs": targets}))

    def _documents(self, body: dict[str, Any], **params: Any) -> Steps[list[Found | None]]:
        answer = yield from self.read("POST", f"/{self.alias}/_mget", body, **params)
        if "docs" not in answer:
            raise self._missing(answer)
        return [_found(document) for document in answer["docs"]]

    # -- searching -------------------------------------------------------------------------------------

    def search(self, body: dict[str, Any], *, everything: bool = False, **params: Any) -> Steps[Any]:
        """The answer to a search. It sees what this engine wrote before it, or (`everything`) anybody."""
        yield from self.refresh(everything=everything or self.address.fresh)
        body = body | {"timeout": f"{int(self._search_seconds * 900)}ms"}  # before its answer is given up
        answer = yield from self.read("POST", f"/{self.alias}/_search", body, **params)
        if error_type(answer) is not None:
            raise self._missing(answer)
        if answer["timed_out"]:
            raise QueryTimeout(
                f"The search took longer than {self._search_seconds:g} seconds, a third of `timeout`."
            )
        failures = answer["_shards"].get("failures")
        if failures or answer["_shards"]["failed"]:
            # Less than everything must not pass for everything.
            raise DatabaseBusy(f"a part of the index did not answer: {failures}"[:500])
        return answer

    def until(self) -> float:
        """When an answer that begins now, and takes several searches, has to end, by `time.monotonic`."""
        return time.monotonic() + self._search_seconds

    def check_walk(self, until: float, hops: int, start: str) -> None:
        """Raise `QueryTimeout` where a walk along relations has taken its time."""
        if time.monotonic() > until:
            raise QueryTimeout(
                f"The walk of {hops} hops from {start} took longer than {self._search_seconds:g} seconds, a "
                "third of `timeout`; take fewer hops, or begin where fewer relations lead on"
            )

    def refresh(self, *, everything: bool = False) -> Steps[None]:
        """Make what was written visible to searches, where anything was."""
        written = self._written
        if everything or self._refreshed < written:
            yield from self.read("POST", f"/{self.alias}/_refresh")
            with self._counting:
                self._refreshed = max(self._refreshed, written)

    def wrote(self) -> None:
        """Note that something was written, or may have been."""
        with self._counting:
            self._written += 1

    # -- asking ----------------------------------------------------------------------------------------

    read = staticmethod(repeat)

    def _missing(self, answer: Any) -> StorageError:
        return StorageError(f"the index {self.alias} is not there any more: {answer['error']}"[:500])


def _found(document: dict[str, Any]) -> Found | None:
    if not document.get("found"):
        if "error" in document:
            raise DatabaseBusy(f"a part of the index did not answer: {document['error']}"[:500])
        return None
    return Found(document["_id"], document["_seq_no"], document["_primary_term"], document["_source"])
