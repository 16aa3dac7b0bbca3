"""The loop: documents, questions and feedback in, a proven better release out."""

from prefect import flow, runtime

from flows.build_index import build_index
from flows.dispatch import dispatch
from flows.evaluate import compare
from flows.outcome import Outcome, completed
from flows.parameters import Attempt, CollectionName, ProfileName, Reason, ShuffleLabels, fitted, stage_config
from flows.synthesize import synthesize
from flows.train_embedder import train_embedder
from rag.feedback.claims import Claim
from rag.settings import Settings
from tasks.chat import recalibrate_chat_model
from tasks.corpus import collection_corpus, lack_of_documents
from tasks.evaluation import (
    already_settled,
    freeze_questions,
    production_release,
    record_candidate,
    release_documents,
)
from tasks.feedback import claim_new_feedback, consume_feedback, count_new_feedback, lack_of_feedback
from tasks.training import check_means


def retrain_name() -> str:
    """Return what and why, as `retrain-feedback-57-new`, and for which collection unless it is the default one."""
    asked = runtime.flow_run.parameters
    collection = asked["collection"]
    which = f"-of-{collection}" if collection != "default" else ""
    again = f"-attempt-{asked['attempt']}" if asked["attempt"] > 1 else ""
    return f"retrain-{asked['reason']}-{count_new_feedback(collection)}-new{which}{again}"


@flow(flow_run_name=retrain_name)
def retrain(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    reason: Reason = Reason.MANUAL,
    shuffle_labels: ShuffleLabels = False,
    attempt: Attempt = 1,
) -> Outcome:
    """Train on what the collection holds and promote the result only if it is proven better."""
    profile, timeout_s = fitted(profile), Settings().stage_timeout_s
    config = stage_config(profile, shuffle_labels)
    check_means(config)

    # What people said since the last retraining; a wake-up may come late, when another run has taken it.
    claim = claim_new_feedback(collection, drill=shuffle_labels)
    if skipped := nothing_to_do(reason, claim):
        return completed(Outcome(release_id=None, verdict=None, nothing_new=skipped), "Skipped")

    # Learn from the documents as they stand, and from what people asked.
    corpus = collection_corpus(collection)
    pairs = synthesize(collection, profile, corpus.uri)
    questions = freeze_questions(collection, pairs, config)
    run = {"collection": collection, "profile": profile, "pairs": pairs.uri, "shuffle_labels": shuffle_labels}
    embedder = dispatch(train_embedder, timeout_s, **run)
    candidate = dispatch(build_index, timeout_s, **run, corpus=corpus.uri, embedder=embedder.uri)

    # A chat model that serves stays; how far it is trusted depends on what would be found in the documents instead.
    base = production_release(collection)
    router = recalibrate_chat_model(base, candidate, config)
    release = record_candidate(base, candidate, router, config)

    # Only what is proven better, on the same questions, may serve; then also with what was ingested meanwhile.
    nothing_new = already_settled(collection, release, questions, config)
    verdict = None if nothing_new else compare(collection, release, questions, config)
    release_documents(collection, config)
    consume_feedback(claim)
    outcome = Outcome(release_id=release.id, verdict=verdict, nothing_new=nothing_new)
    return completed(outcome)


def nothing_to_do(reason: Reason, claim: Claim) -> str | None:
    """Say why a retraining that nobody asked for has nothing to do; one that somebody did ask for fails instead."""
    if reason is Reason.FEEDBACK:
        return lack_of_feedback(claim)
    return lack_of_documents(claim.collection) if reason is Reason.NIGHTLY else None
