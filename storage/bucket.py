"""Artifacts in a bucket, or anywhere else that fsspec reaches."""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
from tqdm import tqdm

from storage.errors import RagloopError, StorageError

logger = logging.getLogger(__name__)

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss"})
"""They have no folders; a driver asked to make one makes the bucket, also one whose name is misspelt."""


class Bucket:
    """Folders of files under a URI. A folder's files are final from the moment that its manifest is there.

    Every upload has a folder of its own, which the manifest names: two machines that upload the same artifact never mix
    their files.
    """

    def __init__(self, root_uri: str) -> None:
        """Connect.

        :raises StorageError: if nothing installed here speaks the URI's protocol.
        """
        try:
            self._fs, root = fsspec.core.url_to_fs(root_uri)
        except (ImportError, ValueError) as error:
            message = f"no way to reach {root_uri} ({error}): install its driver, as in pip install 'ragloop[s3]'"
            raise StorageError(message) from error
        self._root = str(root).rstrip("/")
        self._uri = root_uri
        self._has_folders = not _OBJECT_STORES.intersection(_protocols(self._fs))
        self._seen = self._has_folders

    def read_manifest(self, name: str) -> bytes | None:
        """Return the manifest of the folder `name` (`kind/digest`), or None while it is not complete.

        :raises StorageError: if the bucket cannot be reached, or does not exist.
        """
        with self._explained(name):
            try:
                return bytes(self._fs.cat_file(self._at(name, "manifest.json")))
            except FileNotFoundError:
                self._check_bucket()
                return None

    def upload(self, folder: Path, files: Sequence[str], name: str) -> str:
        """Copy files of a local folder; returns the attempt that a manifest must name for them to count.

        :raises StorageError: if the bucket cannot be written; what was copied is then removed.
        """
        attempt = secrets.token_hex(4)
        with self._explained(name):
            try:
                for file in tqdm(files, desc=f"uploading {name}", delay=2, disable=None):
                    target = self._at(name, attempt, file)
                    self._make_folder(target.rpartition("/")[0])
                    self._fs.put_file(str(folder / file), target)
            except BaseException:
                self.discard(name, attempt)
                raise
        return attempt

    def publish(self, name: str, attempt: str, manifest: bytes) -> None:
        """Write the manifest, which makes an upload count; if another machine was first, ours is dropped.

        :raises StorageError: if the bucket cannot be written.
        """
        if self.read_manifest(name) is not None:
            self.discard(name, attempt)
            return
        with self._explained(name):
            self._make_folder(self._at(name))
            self._fs.pipe_file(self._at(name, "manifest.json"), manifest)

    def download(self, name: str, attempt: str, files: Sequence[str], folder: Path) -> None:
        """Copy the files of an upload into a local folder.

        :raises StorageError: if one cannot be read.
        """
        for file in tqdm(files, desc=f"downloading {name}", delay=2, disable=None):
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._explained(f"{name}/{file}"):
                self._fs.get_file(self._at(name, attempt, file), str(target))

    def names(self) -> list[str]:
        """Return `kind/digest` of each complete folder, those that another machine has just made among them.

        :raises StorageError: if the bucket cannot be reached.
        """
        with self._explained("its folders"):
            self._fs.invalidate_cache()  # drivers keep what they once listed
            found = self._fs.glob(self._at("*", "*", "manifest.json"))
            return ["/".join(str(path).split("/")[-3:-1]) for path in found]

    def remove(self, name: str) -> None:
        """Remove a folder, its manifest last, so that a removal that was killed is found again.

        :raises StorageError: if the bucket cannot be written.
        """
        manifest = self._at(name, "manifest.json")
        with self._explained(name):
            self._fs.invalidate_cache()
            if self._fs.exists(manifest):
                others = [path for path in self._fs.find(self._at(name)) if not str(path).endswith("/manifest.json")]
                if others:
                    self._fs.rm(others)
                self._fs.rm(self._at(name), recursive=True)

    def discard(self, name: str, attempt: str) -> None:
        """Remove an upload that does not count."""
        with suppress(Exception):
            self._fs.rm(self._at(name, attempt), recursive=True)

    def _make_folder(self, path: str) -> None:
        if self._has_folders:
            self._fs.makedirs(path, exist_ok=True)

    def _check_bucket(self) -> None:
        """Look once whether the bucket exists, before hours go into what it should hold."""
        bucket = self._root.partition("/")[0]
        if not self._seen and not self._fs.exists(bucket):
            raise StorageError(f"{self._uri}: there is no bucket {bucket}: make it, or correct RAGLOOP_ARTIFACT_ROOT")
        self._seen = True

    def _at(self, *parts: str) -> str:
        return "/".join((self._root, *(part for part in parts if part)))

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Turn what a driver raises, which may be anything, into one line with the remedy."""
        try:
            yield
        except RagloopError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            message = f"{self._uri}: {name}: {reason}: check the network, the credentials and the free space"
            raise StorageError(message) from error


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
