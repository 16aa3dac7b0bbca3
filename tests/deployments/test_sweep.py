from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.schemas.objects import StateType
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.states import Cancelled, Completed, Crashed, Pending, Running, Scheduled

from deployments.runs import RunRefused
from deployments.server import ServerUnreachable
from deployments.sweep import EXPERIMENT_ENDED, restart_crashed, retraining_under_way, sweep, watch_silent_runs
from flows.parameters import ATTEMPTS
from rag.config import ExperimentConfig
from rag.experiments.experiment import ExperimentState, begin, get_experiment, untold
from storage.artifacts import ArtifactRef
from storage.registry import Registry
from tests.prefect_server import wait_until
from tests.rag.feedback.uses import ask, events, react

THRESHOLD = 5
NOW = timedelta(0)


@pytest.fixture
def database(space):
    return space.database


def test_enough_feedback_starts_one_retraining_and_too_little_none(client, database, manual_runs):
    react(database, ask(database, "guides"), THRESHOLD, THRESHOLD)
    react(database, ask(database, "letters"), THRESHOLD - 1, THRESHOLD)
    assert sweep(database, THRESHOLD).events == 1
    [run] = wait_until(manual_runs)
    assert run.parameters == {"collection": "guides", "reason": "feedback"}
    assert sweep(database, THRESHOLD).events == 0
    assert [run.id] == [each.id for each in manual_runs()]


def test_a_wake_up_waits_while_a_retraining_is_under_way(client, database, start, manual_runs):
    running = start("retrain/retrain", Pending(), Running())
    react(database, ask(database), THRESHOLD, THRESHOLD)
    assert sweep(database, THRESHOLD).events == 0
    client.set_flow_run_state(running.id, Completed())
    assert sweep(database, THRESHOLD).events == 1
    assert len(wait_until(lambda: len(manual_runs()) == 2 and manual_runs())) == 2


def test_of_two_collections_the_second_waits_for_the_first(client, database, manual_runs):
    for collection in ("guides", "letters"):
        react(database, ask(database, collection), THRESHOLD, THRESHOLD)
    assert sweep(database, THRESHOLD).events == 1
    [run] = wait_until(manual_runs)
    assert sweep(database, THRESHOLD).events == 0
    client.set_flow_run_state(run.id, Completed(), force=True)
    assert sweep(database, THRESHOLD).events == 1
    runs = wait_until(lambda: len(manual_runs()) == 2 and manual_runs())
    assert [each.parameters["collection"] for each in runs] == ["guides", "letters"]


def test_what_was_due_while_the_server_was_down_is_sent_by_the_next_sweep(client, running, database, manual_runs):
    running.stop()
    react(database, ask(database), THRESHOLD, THRESHOLD)
    with pytest.raises(ServerUnreachable, match="ragloop up"):
        sweep(database, THRESHOLD)
    assert [row.sent_at for row in events(database)] == [None]
    running.start()
    assert sweep(database, THRESHOLD).events == 1
    assert len(wait_until(manual_runs)) == 1


def test_a_server_that_nothing_was_deployed_to_is_named_with_what_to_run(client, server, database):
    client.delete_deployment(client.read_deployment_by_name("retrain/retrain").id)
    with pytest.raises(RunRefused, match="no deployment retrain/retrain: deploy with `ragloop deploy`") as refused:
        sweep(database, THRESHOLD)
    assert server.url in str(refused.value)


def test_a_retraining_that_is_scheduled_for_tonight_is_not_under_way(client):
    retrain = client.read_deployment_by_name("retrain/retrain")
    tonight = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=3))
    client.create_flow_run_from_deployment(retrain.id, state=tonight)
    assert not retraining_under_way(client)
    client.create_flow_run_from_deployment(retrain.id)
    assert retraining_under_way(client)


def test_a_crashed_retraining_is_started_again_until_its_attempts_are_used_up(client, start, manual_runs):
    start("retrain/retrain", Pending(), Running(), Crashed(), collection="guides", reason="feedback")
    assert restart_crashed(client, patience=NOW) == 1
    assert restart_crashed(client, patience=NOW) == 0
    again = manual_runs()[-1]
    assert again.parameters == {"collection": "guides", "reason": "feedback", "attempt": 2}
    start.through(again, Pending(), Running(), Crashed())
    assert restart_crashed(client, patience=NOW) == 1
    start.through(manual_runs()[-1], Pending(), Running(), Crashed())
    assert restart_crashed(client, patience=NOW) == 0
    assert len(manual_runs()) == ATTEMPTS


def test_the_crash_of_one_collection_is_not_forgotten_over_a_run_of_another(client, start, manual_runs):
    start("retrain/retrain", Pending(), Running(), Crashed(), collection="guides")
    start("retrain/retrain", Pending(), Running(), Completed(), collection="letters")
    assert restart_crashed(client, patience=NOW) == 1
    assert manual_runs()[-1].parameters == {"collection": "guides", "attempt": 2}


def test_a_run_with_a_parameter_that_does_not_exist_is_not_started_again(client, start):
    start("retrain/retrain", Pending(), Running(), Crashed(), collection="guides", nope=1)
    assert restart_crashed(client, patience=NOW) == 0


def test_another_flow_that_crashes_and_a_cancelled_retraining_are_left_alone(client, start):
    start("evaluate/evaluate", Pending(), Running(), Crashed())
    start("retrain/retrain", Pending(), Running(), Cancelled())
    assert restart_crashed(client, patience=NOW) == 0


def test_a_run_is_watched_only_while_it_is_silent(client, start):
    run = start("train-embedder/train-embedder", Pending(), Running())
    wait_until(lambda: watch_silent_runs(client) == 0)
    assert watch_silent_runs(client, silence=NOW) == 1
    client.set_flow_run_state(run.id, Completed())
    assert watch_silent_runs(client, silence=NOW) == 0
    assert client.read_flow_run(run.id).state_type == StateType.COMPLETED


def overtaken_experiment(database):
    """Return an experiment whose control does not serve any more."""
    registry = Registry(database)
    index = ArtifactRef.of("index", "i")
    control, variant, other = (
        registry.register(
            "guides",
            parent_id=None,
            reason="first",
            embedder=ArtifactRef.of("embedder", name),
            index=index,
            answering={},
            config={},
            lineage={},
        )
        for name in ("control", "variant", "other")
    )
    registry.promote("guides", control.id, "first")
    experiment = begin(database, control, variant, "release 2", 0.5, ExperimentConfig())
    registry.promote("guides", other.id, "by hand")
    return experiment


def test_an_experiment_is_ended_with_no_server_and_told_once_there_is_one(client, running, database):
    experiment = overtaken_experiment(database)
    running.stop()
    with pytest.raises(ServerUnreachable):
        sweep(database, THRESHOLD)
    assert get_experiment(database, "guides").state is ExperimentState.STOPPED
    running.start()
    assert sweep(database, THRESHOLD).experiments == 0
    assert untold(database) == []
    assert sweep(database, THRESHOLD).experiments == 0

    def told():
        return client.read_events(EventFilter(event=EventNameFilter(name=[EXPERIMENT_ENDED])), limit=9).events

    (event,) = wait_until(told)
    assert event.resource.root["prefect.resource.id"] == f"ragloop.experiment.{experiment.id}"
    assert event.resource.root["ragloop.collection"] == "guides"
    assert (event.payload["state"], event.payload["reason"]) == (
        "stopped",
        "release 3 began to serve instead of release 1",
    )
