"""Corpus and embedder -> candidate."""

from prefect import flow

from flows.dispatch import announced
from flows.fan_out import fan_out
from flows.parameters import ArtifactUri, CollectionName, ProfileName, ShuffleLabels, stage_config, stage_name
from rag.releases import Candidate
from rag.retrieval.searcher import SearchModels
from rag.settings import Settings
from tasks.corpus import collection_corpus
from tasks.pairs import collection_pairs_ref
from tasks.training import (
    build_reranker,
    encode_shard,
    index_corpus,
    learn_abstention,
    learn_weights,
    plan_shards,
    serving_embedder,
)


@flow(flow_run_name=stage_name)
def build_index(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    corpus: ArtifactUri = None,
    embedder: ArtifactUri = None,
    pairs: ArtifactUri = None,
    shuffle_labels: ShuffleLabels = False,
) -> Candidate:
    """Index the corpus, prepare its reranker, and learn on validation questions how to rank and when to answer."""
    config, settings = stage_config(profile, shuffle_labels), Settings()
    documents = collection_corpus(collection, corpus)
    model = serving_embedder(collection, embedder)
    questions = collection_pairs_ref(collection, pairs, config)

    # Shards are encoded side by side, here or on other machines; the index takes them as it finds them.
    shards = plan_shards(documents, model, config)
    batches = [{"shard": shard, "embedder": model, "config": config} for shard in shards]
    fan_out(encode_shard, batches, settings.task_runner, settings.task_runner_address)
    index = index_corpus(documents, model, config)
    reranker = build_reranker(collection, index, model, questions, config)
    models = SearchModels(embedder=model, index=index, reranker=reranker)
    retrieval = learn_weights(models, questions, config)
    threshold = learn_abstention(models, retrieval, questions, config)
    parts = {"corpus": documents, "pairs": questions, "models": models, "retrieval": retrieval}
    return announced(Candidate(**parts, evidence_threshold=threshold))
