"""The rows. What people wrote or asked is sealed; ids, counts, digests and names are plain."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, Column, Index, MetaData, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.columns import SealedText, UtcDateTime, utc_now


class Table(SQLModel):
    """Base of all tables: one metadata, whose constraints have names that a migration can drop."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _sealed(place: str, *, nullable: bool = False) -> Any:
    return Field(sa_column=Column(SealedText(place), nullable=nullable))


def _json(default_factory: Callable[[], Any] = dict) -> Any:
    return Field(default_factory=default_factory, sa_column=Column(JSON, nullable=False))


def _time() -> Any:
    return Field(default_factory=utc_now, sa_column=Column(UtcDateTime(), nullable=False))


def _time_or_none() -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=True))


class DocumentRow(Table, table=True):
    """One version of one file."""

    __tablename__ = "document"
    __table_args__ = (UniqueConstraint("collection", "name", "version"),)

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    name: str
    """Its path within the folder that was ingested."""
    version: int = 1
    content_sha256: str = Field(index=True)
    media_type: str
    size_bytes: int = Field(sa_type=BigInteger)
    n_pages: int
    n_chars: int
    n_chunks: int
    artifact_uri: str
    """The sealed original and its text."""
    artifact_digest: str
    split: str | None = None
    """Which of training, validation and evaluation its questions are for; drawn once, and kept by later versions."""
    active: bool = True
    """Whether this version is what is searched and trained on."""
    ingested_at: datetime = _time()


class ChunkRow(Table, table=True):
    """A passage of a document."""

    __tablename__ = "chunk"

    id: str = Field(primary_key=True)
    """`{doc_id}:{chunk_index}`."""
    doc_id: str = Field(foreign_key="document.id", ondelete="CASCADE", index=True)
    chunk_index: int
    page_no: int
    char_start: int
    char_end: int
    n_tokens: int
    text: str = _sealed("chunk.text")


class QueryPairRow(Table, table=True):
    """A question with its evidence."""

    __tablename__ = "query_pair"
    __table_args__ = (UniqueConstraint("collection", "anchor_fingerprint", "document"),)

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    document: str
    doc_id: str
    """The version of the document whose offsets these are."""
    anchor: str = _sealed("query_pair.anchor")
    answer: str = _sealed("query_pair.answer")
    anchor_fingerprint: str = Field(index=True)
    answer_start: int
    answer_end: int
    question_type: str
    origin: str
    source_id: str | None = None
    """Its id in the file that was imported."""
    weight: float = 1.0
    created_at: datetime = _time()


class ReleaseRow(Table, table=True):
    """Models, index and answering config that are promoted and rolled back as one."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("collection", "lineage_digest"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    parent_id: int | None = Field(default=None, foreign_key="release.id")
    reason: str
    """For its latest change of state."""
    config: dict[str, Any] = _json()
    lineage_digest: str
    embedder_uri: str
    embedder_digest: str
    index_uri: str
    index_digest: str
    reranker_uri: str | None = None
    chat_model_uri: str | None = None
    answering: dict[str, Any] = _json()
    lineage: dict[str, Any] = _json()
    state: str = "candidate"
    created_at: datetime = _time()
    promoted_at: datetime | None = _time_or_none()


class ProductionRow(Table, table=True):
    """What serves a collection."""

    __tablename__ = "production"

    collection: str = Field(primary_key=True)
    release_id: int = Field(foreign_key="release.id")
    since: datetime = _time()


class PromotionRow(Table, table=True):
    """One change of production; rollback walks these back."""

    __tablename__ = "promotion"

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    release_id: int = Field(foreign_key="release.id")
    previous_id: int | None = Field(default=None, foreign_key="release.id")
    action: str
    reason: str
    at: datetime = _time()


class EvaluationRow(Table, table=True):
    """What a release scored on an evaluation set, and the verdict."""

    __tablename__ = "evaluation"

    id: int | None = Field(default=None, primary_key=True)
    release_id: int = Field(foreign_key="release.id", index=True)
    against_id: int | None = Field(default=None, foreign_key="release.id")
    evaluation_set_digest: str
    metrics: dict[str, Any] = _json()
    verdict: str | None = None
    reason: str | None = None
    artifact_uri: str
    created_at: datetime = _time()


class InteractionRow(Table, table=True):
    """One question, and what was retrieved and answered by which release."""

    __tablename__ = "interaction"

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    release_id: int = Field(foreign_key="release.id", index=True)
    variant: str | None = None
    user_fingerprint: str | None = None
    question: str = _sealed("interaction.question")
    answer: str | None = _sealed("interaction.answer", nullable=True)
    retrieved: list[dict[str, Any]] = _json(list)
    """Chunk ids, ranks and scores."""
    generator: str | None = None
    history: str | None = _sealed("interaction.history", nullable=True)
    """What was said before, as JSON."""
    citations: list[dict[str, Any]] = _json(list)
    """Of the answer: number, chunk id, document id and span."""
    found: bool | None = None
    """Whether the documents were taken to answer it."""
    support: float | None = None
    silent: list[dict[str, Any]] = _json(list)
    """Generators that did not answer, and why."""
    cached: bool = False
    timings: dict[str, Any] = _json()
    """Seconds by step."""
    created_at: datetime = _time()


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
    text: str | None = _sealed("feedback.text", nullable=True)
    chunk_id: str | None = None
    """The passage that it is about."""
    user_fingerprint: str | None = None
    created_at: datetime = _time()


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
    payload: dict[str, Any] = _json()
    created_at: datetime = _time()
    n_sent: int = 0
    sent_at: datetime | None = _time_or_none()
    """When the receiver last acknowledged it; None while it waits to be sent."""
    leased_until: datetime | None = _time_or_none()
    """Until then one process is sending it."""


class WatermarkRow(Table, table=True):
    """The last feedback that a retraining has consumed; written with a collection's first feedback, as 0."""

    __tablename__ = "watermark"

    collection: str = Field(primary_key=True)
    feedback_id: int = 0
    updated_at: datetime = _time()


class ApiKeyRow(Table, table=True):
    """A key of the HTTP API; only its digest is kept."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True)
    """The key's first characters, by which people name it."""
    key_sha256: str = Field(unique=True)
    role: str
    collections: list[str] = _json(list)
    """What it opens; empty for all."""
    created_at: datetime = _time()
    expires_at: datetime | None = _time_or_none()
    revoked_at: datetime | None = _time_or_none()


class UploadRow(Table, table=True):
    """A file that came through the API, and what became of it."""

    __tablename__ = "upload"

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    name: str
    state: str
    """An `UploadState`."""
    reason: str | None = None
    """Why it was refused."""
    content_sha256: str
    size_bytes: int = Field(sa_type=BigInteger)
    artifact_uri: str
    """The sealed file."""
    created_at: datetime = _time()
    finished_at: datetime | None = _time_or_none()


class DeletionRow(Table, table=True):
    """A document that was deleted: what is left to do while it is not finished, and by what its traces are known."""

    __tablename__ = "deletion"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    name: str = _sealed("deletion.name")
    doc_ids: list[str] = _json(list)
    """Of all its versions."""
    artifacts: list[str] = _json(list)
    """What was made of it, by URI; noted before it is removed."""
    counts: dict[str, int] = _json()
    """Rows removed or redacted, by what they are."""
    created_at: datetime = _time()
    finished_at: datetime | None = _time_or_none()
