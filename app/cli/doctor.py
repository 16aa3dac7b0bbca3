"""What is missing, and the command that mends it."""

import os
import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.cli.options import AsJson, complain

if TYPE_CHECKING:
    from app.doctor.finding import Check, Finding
    from deployments.address import Address

commands = typer.Typer()

_COLOURS = {"ok": "green", "note": "yellow", "missing": "bold red"}


@commands.command()
def doctor(as_json: AsJson = False) -> None:
    """Find what is missing, and say the command that mends it; exit code 2 if something has to be mended."""
    from rich.text import Text

    from app.doctor.configured import read_settings
    from app.doctor.finding import State, run_checks
    from app.doctor.standing import standing_checks
    from app.output import show_rows

    settings, read = read_settings()
    checks = standing_checks(settings) | _running_checks(settings.home.expanduser().absolute())
    found = {"settings": read} | run_checks(checks)
    rows = [
        {
            "check": name,
            "state": state.value if as_json else Text(state, _COLOURS[state]),
            "what": what,
            "mend": mend or None,
        }
        for name, (state, what, mend) in found.items()
    ]
    show_rows(rows, "ragloop doctor", as_json)
    if missing := [name for name, finding in found.items() if finding.state is State.MISSING]:
        complain(f"to be mended before all works: {', '.join(missing)}")
        raise typer.Exit(2)


def _running_checks(home: Path) -> dict[str, "Check"]:
    """Return the checks of what `ragloop up` runs: Prefect's server, and the ports that it wants."""
    from deployments.address import running_server
    from deployments.local import FRONT_PORTS, USUAL_PORT

    up = cache(lambda: running_server(home))
    api, page = FRONT_PORTS
    return {
        "Prefect's server": lambda: _prefect(up()),
        f"port {api}": lambda: _port(api, "the HTTP API", getattr(up(), "ask_url", None)),
        f"port {page}": lambda: _port(page, "the page", getattr(up(), "page_url", None)),
        f"port {USUAL_PORT}": lambda: _port(USUAL_PORT, "Prefect's server", getattr(up(), "ui_url", None)),
    }


def _prefect(up: "Address | None") -> "Finding":
    from app.cli.ephemeral import require_server
    from app.doctor.finding import NETWORK_S, Finding, State
    from deployments.environment import settle_environment

    settle_environment()
    if named := os.environ.get("PREFECT_API_URL"):
        require_server(named, NETWORK_S)
        return Finding(State.OK, f"PREFECT_API_URL names {named}, which answers")
    if up:
        return Finding(State.OK, f"{up.api_url}, of this home's `ragloop up`")
    return Finding(State.NOTE, "none runs: flows run in the process that asks, and none by itself", "ragloop up")


def _port(port: int, what: str, url: str | None) -> "Finding":
    """Say who has a port of 127.0.0.1 that `ragloop up` wants for something.

    :param url: where this home's `ragloop up` has that, if it runs.
    """
    from app.doctor.finding import Finding, State

    if url:
        return Finding(State.OK, f"{what} of this home's `ragloop up` is at {url}")
    if _is_free(port):
        return Finding(State.OK, f"free for {what}")
    return Finding(State.NOTE, f"taken by {_listener(port)}: `ragloop up` takes a free one for {what}, and prints it")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1)
        except OSError:
            return False
    return True


def _listener(port: int) -> str:
    """Say which process listens on a port, as far as this user may know."""
    import psutil

    try:
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        pid = next(each.pid for each in listening if each.laddr.port == port and each.pid)
        return f"{psutil.Process(pid).name()} (process {pid})"
    except (StopIteration, psutil.Error):
        return "another user's process"
