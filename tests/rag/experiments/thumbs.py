"""Users who rate answers, some kinder than others; several answers each."""

from scipy.stats import binom

MEAN = 0.7


def draw_users(rng, experiments, users, gain=0.0, chance=0.5, mean=MEAN):
    """Return (treated, chance, outcome), each (experiments, users) or a number; the mean may differ by user."""
    treated = rng.random((experiments, users)) < chance
    rate = mean + gain * treated
    kindness = rng.beta(4 * rate, 4 * (1 - rate))
    answers = 1 + rng.poisson(2, (experiments, users))
    return treated, chance, rng.binomial(answers, kindness) / answers


def at_most(share, n):
    """Return a count that a share of n exceeds once in a thousand."""
    return int(binom.ppf(0.999, n, share))
