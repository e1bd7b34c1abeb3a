"""Where in an entry's texts a query found what it looked for.

Only strings of the value are marked, and only by what a query asks for: clauses that exclude mark nothing.
A clause marks all it finds, whether or not the whole query needed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from .analysis import analyze, lower, normalize, spans
from .entries import Entry, field_name
from .patterns import TokenTest, fuzzy, wildcard
from .phrases import phrase
from .regexp import regexp
from .tree import Boolean, Boost, Fuzzy, Leaf, Node, Occur, Phrase, Regexp, Term, Verbatim, Wildcard

Span = tuple[int, int]
Marker = Callable[[str, Sequence[str], Sequence[Span]], Iterator[Span]]
"""From a text, its tokens and where they stand, to what is marked."""


@frozen
class Highlight:
    """A string of the value in which something was found; `spans` are (start, end), in order."""

    field: str
    text: str
    spans: tuple[Span, ...]

    def marked(self, before: str = "<em>", after: str = "</em>", width: int | None = None) -> str:
        """The text with marks around what was found.

        With a `width` it is a passage of about so many characters from the first mark on, cut at white
        space, with an ellipsis where something is missing. The text is not escaped for HTML.
        """
        start, end = (0, len(self.text)) if width is None else self._passage(width)
        parts = ["…"] if start else []
        position = start
        for first, last in self.spans:
            if start <= first and last <= end:
                parts += [self.text[position:first], before, self.text[first:last], after]
                position = last
        parts += [self.text[position:end], "…" if end < len(self.text) else ""]
        return "".join(parts)

    def _passage(self, width: int) -> Span:
        first, last = self.spans[0]
        start = self.text.rfind(" ", 0, max(0, first - width // 4)) + 1
        end = self.text.find(" ", max(last, start + width))
        return start, len(self.text) if end < 0 else end


def highlight(tree: Node, entry: Entry) -> list[Highlight]:
    """The strings of an entry's value in which the query found something, in the order of the fields."""
    markers: dict[str | None, list[Marker]] = {}
    for leaf in _asked(tree):
        if (marker := _marker(leaf)) is not None:
            markers.setdefault(field_name(leaf.field), []).append(marker)
    return [
        Highlight(field, text, marks)
        for field, leaves in entry.leaves.items()
        if (wanted := [*markers.get(None, ()), *markers.get(field, ())])
        for text in leaves
        if type(text) is str and (marks := _marks(text, wanted))
    ]


def _asked(node: Node) -> Iterator[Term | Verbatim | Phrase | Wildcard | Regexp | Fuzzy]:
    """The leaves that look for words or whole strings, without those that are excluded."""
    match node:
        case Boolean():
            for clause in node.clauses:
                if clause.occur is not Occur.MUST_NOT:
                    yield from _asked(clause.node)
        case Boost():
            yield from _asked(node.node)
        case Term() | Verbatim() | Phrase() | Wildcard() | Regexp() | Fuzzy():
            yield node
        case _:
            return


def _marks(text: str, markers: Sequence[Marker]) -> tuple[Span, ...]:
    """What the markers mark, in order, each place once."""
    places = spans(text)
    lowered = lower(text)
    tokens = [lowered[start:end] for start, end in places]
    marks = sorted({mark for marker in markers for mark in marker(text, tokens, places)})
    joined: list[Span] = []
    for start, end in marks:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _marker(leaf: Leaf) -> Marker | None:
    match leaf:
        case Verbatim():
            return _whole(leaf.text)
        case Term():
            return _each(frozenset(analyze(leaf.text)).__contains__)
        case Wildcard():
            return _each(wildcard(normalize(leaf.pattern)))
        case Regexp():
            return _each(regexp(leaf.pattern))
        case Fuzzy():
            return _each(fuzzy(normalize(leaf.text), leaf.edits))
        case Phrase():
            words = analyze(leaf.text)
            return _together(words, leaf.slop) if len(words) > 1 else _each(frozenset(words).__contains__)
        case _:
            return None


def _whole(wanted: str) -> Marker:
    def mark(text: str, tokens: Sequence[str], places: Sequence[Span]) -> Iterator[Span]:
        if text and text == wanted:
            yield 0, len(text)

    return mark


def _each(test: TokenTest) -> Marker:
    def mark(text: str, tokens: Sequence[str], places: Sequence[Span]) -> Iterator[Span]:
        return (place for token, place in zip(tokens, places, strict=True) if test(token))

    return mark


def _together(words: list[str], slop: int) -> Marker:
    """The words where they stand together; with slop, all of them if they do so anywhere."""
    found = phrase(words, slop)
    length = len(words)

    def mark(text: str, tokens: Sequence[str], places: Sequence[Span]) -> Iterator[Span]:
        if not found(tokens):
            return
        for start in range(len(tokens)):
            if slop and tokens[start] in words:
                yield places[start]
            elif not slop and list(tokens[start : start + length]) == words:
                yield from places[start : start + length]

    return mark
