"""The device, held by whoever trains."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rag.device import Device
from storage.artifacts import Draft


@contextmanager
def held_for_training(device: Device, what: str, draft: Draft) -> Iterator[dict[str, str]]:
    """Hold the device while a model is trained into `draft`, whose log is kept with it; yields from when to when."""
    held: dict[str, str] = {}
    with device.held(what):
        held["began_at"] = datetime.now(UTC).isoformat()
        yield held
        held["ended_at"] = datetime.now(UTC).isoformat()
    shutil.copytree(draft.scratch / "runs", draft.path / "runs", dirs_exist_ok=True)
