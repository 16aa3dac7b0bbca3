import numpy as np
import pytest

from rag.config import IndexConfig
from rag.errors import DimensionMismatch
from rag.retrieval.dense import EXACT_SCAN, WindowVectors, factory_string

KINDS = {
    "exact": IndexConfig(),
    "graph": IndexConfig(graph_from=1),
    "compressed": IndexConfig(graph_from=1, compressed_from=1),
}


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


@pytest.fixture(scope="module")
def many():
    """Vectors of 2,000 windows around 50 centres, by 4 for each chunk, and queries that are near some of them."""
    rng = np.random.default_rng(7)
    centres = unit(rng, 50)
    vectors = centres[rng.integers(50, size=2000)] + 0.4 * unit(rng, 2000)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[:40] + 0.1 * unit(rng, 40)
    return vectors.astype(np.float32), (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def large(request, many):
    return WindowVectors.build(many[0], [4] * 500, KINDS[request.param])


def test_the_kind_of_index_hangs_on_the_number_of_windows():
    config = IndexConfig(graph_from=100, compressed_from=10_000)
    assert [factory_string(n, config) for n in (99, 100, 9_999, 10_000)] == [
        "Flat",
        "HNSW32,Flat",
        "HNSW32,Flat",
        "IVF400,SQ8",
    ]


def test_every_kind_finds_nearly_all_that_is_nearest(many, large):
    vectors, queries = many
    found = [set(large.nearest_chunks(query, 20)[:5]) for query in queries]
    scores = (vectors @ queries.T).reshape(500, 4, -1).max(axis=1)
    nearest = [set(np.argsort(-own)[:5]) for own in scores.T]
    assert np.mean([len(a & b) / 5 for a, b in zip(found, nearest, strict=True)]) > 0.8


def test_every_kind_scores_chunks_by_their_best_window(many, large):
    vectors, queries = many
    chunks = np.array([400, 3, 77])
    products = (vectors @ queries[0]).reshape(500, 4)[chunks]
    scores, windows = large.best_windows(queries[0], chunks)
    np.testing.assert_allclose(scores, products.max(axis=1), atol=0.02)
    np.testing.assert_allclose(products[np.arange(3), windows], products.max(axis=1), atol=0.02)


def test_a_search_restricted_to_few_returns_all_of_them_in_every_kind(many, large):
    vectors, queries = many
    best = (vectors @ queries[0]).reshape(500, 4).max(axis=1)
    farthest = np.sort(np.argsort(best)[:10])
    assert sorted(large.nearest_chunks(queries[0], 40, farthest).tolist()) == farthest.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_restricted_to_many_returns_as_many_as_were_asked_for_in_every_kind(kind):
    vectors = unit(np.random.default_rng(2), EXACT_SCAN + 4000, dim=8)
    index = WindowVectors.build(vectors, [1] * len(vectors), KINDS[kind])
    allowed = np.arange(2000, EXACT_SCAN + 3000)
    for wanted in (10, 3000):
        found = index.nearest_chunks(vectors[0], wanted, allowed)
        assert len(found) == wanted
        assert np.isin(found, allowed).all()


def test_every_kind_comes_back_from_its_bytes(many, large):
    again = WindowVectors.from_bytes(large.to_bytes(), [4] * 500)
    some = np.arange(9)
    for query in many[1][:5]:
        np.testing.assert_array_equal(again.nearest_chunks(query, 10), large.nearest_chunks(query, 10))
        np.testing.assert_array_equal(again.best_windows(query, some)[0], large.best_windows(query, some)[0])


def test_bytes_that_claim_more_than_there_are_are_refused(made):
    data = bytearray(made[2].to_bytes())
    size = np.array([10 * 16], dtype=np.uint64).tobytes()
    assert data.count(size) == 1
    data[data.index(size) : data.index(size) + 8] = np.array([2**36], dtype=np.uint64).tobytes()
    with pytest.raises(RuntimeError, match="limit"):
        WindowVectors.from_bytes(bytes(data), made[1])


def test_no_chunks_have_no_best_windows(made):
    scores, windows = made[2].best_windows(made[3], np.array([], dtype=np.int64))
    assert scores.shape == windows.shape == (0,)
