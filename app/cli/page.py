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
            help="File with the key that all who open the page ask with, under names that they give in its sidebar; "
            "else each signs in with a key.",
        ),
    ] = None,
    prefect: Annotated[
        str | None,
        typer.Option(
            envvar="RAGLOOP_PAGE_PREFECT",
            help="Address of Prefect's UI, for links to retrainings; http://0.0.0.0:4200 for port 4200 of this host.",
        ),
    ] = None,
    origins: Annotated[
        str,
        typer.Option(
            envvar="RAGLOOP_PAGE_ORIGINS",
            help="Where browsers reach it besides, as through a proxy: https://rag.example, more after commas.",
        ),
    ] = "",
    descriptor: Descriptor = None,
) -> None:
    """Show the page in the browser, until Ctrl-C: documents, questions, sources, feedback, and what is learned."""
    _require_url(api, "an API", "--api", "http://127.0.0.1:8000")
    own = _exact(origins)
    os.environ["RAGLOOP_PAGE_API"] = api
    if prefect:
        _require_url(prefect, "Prefect's UI", "--prefect", "http://127.0.0.1:4200")
        os.environ["RAGLOOP_PAGE_PREFECT"] = prefect.rstrip("/")
    if api_key_file is not None:
        _require_key(api_key_file)
        os.environ["RAGLOOP_PAGE_KEY_FILE"] = str(api_key_file.expanduser().absolute())
        if host not in _LOOPBACK:
            complain(f"whoever reaches {host} acts with the key of {api_key_file}: leave it out to have each sign in")
    listening = listen(host, port, descriptor)
    from app.page.server import page_app

    app = page_app(host, listening.getsockname()[1], own, shared_key=api_key_file is not None)
    run_app(app, listening, host, ws="websockets-sansio", timeout_graceful_shutdown=_GRACE_S)


def _require_url(url: str, what: str, option: str, example: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise RagloopError(f"{url!r} is no address of {what}: give {option} as {example}")


def _exact(origins: str) -> list[str]:
    from rag.settings import exact_origins

    try:
        return exact_origins(origins)
    except ValueError as error:
        raise RagloopError(f"--origins: {error}") from error


def _require_key(path: Path) -> None:
    try:
        key = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RagloopError(f"cannot read the key in {path} ({error}): give --api-key-file a text file") from error
    if not key:
        raise RagloopError(f"{path} is empty: write a key of `ragloop keys create` into it")
