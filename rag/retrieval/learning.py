"""How much each score counts in a collection, learned from validation questions."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from rag.config import Expansion, RetrievalConfig
from rag.retrieval.fusion import min_max
from rag.retrieval.index import Index
from rag.retrieval.query import Query
from rag.retrieval.retriever import Candidates, QueryEncoder, Retriever

if TYPE_CHECKING:
    from rag.reranking.reranker import Reranker
    from rag.retrieval.expansion import Expander

Floats = NDArray[np.float64]

PRIOR = np.array([5.0, 4.0, 6.0])
"""Weights of the dense, the lexical and the reranker's score (each 0 to 1) before any question is seen."""
PRIOR_STRENGTH = 0.3
"""Pull toward them; some dozens of questions outweigh it."""
PHRASE_WEIGHTS = (0.6, 0.0)


class Question(NamedTuple):
    """A validation question and the chunks that answer it, by their positions in the index."""

    text: str
    relevant: NDArray[np.int64]
    document: str
    """Questions of one document stand or fall together."""


class Learned(NamedTuple):
    """What was learned, and the MRR@10 on the validation questions of it and of what it was compared with."""

    config: RetrievalConfig
    validation: dict[str, float]


class _Example(NamedTuple):
    """One question: scores of the chunks in question, float64 (n, 2 or 3), each 0 to 1; and which are relevant."""

    scores: Floats
    relevant: NDArray[np.bool_]


def learn_retrieval(
    index: Index,
    encoder: QueryEncoder,
    reranker: "Reranker | None",
    depth: int,
    questions: Sequence[Question],
    config: RetrievalConfig,
    expanders: "Mapping[Expansion, Expander]" = MappingProxyType({}),
) -> Learned:
    """Return the weights and the expansion that validation questions favour; the prior's if there are none.

    The weights maximize the likelihood of the relevant chunks under a softmax over the candidates (ListNet, Cao et al.
    2007) with a Gaussian prior: a few dozen questions move them with care, hundreds decide. A single part takes the
    place of the mix, and an expander, the cheapest first, is kept, only if it raises the MRR@10 by more than one
    standard error. The reranker stays unless these questions do worse with it.
    """
    asked = [question for question in questions if len(question.relevant)]
    if not asked:
        return Learned(prior_retrieval(config, depth), {})
    config = config.model_copy(update={"expansion": Expansion.NONE})
    mixes = [_Mix.fitted(index, encoder, asked, config.model_copy(update={"phrase_weight": p})) for p in PHRASE_WEIGHTS]
    mix = max(mixes, key=lambda one: one.likelihood)
    documents = [question.document for question in asked]
    scores, best, learned = {"mix": mix.mrr(mix.dense_weight)}, "mix", mix.released(mix.dense_weight)
    for name, weight in (("dense", 1.0), ("bm25", 0.0)):
        scores[name] = mix.mrr(weight)
        if _beats(mix.reciprocal_ranks(weight), mix.reciprocal_ranks(learned.dense_weight), documents):
            best, learned = name, mix.released(weight)
    for name, expander in expanders.items():
        expanded = _Mix.fitted(index, encoder, asked, mix.config.model_copy(update={"expansion": name}), expander)
        scores[name] = expanded.mrr(expanded.dense_weight)
        found = expanded.reciprocal_ranks(expanded.dense_weight)
        if _beats(found, mix.reciprocal_ranks(learned.dense_weight), documents):
            mix, best, learned = expanded, name, expanded.released(expanded.dense_weight)
    if reranker is not None and depth:
        weights = _fitted(mix.rescored(reranker, depth, mix.dense_weight), PRIOR)[0]
        whole = _weighted(mix.config, weights, depth)
        ranked = mix.rescored(reranker, depth, whole.dense_weight)
        scores["reranked"] = float(_reciprocal_ranks([(one.scores @ weights, one.relevant) for one in ranked]).mean())
        if scores["reranked"] >= scores[best]:
            learned = whole
    return Learned(learned, {name: round(score, 4) for name, score in scores.items()})


def prior_retrieval(config: RetrievalConfig, depth: int) -> RetrievalConfig:
    """Return what a collection without validation questions gets; its reranker, if any, re-scores `depth` chunks."""
    return _weighted(config.model_copy(update={"phrase_weight": PHRASE_WEIGHTS[0]}), PRIOR, depth)


def _beats(ranks: Floats, kept: Floats, documents: Sequence[str]) -> bool:
    """Say whether reciprocal ranks are better than what is kept by more than one paired standard error."""
    gains = ranks - kept
    return bool(gains.mean() > standard_error(gains, documents))


