"""Column types: text that is sealed in the database, and times that are always UTC."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from storage.errors import StorageError
from storage.sealing import Sealer


class SealedText(TypeDecorator[str]):
    """Text that reaches the database sealed, bound to its place (`table.column`).

    The sealer hangs on the engine's dialect, where `Database` puts it.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Seal a value on its way in."""
        return None if value is None else _sealer(dialect).seal_text(value, self.place)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Open a value on its way out.

        :raises SealBroken: if it was altered or sealed with another key.
        """
        return None if value is None else _sealer(dialect).open_text(bytes(value), self.place)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, kept as UTC; SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn a time into UTC.

        :raises ValueError: if it has no zone.
        """
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: give one, such as datetime.now(UTC)")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def _sealer(dialect: Dialect) -> Sealer:
    sealer = getattr(dialect, "ragloop_sealer", None)
    if not isinstance(sealer, Sealer):
        raise StorageError("this engine has no sealer: open the database with storage.database.Database")
    return sealer
