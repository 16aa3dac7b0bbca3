"""Indexes and learned mixing weights in the artifact store."""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from rag.config import Config, RetrievalConfig
from rag.corpus.artifact import load_chunks
from rag.device import Device
from rag.embedding.artifact import load_encoder
from rag.pairs.artifact import load_pairs
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.retrieval.index import Index

INDEX = "index"
INDEXING = tuple(f"rag.retrieval.{part}" for part in ("index", "shards", "dense", "lexical"))
RANKING = ("rag.retrieval.retriever", "rag.retrieval.fusion", "rag.retrieval.query")
"""What decides a ranking besides the index; results are made again when it changes."""
MAX_QUESTIONS = 300
"""Validation questions that a weight is learned from."""


class Shard(BaseModel):
    """Some chunks of a corpus, by their places."""

    model_config = ConfigDict(frozen=True)

    corpus: ArtifactRef
    first: int
    last: int
    """Exclusive."""


def missing_shards(store: ArtifactStore, corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> list[Shard]:
    """Return the shards that are to be encoded before a corpus can be indexed; none if its index is there."""
    from rag.retrieval.shards import plan_shards

    if store.find(INDEX, store.digest(INDEX, **index_plan(corpus, embedder, config))) is not None:
        return []
    chunks = load_chunks(store, corpus)
    return [Shard(corpus=corpus, first=span.start, last=span.stop) for span in plan_shards(chunks)]


def shard_artifact(
    store: ArtifactStore, device: Device, shard: Shard, embedder: ArtifactRef, config: Config
) -> ArtifactRef:
    """Return the vectors of a shard under an embedder."""
    from rag.retrieval.shards import encoded_shard

    chunks = load_chunks(store, shard.corpus)[shard.first : shard.last]
    with device.held_for_card("encoding passages"):
        return encoded_shard(
            store, chunks, embedder, config, lambda: load_encoder(store, embedder, config.index.encode_batch)
        )


def index_artifact(
    store: ArtifactStore, device: Device, corpus: ArtifactRef, embedder: ArtifactRef, config: Config
) -> ArtifactRef:
    """Return the sealed index of a corpus under an embedder; shards that are there are not encoded again."""

    def write(draft: Draft) -> dict[str, Any]:
        from rag.retrieval.index import build_index
        from rag.retrieval.shards import encoded_shard, load_shard, plan_shards

        chunks = load_chunks(store, corpus)
        encoder = cache(lambda: load_encoder(store, embedder, config.index.encode_batch))
        with device.held_for_card("encoding passages"):
            refs = [
                encoded_shard(store, chunks[span.start : span.stop], embedder, config, encoder)
                for span in tqdm(plan_shards(chunks), desc="encoding", unit="shard", delay=2, disable=None)
            ]
        shards = [load_shard(store, ref) for ref in refs]
        windows = [own for shard in shards for own in shard.windows]
        index = build_index(chunks, windows, np.concatenate([shard.vectors for shard in shards]), config.index)
        for name, data in index.to_files().items():
            draft.seal(name, data)
        return {"chunks": len(index.chunks), "windows": sum(map(len, index.windows)), "dim": index.vectors.dim}

    return store.build(INDEX, **index_plan(corpus, embedder, config), write=write)


def index_plan(corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> dict[str, Any]:
    """Return what names an index."""
    return {
        "inputs": {"corpus": corpus.digest, "embedder": embedder.digest},
        "config": config.index,
        "recipe": [*INDEXING, "rag.embedding.encoder", "rag.corpus.chunking"],
    }


def load_index(store: ArtifactStore, ref: ArtifactRef) -> "Index":
    """Open an index; each file is authenticated before it is parsed."""
    from rag.retrieval.index import Index

    return Index.from_files(lambda name: store.unseal(ref, name))


def learned_retrieval(
    store: ArtifactStore, index: ArtifactRef, embedder: ArtifactRef, pairs: ArtifactRef, config: RetrievalConfig
) -> RetrievalConfig:
    """Return `config` with the dense weight that validation questions favour."""

    def write(draft: Draft) -> dict[str, Any]:
        from rag.evaluation.metrics import relevant_positions
        from rag.retrieval.query import Query
        from rag.retrieval.retriever import Retriever, learn_dense_weight

        opened = load_index(store, index)
        retriever = Retriever(opened, load_encoder(store, embedder), config)
        questions = load_pairs(store, pairs).tuning[:MAX_QUESTIONS]
        found = [retriever.candidates(Query(id=p.id, question=p.anchor)) for p in questions]
        relevant = [relevant_positions(p, opened.chunks) for p in questions]
        weight = learn_dense_weight(found, relevant, config.dense_weight)
        return {"dense_weight": weight, "questions": len(questions)}

    learned = store.build(
        "retrieval",
        inputs={"index": index.digest, "embedder": embedder.digest, "training_set": store.facts(pairs)["training_set"]},
        config=config,
        recipe=[*RANKING, "rag.evaluation.metrics"],
        write=write,
    )
    return config.model_copy(update={"dense_weight": store.facts(learned)["dense_weight"]})
