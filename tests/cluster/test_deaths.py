"""Writers that die between any two steps of a write, and writers that meet between them.

For each kind of write: after every step somebody dies; each thing is then as it was before, or as it would
have been after (the embedded engine, asked the same, says how that is), search and histories agree, and who
tries again has the same end as if nobody had died.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve

from orcodm import transfer
from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import AlreadyExists, Conflict, OrcodmError
from orcodm.operations import (
    Batch,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    Dump,
    EventItem,
    IfAbsent,
    IfMatch,
    JsonPatch,
    MergePatch,
    Operation,
    Patch,
    PatchEvent,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    RelationItem,
    Restore,
    Version,
)
from orcodm.refs import tombstone_ref, value_ref
from orcodm.transfer import Flaw

from ..engines.asking import follow, history, verify
from .steps import dying, interrupted

pytestmark = pytest.mark.cluster

Operations = Sequence[Operation[Any]]
Case = Callable[[str], tuple[Operations, Operation[Any]]]
"""What is there before, and what somebody does who dies; in a collection of its own."""

REF = value_ref(None, {"n": 1})


def writing(collection: str, key: str = "k") -> dict[str, Any]:
    return {"collection": collection, "key": key}


def first(c: str, key: str = "k") -> Put:
    return Put(**writing(c, key), value={"n": 1})


def event(c: str) -> dict[str, Any]:
    return {**writing(c), "type": "t", "timestamp": 5, "ordinal": 6}


def ends(c: str) -> dict[str, Any]:
    return {**writing(c, "a"), "kind": "knows", "to_collection": c, "to_key": "b"}


def records(c: str) -> list[Any]:
    """A history with a deletion, an event and a relation."""
    second = tombstone_ref(REF)
    third = value_ref(second, [3])
    between = {name: value for name, value in ends(c).items() if name != "key"} | {"key": "k", "to_key": "k"}
    return [
        Version(**writing(c), ref=REF, reftime=1, value={"n": 1}),
        Version(**writing(c), ref=second, reftime=2, deleted=True),
        Version(**writing(c), ref=third, reftime=3, value=[3]),
        EventItem(**event(c), ref="0123456789abcdef", value={"x": 1}, reftime=4),
        RelationItem(**between, ref="0123456789abcdef", value={}, reftime=5),
    ]


def several(c: str) -> Batch:
    """Writes of every kind that depend on each other; one of them fails."""
    return Batch(
        [
            Put(**writing(c, "a"), value={"n": 1}, condition=IfAbsent()),
            Put(**writing(c, "b"), value={"n": 2}),
            PutRelation(**ends(c), value={"since": 1833}),
            Put(**writing(c, "a"), value={"n": 3}, condition=IfMatch(REF)),
            Put(**writing(c, "taken"), value={}, condition=IfAbsent()),
            Patch(**writing(c, "taken"), changes=MergePatch({"n": 7})),
            PostEvent(**event(c), value={"x": 1}),
            PutEvent(**event(c), value={"x": 2}),
            Delete(**writing(c, "gone")),
        ]
    )


CASES: dict[str, Case] = {
    "create": lambda c: ([], Put(**writing(c), value={"n": 1}, condition=IfAbsent())),
    "put": lambda c: ([], Put(**writing(c), value={"n": 1})),
    "a field that is new": lambda c: ([], Put(**writing(c), value={f"{c} is new": "text"})),
    "replace": lambda c: ([first(c)], Put(**writing(c), value={"n": 2}, condition=IfMatch(REF))),
    "the same value again": lambda c: ([first(c)], first(c)),
    "a third version": lambda c: ([first(c), first(c)], Put(**writing(c), value={"n": 3})),
    "patch": lambda c: (
        [first(c)],
        Patch(**writing(c), changes=JsonPatch([{"op": "inc", "path": "n"}]), condition=IfMatch(REF)),
    ),
    "patch what is not there": lambda c: (
        [],
        Patch(**writing(c), changes=MergePatch({"n": 1}), upsert=True),
    ),
    "delete": lambda c: ([first(c)], Delete(**writing(c))),
    "delete a ref": lambda c: ([first(c)], Delete(**writing(c), condition=IfMatch(REF))),
    "put on a deletion": lambda c: (
        [first(c), Delete(**writing(c))],
        Put(**writing(c), value={"n": 2}, condition=IfAbsent()),
    ),
    "purge": lambda c: ([first(c), first(c), first(c)], Delete(**writing(c), purge=True)),
    "purge a deletion": lambda c: ([first(c), Delete(**writing(c))], Delete(**writing(c), purge=True)),
    "begin again after a purge": lambda c: (
        [first(c), first(c), Delete(**writing(c), purge=True)],
        Put(**writing(c), value={"n": 2}),
    ),
    "post an event": lambda c: ([], PostEvent(**event(c), value={"x": 1})),
    "put an event": lambda c: ([PostEvent(**event(c), value={"x": 1})], PutEvent(**event(c), value={"x": 2})),
    "patch an event": lambda c: (
        [PostEvent(**event(c), value={"x": 1})],
        PatchEvent(**event(c), changes=MergePatch({"y": 2})),
    ),
    "delete an event": lambda c: ([PostEvent(**event(c), value={"x": 1})], DeleteEvent(**event(c))),
    "relate": lambda c: ([first(c, "a"), first(c, "b")], PutRelation(**ends(c), value={"x": 1})),
    "relate otherwise": lambda c: (
        [first(c, "a"), first(c, "b"), PutRelation(**ends(c))],
        PutRelation(**ends(c), value={"x": 1}),
    ),
    "unrelate": lambda c: ([first(c, "a"), first(c, "b"), PutRelation(**ends(c))], DeleteRelation(**ends(c))),
    "several": lambda c: ([first(c, "taken"), first(c, "gone")], several(c)),
    "restore": lambda c: ([], Restore(records(c))),
    "restore the rest": lambda c: ([Restore(records(c)[:2])], Restore(records(c))),
    "erase the collection": lambda c: (
        [
            first(c),
            first(c),
            first(c, "a"),
            first(c, "b"),
            PutRelation(**ends(c)),
            PostEvent(**event(c), value=1),
        ],
        DeleteCollection(collection=c),
    ),
}

Place = tuple[Any, ...]
States = dict[Place, tuple[Any, ...]]


@pytest.fixture(scope="module")
def url(cluster_url: str) -> str:
    return f"{cluster_url}/t{secrets.token_hex(6)}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Somebody who lives."""
    engine = connect(url)
    yield engine
    engine.close()


