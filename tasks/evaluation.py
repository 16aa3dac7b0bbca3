"""Tasks that measure, judge and release."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import Config, RetrievalConfig
from rag.evaluation.artifact import evaluation_artifact, load_report
from rag.evaluation.gate import Verdict
from rag.evaluation.report import EvaluationReport
from rag.releases import Candidate, judge_candidate, named_release, refresh_release, register_candidate, settled
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.registry import Release


@task(cache_policy=NO_CACHE)
def evaluate_release(collection: str, release: str, pairs: ArtifactRef) -> ArtifactRef:
    """Run a release, by id or `production`, over the evaluation questions."""
    space = Workspace.open(Settings())
    found = named_release(space, collection, release)
    retrieval = RetrievalConfig.model_validate(found.answering)
    return evaluation_artifact(space.artifacts, pairs, found.index, found.embedder, retrieval)


@task(cache_policy=NO_CACHE)
def read_report(report: ArtifactRef) -> EvaluationReport:
    """Return the figures of an evaluation."""
    return load_report(Workspace.open(Settings()).artifacts, report)


@task(cache_policy=NO_CACHE)
def release_documents(collection: str, corpus: ArtifactRef, config: Config) -> Release:
    """Put the documents as they stand into production."""
    return refresh_release(Workspace.open(Settings()), collection, corpus, config)


@task(cache_policy=NO_CACHE)
def record_candidate(collection: str, candidate: Candidate, config: Config) -> tuple[Release, str | None]:
    """Record a candidate, and say why it needs no judging, if so."""
    space = Workspace.open(Settings())
    release = register_candidate(space, collection, candidate, config)
    return release, settled(space, collection, release)


@task(cache_policy=NO_CACHE)
def judge(collection: str, candidate: Release, report: ArtifactRef, against: ArtifactRef, config: Config) -> Verdict:
    """Promote the candidate or keep it out."""
    return judge_candidate(Workspace.open(Settings()), collection, candidate, (report, against), config.gate)
