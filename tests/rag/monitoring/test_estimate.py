import numpy as np
import pytest
from scipy import stats

from rag.monitoring.estimate import estimated


def names(n):
    return [f"p{i}" for i in range(n)]


def test_two_are_no_fact():
    found = estimated([1.0, 1.0], names(2), 0.95)
    assert (found.value, found.n) == (1.0, 2)
    assert found.low < 0.4 and found.high == 1.0


def test_of_people_who_judge_once_it_holds_wilsons_interval_and_students():
    found = estimated([1.0] * 80 + [0.0] * 20, names(100), 0.95)
    wilson = stats.binomtest(80, 100).proportion_ci(0.95, method="wilson")
    margin = stats.t.ppf(0.975, 99) * np.std([1.0] * 80 + [0.0] * 20, ddof=1) / 10
    assert found.low == pytest.approx(min(wilson.low, 0.8 - margin), abs=1e-3)
    assert found.high == pytest.approx(max(wilson.high, 0.8 + margin), abs=1e-3)


def test_what_few_people_said_often_tells_less():
    values = [1.0] * 50 + [0.0] * 10
    many = estimated(values, names(60), 0.95)
    few = estimated(values, [f"p{i // 10}" for i in range(60)], 0.95)
    assert few.low < many.low and few.high >= many.high


@pytest.mark.parametrize("said", [[0.0] * 60, [0.0] * 59 + [1.0]])
def test_few_who_agree_in_all_they_say_are_no_proof(said):
    """However often each judged, two or five people are no more than that."""
    two, five, sixty = (estimated(said, [f"p{i % n}" for i in range(60)], 0.95) for n in (2, 5, 60))
    assert (two.low, two.high) == (0.0, 1.0)
    assert 0.3 < five.high < 0.6
    assert sixty.high < 0.1


def test_who_agrees_is_proof_once_they_are_many():
    """Twenty people, thirty thumbs up each, at the confidence of an alert."""
    found = estimated([1.0] * 600, [f"p{i % 20}" for i in range(600)], 0.99)
    assert 0.8 < found.low < 0.9 and found.high == 1.0


def test_one_person_says_nothing_of_others():
    found = estimated([5.0] * 30, ["p"] * 30, 0.95, bounds=(1.0, 5.0))
    assert (found.value, found.low, found.high) == (5.0, 1.0, 5.0)


def test_without_any_there_is_none():
    assert estimated([], [], 0.95) is None


def test_it_holds_the_truth_as_often_as_it_says():
    """Over people with a taste of their own, whose ratings are no coin flips."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        people = rng.integers(20, size=60)
        taste = rng.normal(3.5, 0.5, 20)
        ratings = np.clip(taste[people] + rng.normal(0, 0.4, 60), 1, 5)
        found = estimated(ratings.tolist(), [str(p) for p in people], 0.95, bounds=(1.0, 5.0))
        held += found.low <= 3.5 <= found.high
    assert held >= 186
