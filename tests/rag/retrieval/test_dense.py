import numpy as np
import pytest

from rag.errors import DimensionMismatch
from rag.retrieval.dense import WindowVectors


def unit(rng, n, dim=16):
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def made():
    rng = np.random.default_rng(3)
    per_chunk = [1, 3, 2, 4]
    vectors = unit(rng, 10)
    return vectors, per_chunk, WindowVectors.build(vectors, per_chunk), unit(rng, 1)[0]


def test_a_chunk_scores_as_its_best_window(made):
    vectors, per_chunk, index, query = made
    groups = np.split(vectors, np.cumsum(per_chunk)[:-1])
    expected = [float((g @ query).max()) for g in groups]
    scores, windows = index.best_windows(query, np.arange(4))
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert windows.tolist() == [int((g @ query).argmax()) for g in groups]


def test_nearest_chunks_come_best_first_and_once(made):
    _, _, index, query = made
    expected = np.argsort(-index.best_windows(query, np.arange(4))[0])
    np.testing.assert_array_equal(index.nearest_chunks(query, 10), expected)


def test_only_allowed_chunks_are_found(made):
    _, _, index, query = made
    assert set(index.nearest_chunks(query, 10, np.array([0, 3])).tolist()) == {0, 3}


def test_an_index_comes_back_from_its_bytes(made):
    _, per_chunk, index, query = made
    again = WindowVectors.from_bytes(index.to_bytes(), per_chunk)
    np.testing.assert_array_equal(again.nearest_chunks(query, 10), index.nearest_chunks(query, 10))


def test_a_query_of_another_model_is_refused_with_both_dimensions(made):
    index = made[2]
    with pytest.raises(DimensionMismatch, match=r"dim 16.*8.*build the index"):
        index.nearest_chunks(np.ones(8, dtype=np.float32), 3)


def test_vectors_that_do_not_fit_the_windows_are_refused(made):
    _, _, index, _ = made
    with pytest.raises(DimensionMismatch, match="10 vectors"):
        WindowVectors.from_bytes(index.to_bytes(), [1, 1])