def _weighted(config: RetrievalConfig, weights: Floats, depth: int) -> RetrievalConfig:
    """Return the config with weights of dense, lexical and the score of a reranker that re-scores `depth` chunks."""
    dense, lexical, closer = weights
    total = dense + lexical
    mixed = config.model_copy(update={"dense_weight": round(dense / total, 3) if total else config.dense_weight})
    if not depth:
        return mixed
    return mixed.model_copy(update={"rerank_weight": round(closer / (total + closer), 3), "rerank_depth": depth})


class _Mix:
    """The mix under one phrase weight, at the dense weight that fits best."""

    def __init__(self, asked: Sequence[Question], found: Sequence[Candidates], config: RetrievalConfig) -> None:
        self._asked, self._found, self.config = asked, found, config
        examples = [
            _Example(_parts(own), np.isin(own.positions, question.relevant))
            for question, own in zip(asked, found, strict=True)
        ]
        (dense, lexical), self.likelihood = _fitted(examples, PRIOR[:2])
        self.dense_weight = round(dense / (dense + lexical), 3) if dense + lexical else config.dense_weight

    @classmethod
    def fitted(
        cls,
        index: Index,
        encoder: QueryEncoder,
        asked: Sequence[Question],
        config: RetrievalConfig,
        expander: "Expander | None" = None,
    ) -> "_Mix":
        retriever = Retriever(index, encoder, config, expander=expander)
        bar = tqdm(asked, desc="learning the mix", delay=2, disable=None)
        return cls(asked, [retriever.candidates(Query(id="", question=question.text)) for question in bar], config)

    def mrr(self, dense_weight: float) -> float:
        return float(self.reciprocal_ranks(dense_weight).mean())

    def reciprocal_ranks(self, dense_weight: float) -> Floats:
        weights = np.array([dense_weight, 1 - dense_weight])
        pairs = zip(self._asked, self._found, strict=True)
        return _reciprocal_ranks(
            [(_parts(own) @ weights, np.isin(own.positions, question.relevant)) for question, own in pairs]
        )

    def released(self, dense_weight: float) -> RetrievalConfig:
        """Return the config at a weight."""
        return self.config.model_copy(update={"dense_weight": dense_weight})

    def rescored(self, reranker: "Reranker", depth: int, dense_weight: float) -> list[_Example]:
        """Return the best `depth` chunks of each question with the reranker's scores beside the others."""
        examples = []
        for question, own in tqdm(
            list(zip(self._asked, self._found, strict=True)), desc="re-scoring", delay=2, disable=None
        ):
            head, _ = own.ranked(dense_weight, depth)
            closer = min_max(reranker.scores(question.text, own.positions[head]))
            scores = np.column_stack([_parts(own)[head], closer])
            examples.append(_Example(scores, np.isin(own.positions[head], question.relevant)))
        return examples


def _parts(found: Candidates) -> Floats:
    """Return the dense and the lexical score of each candidate, (n, 2), each 0 to 1."""
    return np.column_stack([min_max(found.dense), min_max(found.lexical)]).astype(np.float64)


def _fitted(examples: Sequence[_Example], prior: Floats) -> tuple[Floats, float]:
    """Return the weights, 0 or more, of the largest posterior, and its logarithm."""
    usable = [example for example in examples if example.relevant.any()]

    def loss(weights: Floats) -> tuple[float, Floats]:
        away = weights - prior
        total, gradient = PRIOR_STRENGTH * float(away @ away), 2 * PRIOR_STRENGTH * away
        for scores, relevant in usable:
            logits = scores @ weights
            likely = np.exp(logits - logits.max())
            right = likely * relevant
            total -= float(np.log(right.sum() / likely.sum()))
            gradient = gradient - right @ scores / right.sum() + likely @ scores / likely.sum()
        return total, gradient

    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(prior))
    return np.asarray(found.x, dtype=np.float64), -float(found.fun)


def _reciprocal_ranks(ranked: Sequence[tuple[Floats, NDArray[np.bool_]]]) -> Floats:
    """Return 1 / the place of the first relevant chunk, 0 below the tenth; of equal scores the first counts more."""
    reciprocal = []
    for scores, relevant in ranked:
        places = np.flatnonzero(relevant[np.argsort(-scores, kind="stable")[:10]])
        reciprocal.append(1 / (places[0] + 1) if len(places) else 0.0)
    return np.array(reciprocal)


def standard_error(values: Floats, documents: Sequence[str]) -> float:
    """Return the standard error of the mean of values, float64 (n,), that vary by document; infinite for one document.

    Whole documents count as drawn (cluster-robust, Liang and Zeger 1986).
    """
    names, owner = np.unique(np.asarray(documents), return_inverse=True)
    n = len(names)
    if n == 1:
        return float("inf")
    away = np.bincount(owner, weights=values - values.mean())
    return float(np.sqrt(n / (n - 1) * (away @ away)) / len(values))
