"""API keys: random, stored hashed, each bound to one application.

A key is 256 random bits, so its hash needs no salt and no slow function: nothing but the key gives it.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field, frozen, validators

from ..errors import UsageError

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
        self._store([*self, entry])
        return key, entry

    def revoke(self, identifier: str) -> ApiKey:
        """Remove a key. Raises `UsageError` where there is none of that id."""
        for entry in self:
            if entry.id == identifier:
                self._store(other for other in self._known.values() if other is not entry)
                return entry  # type: ignore[no-any-return]
        raise UsageError(f"There is no key {identifier!r}.")

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked > 1:  # a revoked key works for a second more
            self._load()

    def _load(self) -> None:
        entries = list(self.given)
        self._checked = time.monotonic()
        if self._path is not None and self._path.exists():
            stat = self._path.stat()
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if state == self._state:
                return
            try:
                entries += [ApiKey(**entry) for entry in json.loads(self._path.read_text())]
            except (ValueError, TypeError) as error:
                raise UsageError(f"{self._path} is no file of API keys: {error}") from None
            self._state = state
        self._known = {entry.hash: entry for entry in entries}

    def _store(self, entries: Iterable[ApiKey]) -> None:
        if self._path is None:
            raise UsageError("These keys have no file to be stored in.")
        text = json.dumps([asdict(entry) for entry in entries if entry not in self.given], indent=1)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent or ".", prefix=self._path.name)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.replace(name, self._path)
        self._load()
