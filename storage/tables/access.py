"""Who may ask."""

from datetime import datetime

from sqlmodel import Field

from storage.tables.base import Table, json_column, time_column, time_or_none


class ApiKeyRow(Table, table=True):
    """A key of the HTTP API; only its digest is kept."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True)
    """The key's first characters, by which people name it."""
    key_sha256: str = Field(unique=True)
    role: str
    collections: list[str] = json_column(list)
    """What it opens; empty for all."""
    created_at: datetime = time_column()
    expires_at: datetime | None = time_or_none()
    revoked_at: datetime | None = time_or_none()
