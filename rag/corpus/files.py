"""Which files of the given paths are documents, and under what names."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rag.errors import EmptyCorpus, UnreadableDocument

logger = logging.getLogger(__name__)

MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
}
KNOWN_SUFFIXES = ", ".join(MEDIA_TYPES)
MAX_FILE_BYTES = 200 * 2**20


class SourceFile(NamedTuple):
    """A file to ingest, and the document's name: its POSIX path within the folder given, or the file's name."""

    path: Path
    name: str

    def read(self, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return the file's bytes.

        :raises UnreadableDocument: if it cannot be opened or is larger than `max_bytes`.
        """
        try:
            check_size(self.name, self.path.stat().st_size, max_bytes)
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadableDocument(
                f"{self.name} cannot be opened ({error.strerror}): check the path and its read permission"
            ) from error


class FoundFiles(NamedTuple):
    """The documents under the given paths, and what was passed over there: hidden files and unknown kinds."""

    files: list[SourceFile]
    skipped: list[SourceFile]


def check_size(name: str, n_bytes: int, max_bytes: int) -> None:
    """Refuse a file that is too large.

    :raises UnreadableDocument: if `n_bytes` exceeds `max_bytes`.
    """
    if n_bytes > max_bytes:
        raise UnreadableDocument(
            f"{name} has {n_bytes / 2**20:.1f} MiB, more than {max_bytes / 2**20:.1f}: split it into smaller files"
        )


def find_documents(paths: Sequence[Path]) -> FoundFiles:
    """Return the documents among files and folders (searched to the bottom), sorted within each folder.

    A file that is named outright is kept whatever its kind, so that its refusal is told. A file reached twice counts
    once.

    :raises UnreadableDocument: if a path does not exist, or two files would have one name.
    :raises EmptyCorpus: if a folder holds no document.
    """
    files: dict[str, SourceFile] = {}
    skipped: list[SourceFile] = []
    seen: set[str] = set()
    for path in paths:
        for source in _under(path, skipped):
            real = os.path.realpath(source.path)
            if real in seen:
                continue
            if source.name in files:
                raise UnreadableDocument(
                    f"{files[source.name].path} and {source.path} would both be named {source.name}: "
                    "rename one, or give the folder that holds both"
                )
            seen.add(real)
            files[source.name] = source
    if not files:
        raise EmptyCorpus(f"no documents were given: name files or folders with {KNOWN_SUFFIXES}")
    return FoundFiles(list(files.values()), skipped)


def _under(path: Path, skipped: list[SourceFile]) -> list[SourceFile]:
    """Return the documents at or under one path; add what is passed over to `skipped`."""
    if path.is_file():
        return [SourceFile(path, _text_name(path.name))]
    if not path.is_dir():
        raise UnreadableDocument(f"{path} does not exist or is no file or folder: check the path")
    found: list[SourceFile] = []
    for source in _walk(path):
        known = source.path.suffix.lower() in MEDIA_TYPES and not _is_hidden(source.path.name)
        (found if known and source.path.is_file() else skipped).append(source)
    if not found:
        raise EmptyCorpus(f"{path} holds no document: put files there that end in {KNOWN_SUFFIXES}")
    return found


def _walk(folder: Path) -> Iterator[SourceFile]:
    """Yield every file under a folder in sorted order; hidden folders are not entered."""
    for parent, folders, names in os.walk(folder, onerror=_warn_unopened):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(names):
            path = Path(parent, name)
            yield SourceFile(path, _text_name(path.relative_to(folder).as_posix()))


def _is_hidden(name: str) -> bool:
    """Tell dot files, and the lock files that Word leaves beside an open document."""
    return name.startswith((".", "~$"))


def _text_name(name: str) -> str:
    """Return a name that can be encoded: file names may hold bytes that are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _warn_unopened(error: OSError) -> None:
    logger.warning("folder %s cannot be opened (%s): nothing in it is ingested", error.filename, error.strerror)
