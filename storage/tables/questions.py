"""What people asked, were told and said of it."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, Index, String, UniqueConstraint
from sqlmodel import Field

from storage.tables.base import Table, json_column, sealed, time_column, time_or_none


class QueryPairRow(Table, table=True):
    """A question with its evidence."""

    __tablename__ = "query_pair"
    __table_args__ = (UniqueConstraint("collection", "anchor_fingerprint", "document"),)

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    document: str
    doc_id: str
    """The version of the document whose offsets these are."""
    anchor: str = sealed("query_pair.anchor")
    answer: str = sealed("query_pair.answer")
    anchor_fingerprint: str = Field(index=True)
    answer_start: int
    answer_end: int
    question_type: str
    origin: str
    source_id: str | None = None
    """Its id in the file that was imported."""
    weight: float = 1.0
    created_at: datetime = time_column()


class InteractionRow(Table, table=True):
    """One question, and what was retrieved and answered by which release."""

    __tablename__ = "interaction"

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    release_id: int = Field(foreign_key="release.id", index=True)
    variant: str | None = None
    user_fingerprint: str | None = None
    question: str = sealed("interaction.question")
    answer: str | None = sealed("interaction.answer", nullable=True)
    retrieved: list[dict[str, Any]] = json_column(list)
    """Chunk ids, ranks and scores."""
    generator: str | None = None
    history: str | None = sealed("interaction.history", nullable=True)
    """What was said before, as JSON."""
    citations: list[dict[str, Any]] = json_column(list)
    """Of the answer: number, chunk id, document id and span."""
    found: bool | None = None
    """Whether the documents were taken to answer it."""
    support: float | None = None
    silent: list[dict[str, Any]] = json_column(list)
    """Generators that did not answer, and why."""
    cached: bool = False
    timings: dict[str, Any] = json_column()
    """Seconds by step."""
    created_at: datetime = time_column()


class FeedbackRow(Table, table=True):
    """One reaction to an interaction. Ids only grow: the watermark counts on it."""

    __tablename__ = "feedback"
    __table_args__ = (Index(None, "collection", "id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(sa_column=Column(String(), nullable=False, server_default=""))
    """That of its interaction, so that what is new is counted from an index."""
    interaction_id: str = Field(foreign_key="interaction.id", index=True)
    kind: str
    value: float | None = None
    text: str | None = sealed("feedback.text", nullable=True)
    chunk_id: str | None = None
    """The passage that it is about."""
    user_fingerprint: str | None = None
    created_at: datetime = time_column()


class OutboxRow(Table, table=True):
    """An event to send, written in the transaction that caused it: one for each topic and watermark of a collection."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("collection", "topic", "watermark"),)

    id: int | None = Field(default=None, primary_key=True)
    event_id: UUID = Field(default_factory=uuid4, unique=True)
    topic: str
    collection: str
    watermark: int
    """That of the collection when the event was written; once it has moved on, the event says nothing new."""
    payload: dict[str, Any] = json_column()
    created_at: datetime = time_column()
    n_sent: int = 0
    sent_at: datetime | None = time_or_none()
    """When the receiver last acknowledged it; None while it waits to be sent."""
    leased_until: datetime | None = time_or_none()
    """Until then one process is sending it."""


class WatermarkRow(Table, table=True):
    """The last feedback that a retraining has consumed; written with a collection's first feedback, as 0."""

    __tablename__ = "watermark"

    collection: str = Field(primary_key=True)
    feedback_id: int = 0
    updated_at: datetime = time_column()
