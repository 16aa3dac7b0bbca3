"""Pairs -> embedder."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import ArtifactUri, CollectionName, ProfileName, ShuffleLabels, fitted, stage_name
from rag.config import load_config
from storage.artifacts import ArtifactRef
from tasks.pairs import collection_pairs_ref
from tasks.training import fetch_base_embedder, finetune_embedder


@flow(flow_run_name=stage_name)
def train_embedder(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    pairs: ArtifactUri = None,
    shuffle_labels: ShuffleLabels = False,
) -> ArtifactRef:
    """Fine-tune the base embedder on the training pairs."""
    config = load_config(fitted(profile), shuffle_labels)
    learned_from = collection_pairs_ref(collection, pairs, config)
    base = fetch_base_embedder()
    return announced(finetune_embedder(base, learned_from, config.embedding))
