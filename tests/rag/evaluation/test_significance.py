import numpy as np

from rag.evaluation.significance import paired_interval


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
