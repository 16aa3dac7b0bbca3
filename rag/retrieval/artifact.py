"""Indexes and learned mixing weights in the artifact store."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from rag.config import Config, RerankingConfig
from rag.corpus.artifact import load_chunks
from rag.corpus.document import Chunk
from rag.device import Device
from rag.embedding.artifact import load_encoder
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.retrieval.index import Index
    from rag.retrieval.shards import ShardRefs

INDEX = "index"
INDEXING = tuple(f"rag.retrieval.{part}" for part in ("index", "shards", "dense", "lexical"))
RANKING = (
    *(f"rag.retrieval.{part}" for part in ("retriever", "fusion", "query", "expansion")),
    *(f"rag.reranking.{part}" for part in ("reranker", "late_interaction", "cross_encoder")),
)
"""What decides a ranking besides the index; results are made again when it changes."""


class Shard(BaseModel):
    """Some chunks of a corpus, by their places."""

    model_config = ConfigDict(frozen=True)

    corpus: ArtifactRef
    first: int
    last: int
    """Exclusive."""
    with_tokens: bool
    """Whether a reranker wants the vectors of their tokens too."""


def missing_shards(store: ArtifactStore, corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> list[Shard]:
    """Return the shards that are to be encoded before a corpus can be indexed; none if its index is there."""
    from rag.retrieval.shards import plan_shards

    if store.find(INDEX, store.digest(INDEX, **index_plan(corpus, embedder, config))) is not None:
        return []
    chunks = load_chunks(store, corpus)
    tokens = stores_tokens(chunks, config.reranking)
    return [Shard(corpus=corpus, first=span.start, last=span.stop, with_tokens=tokens) for span in plan_shards(chunks)]


def stores_tokens(chunks: Sequence[Chunk], config: RerankingConfig) -> bool:
    """Say whether the token vectors of a collection are stored."""
    from rag.reranking.token_vectors import stored_dims

    n_tokens = sum(chunk.n_tokens for chunk in chunks)
    return config.method == "late-interaction" and stored_dims(n_tokens, config) is not None


def shard_artifact(
    store: ArtifactStore, device: Device, shard: Shard, embedder: ArtifactRef, config: Config
) -> ArtifactRef:
    """Return the vectors of a shard under an embedder."""
    chunks = load_chunks(store, shard.corpus)[shard.first : shard.last]
    whole = [range(len(chunks))]
    return encoded_shards(store, device, shard.corpus, chunks, whole, embedder, config, shard.with_tokens)[0].vectors


def encoded_shards(
    store: ArtifactStore,
    device: Device,
    source: ArtifactRef,
    chunks: Sequence[Chunk],
    spans: Sequence[range],
    embedder: ArtifactRef,
    config: Config,
    with_tokens: bool,
) -> "list[ShardRefs]":
    """Return spans of the chunks of `source` under an embedder; shards that are there are not encoded again."""
    from rag.retrieval.shards import encoded_shard

    encoder = cache(lambda: load_encoder(store, embedder, config.encoding, config.index.encode_batch))
    with device.held_for_card("encoding passages"):
        return [
            encoded_shard(store, chunks[span.start : span.stop], embedder, config, encoder, with_tokens, [source])
            for span in tqdm(spans, desc="encoding", unit="shard", delay=2, disable=None)
        ]


def index_artifact(
    store: ArtifactStore,
    device: Device,
    corpus: ArtifactRef,
    embedder: ArtifactRef,
    config: Config,
    with_tokens: bool = False,
) -> ArtifactRef:
    """Return the sealed index of a corpus under an embedder.

    What is encoded for it is encoded `with_tokens` if a reranker is to read them, which saves that a pass of its own.
    """

    def write(draft: Draft) -> dict[str, Any]:
        chunks = load_chunks(store, corpus)
        tokens = with_tokens and stores_tokens(chunks, config.reranking)
        index = encoded_index(store, device, corpus, chunks, embedder, config, tokens)
        for name, data in index.to_files().items():
            draft.seal(name, data)
        return {"chunks": len(index.chunks), "windows": sum(map(len, index.windows)), "dim": index.vectors.dim}

    return store.build(INDEX, **index_plan(corpus, embedder, config), write=write, reads=[corpus])


def encoded_index(
    store: ArtifactStore,
    device: Device,
    source: ArtifactRef,
    chunks: Sequence[Chunk],
    embedder: ArtifactRef,
    config: Config,
    with_tokens: bool = False,
) -> "Index":
    """Return the index of chunks of `source`, encoded shard by shard, so that a killed run finds what it has."""
    from rag.retrieval.index import build_index
    from rag.retrieval.shards import load_shard, plan_shards

    refs = encoded_shards(store, device, source, chunks, plan_shards(chunks), embedder, config, with_tokens)
    shards = [load_shard(store, ref.vectors) for ref in refs]
    windows = [own for shard in shards for own in shard.windows]
    return build_index(chunks, windows, np.concatenate([shard.vectors for shard in shards]), config.index)


def index_plan(corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> dict[str, Any]:
    """Return what names an index."""
    return {
        "inputs": {"corpus": corpus.digest, "embedder": embedder.digest},
        "config": config.index.model_dump(mode="json") | {"engine": config.encoding.engine},
        "recipe": [*INDEXING, "rag.embedding.encoder", "rag.corpus.chunking"],
    }


def load_index(store: ArtifactStore, ref: ArtifactRef) -> "Index":
    """Open an index; each file is authenticated before it is parsed."""
    from rag.retrieval.index import Index

    return Index.from_files(lambda name: store.unseal(ref, name), store.manifest(ref).files)
