"""Releases that are compared while people use them, and who was shown which."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field

from storage.tables.base import Table, json_column, time_column, time_or_none


class ExperimentRow(Table, table=True):
    """What serves against another release, for a part of the users."""

    __tablename__ = "experiment"
    __table_args__ = (Index(None, "collection", "state"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    collection: str
    name: str
    state: str = "running"
    control_id: int = Field(foreign_key="release.id")
    variant_id: int = Field(foreign_key="release.id")
    shares: dict[str, float] = json_column()
    """Of the users, for control and variant."""
    config: dict[str, Any] = json_column()
    """When it ends."""
    look: dict[str, Any] = json_column()
    """What was seen last; empty before the first look."""
    finding: str | None = None
    """What was found; None if nothing was."""
    reason: str | None = None
    """Why it ended."""
    started_at: datetime = time_column()
    ended_at: datetime | None = time_or_none()
    rests_until: datetime | None = time_or_none()
    """When it is to be looked at again; None before the first look."""
    told_at: datetime | None = time_or_none()
    """When the event of its end was acknowledged."""


class ExposureRow(Table, table=True):
    """A question that was asked within an experiment; written before it is answered. Holds no text."""

    __tablename__ = "exposure"
    __table_args__ = (Index(None, "experiment_id", "user_fingerprint"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    experiment_id: int = Field(foreign_key="experiment.id")
    interaction_id: str = Field(unique=True)
    """Of the interaction, which is there once the question was searched for."""
    user_fingerprint: str
    release_id: int = Field(foreign_key="release.id")
    """That was to answer."""
    treated: bool
    """Whether that is the variant."""
    chance: float
    """How likely the user was to get the variant."""
    at: datetime = time_column()
    failed: bool = False
    """Whether it ended in an error, or the variant could not be opened and the control answered."""
    satisfaction: float | None = None
    """What its user said of the answer while the window was open, 0 to 1; None if nothing was said."""
