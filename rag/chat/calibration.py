"""How far a chat model's confidence can be trusted: learned on questions that it was not taught."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.optimize import isotonic_regression

MIN_QUESTIONS = 20
"""From fewer nothing is learned."""


class Calibration(BaseModel):
    """What an answer is worth by the confidence in it, and when it is given instead of one from passages."""

    model_config = ConfigDict(frozen=True)

    confidences: tuple[float, ...]
    """Rising, from 0 to 1."""
    expected: tuple[float, ...]
    """Token F1 of the answers at each, where one that is made up counts 0; never falling."""
    threshold: float | None
    """That expected token F1 from which the chat model is trusted; None if it never is."""

    def expects(self, confidence: float) -> float:
        """Return what to expect of an answer."""
        return float(np.interp(confidence, self.confidences, self.expected))

    def trusts(self, confidence: float) -> bool:
        """Say whether an answer is to be given."""
        return self.threshold is not None and self.expects(confidence) >= self.threshold


def calibrate(
    confidences: Sequence[float],
    scores: Sequence[float],
    others: Sequence[float],
    weights: Sequence[float] | None = None,
) -> Calibration:
    """Learn from validation questions what confidence is worth, by isotonic regression (Zadrozny and Elkan 2002).

    Trusted is what leaves the best mean score over the questions if all else is answered from passages; nothing is if
    that never beats passages alone, or there are too few questions to tell.

    :param confidences: from 0 to 1, of the chat model's answers.
    :param scores: what these are worth, from 0 to 1.
    :param others: what the answers from passages to the same questions are worth.
    :param weights: what each question counts; all the same unless given.
    """
    if len(confidences) < MIN_QUESTIONS:
        return Calibration(confidences=(0.0, 1.0), expected=(0.0, 0.0), threshold=None)
    ours, theirs = np.asarray(scores, dtype=np.float64), np.asarray(others, dtype=np.float64)
    counts = np.ones(len(ours)) if weights is None else np.asarray(weights, dtype=np.float64)
    known, place = np.unique(np.asarray(confidences), return_inverse=True)
    totals = np.bincount(place, weights=counts)
    fitted = isotonic_regression(np.bincount(place, weights=ours * counts) / totals, weights=totals)
    ends = np.unique([fitted.blocks[:-1], fitted.blocks[1:] - 1])  # of each level stretch; between two it is a line
    curve = Calibration(confidences=tuple(known[ends]), expected=tuple(fitted.x[ends]), threshold=None)
    worth = np.array([curve.expects(each) for each in confidences])
    each_gain = (ours - theirs) * counts
    # Rounded, since gains and losses that cancel out leave a remainder.
    gains = {float(least): round(float(each_gain[worth >= least].sum()), 9) for least in np.unique(worth)}
    best = max(gains, key=lambda least: (gains[least], least))
    return curve.model_copy(update={"threshold": best if gains[best] > 0 else None})
