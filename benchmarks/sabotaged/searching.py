"""The example company, and candidates for its search that are sabotaged."""

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from null import COLLECTION, drill, example_company
from sqlmodel import col, delete, select

from rag.config import Config, RetrievalConfig
from rag.corpus.artifact import active_documents, corpus_artifact
from rag.embedding.artifact import finetuned_embedder, load_encoder
from rag.evaluation.gate import Verdict
from rag.evaluation.sets import frozen_set
from rag.judgement import candidate_report, judge_candidate
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs
from rag.pairs.mining import negatives_artifact
from rag.profiles import Profile
from rag.releases import Candidate, register_candidate, serving_release
from rag.reranking.artifact import late_interaction, load_reranker
from rag.retrieval.artifact import index_artifact, load_index
from rag.retrieval.learning import prior_retrieval
from rag.retrieval.searcher import SearchModels
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.tables import DocumentRow, EvaluationRow

STEPS = 30
"""Of a training on shuffled labels."""
DEPTH = 20
"""Chunks that the better candidate re-scores."""
TIMED = 10
TOO_LONG = 1.5
"""Times the time that the gate allows, what the slow reranker takes at least."""


class Searching(NamedTuple):
    """The example company, what serves it, and what judges."""

    space: Workspace
    config: Config
    corpus: ArtifactRef
    pairs: ArtifactRef
    questions: ArtifactRef
    models: SearchModels
    """That serve."""

    @classmethod
    def open(cls, folder: Path) -> "Searching":
        """Ingest the example, and put it into production."""
        return cls.of(example_company(folder, Profile.SMOKE))

    @classmethod
    def of(cls, space: Workspace) -> "Searching":
        """Let what was ingested serve under the untuned embedder, which ranks by meaning alone."""
        config, store = space.settings.stages(Profile.SMOKE), space.artifacts
        # Real questions decide, and each one that is asked takes the slow reranker seconds.
        config = config.model_copy(
            update={
                "pairs": config.pairs.model_copy(update={"max_synthetic_questions": 0}),
                "retrieval": config.retrieval.model_copy(update={"dense_weight": 1.0}),
            }
        )
        first = space.registry.list(COLLECTION)[0]  # in a home that was used before, a better one may serve
        models = SearchModels(embedder=first.embedder, index=first.index)
        pairs = collection_pairs(store, space.database, COLLECTION, config, LanguageModels.of(space)).pairs
        corpus = corpus_artifact(store, space.database, COLLECTION)
        candidate = Candidate(corpus=corpus, pairs=pairs, models=models, retrieval=config.retrieval)
        serving = register_candidate(space, COLLECTION, candidate, config)
        space.registry.promote(COLLECTION, serving.id, "to be bettered")
        return cls(space, config, corpus, pairs, frozen_set(space, COLLECTION, pairs, config), models)

    def judged(
        self,
        models: SearchModels,
        retrieval: RetrievalConfig,
        corpus: ArtifactRef | None = None,
        config: Config | None = None,
    ) -> Verdict:
        """Judge a candidate as the flow does; its corpus and its config are the company's unless given.

        Each is the first that is tried: the correction for several looks is not to refuse what its sabotage should.
        """
        space, config = self.space, config or self.config
        candidate = Candidate(corpus=corpus or self.corpus, pairs=self.pairs, models=models, retrieval=retrieval)
        release, against = register_candidate(space, COLLECTION, candidate, config), serving_release(space, COLLECTION)
        with space.database.session() as session:
            session.execute(delete(EvaluationRow))
        reports = tuple(candidate_report(space, release, each, self.questions, config) for each in (release, against))
        return judge_candidate(space, release, against, (reports[0], reports[1]), config.gate)

    def better(self) -> tuple[SearchModels, RetrievalConfig]:
        """Return what is better than what serves: words count, and the best chunks are re-scored."""
        store, models = self.space.artifacts, self.models
        reranker = late_interaction(store, self.space.device, models.index, models.embedder, self.config)
        models = models.model_copy(update={"reranker": reranker})
        return models, prior_retrieval(self.config.retrieval, DEPTH)


