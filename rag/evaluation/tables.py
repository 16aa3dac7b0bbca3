"""Evaluations as rows that people read; the command line and Prefect show the same ones."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from rag.evaluation.gate import Verdict
from rag.evaluation.report import EvaluationReport
from rag.evaluation.way_report import EXACT, F1, MIXED, ROUTED, SUPPORT, WayReport
from rag.pairs.pair import Origin, QuestionType

MADE_UP = "made up"
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
    rows = []
    for origin in Origin:
        for question_type in (None, *QuestionType):
            count = sum(q.origin is origin and question_type in (None, q.question_type) for q in report.questions)
            if count:
                means = report.means(origin, question_type)
                name = {"questions": f"{origin}, {question_type or 'all'}", "n": str(count)}
                rows.append(name | {metric: f"{means[metric]:.3f}" for metric in means})
    return rows


def left_out_note(report: EvaluationReport) -> str:
    """Return how many questions were not asked, and why."""
    return f"{report.left_out} questions left out: this release does not have their documents as they stand"


def report_summary(report: EvaluationReport) -> dict[str, Any]:
    """Return those rows, and what else a report says of a release, for programs."""
    return {
        "rows": report_rows(report),
        "left_out": report.left_out,
        "general_hit1": report.general_hit1,
        "latency_p95_ms": report.latency_p95_ms,
        "refusals": report.refusals.model_dump() if report.refusals else None,
    }


def way_rows(reports: Sequence[WayReport]) -> list[dict[str, str]]:
    """Return a row for each group of questions and each way, and for all groups alike.

    :param reports: of the same questions.
    """
    rows: list[dict[str, str]] = []
    for group in [*(reports[0].groups if reports else ()), None]:
        for report in reports:
            means = report.means(group)
            row = {"questions": group or MIXED, "n": str(len(report.of(group))), "way": report.way}
            row |= {metric: f"{means.get(metric, 0):.3f}" for metric in (F1, EXACT, SUPPORT)}
            memory = f"{report.from_memory(group):.0%}" if report.way == ROUTED else ""
            rows.append(row | {MADE_UP: f"{report.made_up(group):.3f}", "from memory": memory})
    return rows


def cost_rows(reports: Sequence[WayReport]) -> list[dict[str, str]]:
    """Return a row for each way: time to a whole answer, size of its models and index, and memory that it took."""
    return [
        {
            "way": report.way,
            "p50 ms": f"{report.latency_ms(50):.0f}",
            "p95 ms": f"{report.latency_ms(95):.0f}",
            "models MB": f"{report.serving_bytes / _MB:.0f}",
            "memory MB": f"{report.memory_bytes / _MB:.0f}",
            "card MB": "" if report.card_bytes is None else f"{report.card_bytes / _MB:.0f}",
        }
        for report in reports
    ]


def picture_markdown(title: str, picture: bytes) -> str:
    """Return a PNG as markdown that holds it."""
    return f"![{title}](data:image/png;base64,{b64encode(picture).decode()})"
