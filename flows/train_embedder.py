"""Pairs -> embedder."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import ArtifactUri, CollectionName, ProfileName, ShuffleLabels, stage_config, stage_name
from rag.config import Config
from storage.artifacts import ArtifactRef
from tasks.pairs import collection_pairs_ref
from tasks.training import fetch_base_embedder, finetune_embedder, mine_negatives, tune_teacher


@flow(flow_run_name=stage_name)
def train_embedder(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    pairs: ArtifactUri = None,
    shuffle_labels: ShuffleLabels = False,
) -> ArtifactRef:
    """Fine-tune the base embedder on the training pairs, and on passages that were taken for their answers.

    The first round mines these with what serves the collection, each further one with the embedder of the round before.
    """
    config = stage_config(profile, shuffle_labels)
    return announced(learned_embedder(collection, collection_pairs_ref(collection, pairs, config), config))


def learned_embedder(collection: str, learned_from: ArtifactRef, config: Config) -> ArtifactRef:
    """Do what the flow does, in whatever run calls it."""
    negatives = mine_negatives(collection, learned_from, None, config)
    teacher = tune_teacher(learned_from, negatives, config)
    base = fetch_base_embedder()
    embedder = finetune_embedder(collection, base, learned_from, negatives, teacher, config.embedding)
    for _ in range(config.negatives.rounds - 1):
        negatives = mine_negatives(collection, learned_from, embedder, config)
        embedder = finetune_embedder(collection, embedder, learned_from, negatives, teacher, config.embedding)
    return embedder
