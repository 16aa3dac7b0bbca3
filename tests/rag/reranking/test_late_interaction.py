import numpy as np
import pytest

from rag.reranking.frequencies import TokenFrequencies
from rag.reranking.late_interaction import EncodedWindows, LateInteraction, StoredTokens
from rag.reranking.reranker import NearestWindows
from rag.reranking.token_vectors import ChunkTokens
from tests.rag.reranking.animals import ALL, OWN, QUESTIONS, TEXTS, build, windows


@pytest.fixture(scope="module")
def tokens(encoder):
    return ChunkTokens.encode(TEXTS, windows(), encoder)


@pytest.fixture(scope="module")
def stored(tokens, encoder):
    return LateInteraction(encoder, StoredTokens(tokens), tokens.frequencies())


@pytest.fixture(scope="module")
def asked(tokens, encoder):
    return LateInteraction(
        encoder, EncodedWindows(NearestWindows(build(encoder), encoder), encoder), tokens.frequencies()
    )


@pytest.mark.parametrize("way", ["stored", "asked"])
def test_the_chunk_that_answers_scores_best(way, request):
    reranker = request.getfixturevalue(way)
    assert [int(reranker.scores(question, ALL).argmax()) for question in QUESTIONS] == OWN


def test_scores_equal_a_plain_weighted_maxsim(encoder):
    tokens = ChunkTokens.encode(TEXTS, [[(0, len(text))] for text in TEXTS], encoder)
    frequencies = tokens.frequencies()
    scores = LateInteraction(encoder, StoredTokens(tokens), frequencies).scores(QUESTIONS[0], ALL)
    query = encoder.encode_tokens([QUESTIONS[0]], "query")[0]
    for chunk, text in enumerate(encoder.encode_tokens(TEXTS, "document")):
        total, weights = 0.0, 0.0
        for token, vector in zip(query.ids, query.vectors, strict=True):
            weight = float(frequencies.idf(np.array([token]))[0])
            total += weight * max(float(vector @ other) for other in text.vectors)
            weights += weight
        assert scores[chunk] == pytest.approx(total / weights, abs=0.005)


def test_a_rare_word_decides_over_a_common_one(encoder):
    texts = ["A fox sleeps.", "A hare runs.", "A hare jumps.", "A hare eats.", "A hare hides."]
    tokens = ChunkTokens.encode(texts, [[(0, len(text))] for text in texts], encoder)
    chunks = np.array([0, 1])
    weighted = LateInteraction(encoder, StoredTokens(tokens), tokens.frequencies())
    alike = TokenFrequencies(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 5)
    unweighted = LateInteraction(encoder, StoredTokens(tokens), alike)
    rare, common = weighted.scores("fox hare", chunks), unweighted.scores("fox hare", chunks)
    assert rare[0] - rare[1] > common[0] - common[1]


def test_chunks_are_scored_in_the_order_given(stored):
    every = stored.scores(QUESTIONS[1], ALL)
    np.testing.assert_allclose(stored.scores(QUESTIONS[1], ALL[::-1]), every[::-1], atol=1e-6)
    assert stored.scores(QUESTIONS[1], ALL).dtype == np.float32


def test_a_question_without_tokens_scores_nothing(stored):
    assert stored.scores("", ALL).tolist() == [0.0] * len(TEXTS)
    assert stored.scores(QUESTIONS[0], np.array([], dtype=np.int64)).shape == (0,)
