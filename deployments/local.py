"""`ragloop up`: everything on one machine, from the first process to the last."""

import errno
import fcntl
import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from deployments.address import Address, lock_file, read_address, remove_address, write_address
from deployments.environment import (
    api_environment,
    base_environment,
    page_environment,
    server_environment,
    worker_environment,
    worker_name,
    written_database_url,
)
from deployments.fronts import api_part, page_part
from deployments.processes import MARK, end_home, marked_processes
from deployments.supervisor import PATIENCE_S, Part, Supervisor, server_part, worker_part
from rag.profiles import detect_profile
from rag.workspace import Workspace
from storage.errors import RagloopError

logger = logging.getLogger(__name__)

POOLS = ("cpu", "gpu")
USUAL_PORT = 4200
FRONT_PORTS = (8000, 8501)
"""Usual ones of the HTTP API and the page."""
OTHER_S = 90.0
"""How long the start or the stop of another `ragloop up` is waited for."""


class AlreadyUp(RagloopError):
    """Another `ragloop up` runs on this home."""


class AddressTaken(RagloopError):
    """The server cannot listen where it should."""


class UnusableDatabase(RagloopError):
    """A database URL that Prefect's server cannot use."""


def run_locally(
    space: Workspace,
    host: str,
    port: int | None,
    database_url: str | None,
    with_page: bool,
    ready: Callable[[Address], None],
) -> None:
    """Run the server, the workers, the sweep and, `with_page`, the HTTP API and its page, until SIGINT or SIGTERM.

    `ready` is called with the addresses once everything answers. Without `database_url`, Prefect's server uses the
    database that `.env` names, else SQLite in the home.

    :raises AlreadyUp: if another runs on this home.
    :raises AddressTaken: if the port is taken.
    :raises UnusableDatabase: if Prefect's server cannot use the URL.
    :raises PartFailed: if a part does not start, or dies over and over.
    """
    database_url = database_url or written_database_url()
    if database_url:
        _check_database(database_url)
    home = space.home
    with _alone(home), _listening(host, port, USUAL_PORT) as listener, _doors(host, with_page) as doors:
        port = listener.getsockname()[1]
        address = _address(host, port, doors)
        base = base_environment(space.settings, home, address.api_url)
        logs = home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        workers = {worker_name(pool): pool for pool in POOLS}
        supervisor = Supervisor(
            home,
            server_part(listener, server_environment(base, host, port, database_url), logs),
            {name: worker_part(pool, name, worker_environment(base, pool), logs) for name, pool in workers.items()},
            address.api_url,
            _fronts(doors, host, port, address, base, logs),
        )
        # Prefect reads these when it is imported here, for the deploying and the sweep.
        os.environ.update(base | {"PREFECT_CLIENT_MAX_RETRIES": "2", "PREFECT_LOGGING_LEVEL": "ERROR"})
        with _watched(home, address, list(workers), logs), _signals(supervisor) as hurried:
            try:
                if marked_processes(home):
                    logger.info("ending what an earlier `ragloop up` has left")
                    end_home(home, PATIENCE_S, hurried.is_set)
                supervisor.start(_bootstrap)
                if not supervisor.stopping.is_set():
                    write_address(home, address)
                    ready(address)
                    supervisor.watch(lambda: _sweep(space))
            finally:
                supervisor.stopping.set()
                remove_address(home)
                logger.info("stopping")
                end_home(home, PATIENCE_S, hurried.is_set, supervisor.crash_lost_runs)


def _bootstrap() -> list[str]:
    from deployments.bootstrap import bootstrap

    return bootstrap()