def shuffled(company: Searching, seed: int) -> Verdict:
    """Train on labels that were shuffled."""
    space, config = company.space, drill(company.config, seed)
    training = config.embedding.model_copy(update={"shuffle_labels": True, "max_steps": STEPS})
    config = config.model_copy(update={"embedding": training})
    negatives = negatives_artifact(space, COLLECTION, company.pairs, None, config)
    embedder = finetuned_embedder(
        space.artifacts, company.models.embedder, company.pairs, training, space.device, negatives=negatives
    )
    index = index_artifact(space.artifacts, space.device, company.corpus, embedder, config)
    return company.judged(SearchModels(embedder=embedder, index=index), config.retrieval, config=config)


def halved(company: Searching, seed: int) -> Verdict:
    """Index half of the documents; every other time the candidate says that it holds them all."""
    space = company.space
    with without_half(space, seed):
        half = corpus_artifact(space.artifacts, space.database, COLLECTION)
    index = index_artifact(space.artifacts, space.device, half, company.models.embedder, company.config)
    models = company.models.model_copy(update={"index": index})
    retrieval = prior_retrieval(company.config.retrieval, 0)
    return company.judged(models, retrieval, corpus=company.corpus if seed % 2 else half)


@contextmanager
def without_half(space: Workspace, seed: int) -> Iterator[None]:
    """Take half of the documents from the collection, and give them back."""
    ids = [row.id for row in active_documents(space.database, COLLECTION)]
    lost = random.Random(seed).sample(ids, len(ids) // 2)

    def mark(active: bool) -> None:
        with space.database.session() as session:
            for row in session.exec(select(DocumentRow).where(col(DocumentRow.id).in_(lost))):
                row.active = active

    mark(active=False)
    try:
        yield
    finally:
        mark(active=True)


def slow(company: Searching, seed: int) -> Verdict:
    """Re-score so many chunks, whose token vectors are not stored, that nobody wants to wait for it."""
    config, reranker, chunk_ms = slow_reranker(company)
    n_chunks = company.space.artifacts.facts(company.models.index)["chunks"]
    longest_ms = (TOO_LONG + seed / 10) * config.gate.max_latency_p95_ms
    depth = min(n_chunks, math.ceil(longest_ms / chunk_ms))
    # On a machine that re-scores them all in no time, less is promised.
    promise = min(config.gate.max_latency_p95_ms, depth * chunk_ms / TOO_LONG)
    config = config.model_copy(update={"gate": config.gate.model_copy(update={"max_latency_p95_ms": promise})})
    models, retrieval = company.better()
    models = models.model_copy(update={"reranker": reranker})
    retrieval = retrieval.model_copy(update={"rerank_depth": depth})
    return company.judged(models, retrieval, config=config)


def slow_reranker(company: Searching) -> tuple[Config, ArtifactRef, float]:
    """Return a reranker that encodes what it scores, the config that says so, and its milliseconds a chunk."""
    space, models, store = company.space, company.models, company.space.artifacts
    unstored = company.config.reranking.model_copy(update={"max_whole_tokens": 0, "max_stored_tokens": 0})
    config = company.config.model_copy(update={"reranking": unstored})
    made = late_interaction(store, space.device, models.index, models.embedder, config)
    index, encoder = load_index(store, models.index), load_encoder(store, models.embedder, config.encoding)
    reranker = load_reranker(store, made, index, encoder)
    chunks = np.arange(min(TIMED, len(index.chunks)))
    times = []
    for question in ("How do I clean the filter?", "What does it weigh?", "Who repairs it?"):
        began = time.perf_counter()
        reranker.scores(question, chunks)
        times.append(time.perf_counter() - began)
    return config, made, 1000 * min(times) / len(chunks)


def honest_search(company: Searching) -> Verdict:
    """Bring what is better, and nothing else."""
    models, retrieval = company.better()
    return company.judged(models, retrieval)
