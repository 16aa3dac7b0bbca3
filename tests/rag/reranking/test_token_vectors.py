import numpy as np
import pytest

from rag.config import RerankingConfig
from rag.errors import DimensionMismatch
from rag.reranking.token_vectors import ChunkTokens, stored_dims
from tests.rag.reranking.animals import ALL, QUESTIONS, TEXTS, windows


@pytest.fixture(scope="module")
def tokens(encoder):
    return ChunkTokens.encode(TEXTS, windows(), encoder)


@pytest.fixture(scope="module")
def query(encoder):
    return encoder.encode_tokens([QUESTIONS[0]], "query")[0].vectors


def ids_of(tokens, chunk):
    return tokens.ids[tokens.first[chunk] : tokens.first[chunk + 1]].tolist()


def whole(encoder):
    return [[(0, len(text))] for text in TEXTS]


def test_each_token_of_overlapping_windows_is_kept_once(tokens, encoder):
    assert min(map(len, windows())) > 1
    for chunk, text in enumerate(encoder.encode_tokens(TEXTS, "document")):
        assert ids_of(tokens, chunk) == text.ids.tolist()


def test_a_text_that_repeats_itself_loses_nothing(encoder):
    text = "la la la la la la la la la la"
    spans = [(0, 14), (6, 20), (15, 29)]  # five words each, the first three and the last two shared
    tokens = ChunkTokens.encode([text], [spans], encoder)
    assert len(tokens.ids) == 10


def test_windows_that_do_not_overlap_keep_all_their_tokens(encoder):
    text = "the fox the fox the fox"
    tokens = ChunkTokens.encode([text], [[(0, 7), (8, 15), (16, 23)]], encoder)
    assert len(tokens.ids) == 6


def test_matches_equal_those_of_the_vectors_before_compression(encoder, query):
    tokens = ChunkTokens.encode(TEXTS, whole(encoder), encoder)
    plain = [
        [max(float(q @ d) for d in text.vectors) for text in encoder.encode_tokens(TEXTS, "document")] for q in query
    ]
    np.testing.assert_allclose(tokens.best_matches(query, ALL), plain, atol=0.01)


def test_matches_are_those_of_the_chunks_asked_for(tokens, query):
    every = tokens.best_matches(query, ALL)
    np.testing.assert_allclose(tokens.best_matches(query, np.array([2, 0])), every[:, [2, 0]], atol=1e-6)
    assert tokens.best_matches(query, np.array([], dtype=np.int64)).shape == (len(query), 0)


def test_a_chunk_without_tokens_matches_nothing(encoder, query):
    tokens = ChunkTokens.encode(["A fox.", " ", "An otter."], [[(0, 6)], [(0, 1)], [(0, 9)]], encoder)
    matches = tokens.best_matches(query, np.arange(3))
    assert not matches[:, 1].any()
    np.testing.assert_array_equal(matches[:, [0, 2]], tokens.best_matches(query, np.array([0, 2])))


def test_fewer_dimensions_change_the_matches_little(tokens, query):
    fewer = tokens.projected(96)
    assert fewer.codes.shape == (len(tokens.ids), 96)
    assert fewer.dim == tokens.dim
    np.testing.assert_allclose(fewer.best_matches(query, ALL), tokens.best_matches(query, ALL), atol=0.15)
    assert tokens.projected(0) is tokens
    assert tokens.projected(tokens.dim) is tokens


@pytest.mark.parametrize("dims", [0, 64])
def test_bytes_bring_the_same_matches_back(tokens, query, dims):
    kept = tokens.projected(dims)
    again = ChunkTokens.from_bytes(kept.to_bytes())
    np.testing.assert_array_equal(again.best_matches(query, ALL), kept.best_matches(query, ALL))


def test_shards_that_are_joined_are_the_whole(tokens, encoder):
    spans = windows()
    shards = [ChunkTokens.encode(TEXTS[a:b], spans[a:b], encoder) for a, b in ((0, 1), (1, 4))]
    joined = ChunkTokens.concatenate(shards)
    np.testing.assert_array_equal(joined.first, tokens.first)
    np.testing.assert_array_equal(joined.ids, tokens.ids)


def test_tokens_that_most_chunks_hold_may_be_left_out_but_no_chunk_loses_all(encoder):
    texts = [f"The {n} of the house." for n in "roof door wall sill hall gate barn lawn path yard".split() * 2] + [
        "The."
    ]
    tokens = ChunkTokens.encode(texts, [[(0, len(text))] for text in texts], encoder)
    kept = tokens.without_common(tokens.frequencies(), 0.5)
    assert ids_of(kept, 0) == ids_of(tokens, 0)[1:2]
    assert ids_of(kept, 20) == ids_of(tokens, 20)
    assert tokens.without_common(tokens.frequencies(), 1.0) is tokens


def test_a_few_chunks_say_nothing_of_what_is_common(tokens):
    assert tokens.without_common(tokens.frequencies(), 0.1) is tokens


def test_larger_collections_keep_fewer_dimensions_and_the_largest_none():
    config = RerankingConfig(max_whole_tokens=10, max_stored_tokens=20, projected_dims=64)
    assert [stored_dims(n_tokens, config) for n_tokens in (10, 11, 20, 21)] == [0, 64, 64, None]


def test_vectors_of_another_length_are_refused(tokens):
    with pytest.raises(DimensionMismatch, match="dim 384, the embedder 8: build them with this embedder"):
        tokens.best_matches(np.ones((2, 8), dtype=np.float32), ALL)
