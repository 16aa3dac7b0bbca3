"""A release and the evaluation set -> a report."""

from prefect import flow

from rag.evaluation.report import EvaluationReport
from storage.artifacts import ArtifactRef
from tasks.evaluation import evaluate_release, read_report
from tasks.publishing import publish_report


@flow
def evaluate(collection: str, release: str, pairs: ArtifactRef) -> tuple[ArtifactRef, EvaluationReport]:
    """Ask a release, by id or `production`, the evaluation questions and leave the table of metrics."""
    ref = evaluate_release(collection, release, pairs)
    report = read_report(ref)
    publish_report(report, f"release {release} of {collection}")
    return ref, report
