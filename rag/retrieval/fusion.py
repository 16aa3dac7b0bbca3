"""Several scores of the same chunks -> one."""

import numpy as np

from rag.retrieval.lexical import Scores


def min_max(scores: Scores) -> Scores:
    """Stretch scores, float32 (n,), to 0..1; all zeros where they do not differ."""
    if scores.size == 0:
        return scores
    low, high = scores.min(), scores.max()
    if high <= low:
        return np.zeros_like(scores)
    return np.asarray((scores - low) / (high - low), dtype=np.float32)


def mix(dense: Scores, lexical: Scores, dense_weight: float) -> Scores:
    """Return the convex combination of two min-max normalized score lists (Bruch et al. 2022)."""
    return np.asarray(dense_weight * min_max(dense) + (1 - dense_weight) * min_max(lexical), dtype=np.float32)


def blend(mixed: Scores, reranked: Scores, rerank_weight: float) -> Scores:
    """Return the convex combination of mixed scores, 0 to 1, and a reranker's, stretched to that."""
    return np.asarray((1 - rerank_weight) * mixed + rerank_weight * min_max(reranked), dtype=np.float32)