def states(engine: Engine, collection: str) -> States:
    """Everything that is stored in a collection: for each place its records, oldest first, without times."""
    found: dict[Place, list[Any]] = {}
    for record in follow(engine, Dump(collection=collection, limit=100)):
        names = ("key", "type", "timestamp", "ordinal", "kind", "to_collection", "to_key")
        place = (type(record).__name__, *(getattr(record, name, None) for name in names))
        found.setdefault(place, []).append(evolve(record, reftime=0))
    return {place: tuple(these) for place, these in found.items()}


def ask(engine: Engine, operations: Operations) -> None:
    for operation in operations:
        engine.execute(operation)


def one_by_one(operation: Operation[Any]) -> list[Operation[Any]]:
    """The parts that an operation may end after, on an engine without transactions."""
    match operation:
        case Batch(operations=writes):
            return list(writes)
        case Restore(records=stored):
            return [Restore([record]) for record in stored]
        case _:
            return [operation]


def expected(collection: str, before: Operations, operation: Operation[Any], times: int = 1) -> list[States]:
    """What is stored before the operation and after each of its parts, by the embedded engine.

    For an operation that is asked several times it is what is stored from the end of the first on.
    """
    engine = connect("memory:")
    ask(engine, before)
    moments = [states(engine, collection)]
    for time in range(times):
        moments = moments[-1 if time else 0 :]
        for part in one_by_one(operation):
            with suppress(OrcodmError):
                engine.execute(part)
            moments.append(states(engine, collection))
    engine.close()
    return moments


