"""The store of artifacts: folders named by what goes into them, written whole or not at all, and reused."""

import errno
import logging
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from storage.draft import Draft
from storage.errors import ArtifactMissing, SealBroken
from storage.folders import FULL, check_file_name, check_name, disk_error, disk_errors, locked, sweep, sync, sync_tree
from storage.manifest import MANIFEST, ArtifactRef, Manifest, describe, parse_manifest
from storage.recipes import ConfigLike, config_json, digest_json, recipe_hashes
from storage.sealing import Sealer
from storage.unfinished import drop_made_of, drop_orphans, note_inputs

if TYPE_CHECKING:
    from storage.bucket import Bucket

__all__ = ["ArtifactRef", "ArtifactStore", "Draft", "Manifest"]

logger = logging.getLogger(__name__)


class ArtifactStore:
    """Artifacts under a root: a local folder, or a URI that fsspec reaches, with copies in a local cache.

    `kind` and `digest` become folder names; anything that could lead elsewhere raises StorageError.
    """

    def __init__(self, root_uri: str, cache: Path, sealer: Sealer) -> None:
        """Open a root; a plain path or a file: URI is a local folder, and `cache` is then not used.

        :raises StorageError: if nothing installed here speaks the URI's protocol.
        """
        self.sealer = sealer
        self._bucket: Bucket | None = None
        if root_uri.startswith("file:"):
            self._root = Path(unquote(urlsplit(root_uri).path))
        elif "://" not in root_uri:
            self._root = Path(root_uri).expanduser()
        else:
            self._bucket, self._root = _open_bucket(root_uri), cache

    def digest(self, kind: str, inputs: Mapping[str, str], config: ConfigLike, recipe: Sequence[str]) -> str:
        """Return the name of what would be built: 32 hex digits.

        :param inputs: digests, by role.
        :param recipe: modules or packages whose source makes the artifact; see `recipe_hashes`.
        :raises StorageError: if a module does not exist.
        """
        return digest_json({"kind": check_name(kind), **_plan(inputs, config, recipe)})

    def find(self, kind: str, digest: str) -> ArtifactRef | None:
        """Return the reference to a complete artifact, or None."""
        ref = ArtifactRef.of(kind, digest)
        if self._bucket is not None:
            return ref if self._bucket.read_manifest(ref.name) is not None else None
        return ref if (self._folder(ref) / MANIFEST).is_file() else None

    def build(
        self,
        kind: str,
        *,
        inputs: Mapping[str, str],
        config: ConfigLike,
        recipe: Sequence[str],
        write: Callable[[Draft], Mapping[str, JsonValue] | None],
        quietly: bool = False,
        reads: Sequence[ArtifactRef] = (),
    ) -> ArtifactRef:
        """Return the artifact, built by `write` unless it is there; what `write` returns are the manifest's facts.

        That it is there already is said in the log, unless `quietly`: one of many says nothing to people. A second
        process that builds the same waits, then reuses. A killed build leaves nothing but its scratch. What was built
        while one of those that it `reads` was removed is removed too.

        :raises StorageError: if the disk is full or cannot be written.
        :raises ArtifactMissing: if one that it reads was removed meanwhile.
        """
        plan = _plan(inputs, config, recipe)
        ref = ArtifactRef.of(kind, digest_json({"kind": kind, **plan}))
        if self._complete(ref):
            logger.log(logging.DEBUG if quietly else logging.INFO, "reusing %s", ref.uri)
            return ref
        with disk_errors(self._building):
            self._building.mkdir(mode=0o700, parents=True, exist_ok=True)
            sweep(self._building)
        with locked(self._building / f"{kind}-{ref.digest}.lock"):
            if not self._complete(ref):
                if not self._here(ref):
                    self._write(ref, plan, write, reads)
                if self._bucket is not None:
                    self._upload(ref, self._bucket)
            shutil.rmtree(self._scratch(ref.digest), ignore_errors=True)
        # Only now: who removes looks for what was made of it afterwards, so one of the two sees the other.
        for source in reads:
            if self.find(source.kind, source.digest) is None:
                self.remove(ref)
                raise ArtifactMissing(f"{source.uri} was removed while {ref.uri} was made from it: run it again")
        return ref

    def refs(self) -> list[ArtifactRef]:
        """Return all complete artifacts, copies in the local cache included.

        :raises StorageError: if the root cannot be read.
        """
        with disk_errors(self._root):
            names = {f"{path.parent.parent.name}/{path.parent.name}" for path in self._root.glob(f"*/*/{MANIFEST}")}
        if self._bucket is not None:
            names.update(self._bucket.names())
        return [ArtifactRef.parse(f"artifact:{name}") for name in sorted(names) if not name.startswith(".")]

    def remove(self, ref: ArtifactRef) -> None:
        """Remove an artifact with its local copy, if it is there; its folder leaves its place in one step.

        The checkpoints of what was to be made of it, and is not being made now, go too.

        :raises StorageError: if it cannot be removed.
        """
        with disk_errors(self._root):  # first, since a removal that was killed is begun again while its artifact stands
            drop_made_of(ref.digest, self._root / ".scratch", self._building)
        if self._bucket is not None:
            self._bucket.remove(ref.name)
        self._take_away(ref)

    def drop_copy(self, ref: ArtifactRef) -> None:
        """Remove this machine's copy of what another one has removed from the bucket."""
        if self._bucket is not None and self._folder(ref).exists() and self._bucket.read_manifest(ref.name) is None:
            self._take_away(ref)

    def remove_leftovers(self) -> None:
        """Remove what builds and removals that were killed have left; checkpoints that can go on stay."""
        with disk_errors(self._root):
            if self._building.is_dir():
                sweep(self._building)
            drop_orphans(
                lambda ref: self.find(ref.kind, ref.digest) is not None, self._root / ".scratch", self._building
            )

    def path(self, ref: ArtifactRef) -> Path:
        """Return a local folder with the artifact's files, whose sizes have been checked.

        :raises ArtifactMissing: if it is not in the store.
        :raises SealBroken: if a file is missing or cut short.
        """
        folder = self._folder(ref)
        if self._bucket is None:
            self._local_manifest(ref).check_sizes(folder)
        elif not self._here(ref):
            self._download(ref, self._bucket)
        return folder

    def manifest(self, ref: ArtifactRef) -> Manifest:
        """Return the artifact's manifest.

        :raises ArtifactMissing: if it is not in the store.
        :raises SealBroken: if the manifest cannot be read.
        """
        if self._bucket is None:
            return self._local_manifest(ref)
        return self._remote_manifest(ref, self._bucket)

    def facts(self, ref: ArtifactRef) -> dict[str, Any]:
        """Return what the build wrote down about the artifact."""
        return self.manifest(ref).facts

    def verify(self, ref: ArtifactRef) -> None:
        """Read every file and compare it with the manifest.

        :raises SealBroken: naming the first file that differs.
        """
        folder = self.path(ref)
        self._local_manifest(ref).check_digests(folder)

    def unseal(self, ref: ArtifactRef, name: str) -> bytes:
        """Return the plain bytes of a sealed file.

        :raises SealBroken: if it is missing, altered, cut short or moved.
        """
        return self.sealer.read_sealed(self.path(ref) / check_file_name(name), f"{ref.name}/{name}")

    def unseal_file(self, ref: ArtifactRef, name: str, target: Path) -> None:
        """Write the plain bytes of a sealed file of any size to `target` (0600)."""
        self.sealer.open_file(self.path(ref) / check_file_name(name), target, f"{ref.name}/{name}")

    def scratch(self, digest: str) -> Path:
        """Return the folder for checkpoints of an unfinished build, which a killed one finds again."""
        path = self._scratch(digest)
        with disk_errors(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    @property
    def _building(self) -> Path:
        return self._root / ".building"

    def _scratch(self, digest: str) -> Path:
        return self._root / ".scratch" / check_name(digest)

    def _folder(self, ref: ArtifactRef) -> Path:
        return self._root / check_name(ref.kind) / check_name(ref.digest)

    def _part(self, ref: ArtifactRef) -> Path:
        """Return a new temporary folder, named so that `sweep` finds its lock."""
        path = self._building / f"{ref.kind}-{ref.digest}.{secrets.token_hex(4)}"
        path.mkdir(mode=0o700, parents=True)
        return path

    def _write(
        self,
        ref: ArtifactRef,
        plan: Mapping[str, Any],
        write: Callable[[Draft], Mapping[str, JsonValue] | None],
        reads: Sequence[ArtifactRef],
    ) -> None:
        with disk_errors(self._building):
            part = self._part(ref)
        try:
            scratch = self.scratch(ref.digest)
            note_inputs(scratch, ref, plan["inputs"].values(), reads)
            facts = write(Draft(part, ref, scratch, self.sealer))
            with disk_errors(part):
                manifest = describe(ref, part, plan, dict(facts or {}))
                (part / MANIFEST).write_bytes(manifest.dump())
                self._move_in(part, self._folder(ref))
        except OSError as error:
            if error.errno in FULL or error.errno == errno.EROFS:
                raise disk_error(error, part) from error
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _take_away(self, ref: ArtifactRef) -> None:
        folder = self._folder(ref)
        with disk_errors(folder):
            self._building.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._building / f"{ref.kind}-{ref.digest}.{secrets.token_hex(4)}"
            try:
                folder.rename(part)
            except FileNotFoundError:
                return
            sync(folder.parent)
            shutil.rmtree(part, ignore_errors=True)

    def _move_in(self, part: Path, folder: Path) -> None:
        """Put a complete folder in its place in one step."""
        sync_tree(part)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.exists():
            # No manifest, or a damaged copy: the lock is ours, so nobody is writing it.
            shutil.rmtree(folder)
        part.rename(folder)
        sync(folder.parent)

    def _upload(self, ref: ArtifactRef, bucket: "Bucket") -> None:
        folder = self._folder(ref)
        manifest = self._local_manifest(ref)
        attempt = bucket.upload(folder, list(manifest.files), ref.name)
        bucket.publish(ref.name, attempt, manifest.model_copy(update={"attempt": attempt}).dump())

    def _download(self, ref: ArtifactRef, bucket: "Bucket") -> None:
        manifest = self._remote_manifest(ref, bucket)
        with disk_errors(self._building):
            self._building.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._building / f"{ref.kind}-{ref.digest}.lock"):
                if self._here(ref):
                    return
                part = self._part(ref)
                try:
                    bucket.download(ref.name, manifest.attempt, list(manifest.files), part)
                    manifest.check_digests(part)
                    (part / MANIFEST).write_bytes(manifest.dump())
                    self._move_in(part, self._folder(ref))
                finally:
                    shutil.rmtree(part, ignore_errors=True)

    def _complete(self, ref: ArtifactRef) -> bool:
        """Return whether there is nothing to build."""
        return self._here(ref) if self._bucket is None else self._bucket.read_manifest(ref.name) is not None

    def _here(self, ref: ArtifactRef) -> bool:
        """Return whether the local folder is whole; a damaged one counts as absent."""
        try:
            self._local_manifest(ref).check_sizes(self._folder(ref))
        except ArtifactMissing:
            return False
        except SealBroken as error:
            logger.warning("not using a damaged artifact: %s", error)
            return False
        return True

    def _local_manifest(self, ref: ArtifactRef) -> Manifest:
        path = self._folder(ref) / MANIFEST
        with disk_errors(path):
            if not path.is_file():
                raise ArtifactMissing(f"{ref.uri} is not in the store: restore it from a backup, or build it again")
            return parse_manifest(ref, path.read_bytes(), path)

    def _remote_manifest(self, ref: ArtifactRef, bucket: "Bucket") -> Manifest:
        data = bucket.read_manifest(ref.name)
        if data is None:
            raise ArtifactMissing(f"{ref.uri} is not in the store: restore it from a backup, or build it again")
        return parse_manifest(ref, data, self._folder(ref) / MANIFEST)


def _open_bucket(root_uri: str) -> "Bucket":
    from storage.bucket import Bucket

    return Bucket(root_uri)


def _plan(inputs: Mapping[str, str], config: ConfigLike, recipe: Sequence[str]) -> dict[str, Any]:
    """Return what, besides its kind, names an artifact."""
    return {"inputs": dict(inputs), "config": config_json(config), "recipe": recipe_hashes(recipe)}
