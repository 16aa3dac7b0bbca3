"""Tasks that make a chat model."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.chat.artifact import chat_model_artifact
from rag.chat.base import chat_base
from rag.chat.data_artifact import chat_data_artifact
from rag.chat.serving import ChatCandidate, register_chat_model
from rag.config import ChatTrainingConfig, Config
from rag.releases import serving_release
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tasks.publishing import TrainingReport


@task(cache_policy=NO_CACHE)
def check_chat_training(collection: str, config: ChatTrainingConfig) -> None:
    """Stop before anything long begins if the model to train from cannot be had, or there is no release for it."""
    space = Workspace.open(Settings())
    chat_base(config.base, space.settings.models)
    serving_release(space, collection)


@task(cache_policy=NO_CACHE)
def extract_chat_data(collection: str, data: str | None, config: Config) -> ArtifactRef:
    """Return the conversations that were asked for, or those of the collection as it stands."""
    if data is not None:
        return ArtifactRef.parse(data)
    return chat_data_artifact(Workspace.open(Settings()), collection, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def finetune_chat_model(data: ArtifactRef, config: ChatTrainingConfig) -> ArtifactRef:
    """Train a chat model on the conversations."""
    space, report = Workspace.open(Settings()), TrainingReport("chat model", "validation loss")
    return chat_model_artifact(space.artifacts, space.settings.models, data, config, space.device, report)


@task(cache_policy=NO_CACHE)
def record_chat_candidate(collection: str, model: ArtifactRef, config: Config) -> ChatCandidate:
    """Record what serves, with this chat model, as a candidate."""
    release = register_chat_model(Workspace.open(Settings()), collection, model, config)
    return ChatCandidate(release_id=release.id, model=model)
