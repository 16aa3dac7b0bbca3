"""Tasks that train and build."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.answering.abstention import learned_threshold
from rag.config import Config, EmbeddingConfig, RetrievalConfig
from rag.embedding.artifact import base_embedder, finetuned_embedder
from rag.llm.access import LanguageModels
from rag.pairs.mining import negatives_artifact
from rag.preflight import require_means
from rag.releases import serving_release
from rag.reranking.collection import collection_reranker
from rag.reranking.teacher import teacher_artifact
from rag.retrieval.artifact import Shard, index_artifact, missing_shards, shard_artifact
from rag.retrieval.searcher import SearchModels, learned_retrieval
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tasks.publishing import TrainingReport


@task(cache_policy=NO_CACHE)
def check_means(config: Config) -> None:
    """Stop before anything long begins if a model or a package that the config wants cannot be had."""
    require_means(Settings(), config)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=10, retry_condition_fn=lambda *_: _from_hub())
def fetch_base_embedder() -> ArtifactRef:
    """Return the untuned embedder; the hub gets a second and a third chance."""
    space = Workspace.open(Settings())
    return base_embedder(space.artifacts, space.settings.models)


@task(cache_policy=NO_CACHE)
def mine_negatives(
    collection: str, pairs: ArtifactRef, embedder: ArtifactRef | None, config: Config
) -> ArtifactRef | None:
    """Mine hard negatives with what serves, or with an embedder fresh from training, if the config wants any."""
    return negatives_artifact(Workspace.open(Settings()), collection, pairs, embedder, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def tune_teacher(pairs: ArtifactRef, negatives: ArtifactRef | None, config: Config) -> ArtifactRef | None:
    """Fine-tune the cross-encoder first, if it is to be distilled into the embedder."""
    return teacher_artifact(Workspace.open(Settings()), pairs, negatives, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def finetune_embedder(
    collection: str,
    base: ArtifactRef,
    pairs: ArtifactRef,
    negatives: ArtifactRef | None,
    teacher: ArtifactRef | None,
    config: EmbeddingConfig,
) -> ArtifactRef:
    """Fine-tune an embedder on the training pairs, what was mined for them, and what a teacher makes of both."""
    space, report = Workspace.open(Settings()), TrainingReport("embedder", collection)
    return finetuned_embedder(space.artifacts, base, pairs, config, space.device, report, negatives, teacher)


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


@task(cache_policy=NO_CACHE, tags=["gpu"])
def build_reranker(
    collection: str, index: ArtifactRef, embedder: ArtifactRef, pairs: ArtifactRef, config: Config
) -> ArtifactRef | None:
    """Prepare what re-scores the best chunks of an index, and train it if it has weights of its own."""
    return collection_reranker(Workspace.open(Settings()), collection, index, embedder, pairs, config)


@task(cache_policy=NO_CACHE)
def learn_weights(models: SearchModels, pairs: ArtifactRef, config: Config) -> RetrievalConfig:
    """Learn how much each score counts."""
    space = Workspace.open(Settings())
    return learned_retrieval(space.artifacts, models, pairs, config, LanguageModels.of(space))


@task(cache_policy=NO_CACHE)
def learn_abstention(
    models: SearchModels, retrieval: RetrievalConfig, pairs: ArtifactRef, config: Config
) -> float | None:
    """Learn from which evidence on a question is taken to be answered by the documents."""
    return learned_threshold(Workspace.open(Settings()).artifacts, models, retrieval, pairs, config)


def _from_hub() -> bool:
    return Settings().models == "hub"
