"""A release as a page that a person reads."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import completion
from app.cli.options import AsJson, Collection, Force, open_workspace, require_new, require_place

commands = typer.Typer()


@commands.command()
def report(
    release: Annotated[
        str, typer.Argument(help="A release's id, or production.", autocompletion=completion.release_names)
    ] = "production",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file; release-ID.html here unless given.")
    ] = None,
    force: Force = False,
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Write why a release serves or does not as one HTML file, readable by you alone (0600): it is not sealed."""
    from app.output import show_done
    from rag.releases import named_release
    from rag.report.html import release_page
    from storage.plain_files import write_plain_files

    space = open_workspace()
    found = named_release(space, collection, release)
    path = out or Path(f"release-{found.id}.html")
    require_place(path, "--out", makes_folders=True)
    require_new([path], force)
    [written] = write_plain_files(path.parent, {path.name: [release_page(space, found)]}).values()
    said = f"{written}  plain text, mode 0600: it quotes questions and passages"
    show_done(said, {"release_id": found.id, "file": written}, as_json)
