"""Releases and evaluation questions -> reports and a verdict."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import (
    CollectionName,
    ProfileName,
    RankerName,
    ReleaseName,
    SetVersion,
    stage_config,
    stage_name,
)
from rag.config import Config
from rag.evaluation.gate import Verdict
from storage.artifacts import ArtifactRef
from storage.registry import Release
from tasks.evaluation import ask_models, evaluate_release, evaluation_questions, judge, production_release
from tasks.publishing import publish_report, publish_verdict


@flow(flow_run_name=stage_name)
def evaluate(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    release: ReleaseName = "production",
    version: SetVersion = None,
    ranker: RankerName = None,
) -> ArtifactRef:
    """Ask a release the evaluation questions and leave the table of metrics."""
    config = stage_config(profile)
    questions = evaluation_questions(collection, version, config)
    report = evaluate_release(collection, release, questions, ranker, config)
    publish_report(report, collection, f"release {release}" + (f", ranked by {ranker} alone" if ranker else ""))
    return announced(report)


@flow(flow_run_name="compare-{candidate.id}-with-production")
def compare(collection: str, candidate: Release, questions: ArtifactRef, config: Config) -> Verdict:
    """Ask candidate and production the same questions of the same documents, and promote only what is proven better."""
    against = production_release(collection)
    other = ask_models(candidate, against, questions, config)
    report = ask_models(candidate, candidate, questions, config)
    publish_report(report, collection, f"release {candidate.id}, a candidate")
    verdict = judge(candidate, against, report, other, config)
    publish_verdict(verdict, candidate)
    return verdict
