import numpy as np
import pytest

from rag.chat.calibration import MIN_QUESTIONS, Calibration, calibrate


def drawn(n=400, seed=3):
    """Confidences, and scores that are as good as the square of each says."""
    rng = np.random.default_rng(seed)
    confidences = rng.random(n)
    return confidences, (rng.random(n) < confidences**2).astype(float)


def test_what_confidence_is_worth_is_learned_and_never_falls():
    confidences, scores = drawn(4000)
    made = calibrate(confidences, scores, np.zeros(4000))
    assert np.all(np.diff(made.confidences) > 0) and np.all(np.diff(made.expected) >= 0)
    for confidence in (0.2, 0.5, 0.8):
        assert made.expects(confidence) == pytest.approx(confidence**2, abs=0.08)


def test_trusted_is_what_passages_answer_worse():
    confidences, scores = drawn(4000)
    made = calibrate(confidences, scores, np.full(4000, 0.36))
    assert not made.trusts(0.4) and made.trusts(0.8)
    assert made.threshold == pytest.approx(0.36, abs=0.1)


def test_no_other_confidence_would_have_done_better():
    confidences, scores = drawn()
    others = np.random.default_rng(4).random(400)
    made = calibrate(confidences, scores, others)
    reached = np.where([made.trusts(each) for each in confidences], scores, others).mean()
    assert reached >= max(np.where(confidences >= least, scores, others).mean() for least in confidences) - 1e-9


def test_nothing_is_trusted_where_passages_are_always_better():
    confidences, scores = drawn()
    made = calibrate(confidences, scores, np.ones(400))
    assert made.threshold is None and not made.trusts(1.0)


def test_equal_is_not_better():
    assert calibrate(np.linspace(0, 1, 40), np.full(40, 0.5), np.full(40, 0.5)).threshold is None


def test_all_is_trusted_where_passages_are_always_worse():
    made = calibrate(np.linspace(0.2, 1, 40), np.full(40, 0.5), np.zeros(40))
    assert made.trusts(0.2) and made.trusts(1.0)


def test_equal_confidences_share_their_mean():
    made = calibrate([0.5] * 30 + [0.9] * 10, [1.0, 0.0] * 15 + [1.0] * 10, [0.0] * 40)
    assert (made.confidences, made.expected) == ((0.5, 0.9), (0.5, 1.0))


def test_a_question_that_counts_twice_is_as_two():
    confidences, scores = drawn()
    others, counts = np.full(400, 0.36), np.random.default_rng(5).integers(1, 6, 400)
    weighed = calibrate(confidences, scores, others, counts / 7)
    repeated = calibrate(*(np.repeat(each, counts) for each in (confidences, scores, others)))
    assert weighed.confidences == repeated.confidences
    assert weighed.expected == pytest.approx(repeated.expected)
    assert weighed.threshold == pytest.approx(repeated.threshold)
    assert weighed != calibrate(confidences, scores, others)


def test_what_counts_more_decides_what_is_trusted():
    answers = [0.9] * 40, [0.8] * 30 + [0.0] * 10, [0.6] * 30 + [0.5] * 10
    assert calibrate(*answers).trusts(0.9)
    assert calibrate(*answers, [1.0] * 30 + [3.0] * 10).threshold is None


def test_gains_and_losses_that_cancel_out_are_not_better():
    assert calibrate([0.9] * 60, [0.4] * 30 + [0.6] * 30, [0.3] * 30 + [0.7] * 30).threshold is None


def test_too_few_questions_teach_nothing():
    few = MIN_QUESTIONS - 1
    assert calibrate([0.9] * few, [1.0] * few, [0.0] * few).threshold is None
    assert calibrate([], [], []).threshold is None


def test_it_survives_as_json():
    confidences, scores = drawn()
    made = calibrate(confidences, scores, np.full(400, 0.3))
    again = Calibration.model_validate(made.model_dump(mode="json"))
    assert again == made
    assert [again.trusts(each) for each in confidences] == [made.trusts(each) for each in confidences]
