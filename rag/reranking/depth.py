"""How many of the best chunks are re-scored: as many as a time budget allows on this machine."""

import logging
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rag.reranking.reranker import Reranker

logger = logging.getLogger(__name__)


class DepthChoice(BaseModel):
    """A depth and the times that led to it."""

    model_config = ConfigDict(frozen=True)

    depth: int
    """0 if none fits: then nothing is re-scored."""
    p95_ms: dict[int, float]
    """For each depth that was tried, the time that 95% of the questions stay under."""


def choose_depth(
    reranker: Reranker,
    questions: Sequence[tuple[str, NDArray[np.int64]]],
    depths: Sequence[int],
    budget_ms: float,
) -> DepthChoice:
    """Return the largest of `depths` at which 95% of the questions, each with its best chunks, stay within the budget.

    It is the smallest where there is no question to time. It depends on the machine and the moment, so a caller records
    it and does not choose again.
    """
    depth, p95_ms = 0, {}
    if not questions:
        return DepthChoice(depth=min(depths), p95_ms={})
    reranker.scores(questions[0][0], questions[0][1][: min(depths)])  # the first call warms up
    for tried in sorted(depths):
        times_ms = [_time_ms(reranker, question, chunks[:tried]) for question, chunks in questions]
        p95_ms[tried] = round(float(np.percentile(times_ms, 95)), 2)
        if p95_ms[tried] > budget_ms:
            logger.info("re-ranking %d chunks takes %g ms, over the budget of %g ms", tried, p95_ms[tried], budget_ms)
            break
        depth = tried
    if not depth:
        logger.warning("nothing will be re-scored: not even %d chunks fit reranking.budget_ms here", min(depths))
    return DepthChoice(depth=depth, p95_ms=p95_ms)


def _time_ms(reranker: Reranker, question: str, chunks: NDArray[np.int64]) -> float:
    begun = time.perf_counter()
    reranker.scores(question, chunks)
    return (time.perf_counter() - begun) * 1000
