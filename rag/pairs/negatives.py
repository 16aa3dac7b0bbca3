"""Hard negatives: passages that a retriever takes for the answer, and that are not it."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from rag.config import NegativesConfig, RetrievalConfig
from rag.corpus.document import Chunk
from rag.embedding.vectors import Vectors
from rag.pairs.false_negatives import PassageWords
from rag.pairs.pair import QueryPair
from rag.pairs.words import normalize
from rag.retrieval.index import Index
from rag.retrieval.lexical import Scores
from rag.retrieval.query import Query
from rag.retrieval.retriever import QueryEncoder, Retriever

Positions = NDArray[np.int64]
Rescore = Callable[[str, Positions], Scores]
"""A reranker's: (question, positions of chunks in the index) -> float32 (n,)."""

MINED, FROM_FEEDBACK, WITHOUT_EVIDENCE = "mined", "from_feedback", "pairs_without_evidence"
TOO_NEAR, HOLDS_ANSWER, NEAR_DUPLICATE, RERANKED = "too_near", "holds_answer", "near_duplicate", "reranked"
DROPS = (TOO_NEAR, HOLDS_ANSWER, NEAR_DUPLICATE, RERANKED)
_SPARE = 2
"""How many more than wanted a reranker looks at, which costs less than to score the whole pool."""


class MinedNegatives(NamedTuple):
    """Negatives by pair id, and how many there are of what kind and were dropped why."""

    passages: dict[str, tuple[str, ...]]
    counts: Counter[str]


def evidence_chunks(pairs: Sequence[QueryPair], chunks: Sequence[Chunk]) -> dict[str, frozenset[str]]:
    """Return the ids of the chunks that overlap the evidence of any pair with a question, by normalized question."""
    by_document: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_document.setdefault(chunk.doc_id, []).append(chunk)
    found: dict[str, frozenset[str]] = {}
    for pair in pairs:
        own = {
            chunk.chunk_id
            for doc_id, start, end in pair.evidence
            for chunk in by_document.get(doc_id, ())
            if chunk.char_start < end and start < chunk.char_end
        }
        question = normalize(pair.anchor)
        found[question] = found.get(question, frozenset()) | own
    return found


class EncodedQueries:
    """An encoder that is asked for all queries at once, and gives them out one by one."""

    def __init__(self, encoder: QueryEncoder, texts: Sequence[str]) -> None:
        self._encoder = encoder
        distinct = list(dict.fromkeys(texts))
        self._vectors = dict(zip(distinct, encoder.encode_queries(distinct), strict=True))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            self._vectors |= zip(missing, self._encoder.encode_queries(missing), strict=True)
        return np.stack([self._vectors[text] for text in texts])


class _Asked(NamedTuple):
    """A pair that negatives are looked for."""

    pair: QueryPair
    vector: Vectors
    """float32 (dim,), of the question."""
    own: Positions
    """The chunks with the evidence."""
    allowed: NDArray[np.bool_]
    """(n_chunks,): which may be negatives."""


