import numpy as np
import pytest

from rag.embedding.columns import margins, training_columns
from rag.reranking.cross_encoder import CrossEncoder
from tests.rag.embedding.handbook import CONFIG, TRAIN
from tests.rag.reranking import tiny_bert


def config(**fields):
    return CONFIG.model_copy(update=fields)


def pair(i, document, *negatives):
    return TRAIN[i].model_copy(update={"document": document, "negatives": negatives})


@pytest.fixture
def pairs():
    """Three pairs of one document, of which one has no negatives, and one of another."""
    return [pair(0, "a", "n1", "n2", "n3"), pair(1, "a", "n4"), pair(2, "a"), pair(3, "b", "n5", "n6")]


def test_pairs_without_negatives_are_two_columns():
    assert list(training_columns(TRAIN, CONFIG)) == ["anchor", "positive"]


def test_a_pair_brings_its_own_negatives_up_to_as_many_as_are_wanted(pairs):
    columns = training_columns(pairs, config(negatives=2))
    assert list(columns) == ["anchor", "positive", "negative_1", "negative_2"]
    assert columns["negative_1"][:2] == ["n1", "n4"]
    assert (columns["negative_2"][0], columns["negative_2"][3]) == ("n2", "n6")
    assert list(training_columns(pairs, config(negatives=0))) == ["anchor", "positive"]


def test_there_are_no_more_columns_than_the_pair_with_most_negatives_fills(pairs):
    assert list(training_columns(pairs, config(negatives=9)))[-1] == "negative_3"


@pytest.mark.parametrize("seed", range(20))
def test_what_a_pair_lacks_is_filled_with_passages_of_other_documents(pairs, seed):
    columns = training_columns(pairs, config(negatives=2, seed=seed))
    assert {columns["negative_2"][1], columns["negative_1"][2], columns["negative_2"][2]} == {pairs[3].positive}
    alone = [*pairs[:3], pair(3, "b")]
    assert training_columns(alone, config(negatives=1, seed=seed))["negative_1"][3] in {p.positive for p in pairs[:3]}


def test_pairs_of_one_document_have_as_many_negatives_as_each_of_them_brings(pairs):
    assert list(training_columns(pairs[:3], config(negatives=2))) == ["anchor", "positive"]
    assert training_columns(pairs[:2], config(negatives=2))["negative_1"] == ["n1", "n4"]


def test_no_negative_of_a_pair_is_its_positive():
    odd = pair(0, "a", TRAIN[0].positive, "n1")
    assert training_columns([odd, pair(1, "b", "n2")], config(negatives=1))["negative_1"] == ["n1", "n2"]


def test_shuffled_labels_give_questions_other_passages_and_leave_passages_their_negatives(pairs):
    columns = training_columns(pairs, config(shuffle_labels=True, negatives=1, seed=3))
    assert columns["anchor"] != [p.anchor for p in pairs]
    assert sorted(columns["anchor"]) == sorted(p.anchor for p in pairs)
    assert columns["positive"] == [p.positive for p in pairs]
    assert columns["negative_1"][:2] == ["n1", "n4"]


def test_margins_tell_how_much_higher_a_positive_scores_than_its_own_and_its_filled_in_negatives(tmp_path):
    teacher = CrossEncoder(tiny_bert.write_base(tmp_path), max_seq_length=32, batch_size=4)
    few = [tiny_bert.TRAIN[0], tiny_bert.TRAIN[1].model_copy(update={"negatives": (), "document": "other"})]
    columns = training_columns(few, config(negatives=2))
    found = margins(columns, teacher.score_pairs)
    assert (found.shape, found.dtype) == ((2, 2), np.float32)
    for row, (anchor, positive, *negatives) in zip(found, zip(*columns.values(), strict=True), strict=True):
        best, *others = teacher.score_pairs([(anchor, text) for text in (positive, *negatives)])
        np.testing.assert_allclose(row, best - np.array(others), atol=0.02)
