import math

import numpy as np
import pytest

from rag.experiments.sequence import Scores, first_refusal, gain_scores, log_capital, lower_bound
from tests.rag.experiments.thumbs import at_most, draw_users

EXPERIMENTS, USERS = 300, 1500


def wins(scores, error=0.025):
    """How many experiments end in a winner, either one, when looked at after every user."""
    n = scores.gain.shape[-1]
    either = (first_refusal(scores, 0.0, error) <= n) | (first_refusal(scores.reversed(), 0.0, error) <= n)
    return int(either.sum())


@pytest.mark.parametrize("chance", [0.5, 0.1])
def test_at_most_5_percent_of_null_experiments_ever_end_in_a_winner(chance):
    scores = gain_scores(*draw_users(np.random.default_rng(1), EXPERIMENTS, USERS, chance=chance))
    assert wins(scores) <= at_most(0.05, EXPERIMENTS)


def test_outcomes_that_drift_for_everybody_make_no_winner():
    drift = np.linspace(0.2, 0.9, USERS)
    chances = np.linspace(0.1, 0.6, USERS)  # ramped up while outcomes rise: a plain difference of means would be fooled
    treated, _, outcome = users = draw_users(np.random.default_rng(2), EXPERIMENTS, USERS, chance=chances, mean=drift)
    assert wins(gain_scores(*users)) <= at_most(0.05, EXPERIMENTS)
    plain = [row[who].mean() - row[~who].mean() for row, who in zip(outcome, treated, strict=True)]
    assert np.mean(plain) > 0.05


def test_answers_taken_for_users_would_make_false_winners():
    rng = np.random.default_rng(3)
    treated = np.repeat(rng.random((EXPERIMENTS, 300)) < 0.5, 10, axis=1)
    kind = np.repeat(rng.random((EXPERIMENTS, 300)) < 0.5, 10, axis=1).astype(float)
    assert wins(gain_scores(treated, 0.5, kind)) > at_most(0.05, EXPERIMENTS)
    assert wins(gain_scores(treated[:, ::10], 0.5, kind[:, ::10])) <= at_most(0.05, EXPERIMENTS)


def test_a_gain_of_10_points_is_found():
    scores = gain_scores(*draw_users(np.random.default_rng(4), 100, USERS, gain=0.1))
    assert (first_refusal(scores, 0.0, 0.025) <= USERS).mean() > 0.8
    assert (first_refusal(scores.reversed(), 0.0, 0.025) <= USERS).mean() < 0.05


def test_the_true_gain_stays_within_the_bounds_at_all_times():
    scores = gain_scores(*draw_users(np.random.default_rng(5), EXPERIMENTS, USERS, gain=0.05))
    above = first_refusal(scores, 0.05, 0.025) <= USERS
    below = first_refusal(scores.reversed(), -0.05, 0.025) <= USERS
    assert (above | below).sum() <= at_most(0.05, EXPERIMENTS)


def test_scores_are_unbiased_and_keep_to_their_bounds():
    scores = gain_scores(*draw_users(np.random.default_rng(6), 200, 500, gain=0.08, chance=0.2))
    error = scores.gain.std() / math.sqrt(scores.gain.size)
    assert abs(scores.gain.mean() - 0.08) < 4 * error
    rounding = 1e-12
    assert (scores.gain >= -scores.below - rounding).all() and (scores.gain <= scores.above + rounding).all()
    assert scores.below.min() >= 1 and scores.above.min() >= 1


def test_what_is_expected_of_a_user_does_not_know_the_user():
    treated = np.array([True, False, True])
    one = gain_scores(treated, 0.5, np.array([1.0, 0.0, 0.0]))
    other = gain_scores(treated, 0.5, np.array([1.0, 0.0, 1.0]))
    assert np.array_equal(one.below, other.below) and np.array_equal(one.above, other.above)


def test_a_bet_is_fair_or_worse_on_the_average():
    two = Scores(np.array([[1.5], [-1.5]]), np.full((2, 1), 1.5), np.full((2, 1), 1.5))
    assert np.exp(log_capital(two, 0.0)).mean() == pytest.approx(1)
    assert np.exp(log_capital(two, 0.2)).mean() < 1


def test_larger_claims_earn_less_at_every_moment():
    users = draw_users(np.random.default_rng(7), 5, 400, gain=0.2)
    capital = [log_capital(gain_scores(*users), claim) for claim in (-0.9, -0.3, 0.0, 0.1, 0.8)]
    assert all((more >= less).all() for more, less in zip(capital, capital[1:], strict=False))


def test_the_bound_tells_what_the_refusals_tell():
    treated, chance, outcome = draw_users(np.random.default_rng(8), 1, 800, gain=0.2)
    scores = gain_scores(treated[0], chance, outcome[0])
    low, high = lower_bound(scores, 0.025), -lower_bound(scores.reversed(), 0.025)
    assert low < 0.2 < high
    assert first_refusal(scores, low, 0.025) <= 800 < first_refusal(scores, low + 1e-3, 0.025)


def test_the_worst_luck_costs_no_more_than_all_and_the_capital_stays_a_number():
    n = 50_000
    scores = gain_scores(np.arange(n) % 2 == 0, 0.5, (np.arange(n) % 2 == 1).astype(float))
    assert np.isfinite(log_capital(scores, 0.0)).all()
    assert -lower_bound(scores.reversed(), 0.025) < -0.95


def test_no_users_prove_nothing():
    scores = gain_scores(np.array([], dtype=bool), 0.5, np.array([]))
    assert lower_bound(scores, 0.025) == -1
    assert first_refusal(scores, 0.0, 0.025) == 1


def test_outcomes_and_chances_out_of_range_are_refused():
    with pytest.raises(ValueError, match="outcomes must lie in 0 to 1"):
        gain_scores(np.array([True]), 0.5, np.array([4.0]))
    with pytest.raises(ValueError, match="chance"):
        gain_scores(np.array([True]), 1.0, np.array([1.0]))
