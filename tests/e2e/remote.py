"""The loop as it looks through the API of a running `ragloop up`."""

import json
import time
from datetime import datetime
from pathlib import Path

import httpx

from rag.device import Device
from tests.company import write_company, write_questions
from tests.e2e.conftest import wait_until

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Remote:
    """Starts retrainings and watches them."""

    def __init__(self, up):
        self.up = up
        self.ragloop = up.ragloop
        self.device = Device(Path(self.ragloop.environment["RAGLOOP_DEVICE_LOCK"]))

    def prepare(self, collection):
        """Fill a collection with the small company and its questions."""
        documents = write_company(self.ragloop.folder / "documents")
        self.ragloop.ok("ingest", documents, "-c", collection)
        questions = write_questions(self.ragloop.folder / "questions.jsonl")
        self.ragloop.ok("pairs", "import", questions, "-c", collection)

    def retrain(self, collection, *options):
        """Start a retraining on the server; returns the run's id."""
        return json.loads(self.ragloop.ok("retrain", "-c", collection, "--remote", "--json", *options))["id"]

    def start(self, flow, parameters):
        """Start a deployment's run; returns its id."""
        deployment = self.api("GET", f"deployments/name/{flow}/{flow}")["id"]
        return self.api("POST", f"deployments/{deployment}/create_flow_run", parameters=parameters)["id"]

    def api(self, method, path, **body):
        """Ask the server; one that is being started again, or is busy, is asked once more."""
        for _ in range(60):
            try:
                answer = httpx.request(method, f"{self.up.api_url}/{path}", json=body or None, timeout=30)
            except httpx.TransportError:
                time.sleep(1)
                continue
            if answer.status_code == 503:
                time.sleep(1)
                continue
            answer.raise_for_status()
            return answer.json() if answer.content else None
        raise AssertionError("the server stays away")

    def run(self, run_id):
        return self.api("GET", f"flow_runs/{run_id}")

    def runs(self, name, **filters):
        """Return the runs of a flow, oldest first."""
        found = self.api("POST", "flow_runs/filter", flows={"name": {"any_": [name]}}, **filters)
        started = [run for run in found if run["state"]["type"] not in ("SCHEDULED",)]
        return sorted(started, key=lambda run: run["created"])

    def ended(self, run_id, seconds=420):
        """Wait for a run's end and return it."""
        assert wait_until(lambda: self.run(run_id)["state"]["type"] in FINAL, seconds), self.up.said()
        return self.run(run_id)

    def checkpoints(self):
        """Return the steps of the checkpoints that are whole, of all unfinished trainings."""
        found = self.up.home.rglob("checkpoint-*/trainer_state.json")
        return {int(path.parent.name.rsplit("-", 1)[1]) for path in found}

    def trains_past(self, step):
        """Wait until a checkpoint behind `step` is written; returns it and the pid of the training process."""
        assert wait_until(lambda: max(self.checkpoints(), default=0) > step, 300), self.up.said()
        holder = self.device.holder()
        assert holder is not None, "the training ended before it could be disturbed"
        return max(self.checkpoints()), holder.pid


def seconds(run):
    """Return when a run began and ended."""
    return tuple(datetime.fromisoformat(run[name]).timestamp() for name in ("start_time", "end_time"))
