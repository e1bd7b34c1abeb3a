"""What the sections stand on: so many documents, and the stores that hold them, made when first asked for."""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from .measure import OURS, Side, by_turns, freeze
from .peers.store import Store
from .wordnet import Synset

STORES: Final = {
    OURS: ("ours", "Ours"),
    "sqlite3": ("sqlite", "RawSqlite"),
    "SQLAlchemy": ("alchemy", "SQLAlchemy"),
    "peewee": ("pee", "Peewee"),
    "MongoEngine": ("mongo", "MongoEngine"),
}
TEXTS: Final = {"tantivy": ("direct", "Tantivy"), "Whoosh": ("whoosh", "Whoosh")}


class Ground:
    """Documents of WordNet, and folders that go away with `close`."""

    def __init__(self, synsets: list[Synset], rounds: int) -> None:
        self.synsets = synsets
        self.rounds = rounds
        self.missing: dict[str, str] = {}
        """Peers that cannot be measured, and why."""
        self._keys = [one.key for one in synsets]
        self._values = {one.key: one.value for one in synsets}
        self._folder = tempfile.TemporaryDirectory(prefix="orcodm-benchmark-")
        self._made: dict[str, Any] = {}
        freeze()

    @property
    def size(self) -> int:
        return len(self.synsets)

    def sample(self, count: int) -> list[str]:
        """Some keys, the same in every run."""
        return random.Random(7).sample(self._keys, min(count, self.size))

    def value(self, key: str) -> Any:
        return self._values[key]

    def lemmas(self, count: int) -> list[str]:
        return [self._values[key]["lemma"] for key in self.sample(count)]

    def folder(self) -> Path:
        """A new one."""
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def installed(self, name: str) -> Any:
        """The class of that name; None, and a note, where it is not installed."""
        module, class_ = {**STORES, **TEXTS}[name]
        try:
            return getattr(import_module(f".peers.{module}", __package__), class_)
        except ImportError as error:
            return self.absent(name, error)

    def fits(self, name: str) -> bool:
        """Whether it is installed, and not too small for the documents; a note where it is not."""
        found = self.installed(name)
        if found is not None and found.largest is not None and self.size > found.largest:
            more = f"more than {found.largest:,} take too long"
            self.missing[f"{name} with {self.size:,} documents"] = more
            return False
        return found is not None

    def make(self, name: str) -> Any:
        """A new, empty store of that name; None where it is not installed, or too small for the documents."""
        return self.installed(name)(self.folder()) if self.fits(name) else None

    def absent(self, name: str, error: ImportError) -> None:
        """Note that a peer is not installed."""
        self.missing[name] = f"{error.name} is not installed: pip install -e '.[benchmark]'"

    def loaded(self, name: str) -> Any:
        """The store of that name with all documents; None as in `make`."""
        if name not in self._made:
            self._made[name] = made = self.make(name)
            if made is not None:
                made.load(self.synsets)
        return self._made[name]

    def keep(self, name: str, store: Any) -> None:
        """Let a store with all documents be what `loaded` gives."""
        self._made[name] = store

    def stores(self) -> dict[str, Store]:
        """Every store that there is, ours first."""
        made = {name: self.loaded(name) for name in STORES}
        return {name: store for name, store in made.items() if store is not None}

    def by_turns(
        self,
        sides: Mapping[str, Side],
        rounds: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> dict[str, list[float]]:
        return by_turns(sides, rounds or self.rounds, clock)

    def close(self) -> None:
        for made in self._made.values():
            if made is not None:
                made.close()
        self._folder.cleanup()
        gc.unfreeze()
