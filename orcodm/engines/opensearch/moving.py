"""Moving to a new index: with the mapping of this version, other settings, or fields that had no room before.

Everything is copied from its stored values, in rounds, each of which takes what was written since the one
before: per shard, what has a higher sequence number. Reads and writes go on in the old index meanwhile.
When a round is short, the old index is closed for writing, what is left is copied, and the alias is moved.
Writers that come in between find the index blocked, wait, and go on in the new one. Deletions leave nothing
that could be copied: where the numbers of documents differ in the end, what the old index does not have is
deleted from the new one.

A writer may have been told that a field is mapped just before, in the old index. From the answer to its
write it sees that it went to another one, and looks again (`writes`).

A conditional write names the state it has read by two numbers, which in the new index could be another
one's. So before the alias is moved, the new index's primary term is raised above all that the old one ever
had.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from ...errors import StorageError
from ...values import decode
from .address import Address
from .context import Context
from .documents import is_searchable, stored
from .exchange import Steps, ask, error_type
from .fields import indexed
from .mapping import Fields, form, mapping

CHUNK: Final = 1_000
SHORT: Final = 2_000
"""How many documents a round may have for the next to be the last."""
ROUNDS: Final = 20


class _Move:
    """A move from one index to another."""

    def __init__(self, context: Context, address: Address, old: str, new: str) -> None:
        self.context = context
        self.old = old
        self.new = new
        self.fields = Fields(address, new)
        self.copied: dict[int, int] = {}


def reindex(context: Context) -> Steps[None]:
    """Copy everything into a new index, and let it take over."""
    yield from context.ready()
    yield from context.fields.learn()
    old = context.fields.index
    number = old.rpartition("~")[2]
    new = f"{context.alias}~{int(number) + 1:06}" if number.isdigit() else f"{context.alias}~000002"
    move = _Move(context, context.address, old, new)
    yield from _begin(move)
    for _ in range(ROUNDS):
        if (yield from _copy(move)) <= SHORT:
            break
    yield from _block(move, True)
    try:
        yield from _finish(move)
    except BaseException:
        yield from _block(move, False)
        raise
    yield from _block(move, False)
    yield from context.read("DELETE", f"/{old}")
    yield from context.fields.learn()


def _begin(move: _Move) -> Steps[None]:
    context = move.context
    yield from _block(move, False)  # by a move that was interrupted
    yield from context.read("DELETE", f"/{move.new}")
    yield from context.template()
    answer = yield from ask("PUT", f"/{move.new}", {"mappings": mapping(context.fields.known)})
    if error_type(answer) is not None:
        raise StorageError(f"the index {move.new} cannot be made: {answer['error'].get('reason')}")
    yield from move.fields.learn()
    settings = yield from context.read("GET", f"/{move.old}/_settings")
    shards = int(settings[move.old]["settings"]["index"]["number_of_shards"])
    move.copied = dict.fromkeys(range(shards), -1)


def _block(move: _Move, closed: bool) -> Steps[None]:
    setting = {"index.blocks.write": True if closed else None}
    yield from move.context.read("PUT", f"/{move.old}/_settings", setting)


def _copy(move: _Move) -> Steps[int]:
    """Copy what was written since the last round; gives how much that was."""
    context = move.context
    count = 0
    yield from context.read("POST", f"/{move.old}/_refresh")
    for shard, last in move.copied.items():
        while True:
            body = {
                "query": {"range": {"_seq_no": {"gt": last}}},
                "sort": ["_seq_no"],
                "size": CHUNK,
                "track_total_hits": False,
            }
            answer = yield from context.read(
                "POST", f"/{move.old}/_search", body, preference=f"_shards:{shard}"
            )
            if answer.get("timed_out") or answer["_shards"]["failed"]:
                raise StorageError(f"a part of the index {move.old} did not answer; nothing has changed")
            hits = answer["hits"]["hits"]
            if hits:
                yield from _write(move, hits)
                count += len(hits)
                last = move.copied[shard] = hits[-1]["sort"][0]
            if len(hits) < CHUNK:
                break
    return count


def _write(move: _Move, hits: list[Any]) -> Steps[None]:
    documents = []
    names: set[str] = set()
    for hit in hits:
        source = stored(hit["_source"])
        derived: dict[str, Any] = {}
        if is_searchable(source):
            derived = indexed(decode(source["value"]), "null" in source["value"])
            names.update(name for name in derived if form(name))
        target = {"_id": hit["_id"]} | ({"routing": hit["_routing"]} if "_routing" in hit else {})
        documents += [orjson.dumps({"index": target}), orjson.dumps(source | derived)]
    if names - move.fields.known:
        yield from move.fields.add(names)
    answer = yield from move.context.read("POST", f"/{move.new}/_bulk", b"\n".join(documents) + b"\n")
    if answer["errors"]:
        failed = next(item["index"]["error"] for item in answer["items"] if "error" in item["index"])
        raise StorageError(f"the index {move.new} did not take a document: {failed}"[:500])


def _finish(move: _Move) -> Steps[None]:
    """The last round, while nothing is written to the old index; then the alias is moved."""
    context = move.context
    yield from context.fields.learn()
    yield from move.fields.add(set(context.fields.known))
    yield from _copy(move)
    yield from context.read("POST", f"/{move.new}/_refresh")
    if (yield from _count(move, move.old)) != (yield from _count(move, move.new)):
        yield from _forget(move)
    yield from _raise_terms(move)
    moved = [
        {"remove": {"index": move.old, "alias": context.alias}},
        {"add": {"index": move.new, "alias": context.alias}},
    ]
    answer = yield from context.read("POST", "/_aliases", {"actions": moved})
    if error_type(answer) is not None:
        raise StorageError(f"the alias {context.alias} cannot be moved: {answer['error'].get('reason')}")


def _count(move: _Move, index: str) -> Steps[int]:
    count: int = (yield from move.context.read("GET", f"/{index}/_count"))["count"]
    return count


def _forget(move: _Move) -> Steps[None]:
    """Delete from the new index what the old one does not have any more."""
    context = move.context
    body: dict[str, Any] = {
        "sort": ["stamp", "collection", "key", "kind"],
        "size": CHUNK,
        "_source": False,
        "track_total_hits": False,
    }
    while True:
        hits = (yield from context.read("POST", f"/{move.new}/_search", body))["hits"]["hits"]
        targets = [
            {"_id": hit["_id"], "_source": False}
            | ({"routing": hit["_routing"]} if "_routing" in hit else {})
            for hit in hits
        ]
        if targets:
            answer = yield from context.read("POST", f"/{move.old}/_mget", {"docs": targets})
            gone = [
                orjson.dumps(
                    {"delete": {name: target[name] for name in ("_id", "routing") if name in target}}
                )
                for target, found in zip(targets, answer["docs"], strict=True)
                if not found.get("found")
            ]
            if gone:
                yield from context.read("POST", f"/{move.new}/_bulk", b"\n".join(gone) + b"\n")
        if len(hits) < CHUNK:
            break
        body["search_after"] = hits[-1]["sort"]
    yield from context.read("POST", f"/{move.new}/_refresh")


def _raise_terms(move: _Move) -> Steps[None]:
    """Have every conditional write that names a state of the old index refused by the new one."""
    highest = max((yield from _terms(move, move.old)))
    for _ in range(highest + 1):
        if min((yield from _terms(move, move.new))) > highest:
            return
        # Each time that it is opened, its terms are higher.
        yield from move.context.read("POST", f"/{move.new}/_close")
        yield from move.context.read("POST", f"/{move.new}/_open")
        yield from move.context.read("GET", f"/_cluster/health/{move.new}", wait_for_status="yellow")
    raise StorageError(f"the primary term of {move.new} stays below that of {move.old}")


def _terms(move: _Move, index: str) -> Steps[list[int]]:
    state = yield from move.context.read("GET", f"/_cluster/state/metadata/{index}")
    return list(state["metadata"]["indices"][index]["primary_terms"].values())
