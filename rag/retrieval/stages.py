"""How a search came about, chunk by chunk: where each stage of it put the best of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rag.retrieval.lexical import Scores
from rag.retrieval.retriever import Ranking


class Place(BaseModel):
    """What one stage made of a chunk."""

    model_config = ConfigDict(frozen=True)

    rank: int
    """From 1, among the candidates."""
    score: float


class Stages(NamedTuple):
    """What each stage made of a chunk; None where it did not see it."""

    position: int
    """In the index."""
    words: Place | None
    """By BM25; None if it shares no word with the question."""
    meaning: Place | None
    """By the cosine of its nearest window."""
    mixed: Place | None
    """By both, each stretched to 0..1."""
    reranked: Place | None
    """By what re-scores the best of the mix, on a scale of its own; None if nothing does, or the chunk lies deeper."""
    final: Place | None


def stages(ranking: Ranking, n: int, of_each: int = 2) -> list[Stages]:
    """Return the best n chunks of a search as it ended, and the best of each stage besides, best first.

    :param of_each: how many of those.
    """
    found = ranking.candidates
    shared = np.flatnonzero(found.lexical > 0)
    by_words, by_meaning = shared[_best_first(found.lexical[shared])], _best_first(found.dense)
    by_reranker = _best_first(ranking.reranked)
    tables = (
        _places(by_words, found.lexical[by_words]),
        _places(by_meaning, found.dense[by_meaning]),
        _places(ranking.mixed, ranking.mixed_scores),
        _places(ranking.mixed[by_reranker], ranking.reranked[by_reranker]),
        _places(ranking.order, ranking.scores),
    )
    kept = set(ranking.order[:n].tolist())
    kept |= {chunk for table in tables for chunk, place in table.items() if place.rank <= of_each}
    shown = [chunk for chunk in ranking.order.tolist() if chunk in kept]
    return [Stages(int(found.positions[chunk]), *(table.get(chunk) for table in tables)) for chunk in shown]


def _best_first(scores: Scores) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")


def _places(order: NDArray[np.int64], scores: Scores) -> dict[int, Place]:
    """Return the place of each candidate of an order, by its number among all; `scores` are in that order."""
    pairs = zip(order.tolist(), scores.tolist(), strict=True)
    return {chunk: Place(rank=rank, score=round(score, 4)) for rank, (chunk, score) in enumerate(pairs, 1)}
