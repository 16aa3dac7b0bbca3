"""The Prefect server for runs in this process: the one that is named, the home's own, or a temporary one."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from deployments.address import running_server
from deployments.environment import settle_environment
from rag.background import step_back
from rag.settings import Settings
from storage.errors import RagloopError

_REMEDY = "start it with `ragloop up` or `prefect server start`, or unset PREFECT_API_URL to run in this process"


def start_server(home: Path) -> None:
    """Use the server that runs, if one does, else start Prefect's temporary one.

    A temporary server keeps its state in a corner of the home and stops with this process. Should this process be
    killed, a watcher notices the end of the pipe that it held and stops the server, which would live on otherwise.

    From here on this process steps back for those that answer people.

    :raises RagloopError: if the server that PREFECT_API_URL names does not answer.
    """
    _start_server(home)
    step_back(Settings().nice)


def _start_server(home: Path) -> None:
    use_running_server(home)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if named := os.environ.get("PREFECT_API_URL"):
        require_server(named)
        return
    os.environ.setdefault("PREFECT_HOME", str(home / "prefect"))
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
    from prefect.server.api.server import SubprocessASGIServer

    class Temporary(SubprocessASGIServer):
        """Deaf to Ctrl-C, which a terminal sends to all of its processes: this one ends its run there, and it then."""

        def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
            heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                return super()._run_uvicorn_command()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, heard)

    server = Temporary()
    try:
        server.start()
    except RuntimeError as error:
        raise RagloopError(f"Prefect's temporary server did not start ({error}): see `ragloop doctor`") from error
    if server.server_process is not None:
        watch = f"cat >/dev/null; kill {server.server_process.pid} 2>/dev/null"
        subprocess.Popen(["sh", "-c", watch], stdin=subprocess.PIPE, start_new_session=True)


def use_running_server(home: Path) -> None:
    """Let Prefect in this process use the server of the home's `ragloop up`, if that runs and no other is named.

    The environment and `.env` may name one.
    """
    settle_environment()
    if not os.environ.get("PREFECT_API_URL") and (address := running_server(home)):
        os.environ["PREFECT_API_URL"] = address.api_url
        os.environ["PREFECT_HOME"] = str(home / "prefect")


def require_server(address: str, timeout_s: float = 10) -> None:
    """See that the Prefect server answers that PREFECT_API_URL names.

    :raises RagloopError: if it does not.
    """
    from deployments.server import require_answer

    require_answer(address.rstrip("/"), _REMEDY, timeout_s)
