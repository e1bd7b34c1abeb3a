"""What to do when an answer does not come: which operations are tried again, when, and how it ended.

A flow of its own, without I/O: it yields attempts, pauses and questions, and gets replies. Repeating is
safe for reads, and for conditional writes, of which at most one attempt takes effect. But an attempt that
took effect and lost its answer makes the next one fail: the conflict is with ourselves. So, in this order:

* Each attempt of a write carries the same token. Our server remembers its last answers by token and gives
  them again; such an answer is the truth.
* Where the server did not know the token (another process, restarted, foreign), a conflict after a lost
  answer is looked up. On a ref chain the ref that the write makes is known, and whether the history has
  it decides, also where somebody has written on top. Elsewhere the stored value is compared.

What remains unsatisfactory: two writers of the same value on the same ref make the same ref, so where
no token is known and one of them lost its refusal, both believe the write was theirs.

There are libraries for retrying (tenacity, stamina); they know calls and exceptions, and the decision here
takes the operation, its condition and what the reply says.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, TypeVar

from attrs import frozen

from .. import patch
from ..engine import Capabilities
from ..errors import (
    Conflict,
    NotFound,
    OrcodmError,
    PatchConflict,
    TransportError,
    Unsupported,
    UsageError,
)
from ..operations import (
    Batch,
    BatchResult,
    Delete,
    DeleteCollection,
    DeleteEvent,
    DeleteRelation,
    Dump,
    EventWritten,
    Get,
    GetEvent,
    GetRelation,
    IfAbsent,
    IfMatch,
    ListTerms,
    Operation,
    Patch,
    PatchEvent,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Restore,
    Search,
    Written,
)
from ..refs import value_ref
from ..values import canonical

R = TypeVar("R")


@frozen(kw_only=True)
class Retries:
    """How often and how patiently: the pause doubles from `first` to `longest` seconds, with full jitter.

    A `Retry-After` is obeyed where it asks for no more than `patience` seconds.
    """

    attempts: int = 5
    first: float = 0.05
    longest: float = 5.0
    patience: float = 30.0

    def pause(self, failures: int, after: float | None, chance: Callable[[], float]) -> float:
        """The seconds to wait after so many failures."""
        grown: float = min(self.longest, self.first * 2 ** (failures - 1))
        return (after or 0.0) + grown * chance()


# -- steps and replies -----------------------------------------------------------------------------


@frozen
class Attempt:
    """Send an operation; the answer is a `Reply`."""

    operation: Operation[Any]
    token: str | None = None


@frozen
class Pause:
    """Wait."""

    seconds: float


@frozen
class Learn:
    """Say what the server can do; the answer is its `Capabilities`."""


@frozen
class Reply:
    """What became of an attempt: the result or the error, the status (0: no answer came)."""

    outcome: Any
    status: int
    retry_after: float | None = None
    replayed: bool = False


Persistence = Generator[Attempt | Pause | Learn, Any, R]

_BUSY: Final = frozenset({429, 503})
_ABSENT: Final = frozenset({502, 503, 504})


def persist(
    operation: Operation[R], retries: Retries, token: Callable[[], str], chance: Callable[[], float]
) -> Persistence[R]:
    """The result of an operation, after as many attempts as are safe and allowed.

    Raises its error; `TransportError` with `sent` where nobody knows whether the operation took effect.
    """

    def ask(read: Operation[Any]) -> Persistence[Any]:
        return persist(read, retries, token, chance)

    writes = is_write(operation)
    attempt = Attempt(operation, token() if writes and is_repeatable(operation) else None)
    lost = False
    failures = 0
    while True:
        reply: Reply = yield attempt
        outcome = reply.outcome
        if lost and not reply.replayed and _is_refusal(outcome):
            # Somebody was faster: perhaps we were.
            outcome = yield from settle(operation, outcome, ask)
        failures += 1
        if not isinstance(outcome, OrcodmError):
            return outcome  # type: ignore[no-any-return]
        refused = _was_refused(reply)
        if not refused and not _was_lost(reply):
            raise outcome
        lost = lost or (writes and not refused)
        impatient = (reply.retry_after or 0) > retries.patience
        if failures >= retries.attempts or impatient or not (refused or is_repeatable(operation)):
            raise outcome
        yield Pause(retries.pause(failures, reply.retry_after, chance))


def _was_refused(reply: Reply) -> bool:
    """Whether the operation certainly took no effect, and may another time."""
    outcome = reply.outcome
    if isinstance(outcome, TransportError):
        return not outcome.sent
    busy = getattr(outcome, "code", None) == "database_busy" or reply.retry_after is not None
    return reply.status in _BUSY and busy


def _was_lost(reply: Reply) -> bool:
    """Whether the operation may have taken effect: no answer, or that of a proxy which got none."""
    return isinstance(reply.outcome, TransportError) or reply.status in _ABSENT


def _is_refusal(outcome: Any) -> bool:
    return isinstance(outcome, Conflict | NotFound) or (isinstance(outcome, BatchResult) and outcome.failed)


_WRITES: Final = frozenset(
    {
        Put,
        Post,
        Patch,
        Delete,
        DeleteCollection,
        PostEvent,
        PutEvent,
        PatchEvent,
        DeleteEvent,
        PutRelation,
        DeleteRelation,
        Batch,
    }
)


def is_write(operation: Operation[Any]) -> bool:
    return type(operation) in _WRITES


def is_repeatable(operation: Operation[Any]) -> bool:
    """Whether repeating an operation that took effect changes nothing more."""
    if isinstance(operation, Batch):
        return all(map(is_repeatable, operation.operations))
    return not is_write(operation) or getattr(operation, "condition", None) is not None


# -- looking up what became of a write -------------------------------------------------------------


Ask = Callable[[Operation[Any]], Persistence[Any]]
"""The result of a read, with the patience of the operation that it is for."""


def settle(operation: Operation[Any], refusal: Any, ask: Ask) -> Persistence[Any]:
    """The result that a conditional write had, where it took effect; its refusal where it did not."""
    capabilities: Capabilities = yield Learn()
    if isinstance(refusal, BatchResult) and isinstance(operation, Batch):
        return (yield from _settle_batch(operation, refusal, capabilities, ask))
    found = yield from _find(operation, capabilities.ref_chain, ask)
    return refusal if found is _NOT_OURS else found


def _settle_batch(
    batch: Batch, result: BatchResult, capabilities: Capabilities, ask: Ask
) -> Persistence[Any]:
    outcomes = []
    for operation, outcome in zip(batch.operations, result.outcomes, strict=True):
        found = outcome
        if isinstance(outcome, OrcodmError):
            looked_up = yield from _find(operation, capabilities.ref_chain, ask)
            found = outcome if looked_up is _NOT_OURS else looked_up
        outcomes.append(found)
    settled = BatchResult(outcomes)
    # Of a transaction either all was written or nothing: what some of it found is somebody else's.
    return result if settled.failed and capabilities.atomic_batch else settled


_NOT_OURS: Any = object()


def _find(operation: Operation[Any], chained: bool, ask: Ask) -> Persistence[Any]:
    match operation:
        case Put(condition=condition, value=value):
            return (yield from _find_value(operation, condition, value, chained, ask))
        case Patch(condition=condition):
            base: Any = {}
            if isinstance(condition, IfMatch):
                place = {"collection": operation.collection, "key": operation.key}
                old = yield from _look(ask, Get(**place, ref=condition.ref))
                if old is None:
                    return _NOT_OURS
                base = old.value
            try:
                value = patch.apply(base, operation.changes)
            except PatchConflict:
                return _NOT_OURS
            return (yield from _find_value(operation, condition, value, chained, ask))
        case PutEvent(condition=IfMatch(previous), value=value):
            event = yield from _look(ask, GetEvent(**_event(operation)))
            if event is None or not _is_ours(event, previous, value, chained):
                return _NOT_OURS
            return EventWritten(**_event(operation), ref=event.ref)
        case PutRelation(condition=condition, value=value):
            relation = yield from _look(ask, GetRelation(**_ends(operation)))
            before = condition.ref if isinstance(condition, IfMatch) else None
            if relation is None or not _is_ours(relation, before, value, chained):
                return _NOT_OURS
            return Written(collection=operation.collection, key=operation.key, ref=relation.ref)
        case Delete(condition=IfMatch()):
            left: Any = yield from _look(ask, Get(collection=operation.collection, key=operation.key))
        case DeleteEvent(condition=IfMatch()):
            left = yield from _look(ask, GetEvent(**_event(operation)))
        case DeleteRelation(condition=IfMatch()):
            left = yield from _look(ask, GetRelation(**_ends(operation)))
        case PatchEvent():
            # Events have no history to find the patched value in.
            raise TransportError("The answer to the patch of an event was lost, and cannot be looked up.")
        case _:
            return _NOT_OURS
    return None if left is None else _NOT_OURS


def _find_value(
    operation: Put | Patch, condition: IfMatch | IfAbsent | None, value: Any, chained: bool, ask: Ask
) -> Persistence[Any]:
    place: dict[str, Any] = {"collection": operation.collection, "key": operation.key}
    previous = condition.ref if isinstance(condition, IfMatch) else None
    if chained:
        # The history has it even where somebody has written on top of it since.
        mine = value_ref(previous, value)
        if (yield from _look(ask, Get(**place, ref=mine))) is not None:
            return Written(**place, ref=mine)
        if previous is not None:
            return _NOT_OURS
    # A key that was deleted before goes on from its tombstone, whose ref is nowhere to be read.
    current = yield from _look(ask, Get(**place))
    if current is None or current.ref == previous or canonical(current.value) != canonical(value):
        return _NOT_OURS
    return Written(**place, ref=current.ref)


def _is_ours(stored: Any, previous: str | None, value: Any, chained: bool) -> bool:
    if chained and previous is not None:
        return bool(stored.ref == value_ref(previous, value))
    return bool(stored.ref != previous and canonical(stored.value) == canonical(value))


def _look(ask: Ask, read: Operation[R]) -> Persistence[R | None]:
    """What is stored there, None where nothing is. Raises where that cannot be told."""
    try:
        found: R = yield from ask(read)
        return found
    except NotFound:
        return None
    except OrcodmError as error:
        raise TransportError(
            f"The answer to a write was lost, and asking for its effect failed: {error}"
        ) from error


def _event(operation: PutEvent | DeleteEvent) -> dict[str, Any]:
    names = ("collection", "key", "type", "timestamp", "ordinal")
    return {name: getattr(operation, name) for name in names}


def _ends(operation: PutRelation | DeleteRelation) -> dict[str, Any]:
    names = ("collection", "key", "kind", "to_collection", "to_key")
    return {name: getattr(operation, name) for name in names}


# -- what is known of the server ------------------------------------------------------------------


class Server:
    """What is known of the server; shared by all views of an engine."""

    def __init__(self) -> None:
        self.capabilities: Capabilities | None = None
        self.is_ours = False

    def known(self) -> Capabilities:
        if self.capabilities is None:
            raise UsageError("The server was not asked what it can do; execute a Ping first.")
        return self.capabilities


def needs(operation: Operation[Any]) -> bool:
    """Whether an operation is one that not every server has."""
    return isinstance(operation, Dump | Restore | ListTerms | Search) and (
        not isinstance(operation, Search) or operation.cursor is not None
    )


def require(operation: Operation[Any], capabilities: Capabilities) -> None:
    """Raise `Unsupported` where the server does not have an operation that `needs` it."""
    if isinstance(operation, Search) and not capabilities.keyset:
        raise Unsupported("This server has no keyset paging: search with an offset instead of a cursor.")
    if isinstance(operation, Dump | Restore) and not capabilities.records:
        raise Unsupported("This server tells nothing but items, events and relations one by one.")
    if isinstance(operation, ListTerms) and not capabilities.terms:
        raise Unsupported("This server does not tell its words, which suggestions and likeness need.")


# -- many at once ----------------------------------------------------------------------------------


def stages(operations: Sequence[Any]) -> list[list[list[int]]]:
    """The indexes of a batch by what may happen at once: stages of groups, each group in its order.

    What is written under one key keeps its order, and relations wait for the items before them.
    """
    found: list[dict[Any, list[int]]] = []
    relations: bool | None = None
    for index, operation in enumerate(operations):
        is_relation = isinstance(operation, PutRelation | DeleteRelation)
        if is_relation is not relations:
            found.append({})
            relations = is_relation
        place = (
            tuple(_ends(operation).values())
            if is_relation
            else (operation.collection, getattr(operation, "key", index))
        )
        found[-1].setdefault(place, []).append(index)
    return [list(stage.values()) for stage in found]
