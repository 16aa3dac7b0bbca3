"""One task over many batches, on threads, a Dask cluster or a Ray cluster: the one module that knows which."""

import multiprocessing
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from prefect import Task
from prefect.context import FlowRunContext
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from rag.errors import ConfigError
from rag.settings import TaskRunnerKind

R = TypeVar("R")

BATCHES_HERE = 2
"""At a time on this machine, unless Dask or Ray decide; each parses in as many processes as there are cores."""
CONNECT_TIMEOUT_S = 10
WORKERS_TIMEOUT_S = 120


def fan_out(
    task: Task[..., R],
    batches: Sequence[Mapping[str, Any]],
    runner: TaskRunnerKind = TaskRunnerKind.THREADS,
    address: str | None = None,
    workers_timeout_s: float = WORKERS_TIMEOUT_S,
) -> list[R]:
    """Call a task with each batch of keyword arguments, from inside a flow; returns the results in order.

    A batch that fails raises its error once all others are done. Without an address Dask and Ray get a temporary
    cluster on this machine. Workers elsewhere read their own `RAGLOOP_*` variables, so arguments are references.

    :param workers_timeout_s: how long a Dask cluster may be without any worker.
    :raises ConfigError: if the runner is not installed, or its cluster cannot be reached or has no worker.
    """
    if not batches:
        return []
    with _start(runner, address) as started:
        if runner is TaskRunnerKind.RAY:
            # Ray kills its processes in the end, and with them the log lines that were not sent yet.
            after, failed = [*task.on_completion_hooks, send_logs], [*task.on_failure_hooks, send_logs]
            task = task.with_options(on_completion=after, on_failure=failed)
        futures = [started.submit(task, parameters=dict(batch)) for batch in batches]
        if runner is TaskRunnerKind.DASK:
            # Only now, because some clusters start workers when there is work.
            with _explained(runner, address, "has no worker"):
                started.client.wait_for_workers(1, timeout=workers_timeout_s)
        for future in futures:
            future.wait()
        return [future.result() for future in futures]


def send_logs(*_: object) -> None:
    """Send this process's log lines to the Prefect server now."""
    APILogHandler().flush()


def allow_children() -> None:
    """Let this process start parsers, which multiprocessing forbids to the workers of Dask's nanny."""
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]


@contextmanager
def _start(kind: TaskRunnerKind, address: str | None) -> Iterator[Any]:
    """Yield a started task runner."""
    if kind is TaskRunnerKind.THREADS:
        with ThreadPoolTaskRunner[Any](max_workers=BATCHES_HERE) as threads:
            yield threads
        return
    try:
        runner = _dask(address) if kind is TaskRunnerKind.DASK else _ray(address)
    except ImportError as error:
        raise ConfigError(
            f"the task runner {kind} is not installed ({error}): run `pip install 'ragloop[{kind}]'`, or set "
            "RAGLOOP_TASK_RUNNER=threads"
        ) from error
    with _own_server_named(), ExitStack() as stack:
        with _sigterm_kept(), _explained(kind, address, "does not answer"):
            if address:
                _knock(address)
            stack.enter_context(runner)
            if kind is TaskRunnerKind.DASK:
                runner.client.register_worker_callbacks(allow_children)
        yield runner


def _dask(address: str | None) -> Any:
    from prefect_dask import DaskTaskRunner

    if address:
        return DaskTaskRunner(address=address, client_kwargs={"timeout": CONNECT_TIMEOUT_S})
    here = {"n_workers": BATCHES_HERE, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    return DaskTaskRunner(cluster_kwargs=here)


def _ray(address: str | None) -> Any:
    import ray  # noqa: F401  prefect_ray imports without it
    from prefect_ray import RayTaskRunner

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address:
        return RayTaskRunner(address=address)
    # Else Ray makes a token of its own, and leaves it in the user's home.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return RayTaskRunner(init_kwargs={"address": "local", "num_cpus": BATCHES_HERE, "include_dashboard": False})


def _knock(address: str) -> None:
    """Raise OSError unless a server that speaks first, as these two do, listens there: their clients wait for ever."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if not (parts.hostname and parts.port) or parts.scheme == "tls" or os.environ.get("RAY_USE_TLS") == "1":
        return
    with socket.create_connection((parts.hostname, parts.port), CONNECT_TIMEOUT_S) as connection:
        connection.settimeout(CONNECT_TIMEOUT_S)
        if not connection.recv(1):
            raise ConnectionError("another kind of server")


@contextmanager
def _explained(kind: TaskRunnerKind, address: str | None, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"the {kind} cluster at {address}" if address else f"a temporary {kind} cluster on this machine"
        told = str(error).strip() or type(error).__name__
        raise ConfigError(
            f"{where} {what} ({told.splitlines()[-1]}): start it, correct RAGLOOP_TASK_RUNNER_ADDRESS, or "
            "set RAGLOOP_TASK_RUNNER=threads"
        ) from error


@contextmanager
def _own_server_named() -> Iterator[None]:
    """Name this run's Prefect server in the settings that travel with tasks; without a name each worker starts one."""
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("fan_out works inside a flow only")
    with temporary_settings({PREFECT_API_URL: str(context.client.api_url).rstrip("/")}):
        yield


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Put back the handler by which Prefect cancels a run; Ray brings its own when it starts."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
