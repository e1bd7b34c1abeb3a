"""Which session a call belongs to: the one that is open here, or the default engine's."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..engine import Engine
from ..errors import NoEngine

if TYPE_CHECKING:
    from .session import Session

opened: ContextVar[Session | None] = ContextVar("orcodm_session", default=None)
"""The innermost `with Session(...)` around the running code."""

_default: Session | None = None


def set_default(session: Session | None) -> None:
    """Make a session the one that serves calls outside of any `with Session(...)`."""
    global _default
    _default = session


def default_engine() -> Engine | None:
    """The engine that `bind` was given last."""
    return None if _default is None else _default.engine


def innermost() -> Session | None:
    """The innermost open session around the running code, if there is one.

    That is the one entered last in this context (`contextvars`), which tasks and threads that were given a
    copy of it have as well, or in a thread that works for this task: a framework that runs a synchronous
    dependency in a thread pool gives it a copy of the context, where what it enters would stay.
    """
    session = opened.get()
    while session is not None and session.closed:  # it was left in another context than it was entered in
        session = session.around
    if entered:
        task = _task()
        sessions = () if task is None else entered.get(task, ())
        lent = next((one for one in reversed(sessions) if not one.closed), None)
        if lent is not None and not _is_within(session, lent):
            return lent
    return session


entered: WeakKeyDictionary[Any, list[Session]] = WeakKeyDictionary()
"""The sessions that threads entered which work for a task, by the task, innermost last."""


def enter(session: Session) -> Any:
    """Note that a session was entered. Returns the task that this thread works for, if it works for one."""
    task = _host()
    if task is not None:
        entered.setdefault(task, []).append(session)
    return task


def leave(session: Session, task: Any) -> None:
    """Undo `enter`."""
    if task is not None and (sessions := entered.get(task)) is not None:
        sessions.reverse()
        sessions.remove(session)  # the last time that it was entered
        sessions.reverse()
        if not sessions:
            entered.pop(task, None)


def _is_within(session: Session | None, around: Session) -> bool:
    while session is not None and session is not around:
        session = session.around
    return session is around


def _task() -> Any:
    """The task that runs, or that this thread works for."""
    import asyncio

    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return _host()


def _host() -> Any:
    """The task that waits for this thread of anyio's pool, which FastAPI uses; None in other threads."""
    eventloop: Any = sys.modules.get("anyio._core._eventloop")
    if eventloop is None:
        return None
    # Where its own from_thread.check_cancelled() looks.
    scope = getattr(getattr(eventloop, "threadlocals", None), "current_cancel_scope", None)
    return getattr(scope, "_host_task", None)


def current() -> Session:
    """The session for a call that names none. Raises `NoEngine`.

    That is the innermost one that is open around the running code, else that of `bind`.
    """
    session = innermost()
    if session is not None:
        return session
    if _default is None:
        raise NoEngine(
            "no session is open and no default engine is bound: call orcodm.bind(connect(url)) once, "
            "or work inside `with Session(engine):`"
        )
    return _default


def session_of(document: Any) -> Session:
    """The session that a document belongs to, or else the current one. Raises `NoEngine`."""
    session: Session | None = document._session
    if session is not None and not session.closed:
        return session
    return current()
