"""The metrics of ragas that ask a language model, over many questions and repeats (Es et al. 2024, ragas 0.4)."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ragas.embeddings.base import BaseRagasEmbedding
from ragas.metrics.collections import (
    AnswerRelevancy,
    ContextPrecision,
    ContextRecall,
    FactualCorrectness,
    Faithfulness,
)
from tqdm import tqdm

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.config import JudgeConfig, JudgeMetric
from rag.embedding.encoder import Encoder
from rag.errors import LanguageModelUnavailable
from rag.evaluation.judge import JudgedAnswer, JudgedReport, JudgeEndpoint, Judgement
from rag.evaluation.judge_model import JudgeModel, NoJudgement
from rag.evaluation.sample import EvaluationSample

_NEEDS = {
    JudgeMetric.FAITHFULNESS: ("user_input", "response", "retrieved_contexts"),
    JudgeMetric.ANSWER_RELEVANCY: ("user_input", "response"),
    JudgeMetric.CONTEXT_PRECISION: ("user_input", "reference", "retrieved_contexts"),
    JudgeMetric.CONTEXT_RECALL: ("user_input", "reference", "retrieved_contexts"),
    JudgeMetric.FACTUAL_CORRECTNESS: ("response", "reference"),
}
"""What each metric reads of a sample, in ragas' words."""


_FAILING_IN_A_ROW = 5
"""Questions in a row that get no judgement, from which it is of no use to ask further."""
_FAILING_AT_FIRST = 2
"""The same before a judge has said a word."""


class _Job(NamedTuple):
    place: int
    """Of the sample."""
    metric: JudgeMetric


