"""What runs, and how to start it."""

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.listening import Host
from app.cli.options import AsJson, chosen_config, open_workspace
from app.cli.serve import say_if_no_key

if TYPE_CHECKING:
    from deployments.address import Address

commands = typer.Typer()

UP_MB = 500
"""What the server's state and the logs need on the disk."""
LOG_BYTES = 10 * 2**20


@commands.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the Prefect server; 4200 or a free one unless given.")
    ] = None,
    host: Host = "127.0.0.1",
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="PREFECT_SERVER_DATABASE_CONNECTION_URL",
            help="Prefect's own database, as postgresql+asyncpg://...; SQLite in the home unless given.",
        ),
    ] = None,
    with_page: Annotated[
        bool, typer.Option("--page/--no-page", help="Whether the HTTP API and the page run along.")
    ] = True,
) -> None:
    """Run everything, until Ctrl-C: the Prefect server, its workers, what watches over them, the API and the page."""
    from app.output import say_steps
    from deployments.local import run_locally

    space = open_workspace(UP_MB, create=True)
    say_steps()
    _keep_log(space.home / "logs" / "up.log")

    def show(address: "Address") -> None:
        if with_page:
            say_if_no_key(space)
        _show_address(address)

    run_locally(space, host, port, database_url, with_page, ready=show)


def _show_address(address: "Address") -> None:
    urls = {"server": address.api_url, "ui": address.ui_url, "api": address.ask_url, "page": address.page_url}
    said = [f"{name:<6} {url}" for name, url in urls.items() if url]
    print("\n".join([*said, "ready"]), flush=True)


def _keep_log(path: Path) -> None:
    """Write what is shown to a file as well, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handler = OwnerLog(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name in ("rag", "storage", "deployments"):
        logging.getLogger(name).addHandler(handler)


class OwnerLog(RotatingFileHandler):
    """A log of bounded size that its owner alone can read."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return open(descriptor, "a", encoding=self.encoding)


@commands.command()
def status(as_json: AsJson = False) -> None:
    """Show the server, pools, workers and last runs, what serves, and the feedback that waits."""
    from app.cli.ephemeral import use_running_server
    from app.output import show_facts, show_rows

    space = open_workspace()
    use_running_server(space.home)
    from deployments.overview import look

    seen = look(space)
    seen.server = seen.server.rstrip("/")
    ui = seen.server.removesuffix("/api") if seen.server.startswith("http") else None
    facts = {"server": seen.server, "ui": ui} | seen.model_dump()
    if as_json:
        show_facts(facts, as_json)
        return
    for name in ("server", "ui", "api", "page", "nightly", "device"):
        if said := facts[name]:
            print(f"{name:<8} {said}")
    for title, rows in seen.tables.items():
        show_rows(rows, title, as_json=False, empty="none")
    for hint in seen.hints:
        print(f"! {hint}")


@commands.command()
def deploy(
    check: Annotated[
        bool, typer.Option("--check", help="Only say where the server differs; exit code 1 if it does.")
    ] = False,
    pool_type: Annotated[
        str, typer.Option(help="Type of the work pools that are made: process, kubernetes.")
    ] = "process",
    as_json: AsJson = False,
) -> None:
    """Bring the Prefect server to what is declared: pools, deployments, schedules, automations."""
    from app.cli.ephemeral import use_running_server
    from app.output import show_done
    from rag.settings import Settings

    use_running_server(Settings().home.expanduser().absolute())
    if check:
        from deployments.drift import differences

        found = differences()
        show_done("\n".join(found) or "the server is as declared", {"differences": found}, as_json)
        if found:
            raise typer.Exit(1)
        return
    from deployments.bootstrap import bootstrap

    changes = bootstrap(pool_type)
    show_done("\n".join(changes) or "nothing to change", {"changes": changes}, as_json)


@commands.command()
def sweep(as_json: AsJson = False) -> None:
    """Finish deletions, end decided experiments, send wake-ups, watch silent runs; `ragloop up` does it by itself."""
    import dataclasses

    from app.cli.ephemeral import use_running_server
    from app.output import show_facts
    from rag.deletion import finish_deletions

    space = open_workspace()
    finish_deletions(space, chosen_config(space, None))
    use_running_server(space.home)
    from deployments.sweep import sweep as sweep_once

    swept = sweep_once(space.database, space.settings.feedback_threshold)
    show_facts(dataclasses.asdict(swept), as_json)
