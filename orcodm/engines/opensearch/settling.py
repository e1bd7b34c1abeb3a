"""What became of changes that no answer says were made.

A refusal is no proof that a change was not made: where a node dies, the cluster itself sends it again to
another one, which may have it already. An answer that was lost is no proof of anything. And a read is no
proof either: it may be answered by a copy that was cut off, whose state is older, or is about to be rolled
back. So:

* Whoever was refused asks the primary. An update that changes nothing is a write to the cluster: its answer
  comes from a primary that all copies in step still take for theirs. A change that was refused has come to
  its end; it was made if and only if it is in the chain of what is there now. Whoever has nothing to do
  according to what he read (a deletion of nothing, say) asks as well, before he says that it is done.
* Whoever had no answer may still be heard. So he writes what he finds once more, as it is and on condition
  that it still is: with the answer every copy has it, and nothing can be made any more that was to be made on
  an older state. The same goes for whoever finds his own change: before he says so, it must be one that
  cannot be lost. Where others write faster than he does, their writes do it for him: what he saw in
  `OVERTAKEN` looks, each answered by all copies in step, and sees below what is there in the next one, is
  on all of them.
* Where neither can be told in time, or nothing is left that could tell, the outcome is unknown, and the error
  says so: `TransportError` or `DatabaseBusy`, never a conflict.

The versions of an item lead from one to the next by their refs, and each says by its token whose it is.
Events and relations have no older versions, but the tokens of their last writes (`trail`). What was deleted
without leaving anything tells nothing: who was refused then takes it for somebody else's deletion.

What remains: a creation without an answer that is carried out after somebody else's was found, and purged; a
purge that erased what was written before it, which then counts as never written; and a primary that dies
between two writes on top of each other, of which only the second had reached a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any, Final

from ...errors import DatabaseBusy, StorageError
from .context import Context
from .documents import Found, dump, is_head
from .exchange import Steps
from .names import PURGING, version_id
from .sending import action, bodies, erase, joined, reason, succeed
from .tasks import Change, Progress

Seen = dict[str, Found | None]
"""What the primary has under ids. One that is not among them was not answered for."""

OVERTAKEN: Final = 3

_NOTHING: Final = b'{"doc":{},"_source":true}'


class Fate(Enum):
    MADE = auto()
    NOT_MADE = auto()
    GONE = auto()
    """Nothing is left that could tell."""
    UNCLEAR = auto()
    """Somebody is just writing there; the next look may tell."""


def settle(context: Context, doubtful: Mapping[str, Progress]) -> Steps[Seen]:
    """What is there of those ids that can be decided upon now. Whose change was made has been told."""
    seen = yield from look(context, _first(doubtful))
    seen |= yield from look(context, _between(doubtful, seen))
    made: dict[str, Change] = {}
    settled: Seen = {}
    safe: dict[str, Found] = {}
    touched: list[str] = []
    for identity, progress in doubtful.items():
        if identity not in seen:
            continue
        fates = {change: _fate(change, seen) for change in progress.open}
        if Fate.UNCLEAR in fates.values():
            continue
        mine = next((change for change, fate in fates.items() if fate is Fate.MADE), None)
        if mine is not None:
            made[identity] = mine
        head = seen[identity]
        if head is not None and (progress.lost or mine is not None):
            if _built_upon(head, progress, seen):
                safe[identity] = head
            else:
                touched.append(identity)
        else:
            progress.refused = ()
            settled[identity] = head
            if not progress.lost:
                progress.failure = None
    safe |= yield from _touch(context, touched, doubtful, seen)
    for identity, found in safe.items():
        progress = doubtful[identity]
        progress.overtaken = ()
        if identity in made:
            if found.source["kind"] == PURGING:
                yield from erase(context, [found])
            else:
                context.remember(found)
            succeed(made[identity], progress)
            continue
        gone = any(change.erases() and _fate(change, seen) is Fate.GONE for change in progress.lost)
        progress.refused = ()
        if not gone:
            progress.lost = ()
            progress.failure = None
        settled[identity] = found
    return settled


# -- looking ---------------------------------------------------------------------------------------


def look(context: Context, targets: Mapping[str, str]) -> Steps[Seen]:
    """What the primary has under ids, each with the id that says on which shard it is."""
    seen: Seen = {}
    parts = (
        (each, joined((action("update", _target(each, head)), _NOTHING))) for each, head in targets.items()
    )
    for chunk, body in bodies(parts):
        for identity, answer in zip(chunk, (yield from _bulk(context, body)), strict=True):
            if answer["status"] == 200:
                got = answer["get"]
                seen[identity] = Found(identity, got["_seq_no"], got["_primary_term"], got["_source"])
            elif (answer.get("error") or {}).get("type") == "document_missing_exception":
                seen[identity] = None
    return seen


def _target(identity: str, head: str) -> dict[str, Any]:
    return {"_id": identity} if identity == head else {"_id": identity, "routing": head}


def _bulk(context: Context, body: bytes) -> Steps[list[dict[str, Any]]]:
    answer = yield from context.read(
        "POST", f"/{context.alias}/_bulk", body, require_alias="true", timeout=""
    )
    if "items" not in answer:
        raise StorageError(f"the index {context.alias} is not there any more: {answer['error']}"[:500])
    return [next(iter(item.values())) for item in answer["items"]]


def _first(doubtful: Mapping[str, Progress]) -> dict[str, str]:
    """The ids of what is there now, and of the versions that the changes are if somebody wrote since."""
    targets = {identity: identity for identity in doubtful}
    # In this order: an older version's document is there before the one that follows it.
    for identity, progress in doubtful.items():
        targets |= {change.version: identity for change in progress.open if change.version is not None}
    return targets


def _between(doubtful: Mapping[str, Progress], seen: Seen) -> dict[str, str]:
    """The ids of the versions that lead from what is there to the changes, as far as nobody looked yet."""
    targets: dict[str, str] = {}
    for identity, progress in doubtful.items():
        head = seen.get(identity)
        if head is None or not is_head(head.source):
            continue
        for number in _numbers(head, progress, seen):
            wanted = version_id(identity, head.source["born"], number)
            if wanted not in seen:
                targets[wanted] = identity
    return targets


def _numbers(head: Found, progress: Progress, seen: Seen) -> range:
    """The older versions that matter: those from the changes on, and what they were made on if that is
    written again together with them."""
    newest = head.source["number"]
    lives = [change for change in progress.open if change.born == head.source["born"]]
    first = min((change.number for change in lives if change.number), default=newest)
    mine = {change.token for change in lives}
    found = (seen.get(change.version) for change in lives if change.version is not None)
    near = any(each is not None and each.source.get("token") in mine for each in (head, *found))
    if progress.lost or near:
        first = min(first, newest) - 1
    return range(max(1, first), newest)


def _chain(head: Found, numbers: range, seen: Seen) -> list[Found] | None:
    """The older versions of these numbers, newest first; None where one does not lead to the next."""
    chain: list[Found] = []
    above = head
    for number in reversed(numbers):
        version = seen.get(version_id(head.id, head.source["born"], number))
        if version is None or version.source["ref"] != above.source["previous"]:
            return None
        chain.append(version)
        above = version
    return chain


# -- judging ---------------------------------------------------------------------------------------


def _fate(change: Change, seen: Seen) -> Fate:
    head = seen[change.identity]
    if head is None:
        return Fate.GONE
    source = head.source
    if source.get("token") == change.token:
        return Fate.MADE
    if source["kind"] == PURGING or source["born"] != change.born:
        return Fate.GONE
    if change.erases() or source.get("number", 0) < change.number:
        return Fate.NOT_MADE
    if is_head(source):
        return _fate_of_version(change, head, seen)
    tokens = {source["token"], *source.get("trail", ())}
    if change.token in tokens or change.base is None:  # then its life began with the change
        return Fate.MADE
    return Fate.NOT_MADE if change.base.source["token"] in tokens else Fate.UNCLEAR


def _fate_of_version(change: Change, head: Found, seen: Seen) -> Fate:
    if head.source["number"] == change.number:
        return Fate.NOT_MADE
    chain = _chain(head, range(change.number, head.source["number"]), seen)
    if chain is None:
        return Fate.UNCLEAR
    return Fate.MADE if chain[-1].source.get("token") == change.token else Fate.NOT_MADE


# -- making sure -----------------------------------------------------------------------------------


def _built_upon(head: Found, progress: Progress, seen: Seen) -> bool:
    """Whether what was there in enough earlier looks is below what is there now."""
    if len(progress.overtaken) < OVERTAKEN:
        return False
    if is_head(head.source):
        below = _chain(head, _numbers(head, progress, seen), seen) or []
        tokens = {found.source.get("token") for found in below}
    else:
        tokens = set(head.source.get("trail", ()))
    if all(found.source["token"] in tokens for found in progress.overtaken):
        return True
    progress.overtaken = ()
    return False


def _touch(
    context: Context, ids: Iterable[str], doubtful: Mapping[str, Progress], seen: Seen
) -> Steps[dict[str, Found]]:
    """What is there of ids, written once more as it is: from now on it cannot be lost.

    The older versions that it follows on are written with it, since they may have been on their way as well.
    """
    documents: dict[str, list[Found]] = {}
    for identity in ids:
        head = seen[identity]
        assert head is not None
        chain = _chain(head, _numbers(head, doubtful[identity], seen), seen) if is_head(head.source) else []
        if chain is not None:
            documents[identity] = [*reversed(chain), head]
    touched: dict[str, Found] = {}
    parts = ((identity, _again(identity, these)) for identity, these in documents.items())
    for chunk, body in bodies(parts):
        answers = iter((yield from _bulk(context, body)))
        context.wrote()
        for identity in chunk:
            own = [next(answers) for _ in documents[identity]]
            failed = next((answer for answer in own if answer["status"] >= 400), None)
            if failed is None:
                place = own[-1]["_seq_no"], own[-1]["_primary_term"]
                touched[identity] = Found(identity, *place, documents[identity][-1].source)
            elif failed["status"] == 409:
                doubtful[identity].overtaken += (documents[identity][-1],)
            else:
                doubtful[identity].failure = DatabaseBusy(
                    f"the cluster does not take the write: {reason(failed)}"
                )
    return touched


def _again(identity: str, documents: list[Found]) -> bytes:
    lines: list[bytes] = []
    for found in documents:
        target = _target(found.id, identity)
        target |= {"if_seq_no": found.seq_no, "if_primary_term": found.primary_term}
        lines += (action("index", target), dump(found.source))
    return joined(lines)
