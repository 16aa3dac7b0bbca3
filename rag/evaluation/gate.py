"""May the candidate serve? Only when it is proven better on the same questions, and breaks no floor."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from rag.config import GateConfig
from rag.evaluation.metrics import mean_metrics
from rag.evaluation.report import EvaluationReport, QuestionResult, Refusals, judged_questions
from rag.evaluation.significance import POWER, Interval, Spread, cautious_interval, look_confidence


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
    earlier_looks: int = 0
    """Looks at candidates for the same place that were taken before; a candidate can be looked at more than once."""


class Circumstances(NamedTuple):
    """What a verdict depends on beside the reports."""

    earlier_looks: int = 0
    """Looks at candidates for its place that were taken before; each further one is judged more strictly, so that the
    chance that any displaces it without being better stays as low as the config wants."""
    missing: tuple[str, ...] = ()
    """Names of documents that production answers from and the candidate does not."""


class _Evidence(NamedTuple):
    """What the questions that both answered say."""

    gains: dict[str, Interval]
    spread: Spread
    """Of the metric that decides."""
    confidence: float
    """Of this look's intervals."""
    next_confidence: float
    """Of the next look's, at which more questions would be judged."""


_ORDINARY = Circumstances()


def judge(
    candidate: EvaluationReport,
    production: EvaluationReport,
    config: GateConfig,
    circumstances: Circumstances = _ORDINARY,
) -> Verdict:
    """Compare two releases on the questions that both answered; equal, or too few to tell, is keep."""
    earlier_looks = circumstances.earlier_looks
    origin, shared = judged_questions((candidate, production), config.min_questions)
    documents = [new.document for new, _ in shared]
    confidence = look_confidence(config.confidence, earlier_looks)
    differences = _differences(shared)
    evidence = _Evidence(
        gains={
            metric: cautious_interval(values, documents, confidence, config.resamples, config.seed)
            for metric, values in differences.items()
        },
        spread=Spread.cautious(differences.get(config.metric, []), documents),
        confidence=confidence,
        next_confidence=look_confidence(config.confidence, earlier_looks + 1),
    )
    before = mean_metrics([old.metrics for _, old in shared])
    after = mean_metrics([new.metrics for new, _ in shared])
    objection = (
        _incomplete(candidate, circumstances.missing)
        or _unproven(evidence, config)
        or broken_floor(candidate, production, config)
    )
    reason = objection or _proven(before, after, evidence, config)
    n_documents = len(set(documents))
    looks = f", look {earlier_looks + 1} at candidates for its place" if earlier_looks else ""
    return Verdict(
        decision=Decision.KEEP if objection else Decision.PROMOTE,
        reason=f"{reason}, on {len(shared)} {origin} questions of {n_documents} documents{looks}",
        origin=origin,
        n_questions=len(shared),
        n_documents=n_documents,
        before=before,
        after=after,
        gains=evidence.gains,
        earlier_looks=earlier_looks,
    )


def _differences(shared: Sequence[tuple[QuestionResult, ...]]) -> dict[str, list[float]]:
    """Return the paired differences of each metric that all have."""
    names = [name for name in shared[0][0].metrics if name in shared[0][1].metrics] if shared else []
    return {name: [new.metrics[name] - old.metrics[name] for new, old in shared] for name in names}


def _proven(before: dict[str, float], after: dict[str, float], evidence: _Evidence, config: GateConfig) -> str:
    """Return what was gained."""
    name = config.metric
    gain = f"{evidence.gains[name]} ({_percent(evidence.confidence)} interval)"
    return f"{name} rose from {before[name]:.3f} to {after[name]:.3f}, paired gain {gain}"


def _incomplete(candidate: EvaluationReport, missing: tuple[str, ...]) -> str | None:
    """Return what the candidate does not answer from, or None."""
    if missing:
        return f"documents are missing: {len(missing)} that production answers from, such as {missing[0]}"
    if candidate.left_out:
        asked = len(candidate.questions) + candidate.left_out
        return f"documents are missing: it cannot answer {candidate.left_out} of the {asked} evaluation questions"
    return None


def _unproven(evidence: _Evidence, config: GateConfig) -> str | None:
    """Return why the questions do not show the candidate to be better, and what would tell; or None."""
    spread = evidence.spread
    if spread.n_questions < config.min_questions:
        enough = max(config.min_questions, _needed(evidence, config) or 0)
        return f"too few questions to tell: {spread.n_questions}, at least {enough} are needed"
    gain = evidence.gains[config.metric]
    if gain.high < 0:
        return f"{config.metric} fell: paired change {gain}"
    if gain.low > config.min_gain:
        return None
    exceeds = f"exceed the {config.min_gain:g} wanted" if config.min_gain else "exclude 0"
    return (
        f"no proven gain: the {_percent(evidence.confidence)} interval of the paired {config.metric} change, {gain}, "
        f"does not {exceeds}; {_what_would_tell(evidence, config)}"
    )


