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
