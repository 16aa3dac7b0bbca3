"""The scratch of unfinished builds, such as checkpoints: what each is made of, so that it goes with that."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from storage.folders import locked
from storage.manifest import ArtifactRef

_NOTE = "made-of.json"


def note_inputs(scratch: Path, ref: ArtifactRef, inputs: Iterable[str], reads: Iterable[ArtifactRef]) -> None:
    """Write down what a build is made of, by digests, and reads, before anything of it stands in its scratch."""
    told = {"ref": ref.name, "inputs": sorted(inputs), "reads": [source.uri for source in reads]}
    (scratch / _NOTE).write_text(json.dumps(told), encoding="utf-8")


def drop_made_of(digest: str, scratches: Path, building: Path) -> None:
    """Remove the scratch of each build that is made of an artifact and that nobody is at."""
    _drop(lambda told: digest in told["inputs"], scratches, building)


def drop_orphans(is_there: Callable[[ArtifactRef], bool], scratches: Path, building: Path) -> None:
    """Remove the scratch of each build that nobody is at and that reads what was removed while somebody was."""
    _drop(lambda told: not all(is_there(ArtifactRef.parse(uri)) for uri in told.get("reads", ())), scratches, building)


def _drop(is_unwanted: Callable[[dict[str, Any]], bool], scratches: Path, building: Path) -> None:
    for note in scratches.glob(f"*/{_NOTE}"):
        try:
            told = json.loads(note.read_bytes())
        except (OSError, ValueError):
            continue  # it was removed, or never begun
        if not is_unwanted(told):
            continue
        building.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(building / f"{told['ref'].replace('/', '-')}.lock", wait=False) as alone:
            if alone:
                shutil.rmtree(note.parent, ignore_errors=True)
