import pytest

from rag.evaluation.metrics import question_metrics
from rag.evaluation.report import EvaluationReport, QuestionResult
from rag.pairs.pair import Origin, QuestionType
from rag.report.paired import RUNGS, extremes, rank, rank_changes, rung, shared, slices

METRIC = "mrr@10"


def result(name, place, document="d", origin=Origin.REAL, question_type=QuestionType.FACTUAL):
    """A question whose only evidence stands at a place, counted from 0; nowhere for None."""
    import numpy as np

    ranked = np.arange(20)
    relevant = np.array([99 if place is None else place])
    return QuestionResult(
        id=name,
        document=document,
        origin=origin,
        question_type=question_type,
        metrics=question_metrics(ranked, relevant),
        latency_ms=1,
    )


def report(*questions):
    return EvaluationReport(evaluation_set="e", questions=questions, general_hit1=0.9, serving_bytes=1)


@pytest.mark.parametrize(
    ("place", "said", "row"),
    [
        (0, "rank 1", "1"),
        (1, "rank 2", "2-3"),
        (2, "rank 3", "2-3"),
        (4, "rank 5", "4-5"),
        (9, "rank 10", "6-10"),
        (10, "rank 11-20", "11-20"),
        (19, "rank 11-20", "11-20"),
        (None, "not in the first 20", "not in the first 20"),
    ],
)
def test_the_metrics_tell_the_rank(place, said, row):
    question = result("q", place)
    assert (rank(question), RUNGS[rung(question)]) == (said, row)


def test_only_questions_that_both_answered_are_paired():
    own = report(result("a", 0), result("b", 1), result("c", 2, origin=Origin.SYNTHETIC))
    before = report(result("c", 0, origin=Origin.SYNTHETIC), result("b", 5), result("d", 0))
    assert [(new.id, old.id) for new, old in shared(own, before)] == [("b", "b"), ("c", "c")]
    assert [new.id for new, _ in shared(own, before, Origin.REAL)] == ["b"]


def test_changes_of_rank_are_counted_from_row_to_column():
    pairs = [(result("a", 0), result("a", 4)), (result("b", None), result("b", 0)), (result("c", 1), result("c", 2))]
    counts = rank_changes(pairs)
    assert (counts[2][0], counts[0][5], counts[1][1], sum(map(sum, counts))) == (1, 1, 1, 3)


def test_extremes_are_the_largest_changes_and_no_others():
    places = {"same": (3, 3), "up": (0, 1), "far up": (0, None), "down": (1, 0), "far down": (None, 0)}
    pairs = [(result(name, new), result(name, old)) for name, (new, old) in places.items()]
    lost, gained = extremes(pairs, METRIC, 5)
    assert [new.id for new, _ in lost] == ["far down", "down"]
    assert [new.id for new, _ in gained] == ["far up", "up"]
    assert [len(some) for some in extremes(pairs, METRIC, 1)] == [1, 1]


def test_slices_resample_documents_and_those_of_one_document_its_questions():
    pairs = [
        (result(f"{document}{n}", 0, document), result(f"{document}{n}", n % 2, document))
        for document in "abcd"
        for n in range(4)
    ]
    (whole,) = slices(pairs, METRIC, lambda q: q.question_type.value, 0.95)
    assert (whole.name, whole.n_questions, whole.n_documents) == ("factual", 16, 4)
    assert (whole.before, whole.after, whole.gain.mean) == (0.75, 1.0, 0.25)
    assert 0 < whole.gain.low < 0.25  # each document gained alike
    own = slices(pairs, METRIC, lambda q: q.document, 0.95, of_one_document=True)
    assert [each.name for each in own] == list("abcd")
    assert all(each.gain.low < 0 < 0.25 < each.gain.high < 1 for each in own)
    alone = slices(pairs, METRIC, lambda q: q.document, 0.95)
    assert [(each.n_drawn, each.said) for each in alone] == [(1, "+0.250")] * 4
    assert own[0].said.startswith("+0.250 [")
