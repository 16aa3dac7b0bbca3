"""An answer's text -> statements, each tied to the spans that support it, and the text with its marks numbered anew."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from rag.answering.answer import Citation, Statement
from rag.answering.generator import Passage
from rag.answering.spans import Origins, sentences, widened
from rag.answering.support import Support
from rag.corpus.cleaning import Span
from rag.pairs.sentences import split_sentences

MIN_SUPPORT = 0.5
"""Support from which a sentence without a mark is given the span that says the same."""
_ENOUGH, _TOGETHER, _GAIN = 0.6, 3, 0.1
"""Support from which one span is enough, spans that may do so together, and what each must add."""
_MARK = re.compile(
    r"(?<![^\S\n])[^\S\n]*(?:\[\s*(\d{1,3}(?:\s*[,;\u2013-]\s*\d{1,3})*)\s*\]|\u3010\s*(\d{1,3})[^\u3011\n]{0,40}\u3011)"
)
_RANGE = re.compile(r"(\d+)\s*[\u2013-]\s*(\d+)")
_LIST_MARK = re.compile(r"\s*(?:(?:#{1,6}|>|[-*+\u2022]|\(?\d{1,2}[.)])\s+)*")
_INDENT = re.compile(_LIST_MARK.pattern + r"(?:#{1,6}|[->*+\u2022]|\(?\d{1,2}[.)]?|\()?")
"""What may become a list mark; there is one way to read it, or long rows of # would take for ever."""
_INK = re.compile(r"\S")
_BRACKET = re.compile(r"[\[\u3010]")
_ONLY_MARKS = re.compile(r"(?:\[[^\]]*\]|\u3010[^\u3011]*\u3011|\s)*(?:\[[^\]]*|\u3010[^\u3011]*)?")
_UNSURE = re.compile(r"(?<![\s.!?\u2026:;,\"'\u201d\u2019)*_])[\s.!?\u2026:;,\"'\u201d\u2019)*_]+$")
"""The end of a sentence, before which its marks will stand."""
_STOP = re.compile(r"(?<![.!?\u2026:;,])[.!?\u2026:;,]*[\"'\u201d\u2019)*_]*$")


class Cited(NamedTuple):
    """An answer with its sources."""

    text: str
    statements: tuple[Statement, ...]
    citations: tuple[Citation, ...]


class _Place(NamedTuple):
    """A span of a passage, which one number stands for however often it is cited."""

    passage: int
    span: Span


def marked_numbers(text: str) -> list[int]:
    """Return the numbers of the citation marks of a text, in order: those of [1], [2, 3], [4-6] and \u30107\u3011."""
    numbers: list[int] = []
    for match in _MARK.finditer(text):
        listed = _RANGE.sub(lambda m: ",".join(map(str, range(int(m[1]), int(m[2]) + 1))), match[1] or match[2])
        numbers += [int(number) for number in re.findall(r"\d+", listed)]
    return list(dict.fromkeys(numbers))


