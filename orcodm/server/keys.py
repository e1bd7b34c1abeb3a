"""API keys: random, stored hashed, each bound to one application.

A key is 256 random bits, so its hash needs no salt and no slow function: nothing but the key gives it.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field, frozen, validators
from filelock import FileLock

from ..errors import UsageError

_log = logging.getLogger("orcodm.server")

WHOLE: Final = ""
"""The application of a key that sees the whole database."""


@frozen
class ApiKey:
    """One key, as it is stored: never the key itself."""

    id: str
    hash: str = field(repr=False)
    application: str = field(validator=validators.matches_re(r"[a-z0-9_-]{0,64}"))
    created: int = 0


def hashed(key: str) -> str:
    """What is stored of a key."""
    return blake2b(key.encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()


class Keys:
    """The keys that a server knows, given or in a file; a file that changes is read again."""

    def __init__(self, keys: Iterable[ApiKey] = (), path: str | os.PathLike[str] | None = None) -> None:
        self.given = tuple(keys)
        self._path = None if path is None else Path(path)
        self._state: Any = None
        self._checked = 0.0
        self._known: dict[str, ApiKey] = {}
        self._load()

    @classmethod
    def of(cls, *keys: str, application: str = WHOLE) -> Keys:
        """Keys that are known to the caller."""
        return cls(ApiKey(hashed(key)[:8], hashed(key), application) for key in keys)

    def __iter__(self) -> Any:
        self._load()
        return iter(self._known.values())

    def application(self, authorization: bytes | None) -> str | None:
        """The application of an `Authorization` header, None where its key is not known.

        The key is the user name of HTTP Basic; the password is ignored, and may be missing with its colon.
        """
        if authorization is None or authorization[:6].lower() != b"basic ":
            return None
        try:
            given = b64decode(authorization[6:].strip(), validate=True)
        except ValueError:
            return None
        if self._path is not None:
            self._refresh()
        found = self._known.get(digest := hashed(given.partition(b":")[0].decode("utf-8", "surrogateescape")))
        # What was looked up is a hash, so its timing tells nothing of the key; compared again all the same.
        return found.application if found is not None and hmac.compare_digest(found.hash, digest) else None

    def create(self, application: str = "default") -> tuple[str, ApiKey]:
        """A new key, which is shown this once, and its entry in the file."""
        key = secrets.token_urlsafe(32)
        entry = ApiKey(secrets.token_hex(4), hashed(key), application, int(time.time()))
        with self._changing() as stored:
            stored.append(entry)
        return key, entry

    def revoke(self, identifier: str) -> ApiKey:
        """Remove a key. Raises `UsageError` where there is none of that id."""
        with self._changing() as stored:
            for entry in stored:
                if entry.id == identifier:
                    stored.remove(entry)
                    return entry
            raise UsageError(f"There is no key {identifier!r}.")

    @contextmanager
    def _changing(self) -> Iterator[list[ApiKey]]:
        """The keys of the file, to be changed and stored; one process at a time, so that none is lost."""
        if self._path is None:
            raise UsageError("These keys have no file to be stored in.")
        with FileLock(f"{self._path}.lock"):
            stored = self._read(self._path) if self._path.exists() else []
            yield stored
            self._replace(self._path, stored)
        self._load()

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked > 1:  # a revoked key works for a second more
            try:
                self._load()
            except (UsageError, OSError) as error:
                # The operator's to mend; until then the keys that were known go on.
                _log.error("the API keys were not read again: %s", error)

    def _load(self) -> None:
        stored: list[ApiKey] = []
        self._checked = time.monotonic()
        if self._path is not None and self._path.exists():
            stat = self._path.stat()
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if state == self._state:
                return
            stored = self._read(self._path)
            self._state = state
        self._known = {entry.hash: entry for entry in (*self.given, *stored)}

    @staticmethod
    def _read(path: Path) -> list[ApiKey]:
        try:
            return [ApiKey(**entry) for entry in json.loads(path.read_bytes())]
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path} is no file of API keys: {error}") from None

    @staticmethod
    def _replace(path: Path, entries: list[ApiKey]) -> None:
        text = json.dumps([asdict(entry) for entry in entries], indent=1)
        descriptor, name = tempfile.mkstemp(dir=path.parent or ".", prefix=path.name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
