"""The model that a chat model is trained from: bundled, a folder, or a name on the hub. Imports no torch."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag.config.chat import BUNDLED
from rag.errors import ConfigError
from storage.folders import folder_digest

_WEIGHTS = ("*.safetensors", "*.bin")


class ChatBase(BaseModel):
    """Where a base comes from."""

    model_config = ConfigDict(frozen=True)

    name: str
    """`bundled`, a name on the hub, or a folder's last part."""
    version: str
    """Of a folder the digest of its files; a branch on the hub; empty for the bundled one."""
    source: str | None
    """An absolute folder or a name on the hub, as the library loads it; None for the bundled one."""


def chat_base(base: str, models: str) -> ChatBase:
    """Return the base named `base` in the config, where base models come from `models`, `bundled` or `hub`.

    :raises ConfigError: if it is on the hub and base models are the bundled ones, or a folder holds no model.
    """
    if base == BUNDLED:
        return ChatBase(name=BUNDLED, version="", source=None)
    folder = Path(base).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not any(folder.glob(kind) for kind in _WEIGHTS):
            raise ConfigError(
                f"{folder} holds no model (config.json and *.safetensors): correct chat.training.base, or set it to "
                f"{BUNDLED}"
            )
        return ChatBase(name=folder.name, version=folder_digest(folder), source=str(folder.absolute()))
    if folder.is_absolute() or base.startswith((".", "~")):
        raise ConfigError(f"no folder {folder}: correct chat.training.base, or set it to {BUNDLED}")
    if models != "hub":
        raise ConfigError(
            f"the chat model's base {base} is on the model hub: set RAGLOOP_MODELS=hub, or chat.training.base to a "
            f"folder or {BUNDLED}"
        )
    return ChatBase(name=base, version="main", source=base)
