"""Writing: any number of operations in a bounded number of requests, each change conditional.

A round is one `_mget` of what is written to (and of the items that relations are between) and one `_bulk`.
New things need no `_mget`: they are tried as new first. Writes under one id are decided together, one after
the other, and become one change; relations wait for the items before them. Who finds that somebody was
faster (the document's sequence number is another one by then) decides again, on what is there now.

Only an answer that a change was made is one; after anything else `settling` finds out what became of it
before anything is decided anew, or told.

Why no crash loses or invents a version. A key's history is on one shard, its documents routed there by the
item's id. A change of an item is: the documents of the versions that it leaves behind, then the current
document, in this order in one request. A shard carries out the operations of a request one after the other,
on each of its copies and when it recovers from its log, so what a crash leaves is always a beginning of
them:

* nothing: the change was not made;
* documents of older versions, the current one unchanged: nobody sees them, since a history ends before the
  current version's number. Whoever writes next meets them (`create` says they are there), and where they
  are not of the chain that he continues, replaces them;
* all of it: the change was made, and whoever did not hear so finds his token there.

An older version's document is written before the current one is replaced, so a version that was ever
current is never without a document. Purging marks the current document first; then the key is empty to
everyone, and whoever meets the mark erases what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import DatabaseBusy, OrcodmError, TransportError
from ...operations import (
    Batch,
    BatchResult,
    Delete,
    DeleteEvent,
    DeleteRelation,
    EventItem,
    IfAbsent,
    IfMatch,
    Patch,
    PatchEvent,
    Post,
    PostEvent,
    Put,
    PutEvent,
    PutRelation,
    Record,
    RelationItem,
    Restore,
    Version,
    Write,
)
from . import events, items, records, relations
from .context import Context
from .documents import Draft, Found, Source, archived, is_head, is_live, sign
from .exchange import Steps, backoff
from .names import PURGING
from .sending import CHANGES, erase, send
from .settling import settle
from .tasks import Change, Progress, Task, draws, end, make_task, renew


def execute(context: Context, operation: Write) -> Steps[Any]:
    """The result of one write."""
    (outcome,) = yield from write(context, [operation])
    if isinstance(outcome, OrcodmError):
        raise outcome
    return outcome


def batch(context: Context, operation: Batch) -> Steps[BatchResult]:
    return BatchResult((yield from write(context, operation.operations)))


def restore(context: Context, operation: Restore) -> Steps[BatchResult]:
    return BatchResult((yield from write(context, operation.records)))


def write(context: Context, operations: Sequence[Write | Record]) -> Steps[list[Any]]:
    """The result of each write or restored record, or its error."""
    tasks = list(map(make_task, operations, context.clock.moments(len(operations))))
    known: dict[str, Progress] = {}
    patient_until = context.clock.seconds() + context.address.timeout
    left, attempt = len(tasks), 0
    while wave := _wave(task for task in tasks if not task.done):
        try:
            yield from _round(context, wave, known)
        except OrcodmError as error:
            _give_up(tasks, known, error)
        before, left = left, sum(not task.done for task in tasks)
        if left < before:
            patient_until, attempt = context.clock.seconds() + context.address.timeout, 0
        elif context.clock.seconds() > patient_until:
            _give_up(tasks, known, DatabaseBusy("others wrote the same in between, for too long"))
        else:
            attempt += 1
            if attempt > 1:
                yield backoff(min(attempt, 5))
    return [task.outcome for task in tasks]


def _give_up(tasks: list[Task], known: dict[str, Progress], error: OrcodmError) -> None:
    for task in tasks:
        if not task.done:
            end(task, _failure(known.get(task.identity), error))


def _failure(progress: Progress | None, error: OrcodmError) -> OrcodmError:
    """The error of what could not be brought to an end."""
    if progress is None:
        return error
    known = progress.failure or error
    if progress.open and not isinstance(known, TransportError | DatabaseBusy):
        return TransportError(f"It is not known whether it was written ({known}).")
    return known


def _wave(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """The tasks by id that can be decided now: none reads what one before it writes, a purge is by itself."""
    wave: dict[str, list[Task]] = {}
    writing: set[str] = set()
    waiting: set[str] = set()
    for task in tasks:
        others = wave.get(task.identity, ())
        alone = others and any(map(_purges, (task, *others)))
        if alone or task.identity in waiting or not writing.isdisjoint(task.reads):
            waiting.update((task.identity, *task.reads))
        else:
            wave.setdefault(task.identity, []).append(task)
        writing.add(task.identity)
    return wave


def _purges(task: Task) -> bool:
    return isinstance(task.operation, Delete) and task.operation.purge


# -- a round ---------------------------------------------------------------------------------------


def _round(context: Context, wave: dict[str, list[Task]], known: dict[str, Progress]) -> Steps[None]:
    for identity in wave:
        if identity not in known:
            known[identity] = Progress()
    doubtful = {identity: known[identity] for identity in wave if known[identity].doubtful}
    settled = (yield from settle(context, doubtful)) if doubtful else {}
    ready = {identity: tasks for identity, tasks in wave.items() if identity not in doubtful}
    ready |= {identity: [task for task in wave[identity] if not task.done] for identity in settled}
    tried = {
        identity for identity, tasks in ready.items() if _tries(tasks, known[identity], context.overwrites)
    }
    recalled = _recalled(context, ready, known)
    wanted = ready.keys() - tried - recalled.keys() - settled.keys()
    ends = {end for tasks in ready.values() for task in tasks for end in task.reads}
    found = recalled | {identity: there for identity, there in settled.items() if there is not None}
    found |= yield from _read(context, [*wanted, *(ends - wanted - found.keys())])
    if marks := [document for document in found.values() if document.source["kind"] == PURGING]:
        yield from erase(context, marks)
        return
    alive = {end for end in ends if (there := found.get(end)) and is_live(there.source)}
    changes = []
    for identity, tasks in ready.items():
        progress = known[identity]
        progress.unread = False
        restores = type(tasks[0].operation) is Version
        history = (yield from _refs(context, found.get(identity))) if restores else set()
        change = _decide(
            context,
            identity,
            tasks,
            found.get(identity),
            alive,
            history,
            progress,
            guessed=identity in tried,
            sure=identity in settled,
        )
        if change is not None:
            changes.append(change)
    _learn(context, changes)
    yield from send(context, changes, known)


def _tries(tasks: list[Task], progress: Progress, overwrites: bool) -> bool:
    """Whether a change is tried as if nothing was there, which costs no reading where that is so."""
    if not progress.unread:
        return False
    operation = tasks[0].operation
    if isinstance(operation, Put):
        return type(operation.condition) is IfAbsent or (operation.condition is None and not overwrites)
    return isinstance(operation, Post | PostEvent)


def _recalled(context: Context, wave: dict[str, list[Task]], known: dict[str, Progress]) -> dict[str, Found]:
    """What need not be read, since it was lately, and is written to only if it is still the same."""
    recalled: dict[str, Found] = {}
    for identity, tasks in wave.items():
        operation = tasks[0].operation
        if len(tasks) > 1 or not known[identity].unread:
            continue
        if isinstance(operation, Put) and isinstance(operation.condition, IfMatch):
            found = context.recall(identity, operation.condition.ref)
            if found is not None and is_live(found.source):
                recalled[identity] = found
    return recalled


def _learn(context: Context, changes: list[Change]) -> None:
    """Guess from the last unconditional writes whether the next ones will meet something."""
    unconditional = [
        change
        for change in changes
        if isinstance(operation := change.tasks[0].operation, Put) and operation.condition is None
    ]
    if unconditional:
        met = sum(change.base is not None for change in unconditional)
        context.overwrites = 2 * met > len(unconditional)


def _read(context: Context, ids: list[str]) -> Steps[dict[str, Found]]:
    found: dict[str, Found] = {}
    for start in range(0, len(ids), CHANGES):
        documents = yield from context.mget(ids[start : start + CHANGES])
        found.update((document.id, document) for document in documents if document is not None)
    return found


def _refs(context: Context, head: Found | None) -> Steps[set[str]]:
    """The refs of the versions before the current one."""
    if head is None or not is_head(head.source):
        return set()
    numbers = range(1, head.source["number"])
    versions = yield from items.older(context, head.id, head.source["born"], numbers, only=("ref",))
    return {source["ref"] for source in versions}


def _decide(
    context: Context,
    identity: str,
    tasks: list[Task],
    base: Found | None,
    alive: set[str],
    history: set[str],
    progress: Progress,
    *,
    guessed: bool,
    sure: bool,
) -> Change | None:
    """What the tasks make of an id, one after the other; those that fail are done.

    `base` is what was found there, `alive` which of the ends of relations were, `history` the refs of its
    older versions. `guessed` says that nobody has looked: what fails then, and what comes after it, waits
    until somebody has. `sure` says that what was found was settled; then the tasks that change nothing are
    done as well.
    """
    current = None if base is None else Draft(base.source)
    first = current
    left: tuple[Source, ...] = ()
    kept: list[Task] = []
    results: list[Any] = []
    for task in tasks:
        if current is not None and draws(task):  # what was drawn is taken
            renew(task)
            continue
        try:
            draft, result = _apply(task, current, alive, history)
        except OrcodmError as error:
            if guessed and task is not tasks[0]:  # which fails only where its value cannot be stored
                break
            # An earlier try of ours, and nothing else, may be why it fails now.
            end(task, _failure(progress, error) if progress.lost else error)
            continue
        if draft is not current and current is not None and is_head(current.source):
            left += (archived(current.source),)
        current = draft
        kept.append(task)
        results.append(result)
    progress.idle = bool(kept) and current is first and not sure
    if current is first:  # nothing to do
        for task, result in zip(kept, results, strict=True):
            if sure:
                end(task, result)
        return None
    token = context.clock.token()
    if current is not None:
        sign(current, token, None if base is None else base.source)
    return Change(kept, results, identity, base, left, current, token)


def _apply(task: Task, current: Draft | None, alive: set[str], history: set[str]) -> tuple[Draft | None, Any]:
    operation, moment = task.operation, task.moment
    match operation:
        case Version() | EventItem() | RelationItem():
            return records.restore(operation, current, history, moment)
        case Put() | Post():
            return items.put(operation, task.key, current, moment)
        case Patch():
            return items.patch_item(operation, current, moment)
        case Delete(purge=True):
            draft, result = items.delete(operation, current, moment)
            return (None if draft is None else Draft(_marked(current or draft))), result
        case Delete():
            return items.delete(operation, current, moment)
        case PostEvent():
            return events.post_event(operation, task.timestamp, task.ordinal, current, moment)
        case PutEvent():
            return events.put_event(operation, current, moment)
        case PatchEvent():
            return events.patch_event(operation, current, moment)
        case DeleteEvent():
            events.delete_event(operation, current)
            return None, None
        case PutRelation():
            return relations.put_relation(operation, current, alive, moment)
        case DeleteRelation():
            relations.delete_relation(operation, current, alive)
            return None, None


def _marked(draft: Draft) -> Source:
    """The mark of a key that is being purged: enough to erase its history, and nothing else."""
    names = ("collection", "key", "ref", "reftime", "born", "stamp", "number", "previous")
    return {"kind": PURGING, **{name: draft.source[name] for name in names}}