def _what_would_tell(evidence: _Evidence, config: GateConfig) -> str:
    """Return how many questions would show the gain that was seen, or which gain these questions would show."""
    spread, often = evidence.spread, f"{POWER:.0%} of the time"
    if spread.error == 0:
        return "no question tells the two apart"
    needed = _needed(evidence, config)
    if needed is not None:
        seen = evidence.gains[config.metric].mean
        return f"a true gain of {seen:.3f} would be found {often} with about {needed:,} questions"
    found = config.min_gain + spread.detectable(evidence.next_confidence)
    if found >= 1:
        return "questions of so few documents tell nothing of others"
    return f"as many questions find a true gain of {found:.3f} {often}"


def _needed(evidence: _Evidence, config: GateConfig) -> int | None:
    """Return about how many questions would prove the gain that was seen; None if none was, or nothing is known."""
    gain = evidence.gains.get(config.metric)
    if gain is None or gain.mean <= config.min_gain or evidence.spread.detectable(evidence.next_confidence) >= 1:
        return None
    needed = evidence.spread.questions_for(gain.mean - config.min_gain, evidence.next_confidence)
    return math.ceil(float(f"{needed:.1e}"))


def broken_floor(candidate: EvaluationReport, production: EvaluationReport, config: GateConfig) -> str | None:
    """Return what a gain does not excuse, or None."""
    forgotten = production.general_hit1 - candidate.general_hit1
    if forgotten > config.max_general_loss:
        return (
            f"general knowledge was forgotten: hit@1 on the general set fell from {production.general_hit1:.3f} to "
            f"{candidate.general_hit1:.3f}, more than the {config.max_general_loss} allowed"
        )
    kept, usual = candidate.refusals, production.refusals
    if kept and usual and (lost := refusal_loss(usual, kept, config.confidence)) > config.max_refusal_loss:
        return (
            f"it tells less well what nothing answers: refuses {_refused(kept)}, production {_refused(usual)}, a loss "
            f"of at least {lost:.3f}, more than the {config.max_refusal_loss:g} allowed"
        )
    if candidate.latency_p95_ms > config.max_latency_p95_ms:
        return f"too slow: p95 {candidate.latency_p95_ms:.0f} ms to retrieve, {config.max_latency_p95_ms:.0f} allowed"
    if candidate.serving_bytes > config.max_serving_bytes:
        return f"too large: {candidate.serving_bytes:,} bytes to serve, {config.max_serving_bytes:,} allowed"
    if candidate.memory_bytes is not None and candidate.memory_bytes > config.max_memory_bytes:
        return f"too much memory: {candidate.memory_bytes:,} bytes to answer, {config.max_memory_bytes:,} allowed"
    return None


def refusal_loss(usual: Refusals, kept: Refusals, confidence: float) -> float:
    """Return how much informedness is lost at least: so few questions tell no smaller loss from chance.

    Compared on the questions that both were asked, with one more of each kind that was lost and one that was gained
    (Bonett and Price 2012); where it is not kept which were refused, as if each had been asked others (Agresti and
    Caffo 2000).
    """
    lost = _more_refused(usual.unanswerable_refused, kept.unanswerable_refused)
    if lost:
        others = _more_refused(kept.others_refused, usual.others_refused)
        kinds = [np.array([*each, 1, -1]) for each in (lost, others) if each]
        loss, error = sum(each.mean() for each in kinds), math.sqrt(sum(each.var() / len(each) for each in kinds))
    else:
        usual, kept = usual.smoothed(), kept.smoothed()
        loss, error = usual.informedness - kept.informedness, math.hypot(usual.error, kept.error)
    return float(loss - stats.norm.ppf(confidence) * error)


def _more_refused(one: Mapping[str, bool], other: Mapping[str, bool]) -> list[int]:
    """Return 1 for each question that only the one refused, -1 for each that only the other did, else 0."""
    return [one[id_] - other[id_] for id_ in one if id_ in other]


def _refused(refusals: Refusals) -> str:
    return f"{refusals.share:.1%} of {refusals.asked} such questions and {refusals.wrong_share:.1%} of others"


def _percent(confidence: float) -> str:
    """Return 95%, 99.2%, 99.99%: as many places as its error has."""
    return f"{confidence:.{max(0, math.ceil(-math.log10(1 - confidence)) - 2)}%}"
