"""A collection that was used for weeks: questions, answers and reactions, each at its time."""

from datetime import UTC, datetime, timedelta

from sqlmodel import select

from rag.feedback.recording import record_feedback
from rag.feedback.signals import Feedback, FeedbackKind, Interaction, Retrieved
from rag.monitoring.traffic import Asked
from storage.tables import FeedbackRow, InteractionRow

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday."""


def days_ago(days, hour=9):
    return (NOW - timedelta(days=days)).replace(hour=hour)


def ask(database, release_id, at, question="How long is the warranty?", user=None, **fields):
    """Keep a question that was asked then; return its id."""
    (id_,) = keep(database, [interaction(release_id, at, question, user, **fields)])
    return id_


def keep(database, rows):
    """Keep questions in one transaction; return their ids."""
    with database.session() as session:
        session.add_all(rows)
        return [row.id for row in rows]


def interaction(release_id, at, question, user=None, score=0.7, seconds=0.5, **fields):
    """Return a question's row, as it is recorded then."""
    fields = {"found": True, "support": 0.9, "answer": "So."} | fields
    asked = Interaction(
        collection="default",
        release_id=release_id,
        question=question,
        user_fingerprint=user,
        retrieved=(Retrieved(chunk_id="a:0", rank=1, score=score), Retrieved(chunk_id="a:1", rank=2, score=score / 2)),
        timings={"retrieval": seconds / 2, "total": seconds},
        **fields,
    )
    return InteractionRow(**asked.model_dump(), created_at=at)


def react(database, interaction_id, kind, at, user=None, **fields):
    """Keep a reaction of then."""
    reaction = Feedback(interaction_id=interaction_id, kind=FeedbackKind(kind), user_fingerprint=user, **fields)
    id_ = record_feedback(database, reaction, 10_000)
    with database.session() as session:
        session.exec(select(FeedbackRow).where(FeedbackRow.id == id_)).one().created_at = at


def asked(id_, at, user=None, **fields):
    """Return a question's answer as `load_traffic` does."""
    facts = {
        "release_id": 1,
        "found": True,
        "cached": False,
        "support": 0.9,
        "score": 0.7,
        "timings": {"total": 0.5},
        "judgements": (),
    }
    return Asked(id=id_, at=at, user=user, **(facts | fields))
