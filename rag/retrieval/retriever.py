"""Question -> ranked chunks: dense and lexical candidates, mixed."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rag.config import RetrievalConfig
from rag.corpus.document import Chunk
from rag.errors import UnreadableDocument
from rag.retrieval.fusion import mix
from rag.retrieval.index import Index
from rag.retrieval.lexical import Scores
from rag.retrieval.query import Query, search_text


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
    """Mixed score, 0 to 1 within this query's candidates."""
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


class Retriever:
    """Searches one index with the embedder that built it."""

    def __init__(self, index: Index, encoder: QueryEncoder, config: RetrievalConfig) -> None:
        self._index, self._encoder, self.config = index, encoder, config

    def search(self, query: Query, k: int) -> list[Hit]:
        """Return the best k chunks, or all there are if fewer.

        :raises UnreadableDocument: if the search is restricted to a document that is not in the index.
        """
        found = self.candidates(query, k)
        order, scores = found.ranked(self.config.dense_weight, k)
        return [
            Hit(rank=rank, score=float(score), chunk=self._index.chunks[found.positions[i]], passage=passage)
            for rank, (i, score, passage) in enumerate(zip(order, scores, self.passages(found, order), strict=True), 1)
        ]

    def passages(self, found: Candidates, order: NDArray[np.int64]) -> list[str]:
        """Return the nearest window of each of the candidates, in the order given."""
        return [self._index.window_text(int(found.positions[i]), int(found.windows[i])) for i in order]

    def candidates(self, query: Query, k: int = 0) -> Candidates:
        """Return the union of the nearest chunks and the best by words, at least k where there are as many."""
        allowed = self._allowed(query)
        n = max(self.config.candidates, k)
        text = search_text(query.question, query.history)
        vector = self._encoder.encode_queries([text])[0]
        lexical = self._index.lexical_scores(text)
        pool = np.arange(len(lexical)) if allowed is None else allowed
        if len(pool) > n:
            by_words = pool[np.argsort(-lexical[pool], kind="stable")[:n]]
            n_windows = n * self._index.windows_per_chunk
            pool = np.union1d(by_words, self._index.vectors.nearest_chunks(vector, n_windows, allowed)[:n])
        dense, windows = self._index.vectors.best_windows(vector, pool)
        return Candidates(positions=pool, dense=dense, lexical=lexical[pool], windows=windows)

    def _allowed(self, query: Query) -> NDArray[np.int64] | None:
        if not query.restrict_to:
            return None
        return self._index.chunks_of([self._document(name) for name in query.restrict_to])

    def _document(self, name: str) -> str:
        """Return a document's full name; its last part is enough where that is clear."""
        if name in self._index.doc_versions:
            return name
        ends = [full for full in self._index.doc_versions if full.endswith(f"/{name}")]
        if len(ends) != 1:
            what = "several documents are" if ends else "no document is"
            raise UnreadableDocument(f"{what} named {name!r} in this release: see `ragloop documents` for the names")
        return ends[0]


def learn_dense_weight(
    found: Sequence[Candidates], relevant: Sequence[NDArray[np.int64]], default: float, steps: int = 21
) -> float:
    """Return the weight that validation questions favour by MRR@10; `relevant` holds the positions for each question.

    Of the weights within two standard errors of the best, paired by question, it is the one nearest the default (after
    the one-standard-error rule, Breiman et al. 1984): it moves only where the questions are about 95% sure, since a few
    dozen of them do not tell neighbours apart.
    """
    if not found:
        return default
    weights = np.linspace(0, 1, steps)
    asked = list(zip(found, relevant, strict=True))
    scores = np.array([[_reciprocal(c.positions[c.ranked(w, 10)[0]], r) for c, r in asked] for w in weights])
    losses = scores[scores.mean(axis=1).argmax()] - scores
    close = np.flatnonzero(losses.mean(axis=1) <= 2 * losses.std(axis=1) / np.sqrt(len(asked)) + 1e-9)
    return float(round(weights[min(close, key=lambda i: abs(weights[i] - default))], 4))


def _reciprocal(ranked: NDArray[np.int64], relevant: NDArray[np.int64]) -> float:
    hits = np.flatnonzero(np.isin(ranked, relevant))
    return 1.0 / (int(hits[0]) + 1) if len(hits) else 0.0
