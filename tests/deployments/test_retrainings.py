"""Retrainings as the API starts and shows them, against a real Prefect server."""

import fcntl
import os
from datetime import UTC, datetime, timedelta

import pytest
from prefect.states import Cancelled, Completed, Crashed, Pending, Running, Scheduled

from app.api.retrainings import RunState
from app.cli.retrainings import WorkersRetrainings
from deployments.address import Address, lock_file, write_address
from storage.errors import RagloopError


def test_what_is_started_is_followed_to_what_came_of_it(client, space, start):
    retrainings = WorkersRetrainings(space, "smoke")
    started = retrainings.start("guides")
    (waiting,) = retrainings.last("guides")
    assert (waiting.run, waiting.state, waiting.ended_at) == (started, RunState.WAITING, None)
    run = client.read_flow_run(started)
    assert run.parameters["collection"] == "guides" and run.parameters["profile"] == "smoke"
    start.through(run, Pending(), Running())
    assert retrainings.last("guides")[0].state is RunState.RUNNING
    start.through(run, Completed(message="PROMOTE release 3:\nproven better"))
    (done,) = retrainings.last("guides")
    assert (done.state, done.said) == (RunState.DONE, "PROMOTE release 3: proven better")
    assert done.started_at <= done.ended_at
    assert retrainings.last("letters") == []


def test_the_last_come_first_and_what_the_night_has_in_store_is_none(client, space, start):
    start("retrain/retrain", Pending(), Running(), Crashed(message="no card"), collection="guides")
    start("retrain/retrain", Pending(), Running(), Cancelled(), collection="guides")
    start("retrain/retrain", Pending(), Running(), Completed())
    retrain = client.read_deployment_by_name("retrain/retrain")
    tonight = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=3))
    client.create_flow_run_from_deployment(retrain.id, parameters={"collection": "guides"}, state=tonight)
    retrainings = WorkersRetrainings(space, None)
    assert [run.state for run in retrainings.last("guides")] == [RunState.CANCELLED, RunState.FAILED]
    assert retrainings.last("guides")[1].said == "no card"
    assert [run.state for run in retrainings.last("default")] == [RunState.DONE], "of the collection that none is named"


def test_who_starts_one_is_told_nothing_of_another_collections(space, server, start):
    running = start("retrain/retrain", Pending(), Running(), collection="letters")
    with pytest.raises(RagloopError, match="^a retraining is under way: start this one once it has ended$") as refused:
        WorkersRetrainings(space, None).start("guides")
    assert running.name not in str(refused.value)


@pytest.mark.usefixtures("client")
def test_the_server_of_the_home_is_found_without_a_change_to_what_other_threads_see(space, server, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL")
    retrainings = WorkersRetrainings(space, None)
    write_address(space.home, Address(api_url=server.url, ui_url=server.url, pid=1))
    with lock_file(space.home).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert retrainings.last("guides") == []
    assert "PREFECT_API_URL" not in os.environ
