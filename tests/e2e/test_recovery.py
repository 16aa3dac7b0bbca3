"""Processes die, and the retraining ends all the same."""

import json
import subprocess
import sys

import pytest

from deployments.processes import flow_processes
from storage.artifacts import ArtifactRef
from tests.e2e.conftest import ROOT, all_ended, wait_until
from tests.e2e.remote import Remote


@pytest.fixture(scope="module")
def remote(up):
    remote = Remote(up)
    remote.prepare("default")
    return remote


def facts(remote, digest):
    """Return what the build wrote down about an embedder."""
    return json.loads((remote.up.home / "artifacts" / "embedder" / digest / "manifest.json").read_text())["facts"]


def kill(*processes):
    """Kill them at once, and wait: until its end, one goes on writing checkpoints and holds the device."""
    for process in processes:
        process.kill()
    assert wait_until(lambda: all_ended(processes), 30)


@pytest.fixture(scope="module")
def survivor(remote):
    """A retraining that lost its training process, then worker and process, then the server."""
    run_id = remote.retrain("default")
    _, training = remote.trains_past(0)
    kill(training)

    _, training = remote.trains_past(remote.reached())
    kill(remote.up.parts()["gpu"], training)

    remote.trains_past(remote.reached())
    kill(remote.up.parts()["server"])
    return remote.ended(run_id)


def test_a_retraining_outlives_its_process_its_worker_and_its_server(remote, survivor):
    assert survivor["state"]["type"] == "COMPLETED", remote.said_of(survivor)


def test_each_attempt_is_a_run_of_its_own_and_goes_on_from_the_checkpoint(remote, survivor):
    attempts = remote.runs("train-embedder")
    assert [run["state"]["type"] for run in attempts] == ["CRASHED", "CRASHED", "COMPLETED"]
    assert len({tag for run in attempts for tag in run["tags"] if tag.startswith("job:")}) == 1
    made = ArtifactRef.model_validate_json(attempts[-1]["labels"]["ragloop.result"])
    assert facts(remote, made.digest)["training"]["resumed_from_step"] >= 2


def test_what_it_made_is_what_an_undisturbed_run_makes(remote, survivor):
    """The digests name inputs and recipe, so a run beside the server finds all of it made and judged."""
    again = json.loads(remote.ragloop.ok("retrain", "--json"))
    assert "nothing new since release 2" in again["nothing_new"]


def test_a_killed_retraining_is_started_again_and_takes_up_its_child(remote, survivor):
    remote.prepare("parent")
    run_id = remote.retrain("parent")
    remote.trains_past(0)
    children = len(remote.runs("train-embedder"))
    kill(flow_processes(remote.up.home)[run_id])
    remote.ended_as("CRASHED", run_id)

    def second():
        again = {"collection": "parent", "attempt": 2}.items()
        return next((run for run in remote.runs("retrain") if again <= run["parameters"].items()), None)

    assert wait_until(second, 120), remote.up.said()
    remote.ended_as("COMPLETED", second()["id"])
    taken_up = [r for r in remote.runs("train-embedder")[children - 1 :] if r["state"]["type"] == "COMPLETED"]
    assert len(taken_up) >= 1
    assert sum(r["state"]["type"] == "RUNNING" for r in remote.runs("train-embedder")) == 0


def test_a_cancelled_training_leaves_a_checkpoint_and_resumes(remote, survivor):
    remote.prepare("cancelled")
    train = {"collection": "cancelled", "profile": "cpu"}
    run_id = remote.start("train-embedder", train)
    step, training = remote.trains_past(0)
    remote.api("POST", f"flow_runs/{run_id}/set_state", state={"type": "CANCELLING"})
    assert wait_until(lambda: all_ended([training]), 60)
    reached = remote.reached()
    assert reached > step, remote.said_of(remote.run(run_id))
    remote.ended_as("CANCELLED", run_id)

    again = remote.ended_as("COMPLETED", remote.start("train-embedder", train))
    made = ArtifactRef.model_validate_json(again["labels"]["ragloop.result"])
    assert facts(remote, made.digest)["training"]["resumed_from_step"] == reached


IMPATIENT = """
from prefect import flow
from flows.dispatch import dispatch
from flows.train_embedder import train_embedder

@flow
def impatient():
    return dispatch(train_embedder, 1, collection="cancelled", profile="cpu", shuffle_labels=True)

impatient()
"""


def test_a_child_that_takes_too_long_is_cancelled(remote, survivor):
    """A parent that counts as a deployment's run dispatches, with a second's patience."""
    deployed = {"PREFECT_API_URL": remote.up.api_url, "PREFECT__RUNTIME__DEPLOYMENT__ID": "a test"}
    parent = subprocess.run(
        [sys.executable, "-c", IMPATIENT],
        cwd=ROOT,
        env=remote.ragloop.environment | deployed,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "ran for more than 1 s and was cancelled" in parent.stderr, parent.stderr
    child = remote.runs("train-embedder")[-1]
    assert child["parameters"]["shuffle_labels"] is True
    remote.ended_as("CANCELLED", child["id"])
