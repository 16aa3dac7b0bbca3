"""What serves, what did, and what was found of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from storage.tables.base import Table, json_column, time_column, time_or_none


class ReleaseRow(Table, table=True):
    """Models, index and answering config that are promoted and rolled back as one."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("collection", "lineage_digest"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    parent_id: int | None = Field(default=None, foreign_key="release.id")
    reason: str
    """For its latest change of state."""
    config: dict[str, Any] = json_column()
    lineage_digest: str
    embedder_uri: str
    embedder_digest: str
    index_uri: str
    index_digest: str
    reranker_uri: str | None = None
    chat_model_uri: str | None = None
    answering: dict[str, Any] = json_column()
    lineage: dict[str, Any] = json_column()
    state: str = "candidate"
    created_at: datetime = time_column()
    promoted_at: datetime | None = time_or_none()


class ProductionRow(Table, table=True):
    """What serves a collection."""

    __tablename__ = "production"

    collection: str = Field(primary_key=True)
    release_id: int = Field(foreign_key="release.id")
    since: datetime = time_column()


class PromotionRow(Table, table=True):
    """One change of production; rollback walks these back."""

    __tablename__ = "promotion"

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    release_id: int = Field(foreign_key="release.id")
    previous_id: int | None = Field(default=None, foreign_key="release.id")
    action: str
    reason: str
    at: datetime = time_column()


class EvaluationSetRow(Table, table=True):
    """A version of the questions that judge a collection's releases."""

    __tablename__ = "evaluation_set"
    __table_args__ = (UniqueConstraint("collection", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    collection: str = Field(index=True)
    version: int
    artifact_uri: str
    """The sealed questions."""
    reason: str
    created_at: datetime = time_column()


class EvaluationRow(Table, table=True):
    """What a release scored on an evaluation set, and the verdict."""

    __tablename__ = "evaluation"

    id: int | None = Field(default=None, primary_key=True)
    release_id: int = Field(foreign_key="release.id", index=True)
    against_id: int | None = Field(default=None, foreign_key="release.id")
    evaluation_set_digest: str
    metrics: dict[str, Any] = json_column()
    verdict: str | None = None
    reason: str | None = None
    artifact_uri: str
    created_at: datetime = time_column()
