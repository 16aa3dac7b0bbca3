"""Vectors of a corpus, shard by shard: each is an artifact, so that it can be made anywhere, once, and used again."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rag.config import Config
from rag.corpus.artifact import MADE_OF
from rag.corpus.document import Chunk
from rag.embedding.encoder import Encoder
from rag.embedding.vectors import Vectors
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.reranking.token_vectors import ChunkTokens

VECTORS, TOKENS = "vectors", "token_vectors"
_VECTORS, _WINDOWS, _TOKENS = "vectors.encrypted", "windows.encrypted", "token_vectors.encrypted"
MIN_CHUNKS, MAX_CHUNKS = 64, 256


class EncodedShard(NamedTuple):
    """The windows of some chunks, as character spans in the text of each, and their vectors."""

    windows: list[list[tuple[int, int]]]
    vectors: Vectors
    """float32 (n_windows, dim), L2-normalized."""


class ShardRefs(NamedTuple):
    """A shard's vectors, and those of its tokens if they were wanted."""

    vectors: ArtifactRef
    tokens: ArtifactRef | None


def plan_shards(chunks: Sequence[Chunk]) -> list[range]:
    """Divide a corpus's chunks into shards of 64 to 256.

    Which documents may begin a shard hangs on their ids alone, so a changed document moves no more than its neighbours'
    boundaries, and the other shards are found again.
    """
    begins = [0] if chunks else []
    for place, chunk in enumerate(chunks):
        size = place - begins[-1]
        may_begin = chunk.chunk_index == 0 and int(chunk.doc_id, 16) % 4 == 0
        if size >= MAX_CHUNKS or (size >= MIN_CHUNKS and may_begin):
            begins.append(place)
    return [range(first, last) for first, last in pairwise([*begins, len(chunks)])]


def encoded_shard(
    store: ArtifactStore,
    chunks: Sequence[Chunk],
    embedder: ArtifactRef,
    config: Config,
    encoder: Callable[[], Encoder],
    with_tokens: bool,
    reads: Sequence[ArtifactRef] = (),
) -> ShardRefs:
    """Return the vectors of some chunks under an embedder, which `encoder` opens if they are not there.

    The vectors of their tokens come from the same pass. `reads` is what the chunks were read from.
    """

    @cache
    def windows() -> list[list[tuple[int, int]]]:
        from rag.corpus.chunking import Chunker

        cut = Chunker(config.chunking).windows
        return [
            [(start, end) for start, end in cut(chunk.text, config.index.window_tokens, config.index.window_stride)]
            for chunk in chunks
        ]

    @cache
    def encoded() -> "tuple[Vectors, ChunkTokens | None]":
        from rag.reranking.token_vectors import ChunkTokens

        texts = [chunk.text[start:end] for chunk, own in zip(chunks, windows(), strict=True) for start, end in own]
        if not with_tokens:
            return encoder().encode_passages(texts), None
        vectors, tokens = encoder().encode_both(texts)
        return vectors, ChunkTokens.joined([chunk.text for chunk in chunks], windows(), tokens)

    def write_vectors(draft: Draft) -> dict[str, Any]:
        vectors = io.BytesIO()
        np.save(vectors, encoded()[0], allow_pickle=False)
        draft.seal(_VECTORS, vectors.getvalue())
        draft.seal(_WINDOWS, json.dumps(windows()).encode())
        return {"chunks": len(chunks), "windows": sum(map(len, windows())), **made_of}

    def write_tokens(draft: Draft) -> dict[str, Any]:
        tokens = encoded()[1]
        assert tokens is not None
        draft.seal(_TOKENS, tokens.to_bytes())
        return {"chunks": len(chunks), "tokens": len(tokens.ids), **made_of}

    made_of = {MADE_OF: sorted({chunk.doc_id for chunk in chunks})}
    passages = hashlib.sha256(json.dumps([chunk.text for chunk in chunks]).encode()).hexdigest()
    inputs = {"passages": passages, "embedder": embedder.digest}
    cut = config.index.model_dump(include={"window_tokens", "window_stride"}) | {"engine": config.encoding.engine}
    recipe = ["rag.retrieval.shards", "rag.embedding.encoder", "rag.corpus.chunking"]
    plan: dict[str, Any] = {"inputs": inputs, "config": cut, "quietly": True, "reads": reads}
    vectors = store.build(VECTORS, recipe=recipe, write=write_vectors, **plan)
    if not with_tokens:
        return ShardRefs(vectors, None)
    recipe.append("rag.reranking.token_vectors")
    return ShardRefs(vectors, store.build(TOKENS, recipe=recipe, write=write_tokens, **plan))


def load_shard(store: ArtifactStore, ref: ArtifactRef) -> EncodedShard:
    """Open a shard."""
    vectors = np.load(io.BytesIO(store.unseal(ref, _VECTORS)), allow_pickle=False)
    windows = [[(start, end) for start, end in own] for own in json.loads(store.unseal(ref, _WINDOWS))]
    return EncodedShard(windows, vectors)


def load_shard_tokens(store: ArtifactStore, ref: ArtifactRef) -> "ChunkTokens":
    """Open the token vectors of a shard."""
    from rag.reranking.token_vectors import ChunkTokens

    return ChunkTokens.from_bytes(store.unseal(ref, _TOKENS))
