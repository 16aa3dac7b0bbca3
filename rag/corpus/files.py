"""Which files of the given paths are documents, and under what names."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
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
MAX_NAME = 500
_CHECK_URI = "check the address and its credentials"


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


class RemoteFile(NamedTuple):
    """A file in a bucket, or anywhere else that fsspec reaches."""

    uri: str
    name: str

    def read(self, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return the file's bytes.

        :raises UnreadableDocument: if it cannot be opened or is larger than `max_bytes`.
        """
        import fsspec

        try:
            fs, path = fsspec.core.url_to_fs(self.uri)
            check_size(self.name, fs.size(path) or 0, max_bytes)
            return bytes(fs.cat_file(path))
        except UnreadableDocument:
            raise
        except Exception as error:  # a driver may raise anything
            raise UnreadableDocument(f"{self.name} cannot be opened ({type(error).__name__}): {_CHECK_URI}") from error


class FoundFiles(NamedTuple):
    """The documents under the given paths, and what was passed over there: hidden files and unknown kinds."""

    files: list[SourceFile | RemoteFile]
    skipped: list[SourceFile | RemoteFile]


def check_name(name: str) -> None:
    """Refuse a name that no document can have: one that is too long, leads elsewhere, or writes into a terminal.

    :raises UnreadableDocument: if it is one.
    """
    leads_elsewhere = any(part in ("", ".", "..") for part in name.split("/"))
    if not 0 < len(name) <= MAX_NAME or leads_elsewhere or not name.isprintable():
        raise UnreadableDocument(
            f"a document cannot be called {name[:80]!r}: give a plain name of up to {MAX_NAME} letters"
        )


def check_size(name: str, n_bytes: int, max_bytes: int) -> None:
    """Refuse a file that is too large.

    :raises UnreadableDocument: if `n_bytes` exceeds `max_bytes`.
    """
    if n_bytes > max_bytes:
        raise UnreadableDocument(
            f"{name} has {n_bytes / 2**20:.1f} MiB, more than {max_bytes / 2**20:.1f}: split it into smaller files"
        )


def find_documents(sources: Sequence[Path | str]) -> FoundFiles:
    """Return the documents among files and folders (searched to the bottom), sorted within each folder.

    A source is a path, or a URI that fsspec reaches, such as `s3://bucket/handbook`.

    A file that is named outright is kept whatever its kind, so that its refusal is told. A file reached twice counts
    once.

    :raises UnreadableDocument: if a path does not exist, or two files would have one name.
    :raises EmptyCorpus: if a folder holds no document.
    """
    files: dict[str, SourceFile | RemoteFile] = {}
    skipped: list[SourceFile | RemoteFile] = []
    seen: set[str] = set()
    for source in sources:
        remote = "://" in str(source)
        for file in _under_uri(str(source), skipped) if remote else _under(Path(source), skipped):
            real = file.uri if isinstance(file, RemoteFile) else os.path.realpath(file.path)
            if real in seen:
                continue
            if file.name in files:
                raise UnreadableDocument(
                    f"{files[file.name][0]} and {file[0]} would both be named {file.name}: "
                    "rename one, or give the folder that holds both"
                )
            seen.add(real)
            files[file.name] = file
    if not files:
        raise EmptyCorpus(f"no documents were given: name files or folders with {KNOWN_SUFFIXES}")
    return FoundFiles(list(files.values()), skipped)


def _under_uri(uri: str, skipped: list[SourceFile | RemoteFile]) -> list[RemoteFile]:
    """Return the documents at or under a URI; add what is passed over to `skipped`."""
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(uri)
        paths = sorted(fs.find(root))
    except Exception as error:  # a driver may raise anything
        raise UnreadableDocument(f"{uri} cannot be listed ({type(error).__name__}: {error}): {_CHECK_URI}") from error
    if paths == [root]:
        return [RemoteFile(uri, root.rsplit("/", 1)[-1])]
    found: list[RemoteFile] = []
    for path in paths:
        file = RemoteFile(fs.unstrip_protocol(path), path.removeprefix(root).lstrip("/"))
        known = PurePosixPath(file.name).suffix.lower() in MEDIA_TYPES
        hidden = any(map(_is_hidden, file.name.split("/")))
        (found if known and not hidden else skipped).append(file)
    if not found:
        raise EmptyCorpus(f"{uri} holds no document: put files there that end in {KNOWN_SUFFIXES}")
    return found


def _under(path: Path, skipped: list[SourceFile | RemoteFile]) -> list[SourceFile]:
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
