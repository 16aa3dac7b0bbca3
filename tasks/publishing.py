"""Tasks that leave something to look at in the Prefect UI."""

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from rag.evaluation.artifact import load_report
from rag.evaluation.gate import Verdict
from rag.evaluation.tables import report_rows, verdict_markdown
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@task(cache_policy=NO_CACHE)
def publish_report(report: ArtifactRef, title: str) -> None:
    """Leave the metrics table; its key is stable, so that the UI keeps the history."""
    rows = report_rows(load_report(Workspace.open(Settings()).artifacts, report))
    create_table_artifact(key="retrieval-metrics", table=rows, description=title)


@task(cache_policy=NO_CACHE)
def publish_verdict(verdict: Verdict, release_id: int) -> None:
    """Leave the verdict."""
    create_markdown_artifact(key="verdict", markdown=verdict_markdown(verdict, release_id))
