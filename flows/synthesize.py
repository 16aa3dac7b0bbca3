"""Chunks and logs -> query pairs."""

from prefect import flow

from rag.config import Config
from storage.artifacts import ArtifactRef
from tasks.pairs import assemble_pairs, split_documents, write_questions


@flow
def synthesize(collection: str, corpus: ArtifactRef, config: Config) -> ArtifactRef:
    """Split the documents, write questions from them, and bring these together with the real ones."""
    split = split_documents(collection, corpus, config)
    synthetic = write_questions(corpus, split, config)
    return assemble_pairs(collection, corpus, split, synthetic, config)
