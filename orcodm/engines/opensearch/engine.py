"""The OpenSearch engine: a table from operation to flow, and who runs a flow.

All that is stored is in one index behind an alias: current versions, older ones, events and relations, told
apart by their `kind`. `writes` says why no crash loses or invents a version, `context` what a read sees of
what was written, `mapping` and `fields` how values are indexed, and `compile` how queries are asked.

A write is answered when every copy in step has it on disk, and none is taken without a majority of the
copies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ...engine import Capabilities, Closing
from ...errors import Unsupported
from ...operations import (
    MAX_RESULTS,
    Batch,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    Dump,
    Get,
    GetEvent,
    GetRelation,
    List,
    ListEvents,
    ListRefs,
    ListRelations,
    ListTerms,
    Operation,
    Patch,
    PatchEvent,
    Ping,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Restore,
    Search,
)
from . import events, items, moving, records, relations, search, upkeep, vocabulary, writes
from .address import read_address
from .context import Context
from .exchange import Exchange, Steps

R = TypeVar("R")


class OpenSearchEngine(Closing):
    """An OpenSearch cluster: `opensearch://h1:9200,h2:9200/prefix`, with TLS `opensearchs://user:password@...`.

    Safe to share between threads and tasks, and forked processes open connections of their own. The index
    is made when it is first needed. A search sees what was written through this object before it, and what
    others wrote within a second; with `fresh` all that anybody wrote. Raises `InvalidURL`.
    """

    capabilities = Capabilities(
        atomic_batch=False,
        keyset=True,
        ref_chain=True,
        max_limit=MAX_RESULTS,
        own_writes=True,
        records=True,
        terms=True,
        long_queries=True,
        casts=True,
    )

    def __init__(self, url: str, **options: Any) -> None:
        address = read_address(url, **options)
        self._context = Context(address)
        self._exchange = Exchange(address)

    def __repr__(self) -> str:
        return f"OpenSearchEngine({self._context.address.shown!r})"

    def execute(self, operation: Operation[R], /) -> R:
        """The answer to an operation, from any thread."""
        return self._exchange.run(_answered(self._context, operation))

    async def aexecute(self, operation: Operation[R], /) -> R:
        """The answer to an operation, without blocking the event loop."""
        return await self._exchange.arun(_answered(self._context, operation))

    def reindex(self) -> None:
        """Copy everything into a new index with the mapping of this version, and let it take over.

        Reads and writes go on meanwhile; for a moment at the end writes wait.
        """
        self._exchange.run(moving.reindex(self._context))

    def close(self) -> None:
        """Close the connections of the threads. Later operations raise `SessionClosed`."""
        self._exchange.close()

    async def aclose(self) -> None:
        """Close the connections of the threads and of this event loop."""
        await self._exchange.aclose()


def _answered(context: Context, operation: Operation[R]) -> Steps[R]:
    try:
        handler = HANDLERS[type(operation)]
    except KeyError:
        raise Unsupported(f"the OpenSearch engine does not know {operation!r}") from None
    yield from context.ready()
    answer: R = yield from handler(context, operation)
    return answer


HANDLERS: Final[dict[type[Operation[Any]], Callable[[Context, Any], Steps[Any]]]] = {
    Ping: upkeep.ping,
    Get: items.get,
    Put: writes.execute,
    Post: writes.execute,
    Patch: writes.execute,
    Delete: writes.execute,
    DeleteCollection: upkeep.delete_collection,
    List: items.list_,
    ListRefs: items.list_refs,
    Search: search.search,
    ListTerms: vocabulary.list_terms,
    PostEvent: writes.execute,
    GetEvent: events.get_event,
    PutEvent: writes.execute,
    PatchEvent: writes.execute,
    DeleteEvent: writes.execute,
    ListEvents: events.list_events,
    PutRelation: writes.execute,
    GetRelation: relations.get_relation,
    DeleteRelation: writes.execute,
    ListRelations: relations.list_relations,
    Dump: records.dump,
    Restore: writes.restore,
    Batch: writes.batch,
}
