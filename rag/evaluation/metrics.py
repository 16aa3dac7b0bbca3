"""Retrieval metrics of one question, and their means."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.corpus.document import Chunk
from rag.pairs.pair import QueryPair

CUTOFFS = {"hit@1": 1, "hit@5": 5, "hit@20": 20, "mrr@10": 10, "ndcg@10": 10}
DEPTH = 20
"""Ranks that an evaluation looks at."""


def relevant_positions(pair: QueryPair, chunks: Sequence[Chunk]) -> NDArray[np.int64]:
    """Return the positions of the chunks that hold at least half of the evidence's characters.

    Where none holds half (evidence longer than a chunk), the chunk with the most of it.
    """
    overlaps = {
        i: min(c.char_end, pair.answer_end) - max(c.char_start, pair.answer_start)
        for i, c in enumerate(chunks)
        if c.doc_id == pair.doc_id
    }
    overlaps = {i: n for i, n in overlaps.items() if n > 0}
    if not overlaps:
        return np.empty(0, dtype=np.int64)
    needed = min((pair.answer_end - pair.answer_start) / 2, max(overlaps.values()))
    return np.array([i for i, n in overlaps.items() if n >= needed], dtype=np.int64)


def question_metrics(ranked: NDArray[np.int64], relevant: NDArray[np.int64]) -> dict[str, float]:
    """Return hit@1, hit@5, hit@20, mrr@10 and ndcg@10 of a ranking, (DEPTH,), with binary relevance."""
    gains = np.isin(ranked[:DEPTH], relevant).astype(float)
    first = int(np.argmax(gains)) + 1 if gains.any() else 0
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = float(discounts[: min(10, len(relevant))].sum())
    return {
        "hit@1": float(first == 1),
        "hit@5": float(0 < first <= 5),
        "hit@20": float(first > 0),
        "mrr@10": 1 / first if 0 < first <= 10 else 0.0,
        "ndcg@10": float((gains[:10] * discounts[: len(gains[:10])]).sum()) / ideal if ideal else 0.0,
    }


def mean_metrics(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric, rounded to 4 places; empty for no rows."""
    if not rows:
        return {}
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