def _sweep(space: Workspace) -> None:
    from deployments.sweep import sweep
    from rag.deletion import finish_deletions

    swept = sweep(space.database, space.settings.feedback_threshold)
    if swept.events:
        logger.info("enough feedback waits: a retraining was asked for")
    finish_deletions(space, space.settings.stages(space.settings.profile or detect_profile()))


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the home's lock, which is free as soon as its holder has died."""
    descriptor = os.open(lock_file(home), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, home)
        remove_address(home)  # of one that was killed
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, home: Path) -> None:
    end, said = time.monotonic() + OTHER_S, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            other = read_address(home)
            if other is not None and psutil.pid_exists(other.pid):
                raise AlreadyUp(
                    f"`ragloop up` runs on {home} already (process {other.pid}): {other.ui_url}; "
                    "stop it first, or choose another home with RAGLOOP_HOME"
                ) from None
            if time.monotonic() > end:
                raise AlreadyUp(
                    f"another `ragloop up` on {home} neither starts nor stops: see {home / 'logs'}"
                ) from None
            if not said:
                logger.info("waiting for another `ragloop up` on this home, which starts or stops")
                said = True
            time.sleep(0.3)


@contextmanager
def _doors(host: str, wanted: bool) -> Iterator[list[socket.socket]]:
    """Listen where the HTTP API and the page will: nowhere, unless they are wanted."""
    with ExitStack() as opened:
        yield [opened.enter_context(_listening(host, None, usual)) for usual in FRONT_PORTS if wanted]


def _fronts(
    doors: list[socket.socket], host: str, port: int, address: Address, base: dict[str, str], logs: Path
) -> tuple[Part, ...]:
    if address.ask_url is None or address.page_url is None:
        return ()
    # Of a server that is open to others, browsers elsewhere want no address of this machine alone.
    page = page_environment(base, address.ask_url, _url(host, port))
    return (
        api_part(doors[0], host, api_environment(base), logs, address.ask_url),
        page_part(doors[1], host, page, logs, address.page_url),
    )


@contextmanager
def _listening(host: str, port: int | None, usual: int) -> Iterator[socket.socket]:
    """Listen where a part will: on the port given, else on its usual one, else on any free one."""
    for candidate in (port,) if port is not None else (usual, 0):
        listener = socket.socket(_family(host), socket.SOCK_STREAM)
        with listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, candidate))
                listener.listen(128)
            except OSError as error:
                if port is None and candidate and error.errno == errno.EADDRINUSE:
                    continue
                raise _refusal(host, candidate, error) from error
            yield listener
            return


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise AddressTaken(
            f"{host} is not an address of this machine ({error}): leave --host out for 127.0.0.1"
        ) from error


def _refusal(host: str, port: int, error: OSError) -> AddressTaken:
    if error.errno == errno.EADDRINUSE:
        return AddressTaken(
            f"port {port} of {host} is taken: choose another with --port, or leave it out for a free one"
        )
    return AddressTaken(
        f"cannot listen on {host}, port {port} ({error.strerror}): choose others with --host and --port"
    )


def _address(host: str, port: int, doors: list[socket.socket]) -> Address:
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    ask_url, page_url = (_url(reached, door.getsockname()[1]) for door in doors) if doors else (None, None)
    server = _url(reached, port)
    return Address(api_url=f"{server}/api", ui_url=server, pid=os.getpid(), ask_url=ask_url, page_url=page_url)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _watched(home: Path, address: Address, workers: list[str], logs: Path) -> Iterator[None]:
    """Have a process that ends everything should this one be killed: it notices the end of the pipe it reads."""
    command = [sys.executable, "-m", "deployments.watcher", str(home), *workers]
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    environment["PREFECT_API_URL"] = address.api_url
    with open(os.open(logs / "watcher.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        yield
    finally:
        watcher.communicate()  # this process still holds the lock, so the watcher leaves everything to it


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[threading.Event]:
    """Stop at the first signal, and hurry at the second; yields whether to hurry."""
    hurried = threading.Event()

    def on_signal(*_: Any) -> None:
        if supervisor.stopping.is_set():
            hurried.set()
        supervisor.stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield hurried
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_database(url: str) -> None:
    scheme = url.partition("://")[0]
    if scheme not in ("postgresql+asyncpg", "sqlite+aiosqlite"):
        raise UnusableDatabase(f"Prefect's server cannot use a database of {scheme!r}: give postgresql+asyncpg://...")
    if scheme.startswith("postgresql") and importlib.util.find_spec("asyncpg") is None:
        raise UnusableDatabase("asyncpg is missing: run `pip install 'ragloop[postgres]'`")
