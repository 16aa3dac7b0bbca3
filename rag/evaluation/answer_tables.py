"""Answers as rows that people read; the command line and Prefect show the same ones."""

from collections.abc import Mapping
from typing import Any

from rag.evaluation.answers import AnswersReport
from rag.evaluation.judge import JudgedReport
from rag.evaluation.sample import mean_scores
from rag.pairs.pair import Origin, QuestionType

_STEPS = ("retrieval", "generation", "total")
_MB = 2**20


def answer_rows(report: AnswersReport, judged: JudgedReport | None = None) -> list[dict[str, str]]:
    """Return a row a metric: its mean over the answerable questions of each origin, and of each type of them.

    :param judged: of the same answers; its metrics follow, with the deviation of one judgement.
    """
    spreads = judged.spreads() if judged else {}
    groups = answer_values(report, judged)
    missing = report.missing() | (judged.missing() if judged else {})
    return [
        {
            "metric": metric,
            **{_group(each): _number(each["metrics"].get(metric)) for each in groups},
            "no value": str(missing[metric]),
            **({"spread": _number(spreads.get(metric))} if judged else {}),
        }
        for metric in missing
    ]


def answer_values(report: AnswersReport, judged: JudgedReport | None = None) -> list[dict[str, Any]]:
    """Return the mean metrics for each origin and type of answerable question; the type None is all of them.

    The origin is None for questions of which nobody has told it, and these have no type either.

    :param judged: of the same answers; its metrics follow.
    """
    by_judge = {answer.id: answer.metrics for answer in judged.answers} if judged else {}
    values = []
    for origin in sorted({answer.origin for answer in report.of()}, key=[*Origin, None].index):
        for question_type in (None, *QuestionType):
            own = report.of(origin, question_type)
            if own:
                means = mean_scores(answer.metrics | by_judge.get(answer.id, {}) for answer in own)
                values.append({"origin": origin, "question_type": question_type, "n": len(own), "metrics": means})
    return values


def _group(each: Mapping[str, Any]) -> str:
    """Return what a column is called: all (8); real (8); real, factual (5)."""
    names = [name for name in (each["origin"], each["question_type"]) if name]
    return f"{', '.join(names) or 'all'} ({each['n']})"


def answering_rows(report: AnswersReport) -> list[dict[str, str]]:
    """Return a row a step: how long it took."""
    return [
        {"step": step, "p50 ms": f"{report.latency_ms(step, 50):.0f}", "p95 ms": f"{report.latency_ms(step, 95):.0f}"}
        for step in _STEPS
    ]


def answering_facts(report: AnswersReport, judged: JudgedReport | None = None) -> dict[str, str]:
    """Return who answered, what was refused as it should be, and what it all took."""
    facts = {"answered by": ", ".join(f"{name} ({n})" for name, n in report.generators.items()) or "nobody"}
    if (refusals := report.refusals) is not None:
        facts["unanswerable"] = f"{refusals.refused} of {refusals.asked} refused ({refusals.share:.0%})"
    if report.unanswered:
        facts["unanswered"] = f"{report.unanswered} questions that nobody could answer"
    if report.left_out:
        facts["left out"] = f"{report.left_out} questions of documents that the release does not have"
    facts["memory"] = f"{report.memory_bytes / _MB:.0f} MB at most"
    if report.card_bytes is not None:
        facts["card"] = f"{report.card_bytes / _MB:.0f} MB at most"
    facts["cost"] = _dollars(report.cost_usd)
    if judged is not None:
        facts["judged by"] = f"{judged.model}, {judged.repeats} times each, {judged.bill.requests} requests"
        facts["judge's cost"] = _dollars(judged.cost_usd)
        if judged.stopped is not None:
            facts["not all judged"] = f"{judged.stopped}; the next call goes on from there"
    return facts


def answers_summary(report: AnswersReport, judged: JudgedReport | None = None) -> dict[str, Any]:
    """Return all that for programs: numbers under names, nothing rounded away."""
    summary: dict[str, Any] = {
        "questions": len(report.of()),
        "rows": answer_values(report, judged),
        "missing": report.missing(),
        "unanswerable": report.refusals.counts if report.refusals else None,
        "generators": report.generators,
        "unanswered": report.unanswered,
        "latency_ms": {
            step: {f"p{percentile}": report.latency_ms(step, percentile) for percentile in (50, 95)} for step in _STEPS
        },
        **report.model_dump(mode="json", include={"left_out", "memory_bytes", "card_bytes", "bills", "cost_usd"}),
        "judged": None,
    }
    if judged is not None:
        told = judged.model_dump(mode="json", include={"model", "repeats", "bill", "cost_usd", "stopped"})
        numbers = {"spreads": judged.spreads(), "missing": judged.missing()}
        summary["judged"] = told | numbers
    return summary


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _dollars(cost_usd: float | None) -> str:
    return "not known: give the model's price in prices" if cost_usd is None else f"{cost_usd:.4f} USD"
