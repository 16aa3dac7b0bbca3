"""One real Prefect server, brought to what is declared before each test."""

import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from deployments.bootstrap import bootstrap
from deployments.environment import server_environment
from deployments.server import connect


class Server:
    """The Prefect server of `ragloop up` with a home of its own, that can be stopped and started again."""

    def __init__(self, folder):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.log = folder / "server.log"
        self.environment = {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_PROFILES_PATH": str(folder / "prefect" / "profiles.toml"),
            "PREFECT_API_URL": self.url,
        }
        self.process = None

    def start(self):
        descriptor = self.listener.fileno()
        environment = server_environment(os.environ | self.environment, "127.0.0.1", self.port, None)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deployments.embedded", str(descriptor)],
                env=environment,
                stdout=log,
                stderr=log,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        wait_until(self._answers, 120)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False


def wait_until(condition, timeout_s=60):
    """Return what the condition gives once it is true."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {timeout_s} s in vain"
        time.sleep(1)
    return found


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running, monkeypatch):
    """The server, which this process and its children are told of."""
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def client(server):
    """A client of the server as declared, without runs of other tests."""
    bootstrap()
    with connect() as client:
        for run in client.read_flow_runs():
            client.delete_flow_run(run.id)
        yield client


class Starter:
    """Brings runs through their states as a worker would."""

    def __init__(self, client):
        self.client = client

    def __call__(self, deployment, *states, **parameters):
        found = self.client.read_deployment_by_name(deployment)
        run = self.client.create_flow_run_from_deployment(found.id, parameters=parameters)
        return self.through(run, *states)

    def through(self, run, *states):
        for state in states:
            time.sleep(1)  # no worker is faster
            self.client.set_flow_run_state(run.id, state)
        return self.client.read_flow_run(run.id)


@pytest.fixture
def start(client):
    """Start a deployment's run, and bring it as far as a worker that then dies would."""
    return Starter(client)


@pytest.fixture
def manual_runs(client):
    """The runs that were not made by the schedule, oldest first."""
    return lambda: sorted(
        (run for run in client.read_flow_runs() if "auto-scheduled" not in run.tags), key=lambda run: run.created
    )
