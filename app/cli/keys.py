"""Keys of the HTTP API."""

from typing import Annotated

import typer

from app.cli import completion
from app.cli.options import AsJson, collection_name, open_workspace
from storage.errors import RagloopError

commands = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True)


@commands.command("create")
def create(
    role: Annotated[
        str,
        typer.Option(help="reader asks; trainer also adds data; admin also promotes.", autocompletion=completion.roles),
    ],
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection",
            "-c",
            help="What it opens, repeatable; all unless given.",
            autocompletion=completion.collections,
        ),
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36500, help="Never unless given.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the key alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once."""
    from datetime import timedelta

    from app.access import Role, create_key
    from app.output import show_facts

    if quiet and as_json:
        raise RagloopError("give --quiet for the key alone, or --json for all that is known of it")
    if role not in list(Role):
        raise RagloopError(f"no role {role!r}: choose one of {', '.join(Role)}")
    names = [collection_name(name) for name in collection or ()]
    lasts = timedelta(days=expires_days) if expires_days is not None else None
    secret, key = create_key(open_workspace(create=True).database, Role(role), names, lasts)
    if quiet:
        print(secret)
        return
    if as_json:
        show_facts({"key": secret} | key.model_dump(mode="json"), as_json)
        return
    facts = {"key": secret, "id": key.id, "role": key.role, "opens": ", ".join(key.collections) or "all collections"}
    show_facts(facts | {"expires": key.expires_at, "note": "shown this once: keep it now"}, as_json=False)


@commands.command("list")
def show(as_json: AsJson = False) -> None:
    """List the keys, oldest first."""
    from app.access import list_keys
    from app.output import show_rows

    rows = [key.model_dump(mode="json" if as_json else "python") for key in list_keys(open_workspace().database)]
    for row in () if as_json else rows:
        row["collections"] = ", ".join(row["collections"]) or "all"
    show_rows(rows, "keys", as_json, empty="none; make one with `ragloop keys create --role reader`")


@commands.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As in `keys list`.")], as_json: AsJson = False
) -> None:
    """End a key at once."""
    from app.access import revoke_key
    from app.output import show_done

    ended = revoke_key(open_workspace().database, key_id)
    show_done(f"{ended.id} opens nothing any more", ended.model_dump(mode="json"), as_json)
