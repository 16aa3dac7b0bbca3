"""The cross-encoder that fine-tuning starts from."""

import json
import shutil
from pathlib import Path

from rag.errors import ConfigError
from rag.hub_base import HubBase, Purpose, fetching, hub_base

_FILES = ["*.json", "*.txt", "*.safetensors"]
_PURPOSE = Purpose("the cross-encoder", "reranking.base", "set reranking.method to late-interaction")


def base_cross_encoder(base: str, models: str) -> HubBase:
    """Return the base cross-encoder named `base`, a local folder or a name on the hub.

    :raises ConfigError: if it is on the hub and models are the bundled ones, which have none, or a folder holds no
        model.
    """
    return hub_base(base, models, _PURPOSE)


def fetch_cross_encoder(base: HubBase, target: Path) -> None:
    """Copy the base cross-encoder's files into `target`.

    :raises ConfigError: if the hub cannot be reached, or the model is no cross-encoder.
    """
    folder = _folder(base)
    if not _scores_pairs(folder):
        raise ConfigError(
            f"{base.name} gives no score for a pair, as a sentence encoder does not: name a cross-encoder in "
            f"{_PURPOSE.setting}, or {_PURPOSE.instead}"
        )
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(file for pattern in _FILES for file in folder.glob(pattern) if file.is_file()):
        shutil.copyfile(file, target / file.name)


def _folder(base: HubBase) -> Path:
    if base.source and Path(base.source).is_dir():
        return Path(base.source)
    from huggingface_hub import snapshot_download

    with fetching(f"{_PURPOSE.what} {base.name}", _PURPOSE.remedy):
        folder = snapshot_download(base.name, revision=base.version, allow_patterns=_FILES)
    return Path(folder)


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
