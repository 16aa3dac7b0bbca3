"""The scratch of unfinished builds, such as checkpoints: what each is made of, so that it goes with that."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from storage.folders import locked
from storage.manifest import ArtifactRef

_NOTE = "made-of.json"


def note_inputs(scratch: Path, ref: ArtifactRef, inputs: Iterable[str]) -> None:
    """Write down what a build is made of, by digests, before anything of it stands in its scratch."""
    (scratch / _NOTE).write_text(json.dumps({"ref": ref.name, "inputs": sorted(inputs)}), encoding="utf-8")


def drop_unfinished(scratches: Path, building: Path, digest: str) -> None:
    """Remove the scratch of each build that is made of an artifact and that nobody is at."""
    for note in scratches.glob(f"*/{_NOTE}"):
        try:
            told = json.loads(note.read_bytes())
        except (OSError, ValueError):
            continue  # it was removed, or never begun
        if digest not in told["inputs"]:
            continue
        building.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(building / f"{told['ref'].replace('/', '-')}.lock", wait=False) as alone:
            if alone:
                shutil.rmtree(note.parent, ignore_errors=True)
