"""Releases and evaluation questions -> reports and a verdict."""

from prefect import flow

from rag.config import Config
from rag.evaluation.gate import Verdict
from storage.artifacts import ArtifactRef
from storage.registry import Release
from tasks.evaluation import ask_models, evaluate_release, judge, production_release
from tasks.publishing import publish_report, publish_verdict


@flow
def evaluate(collection: str, release: str, pairs: ArtifactRef) -> ArtifactRef:
    """Ask a release, by id or `production`, the evaluation questions and leave the table of metrics."""
    report = evaluate_release(collection, release, pairs)
    publish_report(report, f"release {release} of {collection}")
    return report


@flow
def compare(collection: str, candidate: Release, pairs: ArtifactRef, config: Config) -> Verdict:
    """Ask candidate and production the same questions of the same documents, and promote only what is proven better."""
    against = production_release(collection)
    other = ask_models(candidate, against, pairs)
    report = ask_models(candidate, candidate, pairs)
    publish_report(report, f"release {candidate.id} of {collection}, a candidate")
    verdict = judge(candidate, against, report, other, config)
    publish_verdict(verdict, candidate.id)
    return verdict
