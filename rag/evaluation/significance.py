"""How sure a paired difference is, over several looks as well, and how many questions would tell."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import stats

POWER = 0.8
"""How often a gain is to be found that is there."""
_RESAMPLES_BEYOND = 20
"""So many make a percentile."""


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
    (Hesterberg 2015, 4.3); those too far out for the resamples are taken from further in, and grow as t does. One
    document tells nothing of others: its interval is all there is, -1 to 1.

    :param weights: what each difference counts; all the same unless given.
    """
    if not differences:
        return Interval(mean=0.0, low=0.0, high=0.0)
    sums, sizes = _by_document(differences, documents, weights)
    n, mean = len(sums), float(sums.sum() / sizes.sum())
    if n == 1:
        return Interval(mean=round(mean, 4), low=-1.0, high=1.0)
    rng = np.random.default_rng(seed)
    chosen = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    means = (chosen @ sums) / (chosen @ sizes)
    tail = (1 - confidence) / 2
    wanted, reached = stats.t.ppf([tail, max(tail, _RESAMPLES_BEYOND / resamples)], n - 1)
    share = stats.norm.cdf(np.sqrt(n / (n - 1)) * reached)
    low, high = mean + (np.quantile(means, [share, 1 - share]) - mean) * wanted / reached
    return Interval(mean=round(mean, 4), low=round(float(low), 4), high=round(float(high), 4))


def cautious_interval(
    differences: Sequence[float],
    documents: Sequence[str],
    confidence: float,
    resamples: int,
    seed: int,
    weights: Sequence[float] | None = None,
    kinds: Sequence[str] | None = None,
) -> Interval:
    """Return `paired_interval`, no narrower than Student's t by document makes it, with the error of `Spread.cautious`.

    Where few questions differ, percentiles alone miss the rare loss that these questions happen not to hold; where a
    few documents hold most of the questions, they are too narrow.

    :param weights: what each difference counts; all the same unless given.
    :param kinds: what kind each is of, where the weights fix what a kind counts. What kinds differ by is no chance,
        and one that is all of one document does not widen the interval beyond any use.
    """
    drawn = paired_interval(differences, documents, confidence, resamples, seed, weights)
    spread = Spread.cautious(_within(differences, kinds, weights) if kinds else differences, documents, weights)
    if spread.n_documents < 2:
        return drawn
    margin = spread.error * spread.quantile((1 + confidence) / 2)
    low, high = (round(min(max(drawn.mean + side, -1), 1), 4) for side in (-margin, margin))
    return Interval(mean=drawn.mean, low=min(low, drawn.low), high=max(high, drawn.high))


def look_confidence(confidence: float, earlier_looks: int) -> float:
    """Return the confidence of one look's interval, so that all looks together err as seldom as one is meant to.

    The j-th look may call a candidate better by mistake with probability (1 - confidence) / (j (j + 1)), which sums to
    1 - confidence over however many looks: Bonferroni with weights that decay (alpha spending, Foster and Stine 2008).
    Nothing is assumed of the candidates, which may be made in the light of earlier verdicts. The first look has half of
    it all: the upper half of the two-sided interval that a single comparison has.
    """
    look = earlier_looks + 1
    return 1 - 2 * (1 - confidence) / (look * (look + 1))


class Spread(NamedTuple):
    """What paired differences vary by, as far as these questions tell."""

    error: float
    """Standard error of their mean, left out document by document (MacKinnon, Nielsen and Webb 2023)."""
    freedom: float
    """Degrees of freedom: one less than so many documents of one size as these are worth (Kish 1965)."""
    n_questions: int
    n_documents: int

    @classmethod
    def of(
        cls, differences: Sequence[float], documents: Sequence[str], weights: Sequence[float] | None = None
    ) -> "Spread":
        """Return the spread of paired differences, by document; infinite for fewer than two."""
        sums, sizes = _by_document(differences, documents, weights)
        n, total = len(sums), sizes.sum()
        if n < 2:
            return cls(math.inf, 0.0, len(differences), n)
        return cls(_error(sums, sizes), float(total**2 / (sizes**2).sum()) - 1, len(differences), n)

    @classmethod
    def cautious(
        cls, differences: Sequence[float], documents: Sequence[str], weights: Sequence[float] | None = None
    ) -> "Spread":
        """Return the spread of paired differences, no smaller than with one more document that did not change.

        Two or three that moved alike leave no error, and would prove what so few cannot. Among many, it adds nothing.
        """
        spread = cls.of(differences, documents, weights)
        if spread.n_documents < 2:
            return spread
        sums, sizes = _by_document(differences, documents, weights)
        with_still = _error(np.append(sums, 0.0), np.append(sizes, sizes.mean()))
        return spread._replace(error=max(spread.error, with_still))

    def quantile(self, probability: float) -> float:
        """Return the quantile of Student's t, in standard errors."""
        return float(stats.t.ppf(probability, self.freedom))

    def detectable(self, confidence: float) -> float:
        """Return the true gain that an interval over questions like these shows with probability POWER."""
        if self.n_documents < 2:
            return math.inf
        return self.error * (self.quantile((1 + confidence) / 2) + self.quantile(POWER))

    def questions_for(self, gain: float, confidence: float) -> float:
        """Return how many questions, of as many each document, show a true gain above 0 with probability POWER."""
        return self.n_questions * (self.detectable(confidence) / gain) ** 2


def _error(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """Return the standard error of the mean over documents, each left out in turn."""
    n, without = len(sums), (sums.sum() - sums) / (sizes.sum() - sizes)
    return math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))


def _within(differences: Sequence[float], kinds: Sequence[str], weights: Sequence[float] | None) -> list[float]:
    """Return the differences as if each kind had the mean of all."""
    values = np.asarray(differences, dtype=np.float64)
    _, kind = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)
    means = np.bincount(kind, weights=values) / np.bincount(kind)
    return [float(each) for each in values - means[kind] + np.average(values, weights=weights)]


def _by_document(
    differences: Sequence[float], documents: Sequence[str], weights: Sequence[float] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weighted sum of the differences of each document, and the sum of their weights."""
    values = np.asarray(differences, dtype=np.float64)
    counts = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    _, owner = np.unique(np.asarray(documents, dtype=str), return_inverse=True)
    sums, sizes = (np.bincount(owner, weights=each).astype(np.float64) for each in (values * counts, counts))
    return sums, sizes
