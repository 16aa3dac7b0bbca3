"""The loop: documents and questions in, a proven better release out."""

from prefect import flow
from pydantic import BaseModel

from flows.build_index import build_index
from flows.evaluate import compare
from flows.synthesize import synthesize
from flows.train_embedder import train_embedder
from rag.config import Profile, load_config
from rag.evaluation.gate import Verdict
from tasks.corpus import snapshot_corpus
from tasks.evaluation import already_settled, record_candidate, release_documents


class RetrainOutcome(BaseModel):
    """The candidate and what was decided; `verdict` is None when there was nothing new to judge."""

    release_id: int
    verdict: Verdict | None
    nothing_new: str | None = None


@flow
def retrain(
    collection: str = "default", profile: Profile = Profile.CPU, shuffle_labels: bool = False
) -> RetrainOutcome:
    """Train on what the collection holds and promote the result only if it is proven better.

    `shuffle_labels` is a drill: the candidate learns nonsense, and the gate must keep it out.
    """
    config = load_config(profile, shuffle_labels)

    # Learn from the documents as they stand, and from what people asked.
    corpus = snapshot_corpus(collection)
    pairs = synthesize(collection, corpus, config)
    embedder = train_embedder(pairs, config.embedding)
    candidate = build_index(corpus, embedder, pairs, config)
    release = record_candidate(collection, candidate, config)
    if nothing_new := already_settled(collection, release, pairs):
        return RetrainOutcome(release_id=release.id, verdict=None, nothing_new=nothing_new)

    # Only what is proven better, on the same questions, may serve; then also with what was ingested meanwhile.
    verdict = compare(collection, release, pairs, config)
    release_documents(collection, snapshot_corpus(collection), config)
    return RetrainOutcome(release_id=release.id, verdict=verdict)
