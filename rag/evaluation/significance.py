"""How sure a paired difference is."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats


class Interval(BaseModel):
    """A mean difference and the interval that its resampling leaves."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_interval(
    differences: Sequence[float],
    documents: Sequence[str],
    confidence: float,
    resamples: int,
    seed: int,
    weights: Sequence[float] | None = None,
) -> Interval:
    """Return the interval of the mean paired difference (each within -1 to 1), resampled by document.

    Questions of one document stand or fall together, so whole documents are drawn (the cluster bootstrap, Davison and
    Hinkley 1997, 3.8). Its percentiles are too narrow when documents are few and are expanded by Student's t over them
    (Hesterberg 2015, 4.3). One document tells nothing of others: its interval is all there is, -1 to 1.

    :param weights: what each difference counts; all the same unless given.
    """
    if not differences:
        return Interval(mean=0.0, low=0.0, high=0.0)
    values = np.asarray(differences, dtype=np.float64)
    counts = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    names, owner = np.unique(np.asarray(documents), return_inverse=True)
    n = len(names)
    mean = round(float(np.average(values, weights=counts)), 4)
    if n == 1:
        return Interval(mean=mean, low=-1.0, high=1.0)
    sums, sizes = np.bincount(owner, weights=values * counts), np.bincount(owner, weights=counts)
    rng = np.random.default_rng(seed)
    chosen = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    means = (chosen @ sums) / (chosen @ sizes)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - confidence) / 2, n - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean=mean, low=round(float(low), 4), high=round(float(high), 4))
