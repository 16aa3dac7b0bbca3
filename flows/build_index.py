"""Corpus and embedder -> candidate."""

from prefect import flow

from rag.config import Config
from rag.releases import Candidate
from storage.artifacts import ArtifactRef
from tasks.training import index_corpus, learn_retrieval


@flow
def build_index(corpus: ArtifactRef, embedder: ArtifactRef, pairs: ArtifactRef, config: Config) -> Candidate:
    """Index the corpus and learn on validation questions how its scores are mixed."""
    index = index_corpus(corpus, embedder, config)
    retrieval = learn_retrieval(index, embedder, pairs, config)
    return Candidate(corpus=corpus, pairs=pairs, embedder=embedder, index=index, retrieval=retrieval)
