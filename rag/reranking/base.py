"""The cross-encoder that fine-tuning starts from."""

import hashlib
import json
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag.errors import ConfigError

_FILES = ["*.json", "*.txt", "*.safetensors"]


class BaseCrossEncoder(BaseModel):
    """Where a base cross-encoder comes from."""

    model_config = ConfigDict(frozen=True)

    name: str
    """On the hub, or a local folder's last part."""
    version: str
    """Branch on the hub, or the sha256 of a local folder's files."""
    folder: str | None
    """None on the hub."""


def base_cross_encoder(base: str, source: str) -> BaseCrossEncoder:
    """Return the base cross-encoder named `base`, a local folder or a name on the hub.

    :raises ConfigError: if it is on the hub and the model source is `bundled`, which has none.
    """
    folder = Path(base).expanduser()
    if folder.is_dir():
        digest = hashlib.sha256()
        for file in _model_files(folder):
            digest.update(f"{file.name}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
        return BaseCrossEncoder(name=folder.name, version=digest.hexdigest(), folder=str(folder.absolute()))
    if source != "hub":
        raise ConfigError(
            f"the cross-encoder {base} is on the model hub: set RAGLOOP_MODELS=hub, give a local folder in "
            "reranking.base, or set reranking.method to late-interaction"
        )
    return BaseCrossEncoder(name=base, version="main", folder=None)


def fetch_cross_encoder(spec: BaseCrossEncoder, target: Path) -> None:
    """Copy the base cross-encoder's files into `target`.

    :raises ConfigError: if the hub cannot be reached, or the model is no cross-encoder.
    """
    folder = _download(spec) if spec.folder is None else Path(spec.folder)
    if not _scores_pairs(folder):
        raise ConfigError(
            f"{spec.name} gives no score for a pair, as a sentence encoder does not: name a cross-encoder in "
            "reranking.base, or set reranking.method to late-interaction"
        )
    target.mkdir(parents=True, exist_ok=True)
    for file in _model_files(folder):
        shutil.copyfile(file, target / file.name)


def _download(spec: BaseCrossEncoder) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(spec.name, revision=spec.version, allow_patterns=_FILES))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot fetch {spec.name} from the model hub ({type(error).__name__}): check the network, give a local "
            "folder in reranking.base, or set RAGLOOP_MODELS=bundled and reranking.method to late-interaction"
        ) from error


def _model_files(folder: Path) -> list[Path]:
    return sorted(file for pattern in _FILES for file in folder.glob(pattern) if file.is_file())


def _scores_pairs(folder: Path) -> bool:
    """Say whether the model's head gives one score; a new head on a sentence encoder would have to learn everything."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    architectures = config.get("architectures") or []
    return (
        any(name.endswith("ForSequenceClassification") for name in architectures)
        and len(config.get("id2label", {"0": ""})) == 1
    )
