"""Pairs -> embedder."""

from prefect import flow

from rag.config import EmbeddingConfig
from storage.artifacts import ArtifactRef
from tasks.training import fetch_base_embedder, finetune_embedder


@flow
def train_embedder(pairs: ArtifactRef, config: EmbeddingConfig) -> ArtifactRef:
    """Fine-tune the base embedder on the training pairs."""
    base = fetch_base_embedder()
    return finetune_embedder(base, pairs, config)
