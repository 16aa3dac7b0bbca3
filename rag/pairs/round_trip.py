"""Round-trip consistency (Alberti et al. 2019): a question that was written from a chunk must bring the chunk back."""

from collections.abc import Mapping, Sequence

from rag.corpus.document import Chunk
from rag.evaluation.metrics import ChunksByDocument
from rag.pairs.dropped import DroppedPair, DropReason, Filtered
from rag.pairs.pair import Origin, QueryPair, Split
from rag.retrieval.lexical import Bm25s


def drop_inconsistent(pairs: Sequence[QueryPair], chunks: Mapping[Split, Sequence[Chunk]], depth: int) -> Filtered:
    """Drop the synthetic pairs whose evidence is in none of the first `depth` chunks that BM25 finds for the question.

    It searches the chunks of the pair's own split, so that no split decides what another asks.
    """
    searched = {split: _Searched(own) for split, own in chunks.items()}
    kept: list[QueryPair] = []
    dropped: list[DroppedPair] = []
    for pair in pairs:
        rank = searched[pair.split].rank(pair) if pair.origin is Origin.SYNTHETIC else 1
        if rank is not None and rank <= depth:
            kept.append(pair)
        else:
            detail = f"rank {rank} of {len(chunks[pair.split])}" if rank else "no word of it is in its chunk"
            dropped.append(DroppedPair.of(pair, DropReason.ROUND_TRIP, detail))
    return Filtered(kept, dropped)


class _Searched:
    """Chunks that can be searched for the rank of a pair's own."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._engine = Bm25s.build([chunk.text for chunk in chunks])
        self._chunks = ChunksByDocument(chunks)

    def rank(self, pair: QueryPair) -> int | None:
        """Return the best rank, from 1, of a chunk with the evidence; None if the question shares no word with one."""
        holding = self._chunks.relevant_positions(pair)
        if not holding.size:
            return None
        scores = self._engine.scores(pair.anchor)
        best = scores[holding].max()
        return int((scores > best).sum()) + 1 if best > 0 else None
