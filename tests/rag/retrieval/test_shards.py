"""Shards of a corpus: planned by document, encoded once."""

import hashlib

import numpy as np
import pytest

from rag.config import Config
from rag.corpus.document import Chunk
from rag.reranking.token_vectors import ChunkTokens
from rag.retrieval.shards import MAX_CHUNKS, encoded_shard, load_shard, load_shard_tokens, plan_shards
from storage.artifacts import ArtifactRef

EMBEDDER = ArtifactRef.of("embedder", "0" * 32)


def document(number, n_chunks):
    doc_id = hashlib.sha256(str(number).encode()).hexdigest()[:16]
    return [
        Chunk(
            doc_id=doc_id, document=f"{number}.md", page_no=1, chunk_index=i, char_start=0, char_end=9, n_tokens=3,
            text=f"document {number} says {i}",
        )
        for i in range(n_chunks)
    ]  # fmt: skip


def corpus(n_documents, n_chunks=5):
    return [chunk for number in range(n_documents) for chunk in document(number, n_chunks)]


@pytest.mark.parametrize("n_documents, n_chunks", [(1, 1), (1, 1000), (300, 5), (40, 64)])
def test_shards_cover_every_chunk_once_and_none_is_large(n_documents, n_chunks):
    chunks = corpus(n_documents, n_chunks)
    shards = plan_shards(chunks)
    assert [i for span in shards for i in span] == list(range(len(chunks)))
    assert all(0 < len(span) <= MAX_CHUNKS for span in shards)


def test_no_chunks_make_no_shard():
    assert plan_shards([]) == []


def test_a_new_document_leaves_most_shards_as_they_were():
    before = corpus(300)
    after = before[:500] + document(1000, 7) + before[500:]
    old, new = (
        {tuple(chunks[i].text for i in span) for span in plan_shards(chunks)} for chunks in (before, after)
    )  # fmt: skip
    assert len(old - new) <= 3 < len(old & new)


def test_a_shard_is_encoded_once(space, encoder):
    opened = []

    def open_encoder():
        opened.append(1)
        return encoder

    chunks = corpus(3)
    first = encoded_shard(space.artifacts, chunks, EMBEDDER, Config(), open_encoder, with_tokens=False)
    assert encoded_shard(space.artifacts, chunks, EMBEDDER, Config(), open_encoder, with_tokens=False) == first
    assert len(opened) == 1
    shard = load_shard(space.artifacts, first.vectors)
    assert shard.vectors.dtype == np.float32
    assert shard.vectors.shape == (sum(map(len, shard.windows)), encoder.dim)
    assert np.allclose(np.linalg.norm(shard.vectors, axis=1), 1, atol=1e-5)


def test_another_embedder_gets_another_shard(space, encoder):
    refs = {
        encoded_shard(
            space.artifacts, corpus(1), ArtifactRef.of("embedder", digit * 32), Config(), lambda: encoder, False
        ).vectors
        for digit in "01"
    }
    assert len(refs) == 2


def test_tokens_come_from_the_same_pass_and_equal_those_of_their_own(space, encoder):
    chunks = corpus(3)
    alone = encoded_shard(space.artifacts, chunks, EMBEDDER, Config(), lambda: encoder, with_tokens=False)
    both = encoded_shard(space.artifacts, chunks, ArtifactRef.of("embedder", "1" * 32), Config(), lambda: encoder, True)
    assert alone.tokens is None
    vectors = [load_shard(space.artifacts, ref.vectors).vectors for ref in (alone, both)]
    assert np.allclose(*vectors, atol=1e-2)
    tokens = load_shard_tokens(space.artifacts, both.tokens)
    windows = load_shard(space.artifacts, both.vectors).windows
    expected = ChunkTokens.encode([chunk.text for chunk in chunks], windows, encoder)
    assert (tokens.ids == expected.ids).all()
    assert tokens.first.tolist() == expected.first.tolist()
    assert np.abs(tokens.codes.astype(int) - expected.codes).mean() < 1


def test_tokens_are_made_where_only_the_vectors_are_there(space, encoder):
    chunks = corpus(2)
    first = encoded_shard(space.artifacts, chunks, EMBEDDER, Config(), lambda: encoder, with_tokens=False)
    later = encoded_shard(space.artifacts, chunks, EMBEDDER, Config(), lambda: encoder, with_tokens=True)
    assert later.vectors == first.vectors
    assert len(load_shard_tokens(space.artifacts, later.tokens).first) == len(chunks) + 1