class Citing:
    """Ties each sentence of an answer, as it comes, to the spans of the passages that say the same.

    A mark leads to the sentence of its passage that supports best what was said; a sentence without one is led to the
    best of all, if that says enough. Marks of no passage, and those of a sentence that none of its passages bears out,
    are taken away. Numbers count from 1 in the order of the text.

    What is given out never changes: of a sentence that is still coming, its end is held back, and all from its first
    mark on.
    """

    def __init__(self, question: str, passages: Sequence[Passage], support: Support, origins: Origins) -> None:
        self._question, self._passages, self._support, self._origins = question, passages, support, origins
        self._by_number = {passage.number: passage for passage in passages}
        self._numbers: dict[_Place, int] = {}
        self._statements: list[Statement] = []
        self._done, self._coming = "", ""
        self._line_begins, self._line_is_empty = True, True
        self._n_given = 0

    def add(self, text: str) -> str:
        """Take more of the answer, and return what can be given out since."""
        *lines, last = (self._coming + text if self._done else (self._coming + text).lstrip()).split("\n")
        for line in lines:
            self._take(line)
        self._coming = self._take(last, whole=False)
        return self._fresh(self._done + self._beginning())

    def end(self) -> tuple[str, Cited]:
        """Return what is left to give out, and the answer with its sources."""
        self._take(self._coming)
        self._coming, text = "", self._done.rstrip()
        citations = tuple(
            _citation(number, place, self._by_number[place.passage], self._origins)
            for place, number in self._numbers.items()
        )
        return self._fresh(text), Cited(text, tuple(self._statements), citations)

    def _fresh(self, text: str) -> str:
        """Return what of the text was not given out; line ends wait for what follows them."""
        text = text.rstrip()
        fresh, self._n_given = text[self._n_given :], max(self._n_given, len(text))
        return fresh

    def _take(self, line: str, whole: bool = True) -> str:
        """Cite the sentences of a line that are complete, and return the rest of it."""
        if self._line_begins:
            if not whole and _INDENT.fullmatch(line):
                return line
            begins = _LIST_MARK.match(line)
            indent = begins.group() if begins else ""
            self._done += indent
            line, self._line_begins, self._line_is_empty = line[len(indent) :], False, True
        found = split_sentences(line)
        if not whole:
            # A mark after the full stop still belongs to the sentence before it.
            found = found[: -2 if len(found) > 1 and _ONLY_MARKS.fullmatch(found[-1]) else -1]
        for sentence in found:
            self._say(sentence)
        if whole:
            self._done, self._line_begins = self._done.rstrip(" ") + "\n", True
            return ""
        n_ink = sum(len(_INK.findall(sentence)) for sentence in found)  # cutting changes no character but white space
        return line[next(islice(_INK.finditer(line), n_ink - 1, None)).end() :] if n_ink else line

    def _say(self, sentence: str) -> None:
        plain = _MARK.sub("", sentence).strip()
        numbers: tuple[int, ...] = ()
        if any(char.isalnum() for char in plain):
            statement = self._statement(plain, marked_numbers(sentence))
            self._statements.append(statement)
            numbers = statement.citations
        if plain:
            self._done += self._space() + _marked(plain, numbers)
            self._line_is_empty = False

    def _statement(self, plain: str, marks: Sequence[int]) -> Statement:
        marked = [self._by_number[number] for number in marks if number in self._by_number]
        found = _supported(plain, self._question, marked or self._passages, self._support, of_each=bool(marked))
        if not marked:
            found = [best for best in found if best[0] >= MIN_SUPPORT]
        places = list(dict.fromkeys(place for _, place in found))
        numbers = tuple(self._numbers.setdefault(place, len(self._numbers) + 1) for place in places)
        score = max((score for score, _ in found), default=0.0)
        return Statement(text=plain, citations=numbers, support=round(score, 4))

    def _beginning(self) -> str:
        """Return what is sure of the sentence that is coming."""
        if self._line_begins:
            return ""
        sure = _UNSURE.sub("", _BRACKET.split(self._coming, maxsplit=1)[0]).lstrip()
        return self._space() + sure if sure else ""

    def _space(self) -> str:
        return "" if self._line_is_empty else " "


def _supported(
    sentence: str, question: str, passages: Sequence[Passage], support: Support, of_each: bool
) -> list[tuple[float, _Place]]:
    """Return the spans that bear a sentence out, and how far: the best, or the best `of_each` passage, best first.

    A sentence may sum up several of theirs; then these together, if they say clearly more.
    """
    own = [
        (passage, place, each.text)
        for passage in passages
        for place, each in enumerate(sentences(passage.hit.chunk.text))
    ]
    best: dict[int, tuple[float, _Place]] = {}
    for passage, place, text in own:
        score = support.of(sentence, text, question)
        if score > best.get(passage.number, (0.0,))[0]:
            best[passage.number] = score, _Place(passage.number, widened(passage.hit.chunk.text, place))
    alone = sorted(best.values(), key=lambda one: -one[0])[: None if of_each else 1]
    if alone and alone[0][0] >= _ENOUGH:
        return alone
    together: list[tuple[Passage, int, str]] = []
    for _ in range(_TOGETHER):
        said = " ".join(text for _, _, text in together)
        shares = [support.share(sentence, f"{said} {text}", question) for _, _, text in own]
        gain = max(shares, default=0.0) - (support.share(sentence, said, question) if said else 0.0)
        if gain < _GAIN:
            break
        together.append(own[int(np.argmax(shares))])
    score = support.of(sentence, " ".join(text for _, _, text in together), question)
    if score < (alone[0][0] if alone else 0.0) + _GAIN:
        return alone
    places = [_Place(passage.number, widened(passage.hit.chunk.text, place)) for passage, place, _ in together]
    return [(score, place) for place in places]


def _marked(sentence: str, numbers: Sequence[int]) -> str:
    """Return a sentence with its marks, before the full stop."""
    if not numbers:
        return sentence
    stop = _STOP.search(sentence)
    at = stop.start() if stop else len(sentence)
    return f"{sentence[:at]} {''.join(f'[{number}]' for number in numbers)}{sentence[at:]}"


def _citation(number: int, place: _Place, passage: Passage, origins: Origins) -> Citation:
    chunk = passage.hit.chunk
    (start, end), quote = origins.find(chunk, place.span)
    return Citation(
        number=number,
        chunk_id=chunk.chunk_id,
        doc_id=chunk.doc_id,
        document=chunk.document,
        page_no=origins.page_no(chunk, start),
        char_start=start,
        char_end=end,
        quote=quote,
    )
