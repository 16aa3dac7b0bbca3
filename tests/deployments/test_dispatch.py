import threading
import time

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Pending, Running

from flows.dispatch import RESULT, dispatch, job_key
from flows.train_embedder import train_embedder
from storage.artifacts import ArtifactRef

MADE = ArtifactRef.of("embedder", "0" * 32)
ASKED = {"collection": "default", "profile": "smoke"}


@pytest.fixture
def as_deployed(server, monkeypatch):
    """Let this process count as a deployment's run on the server."""
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a test")
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield


def test_a_child_that_a_crashed_parent_has_started_is_waited_for_and_not_doubled(
    client, start, as_deployed, manual_runs
):
    deployment = client.read_deployment_by_name("train-embedder/train-embedder")
    tags = [f"job:{job_key('train-embedder', ASKED)}"]
    child = client.create_flow_run_from_deployment(deployment.id, parameters=ASKED, tags=tags)
    start.through(child, Pending(), Running())

    def complete():
        time.sleep(3)
        client.update_flow_run_labels(child.id, {RESULT: MADE.model_dump_json()})
        client.set_flow_run_state(child.id, Completed())

    completing = threading.Thread(target=complete)
    completing.start()
    assert dispatch(train_embedder, 60, **ASKED) == MADE
    completing.join()
    assert [run.id for run in manual_runs()] == [child.id]
