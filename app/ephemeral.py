"""Prefect's temporary server for runs in this process, and its end."""

import os
import subprocess
from pathlib import Path

from storage.errors import RagloopError


def start_server(home: Path) -> None:
    """Start Prefect's temporary server in a corner of the home, unless a server is named.

    The server stops with this process. Should this process be killed, a watcher notices the end of the pipe that it
    held and stops the server, which would live on otherwise.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if address := os.environ.get("PREFECT_API_URL"):
        _check(address)
        return
    os.environ.setdefault("PREFECT_HOME", str(home / "prefect"))
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    try:
        server.start()
    except RuntimeError as error:
        raise RagloopError(f"Prefect's temporary server did not start ({error}): see `ragloop doctor`") from error
    if server.server_process is not None:
        watch = f"cat >/dev/null; kill {server.server_process.pid} 2>/dev/null"
        subprocess.Popen(["sh", "-c", watch], stdin=subprocess.PIPE, start_new_session=True)


def _check(address: str) -> None:
    import httpx

    try:
        httpx.get(f"{address.rstrip('/')}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise RagloopError(
            f"no Prefect server answers at {address} ({type(error).__name__}): start it with `prefect server start`, "
            "or unset PREFECT_API_URL to run in this process"
        ) from error
