"""The loop as it looks through the API of a running `ragloop up`."""

import json
import logging
import os
import time
from datetime import datetime
from pathlib import Path

import httpx
import psutil

from rag.device import Device
from tests.company import write_company, write_questions
from tests.e2e.conftest import wait_until

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
STATE = "trainer_state.json"
"""What a checkpoint writes last."""
LAST_LINES = 40


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
        if not wait_until(lambda: self.run(run_id)["state"]["type"] in FINAL, seconds):
            raise AssertionError(self.said_of(self.run(run_id)))
        return self.run(run_id)

    def ended_as(self, state_type, run_id):
        """Wait for a run's end, which must be of this type, and return it."""
        run = self.ended(run_id)
        assert run["state"]["type"] == state_type, self.said_of(run)
        return run

    def said_of(self, run):
        """Return a run's state, its warnings, and the last that all parts said, to show when a test fails."""
        state = run["state"]
        warnings = self.api(
            "POST",
            "logs/filter",
            logs={"flow_run_id": {"any_": [run["id"]]}, "level": {"ge_": logging.WARNING}},
            sort="TIMESTAMP_ASC",
        )
        said = [f"{run['name']} is {state['name']} ({state['type']}): {state['message']}"]
        said += [f"{each['timestamp']} {each['message']}" for each in warnings]
        for log in sorted((self.up.home / "logs").glob("*.log")):
            said += [f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-LAST_LINES:]]
        return "\n".join(said)

    def reached(self):
        """Return the step of the last checkpoint of all unfinished trainings; 0 if there is none."""
        scratch = os.walk(self.up.home / "artifacts" / ".scratch")  # old checkpoints vanish under its hands
        return max((int(Path(at).name.rsplit("-", 1)[1]) for at, _, files in scratch if STATE in files), default=0)

    def trains_past(self, step):
        """Wait until a process trains and a checkpoint behind `step` is written; return that step and the process."""
        end = time.monotonic() + 300
        while time.monotonic() < end:
            reached, holder = self.reached(), self.device.holder()
            if reached > step and holder is not None:
                return reached, psutil.Process(holder.pid)
            time.sleep(0.1)
        raise AssertionError(f"no checkpoint behind step {step} and a process that trains: {self.up.said()}")


def seconds(run):
    """Return when a run began and ended."""
    return tuple(datetime.fromisoformat(run[name]).timestamp() for name in ("start_time", "end_time"))
