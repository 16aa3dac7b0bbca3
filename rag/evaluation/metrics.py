"""Retrieval metrics of one question, and their means."""

from collections.abc import Sequence

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG
from numpy.typing import NDArray

from rag.corpus.document import Chunk
from rag.pairs.pair import QueryPair

_MEASURES = {
    "hit@1": Success @ 1,
    "hit@5": Success @ 5,
    "hit@20": Success @ 20,
    "recall@5": R @ 5,
    "recall@20": R @ 20,
    "mrr@10": RR @ 10,
    "ndcg@10": nDCG @ 10,
}
METRICS = tuple(_MEASURES)
"""Names of what is measured of a ranking, each from 0 to 1; more is better."""
DEPTH = 20
"""Ranks that an evaluation looks at."""
_QUESTION = "q"


def relevant_positions(pair: QueryPair, chunks: Sequence[Chunk]) -> NDArray[np.int64]:
    """Return the positions, ascending, of the chunks that hold the evidence; of a comparison, those of either half."""
    return np.unique(np.concatenate([_holding(span, chunks) for span in pair.evidence]))


def _holding(span: tuple[str, int, int], chunks: Sequence[Chunk]) -> NDArray[np.int64]:
    """Return the positions of the chunks that hold at least half of a span's characters.

    Where none holds half (a span longer than a chunk), the chunk with the most of it.
    """
    doc_id, start, end = span
    overlaps = {i: min(c.char_end, end) - max(c.char_start, start) for i, c in enumerate(chunks) if c.doc_id == doc_id}
    overlaps = {i: n for i, n in overlaps.items() if n > 0}
    if not overlaps:
        return np.empty(0, dtype=np.int64)
    needed = min((end - start) / 2, max(overlaps.values()))
    return np.array([i for i, n in overlaps.items() if n >= needed], dtype=np.int64)


class ChunksByDocument:
    """Chunks, to look up the evidence of many questions in."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        """Group them once; each question reads those of its documents alone."""
        self._chunks = chunks
        self._positions: dict[str, list[int]] = {}
        for position, chunk in enumerate(chunks):
            self._positions.setdefault(chunk.doc_id, []).append(position)

    def relevant_positions(self, pair: QueryPair) -> NDArray[np.int64]:
        """Return the positions, among all chunks, that `relevant_positions` gives."""
        own = sorted(i for doc_id in {*pair.doc_ids} for i in self._positions.get(doc_id, ()))
        return np.array(own, dtype=np.int64)[relevant_positions(pair, [self._chunks[i] for i in own])]


def question_metrics(
    ranked: NDArray[np.int64], relevant: NDArray[np.int64], grades: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Return each of METRICS for a ranking of distinct positions, best first, (n,).

    The measures are trec_eval's, through ir-measures (MacAvaney et al. 2022). It orders by score and breaks ties by
    id; here scores fall by one with each rank, so that there is no tie and the order stays as it was given. A question
    without anything relevant scores 0.

    :param grades: how relevant each of the relevant is, from 1 up, which nDCG alone looks at; 1 unless given.
    """
    found = {str(position): -float(rank) for rank, position in enumerate(ranked[:DEPTH])}
    # A question that trec_eval knows no judgement of would be left out instead.
    grades = np.ones_like(relevant) if grades is None else grades
    judged = {str(position): int(grade) for position, grade in zip(relevant, grades, strict=True)} or {"": 0}
    results = ir_measures.iter_calc(_MEASURES.values(), {_QUESTION: judged}, {_QUESTION: found})
    values = {result.measure: float(result.value) for result in results}
    return {name: values[measure] for name, measure in _MEASURES.items()}


def mean_metrics(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric, rounded to 4 places; empty for no rows."""
    if not rows:
        return {}
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
