"""The page that people use, as a process."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.cli.listening import Descriptor, Host, Port, listen, run_app
from app.cli.options import complain
from storage.errors import RagloopError

commands = typer.Typer()

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_GRACE_S = 5


@commands.command()
def page(
    host: Host = "127.0.0.1",
    port: Port = 8501,
    api: Annotated[
        str, typer.Option(envvar="RAGLOOP_PAGE_API", help="Address of the HTTP API, that of `ragloop serve`.")
    ] = "http://127.0.0.1:8000",
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="RAGLOOP_PAGE_KEY_FILE",
            help="File with the key that all who open the page ask with; else each signs in with a key.",
        ),
    ] = None,
    descriptor: Descriptor = None,
) -> None:
    """Show the page in the browser, until Ctrl-C: documents, questions, sources, feedback, and what is learned."""
    if not api.startswith(("http://", "https://")):
        raise RagloopError(f"{api!r} is no address of an API: give --api as http://127.0.0.1:8000")
    os.environ["RAGLOOP_PAGE_API"] = api
    if api_key_file is not None:
        _require_key(api_key_file)
        os.environ["RAGLOOP_PAGE_KEY_FILE"] = str(api_key_file.expanduser().absolute())
        if host not in _LOOPBACK:
            complain(f"whoever reaches {host} acts with the key of {api_key_file}: leave it out to have each sign in")
    listening = listen(host, port, descriptor)
    from app.page.server import page_app

    app = page_app(host, listening.getsockname()[1])
    run_app(app, listening, host, ws="websockets-sansio", timeout_graceful_shutdown=_GRACE_S)


def _require_key(path: Path) -> None:
    try:
        key = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RagloopError(f"cannot read the key in {path} ({error}): give --api-key-file a text file") from error
    if not key:
        raise RagloopError(f"{path} is empty: write a key of `ragloop keys create` into it")
