"""Tasks that make, measure and judge a chat model."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.chat.artifact import chat_model_artifact
from rag.chat.base import chat_base
from rag.chat.data_artifact import chat_data_artifact
from rag.chat.serving import compared_release, require_chat_data
from rag.config import ChatTrainingConfig, Config
from rag.evaluation.asked import measuring_data
from rag.evaluation.chat_judgement import chat_settled, judge_chat_candidate
from rag.evaluation.comparison import WayComparison, compare_ways, data_of_chat_model
from rag.evaluation.gate import Verdict
from rag.evaluation.routed_release import recalibrated, register_routed
from rag.evaluation.router_artifact import router_artifact
from rag.releases import Candidate, serving_release
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.registry import Release
from tasks.publishing import TrainingReport


@task(cache_policy=NO_CACHE)
def check_chat_training(collection: str, data: str | None, config: ChatTrainingConfig) -> None:
    """Stop before anything long begins if there is no base to train, no such data, or no release to serve with."""
    space = Workspace.open(Settings())
    chat_base(config.base, space.settings.models)
    serving_release(space, collection)
    if data is not None:
        require_chat_data(space, collection, ArtifactRef.parse(data))


@task(cache_policy=NO_CACHE)
def extract_chat_data(collection: str, data: str | None, config: Config) -> ArtifactRef:
    """Return the conversations that were asked for, or those of the collection as it stands."""
    if data is not None:
        return ArtifactRef.parse(data)
    return chat_data_artifact(Workspace.open(Settings()), collection, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def finetune_chat_model(collection: str, data: ArtifactRef, config: ChatTrainingConfig) -> ArtifactRef:
    """Train a chat model on the conversations."""
    space, report = Workspace.open(Settings()), TrainingReport("chat model", collection)
    return chat_model_artifact(space.artifacts, space.settings.models, data, config, space.device, report)


@task(cache_policy=NO_CACHE)
def choose_questions(collection: str, data: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the conversations that measure what was learned from these."""
    return measuring_data(Workspace.open(Settings()), collection, data, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def calibrate_chat_model(base: Release, model: ArtifactRef, data: ArtifactRef, config: Config) -> ArtifactRef:
    """Learn from which confidence a chat model is worth more than what a release finds in the documents."""
    speaking = base.model_copy(update={"chat_model": model})
    return router_artifact(Workspace.open(Settings()), speaking, data, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def recalibrate_chat_model(base: Release, candidate: Candidate, config: Config) -> ArtifactRef | None:
    """Learn that anew for the chat model that serves, if there is one, beside a candidate's search models."""
    return recalibrated(Workspace.open(Settings()), base, candidate, config)


@task(cache_policy=NO_CACHE)
def record_chat_candidate(base: Release, model: ArtifactRef, router: ArtifactRef, config: Config) -> Release:
    """Record what serves, with this chat model, as a candidate."""
    return register_routed(Workspace.open(Settings()), base, model, router, config)


@task(cache_policy=NO_CACHE)
def chat_model_release(collection: str, release: str | None) -> Release:
    """Return the release whose chat model is to be compared: by id, `production`, or the newest."""
    return compared_release(Workspace.open(Settings()), collection, release)


@task(cache_policy=NO_CACHE)
def questions_of_chat_model(release: Release, config: Config) -> ArtifactRef:
    """Return the conversations that measure a release's chat model."""
    return data_of_chat_model(Workspace.open(Settings()), release, config)


@task(cache_policy=NO_CACHE)
def chat_already_settled(collection: str, candidate: Release, data: ArtifactRef, config: Config) -> str | None:
    """Say why a candidate needs no judging, if so."""
    return chat_settled(Workspace.open(Settings()), collection, candidate, data, config)


@task(cache_policy=NO_CACHE, tags=["gpu"], task_run_name="ask-release-{release.id}-in-each-way")
def ask_in_each_way(release: Release, data: ArtifactRef, config: Config) -> WayComparison:
    """Ask a release the same questions from memory, from passages, from both, and as it decides."""
    return compare_ways(Workspace.open(Settings()), release, data, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def judge_chat_model(candidate: Release, against: Release, data: ArtifactRef, config: Config) -> Verdict:
    """Promote the candidate or keep it out."""
    return judge_chat_candidate(Workspace.open(Settings()), candidate, against, data, config)
