"""What one search is made of, by reference: opened for searching, and with its weights learned."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from rag.config import Config, EncodingConfig, RetrievalConfig
from rag.embedding.artifact import load_encoder
from rag.pairs.artifact import load_pairs
from rag.pairs.pair import Origin
from rag.reranking.artifact import load_reranker, reranking_depth
from rag.retrieval.artifact import RANKING, load_index
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.llm.access import LanguageModels
    from rag.retrieval.retriever import Retriever

MAX_QUESTIONS = 300
"""Validation questions that weights are learned from."""


class SearchModels(BaseModel):
    """An index, the embedder that built it, and what re-scores its chunks, if anything does."""

    model_config = ConfigDict(frozen=True)

    embedder: ArtifactRef
    index: ArtifactRef
    reranker: ArtifactRef | None = None

    @property
    def digests(self) -> dict[str, str]:
        """Return what names an artifact made from these."""
        refs = {"embedder": self.embedder, "index": self.index, "reranker": self.reranker}
        return {name: ref.digest for name, ref in refs.items() if ref is not None}

    def n_bytes(self, store: ArtifactStore) -> int:
        """Return the size of their files."""
        refs = (self.embedder, self.index, self.reranker)
        return sum(store.manifest(ref).n_bytes for ref in refs if ref is not None)


def load_retriever(
    store: ArtifactStore,
    models: SearchModels,
    config: RetrievalConfig,
    encoding: EncodingConfig,
    llm: "LanguageModels | None" = None,
) -> "Retriever":
    """Open an index for searching; its reranker is opened only if it has a say.

    `llm` reaches the language model that expands questions, if one is to.
    """
    from rag.retrieval.expansion import serving_expander
    from rag.retrieval.retriever import Retriever

    index, encoder = load_index(store, models.index), load_encoder(store, models.embedder, encoding)
    asked = models.reranker is not None and config.rerank_weight > 0
    reranker = load_reranker(store, models.reranker, index, encoder) if asked and models.reranker else None
    return Retriever(index, encoder, config, reranker, serving_expander(index, encoder, config, llm))


def learned_retrieval(
    store: ArtifactStore,
    models: SearchModels,
    pairs: ArtifactRef,
    config: Config,
    llm: "LanguageModels | None" = None,
) -> RetrievalConfig:
    """Return the config's retrieval with the weights and the expansion that real validation questions favour.

    A drill learns nothing true, so it leaves them as they are.

    :raises ConfigError: if an expansion is to be tried whose language model cannot be had.
    """
    if config.embedding.shuffle_labels:
        return config.retrieval
    depth, retrieval = 0, config.retrieval
    if models.reranker is not None:
        depth = reranking_depth(store, models.reranker, models.index, models.embedder, pairs, config)

    def write(draft: Draft) -> dict[str, Any]:
        from rag.evaluation.metrics import ChunksByDocument
        from rag.retrieval.expansion import opened_expanders
        from rag.retrieval.learning import Question, learn_retrieval

        index, encoder = load_index(store, models.index), load_encoder(store, models.embedder, config.encoding)
        reranker = load_reranker(store, models.reranker, index, encoder) if models.reranker and depth else None
        # Synthetic questions repeat the words of their passage, and would have BM25 alone decide.
        tuning = [pair for pair in load_pairs(store, pairs).tuning if pair.origin is not Origin.SYNTHETIC][
            :MAX_QUESTIONS
        ]
        searched = ChunksByDocument(index.chunks)
        questions = [Question(pair.anchor, searched.relevant_positions(pair), pair.document) for pair in tuning]
        with opened_expanders(index, encoder, retrieval, llm) as expanders:
            learned = learn_retrieval(index, encoder, reranker, depth, questions, retrieval, expanders)
        return {"learned": learned.config.model_dump(), "validation": learned.validation, "questions": len(questions)}

    made = store.build(
        "retrieval",
        inputs={**models.digests, "training_set": store.facts(pairs)["training_set"], "depth": str(depth)},
        config=retrieval.model_dump(mode="json") | {"engine": config.encoding.engine},
        recipe=[*RANKING, "rag.retrieval.learning", "rag.evaluation.metrics"],
        write=write,
    )
    return RetrievalConfig.model_validate(store.facts(made)["learned"])
