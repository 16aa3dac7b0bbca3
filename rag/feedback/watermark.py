"""The watermark moves on once a retraining's verdict is recorded: each reaction is consumed once."""

from rag.feedback.claims import Claim, lock_feedback, watermark
from rag.feedback.outbox import drop_unsent, write_event
from storage.columns import utc_now
from storage.database import Database
from storage.errors import RagloopError
from storage.tables import WatermarkRow


class ClaimLost(RagloopError):
    """Another retraining has consumed the feedback that this one had claimed."""


def advance_watermark(database: Database, claim: Claim, threshold: int) -> None:
    """Note that a retraining has consumed what it claimed; nothing changes if that is nothing.

    If enough has come in meanwhile, the next event is written in the same transaction.

    :raises ClaimLost: if another retraining has moved the watermark since the claim.
    """
    if not claim.count:
        return
    with database.session() as session:
        lock_feedback(database, session, claim.collection)
        if (mark := watermark(session, claim.collection)) != claim.after:
            raise ClaimLost(
                f"the feedback {claim.after + 1} to {claim.upto} of collection {claim.collection!r} was consumed by "
                f"another retraining, up to {mark}: nothing is lost, run `ragloop retrain` again for what is new since"
            )
        drop_unsent(session, claim.collection)
        session.merge(WatermarkRow(collection=claim.collection, feedback_id=claim.upto, updated_at=utc_now()))
        session.flush()
        write_event(session, claim.collection, threshold)
