"""Chunks and logs -> query pairs."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import ArtifactUri, CollectionName, ProfileName, fitted, stage_name
from rag.config import load_config
from storage.artifacts import ArtifactRef
from tasks.corpus import collection_corpus
from tasks.pairs import assemble_pairs, split_documents, write_questions


@flow(flow_run_name=stage_name)
def synthesize(
    collection: CollectionName = "default", profile: ProfileName = None, corpus: ArtifactUri = None
) -> ArtifactRef:
    """Split the documents, write questions from them, and bring these together with the real ones."""
    config = load_config(fitted(profile))
    documents = collection_corpus(collection, corpus)
    split = split_documents(collection, documents, config)
    synthetic = write_questions(documents, split, config)
    return announced(assemble_pairs(collection, documents, split, synthetic, config))
