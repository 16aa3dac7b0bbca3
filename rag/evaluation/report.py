"""What an evaluation of one release says, question by question; ids and numbers only, no text."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rag.evaluation.metrics import mean_metrics
from rag.pairs.pair import Origin, QuestionType

SHOWN = 5
"""Passages that are kept of a ranking, as many as an answer is given."""


class QuestionResult(BaseModel):
    """One question's metrics."""

    model_config = ConfigDict(frozen=True)

    id: str
    document: str
    origin: Origin
    question_type: QuestionType
    metrics: dict[str, float]
    latency_ms: float
    """Encoding the question, searching and ranking."""
    found: tuple[str, ...] = ()
    """Ids of the best chunks, best first; at most SHOWN."""
    relevant: tuple[str, ...] = ()
    """Ids of the chunks that hold the evidence."""


class Refusals(BaseModel):
    """What became of questions that no document answers, and of some that one does."""

    model_config = ConfigDict(frozen=True)

    asked: int = Field(ge=1)
    """That nothing answers."""
    refused: int = Field(ge=0)
    answerable: int = Field(0, ge=0)
    """Others that were asked."""
    wrongly: int = Field(0, ge=0)
    """Of those, refused."""
    unanswerable_refused: dict[str, bool] = {}
    """Whether each question that nothing answers was refused, by its fingerprint; empty where that is not kept."""
    others_refused: dict[str, bool] = {}
    """Whether each of the others was, by its id."""

    @property
    def counts(self) -> dict[str, int]:
        """How many there are, without each."""
        return self.model_dump(include={"asked", "refused", "answerable", "wrongly"})

    @property
    def share(self) -> float:
        """Of the questions, those that were refused as they should be."""
        return self.refused / self.asked

    @property
    def wrong_share(self) -> float:
        """Of the questions that a document answers, those that were refused."""
        return self.wrongly / self.answerable if self.answerable else 0.0

    @property
    def informedness(self) -> float:
        """How well it tells the two apart, -1 to 1, wherever its threshold lies (Youden 1950)."""
        return self.share - self.wrong_share

    @property
    def error(self) -> float:
        """Standard error of the informedness."""
        wrong = self.wrong_share * (1 - self.wrong_share) / max(self.answerable, 1)
        return math.sqrt(self.share * (1 - self.share) / self.asked + wrong)

    def smoothed(self) -> "Refusals":
        """Return it with one more that was refused and one that was not, of each kind that was asked.

        One or two questions that fared alike have no error otherwise.
        """
        asked = {"asked": self.asked + 2, "refused": self.refused + 1}
        others = {"answerable": self.answerable + 2, "wrongly": self.wrongly + 1} if self.answerable else {}
        return self.model_copy(update=asked | others)


class EvaluationReport(BaseModel):
    """One release on one evaluation set."""

    model_config = ConfigDict(frozen=True)

    evaluation_set: str
    """Digest of the evaluation set's artifact."""
    questions: tuple[QuestionResult, ...]
    left_out: int = 0
    """Questions of documents that the index lacks, or holds in another version."""
    general_hit1: float
    """hit@1 of the embedder alone on the general set that ships with ragloop."""
    serving_bytes: int
    """Size of the embedder's and the index's files."""
    memory_bytes: int | None = None
    """By how much the process grew at most; None if it was not measured."""
    refusals: Refusals | None = None
    """None if no unanswerable question was asked."""

    def of(self, origin: Origin) -> list[QuestionResult]:
        """Return the results of one origin."""
        return [q for q in self.questions if q.origin == origin]

    def means(self, origin: Origin | None = None, question_type: QuestionType | None = None) -> dict[str, float]:
        """Return mean metrics, of one origin and of one type if given."""
        rows = [
            q.metrics for q in self.questions if origin in (None, q.origin) and question_type in (None, q.question_type)
        ]
        return mean_metrics(rows)

    @property
    def latency_p95_ms(self) -> float:
        """95th percentile of the time to retrieve."""
        times = [q.latency_ms for q in self.questions]
        return round(float(np.percentile(times, 95)), 1) if times else 0.0


def judged_questions(
    reports: Sequence[EvaluationReport], enough: int
) -> tuple[Origin, list[tuple[QuestionResult, ...]]]:
    """Return the questions that decide, one tuple a question with each report's result.

    Real questions decide where there are enough of them, else synthetic ones; if neither are enough, the more numerous.
    """
    shared = {origin: _shared(reports, origin) for origin in (Origin.REAL, Origin.SYNTHETIC)}
    for origin, results in shared.items():
        if len(results) >= enough:
            return origin, results
    origin = max(shared, key=lambda o: len(shared[o]))
    return origin, shared[origin]


def _shared(reports: Sequence[EvaluationReport], origin: Origin) -> list[tuple[QuestionResult, ...]]:
    by_id = [{q.id: q for q in report.of(origin)} for report in reports]
    return [tuple(results[i] for results in by_id) for i in by_id[0] if all(i in results for results in by_id)]
