"""Vectors of a corpus, shard by shard: each is an artifact, so that it can be made anywhere, once, and used again."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rag.config import Config
from rag.corpus.document import Chunk
from rag.embedding.encoder import Encoder
from rag.embedding.vectors import Vectors
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

_VECTORS, _WINDOWS = "vectors.encrypted", "windows.encrypted"
MIN_CHUNKS, MAX_CHUNKS = 64, 256


class EncodedShard(NamedTuple):
    """The windows of some chunks, as character spans in the text of each, and their vectors."""

    windows: list[list[tuple[int, int]]]
    vectors: Vectors
    """float32 (n_windows, dim), L2-normalized."""


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
    store: ArtifactStore, chunks: Sequence[Chunk], embedder: ArtifactRef, config: Config, encoder: Callable[[], Encoder]
) -> ArtifactRef:
    """Return the vectors of some chunks under an embedder, which `encoder` opens if they are not there."""

    def write(draft: Draft) -> dict[str, Any]:
        from rag.corpus.chunking import Chunker

        cut = Chunker(config.chunking).windows
        windows = [cut(chunk.text, config.index.window_tokens, config.index.window_stride) for chunk in chunks]
        texts = [chunk.text[start:end] for chunk, own in zip(chunks, windows, strict=True) for start, end in own]
        vectors = io.BytesIO()
        np.save(vectors, encoder().encode_passages(texts), allow_pickle=False)
        draft.seal(_VECTORS, vectors.getvalue())
        draft.seal(_WINDOWS, json.dumps(windows).encode())
        return {"chunks": len(chunks), "windows": len(texts)}

    passages = hashlib.sha256(json.dumps([chunk.text for chunk in chunks]).encode()).hexdigest()
    return store.build(
        "vectors",
        inputs={"passages": passages, "embedder": embedder.digest},
        config=config.index.model_dump(include={"window_tokens", "window_stride"}),
        recipe=["rag.retrieval.shards", "rag.embedding.encoder", "rag.corpus.chunking"],
        write=write,
    )


def load_shard(store: ArtifactStore, ref: ArtifactRef) -> EncodedShard:
    """Open a shard."""
    vectors = np.load(io.BytesIO(store.unseal(ref, _VECTORS)), allow_pickle=False)
    windows = [[(start, end) for start, end in own] for own in json.loads(store.unseal(ref, _WINDOWS))]
    return EncodedShard(windows, vectors)
