"""Partial updates: a JSON Patch with the protocol's extensions, or a merge patch, applied to a value.

Nothing is changed in place: each operation gives a new value that shares with the old one whatever it
did not touch. So the input stays as it was, and a patch that fails half-way has had no effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .errors import BadRequest, PatchConflict, TooLarge
from .names import steps
from .operations import Changes, JsonPatch, MergePatch

MAX_NESTING: Final = 50
"""How deep `patch` operations may contain each other."""

MAX_COPIED: Final = 16 * 2**20
"""How much the `copy` operations of one patch may add, in characters and members.

Copying the whole into itself doubles it, so forty operations would otherwise fill any memory.
"""

Steps = tuple[str, ...]


def apply(value: Any, changes: Changes) -> Any:
    """The value with the changes made; the input is untouched.

    Raises `BadRequest` for a malformed operation, before any is tried, and `PatchConflict` for one
    that cannot be applied; its `details` have `op` (the operation as sent, the innermost where `patch`
    operations contain it), `opIndex` (of the outermost), `info`, and for a failed `test` what was `expected`.
    """
    match changes:
        case MergePatch(value=patch):
            return merge(value, patch)
        case JsonPatch(operations=operations):
            _check(operations)
            return _run(value, operations)


def merge(target: Any, patch: Any) -> Any:
    """The merge of RFC 7396: objects merge, null deletes a member, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, member in patch.items():
        if member is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), member)
    return merged


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON: 1 equals 1.0, and neither equals true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(member, b[name]) for name, member in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


# -- reading operations ----------------------------------------------------------------------------


def _check(operations: Iterable[Any], nesting: int = 0) -> None:
    if nesting > MAX_NESTING:
        raise BadRequest(f"The patch operations nest deeper than {MAX_NESTING} levels.")
    for index, operation in enumerate(operations):
        if not isinstance(operation, Mapping):
            raise _malformed(f"operation {index} is not an object: {operation!r:.80}")
        name = operation.get("op")
        if not isinstance(name, str):
            raise _malformed(f"operation {index} has no op")
        if name not in _NEEDS:
            raise _malformed(f"operation {index} is unknown: {name!r:.80}")
        for member in _NEEDS[name]:
            if member not in operation:
                raise _malformed(f"operation {index} ({name}) has no {member}")
        for member in ("path", "from") if name in ("move", "copy") else ("path",):
            _steps(operation[member])
        for member in ("negate", "conditional"):
            if not isinstance(operation.get(member), bool | None):
                raise _malformed(f"the {member} of operation {index} ({name}) is neither true nor false")
        value = operation.get("value")
        if name == "inc" and value is not None and not _is_number(value):
            raise _malformed(f"the value of operation {index} (inc) is not a number: {value!r:.80}")
        if name == "patch":
            if not isinstance(value, list | tuple):
                raise _malformed(f"the value of operation {index} (patch) is not an array of operations")
            _check(value, nesting + 1)


def _malformed(info: str) -> BadRequest:
    return BadRequest(f"The patch is malformed: {info}.", details={"info": info})


def _steps(path: Any) -> Steps:
    """JSON Pointer where it begins with a slash, else the name of a field; the empty path is the root."""
    if not isinstance(path, str):
        raise _malformed(f"a path is not text: {path!r:.80}")
    if not path:
        return ()
    if not path.startswith("/"):
        return steps(path)
    found = tuple(path[1:].split("/"))
    if "~" not in path:
        return found
    for step in found:
        if "~" in step.replace("~0", "").replace("~1", ""):
            raise _malformed(f"{path!r:.80} has a ~ that is neither ~0 nor ~1")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in found)


def _block(operation: Mapping[str, Any]) -> Steps:
    # The Java client writes the root of a merge or a patch as "/", which RFC 6901 reads as a member "".
    return () if operation["path"] == "/" else _steps(operation["path"])


# -- applying them ---------------------------------------------------------------------------------


