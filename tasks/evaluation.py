"""Tasks that measure, judge and release."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import Config, Ranker
from rag.evaluation.artifact import evaluation_artifact
from rag.evaluation.gate import Verdict
from rag.evaluation.router_artifact import load_router
from rag.evaluation.sets import frozen_set, judging_set, named_set
from rag.judgement import Terms, candidate_report, judge_candidate, settled
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs
from rag.releases import (
    Candidate,
    named_release,
    refresh_release,
    register_candidate,
    serving_release,
)
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.registry import Release


@task(cache_policy=NO_CACHE)
def freeze_questions(collection: str, pairs: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the evaluation set that judges what is trained on these pairs."""
    return frozen_set(Workspace.open(Settings()), collection, pairs, config)


@task(cache_policy=NO_CACHE)
def evaluation_questions(collection: str, version: int | None, config: Config) -> ArtifactRef:
    """Return a version of the evaluation set, or the one that judged last; the first is frozen here."""
    space = Workspace.open(Settings())
    if version is not None:
        return named_set(space, collection, version)
    if (judging := judging_set(space, collection)) is not None:
        return judging
    made = collection_pairs(space.artifacts, space.database, collection, config, LanguageModels.of(space))
    return frozen_set(space, collection, made.pairs, config)


@task(cache_policy=NO_CACHE)
def evaluate_release(
    collection: str, release: str, questions: ArtifactRef, ranker: Ranker | None, config: Config
) -> ArtifactRef:
    """Run a release, by id or `production`, over the evaluation questions."""
    space = Workspace.open(Settings())
    found = named_release(space, collection, release)
    return evaluation_artifact(space, found, questions, config, ranker=ranker)


@task(cache_policy=NO_CACHE)
def release_documents(collection: str, config: Config) -> Release:
    """Put the documents as they stand into production."""
    return refresh_release(Workspace.open(Settings()), collection, config)


@task(cache_policy=NO_CACHE)
def record_candidate(base: Release, candidate: Candidate, router: ArtifactRef | None, config: Config) -> Release:
    """Record a candidate, with the chat model that a release has."""
    space = Workspace.open(Settings())
    calibration = load_router(space.artifacts, router) if router else None
    return register_candidate(space, base.collection, candidate, config, base, calibration)


@task(cache_policy=NO_CACHE)
def already_settled(collection: str, candidate: Release, questions: ArtifactRef, config: Config) -> str | None:
    """Say why a candidate needs no judging, if so."""
    space = Workspace.open(Settings())
    return settled(space, collection, candidate, Terms(questions.digest, config.gate))


@task(cache_policy=NO_CACHE)
def production_release(collection: str) -> Release:
    """Return what serves."""
    return serving_release(Workspace.open(Settings()), collection)


@task(cache_policy=NO_CACHE, task_run_name="ask-release-{models.id}")
def ask_models(candidate: Release, models: Release, questions: ArtifactRef, config: Config) -> ArtifactRef:
    """Run a release's models over the candidate's documents and the evaluation questions."""
    return candidate_report(Workspace.open(Settings()), candidate, models, questions, config)


@task(cache_policy=NO_CACHE)
def judge(candidate: Release, against: Release, report: ArtifactRef, other: ArtifactRef, config: Config) -> Verdict:
    """Promote the candidate or keep it out."""
    return judge_candidate(Workspace.open(Settings()), candidate, against, (report, other), config.gate)
