import math

import numpy as np
import pytest
from scipy import stats

from rag.evaluation.significance import POWER, Spread, cautious_interval, look_confidence, paired_interval


def interval(differences, documents, seed=1):
    return paired_interval(differences, documents, 0.95, 4000, seed)


def test_no_difference_has_no_width():
    assert interval([0.0] * 30, [str(i % 5) for i in range(30)]).model_dump() == {"mean": 0, "low": 0, "high": 0}


def test_a_steady_gain_excludes_zero():
    rng = np.random.default_rng(0)
    found = interval((0.2 + rng.normal(0, 0.1, 100)).tolist(), [str(i % 10) for i in range(100)])
    assert 0.15 < found.low < found.mean < found.high < 0.25


def test_a_gain_of_one_document_alone_does_not_exclude_zero():
    differences = [1.0] * 20 + [0.0] * 80
    documents = ["lucky"] * 20 + [f"d{i % 8}" for i in range(80)]
    found = interval(differences, documents)
    assert found.mean == 0.2
    assert found.low <= 0


def test_documents_that_move_together_widen_the_interval():
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(0.1, 0.3, 10), 10)
    together = interval(values.tolist(), [str(i // 10) for i in range(100)])
    apart = interval(values.tolist(), [str(i) for i in range(100)])
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_true_nulls_seldom_exclude_zero():
    rng = np.random.default_rng(4)
    documents = [str(i % 12) for i in range(120)]
    wrong = 0
    for seed in range(200):
        effects = rng.normal(0, 0.1, 12)
        differences = [effects[i % 12] + rng.normal(0, 0.3) for i in range(120)]
        found = paired_interval(differences, documents, 0.95, 500, seed)
        wrong += found.low > 0 or found.high < 0
    assert wrong <= 18  # 5% of 200, and what chance allows


def test_one_document_proves_nothing():
    assert interval([0.5] * 50, ["only"] * 50).low == -1


def test_the_same_seed_gives_the_same_interval():
    differences, documents = [0.1, 0.5, -0.2, 0.3], ["a", "a", "b", "c"]
    assert interval(differences, documents) == interval(differences, documents)


def test_nothing_compared_is_nothing_gained():
    assert interval([], []).mean == 0


def test_a_difference_of_double_weight_counts_as_two():
    differences, documents = [0.4, 0.0, 0.2, 0.1], ["a", "a", "b", "c"]
    doubled = interval([0.4, *differences], ["a", *documents])
    assert paired_interval(differences, documents, 0.95, 4000, 1, weights=[2, 1, 1, 1]) == doubled
    assert paired_interval(differences, documents, 0.95, 4000, 1, weights=[1] * 4) == interval(differences, documents)


def test_further_out_than_the_resamples_reach_the_interval_still_widens():
    rng = np.random.default_rng(6)
    values, documents = rng.normal(0, 0.3, 120).tolist(), [str(i % 15) for i in range(120)]
    wide = [paired_interval(values, documents, 1 - error, 1000, 1) for error in (0.05, 1e-3, 1e-5, 1e-7)]
    assert wide[0].low > wide[1].low > wide[2].low > wide[3].low


def test_rare_differences_leave_the_cautious_interval_no_narrower_than_students():
    """The percentiles know no loss where these questions hold none."""
    values, documents = [0.0] * 18 + [1.0] * 2, [str(i) for i in range(20)]
    drawn, cautious = (of(values, documents, 0.95, 4000, 1) for of in (paired_interval, cautious_interval))
    student = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert cautious.low == pytest.approx(student.low, abs=1e-4)
    assert cautious.low < drawn.low
    assert cautious.high >= drawn.high and cautious.mean == drawn.mean


def test_of_one_document_or_of_none_caution_adds_nothing():
    assert cautious_interval([0.5] * 9, ["only"] * 9, 0.95, 500, 1).low == -1
    assert cautious_interval([], [], 0.95, 500, 1).mean == 0


@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_documents_that_moved_alike_prove_nothing(n):
    found = cautious_interval([0.1, 0.1] * n, [str(i // 2) for i in range(2 * n)], 0.95, 1000, 1)
    assert found.low < 0 < found.mean < found.high


def test_of_few_documents_true_nulls_seldom_exclude_zero():
    """A question a document moves by one or not at all: means of two were equal, and so proven, in 9% of draws."""
    rng = np.random.default_rng(9)
    for n in (2, 3, 6):
        draws = rng.choice([-1.0, 0.0, 1.0], size=(200, n), p=[0.3, 0.4, 0.3]).tolist()
        lows = [cautious_interval(values, [str(i) for i in range(n)], 0.95, 500, 1).low for values in draws]
        assert np.mean(np.array(lows) > 0) <= 0.05, n


def test_one_more_document_that_did_not_change_costs_nothing_where_there_are_many():
    values, documents = np.random.default_rng(3).normal(0.05, 0.3, 400).tolist(), [str(i % 40) for i in range(400)]
    assert Spread.cautious(values, documents) == Spread.of(values, documents)


def test_the_first_look_is_a_single_comparison_and_all_looks_spend_what_one_may():
    assert look_confidence(0.95, 0) == pytest.approx(0.95)
    errors = [(1 - look_confidence(0.95, earlier)) / 2 for earlier in range(100_000)]
    assert errors == sorted(errors, reverse=True)
    assert sum(errors) == pytest.approx(0.05, rel=1e-4)
    assert sum(errors) < 0.05


def test_the_clustered_error_of_documents_of_one_question_is_the_usual_one():
    values = np.random.default_rng(3).normal(0, 1, 40)
    spread = Spread.of(values.tolist(), [str(i) for i in range(40)])
    assert spread.error == pytest.approx(stats.sem(values))
    assert (spread.n_questions, spread.n_documents) == (40, 40)


def test_many_questions_of_one_document_are_worth_little_more_than_few():
    even = Spread.of([0.1, -0.1] * 50, [str(i % 20) for i in range(100)])
    uneven = Spread.of([0.1, -0.1] * 50, ["large"] * 81 + [str(i) for i in range(19)])
    assert even.freedom == pytest.approx(19)
    assert uneven.freedom < 1 and uneven.n_documents == 20
    values = np.random.default_rng(1).normal(0.1, 0.2, 100).tolist()
    assert cautious_interval(values, ["large"] * 81 + [str(i) for i in range(19)], 0.95, 1000, 1).low == -1


def test_nothing_is_known_of_the_spread_between_documents_if_there_is_one():
    assert Spread.of([0.1, 0.2], ["a", "a"]).error == math.inf
    assert Spread.of([0.1, 0.2], ["a", "a"]).detectable(0.95) == math.inf


def test_what_is_said_to_be_found_is_found_as_often():
    """Of 300 simulated sets with the gain that such questions are said to show, the share that shows it."""
    rng, documents = np.random.default_rng(5), [str(i % 40) for i in range(120)]

    def differences(gain):
        return (gain + rng.normal(0, 0.05, 40)[np.arange(120) % 40] + rng.normal(0, 0.3, 120)).tolist()

    gain = float(np.mean([Spread.of(differences(0), documents).detectable(0.95) for _ in range(50)]))
    found = np.mean([paired_interval(differences(gain), documents, 0.95, 500, seed).low > 0 for seed in range(300)])
    assert abs(found - POWER) < 0.08


def test_half_the_gain_takes_four_times_the_questions():
    spread = Spread.of([0.3, -0.2, 0.1, 0.0, 0.2, -0.1], list("abcdef"))
    assert spread.questions_for(0.05, 0.95) == pytest.approx(4 * spread.questions_for(0.1, 0.95))
    assert spread.questions_for(spread.detectable(0.95), 0.95) == pytest.approx(6)


def three_kinds(documents, gain, rng):
    """A hundred questions a kind; of the first kind the documents say more, and the last is all of one document."""
    own = rng.integers(0, documents, 200)
    about = rng.normal(0, 0.1, documents)[own] + rng.normal(0, 0.3, 200) + np.repeat([gain, 0.0], 100)
    values = [*about, *rng.normal(0, 0.3, 100)]
    return np.clip(values, -1, 1).tolist(), [*map(str, own), *["none"] * 100], ["a"] * 100 + ["b"] * 100 + ["c"] * 100


def test_a_kind_that_is_all_of_one_document_hides_no_gain_of_the_others():
    rng, found = np.random.default_rng(2), {True: 0, False: 0}
    for _ in range(60):
        values, documents, kinds = three_kinds(12, 0.4, rng)
        for told in found:
            interval = cautious_interval(values, documents, 0.95, 500, 1, [1.0] * 300, kinds if told else None)
            found[told] += interval.low > 0
    assert found[True] >= 48 > 30 > found[False]


def test_with_kinds_of_their_own_equals_are_seldom_called_better():
    rng, promoted = np.random.default_rng(4), 0
    for _ in range(200):
        values, documents, kinds = three_kinds(4, 0.0, rng)
        promoted += cautious_interval(values, documents, 0.95, 500, 1, [1.0] * 300, kinds).low > 0
    assert promoted <= 10


def test_two_documents_that_moved_alike_in_each_kind_prove_nothing():
    kinds, documents = ["a", "a", "b", "b"] * 5, ["1", "2"] * 10
    values = [0.3 if kind == "a" else 0.1 for kind in kinds]
    assert cautious_interval(values, documents, 0.95, 1000, 1, [1.0] * 20, kinds).low < 0
