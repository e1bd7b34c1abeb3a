"""What README.md shows runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orcodm import Document, Embedded, Event, Field, InvalidModel, Nested, field

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
QUERIES = re.findall(r"^\| `(.*?)` \| (`+)(.*?)\2", TEXT.replace("\\|", "¦"), re.MULTILINE)
QUERIES = [(python.replace("¦", "|"), lucene.strip()) for python, _, lucene in QUERIES if "User" in python]


class Place(Embedded):
    lat: Field[float]
    lon: Field[float]


class User(Document, collection="users"):
    name: Field[str]
    age: Field[int]
    bio: Field[str]
    tags: Field[list[str]]
    home: Nested[Place | None] = field(default=None)


def test_there_are_programs() -> None:
    assert PROGRAMS


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_runs_as_pasted(number: int, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[number], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 10


@pytest.mark.parametrize(("python", "lucene"), QUERIES)
def test_a_query_has_the_text_that_is_shown(python: str, lucene: str) -> None:
    assert str(User.query.filter(eval(python, {"User": User}))) == lucene


RESERVED = TEXT.partition("The names that a field cannot have")[2].partition("## Queries")[0]


@pytest.mark.parametrize("base", [Document, Embedded, Event])
def test_the_names_that_a_field_cannot_have_are_listed(base: type) -> None:
    taken = {name for name in dir(base) if not name.startswith("_")}
    assert taken <= set(re.findall(r"`(\w+)`", RESERVED))
    kind: Any = type(base)
    for name in taken - {"key"}:
        with pytest.raises(InvalidModel):
            kind("Taken", (base,), {"__annotations__": {name: "Field[str]"}, "__module__": __name__})
