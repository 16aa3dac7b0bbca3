"""What the commands share: their options, and the home they work on."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import completion
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
    str,
    typer.Option(
        "--collection",
        "-c",
        help="Which collection of documents.",
        callback=collection_name,
        autocompletion=completion.collections,
    ),
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
        autocompletion=completion.ways,
    ),
]
ReleaseName = Annotated[
    str, typer.Option("--release", help="A release's id, or production.", autocompletion=completion.release_names)
]
OnlyDocuments = Annotated[
    list[str] | None,
    typer.Option(
        "--document",
        help="Answer from this document alone; may be given again.",
        autocompletion=completion.documents,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="cpu, gpu-6gb, gpu-16gb or smoke; fitted to the machine unless given.",
        autocompletion=completion.profiles,
    ),
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


def require_place(path: Path, option: str, makes_folders: bool = False) -> None:
    """Check where a file is to go that an option names, before long work.

    :param makes_folders: whether folders that are not there will be made.
    :raises RagloopError: if it cannot be written there.
    """
    folder = _nearest(path.parent) if makes_folders else path.parent
    if os.path.isdir(path) or not _takes(folder, path):
        raise RagloopError(f"cannot write {path}: give {option} a file in a folder that can be written")


def require_folder(path: Path, option: str) -> None:
    """Check a folder that an option names and that will be made if it is not there, before long work.

    :raises RagloopError: if it cannot be written.
    """
    if not _takes(_nearest(path), path):
        raise RagloopError(f"cannot write {path}: give {option} a folder that can be written")


def require_new(paths: Iterable[Path], force: bool) -> None:
    """Check that none of the files is there yet, before long work.

    :param force: whether they may be written over.
    :raises RagloopError: if one is there and may not.
    """
    there = [path for path in paths if os.path.lexists(path)]
    if there and not force:
        raise RagloopError(f"{there[0]} is there already: name another place, or write over it with --force")


def _nearest(folder: Path) -> Path:
    """Return what is there of a path."""
    return next(each for each in (folder, *folder.parents) if os.path.lexists(each))


def _takes(folder: Path, path: Path) -> bool:
    """Say whether there is a folder that can be written, and that takes names as long as those of a path."""
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        return False
    return all(len(os.fsencode(part)) <= os.pathconf(folder, "PC_NAME_MAX") for part in path.parts)


def complain(line: str) -> None:
    """Print a line on standard error."""
    print(f"ragloop: {line}", file=sys.stderr)
