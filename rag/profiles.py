"""The profiles that fit the stage configs to a machine, and what a file overrides in them. Imports no torch."""

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rag.config import Config
from rag.errors import ConfigError


class Profile(StrEnum):
    """A machine that the defaults are fitted to."""

    CPU = "cpu"
    GPU_6GB = "gpu-6gb"
    GPU_16GB = "gpu-16gb"
    SMOKE = "smoke"


_OVERRIDES: dict[Profile, dict[str, Any]] = {
    Profile.CPU: {},
    Profile.GPU_6GB: {"embedding": {"batch_size": 64}, "index": {"encode_batch": 128}},
    Profile.GPU_16GB: {"embedding": {"batch_size": 128}, "index": {"encode_batch": 256}},
    Profile.SMOKE: {
        "synthesis": {"questions_per_chunk": 1},
        "pairs": {"passage_tokens": 62, "max_synthetic_questions": 40},
        "embedding": {
            "epochs": 1,
            "min_steps": 1,
            "max_steps": 6,
            "batch_size": 8,
            "max_seq_length": 64,
            "merge_weights": (1.0,),
        },
        "encoding": {"engine": "torch"},
        "chat": {
            "data": {"pairs_per_chunk": 1, "variations": 2},
            "training": {
                "layers": 2,
                "width": 64,
                "heads": 4,
                "vocabulary": 600,
                "max_length": 128,
                "epochs": 1,
                "min_steps": 1,
                "max_steps": 6,
                "checkpoints": 2,
            },
            "compare": {"questions": 4, "calibration_questions": 4, "timed": 2},
            "gate": {"resamples": 1000},
        },
        "gate": {"resamples": 1000},
    },
}
_WITH_HUB: dict[Profile, dict[str, Any]] = {
    Profile.GPU_6GB: {
        "chat": {
            "training": {
                "base": "microsoft/phi-2",
                "method": "qlora",
                "max_length": 512,
                "epochs": 3,
                "min_steps": 100,
                "batch_size": 1,
                "accumulation": 16,
                "learning_rate": 2e-4,
                "gradient_checkpointing": True,
            }
        }
    },
    Profile.GPU_16GB: {
        "chat": {
            "training": {
                "base": "microsoft/DialoGPT-small",
                "epochs": 15,
                "batch_size": 4,
                "accumulation": 8,
                "learning_rate": 3e-4,
                "schedule": "cosine",
            }
        }
    },
}
"""What a profile overrides besides where models come from the hub; without it, what is bundled is trained."""


def load_config(
    profile: Profile | str,
    shuffle_labels: bool = False,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    from_hub: bool = False,
) -> Config:
    """Return the stage configs of a profile, changed by `overrides` (by stage), for a drill with `shuffle_labels`.

    :param from_hub: whether base models come from the model hub.
    :raises ConfigError: if there is no such profile, stage or field, or a value is out of its bounds.
    """
    try:
        chosen = Profile(profile)
    except ValueError:
        names = ", ".join(p.value for p in Profile)
        raise ConfigError(f"no profile named {profile!r}: choose one of {names}") from None
    fitted = _merged(_OVERRIDES[chosen], _WITH_HUB.get(chosen, {})) if from_hub else _OVERRIDES[chosen]
    stages = _merged(fitted, overrides or {})
    try:
        config = Config.model_validate(stages)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "stages"
        raise ConfigError(
            f"the configuration's {where}: {first['msg']}: correct it in the file of RAGLOOP_CONFIG"
        ) from None
    embedding = config.embedding.model_copy(update={"shuffle_labels": shuffle_labels})
    return config.model_copy(update={"embedding": embedding})


def _merged(fields: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with the overrides in their place, stage within stage."""
    merged = dict(fields)
    for name, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def read_overrides(file: Path) -> dict[str, Any]:
    """Read stages and fields from a TOML file, as `[embedding]` with `epochs = 5`.

    :raises ConfigError: if it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file} ({error.strerror}): correct RAGLOOP_CONFIG, or unset it") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not TOML ({error}): correct that line") from None


def detect_profile() -> Profile:
    """Return the profile for this machine, from the memory of its first NVIDIA card; `cpu` without one."""
    memory_mib = _card_memory_mib()
    if memory_mib is None:
        return Profile.CPU
    return Profile.GPU_16GB if memory_mib >= 14_000 else Profile.GPU_6GB


def _card_memory_mib() -> int | None:
    """Return the first card's memory in MiB, asked of the driver's own tool so that torch stays unloaded."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return None
    query = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        out = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        return int(out.splitlines()[0])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None
