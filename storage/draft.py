"""An artifact that is being written."""

from dataclasses import dataclass
from pathlib import Path

from storage.folders import check_file_name
from storage.manifest import ArtifactRef
from storage.sealing import Sealer


@dataclass(frozen=True)
class Draft:
    """The folder in which an artifact is being written."""

    path: Path
    ref: ArtifactRef
    scratch: Path
    """For checkpoints: outlives a killed build of the same artifact, and is removed when it is complete."""
    sealer: Sealer

    def seal(self, name: str, data: bytes) -> None:
        """Add a sealed file, bound to this artifact and name."""
        self.sealer.write_sealed(self.path / check_file_name(name), data, f"{self.ref.name}/{name}")

    def seal_file(self, name: str, source: Path) -> None:
        """Add a sealed copy of a file of any size, bound to this artifact and name."""
        self.sealer.seal_file(source, self.path / check_file_name(name), f"{self.ref.name}/{name}")
