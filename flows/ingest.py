"""Documents in, a release that finds them out."""

from prefect import flow
from pydantic import BaseModel

from flows.fan_out import fan_out
from flows.parameters import CollectionName, ProfileName, Sources, stage_config, stage_name
from rag.corpus.ingestion import IngestSummary, batches
from rag.settings import Settings
from tasks.corpus import drop_refused, ingest_batch, seal_sources
from tasks.evaluation import release_documents

BATCH_FILES, BATCH_BYTES = 64, 64 * 2**20
"""Documents a task, at most."""


class IngestOutcome(BaseModel):
    """What became of the files, and the release that serves them; None if there is nothing to serve."""

    summary: IngestSummary
    release_id: int | None


@flow(flow_run_name=stage_name)
def ingest(sources: Sources, collection: CollectionName = "default", profile: ProfileName = None) -> IngestOutcome:
    """Read files and folders and put them into production under the models that serve."""
    config, settings = stage_config(profile), Settings()

    # Seal the files before anything parses them; from here on they go by reference.
    intake = seal_sources(collection, sources)

    # Read and cut, side by side; a bad file is counted, goes, and never stops the others.
    parts = batches(intake.uploads, BATCH_FILES, BATCH_BYTES)
    calls = [
        {"collection": collection, "uploads": part, "batch": f"{i}-of-{len(parts)}", "config": config.chunking}
        for i, part in enumerate(parts, start=1)
    ]
    summary = sum(fan_out(ingest_batch, calls, settings.task_runner, settings.task_runner_address), intake.rest)
    drop_refused(intake.uploads, list(summary.refused))
    if summary.nothing_read:
        return IngestOutcome(summary=summary, release_id=None)

    # Search finds the new documents from here on.
    release = release_documents(collection, config)
    return IngestOutcome(summary=summary, release_id=release.id)
