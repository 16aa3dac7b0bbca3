"""Tasks that read documents."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import ChunkingConfig
from rag.corpus.artifact import active_documents, corpus_artifact
from rag.corpus.ingestion import IngestSummary, Intake, Upload, ingest_uploads, remove_refused, seal_uploads
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@task(cache_policy=NO_CACHE)
def seal_sources(collection: str, sources: Sequence[str]) -> Intake:
    """Seal the documents at paths and URIs that this machine can read."""
    space = Workspace.open(Settings(), create=True)
    return seal_uploads(space.artifacts, space.database, collection, sources)


@task(cache_policy=NO_CACHE, task_run_name="ingest-{batch}")
def ingest_batch(collection: str, uploads: Sequence[Upload], batch: str, config: ChunkingConfig) -> IngestSummary:
    """Read, cut and record a batch of sealed files."""
    space = Workspace.open(Settings())
    return ingest_uploads(space.artifacts, space.database, collection, uploads, config)


@task(cache_policy=NO_CACHE)
def drop_refused(uploads: Sequence[Upload], refused: Sequence[str]) -> None:
    """Remove the sealed files whose names were refused."""
    space = Workspace.open(Settings())
    remove_refused(space.artifacts, space.database, uploads, refused)


@task(cache_policy=NO_CACHE)
def collection_corpus(collection: str, corpus: str | None = None) -> ArtifactRef:
    """Return the corpus that was asked for, or the collection's chunks as they stand."""
    if corpus is not None:
        return ArtifactRef.parse(corpus)
    space = Workspace.open(Settings())
    return corpus_artifact(space.artifacts, space.database, collection)


@task(cache_policy=NO_CACHE)
def lack_of_documents(collection: str) -> str | None:
    """Say what is missing for a retraining that the schedule alone has started; None if there are documents."""
    if active_documents(Workspace.open(Settings()).database, collection):
        return None
    return (
        f"skipped: no documents in the collection {collection!r}: ingest some, or name another as `collection` in the "
        "parameters of the deployment retrain/retrain, under its schedule in prefect.yaml"
    )
