"""Tasks that read documents."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import ChunkingConfig
from rag.corpus.artifact import corpus_artifact
from rag.corpus.files import SourceFile
from rag.corpus.ingestion import IngestSummary, ingest_files
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@task(cache_policy=NO_CACHE, task_run_name="ingest-{batch}")
def ingest_batch(collection: str, paths: dict[str, str], batch: str, config: ChunkingConfig) -> IngestSummary:
    """Read, seal, cut and record a batch of files, given as name -> path."""
    space = Workspace.open(Settings(), create=True)
    files = [SourceFile(path=Path(path), name=name) for name, path in paths.items()]
    return ingest_files(space.artifacts, space.database, collection, files, config)


@task(cache_policy=NO_CACHE)
def snapshot_corpus(collection: str) -> ArtifactRef:
    """Return the collection's chunks as they stand."""
    space = Workspace.open(Settings())
    return corpus_artifact(space.artifacts, space.database, collection)
