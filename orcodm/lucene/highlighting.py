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
from .phrases import phrase, together
from .regexp import regexp
from .tree import Boolean, Boost, Fuzzy, Leaf, Node, Occur, Phrase, Regexp, Term, Verbatim, Wildcard

Span = tuple[int, int]
Escape = Callable[[str], str]
Marker = Callable[[str, list[str], Sequence[Span]], Iterator[Span]]
"""From a text, its tokens and where they stand, to what is marked."""


@frozen
class Highlight:
    """A string of the value in which something was found; `spans` are (start, end), in order."""

    field: str
    text: str
    spans: tuple[Span, ...]

    def marked(
        self,
        before: str = "<em>",
        after: str = "</em>",
        width: int | None = None,
        escape: Escape | None = None,
    ) -> str:
        """The text with marks around what was found.

        With a `width` it is the first of the `fragments`. `escape` is applied to the text and not to the
        marks: `html.escape` where they are HTML.
        """
        if width is not None:
            return self.fragments(before, after, width, 1, escape)[0]
        return self._marked(0, len(self.text), before, after, escape)

    def fragments(
        self,
        before: str = "<em>",
        after: str = "</em>",
        width: int = 100,
        most: int = 5,
        escape: Escape | None = None,
    ) -> tuple[str, ...]:
        """The passages with marks, at most so many, of about `width` characters each.

        They are cut at white space where there is some, with an ellipsis where something is missing.
        """
        found: list[str] = []
        end = 0
        for first, last in self.spans:
            if len(found) == most:
                break
            if first < end:
                continue
            start, end = self._passage(first, last, width, end)
            found.append(self._marked(start, end, before, after, escape))
        return tuple(found)

    def _passage(self, first: int, last: int, width: int, after: int) -> Span:
        """Where a passage begins and ends that has a mark, and begins behind the one before it."""
        text = self.text
        start = max(after, min(first - width // 4, len(text) - width))
        if start > after:
            # Where no white space is near, as in scripts that have none, it is cut anywhere.
            low = max(after, start - width)
            space = text.rfind(" ", low, start)
            start = space + 1 if space >= 0 else start if low > after else after
        end = max(last, start + width)
        if end >= len(text):
            return start, len(text)
        space = text.find(" ", end, end + width)
        return start, space if space >= 0 else len(text) if len(text) <= end + width else end

    def _marked(self, start: int, end: int, before: str, after: str, escape: Escape | None) -> str:
        plain = escape or _as_it_is
        parts = ["…"] if start else []
        position = start
        for first, last in self.spans:
            if start <= first and last <= end:
                parts += [plain(self.text[position:first]), before, plain(self.text[first:last]), after]
                position = last
        parts += [plain(self.text[position:end]), "…" if end < len(self.text) else ""]
        return "".join(parts)


def _as_it_is(text: str) -> str:
    return text


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
    def mark(text: str, tokens: list[str], places: Sequence[Span]) -> Iterator[Span]:
        if text and text == wanted:
            yield 0, len(text)

    return mark


def _each(test: TokenTest) -> Marker:
    def mark(text: str, tokens: list[str], places: Sequence[Span]) -> Iterator[Span]:
        return (place for token, place in zip(tokens, places, strict=True) if test(token))

    return mark


def _together(words: list[str], slop: int) -> Marker:
    """The words where they stand together; with slop, all of them if they do so anywhere."""
    found = phrase(words, slop)
    length, wanted = len(words), frozenset(words)

    def mark(text: str, tokens: list[str], places: Sequence[Span]) -> Iterator[Span]:
        if slop:
            if found(tokens):
                yield from (place for token, place in zip(tokens, places, strict=True) if token in wanted)
            return
        marked = 0
        for start in together(tokens, words):
            yield from places[max(start, marked) : start + length]
            marked = start + length

    return mark
