"""The models that trainings start from: a folder, or a name on the model hub. Imports no torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from rag.errors import ConfigError
from storage.folders import folder_digest

_WEIGHTS = ("*.safetensors", "*.bin")


class HubBase(BaseModel):
    """Where a base comes from."""

    model_config = ConfigDict(frozen=True)

    name: str
    """On the hub, or a folder's last part."""
    version: str
    """Branch on the hub, or a folder's digest; empty for what is bundled."""
    source: str | None
    """An absolute folder or a name on the hub, as libraries load it; None for what is bundled."""


class Purpose(NamedTuple):
    """What a base is for, in words: where the config names it, and what to do without one."""

    what: str
    setting: str
    instead: str

    @property
    def remedy(self) -> str:
        """What to do if it cannot be fetched."""
        return f"name a folder in {self.setting}, or {self.instead}"


def hub_base(base: str, models: str, purpose: Purpose) -> HubBase:
    """Return the base named `base`, a folder or a name on the hub, where models come from `models`: `bundled` or `hub`.

    :raises ConfigError: if it is on the hub and models are the bundled ones, or a folder holds no model.
    """
    what, setting, instead = purpose
    folder = Path(os.path.expanduser(base))
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not any(any(folder.glob(kind)) for kind in _WEIGHTS):
            raise ConfigError(
                f"{folder} holds no model (config.json and *.safetensors): correct {setting}, or {instead}"
            )
        return HubBase(name=folder.name, version=folder_digest(folder), source=str(folder.absolute()))
    if folder.is_absolute() or base.startswith((".", "~")):
        raise ConfigError(f"no folder {folder}: correct {setting}, or {instead}")
    if models != "hub":
        raise ConfigError(
            f"{what} {base} is on the model hub: set RAGLOOP_MODELS=hub, name a folder in {setting}, or {instead}"
        )
    return HubBase(name=base, version="main", source=base)


@contextmanager
def fetching(what: str, remedy: str) -> Iterator[None]:
    """Turn what the hub's client raises about a model into one line with the remedy.

    :param what: the model in words, with its name.

    :raises ConfigError: in its place.
    """
    try:
        yield
    except Exception as error:  # whatever the HTTP library beneath the client raises comes through
        raise ConfigError(
            f"cannot fetch {what} from the model hub ({type(error).__name__}): check the network, {remedy}"
        ) from error
