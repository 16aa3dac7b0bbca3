"""What all tables share: one metadata, and the kinds of columns."""

from collections.abc import Callable
from typing import Any, ClassVar

from sqlalchemy import JSON, Column, MetaData
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


def sealed(place: str, *, nullable: bool = False) -> Any:
    """Return a column of text that is encrypted in the database."""
    return Field(sa_column=Column(SealedText(place), nullable=nullable))


def json_column(default_factory: Callable[[], Any] = dict) -> Any:
    """Return a column of JSON."""
    return Field(default_factory=default_factory, sa_column=Column(JSON, nullable=False))


def time_column() -> Any:
    """Return a column of the time at which the row was written."""
    return Field(default_factory=utc_now, sa_column=Column(UtcDateTime(), nullable=False))


def time_or_none() -> Any:
    """Return a column of a time that may not have come."""
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=True))
