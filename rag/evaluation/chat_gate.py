"""May a chat model serve? Only when answers are proven better with it, it makes up no more, and is fast enough."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from rag.config import ChatGateConfig
from rag.evaluation.asked import Group
from rag.evaluation.gate import Decision, Verdict
from rag.evaluation.significance import Interval, cautious_interval, look_confidence, paired_interval
from rag.evaluation.way_report import F1, HONEST, AnsweredQuestion, WayReport, group_weights, paired

ORIGIN = "mixed"
_UNTAUGHT = (Group.UNTRAINED, Group.REAL_UNTRAINED, Group.UNANSWERABLE)
"""What no chat model can know: better answers to the rest make no amends for inventions here."""
_ROUNDED = 2e-4
"""By how much the difference of two shares, which are rounded means of rounded means, may be off."""
_Pairs = Sequence[tuple[AnsweredQuestion, AnsweredQuestion]]


class ChatReports(BaseModel):
    """What is compared: the answers as each release decides, and those from memory alone."""

    model_config = ConfigDict(frozen=True)

    candidate: WayReport
    production: WayReport
    candidate_memory: WayReport
    production_memory: WayReport | None
    """None if what serves has no chat model."""
    trusted: bool
    """Whether the candidate's chat model is ever trusted."""


class _Evidence(NamedTuple):
    """What the questions that both answered say."""

    gains: dict[str, Interval]
    confidence: float
    """Of this look's intervals."""
    honesty: Interval
    """Of what is not made up, at the confidence of a first look: a floor does not sink with the looks."""


def judge_chat(reports: ChatReports, config: ChatGateConfig, earlier_looks: int = 0) -> Verdict:
    """Compare the answers of two releases to the same questions, each group of these alike; equal is keep.

    Questions of one document are drawn together, and those that no document answers are drawn as if they were of one
    more: they are made of few templates.

    :param earlier_looks: how often what serves was challenged before; each more is judged more strictly.
    """
    pairs = paired(reports.candidate, reports.production)
    evidence = _evidence(pairs, config, look_confidence(config.confidence, earlier_looks))
    gains = evidence.gains
    before, after = (_only(report, pairs).means() for report in (reports.production, reports.candidate))
    documents = {new.document for new, _ in pairs if new.document}
    objection = _objection(reports, evidence, pairs, config)
    groups = {new.group for new, _ in pairs}
    where = f"on {len(pairs)} questions of {len(groups)} kinds and {len(documents)} documents"
    looks = f", look {earlier_looks + 1} at candidates for its place" if earlier_looks else ""
    reason = objection or f"{F1} rose from {before[F1]:.3f} to {after[F1]:.3f}, paired gain {gains[F1]}"
    return Verdict(
        decision=Decision.KEEP if objection else Decision.PROMOTE,
        reason=f"{reason}, {where}{looks}",
        origin=ORIGIN,
        n_questions=len(pairs),
        n_documents=len(documents),
        before=before,
        after=after,
        gains=gains,
        earlier_looks=earlier_looks,
    )


def _evidence(pairs: _Pairs, config: ChatGateConfig, confidence: float) -> _Evidence:
    groups, documents = [new.group for new, _ in pairs], [new.document for new, _ in pairs]
    weights = group_weights(groups)
    names = pairs[0][0].metrics if pairs else ()
    changes = {name: [new.metrics[name] - old.metrics[name] for new, old in pairs] for name in names}
    drawn = config.resamples, config.seed
    return _Evidence(
        gains={
            name: cautious_interval(values, documents, confidence, *drawn, weights, kinds=groups)
            for name, values in changes.items()
        },
        confidence=confidence,
        honesty=paired_interval(changes.get(HONEST, []), documents, config.confidence, *drawn, weights),
    )


def _only(report: WayReport, pairs: _Pairs) -> WayReport:
    """Return the report on the questions that both answered."""
    shared = {new.id for new, _ in pairs}
    return report.model_copy(update={"answers": tuple(each for each in report.answers if each.id in shared)})


def _objection(reports: ChatReports, evidence: _Evidence, pairs: _Pairs, config: ChatGateConfig) -> str | None:
    """Return why the chat model may not serve, or None."""
    if len(pairs) < config.min_questions:
        return f"too few questions to tell: {len(pairs)}, at least {config.min_questions} are needed"
    if not reports.trusted:
        return (
            "the chat model is never trusted: at no confidence was it worth more than passages on validation questions"
        )
    gain, honesty = evidence.gains[F1], evidence.honesty
    if gain.high < 0:
        return f"{F1} fell: paired change {gain}"
    if gain.low <= 0:
        share = f"{100 * evidence.confidence:.4g}%"
        return f"no proven gain: the {share} interval of the paired {F1} change, {gain}, does not exclude 0"
    own, other = (_only(report, pairs) for report in (reports.candidate, reports.production))
    made_up = (
        _made_up_more("answers", own, other, config)
        or _made_up_more("answers to what was not taught", _untaught(own), _untaught(other), config)
        or (f"it makes up more: paired change of {HONEST} {honesty}" if honesty.high < 0 else None)
    )
    if made_up is None and reports.production_memory is not None:
        memory, before = reports.candidate_memory, reports.production_memory
        made_up = _made_up_more("answers from memory alone", memory, before, config)
    if made_up is not None:
        return made_up
    slow, usual = reports.candidate.latency_ms(95), reports.production.latency_ms(95)
    if slow > max(config.max_latency_p95_ms, usual):
        allowed = f"{config.max_latency_p95_ms:.0f} allowed, {usual:.0f} in production"
        return f"too slow: p95 {slow:.0f} ms to a whole answer, {allowed}"
    return None


def _untaught(report: WayReport) -> WayReport:
    return report.model_copy(update={"answers": tuple(each for each in report.answers if each.group in _UNTAUGHT)})


def _made_up_more(what: str, own: WayReport, other: WayReport, config: ChatGateConfig) -> str | None:
    """Return that the share of inventions rose by more than is allowed; never for a single answer, of any group."""
    before, after = other.made_up(), own.made_up()
    if after - before <= max(config.max_made_up_rise, _one_answer(own)) + _ROUNDED:
        return None
    return (
        f"it makes up more: {after:.1%} of its {what} against {before:.1%} of production's, a rise of more than the "
        f"{config.max_made_up_rise:.0%} allowed"
    )


def _one_answer(report: WayReport) -> float:
    """Return what an answer of the smallest group is of the whole, 0 to 1."""
    sizes = [len(report.of(group)) for group in report.groups if group.counts]
    return 1 / (len(sizes) * min(sizes)) if sizes else 0.0
