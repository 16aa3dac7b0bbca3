"""The same questions under two releases: by slice, by rank, and those that went best and worst."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from rag.evaluation.metrics import DEPTH
from rag.evaluation.report import EvaluationReport, QuestionResult
from rag.evaluation.significance import Interval, cautious_interval
from rag.pairs.pair import Origin

RESAMPLES = 2000
"""For the interval of a slice, which decides nothing."""
RUNGS = ("1", "2-3", "4-5", "6-10", f"11-{DEPTH}", f"not in the first {DEPTH}")
"""Ranks of the evidence that are told apart."""
_ENDS = (1, 3, 5, 10)


class Scored(Protocol):
    """A question and what one release scored on it."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def document(self) -> str: ...  # noqa: D102
    @property
    def metrics(self) -> Mapping[str, float]: ...  # noqa: D102


_Question = TypeVar("_Question", bound=Scored)


class Slice(NamedTuple):
    """Questions that have something in common."""

    name: str
    n_questions: int
    n_documents: int
    before: float
    after: float
    gain: Interval
    n_drawn: int
    """Documents, or questions of one, that the interval is drawn from; one alone has none that says anything."""

    @property
    def said(self) -> str:
        """The gain, with its interval if it has one."""
        return str(self.gain) if self.n_drawn > 1 else f"{self.gain.mean:+.3f}"


def shared(
    candidate: EvaluationReport, against: EvaluationReport, origin: Origin | None = None
) -> list[tuple[QuestionResult, QuestionResult]]:
    """Return the questions that both answered, the candidate's result first; of one origin if given."""
    others = {question.id: question for question in against.questions}
    own = candidate.questions if origin is None else candidate.of(origin)
    return [(question, others[question.id]) for question in own if question.id in others]


def gain(pair: tuple[Scored, Scored], metric: str) -> float:
    """Return by how much a question's metric rose."""
    new, old = pair
    return new.metrics[metric] - old.metrics[metric]


def slices(
    pairs: Sequence[tuple[_Question, _Question]],
    metric: str,
    by: Callable[[_Question], str],
    confidence: float,
    of_one_document: bool = False,
) -> list[Slice]:
    """Return the slices of paired questions, by name, each with the interval of its mean gain.

    :param of_one_document: whether a slice is a document: then its questions are resampled, not its documents.
    """
    groups: dict[str, list[tuple[_Question, _Question]]] = {}
    for pair in pairs:
        groups.setdefault(by(pair[0]), []).append(pair)
    return [_slice(name, groups[name], metric, confidence, of_one_document) for name in sorted(groups)]


def _slice(
    name: str, own: Sequence[tuple[Scored, Scored]], metric: str, confidence: float, of_one_document: bool
) -> Slice:
    clusters = [new.id if of_one_document else new.document for new, _ in own]
    return Slice(
        name=name,
        n_questions=len(own),
        n_documents=len({new.document for new, _ in own if new.document}),
        before=sum(old.metrics[metric] for _, old in own) / len(own),
        after=sum(new.metrics[metric] for new, _ in own) / len(own),
        gain=cautious_interval([gain(pair, metric) for pair in own], clusters, confidence, RESAMPLES, seed=13),
        n_drawn=len(set(clusters)),
    )


def rung(question: QuestionResult) -> int:
    """Return the place in RUNGS of the best passage with evidence."""
    reciprocal = question.metrics.get("mrr@10", 0.0)
    if reciprocal:
        return sum(round(1 / reciprocal) > end for end in _ENDS)
    return len(RUNGS) - (2 if question.metrics.get(f"hit@{DEPTH}") else 1)


def rank(question: QuestionResult) -> str:
    """Return where the best passage with evidence stands, in words, as far as the metrics tell it."""
    reciprocal = question.metrics.get("mrr@10", 0.0)
    if reciprocal:
        return f"rank {round(1 / reciprocal)}"
    place = RUNGS[rung(question)]
    return place if place == RUNGS[-1] else f"rank {place}"


def rank_changes(pairs: Sequence[tuple[QuestionResult, QuestionResult]]) -> list[list[int]]:
    """Return how many questions went from which rung (row) to which (column)."""
    counts = [[0] * len(RUNGS) for _ in RUNGS]
    for new, old in pairs:
        counts[rung(old)][rung(new)] += 1
    return counts


def extremes(
    pairs: Sequence[tuple[_Question, _Question]], metric: str, at_most: int
) -> tuple[list[tuple[_Question, _Question]], list[tuple[_Question, _Question]]]:
    """Return the questions that lost most and those that gained most, the most first."""
    ordered = sorted(pairs, key=lambda pair: (gain(pair, metric), pair[0].id))
    lost = [pair for pair in ordered if gain(pair, metric) < 0]
    gained = [pair for pair in reversed(ordered) if gain(pair, metric) > 0]
    return lost[:at_most], gained[:at_most]