class _Refused(Exception):
    """One operation cannot be applied."""

    def __init__(self, info: str, **expected: Any) -> None:
        self.info = info
        self.expected = expected  # empty, or the member of the same name
        self.operation: Mapping[str, Any] | None = None  # inside a `patch`


class _Untrue(_Refused):
    """A `test` is false: the one failure that a conditional block absorbs."""


class _Room:
    """What is left of `MAX_COPIED`."""

    def __init__(self) -> None:
        self.left = MAX_COPIED

    def take(self, value: Any) -> None:
        """Count the characters and members of a value. Raises `TooLarge` where no room is left."""
        pending = [value]
        while pending:
            value = pending.pop()
            self.left -= 1
            if isinstance(value, str):
                self.left -= len(value)
            elif isinstance(value, dict):
                self.left -= sum(map(len, value))
                pending.extend(value.values())
            elif isinstance(value, list | tuple):
                pending.extend(value)
            if self.left < 0:
                raise TooLarge(f"The copies of the patch are larger than {MAX_COPIED} characters.")


def _run(value: Any, operations: Iterable[Mapping[str, Any]]) -> Any:
    room = _Room()
    for index, operation in enumerate(operations):
        try:
            value = _step(value, operation, room)
        except _Refused as refusal:
            refused = dict(refusal.operation or operation)
            details = {"op": refused, "opIndex": index, "info": refusal.info} | refusal.expected
            raise PatchConflict(
                f"Operation {index} of the patch ({operation['op']} {operation['path']!r:.80}) "
                f"could not be applied: {refusal.info}.",
                details=details,
            ) from None
    return value


def _step(document: Any, operation: Mapping[str, Any], room: _Room) -> Any:
    name = operation["op"]
    if name == "patch":
        return _patch(document, operation, room)
    if name == "copy":
        room.take(_find(document, _steps(operation["from"])))
    return _HANDLERS[name](document, operation)


def _find(document: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list | tuple) and (index := _index(step, len(document))) is not None:
            document = document[index]
        else:
            raise _missing(steps)
    return document


def _change(document: Any, steps: Steps, change: Callable[[Any], Any], depth: int = 0) -> Any:
    """The document with what is at `steps` changed. The containers on the way are copied, nothing else."""
    if depth == len(steps):
        return change(document)
    step = steps[depth]
    if isinstance(document, dict) and step in document:
        return document | {step: _change(document[step], steps, change, depth + 1)}
    if isinstance(document, list | tuple) and (index := _index(step, len(document))) is not None:
        changed = _change(document[index], steps, change, depth + 1)
        return [*document[:index], changed, *document[index + 1 :]]
    raise _missing(steps)


def _index(step: str, length: int) -> int | None:
    """The index that a step names among `length` elements; RFC 6901 allows no leading zeros."""
    if len(step) > 18 or not (step.isascii() and step.isdigit()) or (step[0] == "0" and step != "0"):
        return None
    return index if (index := int(step)) < length else None


def _missing(steps: Steps) -> _Refused:
    return _Refused(f"nothing is at {_pointer(steps)!r:.80}")


def _pointer(steps: Steps) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _insert(document: Any, steps: Steps, value: Any) -> Any:
    if not steps:
        return value
    *parents, last = steps

    def inserted(parent: Any) -> Any:
        if isinstance(parent, dict):
            return parent | {last: value}
        if isinstance(parent, list | tuple):
            index = len(parent) if last == "-" else _index(last, len(parent) + 1)
            if index is not None:
                return [*parent[:index], value, *parent[index:]]
            raise _Refused(f"{last!r:.80} is no place in an array of {len(parent)}")
        raise _Refused(f"{_pointer(tuple(parents))!r:.80} is neither an object nor an array")

    return _change(document, tuple(parents), inserted)


def _without(document: Any, steps: Steps) -> Any:
    if not steps:
        raise _Refused("the whole value cannot be removed by a patch")
    _find(document, steps)
    *parents, last = steps

    def without(parent: Any) -> Any:
        if isinstance(parent, dict):
            return {name: member for name, member in parent.items() if name != last}
        return [element for index, element in enumerate(parent) if index != int(last)]

    return _change(document, tuple(parents), without)


