"""Every exception of orcodm, in families by who can act.

`ApiError`: the service refused; one class for each row of the protocol's error table, registered by
status and code on the class line, so that an engine raises what the server answers and what the HTTP
engine raises again. `ProtocolError`: the peer spoke nonsense. `TransportError`: the wire failed.
`StorageError`: the disk or the file failed. `UsageError`: the caller asked for what cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self


def shortened(value: Any) -> str:
    """The repr of a value for messages, cut to what a person reads; never raises."""
    try:
        text = repr(value)
    except Exception:  # an integer of thousands of digits, a list that nests too deep, a class of the user's
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."


class OrcodmError(Exception):
    """The root of everything orcodm raises. All of them can be copied, and pickled with what they carry."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception would call the class with the message alone, which is not what every class takes.
        return _rebuilt, (type(self), self.args), self.__dict__.copy()


def _rebuilt(kind: type[OrcodmError], args: tuple[Any, ...]) -> OrcodmError:
    return kind.__new__(kind, *args)


# -- the service refused ---------------------------------------------------------------------------


class ApiError(OrcodmError):
    """The service refused an operation.

    `status` is the HTTP status, `code` the protocol's identifier in lower case, `message` the text
    and `details` the object that some codes carry. A class without a code is a family.
    """

    status: int = 500
    code: str = "internal_error"
    default_message: ClassVar[str] = "Internal Error."

    _by_code: ClassVar[dict[tuple[int, str], type[ApiError]]] = {}
    _by_status: ClassVar[dict[int, type[ApiError]]] = {}

    def __init_subclass__(cls, *, status: int | None = None, code: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if status is not None:
            cls.status = status
            # Of two classes neither of which is the other's family (409), the status alone names neither.
            if not issubclass(cls, ApiError._by_status.setdefault(status, cls)):
                ApiError._by_status[status] = ApiError
        if code is not None:
            cls.code = code
            ApiError._by_code[cls.status, code] = cls

    def __init__(self, message: str | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        self.message = message or self.default_message
        self.details: dict[str, Any] = dict(details or {})
        super().__init__(self.message)

    @classmethod
    def of(
        cls,
        status: int,
        code: str | None,
        message: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> ApiError:
        """The error for a status and a code: exact, else the family of the status, else `ApiError`.

        The status and code that came are kept on the instance.
        """
        code = code.lower() if code else None
        known = cls._by_code.get((status, code or "")) or cls._by_status.get(status) or ApiError
        error = known.__new__(known)
        ApiError.__init__(error, message, details=details)
        error.status = status
        error.code = code or known.code
        return error


class BadRequest(ApiError, status=400, code="api_bad_request"):
    """The request is malformed."""

    default_message = "The API request is malformed."


class InvalidParameter(BadRequest, status=400, code="search_param_invalid"):
    """A parameter of a search or a list is out of its range; `details` names it."""

    default_message = "A provided search query param is invalid."


class InvalidQuery(BadRequest, status=400, code="search_query_malformed"):
    """The query text is not Lucene syntax, or exceeds a limit.

    `position` is the index in the text (code points, from 0) where it stops making sense, or None;
    `expected` says what could have stood there.
    """

    default_message = "The search query provided is invalid."

    @property
    def position(self) -> int | None:
        value = self.details.get("position")
        return value if isinstance(value, int) else None

    @property
    def expected(self) -> str | None:
        return self.details.get("expected")


class QueryTimeout(BadRequest, status=400, code="search_query_timeout"):
    """The search took longer than the engine allows."""

    default_message = "The search query takes too long."


class MalformedRef(BadRequest, status=400, code="item_ref_malformed"):
    """The ref is not made of hex digits."""

    default_message = "The provided Item Ref is malformed."


class Unauthorized(ApiError, status=401, code="security_unauthorized"):
    """The API key is missing or wrong."""

    default_message = "Valid credentials are required."


class NotFound(ApiError, status=404, code="items_not_found"):
    """Nothing is stored at this collection and key."""

    default_message = "The requested items could not be found."

    @classmethod
    def item(cls, collection: str, key: str) -> Self:
        """The error for one item, with the `details` that clients read."""
        return cls(
            f"The requested items could not be found. ({collection}/{key})",
            details={"items": [{"collection": collection, "key": key}]},
        )


class RelationNotFound(NotFound, status=404, code="relation_not_found"):
    """Both ends may exist, but this relation between them does not."""

    default_message = "The requested graph relationship could not be found."


class MethodNotAllowed(ApiError, status=405, code="method_not_allowed"):
    """The resource does not know this method."""

    default_message = "The method is not allowed on this resource."


class IndexingConflict(ApiError, status=409, code="indexing_conflict"):
    """The item was stored, but some of its fields could not be indexed.

    `details` has `conflicts`, an object of these fields. From an engine `written` is the answer that the
    write would have had; a session takes it as that, and logs the fields.
    """

    written: Any = None

    default_message = (
        "The item has been stored but conflicts were detected when indexing. "
        "Conflicting fields have not been indexed."
    )


class PatchConflict(ApiError, status=409, code="patch_conflict"):
    """An operation of a patch could not be applied; `details` has `op`, `opIndex` and `info`."""

    default_message = "The patch could not be applied."


class Conflict(ApiError, status=412, code="item_version_mismatch"):
    """The stored version is not the one the writer expected: somebody was faster.

    From an engine it carries `collection`, `key`, `expected` and `current` (refs; `current` is None
    where there is no current value or the service did not say). The session adds the document and the
    three values: `mine` (what was to be written), `base` (what had been read; None for a new document)
    and `theirs` (what is stored now; None where it was deleted). The error of a commit carries every
    conflict of that commit in `conflicts`; `written`, `failed` and `untried` are the documents of a
    commit on an engine that is not atomic.
    """

    default_message = "The version of the item does not match."

    def __init__(self, message: str | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, details=details)

    # Class attributes, so that an error rebuilt from the wire by ApiError.of has them as well.
    document: Any = None
    mine: Any = None
    base: Any = None
    theirs: Any = None
    _merge: Callable[[Conflict], Any] | None = None
    _conflicts: Sequence[Conflict] = ()
    written: Sequence[Any] = ()
    failed: Sequence[Any] = ()
    untried: Sequence[Any] = ()

    @classmethod
    def of_ref(cls, collection: str, key: str, expected: str | None, current: str | None) -> Self:
        """The error for one key: `expected` the writer's ref (None: no value), `current` the stored one."""
        return cls(
            f"{cls.default_message} ({collection}/{key}: expected {expected or 'no value'}, "
            f"found {current or 'no value'})",
            details={
                "items": [{"collection": collection, "key": key}],
                "expected": expected,
                "current": current,
            },
        )

    @property
    def collection(self) -> str | None:
        return self._item().get("collection")

    @property
    def key(self) -> str | None:
        return self._item().get("key")

    @property
    def expected(self) -> str | None:
        return self.details.get("expected")

    @property
    def current(self) -> str | None:
        return self.details.get("current")

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Every conflict of the commit; of a single save, this one."""
        return tuple(self._conflicts) or (self,)

    def merge(self) -> Any:
        """Merge what is stored now into the document, field by field, and return the document.

        Nothing is written: the document then stands on the stored version, so that its next save
        succeeds unless somebody is faster again. Raises `Conflict` where both sides changed the same
        field (`details["paths"]` names them) or the document was deleted meanwhile.
        """
        if self._merge is None:
            raise UsageError("This conflict has no document to merge: it did not come from a session.")
        return self._merge(self)

    def _item(self) -> Mapping[str, Any]:
        items = self.details.get("items")
        return items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}


class AlreadyExists(Conflict, status=412, code="item_already_present"):
    """A create-only write (If-None-Match) met a key that has a value."""

    default_message = "The item is already present."


class Aborted(OrcodmError):
    """Not written, because another operation of the same atomic batch failed."""


class TooLarge(ApiError, status=413, code="request_too_large"):
    """A body or a value exceeds the limit of the service."""

    default_message = "The request is too large."


class InternalError(ApiError, status=500, code="internal_error"):
    """The service failed; nothing is known of the operation's effect."""


class CommitError(OrcodmError):
    """Some writes of a commit failed for other reasons than a conflict.

    `errors` are the errors, one for each of `failed`; `written` are the documents that are stored,
    `untried` those that were not sent. Everything but `written` is still pending in the session.
    """

    def __init__(
        self,
        errors: Sequence[OrcodmError],
        *,
        written: Sequence[Any] = (),
        failed: Sequence[Any] = (),
        untried: Sequence[Any] = (),
    ) -> None:
        self.errors = tuple(errors)
        self.written = tuple(written)
        self.failed = tuple(failed)
        self.untried = tuple(untried)
        lines = "".join(f"\n  {type(error).__name__}: {error}" for error in self.errors)
        super().__init__(
            f"{len(self.failed)} of the writes failed, {len(self.written)} were written, "
            f"{len(self.untried)} were not tried:{lines}"
        )


# -- the peer, the wire, the disk ------------------------------------------------------------------


class ProtocolError(OrcodmError):
    """What came over the wire is not the protocol; the message says what came."""


class TransportError(OrcodmError):
    """The wire failed: no connection, a time-out, or an answer that was lost.

    `sent` is False where the request cannot have reached the peer, True where it may have.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class StorageError(OrcodmError):
    """The file under the embedded engine failed; what was acknowledged before is still there."""


class DiskFull(StorageError):
    """There is no room for the write; nothing of it was stored."""


class ReadOnly(StorageError):
    """The database cannot be written to; nothing was stored."""


class DatabaseBusy(StorageError):
    """Another writer held the database for longer than the time-out."""


class CorruptDatabase(StorageError):
    """The file is not a database, is damaged, or fails its own checks.

    `path` has the collection, key and ref of a stored value that is damaged; None where it is the file.
    """

    path: Mapping[str, str] | None = None
    beyond: str | None = None
    """Where a list or dump goes on behind it: the key, or the cursor."""


class NewerDatabase(StorageError):
    """The file was written by a newer version of orcodm."""


# -- the caller asked for what cannot be -----------------------------------------------------------


class UsageError(OrcodmError):
    """The program uses orcodm in a way that cannot work; the message says what to do instead."""


class InvalidURL(UsageError, ValueError):
    """An engine URL that is none; the message lists the forms there are."""


class NoEngine(UsageError):
    """No session is open and no default engine is bound."""


class SessionClosed(UsageError):
    """The session, or the engine under it, was closed."""


class ConcurrentUse(UsageError):
    """One session was used by two threads or tasks at the same time."""


class Unsupported(UsageError):
    """The engine does not have the capability that the operation needs."""


class InvalidFile(UsageError):
    """A file that is not what it is read as: another encoding or form, damaged, cut off, or not readable."""


class InvalidKey(UsageError, ValueError):
    """A collection, key, type or kind that is empty, too long, or not Unicode text."""


class InvalidValue(UsageError, ValueError):
    """A value that JSON cannot hold; `path` leads to it, in dots and indexes."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class MultipleResults(UsageError):
    """`one()` found more than one document."""


class InvalidFilter(UsageError, TypeError):
    """A criterion, an order or an argument of a query that does not fit the field."""


class UnknownArgument(UsageError, TypeError):
    """A keyword that a function does not take; the message has the one that is nearest."""


class UnknownAttribute(UsageError, AttributeError):
    """An attribute that is not there; the message has the one that is nearest, or says what to write."""


class InvalidModel(UsageError, TypeError):
    """The declaration of a document class that cannot work."""


PROBLEMS_IN_A_MESSAGE: Final = 20
"""The problems of a document that its message shows; `InvalidDocument.problems` has all of them."""


class Problem:
    """One thing that is wrong with a document: where (`path`), with what (`value`), and why (`reason`)."""

    __slots__ = ("path", "reason", "value")

    def __init__(self, path: str, value: Any, reason: str) -> None:
        self.path = path
        self.value = value
        self.reason = reason

    def __repr__(self) -> str:
        shown = repr(self.value)
        return f"{self.path}: {self.reason} (got {shown if len(shown) <= 80 else shown[:77] + '...'})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and (self.path, self.value, self.reason) == (
            other.path,
            other.value,
            other.reason,
        )

    __hash__ = None  # type: ignore[assignment]


class InvalidDocument(InvalidValue):
    """A document that does not fit its model, on the way in or out: every problem at once.

    `model` is the class name, `key` the document's key (None while it has none), `problems` a tuple of
    `Problem`.
    """

    def __init__(self, model: str, key: str | None, problems: Sequence[Problem]) -> None:
        self.model = model
        self.key = key
        self.problems = tuple(problems)
        where = model if key is None else f"{model} {key!r}"
        lines = "".join(f"\n  {problem!r}" for problem in self.problems[:PROBLEMS_IN_A_MESSAGE])
        if (rest := len(self.problems) - PROBLEMS_IN_A_MESSAGE) > 0:
            lines += f"\n  ... and {rest:,} more, in `problems`"
        path = self.problems[0].path if self.problems else ""
        super().__init__(f"{where} does not fit its model:{lines}", path=path)


class InvalidArguments(InvalidDocument, TypeError):
    """Arguments of a document's constructor that are no fields, and fields that it was not given."""
