"""Interactions and feedback as they come in; the one that makes a retraining due also writes its event."""

from rag.feedback.claims import lock_feedback
from rag.feedback.outbox import write_event
from rag.feedback.signals import Feedback, Interaction
from storage.database import Database
from storage.errors import RagloopError, ReleaseNotFound
from storage.tables import FeedbackRow, InteractionRow, ReleaseRow, WatermarkRow


class InteractionNotFound(RagloopError):
    """No interaction answers to that id."""


def record_interaction(database: Database, interaction: Interaction) -> str:
    """Keep an interaction and return its id.

    :raises ReleaseNotFound: if its collection has no such release.
    """
    with database.session() as session:
        release = session.get(ReleaseRow, interaction.release_id)
        if release is None or release.collection != interaction.collection:
            raise ReleaseNotFound(
                f"collection {interaction.collection!r} has no release {interaction.release_id}: "
                "see `ragloop releases list`"
            )
        session.add(InteractionRow(**interaction.model_dump()))
    return interaction.id


def record_feedback(database: Database, feedback: Feedback, threshold: int) -> int:
    """Keep a reaction and return its id.

    If `threshold` reactions are then new to its collection, the event that says so is written in the same transaction:
    one for each watermark.

    :raises InteractionNotFound: if there is no such interaction.
    """
    with database.session() as session:
        interaction = session.get(InteractionRow, feedback.interaction_id)
        if interaction is None:
            raise InteractionNotFound(
                f"no interaction {feedback.interaction_id!r}: give the id that came with the answer"
            )
        collection = interaction.collection
        lock_feedback(database, session, collection)
        if session.get(WatermarkRow, collection) is None:
            session.add(WatermarkRow(collection=collection))
        row = FeedbackRow(collection=collection, **feedback.model_dump())
        session.add(row)
        session.flush()
        write_event(session, collection, threshold)
        assert row.id is not None
        return row.id
