"""Question -> ranked chunks: dense and lexical candidates, mixed, and the best of them re-scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rag.config import RetrievalConfig
from rag.corpus.document import Chunk
from rag.embedding.vectors import Vectors
from rag.errors import UnreadableDocument
from rag.retrieval.fusion import blend, mix
from rag.retrieval.index import Index
from rag.retrieval.lexical import Scores
from rag.retrieval.query import Query

if TYPE_CHECKING:
    from rag.reranking.reranker import Reranker
    from rag.retrieval.expansion import Expander


class QueryEncoder(Protocol):
    """What a retriever needs of an embedder."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (len(texts), dim), L2-normalized."""
        ...


class Hit(BaseModel):
    """A chunk that was found."""

    model_config = ConfigDict(frozen=True)

    rank: int
    """From 1."""
    score: float
    """0 to 1 within this query's candidates; those that were re-scored come first."""
    chunk: Chunk
    passage: str
    """The window of the chunk that is nearest the question."""


class Candidates(BaseModel):
    """The chunks worth ranking for one query, with both scores; `mix` of them gives the ranking."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    positions: NDArray[np.int64]
    dense: Scores
    lexical: Scores
    windows: NDArray[np.int64]
    """Which window of each chunk its dense score comes from."""

    def ranked(self, dense_weight: float, k: int) -> tuple[NDArray[np.int64], Scores]:
        """Return which candidates are the best k, best first, and their mixed scores; ties go to the lower position."""
        scores = mix(self.dense, self.lexical, dense_weight)
        order = np.lexsort((self.positions, -scores))[:k]
        return order, scores[order]


@dataclass(frozen=True)
class Ranking:
    """One search as it went: what was found, and how that was put in order stage by stage."""

    query: Query
    candidates: Candidates
    mixed: NDArray[np.int64]
    """All candidates by their mixed scores, best first."""
    mixed_scores: Scores
    reranked: Scores
    """What the reranker gave the first of `mixed`; none where it had no say."""
    order: NDArray[np.int64]
    """All candidates as they are ranked at last, best first."""
    scores: Scores


class Retriever:
    """Searches one index with the embedder that built it, and with an expander and a reranker if there are any."""

    def __init__(
        self,
        index: Index,
        encoder: QueryEncoder,
        config: RetrievalConfig,
        reranker: "Reranker | None" = None,
        expander: "Expander | None" = None,
    ) -> None:
        self.index, self.encoder, self.config = index, encoder, config
        self._reranker, self._expander = reranker, expander

    def search(self, query: Query, k: int) -> list[Hit]:
        """Return the best k chunks, or all there are if fewer.

        :raises UnreadableDocument: if the search is restricted to a document that is not in the index.
        """
        return self.hits(self.ranking(query, k), k)

    def hits(self, ranking: Ranking, k: int) -> list[Hit]:
        """Return the best k chunks of a ranking."""
        found, order = ranking.candidates, ranking.order[:k]
        best = zip(order, ranking.scores[:k], self.passages(found, order), strict=True)
        return [
            Hit(rank=rank, score=float(score), chunk=self.index.chunks[found.positions[i]], passage=passage)
            for rank, (i, score, passage) in enumerate(best, 1)
        ]

    def ranking(self, query: Query, k: int) -> Ranking:
        """Return the candidates for a query, at least k where there are as many, in their order.

        :raises UnreadableDocument: as `search`.
        """
        found = self.candidates(query, k)
        depth = self.config.rerank_depth if self._reranker and self.config.rerank_weight else 0
        order, mixed = found.ranked(self.config.dense_weight, len(found.positions))
        if self._reranker is None or not depth:
            return Ranking(query, found, order, mixed, np.empty(0, dtype=np.float32), order, mixed)
        head, tail = order[:depth], order[depth:]
        # The mix has found what the question before was about; here it draws away from what is asked now (measured).
        closer = self._reranker.scores(query.question, found.positions[head])
        scores = blend(mixed[:depth], closer, self.config.rerank_weight)
        best = np.lexsort((found.positions[head], -scores))
        scores = np.concatenate([scores[best], np.minimum(mixed[depth:], scores.min(initial=1))])
        return Ranking(query, found, order, mixed, closer, np.concatenate([head[best], tail]), scores)

    def passages(self, found: Candidates, order: NDArray[np.int64]) -> list[str]:
        """Return the nearest window of each of the candidates, in the order given."""
        return [self.index.window_text(int(found.positions[i]), int(found.windows[i])) for i in order]

    def candidates(self, query: Query, k: int = 0) -> Candidates:
        """Return the union of the nearest chunks and the best by words, at least k where there are as many."""
        allowed = self.allowed(query)
        n = max(self.config.candidates, k)
        vector, lexical = self._vector(query), self._lexical_scores(query)
        pool = np.arange(len(lexical)) if allowed is None else allowed
        if len(pool) > n:
            by_words = pool[np.argsort(-lexical[pool], kind="stable")[:n]]
            n_windows = n * self.index.windows_per_chunk
            pool = np.union1d(by_words, self.index.vectors.nearest_chunks(vector, n_windows, allowed)[:n])
        dense, windows = self.index.vectors.best_windows(vector, pool)
        return Candidates(positions=pool, dense=dense, lexical=lexical[pool], windows=windows)

    def _vector(self, query: Query) -> Vectors:
        """Return what the nearest windows are looked for with, float32 (dim,), L2-normalized."""
        texts, weights = zip(*query.weighted_texts, strict=True)
        summed = np.asarray(weights, dtype=np.float32) @ self.encoder.encode_queries(texts)
        vector = summed / max(float(np.linalg.norm(summed)), 1e-12)
        if self._expander is None or not query.expanded:
            return vector
        return self._expander.expanded(" ".join(reversed(texts)), vector)

    def _lexical_scores(self, query: Query) -> Scores:
        """Return float32 (n_chunks,)."""
        texts = query.weighted_texts
        scores = [weight * self.index.lexical_scores(text, self.config.phrase_weight) for text, weight in texts]
        return np.asarray(np.sum(scores, axis=0), dtype=np.float32)

    def allowed(self, query: Query) -> NDArray[np.int64] | None:
        """Return the positions of the chunks that a query is restricted to; None for all.

        :raises UnreadableDocument: as `search`.
        """
        if not query.restrict_to:
            return None
        return self.index.chunks_of([self._document(name) for name in query.restrict_to])

    def _document(self, name: str) -> str:
        """Return a document's full name; its last part is enough where that is clear."""
        if name in self.index.doc_versions:
            return name
        ends = [full for full in self.index.doc_versions if full.endswith(f"/{name}")]
        if len(ends) != 1:
            what = "several documents are" if ends else "no document is"
            raise UnreadableDocument(f"{what} named {name!r} in this release: see `ragloop documents` for the names")
        return ends[0]
