"""The metrics of ragas that need no language model: strings compared with strings (Es et al. 2024, ragas 0.4)."""

import asyncio
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from rag.evaluation.sample import EvaluationSample, mean_scores, missing_scores

if TYPE_CHECKING:
    from ragas import SingleTurnSample

PRECISION = "non_llm_context_precision_with_reference"
"""Average precision of the retrieved passages, of which one counts that is at least half like a reference context."""
RECALL = "non_llm_context_recall"
"""Share of the reference contexts that are more than half like a retrieved passage."""
SIMILARITY = "non_llm_string_similarity"
"""1 less the Levenshtein distance of the answer to the reference answer, over the longer one's length."""
PRESENCE = "string_present"
"""Whether the answer has the reference answer in it, character by character."""


class AnswerScores(BaseModel):
    """What one question's answer and passages are worth."""

    model_config = ConfigDict(frozen=True)

    id: str
    metrics: dict[str, float | None]
    """0 to 1 by ragas' names; None where the sample lacks what the metric compares."""


class AnswerReport(BaseModel):
    """All questions; ids and numbers only, no text."""

    model_config = ConfigDict(frozen=True)

    answers: tuple[AnswerScores, ...]

    def means(self) -> dict[str, float]:
        """Return the mean of each metric over the questions that have a value."""
        return mean_scores(answer.metrics for answer in self.answers)

    def missing(self) -> dict[str, int]:
        """Return for each metric how many questions have no value."""
        return missing_scores(answer.metrics for answer in self.answers)


def score_answers(samples: Sequence[EvaluationSample]) -> AnswerReport:
    """Return the metrics of answers that need no language model. Not from within a running event loop.

    Importing ragas takes seconds the first time.
    """
    return AnswerReport(answers=tuple(asyncio.run(_score_all(samples))))


async def _score_all(samples: Sequence[EvaluationSample]) -> list[AnswerScores]:
    return [AnswerScores(id=sample.id, metrics=await _scores(sample)) for sample in samples]


async def _scores(sample: EvaluationSample) -> dict[str, float | None]:
    """Ask ragas. Its synchronous calls would patch the event loops of the whole process, so they are not used."""
    from ragas import SingleTurnSample
    from ragas.metrics.collections import NonLLMStringSimilarity, StringPresence

    metrics: dict[str, float | None] = dict.fromkeys((PRECISION, RECALL, SIMILARITY, PRESENCE))
    if sample.contexts is not None and sample.reference_contexts:
        contexts = SingleTurnSample(
            retrieved_contexts=list(sample.contexts), reference_contexts=list(sample.reference_contexts)
        )
        metrics |= await _context_scores(contexts)
    if sample.answer is not None and sample.reference:
        similar = await NonLLMStringSimilarity().ascore(reference=sample.reference, response=sample.answer)
        present = await StringPresence().ascore(reference=sample.reference, response=sample.answer)
        metrics |= {SIMILARITY: round(float(similar.value), 4), PRESENCE: float(present.value)}
    return metrics


async def _context_scores(sample: "SingleTurnSample") -> dict[str, float]:
    if not sample.retrieved_contexts:  # of which ragas makes an error
        return {PRECISION: 0.0, RECALL: 0.0}
    with warnings.catch_warnings():  # ragas announces a new home for these two, where 0.4 does not have them yet
        warnings.simplefilter("ignore", DeprecationWarning)
        from ragas.metrics import NonLLMContextPrecisionWithReference, NonLLMContextRecall
    both = NonLLMContextPrecisionWithReference(), NonLLMContextRecall()
    return {metric.name: round(float(await metric.single_turn_ascore(sample)), 4) for metric in both}
