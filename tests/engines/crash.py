"""Writers that are killed: what one does is known from its seed, so that its acknowledgements suffice.

A writer walks through a script of operations, executes each, and acknowledges it by a byte in a pipe.
Whoever knows the seed and the number of bytes knows all that was promised, and the one operation that
was under way.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.engines.embedded import current
from orcodm.errors import Conflict, NotFound
from orcodm.operations import (
    Batch,
    Delete,
    DeleteEvent,
    DeleteRelation,
    Get,
    IfAbsent,
    IfMatch,
    MergePatch,
    Operation,
    Patch,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Search,
    SortField,
)

from .model import Model

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__, "orcodm.engines.embedded.engine"])

COUNTER = Get(collection="shared", key="counter")
"""What stands in a script for one conditional increment of a number that all writers share."""

index_early = {"FEW": 20, "SOME": 10, "MANY": 40}
"""What the embedded engine's limits are lowered to where its index is to be used, but not by thousands."""

KEYS = [f"k{n}" for n in range(8)]
WORDS = ["red", "green", "blue"]


def script(seed: int, collection: str, model: Model) -> Iterator[Operation[Any]]:
    """What a writer does, for ever; `model` is its collection after what it did so far."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        key = chance.choice(KEYS)
        value = {"n": number, "word": chance.choice(WORDS), "tags": chance.sample(WORDS, 2)}
        current = model.current(collection, key)
        put = Put(
            collection=collection,
            key=key,
            value=value,
            condition=IfMatch(current.ref) if current else IfAbsent(),
        )
        at = {"collection": collection, "key": key, "type": "log", "timestamp": number, "ordinal": number}
        match chance.choices(
            ["put", "patch", "delete", "event", "relation", "batch", "bulk", "search", "count"],
            [30, 8, 8, 10, 8, 10, 2, 14, 5],
        )[0]:
            case "patch" if current:
                yield Patch(collection=collection, key=key, changes=MergePatch({"n": number}))
            case "delete":
                yield Delete(collection=collection, key=key, purge=chance.random() < 0.3)
            case "event":
                yield PostEvent(**at, value=value)
            case "relation" if current:
                to = {"to_collection": collection, "to_key": key}
                relation = {"collection": collection, "key": key, "kind": chance.choice(WORDS), **to}
                delete = chance.random() < 0.3
                yield DeleteRelation(**relation) if delete else PutRelation(**relation, value=value)
            case "batch":
                others = [Put(collection=collection, key=f"b{n}", value={"batch": number}) for n in range(3)]
                itself = {"collection": collection, "key": "b0", "to_collection": collection, "to_key": "b1"}
                yield Batch(
                    [
                        put,
                        *others,
                        PostEvent(**at, value={"batch": number}),
                        PutEvent(**at, value={"batch": number, "again": True}),
                        PutRelation(**itself, kind="next", value={"batch": number}),
                        PostEvent(**{**at, "type": "gone"}, value=1),
                        DeleteEvent(**{**at, "type": "gone"}),
                    ]
                )
            case "bulk":
                values = [{"n": number * 1000 + n, "word": "many"} for n in range(300)]
                yield Batch(
                    [Put(collection=collection, key=f"m{n:03}", value=v) for n, v in enumerate(values)]
                )
            case "search":
                query = chance.choice(["*", "word:red", "tags:green", f"n:[{number - 5} TO *]", "word:many"])
                sort = (SortField("@path.key"),)
                yield Search(query=query, collection=collection, limit=400, sort=sort, values=False)
            case "count":
                yield COUNTER
            case _:
                yield put


def matching(query: str, value: Any) -> bool:
    """Do the few queries of the script match a value?"""
    if query.startswith("word:"):
        return bool(value.get("word") == query.removeprefix("word:"))
    if query.startswith("tags:"):
        return query.removeprefix("tags:") in value.get("tags", [])
    if query.startswith("n:["):
        return "n" in value and bool(value["n"] >= int(query.removeprefix("n:[").partition(" ")[0]))
    return True


def increment(engine: Engine) -> None:
    """Count one up, however often others are faster."""
    while True:
        try:
            item = engine.execute(COUNTER)
            value, condition = item.value["n"] + 1, IfMatch(item.ref)
        except NotFound:
            value, condition = 1, IfAbsent()  # type: ignore[assignment]
        put = Put(collection=COUNTER.collection, key=COUNTER.key, value={"n": value}, condition=condition)
        try:
            engine.execute(put)
        except Conflict:
            continue
        return


def write(url: str, seed: int, collection: str, acknowledge: Connection) -> None:
    """The life of a writer: it ends by a signal. It keeps its index up to date more eagerly than others."""
    vars(current).update(index_early)
    engine = connect(url)
    model = Model()
    for operation in script(seed, collection, model):
        if operation is COUNTER:
            increment(engine)
        elif isinstance(operation, Search):
            found = [result.key for result in engine.execute(operation).results]
            query = operation.query
            expected = model.matches(collection, lambda value, query=query: matching(query, value))  # type: ignore[misc]
            assert found == expected, (query, found, expected)
        else:
            engine.execute(operation)
            model.execute(operation)
        acknowledge.send_bytes(b".")


class Writer:
    """A writer in a process of its own, and what it has acknowledged."""

    def __init__(self, url: str, seed: int, collection: str) -> None:
        self.seed = seed
        self.collection = collection
        self.acknowledged = 0
        self.reader, sender = processes.Pipe(duplex=False)
        self.process: ForkServerProcess = processes.Process(
            target=write, args=(url, seed, collection, sender), daemon=True
        )
        self.process.start()
        sender.close()

    def listen(self, seconds: float, enough: int | None = None) -> None:
        """Take in acknowledgements for so long, or until there are enough."""
        deadline = time.monotonic() + seconds
        while enough is None or self.acknowledged < enough:
            left = deadline - time.monotonic()
            if left <= 0 or not self.reader.poll(left):
                return
            try:
                self.reader.recv_bytes()
            except EOFError:
                return
            self.acknowledged += 1

    def kill(self) -> None:
        """End it at once, wherever it is; afterwards `acknowledged` is all it has said."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.listen(10)
        self.reader.close()
        assert self.process.exitcode == -signal.SIGKILL, "it died by itself; its message is on stderr"

    def promised(self) -> tuple[Model, Operation[Any] | None, int]:
        """Its collection as acknowledged, the operation that was under way, and how often it counted."""
        model = Model()
        steps = script(self.seed, self.collection, model)
        counted = 0
        for _ in range(self.acknowledged):
            operation = next(steps)
            if operation is COUNTER:
                counted += 1
            elif not isinstance(operation, Search):
                model.execute(operation)
        return model, next(steps), counted
