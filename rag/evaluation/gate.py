"""May the candidate serve? Only when it is proven better on the same questions, and breaks no floor."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from rag.config import GateConfig
from rag.evaluation.metrics import mean_metrics
from rag.evaluation.report import EvaluationReport, judged_questions
from rag.evaluation.significance import Interval, paired_interval


class Decision(StrEnum):
    """What happens to the candidate."""

    PROMOTE = "promote"
    KEEP = "keep"


class Verdict(BaseModel):
    """The decision, in one sentence, and its numbers."""

    model_config = ConfigDict(frozen=True)

    decision: Decision
    reason: str
    origin: str
    """Which questions decided: real or synthetic."""
    n_questions: int
    n_documents: int
    before: dict[str, float]
    after: dict[str, float]
    gains: dict[str, Interval]


def judge(candidate: EvaluationReport, production: EvaluationReport, config: GateConfig) -> Verdict:
    """Compare two releases on the questions that both answered; equal, or too few to tell, is keep."""
    origin, shared = judged_questions((candidate, production), config.min_questions)
    documents = [new.document for new, _ in shared]
    gains = {
        metric: paired_interval(
            [new.metrics[metric] - old.metrics[metric] for new, old in shared],
            documents,
            config.confidence,
            config.resamples,
            config.seed,
        )
        for metric in (shared[0][0].metrics if shared else {})
    }
    before = mean_metrics([old.metrics for _, old in shared])
    after = mean_metrics([new.metrics for new, _ in shared])
    n_documents = len(set(documents))
    objection = _objection(candidate, production, gains, len(shared), config)
    where = f"on {len(shared)} {origin} questions of {n_documents} documents"
    if objection is None:
        name = config.metric
        reason = f"{name} rose from {before[name]:.3f} to {after[name]:.3f}, paired gain {gains[name]}, {where}"
    else:
        reason = f"{objection}, {where}"
    return Verdict(
        decision=Decision.KEEP if objection else Decision.PROMOTE,
        reason=reason,
        origin=origin,
        n_questions=len(shared),
        n_documents=n_documents,
        before=before,
        after=after,
        gains=gains,
    )


def _objection(
    candidate: EvaluationReport,
    production: EvaluationReport,
    gains: dict[str, Interval],
    n_questions: int,
    config: GateConfig,
) -> str | None:
    """Return why the candidate may not serve, or None."""
    if n_questions < config.min_questions:
        return f"too few questions to tell: {n_questions}, at least {config.min_questions} are needed"
    gain = gains[config.metric]
    share = f"{config.confidence:.0%}"
    if gain.high < 0:
        return f"{config.metric} fell: paired change {gain}"
    if gain.low <= 0:
        return f"no proven gain: the {share} interval of the paired {config.metric} change, {gain}, does not exclude 0"
    forgotten = production.general_hit1 - candidate.general_hit1
    if forgotten > config.max_general_loss:
        return (
            f"general knowledge was forgotten: hit@1 on the general set fell from {production.general_hit1:.3f} to "
            f"{candidate.general_hit1:.3f}, more than the {config.max_general_loss} allowed"
        )
    if candidate.latency_p95_ms > config.max_latency_p95_ms:
        return f"too slow: p95 {candidate.latency_p95_ms:.0f} ms to retrieve, {config.max_latency_p95_ms:.0f} allowed"
    if candidate.serving_bytes > config.max_serving_bytes:
        return f"too large: {candidate.serving_bytes:,} bytes to serve, {config.max_serving_bytes:,} allowed"
    return None
