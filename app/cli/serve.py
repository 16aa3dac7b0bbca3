"""The HTTP API as a process."""

from typing import TYPE_CHECKING

import typer

from app.cli.listening import Descriptor, Host, Port, listen, run_app
from app.cli.options import ProfileName, chosen_config, complain, open_workspace

if TYPE_CHECKING:
    from rag.workspace import Workspace

commands = typer.Typer()

SERVE_MB = 300
"""What uploads and their index need on the disk."""
GRACE_S = 30
"""That answers have to come to their end once the server is told to stop."""


@commands.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    profile: ProfileName = None,
    descriptor: Descriptor = None,
) -> None:
    """Answer over HTTP, until Ctrl-C: /ask, an OpenAI-compatible /v1, documents, feedback; /docs shows all of it."""
    space = open_workspace(SERVE_MB)
    config = chosen_config(space, profile)
    listening = listen(host, port, descriptor)
    from app.api.application import create_app
    from app.api.service import Service
    from app.cli.retrainings import WorkersRetrainings
    from app.output import say_steps

    say_steps()
    say_if_no_key(space)
    app = create_app(Service.open(space, config, WorkersRetrainings(space, profile)))
    run_app(app, listening, host, ws="none", timeout_graceful_shutdown=GRACE_S)


def say_if_no_key(space: "Workspace") -> None:
    """Say how to make a key if nobody could use the API."""
    from app.access import list_keys
    from storage.columns import utc_now

    now = utc_now()
    keys = [key for key in list_keys(space.database) if key.revoked_at is None]
    if not any(key.expires_at is None or key.expires_at > now for key in keys):
        complain("there is no key: create one with `ragloop keys create --role admin`; a reader's may only ask")
