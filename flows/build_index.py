"""Corpus and embedder -> candidate."""

from prefect import flow

from flows.dispatch import announced
from flows.fan_out import fan_out
from flows.parameters import ArtifactUri, CollectionName, ProfileName, fitted, stage_name
from rag.config import load_config
from rag.releases import Candidate
from rag.settings import Settings
from tasks.corpus import collection_corpus
from tasks.pairs import collection_pairs_ref
from tasks.training import encode_shard, index_corpus, learn_retrieval, plan_shards, serving_embedder


@flow(flow_run_name=stage_name)
def build_index(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    corpus: ArtifactUri = None,
    embedder: ArtifactUri = None,
    pairs: ArtifactUri = None,
) -> Candidate:
    """Index the corpus and learn on validation questions how its scores are mixed."""
    config, settings = load_config(fitted(profile)), Settings()
    documents = collection_corpus(collection, corpus)
    model = serving_embedder(collection, embedder)
    questions = collection_pairs_ref(collection, pairs, config)

    # Shards are encoded side by side, here or on other machines; the index takes them as it finds them.
    shards = plan_shards(documents, model, config)
    batches = [{"shard": shard, "embedder": model, "config": config} for shard in shards]
    fan_out(encode_shard, batches, settings.task_runner, settings.task_runner_address)
    index = index_corpus(documents, model, config)
    retrieval = learn_retrieval(index, model, questions, config)
    return announced(Candidate(corpus=documents, pairs=questions, embedder=model, index=index, retrieval=retrieval))
