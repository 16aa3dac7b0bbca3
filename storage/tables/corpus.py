"""What was taken in, and what was taken out again."""

from datetime import datetime

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field

from storage.tables.base import Table, json_column, sealed, time_column, time_or_none


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
    ingested_at: datetime = time_column()


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
    text: str = sealed("chunk.text")


class UploadRow(Table, table=True):
    """A file that came through the API, and what became of it."""

    __tablename__ = "upload"

    id: str = Field(primary_key=True)
    collection: str = Field(index=True)
    name: str
    state: str
    """An `UploadState`."""
    reason: str | None = None
    """Why it was refused, or has to wait."""
    content_sha256: str
    size_bytes: int = Field(sa_type=BigInteger)
    artifact_uri: str
    """The sealed file."""
    created_at: datetime = time_column()
    finished_at: datetime | None = time_or_none()


class DeletionRow(Table, table=True):
    """A document that was deleted: what is left to do while it is not finished, and by what its traces are known."""

    __tablename__ = "deletion"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    name: str = sealed("deletion.name")
    doc_ids: list[str] = json_column(list)
    """Of all its versions."""
    artifacts: list[str] = json_column(list)
    """What was made of it, by URI; noted before it is removed."""
    counts: dict[str, int] = json_column()
    """Rows removed or redacted, by what they are."""
    created_at: datetime = time_column()
    finished_at: datetime | None = time_or_none()