def deaths(url: str, engine: Engine, name: str) -> Iterator[str]:
    """For each step: a collection in which somebody died after it, until somebody lives to the end."""
    step, lived = 0, False
    while not lived:
        collection = f"{name}, {step} steps"
        before, operation = CASES[name](collection)
        ask(engine, before)
        writer = connect(url)
        with dying(after=step):
            writer.execute(operation)
            lived = True
        writer.close()
        yield collection
        step += 1
    assert step > 1, "nothing was sent"


def is_sound(engine: Engine, collection: str) -> None:
    assert [each for each in transfer.verify(engine, [collection]) if isinstance(each, Flaw)] == []
    for key in {place[1] for place in states(engine, collection) if place[0] == "Version"}:
        verify(history(engine, key, collection))


@pytest.mark.parametrize("name", CASES)
def test_whoever_dies_leaves_everything_as_before_or_after(url: str, engine: Engine, name: str) -> None:
    # All of them first: what is looked at after each write has to be made visible each time.
    collections = list(deaths(url, engine, name))
    for times in (1, 2):
        for collection in collections:
            is_one_of(states(engine, collection), expected(collection, *CASES[name](collection), times))
            is_sound(engine, collection)
        for collection in collections:
            with suppress(Conflict, AlreadyExists):  # so the first try went through
                engine.execute(CASES[name](collection)[1])


def is_one_of(stored: States, moments: list[States]) -> None:
    for place in {place for moment in (stored, *moments) for place in moment}:
        assert stored.get(place, ()) in [moment.get(place, ()) for moment in moments], place


# -- who meets between steps -----------------------------------------------------------------------

MEETING: dict[str, Callable[[str], Operation[Any]]] = {
    "put": lambda c: Put(**writing(c), value={"n": "put"}),
    "create": lambda c: Put(**writing(c), value={"n": "create"}, condition=IfAbsent()),
    "replace": lambda c: Put(**writing(c), value={"n": "replace"}, condition=IfMatch(REF)),
    "patch": lambda c: Patch(**writing(c), changes=MergePatch({"m": 1})),
    "delete": lambda c: Delete(**writing(c)),
    "delete a ref": lambda c: Delete(**writing(c), condition=IfMatch(REF)),
    "purge": lambda c: Delete(**writing(c), purge=True),
}
"""Writes of one key, alone and with each other."""

GROUNDS: dict[str, Callable[[str], Operations]] = {
    "nothing": lambda c: [],
    "an item": lambda c: [first(c)],
    "a deletion": lambda c: [first(c), Delete(**writing(c))],
}


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("name", MEETING)
def test_whoever_meets_comes_one_after_the_other(url: str, engine: Engine, name: str, ground: str) -> None:
    other = connect(url)
    met = []
    for second in MEETING:
        step = 0
        while True:
            collection = f"{name}, after {step} steps {second}, on {ground}"
            before = GROUNDS[ground](collection)
            mine, theirs = MEETING[name](collection), MEETING[second](collection)
            ask(engine, before)
            answers: list[Any] = []
            with interrupted(step, lambda: answers.append(answer(other, theirs))):  # noqa: B023
                result = answer(engine, mine)
            if not answers:
                break
            met.append((collection, (result, answers[0]), serially(collection, before, mine, theirs)))
            step += 1
        assert step
    for collection, answered, possible in met:
        assert (states(engine, collection), *answered) in possible, collection
        is_sound(engine, collection)
    other.close()


def answer(engine: Engine, operation: Operation[Any]) -> Any:
    """The result, or the class of the error."""
    try:
        return engine.execute(operation)
    except OrcodmError as error:
        return type(error)


def serially(collection: str, before: Operations, mine: Operation[Any], theirs: Operation[Any]) -> list[Any]:
    """What is stored in the end, and both answers: for either order, by the embedded engine."""
    ends = []
    for order in ((mine, theirs), (theirs, mine)):
        engine = connect("memory:")
        ask(engine, before)
        answers = {id(operation): answer(engine, operation) for operation in order}
        ends.append((states(engine, collection), answers[id(mine)], answers[id(theirs)]))
        engine.close()
    return ends
