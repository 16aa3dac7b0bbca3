import numpy as np
import pytest

from rag.evaluation.metrics import METRICS, ChunksByDocument, mean_metrics, question_metrics, relevant_positions
from tests.chunks import chunk_of
from tests.query_pairs import real_pair


def chunk(document, i, start, end):
    return chunk_of(doc_id=document, index=i, start=start, char_end=end)


def pair(start, end, document="a"):
    return real_pair("q", answer_start=start, answer_end=end, doc_id=document, document=document)


CHUNKS = [chunk("a", 0, 0, 100), chunk("a", 1, 80, 180), chunk("b", 0, 0, 100)]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (10, 20, [0]),
        (85, 95, [0, 1]),  # whole in the overlap of both
        (90, 110, [0, 1]),  # exactly half in the first
        (95, 125, [1]),
        (0, 1000, [0, 1]),  # no chunk holds half: those with the most
        (500, 600, []),
    ],
)
def test_a_chunk_is_relevant_if_it_holds_half_of_the_evidence(start, end, expected):
    assert relevant_positions(pair(start, end), CHUNKS).tolist() == expected


def test_another_documents_chunk_is_not_relevant():
    assert relevant_positions(pair(10, 20, "b"), CHUNKS).tolist() == [2]


def test_many_questions_find_the_same_chunks_wherever_these_stand():
    mixed = [CHUNKS[2], CHUNKS[0], chunk("b", 1, 90, 190), CHUNKS[1]]
    asked = [pair(10, 20), pair(85, 95), pair(10, 20, "b"), pair(95, 105, "b"), pair(500, 600), pair(10, 20, "c")]
    searched = ChunksByDocument(mixed)
    found = [searched.relevant_positions(each).tolist() for each in asked]
    assert found == [relevant_positions(each, mixed).tolist() for each in asked] == [[1], [1, 3], [0], [0, 2], [], []]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (("b", 10, 20), [0, 2]),
        (("a", 150, 160), [0, 1]),
        (("a", 30, 40), [0]),  # both halves in one chunk
        (("c", 10, 20), [0]),
    ],
)
def test_both_halves_of_a_comparisons_evidence_are_relevant(second, expected):
    compared = pair(10, 20).model_copy(update={"second": second})
    assert relevant_positions(compared, CHUNKS).tolist() == expected
    assert ChunksByDocument(CHUNKS).relevant_positions(compared).tolist() == expected


def test_metrics_of_a_hit_at_rank_three():
    metrics = question_metrics(np.array([5, 6, 7, 8]), np.array([7]))
    assert metrics == {
        "hit@1": 0,
        "hit@5": 1,
        "hit@20": 1,
        "recall@5": 1,
        "recall@20": 1,
        "mrr@10": pytest.approx(1 / 3),
        "ndcg@10": pytest.approx(0.5),
    }


def test_a_hit_past_rank_ten_counts_for_hit_at_20_alone():
    metrics = question_metrics(np.arange(20), np.array([14]))
    assert metrics == dict.fromkeys(METRICS, 0) | {"hit@20": 1, "recall@20": 1}


def test_all_relevant_first_is_perfect():
    assert set(question_metrics(np.arange(20), np.array([0, 1])).values()) == {1}


def test_each_relevant_chunk_found_counts_for_recall_and_gain():
    metrics = question_metrics(np.array([3, 9, 1, 8, 7, 2]), np.array([1, 2, 3, 4]))
    assert metrics["recall@5"] == 0.5 and metrics["recall@20"] == 0.75
    found, ideal = 1 + 1 / np.log2(4) + 1 / np.log2(7), sum(1 / np.log2(rank + 1) for rank in range(1, 5))
    assert metrics["ndcg@10"] == pytest.approx(found / ideal)


def test_gain_alone_hangs_on_how_relevant_a_chunk_is():
    ranked, relevant = np.array([3, 9, 1]), np.array([1, 3])
    graded, alike = question_metrics(ranked, relevant, np.array([3, 1])), question_metrics(ranked, relevant)
    assert graded["ndcg@10"] == pytest.approx((1 + 3 / np.log2(4)) / (3 + 1 / np.log2(3)))
    assert graded | {"ndcg@10": 0} == alike | {"ndcg@10": 0}
    assert question_metrics(ranked, relevant, np.array([1, 1])) == alike


def test_the_order_that_is_given_stands_whatever_the_ids():
    """Of equal scores trec_eval would put 9 before 10, and 10 before 1."""
    for ranked in ([9, 10, 1], [1, 10, 9], [10, 9, 1]):
        assert [question_metrics(np.array(ranked), np.array([one]))["mrr@10"] for one in ranked] == pytest.approx(
            [1, 1 / 2, 1 / 3]
        )


def test_nothing_found_scores_nothing():
    empty = np.array([], dtype=np.int64)
    assert set(question_metrics(empty, np.array([1])).values()) == {0}
    assert set(question_metrics(empty, empty).values()) == {0}


def test_nothing_relevant_scores_nothing():
    assert set(question_metrics(np.arange(20), np.array([], dtype=np.int64)).values()) == {0}


def test_means():
    assert mean_metrics([{"hit@1": 1.0}, {"hit@1": 0.0}]) == {"hit@1": 0.5}
    assert mean_metrics([]) == {}
