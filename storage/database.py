"""The database: SQLite in WAL mode, or PostgreSQL by URL; brought to the newest tables by Alembic."""

import hashlib
import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, inspect, literal, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, StatementError
from sqlmodel import Session

from storage.errors import RagloopError, StorageError
from storage.folders import disk_errors
from storage.migrations import HEAD
from storage.sealing import Sealer
from storage.tables import Table

logger = logging.getLogger(__name__)

_BUSY_TIMEOUT_MS = 30_000
_BEGIN = "ragloop_begin"
_REMEDIES = (
    ("database or disk is full", "no space left: free some space, or choose another home"),
    ("readonly database", "not writable: change the permissions of the file and its folder, or choose another home"),
    ("unable to open database", "cannot be opened: check that its folder exists and is writable"),
    ("database is locked", "another process has held it for 30 s: wait for it to finish, then try again"),
    ("not a database", "is no database, or a damaged one: restore it from a backup"),
    ("malformed", "is damaged: restore it from a backup"),
    ("disk i/o error", "the disk failed to read or write: check the disk and its free space"),
    ('no such column|column ".*" does not exist', "has columns missing: restore it from a backup"),
    ('no such table|relation ".*" does not exist', "has tables missing: restore it from a backup"),
    # From here on, PostgreSQL.
    ("is the server running", "no server answers there: start PostgreSQL, or correct host and port in the URL"),
    ("resolve host|translate host name", "no such host: correct it in the URL"),
    ("password authentication failed", "user or password is refused: correct them in the URL"),
    ("no password supplied", "asks for a password: give it in the URL"),
    ('role ".*" does not exist', "has no such user: create it with `createuser`, or correct the URL"),
    ("no pg_hba.conf entry", "does not admit this user from here: add it to the server's pg_hba.conf"),
    ('database ".*" does not exist', "does not exist: create it with `createdb`, or correct its name in the URL"),
    (
        "too many (clients|connections)|slots are reserved",
        "has no connection free: raise its limit, or stop some clients",
    ),
    ("no space left|disk full", "no space left on the server's disk: free some space there"),
    ("permission denied", "this user may not read or write there: make it the owner of the database"),
    ("read-only transaction", "is read-only: correct the URL to name the primary server"),
    ("system is (starting|shutting|in recovery|not yet)", "is not ready yet: wait a moment, then try again"),
    ("terminating connection|closed the connection|connection is lost", "the server ended the connection: try again"),
)


class Database:
    """Rows of one home. Safe to share between threads; each process opens its own."""

    def __init__(self, url: str, sealer: Sealer) -> None:
        """Open nothing yet.

        :raises StorageError: if the URL is not one, or its driver is not installed.
        """
        self.url = _with_driver(url)
        try:
            self.engine = create_engine(self.url, **_engine_options(self.url))
        except ImportError as error:
            name = self._name
            raise StorageError(
                f"{name}: the driver {error.name} is missing: pip install 'ragloop[postgres]'"
            ) from error
        self.engine.dialect.ragloop_sealer = sealer  # type: ignore[attr-defined]
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(**{_BEGIN: "IMMEDIATE"})

    @property
    def is_sqlite(self) -> bool:
        """Whether the rows lie in a SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session that reads and writes; it commits at the end and rolls back on any error.

        On SQLite one such session is open at a time, over all processes: keep it short, and use `reading` to read.

        :raises StorageError: if the database cannot be opened, read or written.
        """
        with self._explained(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that only reads, and waits for nobody.

        :raises StorageError: if the database cannot be opened or read.
        """
        with self._explained(), Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.expunge_all()
            session.rollback()

    def lock(self, session: Session, name: str) -> None:
        """Hold a lock until the transaction of `session` ends. A SQLite session has the only one from its start."""
        if not self.is_sqlite:
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    def migrate(self) -> None:
        """Bring the tables to the newest revision; costs milliseconds when they are there already.

        :raises StorageError: if the database cannot be opened or written, or a newer ragloop made it.
        """
        if self.is_sqlite:
            self._create_file()
        with self._explained():
            with self.engine.connect() as connection:
                if _revision(connection) == HEAD:
                    return
            # The write lock is taken before the revision is read again: one process migrates, the others find it done.
            with self._writer.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(20251101)"))
                if _revision(connection) != HEAD:
                    self._upgrade(connection)

    def holds_rows(self) -> bool:
        """Tell whether any of our tables has a row; nothing sealed is read.

        :raises StorageError: if the database cannot be opened or read.
        """
        if self.is_sqlite:
            self._create_file()
        with self._explained(), self.engine.connect() as connection:
            there = inspect(connection).get_table_names()
            ours = [table for table in Table.metadata.sorted_tables if table.name in there]
            return any(connection.execute(select(literal(1)).select_from(table).limit(1)).first() for table in ours)

    def empty_log(self) -> None:
        """Leave no copy of deleted rows in SQLite's write-ahead log, unless somebody reads it now."""
        if self.is_sqlite:
            with self._explained(), self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()

    @property
    def _name(self) -> str:
        if self.url.get_backend_name() == "sqlite":
            return f"database {self.url.database}"
        return f"database {self.url.render_as_string(hide_password=True)}"

    def _create_file(self) -> None:
        """Make the SQLite file, private (0600); SQLite gives its WAL the same mode."""
        if not self.url.database or self.url.database == ":memory:":
            return
        path = Path(self.url.database)
        with disk_errors(path):
            if path.exists():
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    def _upgrade(self, connection: Connection) -> None:
        from alembic import command
        from alembic.util import CommandError

        before = _revision(connection)
        try:
            command.upgrade(alembic_config(connection), "head")
        except CommandError as error:
            message = f"{self._name} has revision {before}, unknown to this ragloop: install the newer ragloop"
            raise StorageError(message) from error
        logger.info("%s brought from revision %s to %s", self._name, before or "none", HEAD)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the driver says into one line with the remedy."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise StorageError(f"{self._name}: {_remedy(str(error.orig))}") from error
        except StatementError as error:
            if isinstance(error.orig, RagloopError):
                raise error.orig from None
            raise


def alembic_config(connection: Connection) -> Any:
    """Return an Alembic config that runs the packaged migrations on a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _with_driver(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StorageError("the database URL is not one: use sqlite:///PATH or postgresql://USER@HOST/NAME") from None
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StorageError(f"no support for {parsed.drivername} databases: use sqlite:///PATH or postgresql://...")
    return parsed


def _engine_options(url: URL) -> dict[str, Any]:
    # Parameters are hidden from errors, which go into logs.
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _BUSY_TIMEOUT_MS / 1000}, "hide_parameters": True}
    # Under a stricter level, one could wait for a lock and then not see what its last holder wrote.
    return {"pool_pre_ping": True, "isolation_level": "READ COMMITTED", "hide_parameters": True}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions start too late to cover a read before a write, and not at all for DDL.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        _set_wal(cursor)
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, sealed as it is
    finally:
        cursor.close()


def _set_wal(cursor: Any) -> None:
    """Put a new file into WAL mode; SQLite does not wait here by itself when another process does the same."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(_BEGIN, '')}")


def _revision(connection: Connection) -> str | None:
    """Return the revision of the tables, read without loading Alembic."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)


def _remedy(message: str) -> str:
    """Return what to do about a driver's message."""
    lower = message.lower()
    for sign, remedy in _REMEDIES:
        if re.search(sign, lower):
            return remedy
    first_line = message.strip().splitlines()[0] if message.strip() else "unknown error"
    return f"{first_line}: check that the database is reachable and its URL is right"
