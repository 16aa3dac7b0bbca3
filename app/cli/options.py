"""What the commands share: their options, and the home they work on."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.config import Config
    from rag.profiles import Profile
    from rag.workspace import Workspace


def collection_name(name: str) -> str:
    """Return the name of a collection.

    :raises RagloopError: if none can be called so.
    """
    import re

    from rag.config import COLLECTION

    if not re.match(COLLECTION, name):
        raise RagloopError(f"no collection can be called {name!r}: use up to 64 letters, digits, '.', '_' and '-'")
    return name


Collection = Annotated[
    str, typer.Option("--collection", "-c", help="Which collection of documents.", callback=collection_name)
]


def way_name(name: str | None) -> str | None:
    """Return the name of a way to answer.

    :raises RagloopError: if there is none.
    """
    if name is None:
        return None
    from rag.answering.answer import Way

    if name not in list(Way):
        raise RagloopError(f"no way to answer is called {name!r}: give {', '.join(Way)}")
    return name


WayName = Annotated[
    str | None,
    typer.Option(
        "--way",
        help="rag, from passages; closed-book, from the chat model's memory; hybrid, both; as the release decides "
        "unless given.",
        callback=way_name,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="cpu, gpu-6gb, gpu-16gb or smoke; fitted to the machine unless given.")
]


def open_workspace(room_mb: int = 0, create: bool = False) -> "Workspace":
    """Open the home that the settings name, and check that its disk has room for what is to be done."""
    from rag.settings import Settings
    from rag.workspace import Workspace

    space = Workspace.open(Settings(), create)
    space.require_room(room_mb)
    return space


def chosen_profile(space: "Workspace", name: str | None) -> "Profile":
    """Return the profile asked for, else the one set, else what fits this machine."""
    from rag.profiles import Profile, detect_profile

    chosen = name or space.settings.profile or detect_profile()
    space.settings.stages(chosen)
    return Profile(chosen)


def chosen_config(space: "Workspace", name: str | None) -> "Config":
    """Return the configuration of the chosen profile."""
    return space.settings.stages(chosen_profile(space, name))


def require_place(path: Path, option: str) -> None:
    """Check where a file is to go that an option names, before long work.

    :raises RagloopError: if it cannot be written there.
    """
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise RagloopError(f"cannot write {path}: give {option} a file in a folder that can be written")


def complain(line: str) -> None:
    """Print a line on standard error."""
    print(f"ragloop: {line}", file=sys.stderr)
