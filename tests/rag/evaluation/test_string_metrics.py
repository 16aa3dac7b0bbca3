import subprocess
import sys

import pytest

from rag.evaluation.sample import EvaluationSample
from rag.evaluation.string_metrics import PRECISION, PRESENCE, RECALL, SIMILARITY, score_answers

WARRANTY = "The warranty of the pump lasts three years from the day of purchase, and covers all moving parts."
OPENING = "The shop in Leeds opens at nine in the morning on weekdays. On Sundays it stays closed all day long."


def sample(**fields):
    return EvaluationSample(id="q", question="How long is the warranty?", **fields)


def scores(**fields):
    (answer,) = score_answers([sample(**fields)]).answers
    return answer.metrics


def test_the_right_passage_first_and_the_reference_in_the_answer_are_perfect():
    found = scores(
        answer="It lasts three years.",
        contexts=(WARRANTY, OPENING),
        reference="three years",
        reference_contexts=(WARRANTY,),
    )
    assert (found[PRECISION], found[RECALL], found[PRESENCE]) == (1, 1, 1)
    assert found[SIMILARITY] == pytest.approx(11 / 21, abs=1e-4)  # 11 of 21 characters need no edit


def test_the_right_passage_second_halves_the_precision_alone():
    found = scores(contexts=(OPENING, WARRANTY), reference_contexts=(WARRANTY,))
    assert (found[PRECISION], found[RECALL]) == (0.5, 1)


def test_a_passage_that_is_missing_halves_the_recall():
    found = scores(contexts=(WARRANTY,), reference_contexts=(WARRANTY, OPENING))
    assert (found[PRECISION], found[RECALL]) == (1, 0.5)


def test_a_search_that_found_nothing_is_worth_nothing():
    assert scores(contexts=(), reference_contexts=(WARRANTY,)) == {
        PRECISION: 0,
        RECALL: 0,
        SIMILARITY: None,
        PRESENCE: None,
    }


def test_what_is_not_known_has_no_value_and_is_counted():
    report = score_answers([sample(), sample(answer="two", reference="two"), sample(answer="", reference="two")])
    assert set(report.answers[0].metrics.values()) == {None}
    assert report.means() == {SIMILARITY: 0.5, PRESENCE: 0.5}
    assert report.missing() == {PRECISION: 3, RECALL: 3, SIMILARITY: 1, PRESENCE: 1}


def test_no_question_makes_no_score():
    report = score_answers([])
    assert (report.means(), report.missing()) == ({}, {})


def test_nothing_heavy_is_imported_until_something_is_scored():
    light = (
        "import rag.evaluation.string_metrics, rag.evaluation.judge, rag.evaluation.beir, rag.evaluation.ragas_dataset"
    )
    heavy = "{'ragas', 'langchain_core', 'instructor', 'openai', 'torch'}"
    code = f"import sys; {light}; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ragas_sends_no_usage():
    from ragas._analytics import do_not_track

    assert do_not_track()
