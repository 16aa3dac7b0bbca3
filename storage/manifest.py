"""What an artifact is: the reference that passes between steps, and the manifest that makes it complete."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from storage.errors import SealBroken, StorageError
from storage.folders import check_file_name, check_name, list_files, sha256_file

MANIFEST = "manifest.json"
REBUILD = "restore it from a backup, or remove it and build it again"


class ArtifactRef(BaseModel):
    """What passes between steps in place of an artifact; holds no path of any machine."""

    model_config = ConfigDict(frozen=True)

    kind: str
    digest: str
    uri: str

    @classmethod
    def of(cls, kind: str, digest: str) -> Self:
        """Return the reference to an artifact, whether or not it is built."""
        return cls(kind=kind, digest=digest, uri=f"artifact:{check_name(kind)}/{check_name(digest)}")

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read `artifact:<kind>/<digest>`.

        :raises StorageError: if it is not that.
        """
        scheme, _, name = uri.partition(":")
        kind, _, digest = name.partition("/")
        if scheme != "artifact":
            raise StorageError(f"{uri!r} refers to no artifact: it should read artifact:KIND/DIGEST")
        return cls.of(kind, digest)

    @property
    def name(self) -> str:
        """`kind/digest`."""
        return f"{self.kind}/{self.digest}"


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    bytes: int


class Manifest(BaseModel):
    """What an artifact is made of and from; it is written last, so its presence means complete."""

    model_config = ConfigDict(frozen=True)

    kind: str
    digest: str
    inputs: dict[str, str]
    config: dict[str, JsonValue]
    recipe: dict[str, str]
    facts: dict[str, Any]
    files: dict[str, FileEntry]
    attempt: str = ""
    """In a bucket: the folder of the upload that counts."""
    created_at: datetime
    ragloop: str

    @property
    def n_bytes(self) -> int:
        """Size of all files together."""
        return sum(entry.bytes for entry in self.files.values())

    def check_sizes(self, folder: Path) -> None:
        """Look whether all files are there, at their lengths.

        :raises SealBroken: naming the first that is not.
        """
        for name, entry in self.files.items():
            path = folder / name
            if not path.is_file():
                raise SealBroken(f"{path}: missing: {REBUILD}")
            if path.stat().st_size != entry.bytes:
                raise SealBroken(f"{path}: cut short or altered: {REBUILD}")

    def check_digests(self, folder: Path) -> None:
        """Read all files and compare them.

        :raises SealBroken: naming the first that differs.
        """
        self.check_sizes(folder)
        for name, entry in self.files.items():
            if sha256_file(folder / name) != entry.sha256:
                raise SealBroken(f"{folder / name}: altered: {REBUILD}")

    def dump(self) -> bytes:
        """Return the manifest as JSON."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def parse_manifest(ref: ArtifactRef, data: bytes, path: Path) -> Manifest:
    """Read what `Manifest.dump` wrote, found at `path`.

    :raises SealBroken: if it is not that, or belongs to another artifact.
    """
    try:
        manifest = Manifest.model_validate_json(data)
        for name in manifest.files:
            check_file_name(name)
        if (manifest.kind, manifest.digest) == (ref.kind, ref.digest):
            return manifest
    except (ValidationError, StorageError):
        pass
    raise SealBroken(f"{path}: altered, cut short or moved: {REBUILD}") from None


def describe(ref: ArtifactRef, folder: Path, plan: Mapping[str, Any], facts: dict[str, JsonValue]) -> Manifest:
    """Return the manifest of a written folder."""
    names = list_files(folder)
    if MANIFEST in names:
        raise StorageError(f"{ref.uri}: a build may not write {MANIFEST}: give the file another name")
    files = {n: FileEntry(sha256=sha256_file(folder / n), bytes=(folder / n).stat().st_size) for n in names}
    try:
        ragloop = version("ragloop")
    except PackageNotFoundError:
        ragloop = "unknown"
    what = {"kind": ref.kind, "digest": ref.digest, "facts": facts, "files": files, **plan}
    return Manifest(**what, created_at=datetime.now(UTC), ragloop=ragloop)
