"""Tasks that train and build."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import Config, EmbeddingConfig, RetrievalConfig
from rag.embedding.artifact import base_embedder, finetuned_embedder
from rag.retrieval.artifact import index_artifact, learned_retrieval
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=10, retry_condition_fn=lambda *_: _from_hub())
def fetch_base_embedder() -> ArtifactRef:
    """Return the untuned embedder; the hub gets a second and a third chance."""
    space = Workspace.open(Settings())
    return base_embedder(space.artifacts, space.settings.models)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def finetune_embedder(base: ArtifactRef, pairs: ArtifactRef, config: EmbeddingConfig) -> ArtifactRef:
    """Fine-tune the embedder on the training pairs."""
    return finetuned_embedder(Workspace.open(Settings()).artifacts, base, pairs, config)


@task(cache_policy=NO_CACHE)
def index_corpus(corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> ArtifactRef:
    """Index a corpus under an embedder."""
    return index_artifact(Workspace.open(Settings()).artifacts, corpus, embedder, config)


@task(cache_policy=NO_CACHE)
def learn_retrieval(index: ArtifactRef, embedder: ArtifactRef, pairs: ArtifactRef, config: Config) -> RetrievalConfig:
    """Learn how dense and lexical scores are mixed."""
    return learned_retrieval(Workspace.open(Settings()).artifacts, index, embedder, pairs, config.retrieval)


def _from_hub() -> bool:
    return Settings().models == "hub"
