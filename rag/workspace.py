"""One home opened: its key, its rows, its artifacts, its releases."""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import select

from rag.device import Device
from rag.errors import ConfigError
from rag.settings import Settings
from storage.artifacts import ArtifactStore
from storage.database import Database
from storage.errors import SealBroken, StorageError, WrongKey
from storage.folders import replacing
from storage.keyring import Keyring
from storage.registry import Registry
from storage.sealing import Sealer
from storage.tables import ChunkRow

logger = logging.getLogger(__name__)

_MARK = "home.json"


@dataclass(frozen=True)
class Workspace:
    """What the edges hand to the library."""

    settings: Settings
    sealer: Sealer
    database: Database
    artifacts: ArtifactStore
    registry: Registry

    @classmethod
    def open(cls, settings: Settings, create: bool = False) -> "Workspace":
        """Open the home; with `create` it is made first if it is not there.

        With a database that hosts share, a home is this host's cache alone, so it is made wherever the key is given.

        :raises StorageError: if it is not there or cannot be written.
        :raises WrongKey: if another key sealed it, or its key is missing.
        """
        home = settings.home.expanduser().absolute()
        mark = home / _MARK
        shared, joins = settings.database_url is not None, not mark.exists()
        if joins and not create and not shared:
            raise StorageError(f"no home at {home}: begin with `ragloop ingest PATH`, or set RAGLOOP_HOME to yours")
        with _usable(home):
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            sealer = Sealer(_keyring(settings, create=create and joins))
            if not joins:
                sealer.verify_key_check(_key_check(mark), str(home))
        database = Database(settings.database_url or f"sqlite:///{home / 'ragloop.db'}", sealer)
        database.migrate()
        if joins:
            _verify_rows(database)
            with replacing(mark) as draft:
                draft.write_text(json.dumps({"key_check": sealer.key_check()}), encoding="utf-8")
        root = settings.artifact_root or str(home / "artifacts")
        return cls(settings, sealer, database, ArtifactStore(root, home / "cache", sealer), Registry(database))

    @property
    def home(self) -> Path:
        """The home folder, absolute."""
        return self.settings.home.expanduser().absolute()

    @property
    def device(self) -> Device:
        """What one training at a time may have on this machine."""
        return Device(self.settings.device_lock)

    def require_room(self, megabytes: int) -> None:
        """Check that the home's disk has room before long work starts.

        :raises StorageError: if it has not.
        """
        free = shutil.disk_usage(self.home).free // 2**20
        if free < megabytes:
            raise StorageError(
                f"the disk of the home folder {self.home} has {free} MB free and this needs {megabytes} MB: make room, "
                "or choose another with RAGLOOP_HOME"
            )


@contextmanager
def _usable(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot use the home folder {home} ({error.strerror}): make room or give write access, or choose "
            "another with RAGLOOP_HOME"
        ) from error


def _verify_rows(database: Database) -> None:
    """Check that our key opens what other hosts have sealed.

    :raises WrongKey: if it does not.
    """
    try:
        with database.reading() as session:
            session.exec(select(ChunkRow).limit(1)).first()
    except SealBroken as error:
        raise WrongKey(
            "the database was sealed with another key than this host's: give it the key of the other hosts, with "
            "RAGLOOP_KEY_FILE or RAGLOOP_KEYRING"
        ) from error


def _keyring(settings: Settings, create: bool) -> Keyring:
    if settings.keyring is not None:
        return Keyring.from_json(settings.keyring.get_secret_value())
    key_file = settings.key_file.expanduser()
    if create and settings.database_url is not None and not key_file.exists():
        _verify_unused(settings.database_url, key_file)
    return Keyring.load_or_create(key_file, create=create)


def _verify_unused(database_url: str, key_file: Path) -> None:
    """Check that no other host has begun with a database: its key is the one to use, and no second is made.

    :raises WrongKey: if one has.
    """
    database = Database(database_url, Sealer(Keyring.generate()))  # these keys open nothing, and are not kept
    try:
        used = database.holds_rows()
    finally:
        database.close()
    if used:
        raise WrongKey(
            f"no key at {key_file}, and the database is in use already: give this host the key of the other hosts, "
            "with RAGLOOP_KEY_FILE or RAGLOOP_KEYRING"
        )


def _key_check(mark: Path) -> str:
    try:
        return str(json.loads(mark.read_text(encoding="utf-8"))["key_check"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{mark} is damaged: restore it from a backup of the home folder") from error
