"""Reactions -> weighted evidence: which span of a document answers a question, and by how much."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.feedback.reactions import Reaction, Span, Use
from rag.feedback.signals import VOTES, FeedbackKind
from rag.pairs.words import normalize

WEIGHTS: Mapping[FeedbackKind, float] = {
    FeedbackKind.CORRECTION: 1.0,  # where the corrected answer stands in the documents
    FeedbackKind.RIGHT_PASSAGE: 1.0,  # the passage
    FeedbackKind.THUMB_UP: 0.6,  # what the answer cites
    FeedbackKind.COPIED: 0.4,  # the passage, or what the answer cites
    FeedbackKind.CITATION_OPENED: 0.2,  # the passage
    FeedbackKind.REFORMULATED: -0.3,  # what the answer cites
    FeedbackKind.THUMB_DOWN: -0.6,
    FeedbackKind.ABANDONED: 0.0,  # who leaves may have found what was wanted
}
RATINGS: Mapping[int, float] = {5: 0.6, 4: 0.4, 3: 0.0, 2: -0.4, 1: -0.6}
"""Of what the answer cites."""
BAR = 0.5
"""Sum from which a span is taken to answer a question: one thumb is enough, one opened citation is not."""
MOST_OF_ONE = 1.0
"""Most that one person adds for or against a span, in however many ways."""
_SEVERAL = 0.5
"""Share of the weight if an answer cites several documents, since a reaction does not say which of them is right."""


@dataclass(frozen=True)
class Evidence:
    """A question and the span that answers it, in the judgement of people."""

    question: str
    span: Span
    weight: float
    said: str | None
    """The answer in somebody's own words, where the span comes from a correction."""


class _Pointer(NamedTuple):
    """What one reaction says of one span."""

    span: Span
    weight: float
    person: str
    reaction: Reaction


Locate = Callable[[str, str], Span | None]
"""(question, corrected answer) -> where that stands, if it does."""


def weight(reaction: Reaction) -> float:
    """Return what a reaction says for a span, or against it if below 0."""
    return RATINGS[reaction.value] if reaction.value is not None else WEIGHTS[reaction.kind]


def weighed(uses: Sequence[Use], chunks: Mapping[str, Span], locate: Locate) -> list[Evidence]:
    """Return the spans that answer questions by a sum of at least `BAR`, one for each question and document.

    Reactions to spans that overlap by half of the shorter one are about the same: they add up, or cancel. A person who
    says something of several answers to a question counts once, with the latest. `chunks` holds the span of each chunk
    that a reaction names.
    """
    pointers: dict[str, dict[object, _Pointer]] = {}
    wording: dict[str, str] = {}
    for use in uses:
        key = normalize(use.question)
        wording.setdefault(key, use.question)
        for reaction in use.reactions:
            for span, share in _spans(use, reaction, chunks, locate):
                pointer = _Pointer(span, share * weight(reaction), use.person(reaction), reaction)
                slot = "vote" if reaction.kind in VOTES else reaction.kind
                held = pointers.setdefault(key, {}).setdefault((pointer.person, slot, span), pointer)
                if held.reaction.id < reaction.id:
                    pointers[key][pointer.person, slot, span] = pointer
    return [found for key, own in pointers.items() for found in _answering(wording[key], list(own.values()))]


def _spans(use: Use, reaction: Reaction, chunks: Mapping[str, Span], locate: Locate) -> Iterator[tuple[Span, float]]:
    """Yield what a reaction is about, each with the share of its weight."""
    if reaction.kind is FeedbackKind.CORRECTION:
        place = locate(use.question, reaction.text or "")
    elif reaction.chunk_id is not None:
        place = chunks.get(reaction.chunk_id)
    elif reaction.kind is FeedbackKind.CITATION_OPENED:
        return
    else:
        several = len({doc_id for doc_id, _, _ in use.cited}) > 1
        yield from ((span, _SEVERAL if several else 1.0) for span in dict.fromkeys(use.cited))
        return
    if place is not None:
        yield place, 1.0


def _answering(question: str, pointers: Sequence[_Pointer]) -> Iterator[Evidence]:
    """Yield the best span of each document: by its sum, then the shortest, then the first that was named."""
    best: dict[str, tuple[float, int, Evidence]] = {}
    for span in dict.fromkeys(pointer.span for pointer in pointers if pointer.weight > 0):
        by_person: dict[str, float] = {}
        for pointer in pointers:
            if _same(span, pointer.span):
                by_person[pointer.person] = by_person.get(pointer.person, 0) + pointer.weight
        total = round(sum(max(-MOST_OF_ONE, min(MOST_OF_ONE, own)) for own in by_person.values()), 6)
        rank = total, span[1] - span[2]
        if total >= BAR and (span[0] not in best or rank > best[span[0]][:2]):
            texts = [p.reaction.text for p in pointers if p.span == span and p.reaction.kind is FeedbackKind.CORRECTION]
            best[span[0]] = (*rank, Evidence(question, span, total, texts[-1] if texts else None))
    yield from (evidence for _, _, evidence in best.values())


def _same(one: Span, other: Span) -> bool:
    """Say whether two spans share at least half of the shorter one."""
    shared = min(one[2], other[2]) - max(one[1], other[1])
    return one[0] == other[0] and 0 < min(one[2] - one[1], other[2] - other[1]) <= 2 * shared
