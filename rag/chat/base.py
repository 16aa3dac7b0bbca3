"""The model that a chat model is trained from: bundled, a folder, or a name on the hub. Imports no torch."""

from rag.config.chat import BUNDLED
from rag.hub_base import HubBase, Purpose, hub_base

CHAT_BASE = Purpose("the chat model's base", "chat.training.base", f"set it to {BUNDLED}")


def chat_base(base: str, models: str) -> HubBase:
    """Return the base named `base` in the config, where base models come from `models`, `bundled` or `hub`.

    :raises ConfigError: if it is on the hub and base models are the bundled ones, or a folder holds no model.
    """
    if base == BUNDLED:
        return HubBase(name=BUNDLED, version="", source=None)
    return hub_base(base, models, CHAT_BASE)
