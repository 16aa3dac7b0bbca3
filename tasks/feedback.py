"""Tasks that take feedback into account, each row once."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from rag.feedback.claims import Claim, claim_feedback
from rag.feedback.watermark import ClaimLost, advance_watermark
from rag.settings import Settings
from rag.workspace import Workspace


def count_new_feedback(collection: str) -> int:
    """Return how much feedback no retraining has consumed yet."""
    return claim_feedback(Workspace.open(Settings()).database, collection).count


@task(cache_policy=NO_CACHE)
def claim_new_feedback(collection: str, drill: bool) -> Claim:
    """Return the feedback since the watermark; a drill claims none."""
    if drill:
        return Claim(collection=collection, after=0, upto=0, count=0)
    return claim_feedback(Workspace.open(Settings()).database, collection)


@task(cache_policy=NO_CACHE)
def lack_of_feedback(claim: Claim) -> str | None:
    """Say what is missing for a retraining that feedback alone has started; None if there is enough."""
    threshold = Settings().feedback_threshold
    if claim.count >= threshold:
        return None
    return (
        f"skipped: {claim.count} new feedback of the {threshold} that start a retraining; others have consumed the rest"
    )


@task(cache_policy=NO_CACHE)
def consume_feedback(claim: Claim) -> None:
    """Advance the watermark past a claim, unless a retraining beside this one was first."""
    settings = Settings()
    try:
        advance_watermark(Workspace.open(settings).database, claim, settings.feedback_threshold)
    except ClaimLost as error:
        get_run_logger().warning("%s", error)