class _Embeddings(BaseRagasEmbedding):  # type: ignore[misc]
    """Our encoder as ragas asks for vectors, here of questions only."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self._encoder = encoder

    def embed_text(self, text: str, **_: Any) -> list[float]:
        """Return a unit vector."""
        return self.embed_texts([text])[0]

    def embed_texts(self, texts: list[str], **_: Any) -> list[list[float]]:
        """Return a unit vector for each text."""
        return [[float(x) for x in vector] for vector in self._encoder.encode_queries(texts)]

    async def aembed_text(self, text: str, **_: Any) -> list[float]:
        """Return a unit vector."""
        return self.embed_text(text)

    async def aembed_texts(self, texts: list[str], **_: Any) -> list[list[float]]:
        """Return a unit vector for each text."""
        return self.embed_texts(texts)


def judge_answers(
    samples: Sequence[EvaluationSample],
    endpoint: JudgeEndpoint,
    config: JudgeConfig,
    encoder: Encoder,
    before: JudgedReport | None = None,
) -> JudgedReport:
    """Return what a judge says of answers. Not from within a running event loop.

    What it cannot judge is missing, with the reason, and no zero. `encoder` tells how near two questions are: it must
    be the same for all that is compared, so it is the bundled one and not a release's own.

    :param before: what the same judge said of the same answers until it was asked no further; that is not asked again.
    :raises LanguageModelUnavailable: if the judge cannot be reached or refuses the key or the model from the beginning.
    """
    return asyncio.run(_judge(samples, endpoint, config, encoder, before))


async def _judge(
    samples: Sequence[EvaluationSample],
    endpoint: JudgeEndpoint,
    config: JudgeConfig,
    encoder: Encoder,
    before: JudgedReport | None,
) -> JudgedReport:
    model = JudgeModel(endpoint, config)
    known = _values(before) if before else {}
    judging = _Judging(samples, model, _metrics(model, _Embeddings(encoder)), config, known)
    jobs = iter(tqdm(judging.jobs, desc="judging", delay=2, disable=None))
    try:  # the workers take their jobs from the same iterator
        await asyncio.gather(*(judging.work(jobs) for _ in range(config.at_once)))
    finally:
        await model.close()
    if judging.jobs and not model.ever_answered:
        raise LanguageModelUnavailable(model.stopped or "the judge gives no answer")
    bill = model.bill.plus(before.bill.model_dump()) if before else model.bill
    return JudgedReport(
        model=endpoint.model,
        repeats=config.repeats,
        answers=judging.answers(),
        bill=bill,
        cost_usd=model.cost_usd(bill),
        stopped=model.stopped,
    )


class _Judging:
    """All that is to be judged, and what came of it so far."""

    def __init__(
        self,
        samples: Sequence[EvaluationSample],
        model: JudgeModel,
        metrics: Mapping[JudgeMetric, Any],
        config: JudgeConfig,
        known: Mapping[tuple[str, str], tuple[float, ...]],
    ) -> None:
        self._samples, self._model, self._metrics, self._config = samples, model, metrics, config
        all_jobs = [_Job(place, metric) for metric in config.metrics for place in range(len(samples))]
        self._settled = {job: _settled(job.metric, samples[job.place]) for job in all_jobs}
        self._values = {job: [*known.get((samples[job.place].id, job.metric), ())] for job in all_jobs}
        self._reasons: dict[_Job, list[str]] = {job: [] for job in all_jobs}
        # Every question is judged once before one is judged again, and neighbours are different questions: a judge
        # that fails midway leaves something of each, and a question that no judge can take stops no other.
        self.jobs = [
            job
            for done in range(config.repeats)
            for job in all_jobs
            if self._settled[job] is None and len(self._values[job]) <= done
        ]
        self._failing: set[int] = set()

    async def work(self, jobs: Iterator[_Job]) -> None:
        """Do jobs until none is left."""
        for job in jobs:
            inputs = _inputs(self._samples[job.place])
            try:
                scored = await self._metrics[job.metric].ascore(**{name: inputs[name] for name in _NEEDS[job.metric]})
            except NoJudgement as nothing:
                self._reasons[job].append(str(nothing))
                self._see_whether_to_stop(job, str(nothing))
                continue
            self._failing.clear()
            if math.isnan(scored.value):
                self._reasons[job].append("the judge found nothing to judge")
            else:
                self._values[job].append(round(float(scored.value), 4))

    def answers(self) -> tuple[JudgedAnswer, ...]:
        """Return all judgements."""
        return tuple(
            JudgedAnswer(
                id=sample.id,
                judgements={metric.value: self._judgement(_Job(place, metric)) for metric in self._config.metrics},
            )
            for place, sample in enumerate(self._samples)
        )

    def _judgement(self, job: _Job) -> Judgement:
        values, reasons = self._values[job], self._reasons[job]
        return self._settled[job] or Judgement(
            values=tuple(values), missing=len(reasons), reason=reasons[-1] if reasons else None
        )

    def _see_whether_to_stop(self, job: _Job, reason: str) -> None:
        """Ask no further if the judge never said a word, or fails for one question after the other."""
        self._failing.add(job.place)
        if self._model.stopped:
            return
        if not self._model.ever_answered and len(self._failing) >= min(_FAILING_AT_FIRST, len(self._samples)):
            self._model.stopped = f"the judge gives no answer: {reason}: check its address, and that it runs"
        elif len(self._failing) >= _FAILING_IN_A_ROW:
            self._model.stopped = (
                f"{len(self._failing)} questions in a row got no judgement ({reason}): "
                "see that the judge runs, or set another in judge.model"
            )


def _metrics(model: JudgeModel, embeddings: _Embeddings) -> Mapping[JudgeMetric, Any]:
    return {
        JudgeMetric.FAITHFULNESS: Faithfulness(llm=model),
        JudgeMetric.ANSWER_RELEVANCY: AnswerRelevancy(llm=model, embeddings=embeddings),
        JudgeMetric.CONTEXT_PRECISION: ContextPrecision(llm=model),
        JudgeMetric.CONTEXT_RECALL: ContextRecall(llm=model),
        JudgeMetric.FACTUAL_CORRECTNESS: FactualCorrectness(llm=model),
    }


def _inputs(sample: EvaluationSample) -> dict[str, Any]:
    """Return a sample in ragas' words."""
    return {
        "user_input": sample.question,
        "response": sample.answer,
        "retrieved_contexts": list(sample.contexts or ()),
        "reference": sample.reference,
    }


def _values(report: JudgedReport) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return what each repeat gave so far, by question and metric."""
    return {
        (answer.id, metric): judgement.values
        for answer in report.answers
        for metric, judgement in answer.judgements.items()
    }


def _settled(metric: JudgeMetric, sample: EvaluationSample) -> Judgement | None:
    """Return what needs no judge: nothing found is worth nothing, and what is not known has no value.

    A refusal is no answer, and claims nothing that could be borne out. One value alone has no spread: what no judge was
    asked says nothing of how sure it is.
    """
    inputs = _inputs(sample)
    if (sample.answer or "").startswith(NOT_IN_DOCUMENTS) and "response" in _NEEDS[metric]:
        if metric is JudgeMetric.FAITHFULNESS:
            return Judgement(values=(), reason="not asked: a refusal claims nothing")
        return Judgement(values=(0.0,))
    lacking = [name for name in _NEEDS[metric] if not inputs[name]]
    if not lacking:
        return None
    if lacking == ["retrieved_contexts"] and sample.contexts == () and "reference" in _NEEDS[metric]:
        return Judgement(values=(0.0,))
    return Judgement(values=(), reason=f"not asked: the question has no {lacking[0]}")
