"""The same queries over the same documents, asked of Apache Lucene: same tokens, same hits, same errors.

Lucene has one default field and no types, so the documents here have texts only and bare terms go to
`name`. Ranges are compared on `code`, whose values are single lower-case words: there the range over whole
strings, which is ours, is Lucene's range over tokens.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orcodm.errors import InvalidQuery
from orcodm.lucene.analysis import _CLASSES, analyze
from orcodm.lucene.entries import Entry, entry
from orcodm.lucene.evaluator import compile_query
from orcodm.lucene.parser import parse
from orcodm.lucene.renderer import render

from ..java import Missing, build, java_home

pytestmark = pytest.mark.lucene

PROJECT = Path(__file__).parent / "java"
Ask = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A function that sends one request to a running Lucene."""
    folder = tmp_path_factory.mktemp("lucene")
    try:
        home = java_home(17)
        classpath = build(PROJECT, folder / "project", home)
    except Missing as missing:
        pytest.skip(str(missing))
    command = [str(home / "bin" / "java"), "-cp", classpath, "orcodm.Comparison"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as lucene:
        assert lucene.stdin is not None
        assert lucene.stdout is not None
        stdin, stdout = lucene.stdin, lucene.stdout

        def request(message: dict[str, Any]) -> Any:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield request
        stdin.close()


# -- tokens ----------------------------------------------------------------------------------------


def test_every_character_is_a_token_or_not_as_in_lucene(ask: Ask):
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    for start in range(0, len(characters), 50_000):
        batch = characters[start : start + 50_000]
        tokens = ask({"analyze": batch})["tokens"]
        assert [c for c, found in zip(batch, tokens, strict=True) if bool(analyze(c)) != bool(found)] == []


@pytest.mark.parametrize("seed", range(3))
def test_random_texts_have_the_tokens_of_lucene(ask: Ask, seed: int):
    texts = list(random_texts(random.Random(seed), 10_000))
    tokens = ask({"analyze": texts})["tokens"]
    assert [(text, found) for text, found in zip(texts, tokens, strict=True) if analyze(text) != found] == []


def random_texts(chance: random.Random, count: int) -> Iterator[str]:
    """Texts of characters of a few classes each; some are long, to see where tokens are cut."""
    classes: dict[str, list[str]] = {}
    for point in range(0x20, 0x20000):
        # Letters whose case differs between the versions of Unicode here and in Java are left out.
        if not 0xD800 <= point < 0xE000 and len(chr(point).lower()) == 1:
            classes.setdefault(_CLASSES[point], []).append(chr(point))
    ascii_only = [chr(point) for point in range(0x20, 0x7F)]
    # Key caps in a row mean something else to Lucene's scanner; no text has them.
    names = [name for name in classes if name != "c"]
    for _ in range(count):
        pools = [classes[name] for name in chance.sample(names, 3)] + [ascii_only]
        length = 600 if chance.random() < 0.01 else chance.randrange(12)
        yield "".join(chance.choice(chance.choice(pools)) for _ in range(length))


# -- queries ---------------------------------------------------------------------------------------

WORDS = (
    "ada",
    "Ada",
    "adas",
    "dada",
    "love",
    "lovelace",
    "engine",
    "Engines",
    "x1",
    "3.5",
    "a-b",
    "naïve",
    "東京",
    "...",
)
PATTERNS = ("a*", "*a", "?da", "l*e", "*", "lo?e*", "EN*", "a\\*", "*o*e*", "???")
RANGES = ("[a TO d]", "{ada TO d}", "[* TO cab]", "{b TO *]", "[cab TO zoo}", "[d TO a]", "[* TO *]")
REGEXPS = (
    *(
        "/a.a/",
        "/lo[vw]e.*/",
        "/[^a]*/",
        "/(ada|love)s?/",
        "/~(ada)/",
        "/.*&~(a.*)/",
        "/@/",
        "/#/",
        "/<1-40>/",
    ),
    *("/d{0,1}ada/", '/"ada"/', "/x\\d/", "/[a-d]+/", "/(a|d|da)*/", "/~(~(ada)&~(love))/", "/()/", "/a||b/"),
)


def documents(chance: random.Random, count: int) -> list[dict[str, list[str]]]:
    def text() -> str:
        # Never without a word: a field with an empty text exists here, but not for Lucene.
        words = [chance.choice(WORDS) for _ in range(chance.randrange(6))]
        return " ".join([*words, chance.choice(WORDS[:-1])])

    return [
        {
            "name": [text()],
            "tags": [text() for _ in range(chance.randrange(3))],
            "code": [chance.choice(["ada", "b", "cab", "d", "zoo"])],
        }
        for _ in range(count)
    ]


def queries(chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield query(chance, 3)


def query(chance: random.Random, depth: int) -> str:
    parts = []
    for index in range(chance.choice([1, 1, 2, 2, 3, 4])):
        if index:
            parts.append(chance.choice([" ", " ", " AND ", " OR ", " && ", " || ", "\t"]))
        parts.append(chance.choice(["", "", "", "", "+", "-", "!", "NOT ", "- "]))
        parts.append(clause(chance, depth))
    return "".join(parts)


def clause(chance: random.Random, depth: int) -> str:
    field = chance.choice(["", "", "name:", "tags:", "tags: ", "none:"])
    boost = chance.choice(["", "", "", "^2", "^0.5"])
    if depth and chance.random() < 0.25:
        return f"{field}({query(chance, depth - 1)}){boost}"
    words = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 4)))
    word = chance.choice(WORDS)
    return chance.choice(
        [
            f"{field}{word}{boost}",
            f"{field}{word}{boost}",
            f'{field}"{words}"{chance.choice(["", "", "~1", "~2", "~4"])}{boost}',
            f"{chance.choice(['name:', 'tags:'])}{chance.choice(PATTERNS)}{boost}",
            f"{field}{chance.choice(REGEXPS)}{boost}",
            f"{field}{word}{chance.choice(['~', '~0', '~1', '~2', '~0.8', '~0.5', '~0.3'])}{boost}",
            f"code:{chance.choice(RANGES)}{boost}",
            "*:*",
        ]
    )


