"""The HTTP API as a process."""

import errno
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ProfileName, chosen_config, complain, open_workspace
from storage.errors import RagloopError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from rag.workspace import Workspace

commands = typer.Typer()

SERVE_MB = 300
"""What uploads and their index need on the disk."""
GRACE_S = 30
"""That answers have to come to their end once the server is told to stop."""


@commands.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address that it listens on; any but this one is open to others.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    profile: ProfileName = None,
) -> None:
    """Answer over HTTP, until Ctrl-C: /ask, an OpenAI-compatible /v1, documents, feedback; /docs shows all of it."""
    space = open_workspace(SERVE_MB)
    config = chosen_config(space, profile)
    listening = _listen(host, port)
    import signal

    import uvicorn

    from app.access import list_keys
    from app.api.application import create_app
    from app.api.service import Service
    from app.output import say_steps

    say_steps()
    if not any(key.revoked_at is None for key in list_keys(space.database)):
        complain("there is no key: create one with `ragloop keys create --role reader`")
    url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
            await super().startup(sockets)
            print(f"ready {url}", flush=True)

    app = create_app(Service.open(space, config, _retraining_starter(space, profile)))
    settings = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=GRACE_S
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # uvicorn sets its own, and after a graceful end raises them once more
    Server(settings).run(sockets=[listening])


def _listen(host: str, port: int) -> "socket.socket":
    """Return a socket that listens.

    :raises RagloopError: if the address is not this machine's, or the port is taken.
    """
    import socket

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        remedy = "stop what listens there, or give another --port" if taken else "give another --host or --port"
        raise RagloopError(f"cannot listen on {host}:{port} ({error.strerror}): {remedy}") from error


def _retraining_starter(space: "Workspace", profile: str | None) -> "Callable[[str], str]":
    import os

    named = "PREFECT_API_URL" in os.environ

    def start(collection: str) -> str:
        from app.cli.ephemeral import use_running_server

        if not named:
            os.environ.pop("PREFECT_API_URL", None)  # `ragloop up` may have been started anew, elsewhere
        use_running_server(space.home)
        from deployments.runs import start_run
        from deployments.server import connect

        parameters = {"collection": collection, "profile": profile, "reason": "api", "shuffle_labels": False}
        with connect() as client:
            return str(start_run(client, "retrain/retrain", "retrain-api", parameters).id)

    return start
