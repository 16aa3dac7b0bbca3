"""How much feedback is new to a collection, and a retraining's claim on it."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, case, func
from sqlmodel import Session, col, select

from storage.database import Database
from storage.tables import FeedbackRow, WatermarkRow

MOST_OF_ONE = 10
"""Reactions of one person that count towards a retraining; who gives more has all of them consumed all the same."""


class Claim(BaseModel):
    """The feedback with ids in (after, upto]: what a retraining takes. Nothing, if `count` is 0."""

    model_config = ConfigDict(frozen=True)

    collection: str
    after: int
    """The watermark."""
    upto: int
    count: int
    """At most `MOST_OF_ONE` of each person."""


class Waiting(Claim):
    """What a collection has in store for its next retraining."""

    threshold: int
    since: datetime | None
    """When the oldest of it came; None if nothing waits."""

    @property
    def due(self) -> bool:
        """Whether it is enough for a retraining to start by itself."""
        return self.count >= self.threshold


def claim_feedback(database: Database, collection: str) -> Claim:
    """Return all feedback since the watermark. Nothing changes: `advance_watermark` settles who consumes it."""
    with database.reading() as session:
        return new_feedback(session, collection)


def waiting(database: Database, threshold: int) -> Sequence[Waiting]:
    """Return what waits in each collection that ever had feedback, by name."""
    with database.reading() as session:
        names = session.exec(select(WatermarkRow.collection).order_by(col(WatermarkRow.collection))).all()
        return [_waiting(session, name, threshold) for name in names]


def waiting_in(database: Database, collection: str, threshold: int) -> Waiting:
    """Return what waits in one collection: nothing in one that never had feedback."""
    with database.reading() as session:
        return _waiting(session, collection, threshold)


def due(database: Database, threshold: int) -> Sequence[Waiting]:
    """Return the collections that have enough new feedback for a retraining, by name."""
    return [each for each in waiting(database, threshold) if each.due]


def lock_feedback(database: Database, session: Session, collection: str) -> None:
    """Be the only one, until the transaction ends, to write the collection's feedback, watermark and events.

    A sequence hands out ids before their rows become visible: only under the lock do they become visible in order, so
    that no row with a lower id appears behind a claim.
    """
    database.lock(session, f"feedback/{collection}")


def watermark(session: Session, collection: str) -> int:
    """Return the last feedback id that a retraining has consumed; 0 before the first."""
    row = session.get(WatermarkRow, collection)
    return row.feedback_id if row else 0


def new_feedback(session: Session, collection: str) -> Claim:
    """Return the feedback since the watermark, as the session sees it."""
    after = watermark(session, collection)
    nameless = col(FeedbackRow.user_fingerprint).is_(None)
    person = FeedbackRow.user_fingerprint, case((nameless, FeedbackRow.interaction_id), else_="")
    of_each = (
        select(func.max(FeedbackRow.id).label("last"), func.count().label("n"))
        .where(*_is_after(collection, after))
        .group_by(*person)
        .subquery()
    )
    n = func.sum(case((of_each.c.n > MOST_OF_ONE, MOST_OF_ONE), else_=of_each.c.n))
    upto, count = session.exec(select(func.max(of_each.c.last), n)).one()
    return Claim(collection=collection, after=after, upto=upto or after, count=int(count or 0))


def _waiting(session: Session, collection: str, threshold: int) -> Waiting:
    new = new_feedback(session, collection)
    since = session.exec(select(func.min(col(FeedbackRow.created_at))).where(*_is_after(collection, new.after))).one()
    return Waiting(**new.model_dump(), threshold=threshold, since=since)


def _is_after(collection: str, after: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(FeedbackRow.collection) == collection, col(FeedbackRow.id) > after
