"""Searches: what the first ten results take, documents and all, and what a summary takes.

Each round asks for other words, so that nobody remembers an answer, unless it says otherwise. Tantivy, too,
gives the ten documents, which it keeps beside its index; what it takes to find them and not to read them is
told apart. Whoosh gives their keys alone. Each search is also measured just after 200 documents were changed,
beside itself before that.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from attrs import frozen

from orcodm import Query, Session

from .ground import Ground
from .measure import OURS, Bar, Row, Side, below, within
from .peers.direct import Hits, Tantivy
from .peers.ours import Ours, Word

CHANGED: Final = 200
UNCHANGED: Final = "orcodm, unchanged"

COMMON: Final = slice(20, 320)
"""Of the words of the glosses, the most frequent first: those that are asked for."""
FEW: Final = 15
"""Of what takes milliseconds so many are asked for."""
TYPOS: Final = ("watre", "langage", "anmal", "persn", "smal")


@frozen
class Search:
    """Queries in our syntax, what is asked of them, and how tantivy is asked the same."""

    work: str
    texts: Sequence[str]
    direct: Callable[[Tantivy, str], Hits]
    bar: Bar
    asked: Callable[[Query[Word]], Any] = lambda query: next(query.pages(10))
    reads: bool = True
    """Whether documents are read."""
    whoosh: bool = False
    """Whether Whoosh has the same syntax for it."""
    again: bool = False
    """Whether all rounds ask for the same."""


def searches(
    quarter: str, lemmas: Sequence[str], words: Sequence[str], phrases: Sequence[str]
) -> tuple[Search, ...]:
    """The kinds of search. `quarter` matches a quarter of the documents, each of the lemmas one."""
    twice = within("tantivy", 2, 0.3)
    ands = [f"gloss:{one} AND gloss:{other}" for one, other in zip(words, words[3:], strict=False)]
    few = words[:FEW]
    return (
        Search("one by an exact field", [f"lemma:`{each}`" for each in lemmas], exact, twice),
        Search("term", [f"gloss:{word}" for word in words], parsed, twice, whoosh=True),
        Search("term, asked again", [f"gloss:{word}" for word in words[-100:]], parsed, twice, again=True),
        Search("boolean", ands, parsed, twice, whoosh=True),
        Search("phrase", [f'gloss:"{phrase}"' for phrase in phrases], parsed, twice, whoosh=True),
        Search("prefix", [f"gloss:{word[:3]}*" for word in words], matching, twice, whoosh=True),
        Search(
            "range and term", [f"gloss:{word} AND {quarter}" for word in words], parsed, twice, whoosh=True
        ),
        Search("fuzzy", [f"gloss:{word}~2" for word in TYPOS], fuzzy, below(20), whoosh=True),
        Search(
            "wildcard", [f"gloss:{word[0]}*{word[-2:]}" for word in few], matching, below(20), whoosh=True
        ),
        Search("regexp", [f"gloss:/{word[:2]}[a-m]+/" for word in few], matching, below(20)),
        Search(
            "stats of a quarter",
            [quarter],
            stats,
            below(60),
            lambda query: query.stats(Word.lexicon),
            reads=False,
        ),
        Search(
            "top values of a quarter",
            [quarter],
            terms,
            below(60),
            lambda query: query.top(Word.words),
            reads=False,
        ),
        Search(
            "sorted page of a quarter",
            [quarter],
            page,
            below(30),
            lambda query: next(query.order_by(-Word.lexicon, Word.lemma).pages(10)),
        ),
    )


def rows(ground: Ground) -> Iterator[Row]:
    ours, tantivy, whoosh = (ground.loaded(name) for name in (OURS, "tantivy", "Whoosh"))
    kinds = searches(_quarter(ground), ground.lemmas(150), common_words(ground), _phrases(ground))
    kinds = tuple(kind for kind in kinds if kind.texts)  # of too few documents no word is common
    ours.settle()
    for kind in kinds:
        asking = partial(_asking, kind.texts, 1 if kind.again else ground.rounds)
        sides = {OURS: asking(partial(_ask, ours, kind)), "tantivy": asking(partial(_read, tantivy, kind))}
        if kind.reads:
            sides["tantivy, hits alone"] = asking(partial(kind.direct, tantivy))
        if whoosh is not None and kind.whoosh:
            sides["Whoosh"] = asking(whoosh.top)
        yield Row("search", kind.work, ground.size, ground.by_turns(sides), (kind.bar,))
    changes = _changes(ground)
    for kind in (each for each in kinds if not each.again):
        ask = partial(_each, partial(_ask, ours, kind), kind.texts[:1])
        sides = {
            OURS: Side(lambda _, ask=ask: ask(), lambda: ours.change(next(changes))),
            UNCHANGED: Side(lambda _, ask=ask: ask(), ours.settle),
        }
        bar = within(UNCHANGED, 2, 2)
        yield Row("search", f"{kind.work}, 200 changed", ground.size, ground.by_turns(sides), (bar,))


def _ask(ours: Ours, kind: Search, text: str) -> None:
    with Session(ours.engine) as session:
        kind.asked(session.query(Word).search(text))


def _read(tantivy: Tantivy, kind: Search, text: str) -> None:
    tantivy.documents(kind.direct(tantivy, text))


def _asking(texts: Sequence[str], rounds: int, do: Callable[[str], Any]) -> Side:
    """Each round asks for the next of the texts."""
    share = max(1, len(texts) // rounds)
    shares = itertools.cycle([texts[start : start + share] for start in range(0, len(texts), share)])
    return Side(partial(_each, do), lambda: next(shares))


def _each(do: Callable[[str], Any], texts: Sequence[str]) -> int:
    for text in texts:
        do(text)
    return len(texts)


def _changes(ground: Ground) -> Iterator[list[str]]:
    """Keys of documents to change, others each time, once nothing else is to be indexed."""
    keys = itertools.cycle(ground.sample(ground.size))
    while True:
        ground.loaded(OURS).settle()
        yield list(itertools.islice(keys, CHANGED))


def parsed(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.top(tantivy.parsed(text))


def fuzzy(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.top(tantivy.fuzzy(_pattern(text).partition("~")[0]))


def matching(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.top(tantivy.pattern(_pattern(text).strip("/").replace("*", ".*")))


def _pattern(text: str) -> str:
    return text.partition(":")[2]


def exact(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.top(tantivy.parsed(text.replace("`", '"')))


def stats(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.aggregate(text, stats={"field": "lexicon"})


def terms(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.aggregate(text, terms={"field": "words"})


def page(tantivy: Tantivy, text: str) -> Hits:
    return tantivy.page(text, "lexicon")


def common_words(ground: Ground) -> list[str]:
    """Of the glosses."""
    glosses = (one.value["gloss"] for one in ground.synsets)
    counts = Counter(word for gloss in glosses for word in set(re.findall("[a-z]{3,}", gloss)))
    return [word for word, _ in counts.most_common(COMMON.stop)[COMMON]]


def _phrases(ground: Ground) -> list[str]:
    """Three words as they stand in glosses."""
    found = (re.search("[a-z]+ [a-z]+ [a-z]+", ground.value(key)["gloss"]) for key in ground.sample(200))
    return [match[0] for match in found if match is not None]


def _quarter(ground: Ground) -> str:
    """A range of a number that matches about a quarter of the documents."""
    counts = sorted(Counter(one.value["lexicon"] for one in ground.synsets).items())
    ranges = [
        (abs(sum(count for _, count in counts[low:high]) - ground.size / 4), low, high)
        for low in range(min(len(counts), 50))
        for high in range(low + 1, len(counts) + 1)
    ]
    _, low, high = min(ranges)
    return f"lexicon:[{counts[low][0]} TO {counts[high - 1][0]}]"