# -- one handler for each operation ----------------------------------------------------------------


def _add(document: Any, operation: Mapping[str, Any]) -> Any:
    return _insert(document, _steps(operation["path"]), operation["value"])


def _remove(document: Any, operation: Mapping[str, Any]) -> Any:
    return _without(document, _steps(operation["path"]))


def _replace(document: Any, operation: Mapping[str, Any]) -> Any:
    return _change(document, _steps(operation["path"]), lambda old: operation["value"])


def _move(document: Any, operation: Mapping[str, Any]) -> Any:
    source, target = _steps(operation["from"]), _steps(operation["path"])
    value = _find(document, source)
    if source == target:
        return document
    if target[: len(source)] == source:
        raise _Refused(f"{_pointer(source)!r:.80} cannot be moved into itself")
    return _insert(_without(document, source), target, value)


def _copy(document: Any, operation: Mapping[str, Any]) -> Any:
    return _insert(document, _steps(operation["path"]), _find(document, _steps(operation["from"])))


def _test(document: Any, operation: Mapping[str, Any]) -> Any:
    steps, negate = _steps(operation["path"]), operation.get("negate") is True
    try:
        found = _find(document, steps)
    except _Refused:
        holds, seen = False, "nothing"
    else:
        holds, seen = "value" not in operation or equal(found, operation["value"]), f"{found!r:.200}"
    if holds is not negate:
        return document
    where = f"{_pointer(steps)!r:.80}"
    if "value" not in operation:
        raise _Untrue(f"{where} is {'there' if negate else 'missing'}", expected=not negate)
    raise _Untrue(f"{where} is {seen}", expected=operation["value"])


def _increment(document: Any, operation: Mapping[str, Any]) -> Any:
    steps, step = _steps(operation["path"]), operation.get("value")

    def incremented(old: Any) -> Any:
        if not _is_number(old):
            raise _Refused(f"{_pointer(steps)!r:.80} is not a number")
        try:
            new = old + (1 if step is None else step)
        except OverflowError:
            new = math.inf
        if not math.isfinite(new):
            raise _Refused(f"{_pointer(steps)!r:.80} would become larger than a number can be")
        return new

    return _change(document, steps, incremented)


def _init(document: Any, operation: Mapping[str, Any]) -> Any:
    steps = _steps(operation["path"])
    try:
        _find(document, steps)
    except _Refused:
        return _insert(document, steps, operation["value"])
    return document


def _append(document: Any, operation: Mapping[str, Any]) -> Any:
    steps, value = _steps(operation["path"]), operation["value"]

    def appended(old: Any) -> Any:
        if not isinstance(old, list | tuple):
            raise _Refused(f"{_pointer(steps)!r:.80} is not an array")
        return [*old, *value] if isinstance(value, list | tuple) else [*old, value]

    return _change(document, steps, appended)


def _merge(document: Any, operation: Mapping[str, Any]) -> Any:
    return _change(document, _block(operation), lambda old: merge(old, operation["value"]))


def _patch(document: Any, operation: Mapping[str, Any], room: _Room) -> Any:
    def patched(value: Any) -> Any:
        for index, nested in enumerate(operation["value"]):
            try:
                value = _step(value, nested, room)
            except _Refused as refusal:
                refusal.info = f"in its operation {index} ({nested['op']}): {refusal.info}"
                refusal.operation = refusal.operation or nested
                raise
        return value

    try:
        return _change(document, _block(operation), patched)
    except _Untrue:
        if operation.get("conditional") is True:
            return document
        raise


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_HANDLERS: Final[dict[str, Callable[[Any, Mapping[str, Any]], Any]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
    "inc": _increment,
    "init": _init,
    "append": _append,
    "merge": _merge,
}

_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path",),
    "inc": ("path",),
    "init": ("path", "value"),
    "append": ("path", "value"),
    "merge": ("path", "value"),
    "patch": ("path", "value"),
}
