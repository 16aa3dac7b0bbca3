"""Events that say enough feedback waits: written in the transaction that caused them, sent until acknowledged.

The transactional outbox (Richardson, Microservices Patterns, 2018, 3.2). An event only wakes a retraining up; the
watermark says what there is to consume.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, or_, update
from sqlmodel import Session, col, select

from rag.feedback.claims import due, lock_feedback, new_feedback, watermark
from storage.columns import utc_now
from storage.database import Database
from storage.tables import OutboxRow

logger = logging.getLogger(__name__)

TOPIC = "ragloop.feedback.ready"
LEASE_S = 60
"""How long a process may take to send an event before another one tries."""
_MAX_DOUBLINGS = 10


class OutboxEvent(BaseModel):
    """An event to send, under the same id however often sending it fails."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    topic: str
    collection: str
    payload: dict[str, Any]
    """`collection, after, upto, count` of the feedback when it was written."""


def write_event(session: Session, collection: str, threshold: int) -> bool:
    """Write the event of a collection, under its lock, if enough feedback is new and this watermark has none yet."""
    if _event_row(session, collection) is not None:
        return False
    new = new_feedback(session, collection)
    if new.count < threshold:
        return False
    session.add(OutboxRow(topic=TOPIC, collection=collection, watermark=new.after, payload=new.model_dump()))
    logger.info("collection %r has %d new reactions: its retraining is due", collection, new.count)
    return True


def drop_unsent(session: Session, collection: str) -> None:
    """Remove the unsent event of a collection, under its lock, because its watermark moves on."""
    session.exec(delete(OutboxRow).where(col(OutboxRow.collection) == collection, col(OutboxRow.sent_at).is_(None)))


def deliver(
    database: Database,
    send: Callable[[OutboxEvent], None],
    ready: Callable[[OutboxEvent], bool] = lambda _: True,
) -> int:
    """Send what is unsent, oldest first, and return how many events were. No transaction is open meanwhile.

    `send` returns once the event is acknowledged, within LEASE_S. Whatever it raises leaves the event for the next
    time, and so does `ready` when it is false. Of processes that deliver at once, one sends each event; if it is killed
    between the acknowledgement and its note of it, the event is sent again under the same id.
    """
    n_sent = 0
    for event in _unsent(database):
        try:
            n_sent += ready(event) and _send(database, event, send)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            logger.warning(
                "%s for %r is not sent, it waits for the next time: %s", event.topic, event.collection, reason
            )
    return n_sent


def renew(database: Database, threshold: int, older_than_s: float) -> int:
    """Let `deliver` send again what is due and was sent, yet not acted upon; return how many events that are.

    One is taken for lost after `older_than_s`, and after twice as long each further time. It gets a new id, since its
    receiver may ignore what it has seen. One that was never written, because the threshold was higher, is written now.
    """
    n_renewed = 0
    for each in due(database, threshold):
        with database.session() as session:
            lock_feedback(database, session, each.collection)
            row = _event_row(session, each.collection)
            if row is None:
                n_renewed += write_event(session, each.collection, threshold)
            elif _is_lost(row, older_than_s):
                row.event_id, row.sent_at = uuid4(), None
                row.payload = new_feedback(session, each.collection).model_dump()
                logger.info("collection %r is still due: its event is sent again", each.collection)
                n_renewed += 1
    return n_renewed


def _event_row(session: Session, collection: str) -> OutboxRow | None:
    """Return the event of the collection's watermark."""
    mark = watermark(session, collection)
    query = select(OutboxRow).where(
        OutboxRow.collection == collection, OutboxRow.topic == TOPIC, OutboxRow.watermark == mark
    )
    return session.exec(query).first()


def _is_lost(row: OutboxRow, older_than_s: float) -> bool:
    patience = timedelta(seconds=older_than_s * 2 ** min(max(row.n_sent - 1, 0), _MAX_DOUBLINGS))
    return row.sent_at is not None and row.sent_at + patience <= utc_now()


def _unsent(database: Database) -> Sequence[OutboxEvent]:
    query = select(OutboxRow).where(col(OutboxRow.sent_at).is_(None)).order_by(col(OutboxRow.id))
    with database.reading() as session:
        return [
            OutboxEvent(id=row.event_id, topic=row.topic, collection=row.collection, payload=row.payload)
            for row in session.exec(query)
        ]


def _send(database: Database, event: OutboxEvent, send: Callable[[OutboxEvent], None]) -> bool:
    """Send an event under a lease; False if another process has sent it or is at it."""
    lease = _take_lease(database, event.id)
    if lease is None:
        return False
    try:
        send(event)
    except BaseException:
        with database.session() as session:
            ours = col(OutboxRow.event_id) == event.id, col(OutboxRow.leased_until) == lease
            session.exec(update(OutboxRow).where(*ours).values(leased_until=None))
        raise
    with database.session() as session:
        session.exec(
            update(OutboxRow)
            .where(col(OutboxRow.event_id) == event.id)
            .values(sent_at=utc_now(), n_sent=col(OutboxRow.n_sent) + 1, leased_until=None)
        )
    return True


def _take_lease(database: Database, event_id: UUID) -> datetime | None:
    """Return until when the event is ours to send, or None if it is not."""
    now = utc_now()
    lease = now + timedelta(seconds=LEASE_S)
    free = or_(col(OutboxRow.leased_until).is_(None), col(OutboxRow.leased_until) <= now)
    unsent = col(OutboxRow.event_id) == event_id, col(OutboxRow.sent_at).is_(None)
    with database.session() as session:
        taken = session.exec(update(OutboxRow).where(*unsent, free).values(leased_until=lease))
    return lease if taken.rowcount else None
