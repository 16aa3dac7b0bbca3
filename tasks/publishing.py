"""Tasks that leave something to look at in the Prefect UI."""

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from rag.evaluation.gate import Verdict
from rag.evaluation.report import EvaluationReport
from rag.evaluation.tables import report_rows, verdict_markdown


@task(cache_policy=NO_CACHE)
def publish_report(report: EvaluationReport, title: str) -> None:
    """Leave the metrics table; its key is stable, so that the UI keeps the history."""
    create_table_artifact(key="retrieval-metrics", table=report_rows(report), description=title)


@task(cache_policy=NO_CACHE)
def publish_verdict(verdict: Verdict, release_id: int) -> None:
    """Leave the verdict."""
    create_markdown_artifact(key="verdict", markdown=verdict_markdown(verdict, release_id))
