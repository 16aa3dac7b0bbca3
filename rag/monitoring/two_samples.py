"""Whether two samples are of one distribution, told by permutations.

Blocks, not answers, change places: what one person asks is alike, and taken for independent it looks like drift. A
p-value is the share of the permutations that lie as far apart as what was seen (Pesarin and Salmaso 2010). Blocks are
not of one size, so permutations differ in how much is recent, and by that in how far apart chance leaves them: each is
ranked by how far it lies apart for its sizes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import binom

from rag.embedding.vectors import Vectors

RISE = 4
"""Times as often as before that a new topic is asked about."""
_NEAREST = 10
"""Questions of other blocks that tell whether what lies around one is new."""
_SAME = 1e-7
"""Statistics that differ by less differ by rounding."""
_MEDIAN_OF = 500
"""Vectors, at most, that the kernel's width is taken from."""


class Difference(NamedTuple):
    """How far two samples lie apart."""

    statistic: float
    p_value: float


class NewTopics(NamedTuple):
    """What is asked about far more than before, told by topics or by what lies around each question."""

    share: float
    """Of what is recent."""
    by_chance: float
    """The same, in the mean of the permutations."""
    p_value: float
    questions: NDArray[np.bool_]
    """Which of all questions are recent and new."""


class Shuffle:
    """The permutations of which blocks are recent, each within its stratum."""

    def __init__(
        self, recent: Sequence[bool], blocks: Sequence[str], strata: Sequence[str], permutations: int, seed: int
    ) -> None:
        """Draw them.

        :param blocks: of each answer; one block lies in one window and one stratum.
        :param strata: of each answer; a person of both windows is one, whose own blocks are compared with each other.
        """
        _, first, owner = np.unique(np.asarray(blocks, dtype=str), return_index=True, return_inverse=True)
        own = np.asarray(recent, dtype=bool)[first]
        stratum = np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1][first]
        drawn = np.argsort(stratum + np.random.default_rng(seed).random((permutations, len(own))), axis=1)
        labels = np.empty((1 + permutations, len(own)), dtype=np.float32)
        labels[0] = own
        # Both orders go stratum by stratum, so each keeps as many recent blocks as it has.
        np.put_along_axis(labels[1:], drawn, own[np.argsort(stratum, kind="stable")][None].astype(np.float32), axis=1)
        self.labels: NDArray[np.float32] = labels[:, owner]
        """(1 + permutations, n_answers): 1 for recent; the first row is what is."""
        self.owner: NDArray[np.int64] = owner
        """(n_answers,): the block of each."""

    def sizes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how many are recent and how many are not; two at least, so that one left alone does no harm."""
        n = self.labels.sum(axis=1, dtype=np.float64)
        return np.maximum(n, 2), np.maximum(self.labels.shape[1] - n, 2)

    def evenness(self) -> NDArray[np.float64]:
        """Return half the harmonic mean of both sizes, by whose root chance distances shrink."""
        n, m = self.sizes()
        return n * m / (n + m)

    def difference(self, statistics: NDArray[np.floating], ranked_by: NDArray[np.floating]) -> Difference:
        """Return the first of the statistics, and how rare it is by what ranks them (Phipson and Smyth 2010)."""
        return Difference(float(statistics[0]), float((ranked_by >= ranked_by[0] - _SAME).mean()))


def mean_discrepancy(vectors: Vectors, shuffle: Shuffle) -> Difference:
    """Return the squared maximum mean discrepancy of recent vectors to the others, float32 (n, dim).

    The unbiased estimate under a Gaussian kernel (Gretton et al. 2012), a quarter as wide as the median distance: of
    shifts to new articles of covidqa, that finds twice as many as the median itself.
    """
    kernel = _kernel(vectors)
    labels = shuffle.labels
    n, m = shuffle.sizes()
    inner = labels @ kernel
    recent = (inner * labels).sum(axis=1)
    across = inner.sum(axis=1) - recent
    others = kernel.sum() - recent - 2 * across
    distances = recent / (n * (n - 1)) + others / (m * (m - 1)) - 2 * across / (n * m)
    return shuffle.difference(distances, distances * shuffle.evenness())


def largest_gap(values: Sequence[float], shuffle: Shuffle) -> Difference:
    """Return the largest distance between the two distribution functions (Kolmogorov and Smirnov), 0 to 1.

    Of outcomes that are 0 or 1 it is the difference of their shares.
    """
    ordered = np.argsort(values, kind="stable")
    sorted_values, labels = np.asarray(values, dtype=np.float64)[ordered], shuffle.labels[:, ordered]
    last_of_tie = np.append(sorted_values[1:] > sorted_values[:-1], True)
    n, m = shuffle.sizes()
    recent = np.cumsum(labels, axis=1)[:, last_of_tie]
    others = np.flatnonzero(last_of_tie) + 1 - recent
    gaps = np.abs(recent / n[:, None] - others / m[:, None]).max(axis=1)
    return shuffle.difference(gaps, gaps * np.sqrt(shuffle.evenness()))


def on_new_topics(topics: NDArray[np.int64], shuffle: Shuffle) -> NewTopics:
    """Return how much of what is recent is on new topics: asked about `RISE` times as often as before, by two blocks.

    :param topics: of each question, numbered from 0.
    """
    members = np.eye(int(topics.max()) + 1, dtype=np.float32)[topics]
    n_blocks = np.array([len(np.unique(shuffle.owner[topics == topic])) for topic in range(members.shape[1])])
    n, m = shuffle.sizes()
    recent = shuffle.labels @ members
    before = members.sum(axis=0) - recent
    new = (RISE * before / m[:, None] < recent / n[:, None]) & (n_blocks >= 2)
    on_new = (recent * new).sum(axis=1)
    shares = on_new / n
    share, p_value = shuffle.difference(shares, _beyond_chance(on_new, before[0] + recent[0], n_blocks >= 2, n, m))
    return NewTopics(share, float(shares[1:].mean()), p_value, new[0][topics] & (shuffle.labels[0] > 0))


def in_new_surroundings(vectors: Vectors, shuffle: Shuffle) -> NewTopics:
    """Return how much of what is recent is new though spread too thin for topics: by what was asked nearest to it.

    Around a question it is new if of the `_NEAREST` questions of other blocks so many are recent as of a new topic.
    The p-value is that of the mean discrepancy, which is surer of what is little.

    :param vectors: float32 (n, dim), L2-normalized.
    """
    cosines = vectors @ vectors.T
    cosines[shuffle.owner[:, None] == shuffle.owner] = -np.inf
    nearest = np.argpartition(-cosines, min(_NEAREST, len(vectors) - 1), axis=1)[:, :_NEAREST]
    around = np.zeros(cosines.shape, dtype=np.float32)
    np.put_along_axis(around, nearest, 1, axis=1)
    around[np.isneginf(cosines)] = 0
    n, m = shuffle.sizes()
    recent = shuffle.labels @ around.T
    new = RISE * (around.sum(axis=1) - recent) / m[:, None] < recent / n[:, None]
    is_new = new * shuffle.labels
    shares = is_new.sum(axis=1) / n
    return NewTopics(
        float(shares[0]), float(shares[1:].mean()), mean_discrepancy(vectors, shuffle).p_value, is_new[0] > 0
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may each be held against the error of all together (Holm 1979)."""
    n, adjusted, worst = len(p_values), [1.0] * len(p_values), 0.0
    for place, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        worst = max(worst, (n - place) * p_values[i])
        adjusted[i] = min(1.0, worst)
    return adjusted


