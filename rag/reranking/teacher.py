"""The cross-encoder that is distilled into the embedder."""

from rag.config import Config
from rag.reranking.artifact import base_reranker, finetuned_reranker
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


def teacher_artifact(
    space: Workspace,
    pairs: ArtifactRef,
    negatives: ArtifactRef | None,
    config: Config,
) -> ArtifactRef | None:
    """Return the collection's cross-encoder, tuned; None if the config distils nothing, or for a drill.

    :raises ConfigError: if it cannot be had.
    """
    if negatives is None or not config.embedding.distill_weight or config.embedding.shuffle_labels:
        return None
    base = base_reranker(space.artifacts, space.settings.models, config.reranking)
    return finetuned_reranker(space.artifacts, base, pairs, negatives, config.reranking, space.device)
