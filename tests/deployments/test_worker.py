import os
import signal
import subprocess
import sys

import pytest
from prefect.client.schemas.objects import StateType

from tests.prefect_server import wait_until


@pytest.fixture
def worker(client, space, tmp_path):
    """A worker on the cpu pool, started in a folder that has nothing to do with the project."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    log = folder / "worker.log"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "cpu", "--type", "process"]
    environment = os.environ | {"PREFECT_WORKER_QUERY_SECONDS": "2", "PYTHONPATH": ""}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True)
    yield log
    process.send_signal(signal.SIGINT)
    process.wait(60)


def test_a_worker_elsewhere_imports_the_installed_package_and_pulls_nothing(client, worker, start, tmp_path):
    (tmp_path / "note.md").write_text("# Lamps\n\nThe red lamp says that the tank is empty. Fill it up.\n")
    run = start("ingest/ingest", sources=[str(tmp_path / "note.md")])
    crashed = start("evaluate/evaluate", unknown=1)
    wait_until(lambda: client.read_flow_run(run.id).state.is_final(), 240)
    assert client.read_flow_run(run.id).state_type == StateType.COMPLETED, worker.read_text()
    # A crash makes Prefect look for hooks, from a folder of its own with a storage.py in it.
    wait_until(lambda: client.read_flow_run(crashed.id).state_type == StateType.CRASHED, 120)
    wait_until(lambda: "as crashed" in worker.read_text(), 60)
    assert "pull step" not in worker.read_text()
    assert "failed to retrieve flow" not in worker.read_text()
