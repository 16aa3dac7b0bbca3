"""Evaluations as rows that people read; the command line and Prefect show the same ones."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from rag.evaluation.gate import Verdict
from rag.evaluation.report import EvaluationReport
from rag.evaluation.way_report import EXACT, F1, MIXED, ROUTED, SUPPORT, WayReport
from rag.pairs.pair import Origin, QuestionType

MADE_UP = "made up"
_WAY_METRICS = {F1: "token_f1", EXACT: "exact_match", SUPPORT: "support"}
_MB = 2**20


def comparison_rows(verdict: Verdict) -> list[dict[str, str]]:
    """Return a row a metric: before, after, the paired gain and its interval."""
    return [
        {
            "metric": metric,
            "before": f"{verdict.before[metric]:.3f}",
            "after": f"{verdict.after[metric]:.3f}",
            "paired gain (interval)": str(gain),
        }
        for metric, gain in verdict.gains.items()
    ]


def report_rows(report: EvaluationReport) -> list[dict[str, str]]:
    """Return a row for each origin and type of question that was asked."""
    return [
        {"questions": f"{each['origin']}, {each['question_type'] or 'all'}", "n": str(each["n"])}
        | {metric: f"{mean:.3f}" for metric, mean in each["metrics"].items()}
        for each in report_values(report)
    ]


def report_values(report: EvaluationReport) -> list[dict[str, Any]]:
    """Return the mean metrics for each origin and type of question that was asked; the type None is all of them."""
    values = []
    for origin in Origin:
        for question_type in (None, *QuestionType):
            count = sum(q.origin is origin and question_type in (None, q.question_type) for q in report.questions)
            if count:
                of = {"origin": origin, "question_type": question_type, "n": count}
                values.append(of | {"metrics": report.means(origin, question_type)})
    return values


def left_out_note(report: EvaluationReport) -> str:
    """Return how many questions were not asked, and why."""
    return f"{report.left_out} questions left out: this release does not have their documents as they stand"


def report_summary(report: EvaluationReport) -> dict[str, Any]:
    """Return those means, and what else a report says of a release, for programs."""
    return {
        "rows": report_values(report),
        "left_out": report.left_out,
        "general_hit1": report.general_hit1,
        "latency_p95_ms": report.latency_p95_ms,
        "refusals": report.refusals.counts if report.refusals else None,
    }


def way_rows(reports: Sequence[WayReport]) -> list[dict[str, str]]:
    """Return a row for each group of questions and each way, and for all groups alike.

    :param reports: of the same questions.
    """
    return [
        {
            "questions": each["group"] or MIXED,
            "n": str(each["n"]),
            "way": each["way"],
            **{name: f"{each[key]:.3f}" for name, key in _WAY_METRICS.items()},
            MADE_UP: f"{each['made_up']:.3f}",
            "from memory": "" if each["from_memory"] is None else f"{each['from_memory']:.0%}",
        }
        for each in way_values(reports)
    ]


def way_values(reports: Sequence[WayReport]) -> list[dict[str, Any]]:
    """Return what those rows show, for programs; the group None is all alike.

    :param reports: of the same questions.
    """
    values: list[dict[str, Any]] = []
    for group in [*(reports[0].groups if reports else ()), None]:
        for report in reports:
            means = report.means(group)
            value: dict[str, Any] = {"group": group, "n": len(report.of(group)), "way": report.way}
            value |= {key: means.get(name, 0.0) for name, key in _WAY_METRICS.items()}
            memory = report.from_memory(group) if report.way == ROUTED else None
            values.append(value | {"made_up": report.made_up(group), "from_memory": memory})
    return values


def cost_rows(reports: Sequence[WayReport]) -> list[dict[str, str]]:
    """Return a row for each way: time to a whole answer, size of its models and index, and memory that it took."""
    return [
        {
            "way": each["way"],
            "p50 ms": f"{each['p50_ms']:.0f}",
            "p95 ms": f"{each['p95_ms']:.0f}",
            "models MB": f"{each['serving_bytes'] / _MB:.0f}",
            "memory MB": f"{each['memory_bytes'] / _MB:.0f}",
            "card MB": "" if each["card_bytes"] is None else f"{each['card_bytes'] / _MB:.0f}",
        }
        for each in cost_values(reports)
    ]


def cost_values(reports: Sequence[WayReport]) -> list[dict[str, Any]]:
    """Return what those rows show, for programs."""
    return [
        {"way": report.way, "p50_ms": report.latency_ms(50), "p95_ms": report.latency_ms(95)}
        | report.model_dump(include={"serving_bytes", "memory_bytes", "card_bytes"})
        for report in reports
    ]


def picture_markdown(title: str, picture: bytes) -> str:
    """Return a PNG as markdown that holds it."""
    return f"![{title}](data:image/png;base64,{b64encode(picture).decode()})"
