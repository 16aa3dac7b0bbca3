import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder as Plain

from rag.reranking.cross_encoder import CrossEncoder, CrossEncoderReranker
from rag.reranking.reranker import NearestWindows
from tests.rag.reranking.animals import ALL, QUESTIONS, TEXTS, build
from tests.rag.reranking.tiny_bert import TRAIN, write_base


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def model(folder):
    return CrossEncoder(folder, max_seq_length=32, batch_size=4)


def test_pairs_of_all_lengths_score_as_sentence_transformers_scores_them_one_by_one(model, folder):
    plain = Plain(str(folder), max_length=32, local_files_only=True, device="cpu")
    pairs = [(p.anchor, text) for p in TRAIN[::7] for text in (p.positive, *p.negatives)]
    expected = [float(plain.predict(pair, activation_fn=torch.nn.Identity())) for pair in pairs]
    scores = model.score_pairs(pairs)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=0.05)


def test_no_pairs_have_no_scores(model):
    assert model.score_pairs([]).shape == (0,)


def test_a_chunk_scores_as_its_nearest_window(model, encoder):
    nearest = NearestWindows(build(encoder), encoder)
    windows = nearest.texts(QUESTIONS[0], ALL[::-1])
    assert windows[0] in TEXTS[3]
    assert windows[0].startswith("The hedgehog hibernates")
    scores = CrossEncoderReranker(model, nearest).scores(QUESTIONS[0], ALL[::-1])
    np.testing.assert_allclose(scores, model.score_pairs([(QUESTIONS[0], text) for text in windows]), atol=0.02)
