"""Documents in, a release that finds them out."""

from prefect import flow
from pydantic import BaseModel

from rag.config import Profile, load_config
from rag.corpus.ingestion import IngestSummary
from tasks.corpus import ingest_batch, snapshot_corpus
from tasks.evaluation import release_documents

BATCH = 16
"""Documents a task."""


class IngestOutcome(BaseModel):
    """What became of the files, and the release that serves them; None if there is nothing to serve."""

    summary: IngestSummary
    release_id: int | None


@flow(validate_parameters=True)
def ingest(paths: dict[str, str], collection: str = "default", profile: Profile = Profile.CPU) -> IngestOutcome:
    """Read files, given as name -> path, and put them into production under the models that serve."""
    config = load_config(profile)
    names = sorted(paths)
    batches = [names[i : i + BATCH] for i in range(0, len(names), BATCH)]

    # Read, seal and cut; a bad file is counted and never stops the others.
    summary = IngestSummary()
    for number, batch in enumerate(batches, start=1):
        part = {name: paths[name] for name in batch}
        summary += ingest_batch(collection, part, f"{number}-of-{len(batches)}", config.chunking)
    if len(summary.refused) == len(paths):
        return IngestOutcome(summary=summary, release_id=None)

    # Search finds the new documents from here on.
    corpus = snapshot_corpus(collection)
    release = release_documents(collection, corpus, config)
    return IngestOutcome(summary=summary, release_id=release.id)
