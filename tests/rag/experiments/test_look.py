import numpy as np
import pytest
from pydantic import ValidationError

from rag.config import ExperimentConfig, GuardRail
from rag.errors import ConfigError
from rag.experiments.look import Finding, look
from rag.experiments.users import Users
from tests.rag.experiments.thumbs import at_most, draw_users

CONFIG = ExperimentConfig(guard_rails=())
ERRORS = ExperimentConfig(guard_rails=(GuardRail(metric="error", max_rise=0.01),))


def users(seed, n, gain=0.0, mean=0.7):
    treated, chance, outcome = draw_users(np.random.default_rng(seed), 1, n, gain=gain, mean=mean)
    return Users(treated[0], np.full(n, chance), outcome[0])


def test_a_better_variant_wins():
    seen = look(users(1, 3000, gain=0.15), {}, CONFIG)
    assert seen.finding is Finding.WINNER
    assert 0 < seen.gain.low <= seen.gain.mean <= seen.gain.high
    assert seen.reason.startswith("winner: better than the control, gain +0.")


def test_a_worse_variant_does_not():
    config = ExperimentConfig(guard_rails=(), min_effect=0)
    seen = look(users(2, 3000, gain=-0.15), {}, config)
    assert seen.finding is Finding.LOSER
    assert seen.gain.high <= 0


def test_a_gain_proven_too_small_ends_the_experiment():
    config = ExperimentConfig(guard_rails=(), min_effect=0.1)
    seen = look(users(3, 4000), {}, config)
    assert seen.finding is Finding.FUTILE
    assert seen.gain.high <= 0.1
    assert "no gain of 0.1 or more" in seen.reason


def silent_when_unhappy(seed, n, says=0.3, unhappy_says=0.1):
    """Return the users who say something, and all: of a variant that is 5 points worse, of whose users fewer do."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < 0.5
    outcome = (rng.random(n) < np.where(treated, 0.65, 0.7)).astype(float)
    said = rng.random(n) < np.where(treated & (outcome == 0), unhappy_says, says)
    chance = np.full(n, 0.5)
    known = Users(treated[said], chance[said], outcome[said])
    return known, [Users(treated, chance, np.where(said, outcome, silence)) for silence in (0.0, 1.0)]


@pytest.mark.parametrize("seed", range(5))
def test_a_worse_variant_does_not_win_because_the_unhappy_say_less(seed):
    known, bounds = silent_when_unhappy(seed, 8000)
    assert look(known, {}, CONFIG).finding is Finding.WINNER
    seen = look(known, {}, CONFIG, bounds=bounds)
    assert seen.finding is Finding.GO_ON
    assert seen.reason.startswith("go on: better among those of whom something is known, not proven whatever is true")
    assert seen.n_control + seen.n_variant == known.outcome.size
    assert seen.asked_control + seen.asked_variant == 8000


def test_a_better_variant_wins_though_most_say_nothing():
    everybody = users(14, 8000, gain=0.15)
    said = np.random.default_rng(114).random(8000) < 0.3
    known = Users(*(each[said] for each in everybody))
    bounds = [everybody._replace(outcome=np.where(said, everybody.outcome, silence)) for silence in (0.0, 1.0)]
    assert look(known, {}, CONFIG, bounds=bounds).finding is Finding.WINNER


def test_an_estimate_is_not_moved_into_its_interval():
    """Of a gain that was there, and of a rise that was, and are no more."""
    before, after = users(15, 2000, gain=0.25), users(16, 20_000, gain=-0.05)
    both = Users(*(np.concatenate(each) for each in zip(before, after, strict=True)))
    rise = look(users(4, 30), {"error": both}, ERRORS).rises["error"]
    assert rise.mean < rise.low


def test_few_users_prove_nothing():
    seen = look(users(4, 30, gain=0.1), {}, CONFIG)
    assert seen.finding is Finding.GO_ON
    assert seen.n_control + seen.n_variant == 30


def test_before_the_first_user_all_is_open():
    seen = look(users(4, 0), {"error": users(4, 0)}, ERRORS)
    assert seen.finding is Finding.GO_ON
    assert (seen.gain.low, seen.gain.high, seen.mean_variant) == (-1, 1, None)


def test_a_finding_stays_whatever_comes_after():
    better, worse = users(5, 2000, gain=0.15), users(6, 4000, gain=-0.15)
    after = Users(*(np.concatenate(each) for each in zip(better, worse, strict=True)))
    found = look(better, {}, CONFIG)
    assert look(after, {}, CONFIG) == found
    assert look(better.first(found.n_control + found.n_variant - 1), {}, CONFIG).finding is Finding.GO_ON


def test_the_interval_of_a_growing_stream_only_narrows():
    all_users = users(7, 2000)
    looks = [look(all_users.first(n), {}, CONFIG).gain for n in range(100, 2001, 100)]
    for before, after in zip(looks, looks[1:], strict=False):
        assert before.low <= after.low and after.high <= before.high


def test_a_variant_that_errs_is_stopped_even_if_it_wins():
    seen = look(users(8, 3000, gain=0.15), {"error": users(9, 3000, gain=0.1, mean=0.01)}, ERRORS)
    assert seen.finding is Finding.HARMFUL
    assert "error rose by more than" in seen.reason
    assert seen.rises["error"].low > 0.01


def test_a_variant_that_errs_less_is_not_stopped():
    seen = look(users(10, 500), {"error": users(11, 3000, gain=-0.1, mean=0.2)}, ERRORS)
    assert seen.finding is Finding.GO_ON


def test_guard_rails_seldom_stop_a_variant_that_keeps_to_them():
    rails = ("error", "refused", "slow")
    config = ExperimentConfig(guard_rails=tuple(GuardRail(metric=rail, max_rise=0) for rail in rails))
    stopped = 0
    for run in range(60):
        measured = {rail: users(1000 + 3 * run + i, 400, mean=0.1) for i, rail in enumerate(rails)}
        stopped += look(users(run, 400), measured, config).finding is Finding.HARMFUL
    assert stopped <= at_most(0.05, 60)


def test_with_more_variants_more_must_be_shown():
    all_users = users(12, 800, gain=0.05)
    alone, among = (look(all_users, {}, CONFIG, variants=k).gain for k in (1, 5))
    assert among.low < alone.low and alone.high < among.high


def test_a_guard_rail_must_be_measured():
    with pytest.raises(ConfigError, match="guard rail error is not measured: measure it"):
        look(users(13, 10), {}, ERRORS)


def test_a_guard_rail_is_named_once():
    with pytest.raises(ValidationError, match="names a metric twice"):
        ExperimentConfig(guard_rails=(GuardRail(metric="error"), GuardRail(metric="error")))
