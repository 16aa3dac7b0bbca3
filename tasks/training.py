"""Tasks that train and build."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import Config, EmbeddingConfig, RetrievalConfig
from rag.embedding.artifact import base_embedder, finetuned_embedder
from rag.releases import serving_release
from rag.retrieval.artifact import Shard, index_artifact, learned_retrieval, missing_shards, shard_artifact
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tasks.publishing import TrainingReport


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=10, retry_condition_fn=lambda *_: _from_hub())
def fetch_base_embedder() -> ArtifactRef:
    """Return the untuned embedder; the hub gets a second and a third chance."""
    space = Workspace.open(Settings())
    return base_embedder(space.artifacts, space.settings.models)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def finetune_embedder(base: ArtifactRef, pairs: ArtifactRef, config: EmbeddingConfig) -> ArtifactRef:
    """Fine-tune the embedder on the training pairs."""
    space = Workspace.open(Settings())
    return finetuned_embedder(space.artifacts, base, pairs, config, space.device, TrainingReport())


@task(cache_policy=NO_CACHE)
def serving_embedder(collection: str, embedder: str | None) -> ArtifactRef:
    """Return the embedder that was asked for, or the one that serves."""
    if embedder is not None:
        return ArtifactRef.parse(embedder)
    return serving_release(Workspace.open(Settings()), collection).embedder


@task(cache_policy=NO_CACHE)
def plan_shards(corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> list[Shard]:
    """Return the shards that are to be encoded."""
    return missing_shards(Workspace.open(Settings()).artifacts, corpus, embedder, config)


@task(cache_policy=NO_CACHE, task_run_name="encode-{shard.first}-to-{shard.last}")
def encode_shard(shard: Shard, embedder: ArtifactRef, config: Config) -> ArtifactRef:
    """Encode some chunks."""
    space = Workspace.open(Settings())
    return shard_artifact(space.artifacts, space.device, shard, embedder, config)


@task(cache_policy=NO_CACHE)
def index_corpus(corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> ArtifactRef:
    """Index a corpus under an embedder."""
    space = Workspace.open(Settings())
    return index_artifact(space.artifacts, space.device, corpus, embedder, config)


@task(cache_policy=NO_CACHE)
def learn_retrieval(index: ArtifactRef, embedder: ArtifactRef, pairs: ArtifactRef, config: Config) -> RetrievalConfig:
    """Learn how dense and lexical scores are mixed."""
    return learned_retrieval(Workspace.open(Settings()).artifacts, index, embedder, pairs, config.retrieval)


def _from_hub() -> bool:
    return Settings().models == "hub"
