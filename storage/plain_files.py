"""Plain files that a person asked for: readable by their owner alone, all of them whole or none there."""

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from storage.errors import StorageError


def write_plain_files(folder: Path, contents: Mapping[str, Iterable[str]]) -> dict[str, Path]:
    """Write files of mode 0600 from pieces of text, by file name; return their paths by file name.

    :raises StorageError: if the folder cannot be written.
    """
    written: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            written[_write_beside(folder / name, content)] = folder / name
        for temporary, path in written.items():
            os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"cannot export to {folder}: {reason}: choose a folder that can be written") from error
    finally:
        for temporary in written:
            temporary.unlink(missing_ok=True)
    return {path.name: path for path in written.values()}


def _write_beside(path: Path, content: Iterable[str]) -> Path:
    """Write to a new file of mode 0600 next to `path` and return its path."""
    temporary = path.with_name(f".{uuid.uuid4().hex}")  # without its name, which may be as long as names can be
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
