"""What runs, what is missing, and how to start it."""

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import AsJson, chosen_config, open_workspace

commands = typer.Typer()

UP_MB = 500
"""What the server's state and the logs need on the disk."""
LOG_BYTES = 10 * 2**20


@commands.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the Prefect server; 4200 or a free one unless given.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address that it listens on; any but this one is open to others.")
    ] = "127.0.0.1",
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="PREFECT_SERVER_DATABASE_CONNECTION_URL",
            help="Prefect's own database, as postgresql+asyncpg://...; SQLite in the home unless given.",
        ),
    ] = None,
) -> None:
    """Run everything here, until Ctrl-C: the Prefect server, a worker for each pool, and what watches over them."""
    from app.output import say_steps
    from deployments.local import run_locally

    space = open_workspace(UP_MB, create=True)
    say_steps()
    _keep_log(space.home / "logs" / "up.log")
    run_locally(space, host, port, database_url, ready=_show_address)


def _show_address(api_url: str, ui_url: str) -> None:
    print(f"api  {api_url}\nui   {ui_url}\nready", flush=True)


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
    from app.output import show_rows

    space = open_workspace()
    use_running_server(space.home)
    from deployments.overview import look

    seen = look(space)
    seen.server = seen.server.rstrip("/")
    if as_json:
        print(seen.model_dump_json(indent=2))
        return
    for name in ("server", "nightly", "device"):
        if said := getattr(seen, name):
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
) -> None:
    """Bring the Prefect server to what is declared: pools, deployments, schedules, automations."""
    from app.cli.ephemeral import use_running_server
    from rag.settings import Settings

    use_running_server(Settings().home.expanduser().absolute())
    if check:
        from deployments.drift import differences

        found = differences()
        print("\n".join(found) if found else "the server is as declared")
        if found:
            raise typer.Exit(1)
        return
    from deployments.bootstrap import bootstrap

    print("\n".join(bootstrap(pool_type)) or "nothing to change")


@commands.command()
def sweep(as_json: AsJson = False) -> None:
    """Finish deletions that were killed, send wake-ups that wait, watch silent runs; `ragloop up` does it by itself."""
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


@commands.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the home, the key, the disk, the models and the packages; exit code 2 if something is missing."""
    from app.doctor import check_rows, run_checks
    from app.output import show_rows
    from rag.settings import Settings

    checks = run_checks(Settings())
    show_rows(check_rows(checks), "ragloop doctor", as_json)
    if not all(well for _, well, _ in checks):
        raise typer.Exit(2)
