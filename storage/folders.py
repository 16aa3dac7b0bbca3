"""Files and folders that are written whole or not at all, on a local disk."""

import errno
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from storage.errors import StorageError

logger = logging.getLogger(__name__)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_END_BYTES = 1 << 20
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into one line with the remedy.

    :raises StorageError: in place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> StorageError:
    """Return the error to raise for what the system said about `path`."""
    name = error.filename if isinstance(error.filename, str) else str(path)
    if error.errno in FULL:
        return StorageError(f"{path}: no space left: free some space, or choose another home")
    if error.errno in _CLOSED:
        return StorageError(f"{name}: not allowed to read or write it: change its permissions, or choose another home")
    if error.errno == errno.ENOENT:
        return StorageError(f"{name}: no such file or folder: check the path")
    return StorageError(f"{name}: {error.strerror or error}: check the path and the disk")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a new private file (0600) to write; it takes the place of `target` once it is whole and on the disk.

    :raises StorageError: if the folder cannot be made or written; `target` is then as it was.
    """
    part = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            yield part
            sync(part)
            part.replace(target)
            sync(target.parent)
    finally:
        with suppress(OSError):
            part.unlink()


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder of a tree to the disk, the folder itself last."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(parent, name))
        sync(Path(parent))


def list_files(folder: Path) -> list[str]:
    """Return the names of all files below `folder`, relative and with forward slashes, sorted.

    :raises StorageError: at a link, which would point elsewhere once the folder has moved.
    """
    names = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise StorageError(f"{path} is a link: an artifact holds plain files only, copy it instead")
        if path.is_file():
            names.append(path.relative_to(folder).as_posix())
    return sorted(names)


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return 64 hex digits for the files of a folder: names, sizes, first and last MiB, since all may take minutes."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        size = path.stat().st_size
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{size}\0".encode() + file.read(_END_BYTES))
            file.seek(max(size - _END_BYTES, file.tell()))
            digest.update(file.read())
    return digest.hexdigest()


def check_name(name: str) -> str:
    """Return `name` if it is a plain name for a folder.

    :raises StorageError: if it could lead elsewhere.
    """
    if not name or name.startswith(".") or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise StorageError(f"{name!r} cannot name an artifact: use letters, digits, '-', '_' and '.' only")
    return name


def check_file_name(name: str) -> str:
    """Return `name` if it is a relative path of plain names.

    :raises StorageError: if it could lead elsewhere.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise StorageError(f"{name!r} cannot name a file of an artifact: use a relative path without '..'")
    return name


@contextmanager
def locked(lock: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock between processes and threads, freed when its holder dies; yields whether it is held."""
    with disk_errors(lock):
        descriptor = _take(lock, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(descriptor)


def _take(lock: Path, *, wait: bool) -> int | None:
    """Return the descriptor that holds the lock, or None if another holds it and we do not wait."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    os.close(descriptor)
                    return None
                logger.info("waiting for another process at work on %s", lock.stem)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The last holder removes the file: a lock on a removed file guards nothing.
            with suppress(FileNotFoundError):
                if os.stat(lock).st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def sweep(building: Path) -> None:
    """Remove the temporary folders (`NAME.RANDOM`, guarded by `NAME.lock`) of builders that are gone."""
    for folder in building.iterdir():
        if not folder.is_dir():
            continue
        lock = building / f"{folder.name.rpartition('.')[0]}.lock"
        with locked(lock, wait=False) as taken:
            if taken:
                logger.info("removing %s, left by a build that was killed", folder.name)
                shutil.rmtree(folder, ignore_errors=True)
