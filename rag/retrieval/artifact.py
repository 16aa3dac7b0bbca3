"""Indexes and learned mixing weights in the artifact store."""

from typing import TYPE_CHECKING, Any

from rag.config import Config, RetrievalConfig
from rag.corpus.artifact import load_chunks
from rag.embedding.artifact import load_encoder
from rag.pairs.artifact import load_pairs
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.retrieval.index import Index

INDEXING = ("rag.retrieval.index", "rag.retrieval.dense", "rag.retrieval.lexical")
RANKING = ("rag.retrieval.retriever", "rag.retrieval.fusion", "rag.retrieval.query")
"""What decides a ranking besides the index; results are made again when it changes."""
MAX_QUESTIONS = 300
"""Validation questions that a weight is learned from."""


def index_artifact(store: ArtifactStore, corpus: ArtifactRef, embedder: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the sealed index of a corpus under an embedder."""

    def write(draft: Draft) -> dict[str, Any]:
        from rag.corpus.chunking import Chunker
        from rag.retrieval.index import build_index

        encoder = load_encoder(store, embedder, config.index.encode_batch)
        index = build_index(load_chunks(store, corpus), encoder, Chunker(config.chunking).windows, config.index)
        for name, data in index.to_files().items():
            draft.seal(name, data)
        return {"chunks": len(index.chunks), "windows": sum(map(len, index.windows)), "dim": index.vectors.dim}

    return store.build(
        "index",
        inputs={"corpus": corpus.digest, "embedder": embedder.digest},
        config=config.index,
        recipe=[*INDEXING, "rag.embedding.encoder", "rag.corpus.chunking"],
        write=write,
    )


def load_index(store: ArtifactStore, ref: ArtifactRef) -> "Index":
    """Open an index; each file is authenticated before it is parsed."""
    from rag.retrieval.index import Index

    return Index.from_files(lambda name: store.unseal(ref, name))


def learned_retrieval(
    store: ArtifactStore, index: ArtifactRef, embedder: ArtifactRef, pairs: ArtifactRef, config: RetrievalConfig
) -> RetrievalConfig:
    """Return `config` with the dense weight that validation questions favour."""

    def write(draft: Draft) -> dict[str, Any]:
        from rag.evaluation.metrics import relevant_positions
        from rag.retrieval.query import Query
        from rag.retrieval.retriever import Retriever, learn_dense_weight

        opened = load_index(store, index)
        retriever = Retriever(opened, load_encoder(store, embedder), config)
        questions = load_pairs(store, pairs).tuning[:MAX_QUESTIONS]
        found = [retriever.candidates(Query(id=p.id, question=p.anchor)) for p in questions]
        relevant = [relevant_positions(p, opened.chunks) for p in questions]
        weight = learn_dense_weight(found, relevant, config.dense_weight)
        return {"dense_weight": weight, "questions": len(questions)}

    learned = store.build(
        "retrieval",
        inputs={"index": index.digest, "embedder": embedder.digest, "training_set": store.facts(pairs)["training_set"]},
        config=config,
        recipe=[*RANKING, "rag.evaluation.metrics"],
        write=write,
    )
    return config.model_copy(update={"dense_weight": store.facts(learned)["dense_weight"]})
