"""Real servers on loopback, in processes of their own, that end with their context."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).parents[2]
READY_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Run a command until the end of the context; yields its log."""
    log = folder / f"{name}.log"
    variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | variables,
        )
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_port(port: int, log: Path) -> None:
    """Wait until something listens."""
    _await(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True, log)


def _await(ready, log: Path) -> None:
    end = monotonic() + READY_S
    while True:
        try:
            if ready():
                return
        except (OSError, ValueError):
            pass
        if monotonic() > end:
            raise TimeoutError(f"not ready in {READY_S} s:\n{log.read_text()[-2000:]}")
        sleep(0.1)


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server; yields the variables with which any client finds it."""
    port = free_port()
    with running("s3", ["moto.server", "-H", "127.0.0.1", "-p", str(port)], folder, {}) as log:
        await_port(port, log)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }


@contextmanager
def dask_cluster(folder: Path, hosts: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """A Dask scheduler, and one worker process for each environment; yields the scheduler's address."""
    place = folder / "scheduler.json"
    place.unlink(missing_ok=True)
    command = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]
    with ExitStack() as stack:
        log = stack.enter_context(running("scheduler", ["distributed.cli.dask_scheduler", *command], folder, {}))
        _await(lambda: json.loads(place.read_text())["address"], log)
        address = json.loads(place.read_text())["address"]
        for number, environment in enumerate(hosts):
            scratch = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / f"dask-{number}")]
            command = ["distributed.cli.dask_worker", address, "--host", "127.0.0.1", *scratch]
            stack.enter_context(running(f"worker-{number}", command, folder, environment))
        _await_workers(address, len(hosts))
        yield address


@contextmanager
def ray_head(environment: Mapping[str, str]) -> Iterator[str]:
    """A Ray cluster of one node; yields the address for drivers elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="ragloop-ray-"))  # short: a socket's path has 107 bytes at most
    port = 9000 + free_port() % 900  # below those that Ray gives to its workers
    command = ["ray.scripts.scripts", "start", "--head", "--block", f"--port={free_port()}", "--num-cpus=2"]
    more = [f"--ray-client-server-port={port}", "--object-store-memory=100000000", "--include-dashboard=false"]
    variables = {"RAY_USAGE_STATS_ENABLED": "0", **environment}
    try:
        with running("ray", [*command, *more, f"--temp-dir={folder}"], folder, variables) as log:
            await_port(port, log)
            _await(lambda: "Ray runtime started" in log.read_text(), log)  # drivers are let in before it has its node
            yield f"ray://127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await_workers(address: str, number: int) -> None:
    import distributed

    if number:
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(number, timeout=READY_S)


@contextmanager
def prefect_server(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """A Prefect server with the settings of `environment`; yields the address of its API."""
    port = free_port()
    variables = {"PREFECT_HOME": str(folder / "prefect"), **environment}
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running("prefect", command, folder, variables) as log:
        await_port(port, log)
        yield f"http://127.0.0.1:{port}/api"