def _beyond_chance(
    on_new: NDArray[np.float64],
    asked: NDArray[np.float32],
    counted: NDArray[np.bool_],
    n: NDArray[np.float64],
    m: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return by how many standard deviations more questions are on new topics than if n of all were drawn as recent.

    :param asked: how often each topic is asked about.
    """
    size, topics = np.unique(asked[counted], return_counts=True)
    drawn = (n / (n + m))[:, None]
    fewest = np.floor(RISE * size * n[:, None] / (m + RISE * n)[:, None]) + 1  # that make a topic of that size new
    mean = size * drawn * binom.sf(fewest - 2, size - 1, drawn)
    squares = size * (size - 1) * drawn**2 * binom.sf(fewest - 3, np.maximum(size - 2, 0), drawn) + mean
    variance = (squares - mean**2) @ topics
    beyond: NDArray[np.float64] = (on_new - mean @ topics) / np.sqrt(np.maximum(variance, _SAME))
    return beyond


def _kernel(vectors: Vectors) -> NDArray[np.float32]:
    """Return float32 (n, n), 0 on the diagonal: none is compared with itself."""
    lengths = (vectors**2).sum(axis=1)
    distances = np.maximum(lengths[:, None] + lengths[None, :] - 2 * vectors @ vectors.T, 0)
    apart = pdist(vectors[:: max(1, len(vectors) // _MEDIAN_OF)], "sqeuclidean")
    width = float(np.median(apart[apart > 0])) / 4 if (apart > 0).any() else 1.0
    kernel: NDArray[np.float32] = np.exp(-distances / width).astype(np.float32)
    np.fill_diagonal(kernel, 0)
    return kernel
