"""Chunks and logs -> query pairs."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import ArtifactUri, CollectionName, ProfileName, stage_config, stage_name
from storage.artifacts import ArtifactRef
from tasks.corpus import collection_corpus
from tasks.pairs import assemble_pairs, split_documents, write_questions
from tasks.publishing import publish_questions


@flow(flow_run_name=stage_name)
def synthesize(
    collection: CollectionName = "default", profile: ProfileName = None, corpus: ArtifactUri = None
) -> ArtifactRef:
    """Split the documents, write questions from them, and bring these together with the real ones."""
    config = stage_config(profile)
    documents = collection_corpus(collection, corpus)
    split = split_documents(collection, documents, config)
    synthetic = write_questions(collection, documents, split, config)
    publish_questions(synthetic, collection)
    return announced(assemble_pairs(collection, documents, split, synthetic, config))
