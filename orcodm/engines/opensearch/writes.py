"""Writing: any number of operations in a bounded number of requests, each change conditional.

A round is one `_mget` of what is written to (and of the items that relations are between) and one `_bulk`.
New things need no `_mget`: they are tried as new first. Writes under one id are decided together, one after
the other, and become one change; relations wait for the items before them. Who finds that somebody was
faster (the document's sequence number is another one by then) decides again, on what is there now.

Why no crash loses or invents a version. A key's history is on one shard, its documents routed there by the
item's id. A change of an item is: the documents of the versions that it leaves behind, then the current
document, in this order in one request. A shard carries out the operations of a request one after the other,
on each of its copies and when it recovers from its log, so what a crash leaves is always a beginning of
them:

* nothing: the change was not made;
* documents of older versions, the current one unchanged: nobody sees them, since a history ends before the
  current version's number. Whoever writes next meets them (`create` says they are there), and where they
  are not of the chain that he continues, replaces them;
* all of it: the change was made, and whoever did not hear so finds his token in the document.

An older version's document is written before the current one is replaced, so a version that was ever
current is never without a document. Purging marks the current document first; then the key is empty to
everyone, and whoever meets the mark erases what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson
from attrs import define, field, frozen

from ...errors import (
    DatabaseBusy,
    IndexingConflict,
    OrcodmError,
    StorageError,
    TooLarge,
    TransportError,
)
from ...identifiers import identifiers
from ...operations import (
    Batch,
    BatchResult,
    Delete,
    DeleteEvent,
    DeleteRelation,
    EventItem,
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
from .documents import Draft, Found, Moment, Source, archived, dump, is_head, is_live, is_searchable
from .exchange import Steps, ask, backoff, is_blocked
from .fields import indexed
from .mapping import FORM_NAMES, form
from .names import PURGING, event_id, field_of, item_id, version_id

REPAIRS: Final = 20
"""How often an older version is tried to be written whose document was not made with the change."""

BODY: Final = 8 * 2**20
"""How many bytes of changes are sent in one request, and how many changes."""
CHANGES: Final = 2_000


# -- what is to be done ----------------------------------------------------------------------------


@define(eq=False)
class Task:
    """One operation on its way, and what became of it."""

    operation: Write | Record
    moment: Moment
    identity: str = ""
    reads: tuple[str, ...] = ()
    timestamp: int = 0
    ordinal: int = 0
    key: str = ""
    outcome: Any = None
    done: bool = False


@frozen(eq=False)
class Change:
    """What a round makes of one id: the documents that are left behind, and the one that stays, if any."""

    tasks: list[Task]
    results: list[Any]
    identity: str
    base: Found | None
    left: list[Source]
    draft: Draft | None
    token: str
    missing: set[str] = field(factory=set)
    """The fields of the value that the index does not have."""

    @property
    def version(self) -> str | None:
        """The id that the version has once another one is written on top of it."""
        draft = self.draft
        if draft is None or not is_head(draft.source):
            return None
        return version_id(self.identity, draft.source["born"], draft.source["number"])

    def purges(self) -> bool:
        return self.draft is not None and self.draft.kind == PURGING


@define(eq=False)
class Progress:
    """What is known of an id across rounds."""

    token: str
    unread: bool = True
    """Nobody has looked yet, and it may well be new."""
    lost: Change | None = None
    """What was sent, and may have taken effect although no answer says so."""
    failure: OrcodmError | None = None
    history: set[str] = field(factory=set)
    """The refs of its older versions, where they matter."""
    bare: bool = False
    """Whether the index does not take the fields of the value: then it is stored without."""


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
    tasks = [_task(operation, context.clock.moment()) for operation in operations]
    known: dict[str, Progress] = {}
    token = context.clock.token()
    patient_until = context.clock.seconds() + context.address.timeout
    left, attempt = len(tasks), 0
    while wave := _wave(task for task in tasks if not task.done):
        try:
            yield from _round(context, wave, known, token)
        except (TransportError, DatabaseBusy) as error:
            _give_up(tasks, known, error)
        before, left = left, sum(not task.done for task in tasks)
        if left < before:
            patient_until, attempt = context.clock.seconds() + context.address.timeout, 0
        elif context.clock.seconds() > patient_until:
            _give_up(
                tasks,
                known,
                DatabaseBusy("others wrote the same in between, for too long; nothing was written"),
            )
        else:
            attempt += 1
            if attempt > 1:
                yield backoff(min(attempt, 5))
    return [task.outcome for task in tasks]


def _give_up(tasks: list[Task], known: dict[str, Progress], error: OrcodmError) -> None:
    for task in tasks:
        if not task.done:
            progress = known.get(task.identity)
            _end(task, error if progress is None or progress.failure is None else progress.failure)


def _task(operation: Write | Record, moment: Moment) -> Task:
    task = Task(operation, moment)
    match operation:
        case Version():
            task.identity = item_id(operation.collection, operation.key)
        case Put() | Patch() | Delete():
            task.identity, task.key = item_id(operation.collection, operation.key), operation.key
        case Post():
            _new_key(task)
        case PostEvent():
            task.timestamp = moment.now if operation.timestamp is None else operation.timestamp
            _new_ordinal(task)
        case PutEvent() | PatchEvent() | DeleteEvent() | EventItem():
            task.identity = events.identity(operation)
        case RelationItem():
            task.identity = relations.identity(operation)
        case PutRelation() | DeleteRelation():
            task.identity, task.reads = relations.identity(operation), relations.ends(operation)
    return task


def _new_key(task: Task) -> None:
    task.key = identifiers.next_key()
    task.identity = item_id(task.operation.collection, task.key)


def _new_ordinal(task: Task) -> None:
    operation: Any = task.operation
    task.ordinal = identifiers.next_ordinal() if operation.ordinal is None else operation.ordinal
    task.identity = event_id(
        operation.collection, operation.key, operation.type, task.timestamp, task.ordinal
    )


def _wave(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """The tasks by id that can be decided now: none reads what one before it writes, a purge is by itself."""
    wave: dict[str, list[Task]] = {}
    writing: set[str] = set()
    waiting: set[str] = set()
    for task in tasks:
        others = wave.get(task.identity, ())
        alone = any(map(_purges, (task, *others))) and others
        if alone or task.identity in waiting or not writing.isdisjoint(task.reads):
            waiting.update((task.identity, *task.reads))
        else:
            wave.setdefault(task.identity, []).append(task)
        writing.add(task.identity)
    return wave


def _purges(task: Task) -> bool:
    return isinstance(task.operation, Delete) and task.operation.purge


# -- a round ---------------------------------------------------------------------------------------


def _round(
    context: Context, wave: dict[str, list[Task]], known: dict[str, Progress], token: str
) -> Steps[None]:
    for identity in wave:
        if identity not in known:
            known[identity] = Progress(token)
    wanted = [identity for identity, tasks in wave.items() if not _tries(tasks, known[identity])]
    ends = {end for tasks in wave.values() for task in tasks for end in task.reads}
    lost = [change for identity in wanted if (change := known[identity].lost) is not None]
    found = yield from _read(context, [*wanted, *ends.difference(wanted)], lost)
    if marks := [document for document in found.values() if document.source["kind"] == PURGING]:
        yield from erase(context, marks)
        return
    changes = []
    for identity, tasks in wave.items():
        progress = known[identity]
        progress.unread = False
        if type(tasks[0].operation) is Version and (head := found.get(identity)) is not None:
            progress.history = yield from _refs(context, head)
        lost_change, progress.lost = progress.lost, None
        if lost_change is not None and _arrived(lost_change, found):
            _succeed(lost_change, progress)
            continue
        change = _decide(identity, tasks, found, progress)
        if change is not None:
            changes.append(change)
    yield from _send(context, changes, known)


def _tries(tasks: list[Task], progress: Progress) -> bool:
    """Whether a change is tried as if nothing was there, which costs no reading where that is so."""
    if not progress.unread:
        return False
    operation = tasks[0].operation
    if isinstance(operation, Put):
        return type(operation.condition) is not IfMatch
    return isinstance(operation, Post | PostEvent)


def _read(context: Context, ids: list[str], lost: list[Change]) -> Steps[dict[str, Found]]:
    """The documents of ids, and the older versions that lost changes may have become since."""
    targets = [{"_id": identity} for identity in ids]
    targets += [
        {"_id": identity, "routing": change.identity}
        for change in lost
        if (identity := change.version) is not None
    ]
    found: dict[str, Found] = {}
    for start in range(0, len(targets), CHANGES):
        documents = yield from context.mget_each(targets[start : start + CHANGES])
        found.update((document.id, document) for document in documents if document is not None)
    return found


def _refs(context: Context, head: Found) -> Steps[set[str]]:
    """The refs of the versions before the current one."""
    if not is_head(head.source):
        return set()
    numbers = range(1, head.source["number"])
    versions = yield from items.older(context, head.id, head.source["born"], numbers, only=("ref",))
    return {source["ref"] for source in versions}


def _decide(identity: str, tasks: list[Task], found: dict[str, Found], progress: Progress) -> Change | None:
    """What the tasks make of an id, one after the other; those that fail are done."""
    base = found.get(identity)
    current = None if base is None else Draft(base.source)
    first = current
    left: list[Source] = []
    kept: list[Task] = []
    results: list[Any] = []
    alive = {end for task in tasks for end in task.reads if (it := found.get(end)) and is_live(it.source)}
    for task in tasks:
        if current is not None and _draws(task):  # what was drawn is taken
            _renew(task)
            continue
        try:
            draft, result = _apply(task, current, alive, progress.history)
        except OrcodmError as error:
            _end(task, error)
            continue
        if draft is not current and current is not None and is_head(current.source):
            left.append(archived(current.source))
        current = draft
        kept.append(task)
        results.append(result)
    if current is first:  # nothing to do
        for task, result in zip(kept, results, strict=True):
            _end(task, result)
        return None
    if current is not None:
        current.source["token"] = progress.token
    return Change(kept, results, identity, base, left, current, progress.token)


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


def _end(task: Task, outcome: Any) -> None:
    task.outcome, task.done = outcome, True


# -- what became of it -----------------------------------------------------------------------------


def _arrived(change: Change, found: dict[str, Found]) -> bool:
    """Whether a change took effect of which the answers do not say so.

    A refusal is no proof: where a node dies, the cluster itself sends a change again.
    """
    draft, head = change.draft, found.get(change.identity)
    if draft is None or change.purges():
        return head is None
    if head is not None and head.source.get("token") == change.token:
        return True
    # Somebody may have written on top of it.
    older = found.get(change.version or "")
    return older is not None and older.source.get("token") == change.token


def _send(context: Context, changes: list[Change], known: dict[str, Progress]) -> Steps[None]:
    derived = {change.identity: _derived(change, known[change.identity]) for change in changes}
    names = {name for name in set().union(*derived.values()) if form(name)}
    unmapped = (yield from context.fields.add(names)) if names - context.fields.known else frozenset()
    for change in changes:
        change.missing.update(unmapped.intersection(derived[change.identity]))
    for chunk, body in _bodies(changes, derived):
        try:
            answer = yield from ask("POST", f"/{context.alias}/_bulk", body, require_alias="true", timeout="")
        except TransportError as error:
            context.wrote()
            for change in chunk:
                progress = known[change.identity]
                progress.lost, progress.failure = change, error
            continue
        except (TooLarge, StorageError) as error:
            for task in (task for change in chunk for task in change.tasks):
                _end(task, error)
            continue
        context.wrote()
        if "items" not in answer:
            raise StorageError(f"the index {context.alias} is not there any more: {answer['error']}"[:500])
        yield from _read_answer(context, chunk, answer["items"], known)


def _derived(change: Change, progress: Progress) -> Source:
    """What the index is given of the document beside what is stored."""
    draft = change.draft
    if draft is None or progress.bare or not is_searchable(draft.source):
        return {}
    return indexed(draft.entry(), "null" in draft.source["value"])


def _bodies(changes: list[Change], derived: dict[str, Source]) -> Iterable[tuple[list[Change], bytes]]:
    """The changes as bodies of requests of some size."""
    chunk: list[Change] = []
    lines: list[bytes] = []
    size = 0
    for change in changes:
        own = _lines(change, derived[change.identity])
        length = sum(map(len, own)) + len(own)
        if chunk and (size + length > BODY or len(chunk) >= CHANGES):
            yield chunk, b"\n".join(lines) + b"\n"
            chunk, lines, size = [], [], 0
        chunk.append(change)
        lines += own
        size += length
    if chunk:
        yield chunk, b"\n".join(lines) + b"\n"


def _lines(change: Change, derived: Source) -> list[bytes]:
    lines: list[bytes] = []
    for source in change.left:
        identity = version_id(change.identity, source["born"], source["number"])
        lines += (_action("create", {"_id": identity, "routing": change.identity}), dump(source))
    target: dict[str, Any] = {"_id": change.identity}
    if change.base is not None:
        target |= {"if_seq_no": change.base.seq_no, "if_primary_term": change.base.primary_term}
    if change.draft is None:
        lines.append(_action("delete", target))
    else:
        lines.append(_action("create" if change.base is None else "index", target))
        lines.append(dump(change.draft.source | derived))
    return lines


def _action(name: str, target: dict[str, Any]) -> bytes:
    return orjson.dumps({name: target})


def _read_answer(
    context: Context,
    chunk: list[Change],
    answers: list[dict[str, dict[str, Any]]],
    known: dict[str, Progress],
) -> Steps[None]:
    position = 0
    doubtful: list[tuple[Change, Source]] = []
    elsewhere: list[tuple[Change, Found]] = []
    purged: list[tuple[Change, Found]] = []
    for change in chunk:
        own = [next(iter(answer.values())) for answer in answers[position : position + len(change.left) + 1]]
        position += len(own)
        *left, last = own
        if "error" in last or last["status"] >= 400:
            _refused(change, last, known[change.identity])
            continue
        doubtful += [
            (change, source) for source, one in zip(change.left, left, strict=True) if "error" in one
        ]
        if change.purges():
            assert change.draft is not None
            mark = Found(change.identity, last["_seq_no"], last["_primary_term"], change.draft.source)
            purged.append((change, mark))
        else:
            _succeed(change, known[change.identity])
            if last["_index"] != context.fields.index and change.draft is not None:
                written = Found(change.identity, last["_seq_no"], last["_primary_term"], change.draft.source)
                elsewhere.append((change, written))
    if elsewhere:
        yield from _index_again(context, elsewhere)
    if doubtful:
        yield from _keep(context, doubtful)
    if purged:
        yield from erase(context, [mark for _, mark in purged])
        for change, _ in purged:
            _succeed(change, known[change.identity])


def _index_again(context: Context, written: list[tuple[Change, Found]]) -> Steps[None]:
    """See that what went to another index than was known has its fields there, and know it from now on."""
    before = context.fields.known
    yield from context.fields.learn()
    lines: list[bytes] = []
    for change, found in written:
        derived = _derived(change, Progress(change.token))
        names = {name for name in derived if form(name)} & before
        if names - context.fields.known:
            yield from context.fields.add(names)
            target = {"_id": found.id, "if_seq_no": found.seq_no, "if_primary_term": found.primary_term}
            lines += (_action("index", target), dump(found.source | derived))
    if lines:  # where somebody has written since, it is for him
        yield from context.read(
            "POST", f"/{context.alias}/_bulk", b"\n".join(lines) + b"\n", require_alias="true"
        )


def _succeed(change: Change, progress: Progress) -> None:
    for task, result in zip(change.tasks, change.results, strict=True):
        _end(task, result)
    if change.draft is not None and (change.missing or progress.bare):
        # Of several writes under one id, the last is the one that is searched for.
        conflict = _indexing_conflict(change.draft, change.missing)
        conflict.written = change.results[-1]
        _end(change.tasks[-1], conflict)


def _indexing_conflict(draft: Draft, missing: set[str]) -> IndexingConflict:
    source = draft.source
    conflicts = {
        field_of(name): {"type": FORM_NAMES[form(name) or ""], "expected": "no more fields in the index"}
        for name in sorted(missing)
    } or {"value": {"type": "json", "expected": "a value that the index takes"}}
    place = "/".join(quote(source[name], safe="") for name in ("collection", "key"))
    uri = f"/v0/{place}/refs/{source['ref']}/conflicts"
    return IndexingConflict(details={"conflicts": conflicts, "conflicts_uri": uri, "ref": source["ref"]})


def _refused(change: Change, answer: dict[str, Any], progress: Progress) -> None:
    """What a change that was not made, or perhaps was, means for its tasks: another round, or an error."""
    status, error = answer["status"], answer.get("error") or {}
    why = f"{error.get('type')}: {error.get('reason')}"[:500]
    if status in (404, 409):
        progress.lost = change
    elif status == 429 or is_blocked(answer):
        progress.failure = DatabaseBusy(f"the cluster does not take the write: {why}")
    elif status >= 500:
        # A node died on the way: a copy may have it.
        progress.lost, progress.failure = (
            change,
            TransportError(f"The cluster lost the write on its way ({why})."),
        )
    elif status == 400 and not progress.bare and change.draft is not None:
        progress.bare = True
    else:
        for task in change.tasks:
            _end(task, StorageError(f"the index did not take the write: {why}"))


def _draws(task: Task) -> bool:
    """Whether the key or the ordinal is ours to choose."""
    operation = task.operation
    return isinstance(operation, Post) or (isinstance(operation, PostEvent) and operation.ordinal is None)


def _renew(task: Task) -> None:
    """Draw another key or ordinal."""
    _new_key(task) if isinstance(task.operation, Post) else _new_ordinal(task)


# -- older versions --------------------------------------------------------------------------------


def _keep(context: Context, doubtful: list[tuple[Change, Source]]) -> Steps[None]:
    """See that older versions are there whose documents were not made with the change.

    Most often they are: somebody wrote them and was not the one to write the next version. Another version
    under the number is one that never was (its writer died, or was cut off): it is replaced.
    """
    for attempt in range(REPAIRS):
        wanted = {
            version_id(change.identity, source["born"], source["number"]): (change, source)
            for change, source in doubtful
        }
        targets = [{"_id": identity, "routing": change.identity} for identity, (change, _) in wanted.items()]
        found = {document.id: document for document in (yield from context.mget_each(targets)) if document}
        lines: list[bytes] = []
        for identity, (change, source) in wanted.items():
            there = found.get(identity)
            if there is not None and there.source["ref"] == source["ref"]:
                continue
            target: dict[str, Any] = {"_id": identity, "routing": change.identity}
            if there is not None:
                target |= {"if_seq_no": there.seq_no, "if_primary_term": there.primary_term}
            lines += (_action("index" if there is not None else "create", target), dump(source))
        if not lines:
            return
        yield from context.read(
            "POST", f"/{context.alias}/_bulk", b"\n".join(lines) + b"\n", require_alias="true"
        )
        yield backoff(min(attempt, 6))
    raise StorageError("an older version could not be written, though the one after it was")


def erase(context: Context, marks: list[Found]) -> Steps[None]:
    """Erase the histories of keys that are marked as purged, and then the marks."""
    lines: list[bytes] = []
    for mark in marks:
        for number in range(1, mark.source["number"] + 1):
            identity = version_id(mark.id, mark.source["born"], number)
            lines.append(_action("delete", {"_id": identity, "routing": mark.id}))
    lines += [
        _action("delete", {"_id": mark.id, "if_seq_no": mark.seq_no, "if_primary_term": mark.primary_term})
        for mark in marks
    ]
    # In this order, so that no mark goes before what it stands for.
    for start in range(0, len(lines), CHANGES):
        body = b"\n".join(lines[start : start + CHANGES]) + b"\n"
        yield from context.read("POST", f"/{context.alias}/_bulk", body, require_alias="true")
    context.wrote()
