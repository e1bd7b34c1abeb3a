"""Changes as requests, and what the answers mean.

Only an answer that says so tells that a change was made. All others but those to a request that the cluster
cannot take at all leave it open; `settling` finds out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import quote

import orjson

from ...errors import (
    BadRequest,
    DatabaseBusy,
    IndexingConflict,
    OrcodmError,
    StorageError,
    TooLarge,
    TransportError,
)
from .context import Context
from .documents import Draft, Found, Source, dump, is_searchable
from .exchange import Steps, ask, backoff, is_blocked
from .fields import indexed
from .mapping import FORM_NAMES, form
from .names import field_of, version_id
from .tasks import Change, Progress, end

T = TypeVar("T")

REPAIRS: Final = 20
"""How often older versions are tried to be written, or erased, that were not with the change."""

BODY: Final = 8 * 2**20
"""How many bytes of changes are sent in one request, and how many changes."""
CHANGES: Final = 2_000

_ANSWER: Final = "error,status," + ",".join(
    f"items.*.{name}" for name in ("_index", "_seq_no", "_primary_term", "status", "error")
)
"""What is read of the answer to changes: a quarter of what there is."""


def send(context: Context, changes: list[Change], known: dict[str, Progress]) -> Steps[None]:
    names: set[str] = set()
    lines: dict[str, bytes] = {}
    for change in changes:
        derived = _derived(change, known[change.identity])
        names.update(derived)
        lines[change.identity] = _lines(change, derived)
    new = {name for name in names - context.fields.known if form(name)}
    if new and (unmapped := (yield from context.fields.add(new))):
        for change in changes:
            change.missing = unmapped.intersection(_derived(change, known[change.identity]))
    for chunk, body in bodies((change, lines[change.identity]) for change in changes):
        try:
            answer = yield from ask(
                "POST",
                f"/{context.alias}/_bulk",
                body,
                require_alias="true",
                timeout="",
                filter_path=_ANSWER,
            )
        except TransportError as error:
            context.wrote()
            for change in chunk:
                progress = known[change.identity]
                progress.lost += (change,)
                progress.failure = error
            continue
        except (TooLarge, BadRequest, StorageError) as error:
            for change in chunk:
                _impossible(change, error, known[change.identity])
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
    return indexed(draft.value, "null" in draft.source["value"])


def bodies(parts: Iterable[tuple[T, bytes]]) -> Iterator[tuple[list[T], bytes]]:
    """Things with their lines as bodies of requests of some size."""
    chunk: list[T] = []
    lines: list[bytes] = []
    size = 0
    for thing, own in parts:
        if chunk and (size + len(own) > BODY or len(chunk) >= CHANGES):
            yield chunk, b"".join(lines)
            chunk, lines, size = [], [], 0
        chunk.append(thing)
        lines.append(own)
        size += len(own)
    if chunk:
        yield chunk, b"".join(lines)


def joined(lines: Iterable[bytes]) -> bytes:
    """Lines as a part of a body."""
    return b"\n".join((*lines, b""))


def _lines(change: Change, derived: Source) -> bytes:
    lines: list[bytes] = []
    for source in change.left:
        identity = version_id(change.identity, source["born"], source["number"])
        lines += (action("create", {"_id": identity, "routing": change.identity}), dump(source))
    target: dict[str, Any] = {"_id": change.identity}
    if change.base is not None:
        target |= {"if_seq_no": change.base.seq_no, "if_primary_term": change.base.primary_term}
    if change.draft is None:
        lines.append(action("delete", target))
    else:
        lines.append(action("create" if change.base is None else "index", target))
        lines.append(dump(change.draft.source | derived))
    return joined(lines)


def action(name: str, target: dict[str, Any]) -> bytes:
    return orjson.dumps({name: target})


def _read_answer(
    context: Context,
    chunk: list[Change],
    answers: list[dict[str, dict[str, Any]]],
    known: dict[str, Progress],
) -> Steps[None]:
    results = (result for answer in answers for result in answer.values())
    there: list[Found] = []
    elsewhere: list[tuple[Change, Found]] = []
    doubtful: list[tuple[Change, Source]] = []
    purged: list[Found] = []
    unfinished: list[Change] = []
    for change in chunk:
        missing = [source for source in change.left if "error" in next(results)]
        last = next(results)
        if "error" in last or last["status"] >= 400:
            _refused(change, last, known[change.identity])
            continue
        purges = change.purges()
        if change.draft is not None:
            written = Found(change.identity, last["_seq_no"], last["_primary_term"], change.draft.source)
            (purged if purges else there).append(written)
            if last["_index"] != context.fields.index and not purges:
                elsewhere.append((change, written))
        if missing or purges:
            doubtful += [(change, source) for source in missing]
            unfinished.append(change)
        else:
            succeed(change, known[change.identity])
    context.remember(*there)
    if elsewhere:
        yield from _index_again(context, elsewhere)
    if doubtful:
        yield from _keep(context, doubtful)
    if purged:
        yield from erase(context, purged)
    for change in unfinished:
        succeed(change, known[change.identity])


def _index_again(context: Context, written: list[tuple[Change, Found]]) -> Steps[None]:
    """See that what went to another index than was known has its fields there, and know it from now on."""
    before = context.fields.known
    yield from context.fields.learn()
    lines: list[bytes] = []
    for change, found in written:
        derived = _derived(change, Progress())
        names = {name for name in derived if form(name)} & before
        if names - context.fields.known:
            yield from context.fields.add(names)
            target = {"_id": found.id, "if_seq_no": found.seq_no, "if_primary_term": found.primary_term}
            lines += (action("index", target), dump(found.source | derived))
    if lines:  # where somebody has written since, it is for him
        yield from context.read("POST", f"/{context.alias}/_bulk", joined(lines), require_alias="true")


def succeed(change: Change, progress: Progress) -> None:
    progress.refused = progress.lost = ()
    for task, result in zip(change.tasks, change.results, strict=True):
        end(task, result)
    if change.draft is not None and (change.missing or progress.bare):
        # Of several writes under one id, the last is the one that is searched for.
        conflict = _indexing_conflict(change.draft, change.missing)
        conflict.written = change.results[-1]
        end(change.tasks[-1], conflict)


def _indexing_conflict(draft: Draft, missing: frozenset[str]) -> IndexingConflict:
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
    status = answer["status"]
    if status == 400 and not progress.bare and change.draft is not None:
        progress.bare = True
    elif status == 429 or is_blocked(answer):
        progress.refused += (change,)
        progress.failure = DatabaseBusy(f"the cluster does not take the write: {reason(answer)}")
    elif status == 409 or (status == 404 and "error" not in answer):
        progress.refused += (change,)
    elif status >= 500:
        # A node died on the way: a copy may have it, or may get it yet.
        progress.lost += (change,)
        progress.failure = TransportError(f"The cluster lost the write on its way ({reason(answer)}).")
    else:
        _impossible(change, StorageError(f"the index did not take the write: {reason(answer)}"), progress)


def reason(answer: dict[str, Any]) -> str:
    """Why an action of a request was not carried out."""
    error = answer.get("error") or {}
    return f"{error.get('type')}: {error.get('reason')}"[:500]


def _impossible(change: Change, error: OrcodmError, progress: Progress) -> None:
    """A change that the cluster cannot take. If it was sent before, that one may still have been made."""
    for task in change.tasks:
        end(task, (progress.failure or error) if progress.lost else error)


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
            if there is not None and all(
                there.source.get(name) == source.get(name) for name in ("ref", "token")
            ):
                continue
            target: dict[str, Any] = {"_id": identity, "routing": change.identity}
            if there is not None:
                target |= {"if_seq_no": there.seq_no, "if_primary_term": there.primary_term}
            lines += (action("index" if there is not None else "create", target), dump(source))
        if not lines:
            return
        yield from context.read("POST", f"/{context.alias}/_bulk", joined(lines), require_alias="true")
        yield backoff(min(attempt, 6))
    raise DatabaseBusy("an older version could not be written yet, though the one after it was")


def erase(context: Context, marks: list[Found]) -> Steps[None]:
    """Erase the histories of keys that are marked as purged, and then the marks."""
    lines: list[bytes] = []
    for mark in marks:
        for number in range(1, mark.source["number"] + 1):
            identity = version_id(mark.id, mark.source["born"], number)
            lines.append(action("delete", {"_id": identity, "routing": mark.id}))
    lines += [
        action("delete", {"_id": mark.id, "if_seq_no": mark.seq_no, "if_primary_term": mark.primary_term})
        for mark in marks
    ]
    # In this order, so that no mark goes before what it stands for.
    for start in range(0, len(lines), CHANGES):
        body = joined(lines[start : start + CHANGES])
        for attempt in range(REPAIRS):
            answer = yield from context.read("POST", f"/{context.alias}/_bulk", body, require_alias="true")
            failed = [item["delete"] for item in answer["items"] if item["delete"]["status"] >= 400]
            failed = [one for one in failed if one["status"] not in (404, 409)]
            if not failed:
                break
            yield backoff(min(attempt, 6))
        else:
            raise DatabaseBusy(f"not all of a history could be erased yet: {reason(failed[0])}")
    context.wrote()
