"""One real Prefect server, brought to what is declared before each test."""

import time

import pytest

from deployments.bootstrap import bootstrap
from deployments.server import connect
from tests.prefect_server import running_server


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


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
