"""From a person's answer to its evidence: the span of a document that says it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

from rapidfuzz.fuzz import partial_ratio_alignment

from rag.pairs.folding import FoldedText, fold
from rag.pairs.questions_file import RealQuestion
from rag.pairs.words import words

Method = Literal["offset", "exact", "folded", "fuzzy"]

_LONG_ANSWER = 20
"""Letters from which an answer can stand for itself: it may be matched loosely, and its first best place is taken."""
_FUZZY_SCORE = 90.0
_FUZZY_DOCUMENTS = 8
"""Documents that are searched loosely when none is named: those that share most of the answer's words."""
_CONTEXT_CHARS = 400
"""Text on either side of a place whose words are compared with the question's."""


@dataclass(frozen=True)
class AlignableDocument:
    """A document that answers may lie in."""

    doc_id: str
    name: str
    text: str
    kept: tuple[tuple[int, int], ...] | None = None
    """Spans that are not running headers and footers, so that an answer may go over a page's end; None for all."""

    @cached_property
    def names(self) -> frozenset[str]:
        """What it may be called: its name, its base name, either without suffix."""
        path = PurePosixPath(self.name)
        return frozenset({self.name, path.name, path.stem, path.with_suffix("").as_posix()})

    @cached_property
    def folded(self) -> FoldedText:
        """The text, to be searched without regard to case, spaces and punctuation."""
        return FoldedText(self.text, self.kept)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words of the text."""
        return frozenset(words(self.text))


@dataclass(frozen=True)
class Evidence:
    """Where the answer stands. `answer_end` is exclusive."""

    doc_id: str
    document: str
    answer_start: int
    answer_end: int
    method: Method


@dataclass(frozen=True)
class Refusal:
    """A question that cannot be used, and why, in one line."""

    question: str
    reason: str

    def __str__(self) -> str:
        """Return the line to print."""
        return f"{self.question}: {self.reason}"


@dataclass(frozen=True)
class _Place:
    document: AlignableDocument
    start: int
    end: int
    method: Method

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.document.doc_id, self.document.name, self.start, self.end, self.method)


def align(question: RealQuestion, documents: Mapping[str, AlignableDocument]) -> Evidence | Refusal:
    """Return the evidence of the question's answer in the documents (by id), or the reason why there is none."""
    if question.document is None:
        return _anywhere(question, list(documents.values()))
    named = [document for document in documents.values() if question.document in document.names]
    exact = [document for document in named if document.name == question.document]
    if len(exact or named) > 1:
        several = ", ".join(sorted(document.name for document in named)[:3])
        return _refuse(question, f'"{question.document}" may be {several}: give the full name')
    if not named:
        return _refuse(question, f'no document is named "{question.document}": ingest it, or mend the name')
    return _within(question, (exact or named)[0])


def _within(question: RealQuestion, document: AlignableDocument) -> Evidence | Refusal:
    at_offset = _at_offset(question, document)
    if at_offset:
        return at_offset.evidence
    places = _verbatim(question, document)
    if not places:
        loose = _fuzzy(question, [document])
        if loose:
            return loose.evidence
        return _refuse(question, f"its answer is not in {document.name}: quote the document's own words")
    best = _best(question, places)
    if best is None:
        where = f"stands in {len(places)} places of {document.name}"
        return _refuse(question, f"its short answer {where}: give answer_start")
    return best.evidence


def _anywhere(question: RealQuestion, documents: Sequence[AlignableDocument]) -> Evidence | Refusal:
    places = [place for document in documents for place in _verbatim(question, document)]
    if not places:
        loose = _fuzzy(question, _alike(question.answer, documents))
        return loose.evidence if loose else _refuse(question, "its answer is in no document: name the document")
    if len(places) > 1 and len(fold(question.answer)) < _LONG_ANSWER:
        return _refuse(question, f"its short answer stands in {len(places)} places: name the document")
    best = _best(question, places)
    return (best or places[0]).evidence


def _alike(answer: str, documents: Sequence[AlignableDocument]) -> list[AlignableDocument]:
    wanted = set(words(answer))
    shared = [(len(wanted & document.vocabulary), document) for document in documents]
    enough = [pair for pair in shared if pair[0] >= 0.7 * len(wanted)]
    return [document for _, document in sorted(enough, key=lambda pair: -pair[0])[:_FUZZY_DOCUMENTS]]


def _at_offset(question: RealQuestion, document: AlignableDocument) -> _Place | None:
    """Return the place that the question's offsets name, if the answer stands there up to case and spaces."""
    start = question.answer_start
    if start is None:
        return None
    end = question.answer_end
    if end is None:
        end = start + len(question.answer)
    quoted = document.text[start:end]
    if not quoted.strip() or _spaced(quoted) != _spaced(question.answer):
        return None
    start += len(quoted) - len(quoted.lstrip())
    return _Place(document, start, start + len(quoted.strip()), "offset")


def _verbatim(question: RealQuestion, document: AlignableDocument) -> list[_Place]:
    """Return the places of the answer's own words: as they are, else folded."""
    answer = question.answer
    spans: list[tuple[int, int]] = []
    at = document.text.find(answer)
    while at >= 0:
        end = at + len(answer)
        if len(answer) >= _LONG_ANSWER or _stands_alone(document.text, at, end):
            spans.append((at, end))
        at = document.text.find(answer, at + 1)
    if spans:
        return [_Place(document, start, end, "exact") for start, end in spans]
    return [_Place(document, start, end, "folded") for start, end in document.folded.find(answer)]


def _fuzzy(question: RealQuestion, documents: Iterable[AlignableDocument]) -> _Place | None:
    """Return the best place where a long answer stands in nearly its words."""
    needle = fold(question.answer)
    best: tuple[float, _Place] | None = None
    if len(needle) < _LONG_ANSWER:
        return None
    for document in documents:
        letters = document.folded.letters
        if len(letters) < len(needle):
            continue
        found = partial_ratio_alignment(needle, letters, score_cutoff=_FUZZY_SCORE)
        if found and found.dest_end > found.dest_start and (best is None or found.score > best[0]):
            span = document.folded.span(found.dest_start, found.dest_end)
            best = found.score, _Place(document, *_to_words(document.text, *span), "fuzzy")
    return best[1] if best else None


def _best(question: RealQuestion, places: Sequence[_Place]) -> _Place | None:
    """Return the place nearest the offset given, else the one whose surroundings share most words with the question.

    A short answer whose best places are equally good has none.
    """
    if len(places) == 1:
        return places[0]
    start = question.answer_start
    if start is not None:
        return min(places, key=lambda place: abs(place.start - start))
    asked = set(words(question.question))
    shared = [len(asked & set(words(_around(place)))) for place in places]
    top = max(shared)
    if Counter(shared)[top] > 1 and len(fold(question.answer)) < _LONG_ANSWER:
        return None
    return places[shared.index(top)]


def _around(place: _Place) -> str:
    return place.document.text[max(0, place.start - _CONTEXT_CHARS) : place.end + _CONTEXT_CHARS]


def _to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to whole words."""
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return start, end


def _stands_alone(text: str, start: int, end: int) -> bool:
    return (start == 0 or not text[start - 1].isalnum()) and (end == len(text) or not text[end].isalnum())


def _spaced(text: str) -> str:
    return " ".join(text.split()).casefold()


def _refuse(question: RealQuestion, reason: str) -> Refusal:
    return Refusal(question.label, reason)