@dataclass(frozen=True)
class Miner:
    """Looks for negatives in an index, with the encoder and the mixing weight that search it."""

    index: Index
    encoder: QueryEncoder
    retrieval: RetrievalConfig
    documents: Set[str]
    """Names of those that negatives may come from: those that are trained on."""
    config: NegativesConfig
    rescore: Rescore | None = None
    """Where given, what it scores no lower than the evidence is no negative."""
    _words: PassageWords = field(default_factory=PassageWords, init=False)

    def mine(self, pairs: Sequence[QueryPair], skipped: Mapping[str, Sequence[str]]) -> MinedNegatives:
        """Return up to `per_pair` windows for each pair: first those that people skipped, then drawn ones.

        `skipped` holds ids of chunks by normalized question. Drawn are passages of the best ranks that fall short of
        the positive's similarity (positive-aware mining, NV-Retriever, Moreira et al. 2024), since unfiltered ones are
        often answers (RocketQA, Qu et al. 2021). Pairs whose evidence the index lacks get none.
        """
        place = {chunk.chunk_id: i for i, chunk in enumerate(self.index.chunks)}
        trained_on = np.array([chunk.document in self.documents for chunk in self.index.chunks])
        evidence = evidence_chunks(pairs, self.index.chunks)
        encoder = EncodedQueries(self.encoder, [pair.anchor for pair in pairs])
        retriever = Retriever(self.index, encoder, self.retrieval)
        mined = MinedNegatives({}, Counter())
        for pair in tqdm(pairs, desc="mining negatives", delay=2, disable=None):
            question = normalize(pair.anchor)
            own = np.array([place[chunk_id] for chunk_id in sorted(evidence[question])], dtype=np.int64)
            if not own.size:
                mined.counts[WITHOUT_EVIDENCE] += 1
                continue
            allowed = trained_on.copy()
            allowed[own] = False
            asked = _Asked(pair, encoder.encode_queries([pair.anchor])[0], own, allowed)
            shown = [place[chunk_id] for chunk_id in skipped.get(question, ()) if chunk_id in place]
            negatives = self._negatives(asked, np.array(shown, dtype=np.int64), retriever, mined.counts)
            if negatives:
                mined.passages[pair.id] = tuple(negatives)
        return mined

    def _negatives(self, asked: _Asked, shown: Positions, retriever: Retriever, counts: Counter[str]) -> list[str]:
        skipped = self._skipped(asked, shown)[: self.config.per_pair]
        counts[FROM_FEEDBACK] += len(skipped)
        n_left = self.config.per_pair - len(skipped)
        if not n_left:
            return skipped
        pool = self._pool(asked, retriever, counts)
        drawn = [text for text in _in_drawn_order(asked.pair, pool) if text not in skipped]
        if self.rescore is not None:
            looked_at = {text: pool[text] for text in drawn[: _SPARE * n_left]}
            drawn = _below_evidence(self.rescore, asked, looked_at, counts)
        counts[MINED] += len(drawn[:n_left])
        return skipped + drawn[:n_left]

    def _skipped(self, asked: _Asked, shown: Positions) -> list[str]:
        """Return the best window of each chunk shown; a person's judgement stands for the margin."""
        shown = shown[asked.allowed[shown]]
        _, windows = self.index.vectors.best_windows(asked.vector, shown)
        texts = [self.index.window_text(int(i), int(window)) for i, window in zip(shown, windows, strict=True)]
        return [text for text in dict.fromkeys(texts) if self._why_false(asked.pair, text) is None]

    def _pool(self, asked: _Asked, retriever: Retriever, counts: Counter[str]) -> dict[str, int]:
        """Return the windows that negatives are drawn from, best first, with the positions of their chunks."""
        found = retriever.candidates(Query(id=asked.pair.id, question=asked.pair.anchor))
        order, _ = found.ranked(self.retrieval.dense_weight, len(found.positions))
        order = order[asked.allowed[found.positions[order]]][self.config.range_min :]
        positive = float(self.index.vectors.best_windows(asked.vector, asked.own)[0].max())
        near = found.dense[order] > positive - self.config.relative_margin * abs(positive)
        counts[TOO_NEAR] += int(near.sum())
        far = order[~near]
        pool: dict[str, int] = {}
        for text, position in zip(retriever.passages(found, far), found.positions[far], strict=True):
            reason = self._why_false(asked.pair, text)
            if reason is not None:
                counts[reason] += 1
                continue
            pool.setdefault(text, int(position))
            if len(pool) == self.config.pool:
                break
        return pool

    def _why_false(self, pair: QueryPair, text: str) -> str | None:
        """Return why a passage may be an answer, by its words; None if nothing says so."""
        if self._words.holds_answer(text, pair.answer):
            return HOLDS_ANSWER
        if self._words.near_duplicates(text, pair.positive, self.config.near_duplicate):
            return NEAR_DUPLICATE
        return None


def _in_drawn_order(pair: QueryPair, texts: Iterable[str]) -> list[str]:
    """Return the texts shuffled by what the pair says, since its id depends on the home's key."""
    shuffled = list(texts)
    random.Random(f"{pair.anchor}\x1f{pair.positive}").shuffle(shuffled)
    return shuffled


def _below_evidence(rescore: Rescore, asked: _Asked, drawn: Mapping[str, int], counts: Counter[str]) -> list[str]:
    """Return the texts whose chunks the reranker scores lower than the evidence."""
    scores = rescore(asked.pair.anchor, np.array([*asked.own, *drawn.values()], dtype=np.int64))
    evidence, others = scores[: len(asked.own)], scores[len(asked.own) :]
    below = [text for text, score in zip(drawn, others, strict=True) if score < evidence.max()]
    counts[RERANKED] += len(drawn) - len(below)
    return below
