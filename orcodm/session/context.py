"""Which session a call belongs to: the one that is open here, or the default engine's."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

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


def current() -> Session:
    """The session for a call that names none. Raises `NoEngine`.

    That is the innermost one that is open in the running context (`contextvars`). A task or a thread that
    was given a copy of the context, as `asyncio.to_thread` and the thread pools of web frameworks do it, has
    the sessions of the one that began it; those that it opens are not seen outside of it.
    """
    session = opened.get()
    while session is not None and session.closed:  # it was left in another context than it was entered in
        session = session.around
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
