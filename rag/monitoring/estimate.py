"""A mean of what people did, with the interval that so few leave."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from rag.evaluation.significance import Spread


class Estimate(BaseModel):
    """A mean, its interval, and of how many."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] of {self.n}"


def estimated(
    values: Sequence[float], people: Sequence[str], confidence: float, bounds: tuple[float, float] = (0.0, 1.0)
) -> Estimate | None:
    """Return the mean of values within bounds, with its interval; None without any.

    The interval holds Wilson's (1927) for so many independent values, which for others than 0 and 1 is no narrower than
    it need be, and Student's t over people, whose own values are alike; there, each end is no nearer than if one more
    person were of that end (`Spread.cautious`), as a few who agree are no proof. Of one person, who says nothing of
    others, it is all there is.
    """
    if not values:
        return None
    bottom, width = bounds[0], bounds[1] - bounds[0]
    scaled = (np.asarray(values, dtype=np.float64) - bottom) / width
    mean = float(scaled.mean())
    low, high = _wilson(mean, len(scaled), confidence)
    to_bottom, to_top = (Spread.cautious((scaled - end).tolist(), people) for end in (0, 1))
    if to_bottom.n_documents < 2:
        low, high = 0.0, 1.0
    else:
        errors = to_bottom.quantile((1 + confidence) / 2)
        low, high = min(low, mean - errors * to_bottom.error), max(high, mean + errors * to_top.error)
    ends = (mean, max(low, 0.0), min(high, 1.0))
    value, low, high = (round(bottom + width * end, 4) for end in ends)
    return Estimate(value=value, low=low, high=high, n=len(scaled))


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre, room = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - room) / (1 + z * z / n), (centre + room) / (1 + z * z / n)
