"""What concerns the whole: whether the cluster is there, and erasing a collection."""

from __future__ import annotations

from typing import Any, Final

from ...errors import DatabaseBusy
from ...operations import DeleteCollection, Ping
from .context import Context
from .exchange import Steps, ask, backoff, error_type
from .names import EVENT, ITEM, PURGING, RELATIONSHIP, TOMBSTONE, VERSION

_TRIES: Final = 50


def ping(context: Context, operation: Ping) -> Steps[None]:
    yield from context.read("GET", "/")


# -- erasing ---------------------------------------------------------------------------------------


def delete_collection(context: Context, operation: DeleteCollection) -> Steps[None]:
    """Erase a collection; relations of other collections that lead into it go as well.

    Current documents go first: versions that are left of a key without one are nobody's.
    """
    here: Any = {"term": {"collection": operation.collection}}
    into = {"term": {"to_collection": operation.collection}}
    current = [ITEM, TOMBSTONE, PURGING, EVENT, RELATIONSHIP]
    for kinds in (current, [VERSION]):
        clauses = [{"terms": {"kind": kinds}}, {"bool": {"should": [here, into], "minimum_should_match": 1}}]
        yield from _delete_all(context, {"bool": {"filter": clauses}})


def _delete_all(context: Context, query: Any) -> Steps[None]:
    yield from context.refresh(everything=True)
    for attempt in range(_TRIES):
        answer = yield from ask(
            "POST",
            f"/{context.alias}/_delete_by_query",
            {"query": query},
            conflicts="proceed",
            refresh="true",
        )
        context.wrote()
        # What was written to in between, or could not be reached, has to be looked at again.
        done = error_type(answer) is None and not answer.get("timed_out") and not answer.get("failures")
        if done and not answer.get("version_conflicts"):
            return
        yield backoff(attempt)
    raise DatabaseBusy(
        "others write to the collection faster than it can be erased, or a part is out of reach"
    )
