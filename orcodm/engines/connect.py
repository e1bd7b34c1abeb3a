"""From a URL to an engine. Only the engine that is asked for is imported."""

from __future__ import annotations

import re
from inspect import signature
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ..engine import Engine
from ..errors import InvalidURL, Unsupported
from ..mistakes import refuse

FORMS: Final = """
  memory:                                       in RAM, for this engine object only
  sqlite:///app.db                              a file, relative to the working directory
  sqlite:////var/lib/app.db                     a file, absolute
  sqlite:///app.db?synchronous=NORMAL           faster; a power cut may undo the last moments
  sqlite:///app.db?search_seconds=5             a search or walk that takes longer ends in QueryTimeout (60)
  sqlite:///app.db?mode=rw                      a file that has to be there (rwc: it is made where it is not)
  https://KEY@host                              a server that speaks Orchestrate v0
  opensearch://h1:9200,h2:9200                  an OpenSearch cluster"""


def connect(url: str, **options: Any) -> Engine:
    """The engine behind a URL; `options` are its own keyword arguments.

    Raises `InvalidURL` for a URL that is none of the forms (the message lists them), `Unsupported` where
    the engine is not installed, and whatever the engine raises where it cannot be opened.
    """
    if type(url) is not str:
        raise _invalid(url, "it is no string")
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise _invalid(url, "it has no scheme")
    match scheme.lower():
        case "memory":
            if rest.strip("/"):
                raise _invalid(url, "memory: takes nothing after the colon")
            from .embedded.engine import EmbeddedEngine

            return _made(EmbeddedEngine, url, None, options)
        case "sqlite":
            path, found = _sqlite(url)
            from .embedded.engine import EmbeddedEngine

            return _made(EmbeddedEngine, url, path, {**found, **options})
        case "http" | "https":
            return _named("orcodm.engines.http", "HTTPEngine", url, options)
        case "opensearch" | "opensearchs":
            return _named("orcodm.engines.opensearch.engine", "OpenSearchEngine", url, options)
        case _:
            raise _invalid(url, f"no engine is called {scheme!r}")


def _sqlite(url: str) -> tuple[str, dict[str, Any]]:
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _invalid(url, str(error)) from None
    if parts.netloc or not parts.path.startswith("/"):
        raise _invalid(url, "a file comes after three slashes, sqlite:///app.db, an absolute path after four")
    if parts.fragment:
        raise _invalid(url, "a # in a path is written %23")
    path = unquote(parts.path[1:])
    if not path or path.endswith("/") or "\0" in path:
        raise _invalid(url, "it names no file; a database in RAM is memory:")
    if ":memory:" in path:
        raise _invalid(url, "a database in RAM is memory:")
    synchronous = options.pop("synchronous", "FULL").upper()
    if synchronous not in ("NORMAL", "FULL"):
        raise _invalid(url, f"synchronous is NORMAL or FULL, not {synchronous!r}")
    found: dict[str, Any] = {"synchronous": synchronous}
    if (seconds := options.pop("search_seconds", None)) is not None:
        try:
            found["search_seconds"] = float(seconds)
        except ValueError:
            raise _invalid(url, f"search_seconds is a number, not {seconds!r}") from None
    mode = options.pop("mode", "rwc")
    if mode not in ("rw", "rwc"):
        raise _invalid(url, f"mode is rw or rwc, not {mode!r}")
    found["create"] = mode == "rwc"
    if options:
        raise _invalid(url, f"there is no option {', '.join(options)}")
    return path, found


def _named(module: str, name: str, url: str, options: dict[str, Any]) -> Engine:
    from importlib import import_module

    try:
        factory = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"the engine for {url.partition(':')[0]}: URLs cannot be imported ({error}); "
            f"it is not part of this version, or its extra is not installed"
        ) from error
    return _made(factory, url, url, options)


def _made(factory: Any, url: str, where: str | None, options: dict[str, Any]) -> Engine:
    parameters = signature(factory).parameters.values()
    known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    if known:
        wrong = {name: value for name, value in options.items() if name not in known}
        if wrong:
            refuse(f"connect() of {url.partition(':')[0]}:", wrong, known)
    engine: Engine = factory(where, **options)
    return engine


def _invalid(url: object, reason: str) -> InvalidURL:
    if isinstance(url, str):  # what stands before an @ is a key, or a name and a password
        url = re.sub(r"(^|//)[^/?#]*@", r"\1***@", url)
    return InvalidURL(f"{url!r} is no engine URL: {reason}. The forms are:{FORMS}")
