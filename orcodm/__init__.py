"""orcodm: documents with history, search, events and relations behind one small API.

The names here are the public interface; README.md shows them at work.
"""

from .client import Client
from .engine import Capabilities, Engine
from .engines.connect import connect
from .errors import (
    Aborted,
    AlreadyExists,
    ApiError,
    BadRequest,
    CommitError,
    ConcurrentUse,
    Conflict,
    CorruptDatabase,
    DatabaseBusy,
    DiskFull,
    IndexingConflict,
    InternalError,
    InvalidArguments,
    InvalidDocument,
    InvalidFile,
    InvalidFilter,
    InvalidKey,
    InvalidModel,
    InvalidParameter,
    InvalidQuery,
    InvalidURL,
    InvalidValue,
    MalformedRef,
    MethodNotAllowed,
    MultipleResults,
    NewerDatabase,
    NoEngine,
    NotFound,
    OrcodmError,
    PatchConflict,
    Problem,
    ProtocolError,
    QueryTimeout,
    ReadOnly,
    RelationNotFound,
    SessionClosed,
    StorageError,
    TooLarge,
    TransportError,
    Unauthorized,
    UnknownArgument,
    UnknownAttribute,
    Unsupported,
    UsageError,
)
from .model.document import Document
from .model.events import Event, Events, Series
from .model.fields import Field, Nested, field
from .model.history import Version
from .model.mapping import converter
from .model.model import Embedded
from .model.relation import Relation
from .model.relations import Related, Relations
from .operations import TermCount
from .query.expressions import Criterion, Expr, Order, Update, random_order, score
from .query.highlights import Highlights, Hit
from .query.query import Query
from .query.results import Explanation, ResultPage
from .session.flows import Outcome
from .session.merge import MISSING, Change
from .session.session import Session, aretry, bind, retry
from .times import Timestamp

from . import signals  # isort: skip

__all__ = [
    "MISSING",
    "Aborted",
    "AlreadyExists",
    "ApiError",
    "BadRequest",
    "Capabilities",
    "Change",
    "Client",
    "CommitError",
    "ConcurrentUse",
    "Conflict",
    "CorruptDatabase",
    "Criterion",
    "DatabaseBusy",
    "DiskFull",
    "Document",
    "Embedded",
    "Engine",
    "Event",
    "Events",
    "Explanation",
    "Expr",
    "Field",
    "Highlights",
    "Hit",
    "IndexingConflict",
    "InternalError",
    "InvalidArguments",
    "InvalidDocument",
    "InvalidFile",
    "InvalidFilter",
    "InvalidKey",
    "InvalidModel",
    "InvalidParameter",
    "InvalidQuery",
    "InvalidURL",
    "InvalidValue",
    "MalformedRef",
    "MethodNotAllowed",
    "MultipleResults",
    "Nested",
    "NewerDatabase",
    "NoEngine",
    "NotFound",
    "OrcodmError",
    "Order",
    "Outcome",
    "PatchConflict",
    "Problem",
    "ProtocolError",
    "Query",
    "QueryTimeout",
    "ReadOnly",
    "Related",
    "Relation",
    "RelationNotFound",
    "Relations",
    "ResultPage",
    "Series",
    "Session",
    "SessionClosed",
    "StorageError",
    "TermCount",
    "Timestamp",
    "TooLarge",
    "TransportError",
    "Unauthorized",
    "UnknownArgument",
    "UnknownAttribute",
    "Unsupported",
    "Update",
    "UsageError",
    "Version",
    "aretry",
    "bind",
    "connect",
    "converter",
    "field",
    "random_order",
    "retry",
    "score",
    "signals",
]