@pytest.mark.parametrize("seed", range(10))
def test_random_queries_find_what_lucene_finds(ask: Ask, seed: int):
    chance = random.Random(seed)
    stored = documents(chance, 30)
    asked = list(queries(chance, 500))
    answers = ask({"documents": stored, "field": "name", "queries": asked})["results"]
    entries = [entry("item", {}, document) for document in stored]
    assert differences(asked, answers, entries) == []


def differences(asked: list[str], answers: list[Any], entries: list[Entry]) -> list[Any]:
    """The queries with other hits than Lucene's, both hits, and how Lucene reads the query."""
    found = []
    for text, answer in zip(asked, answers, strict=True):
        expected = "error" if "error" in answer else sorted(map(int, answer["hits"]))
        if (ours := hits(text, entries)) != expected:
            found.append((text, expected, ours, answer.get("query")))
    return found


def hits(text: str, entries: list[Entry]) -> list[int] | str:
    """The numbers of the entries found; the same for the query rendered again."""
    try:
        tree = parse(text, "name")
    except InvalidQuery:
        return "error"
    found, again = compile_query(tree), compile_query(parse(render(tree), "name"))
    numbers = [number for number, each in enumerate(entries) if found(each)]
    assert [number for number, each in enumerate(entries) if again(each)] == numbers
    return numbers


# What means something else here: \\u0041 in a wildcard is the letter, not a u.
EXTENSIONS = re.compile(r"\\u0041\S*\*|\*\S*\\u0041")


def test_random_fragments_mean_what_they_mean_to_lucene(ask: Ask):
    chance = random.Random(0)
    pieces = (
        'a|b|ada|name:|*|x*|*:| AND | OR |NOT |&&|!|+|-|(|)|"|~|~1|~0.5|^2|^|'
        "code:[a TO b]|code:{a TO *}|]|TO|/|/a/|1f|NaN"
    )
    choices = [*pieces.split("|"), "||", "|", "\\", "\\u0041", ":", " ", "  ", ".", "&"]
    asked = ["".join(chance.choice(choices) for _ in range(chance.randrange(1, 9))) for _ in range(30_000)]
    asked = [text for text in asked if not EXTENSIONS.search(text)]
    stored = documents(chance, 8)
    answers = ask({"documents": stored, "field": "name", "queries": asked})["results"]
    assert differences(asked, answers, [entry("item", {}, document) for document in stored]) == []
