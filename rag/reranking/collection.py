"""The reranker of a collection, as its config says; and the same one over another index."""

from rag.config import Config
from rag.device import Device
from rag.pairs.mining import negatives_artifact
from rag.reranking.artifact import (
    CROSS_ENCODER,
    LATE_INTERACTION,
    base_reranker,
    finetuned_reranker,
    late_interaction,
)
from rag.training.progress import OnProgress
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.errors import ArtifactMissing

NEGATIVES = 4
"""A pair, for a cross-encoder, where the embedder is trained without any: it has nothing else to tell apart."""


def collection_reranker(
    space: Workspace,
    collection: str,
    index: ArtifactRef,
    embedder: ArtifactRef,
    pairs: ArtifactRef,
    config: Config,
    on_progress: OnProgress | None = None,
) -> ArtifactRef | None:
    """Return what re-scores the chunks of an index; None if the config wants nothing to, or for a drill.

    :raises ConfigError: if it wants a cross-encoder that cannot be had.
    """
    reranking, store = config.reranking, space.artifacts
    if config.embedding.shuffle_labels:
        return None
    if reranking.method == LATE_INTERACTION:
        return late_interaction(store, space.device, index, embedder, config)
    if reranking.method != CROSS_ENCODER:
        return None
    base = base_reranker(store, space.settings.models, reranking)
    wanted = config.negatives.model_copy(update={"per_pair": config.negatives.per_pair or NEGATIVES})
    # As the embedder's, so that what was distilled into it is not trained twice; where it learned from none, with it.
    miner = None if config.negatives.per_pair else embedder
    negatives = negatives_artifact(space, collection, pairs, miner, config.model_copy(update={"negatives": wanted}))
    if negatives is None:
        return base
    return finetuned_reranker(store, base, pairs, negatives, reranking, space.device, on_progress)


def moved_reranker(
    store: ArtifactStore,
    device: Device,
    reranker: ArtifactRef,
    index: ArtifactRef,
    embedder: ArtifactRef,
    config: Config,
) -> ArtifactRef:
    """Return a reranker for another index of the same embedder: a cross-encoder reads any, late interaction its own."""
    if store.facts(reranker)["method"] == CROSS_ENCODER:
        return reranker
    return late_interaction(store, device, index, embedder, config)


def same_reranker(store: ArtifactStore, reranker: ArtifactRef | None) -> str | None:
    """Return what stays of a release's reranker when it is moved to another index.

    Of late interaction, which is its embedder's, that is its name; so is what has gone with a document that it held.
    """
    if reranker is None:
        return None
    try:
        method = store.facts(reranker)["method"]
    except ArtifactMissing:
        method = LATE_INTERACTION
    return reranker.uri if method == CROSS_ENCODER else LATE_INTERACTION
