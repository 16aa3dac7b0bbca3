"""Interactions and feedback as they come in; the one that makes a retraining due also writes its event."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from rag.corpus.deleted import deleted_ids
from rag.experiments.votes import count_vote
from rag.feedback.claims import lock_feedback
from rag.feedback.outbox import write_event
from rag.feedback.redaction import redact
from rag.feedback.signals import VOTES, Feedback, Interaction
from storage.database import Database
from storage.errors import RagloopError, ReleaseNotFound
from storage.tables import ChunkRow, DocumentRow, FeedbackRow, InteractionRow, ReleaseRow, WatermarkRow


class InteractionNotFound(RagloopError):
    """No interaction answers to that id."""


class PassageNotFound(RagloopError):
    """No passage of the collection answers to that id."""


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
        lock_feedback(database, session, interaction.collection)  # so that a deletion sees it, or it sees the deletion
        row = InteractionRow(**interaction.model_dump())
        redact(row, deleted_ids(session, interaction.collection))  # it was answered before, and is kept only now
        session.add(row)
    return interaction.id


def record_feedback(database: Database, feedback: Feedback, threshold: int) -> int:
    """Keep a reaction and return its id.

    A person has one vote for an answer and one reaction of each other kind to a passage or answer: the latest stands
    for those before, and the same again adds nothing. Who has no fingerprint is one person for each answer. If
    `threshold` reactions are then new to the collection, the event that says so is written in the same transaction:
    one for each watermark. So is what a vote says in an experiment.

    :raises InteractionNotFound: if there is no such interaction.
    :raises PassageNotFound: if its passage is not one that was shown or lies in the collection.
    """
    with database.session() as session:
        interaction = session.get(InteractionRow, feedback.interaction_id)
        if interaction is None:
            raise InteractionNotFound(
                f"no interaction {feedback.interaction_id!r}: give the id that came with the answer"
            )
        collection = interaction.collection
        _require_passage(session, interaction, feedback.chunk_id)
        lock_feedback(database, session, collection)
        if session.get(WatermarkRow, collection) is None:
            session.add(WatermarkRow(collection=collection))
        session.refresh(interaction)
        redacted = {"text": None} if not interaction.question else {}  # what is said of it quotes what was deleted
        row = FeedbackRow(collection=collection, **feedback.model_dump() | redacted)
        before = _said_before(session, feedback)
        if before and (before[-1].kind, before[-1].value, before[-1].text) == (row.kind, row.value, row.text):
            row = before[-1]
        else:
            for replaced in before:
                session.delete(replaced)
            session.add(row)  # under a new id, so that a change of mind is new to the next retraining
            session.flush()
            count_vote(session, row)
            write_event(session, collection, threshold)
        assert row.id is not None
        return row.id


def _said_before(session: Session, feedback: Feedback) -> Sequence[FeedbackRow]:
    """Return what a reaction takes the place of, oldest first: of the same person, about the same thing."""
    query = select(FeedbackRow).where(
        FeedbackRow.interaction_id == feedback.interaction_id,
        FeedbackRow.user_fingerprint == feedback.user_fingerprint,
        FeedbackRow.chunk_id == feedback.chunk_id,
        col(FeedbackRow.kind).in_(VOTES if feedback.kind in VOTES else {feedback.kind}),
    )
    return session.exec(query.order_by(col(FeedbackRow.id))).all()


def _require_passage(session: Session, interaction: InteractionRow, chunk_id: str | None) -> None:
    if chunk_id is None or any(shown["chunk_id"] == chunk_id for shown in interaction.retrieved):
        return
    place = select(ChunkRow.id).join(DocumentRow, col(DocumentRow.id) == ChunkRow.doc_id)
    own = place.where(ChunkRow.id == chunk_id, DocumentRow.collection == interaction.collection)
    if session.exec(own).first() is None:
        raise PassageNotFound(
            f"no passage {chunk_id!r} in collection {interaction.collection!r}: "
            "give a chunk_id that came with the answer"
        )
