"""Evaluations as rows that people read; the command line and Prefect show the same ones."""

from base64 import b64encode
from collections.abc import Mapping

from rag.evaluation.gate import Verdict
from rag.evaluation.report import EvaluationReport
from rag.pairs.pair import Origin, QuestionType


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


def verdict_markdown(
    verdict: Verdict,
    release_id: int,
    pictures: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
) -> str:
    """Return the verdict on a release as a page, with PNGs inside it (by title) and with links (text to address)."""
    parts = [f"# Release {release_id}: {verdict.decision}", verdict.reason]
    if links:
        parts.append(" · ".join(f"[{text}]({address})" for text, address in links.items()))
    for title, picture in (pictures or {}).items():
        parts.append(f"![{title}](data:image/png;base64,{b64encode(picture).decode()})")
    if rows := comparison_rows(verdict):
        lines = [" | ".join(rows[0]), "|".join(["---"] * len(rows[0])), *(" | ".join(row.values()) for row in rows)]
        parts.append("\n".join(f"| {line} |" for line in lines))
    return "\n\n".join(parts) + "\n"
