"""What a growing stream of users proves of a gain, however often it is looked at.

Each user gives an unbiased score of the variant's gain, because the draw of the variant is ours: the doubly robust
pseudo-outcome of Waudby-Smith, Wu, Ramdas and Karampatziakis (2024, "Anytime-valid off-policy inference for contextual
bandits"). It holds for unequal and for changing shares, and when outcomes drift for everybody.

Whether a gain is above a value is a game: a bet on each score, at odds that are fair if the gain is not above it
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting"). Capital then multiplies by
k, ever, with a probability of at most 1/k (Ville 1939). Capital is spread over bets of all sizes and left there
(diversified Kelly betting in that paper; a mixture, Robbins 1970): a gain of 3 points takes half as many users as with
the paper's predictable plug-in bets, one of 10 points as many.
"""

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_BETS = 0.01 * 2.0 ** np.arange(7)
"""Stakes on a score per unit of capital: about gain / variance is best, so these suit gains from 1 to 50 points."""
_CAUTION = 0.5
"""At most this part of capital can be lost on one user."""
_HALVINGS = 16
"""Bounds are found to 2 / 2**16."""

Floats = NDArray[np.float64]


class Scores(NamedTuple):
    """What each user says of the gain, in their order; users along the last axis, experiments along others."""

    gain: Floats
    """(..., n): on average, given all users before, the gain."""
    below: Floats
    """(..., n): no score can be under minus this; known before the user, at least 1."""
    above: Floats
    """(..., n): nor over this."""

    def reversed(self) -> Self:
        """Return the scores of the loss."""
        return type(self)(-self.gain, self.above, self.below)

    def first(self, n: int) -> Self:
        """Return those of the first n users."""
        return type(self)(self.gain[..., :n], self.below[..., :n], self.above[..., :n])


def gain_scores(treated: NDArray[np.bool_], chance: Floats | float, outcome: Floats) -> Scores:
    """Return the scores of the gain in the mean outcome, all arrays of shape (..., n).

    :param treated: whether the user got the variant.
    :param chance: how likely that was, between 0 and 1.
    :param outcome: 0 to 1.
    :raises ValueError: if an outcome or a chance is out of range.
    """
    if outcome.size and not (outcome.min() >= 0 and outcome.max() <= 1):
        raise ValueError("outcomes must lie in 0 to 1: scale them")
    if not np.all((np.asarray(chance) > 0) & (np.asarray(chance) < 1)):
        raise ValueError("the chance of the variant must lie between 0 and 1: leave out users who had no choice")
    seen = np.arange(1, outcome.shape[-1] + 1)
    # What was expected of the user, from those before: less of the outcome's own spread is left in the score.
    expected = (0.5 + np.cumsum(outcome, axis=-1) - outcome) / seen
    # Sums of floats may leave 0 to 1 by their rounding.
    expected = np.clip(expected, 0, 1)
    weight = np.where(treated, 1 / chance, -1 / (1 - chance))
    return Scores(
        gain=weight * (outcome - expected),
        below=np.maximum(expected / chance, (1 - expected) / (1 - chance)),
        above=np.maximum((1 - expected) / chance, expected / (1 - chance)),
    )


def log_capital(scores: Scores, at_most: float) -> Floats:
    """Return the log of what betting against "the gain is at most this" has made of 1, after each user, (..., n).

    The larger the claim, the less is won of it, at every moment: what is refused is an interval.

    :param at_most: above -1.
    """
    margin = scores.gain - at_most
    limit = _CAUTION / (scores.below + at_most)
    capital = np.full(margin.shape, -np.inf)
    for bet in _BETS:
        capital = np.logaddexp(capital, np.cumsum(np.log1p(np.minimum(bet, limit) * margin), axis=-1))
    return capital - math.log(len(_BETS))


def first_refusal(scores: Scores, at_most: float, error: float) -> NDArray[np.int_]:
    """Return how many users it took until "the gain is at most this" was refused, shape (...); n + 1 if it is not.

    If it is true, it is ever refused with a probability of at most `error`.
    """
    refused = log_capital(scores, at_most) >= math.log(1 / error)
    first = np.argmax(refused, axis=-1) + 1 if refused.shape[-1] else np.zeros(refused.shape[:-1], dtype=np.int_)
    return np.where(refused.any(axis=-1), first, refused.shape[-1] + 1)


def lower_bound(scores: Scores, error: float) -> float:
    """Return what the gain is above, -1 to 1, of one experiment: the largest value that was refused up to now.

    The bound of a gain that stays the same is ever wrong with a probability of at most `error`; it never falls.
    """
    low, high = -1.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if first_refusal(scores, middle, error) <= scores.gain.shape[-1]:
            low = middle
        else:
            high = middle
    return low
