from datetime import timedelta

import pytest
from prefect import flow
from prefect.client.schemas.objects import StateType
from prefect.events import Posture
from prefect.states import Cancelling, Completed, Pending, Running

from deployments.automations import NIGHTLY_MISSING, ensure_automations, silence_event, wanted_automations
from deployments.drift import deployed
from deployments.events import related_deployment, send_event
from deployments.sweep import watch_silent_runs
from tests.prefect_server import wait_until


@flow
def by_hand():
    """A flow that somebody runs in a process of their own."""


@pytest.fixture
def hasty(client):
    """The automations as they are, but waiting 30 s at most."""
    wanted = wanted_automations({name: each.id for name, each in deployed(client).items()})
    for each in wanted:
        if each.trigger.posture is Posture.Proactive:
            each.trigger.within = timedelta(seconds=30)
    ensure_automations(client, wanted)


def state(client, run):
    return client.read_flow_run(run.id).state_type


def test_runs_that_nobody_hears_of_are_ended_and_others_are_left(client, start, hasty):
    silent = start("train-embedder/train-embedder", Pending(), Running())
    pending = start("ingest/ingest", Pending(), sources=["notes.md"])
    cancelling = start("evaluate/evaluate", Pending(), Running(), Cancelling())
    done = start("synthesize/synthesize", Pending(), Running(), Completed())
    own = client.create_flow_run(by_hand)
    client.set_flow_run_state(own.id, Running())
    alive = start("build-index/build-index", Pending(), Running())
    resource = {"prefect.resource.id": f"prefect.flow-run.{alive.id}"}

    def all_ended():
        watch_silent_runs(client, silence=timedelta(seconds=45))  # as the sweep does, should SQLite lose an event
        send_event(client, "prefect.flow-run.heartbeat", resource, [related_deployment(alive.deployment_id)])
        return [state(client, run) for run in (silent, pending, cancelling)] == [
            StateType.CRASHED,
            StateType.CRASHED,
            StateType.CANCELLED,
        ]

    wait_until(all_ended, 240)
    assert state(client, alive) == state(client, own) == StateType.RUNNING
    assert state(client, done) == StateType.COMPLETED


def test_a_silence_that_the_server_forgot_is_watched_when_it_is_told(client, start, hasty):
    run = start("train-embedder/train-embedder")
    client.set_flow_run_state(run.id, Running(), force=True)
    resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
    send_event(client, silence_event(StateType.RUNNING), resource, [related_deployment(run.deployment_id)])
    wait_until(lambda: state(client, run) == StateType.CRASHED, 120)


def test_a_nightly_that_was_skipped_is_not_missing(client):
    wanted = wanted_automations({name: each.id for name, each in deployed(client).items()})
    [trigger] = [each.trigger for each in wanted if each.name == NIGHTLY_MISSING]
    skipped = "prefect.flow-run.Skipped"
    assert skipped in trigger.expect and skipped in trigger.after, "it ends one wait, and begins the next"


def test_the_missing_nightly_is_told_in_the_event_feed(client, hasty):
    def told():
        body = {"filter": {"event": {"name": ["prefect.automation.triggered"]}}}
        events = client.request("POST", "/events/filter", json=body).json()["events"]
        return [event for event in events if event["resource"]["prefect.resource.name"] == NIGHTLY_MISSING]

    wait_until(told, 120)
