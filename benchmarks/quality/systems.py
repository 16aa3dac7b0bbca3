"""What is asked: our retrievers, whole and in parts, and the plain one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rag.config import Config, EncodingConfig, RetrievalConfig
from rag.corpus.document import Chunk
from rag.evaluation.metrics import DEPTH
from rag.reranking.collection import collection_reranker, moved_reranker
from rag.retrieval.artifact import index_artifact, load_index
from rag.retrieval.query import Query
from rag.retrieval.searcher import SearchModels, learned_retrieval, load_retriever
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef

from .results import BM25, UNTUNED_DENSE, UNTUNED_MIX

if TYPE_CHECKING:
    from rag.retrieval.index import Index

Search = Callable[[str], Sequence[Chunk]]
"""Question -> the best chunks, at least DEPTH where there are as many."""


class System(NamedTuple):
    """A row of the table. It is opened when it is asked, so that no row profits from what another has in memory."""

    name: str
    open: Callable[[], Search]
    parts: tuple[str, ...] = ()


class Learned(NamedTuple):
    """How validation questions want a corpus to be searched: without a reranker, and with all there is."""

    mixed: RetrievalConfig
    whole: RetrievalConfig


@dataclass(frozen=True)
class Searched:
    """A corpus under an embedder, with a reranker if there is one."""

    space: Workspace
    models: SearchModels
    encoding: EncodingConfig

    @classmethod
    def build(cls, space: Workspace, corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> "Searched":
        """Index the corpus under the embedder, unless it is."""
        index = index_artifact(space.artifacts, space.device, corpus, embedder, config, with_tokens=True)
        return cls(space, SearchModels(embedder=embedder, index=index), config.encoding)

    def reranked(self, collection: str, pairs: ArtifactRef, config: Config) -> "Searched":
        """Return it with the reranker that a retraining gives the collection, if any."""
        embedder, index = self.models.embedder, self.models.index
        return self._with(collection_reranker(self.space, collection, index, embedder, pairs, config))

    def reranked_as(self, other: "Searched", config: Config) -> "Searched":
        """Return it with another corpus's reranker, if that has one."""
        store, reranker = self.space.artifacts, other.models.reranker
        if reranker is None:
            return self
        embedder, index = self.models.embedder, self.models.index
        return self._with(moved_reranker(store, self.space.device, reranker, index, embedder, config))

    def learned(self, pairs: ArtifactRef, config: Config) -> Learned:
        """Return how validation questions want it to be searched."""
        mix = self.models.model_copy(update={"reranker": None})
        mixed, whole = (learned_retrieval(self.space.artifacts, models, pairs, config) for models in (mix, self.models))
        return Learned(mixed, whole)

    def index(self) -> "Index":
        """Open the index."""
        return load_index(self.space.artifacts, self.models.index)

    def search(self, retrieval: RetrievalConfig) -> Search:
        """Open a retriever."""
        retriever = load_retriever(self.space.artifacts, self.models, retrieval, self.encoding)
        return lambda text: [hit.chunk for hit in retriever.search(Query(id="q", question=text), DEPTH)]

    def system(self, name: str, retrieval: RetrievalConfig, parts: tuple[str, ...] = ()) -> System:
        """Return a row."""
        return System(name, lambda: self.search(retrieval), parts)

    def _with(self, reranker: ArtifactRef | None) -> "Searched":
        return replace(self, models=self.models.model_copy(update={"reranker": reranker}))


def untuned_systems(searched: Searched, config: Config) -> list[System]:
    """Return BM25, the untuned embedder, and their mix at the default weight."""
    return [
        searched.system(BM25, _weighted(config, 0.0)),
        searched.system(UNTUNED_DENSE, _weighted(config, 1.0)),
        searched.system(UNTUNED_MIX, config.retrieval, (BM25, UNTUNED_DENSE)),
    ]


def tuned_systems(name: str, searched: Searched, learned: Learned, config: Config) -> list[System]:
    """Return a tuned embedder alone, its learned mix, and all that was learned if there is a reranker."""
    dense = f"{name}, dense"
    systems = [
        searched.system(dense, _weighted(config, 1.0)),
        searched.system(f"{name}, mixed", learned.mixed, (BM25, dense)),
    ]
    if searched.models.reranker is not None:
        systems.append(searched.system(f"{name}, re-ranked", learned.whole, (BM25, dense)))
    return systems


def _weighted(config: Config, dense_weight: float) -> RetrievalConfig:
    return config.retrieval.model_copy(update={"dense_weight": dense_weight})


def plain_systems(folder: Path, index: "Index", config: Config) -> list[System]:
    """Return the plain retriever, alone and mixed with BM25 at the default weight."""
    encoded: list[PlainChunks] = []

    def chunks() -> PlainChunks:
        if not encoded:
            encoded.append(PlainChunks(folder, index))
        return encoded[0]

    return [
        System("plain, dense", lambda: chunks().nearest),
        System("plain, mixed", lambda: lambda text: chunks().mixed(text, config.retrieval), (BM25, "plain, dense")),
    ]


class PlainChunks:
    """Chunks as sentence-transformers encodes them: one vector each, cut at the model's own length, float32."""

    def __init__(self, folder: Path, index: "Index") -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(folder), device="cuda" if torch.cuda.is_available() else "cpu")
        self._index = index
        self._vectors = self._encode([chunk.text for chunk in index.chunks])

    def nearest(self, text: str) -> list[Chunk]:
        """Return the nearest chunks."""
        return self._best(range(len(self._vectors)), self._vectors @ self._encode([text])[0])

    def mixed(self, text: str, retrieval: RetrievalConfig) -> list[Chunk]:
        """Return the best of both sides' candidates, their scores mixed with our BM25's as ours are."""
        from rag.retrieval.fusion import mix

        dense = self._vectors @ self._encode([text])[0]
        lexical = self._index.lexical_scores(text, retrieval.phrase_weight)
        pool = np.union1d(*(np.argsort(-scores, kind="stable")[: retrieval.candidates] for scores in (dense, lexical)))
        return self._best(pool, mix(dense[pool], lexical[pool], retrieval.dense_weight))

    def _encode(self, texts: list[str]) -> Any:
        return self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    def _best(self, positions: Iterable[int], scores: Any) -> list[Chunk]:
        order = np.argsort(-scores, kind="stable")[:DEPTH]
        places = list(positions)
        return [self._index.chunks[places[i]] for i in order]
