"""What the session does, each thing once: flows over a unit of work.

Every write carries its condition: a document without a ref is only created (If-None-Match), one with a
ref replaces that version only (If-Match). `force` is the one way around.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

from attrs import define, evolve
from blinker import Signal

from .. import signals
from ..errors import (
    Aborted,
    CommitError,
    Conflict,
    IndexingConflict,
    InvalidDocument,
    NotFound,
    OrcodmError,
    Problem,
    UsageError,
)
from ..flow import Call, Flow, Step, perform, send
from ..operations import (
    Batch,
    Condition,
    DeleteRelation,
    IfAbsent,
    IfMatch,
    JsonPatch,
    Operation,
    Patch,
    Write,
)
from ..patch import apply
from ..values import encode
from . import unanswered
from .conflicts import check_resolution, combined, describe, resolve
from .merge import Overlap, same
from .state import Identity, Mapped, State, mapped
from .tracking import changes, compared, shown, shown_key, spelled, stand_on, untouched
from .unit import Pending, Unit

D = TypeVar("D", bound=Mapped)

RAISE: Final[Any] = object()
"""No default: what is not there raises `NotFound`."""

Make = Callable[[Any], tuple[Any, "tuple[Any, ...] | None"]]
"""Makes a document of a stored item, and tells what its fields are read from."""

OnConflict = Literal["merge", "mine", "theirs"] | Callable[[Conflict], Any] | None

_log = logging.getLogger("orcodm.session")

ATTEMPTS: Final = 20
"""How often a save with `on_conflict` starts anew when others keep being faster."""


class Outcome(NamedTuple):
    """What became of one document of a bulk save: `error` is None where it is stored.

    An error of a `post_save` receiver is one as well, though the document is stored.
    """

    document: Any
    error: Exception | None = None


def _write(document: Mapped, operation: Operation[Any], patch: Patch | None = None) -> Flow[Any]:
    """The answer to a write of a document, or to a patch of the same effect. What has no answer is noted."""
    try:
        return (yield from _answer(patch or operation))
    except BaseException as error:
        if unanswered.is_unanswered(error):
            unanswered.note(document, operation, patch)
        raise


def _write_all(writes: Sequence[tuple[Mapped | None, Write]]) -> Flow[list[Any]]:
    """The outcomes of writes in one batch, each with its document (None for a relation that was added)."""
    try:
        result = yield Batch([operation for _, operation in writes])
    except BaseException as error:
        if unanswered.is_unanswered(error):
            for document, operation in writes:
                if document is not None:
                    unanswered.note(document, operation)
        raise
    outcomes = list(map(_stored, result.outcomes))
    for (document, operation), outcome in zip(writes, outcomes, strict=True):
        if document is not None and isinstance(outcome, OrcodmError) and unanswered.is_unanswered(outcome):
            unanswered.note(document, operation)
    return outcomes


def _answer(operation: Operation[Any]) -> Flow[Any]:
    try:
        return (yield from perform(operation))
    except IndexingConflict as error:
        if error.written is None:
            raise
        return _stored(error)


def _stored(outcome: Any) -> Any:
    """An outcome; what is stored is written, also where the index does not have all of it."""
    if isinstance(outcome, IndexingConflict) and outcome.written is not None:
        _log.warning("stored, but not indexed whole: %s", ", ".join(outcome.details.get("conflicts", ())))
        return outcome.written
    return outcome


# -- reading ---------------------------------------------------------------------------------------


def load(
    unit: Unit,
    item: Any,
    identity: Identity,
    make: Make,
    fresh: list[Any],
    model: type = object,
) -> Any:
    """The document of a stored item: the object that the session knows, or the one that is made.

    The latter is added to `fresh`: the receivers of `post_load` have yet to be told.
    """
    known = unit.known(identity)
    if known is not None:
        return _of(model, known)
    document = _made(unit, item, identity, make)
    fresh.append(document)
    return document


def _made(unit: Unit, item: Any, identity: Identity, make: Make) -> Any:
    try:
        document, read = make(item)
    except InvalidDocument as error:
        raise InvalidDocument(error.model, "/".join(map(str, identity[1:])), error.problems) from None
    # Past the class's own ways to be assigned to, which cost as much as all the rest here.
    document.__dict__["_state"] = State(identity, item.ref, _text(item), item.reftime, False, read)
    unit.remember(document)
    return document


def load_all(
    unit: Unit, items: Iterable[Any], loading: Callable[[Unit, Any, list[Any]], Any]
) -> Flow[list[Any]]:
    """The documents of stored items; `loading` is a `load` that knows what they are."""
    fresh: list[Any] = []
    documents = [loading(unit, item, fresh) for item in items]
    if signals.post_load.receivers:
        for document in fresh:
            yield from _tell(signals.post_load, unit, document)
    return documents


def get(
    unit: Unit,
    operation: Any,
    identity: Identity,
    make: Make,
    default: Any = RAISE,
    model: type = object,
) -> Flow[Any]:
    """The document that an operation reads."""
    known = unit.known(identity)
    if known is not None and id(known) not in unit.deleted:
        return _of(model, known)
    try:
        if known is not None:
            raise NotFound.item(operation.collection, operation.key)
        item = yield operation
    except NotFound:
        if default is RAISE:
            raise
        return default
    document = _made(unit, item, identity, make)
    if signals.post_load.receivers:
        yield from _tell(signals.post_load, unit, document)
    return document


def refresh(unit: Unit, document: Mapped) -> Flow[None]:
    """Read the current version into a document, dropping what was changed."""
    _check_identity(document)
    item = yield from perform(document._read())
    _take(document, item)
    unit.remember(document)
    yield from _tell(signals.post_load, unit, document)


# -- writing one document --------------------------------------------------------------------------


def save(unit: Unit, document: Mapped, force: bool = False, on_conflict: OnConflict = None) -> Flow[None]:
    """Write a document if it changed."""
    check_resolution(on_conflict)
    _check_identity(document)
    settled = None
    if document._state.sent:
        settled = yield from unanswered.settle(unit, document)
    if force or document._state.deleted:
        change = None
    elif (change := _change(document)) is None:
        unit.remember(document)
        if settled is not None:
            yield from _tell(signals.post_save, unit, document)
        return
    if signals.pre_save.receivers:
        yield from _tell(signals.pre_save, unit, document)
        change = None
    for _ in range(ATTEMPTS):
        if change is None:
            whole = force or document._state.deleted
            change = document._encoded(validate=True) if whole else changes(document)
        if change is None:  # a receiver took the change back, or a merge found that theirs has it all
            unit.settle(document)
            return
        (value, text), change = change, None
        try:
            result = yield from _write(document, document._write(value, text, _condition(document, force)))
        except Conflict as error:
            # The conflict may be with an earlier write of ours, which was on its way until now.
            if document._state.sent and (yield from unanswered.settle(unit, document)) is not None:
                continue
            yield from _conflict(unit, document, value, error)
            if not (yield from _resolved(error, on_conflict)):
                raise
        else:
            _written(unit, document, result, value, text)
            break
    else:
        raise UsageError(f"gave up on {shown(document)} after {ATTEMPTS} conflicts in a row")
    yield from _tell(signals.post_save, unit, document)


def restore(unit: Unit, document: Mapped, value: Any) -> Flow[None]:
    """Write an older value of a document, exactly as it was stored."""
    _check_identity(document)
    if document._state.sent:
        yield from unanswered.settle(unit, document)
    document._fill(document._upgraded(value))
    yield from _tell(signals.pre_save, unit, document)
    written = spelled(document, value)
    text = encode(written)
    if document._state.base is not None and same(written, document._state.base_value):
        unit.settle(document)
        return
    try:
        result = yield from _write(document, document._write(written, text, _condition(document, False)))
    except Conflict as error:
        yield from _conflict(unit, document, written, error)
        raise
    _written(unit, document, result, written, text)
    yield from _tell(signals.post_save, unit, document)


def delete(unit: Unit, document: Mapped, force: bool = False, purge: bool = False) -> Flow[None]:
    """Delete a document that is still the version that was read."""
    _check_identity(document)
    if document._state.sent:
        yield from unanswered.settle(unit, document)
    if document._state.ref is None and not force:
        unit.delete(document)  # forgets one that was only added, refuses one that is unknown
        return
    if document._state.deleted and not purge and not force:
        return
    yield from _tell(signals.pre_delete, unit, document)
    try:
        yield from _write(document, document._erase(_erase_condition(document, force), purge))
    except Conflict as error:
        yield from _conflict(unit, document, None, error)
        raise
    _deleted(unit, document)
    yield from _tell(signals.post_delete, unit, document)


def patch(unit: Unit, document: Any, operations: Sequence[dict[str, Any]]) -> Flow[None]:
    """Change parts of the stored document, and bring the document up to date with it.

    What was changed in the document and not yet saved stays changed, beside the patch.
    """
    _check_identity(document)
    if not operations:
        return
    changed = JsonPatch(operations)
    if document._state.sent:
        settled = yield from unanswered.settle(unit, document)
        if settled is not None and settled.patch is not None and settled.patch.changes == changed:
            return  # to ask for the same again is to try again
    read = document._read()
    yield from _tell(signals.pre_save, unit, document)
    state = document._state
    if state.ref is None:
        yield from _answer(Patch(collection=read.collection, key=read.key, changes=changed))
        item = yield from perform(read)
        _take(document, item)
    else:
        base = state.base_value
        model = type(document)
        in_todays_shape = same(base, model._upgraded(base))
        value = apply(base if in_todays_shape else model.from_value(base).to_value(), changed)
        model.from_value(value).to_value()  # what would not fit the model is not sent
        after = document._upgraded(value)
        unsaved = changes(document)
        if unsaved is not None:
            try:
                after = combined(document, state.base_value, unsaved[0], value)
            except Overlap as overlap:
                raise UsageError(
                    f"{overlap} of {shown(document)} is changed and not saved, and patched as well: "
                    "save() it before, or refresh() to drop the change"
                ) from None
        text, condition = encode(value), IfMatch(state.ref)
        patch = None  # of a value of an older shape would give half of each
        if in_todays_shape:
            patch = Patch(collection=read.collection, key=read.key, changes=changed, condition=condition)
        try:
            result = yield from _write(document, document._write(value, text, condition), patch)
        except Conflict as error:
            yield from _conflict(unit, document, value, error)
            raise
        document._fill(after)
        stand_on(document, result.ref, text)
    unit.settle(document)
    yield from _tell(signals.post_save, unit, document)


# -- writing many ----------------------------------------------------------------------------------


@define(eq=False)
class Planned:
    """One operation of a commit: for which document, and what follows from its success."""

    operation: Write
    subject: Any
    done: Callable[[Any], None]
    signal: Signal | None = None


def planned(unit: Unit) -> list[Planned]:
    """The operations of a commit, in an order in which each can succeed."""
    saves = []
    for document in (*unit.added.values(), *unit.stored()):
        if untouched(document):
            continue
        _check_identity(document)
        change = compared(document)
        if change is not None:
            saves.append(_planned_save(unit, document, *change))
    if not unit.deleted and not unit.relations:
        return saves
    added = {document._identity for document in unit.added.values()}
    deletions = [_planned_deletion(unit, document) for document in unit.deleted.values()]
    relations = [_planned_relation(unit, pending) for pending in unit.relations]
    # A key that is deleted and created anew in one commit is deleted first; others last, since a relation
    # that is removed in the same commit needs its ends.
    first = [one for one in deletions if one.subject._identity in added]
    last = [one for one in deletions if one.subject._identity not in added]
    last.sort(key=lambda one: not isinstance(one.operation, DeleteRelation))
    return [*first, *saves, *relations, *last]


def commit(unit: Unit) -> Flow[None]:
    """Write everything that is pending, as one batch."""
    for document in [*unit.added.values(), *unit.identity.values(), *unit.deleted.values()]:
        if document._state.sent:
            yield from unanswered.settle(unit, document)
    if signals.pre_save.receivers or signals.pre_delete.receivers:
        yield from _announce(unit)
    plan = planned(unit)
    if not plan:
        return
    writes = [(None if one.signal is None else one.subject, one.operation) for one in plan]
    outcomes = yield from _write_all(writes)
    nothing_written = Aborted in map(type, outcomes)
    written: list[Planned] = []
    failed: list[tuple[Planned, OrcodmError]] = []
    untried: list[Any] = []
    for one, outcome in zip(plan, outcomes, strict=True):
        if isinstance(outcome, OrcodmError) and type(outcome) is not Aborted:
            failed.append((one, outcome))
        elif nothing_written:
            untried.append(one.subject)
        else:
            one.done(outcome)
            written.append(one)
    for one in written:
        if one.signal is not None:
            yield from _tell(one.signal, unit, one.subject)
    for one, error in failed:
        if isinstance(error, Conflict) and one.signal is not None:
            # It may be with an earlier write of ours, which was on its way until now.
            if one.subject._state.sent and (yield from unanswered.settle(unit, one.subject)) is not None:
                return (yield from commit(unit))
            yield from _conflict(unit, one.subject, getattr(one.operation, "value", None), error)
    if failed:
        raise _failure(failed, [one.subject for one in written], untried)


def bulk(unit: Unit, documents: Sequence[Any]) -> Flow[list[Outcome]]:
    """Save some documents, each with an outcome of its own."""
    outcomes: list[Any] = [None] * len(documents)
    texts = [b""] * len(documents)
    waiting: dict[int, Write] = {}
    for index, document in enumerate(documents):
        try:
            mapped(document)
            _check_identity(document)
            if document._state.sent:
                yield from unanswered.settle(unit, document)
            if signals.pre_save.receivers and _change(document) is not None:
                yield from _tell(signals.pre_save, unit, document)
            change = changes(document)
            if change is None:
                outcomes[index] = Outcome(document)
            else:
                value, texts[index] = change
                waiting[index] = document._write(value, texts[index], _condition(document, False))
        except Exception as error:
            outcomes[index] = Outcome(document, error)
    while waiting:
        found = yield from _write_all([(documents[index], write) for index, write in waiting.items()])
        nothing_written = Aborted in map(type, found)
        again = {}
        for (index, operation), outcome in zip(waiting.items(), found, strict=True):
            document = documents[index]
            if isinstance(outcome, OrcodmError) and type(outcome) is not Aborted:
                if isinstance(outcome, Conflict):
                    yield from _conflict(unit, document, operation.value, outcome)  # type: ignore[union-attr]
                outcomes[index] = Outcome(document, outcome)
            elif nothing_written:
                again[index] = operation
            else:
                document._stored(outcome)
                written = operation.value  # type: ignore[union-attr]
                stand_on(document, outcome.ref, texts[index], value=written, reftime=outcome.reftime)
                unit.added.pop(id(document), None)
                outcomes[index] = Outcome(document)
                if signals.post_save.receivers:
                    try:
                        yield from _tell(signals.post_save, unit, document)
                    except Exception as error:
                        outcomes[index] = Outcome(document, error)
        waiting = again  # each round sends at least one document less
    return outcomes


# -- steps -----------------------------------------------------------------------------------------


def _tell(signal: Signal, unit: Unit, document: Any, **payload: Any) -> Iterable[Step]:
    """What to yield from, so that receivers are told; there are none most of the time."""
    if not signal.receivers:
        return ()
    return send(signal, type(document), document=document, session=unit.owner, **payload)


def _change(document: Mapped) -> tuple[Any, bytes] | None:
    """What a save would write, as `changes` tells it.

    Raises `InvalidDocument`, unless a receiver may still mend that.
    """
    try:
        return changes(document)
    except InvalidDocument:
        if signals.pre_save.receivers:
            return None, b""
        raise


def _of(model: type, known: Any) -> Any:
    if isinstance(known, model):
        return known
    problem = Problem("", None, f"this session has it as a {type(known).__name__}")
    raise InvalidDocument(model.__name__, shown_key(known), [problem])


def _check_identity(document: Mapped) -> None:
    stored = document._state.identity
    if stored is not None and document._identity != stored:
        raise UsageError(
            f"{shown(document)} now has the identity {document._identity!r}: what is stored keeps its key; "
            "make a new document with the other one"
        )


_ABSENT: Final = IfAbsent()


def _condition(document: Mapped, force: bool) -> Condition:
    if force:
        return None
    ref = document._state.ref
    return _ABSENT if ref is None else IfMatch(ref)


def _erase_condition(document: Mapped, force: bool) -> Condition:
    # A purge after a deletion erases the history that is left, unless the key was written again.
    return _ABSENT if document._state.deleted and not force else _condition(document, force)


def _take(document: Mapped, item: Any) -> None:
    document._fill(document._upgraded(item.value))
    document._stored(item)
    stand_on(document, item.ref, _text(item), reftime=item.reftime)


def _text(item: Any) -> bytes:
    return encode(item.value) if item.text is None else item.text


def _written(unit: Unit, document: Mapped, result: Any, value: Any, text: bytes) -> None:
    document._stored(result)
    stand_on(document, result.ref, text, value=value, reftime=result.reftime)
    unit.settle(document)


def _deleted(unit: Unit, document: Mapped) -> None:
    unit.forget(document)
    document._state = evolve(document._state, deleted=True)


def _conflict(unit: Unit, document: Mapped, mine: Any, error: Conflict) -> Flow[None]:
    """Read what is stored now, give the conflict its three values, and tell the receivers."""
    try:
        current = yield document._read()
    except NotFound:
        current = None
    describe(error, document, mine, current)
    yield from _tell(signals.conflict, unit, document, conflict=error)


def _resolved(error: Conflict, on_conflict: OnConflict) -> Flow[bool]:
    """Whether the conflict was resolved; the document then stands on the stored version."""
    resolution: Any = on_conflict
    if callable(on_conflict):
        resolution = yield Call(on_conflict, (error,))
    return resolve(error, resolution)


# -- the plan of a commit --------------------------------------------------------------------------


def _announce(unit: Unit) -> Flow[None]:
    """Tell the receivers of what is about to be written; they may add and change documents."""
    told: set[int] = set()
    while True:
        saves = [*unit.added.values(), *unit.dirty()]
        ahead = [(signals.pre_save, document) for document in saves]
        ahead += [(signals.pre_delete, document) for document in unit.deleted.values()]
        ahead = [one for one in ahead if id(one[1]) not in told]
        if not ahead:
            return
        for signal, document in ahead:
            told.add(id(document))
            yield from _tell(signal, unit, document)


def _planned_save(unit: Unit, document: Mapped, value: Any, text: bytes) -> Planned:
    operation = document._write(value, text, _condition(document, False))
    return Planned(
        operation, document, lambda result: _written(unit, document, result, value, text), signals.post_save
    )


def _planned_deletion(unit: Unit, document: Mapped) -> Planned:
    operation = document._erase(_erase_condition(document, False), False)
    return Planned(operation, document, lambda _: _deleted(unit, document), signals.post_delete)


def _planned_relation(unit: Unit, pending: Pending) -> Planned:
    return Planned(pending.operation, pending.subject, lambda _: unit.relations.remove(pending))


def _failure(
    failed: Sequence[tuple[Planned, OrcodmError]], written: Sequence[Any], untried: Sequence[Any]
) -> OrcodmError:
    errors = [error for _, error in failed]
    subjects = [one.subject for one, _ in failed]
    conflicts = [error for error in errors if isinstance(error, Conflict)]
    if conflicts:
        first = conflicts[0]
        first._conflicts = tuple(conflicts)
        first.written, first.failed, first.untried = tuple(written), tuple(subjects), tuple(untried)
        return first
    if len(errors) == 1 and not written:
        return errors[0]
    return CommitError(errors, written=written, failed=subjects, untried=untried)
