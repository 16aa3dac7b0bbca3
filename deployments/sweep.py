"""What is looked after again and again: experiments, wake-ups not sent, runs nobody hears of, crashed retrainings.

Automations go by events, which a server may lose when it is killed or its SQLite file is busy. A sweep goes by what is
the case, so it may run any number of times and from several places.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventOccurredFilter, EventResourceFilter

from deployments.automations import RETRAIN, SILENCE, silence_event
from deployments.drift import deployed
from deployments.events import related_deployment, send_event
from deployments.runs import find_deployment
from deployments.server import connect
from flows.parameters import ATTEMPTS
from rag.experiments.experiment import mark_told, untold
from rag.experiments.settling import settle
from rag.feedback.outbox import OutboxEvent, deliver, renew
from storage.database import Database

LOST_AFTER_S = 600
"""A wake-up that was sent and not acted upon for so long is sent again; doubled each time."""
PATIENCE = timedelta(seconds=10)
"""Until a crashed retraining is started again: the server may still count it against the limit of one."""
EXPERIMENT_ENDED = "ragloop.experiment.ended"
_UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


@dataclass(frozen=True)
class Swept:
    """What a sweep did."""

    events: int
    """Wake-ups sent."""
    silent: int
    """Runs that the automations were made to wait for again."""
    restarted: int
    """Crashed retrainings started again."""
    experiments: int
    """Experiments ended."""


def sweep(database: Database, threshold: int) -> Swept:
    """End experiments, have silent runs watched, start a crashed retraining again, and send a wake-up that waits.

    `threshold` is the new feedback from which a collection's retraining is due.

    :raises ServerUnreachable: if no server answers.
    :raises RunRefused: if the retraining is not deployed there.
    """
    ended = settle(database)  # before the server is asked for: a variant that does harm does it without one, too
    with connect() as client:
        _tell_ends(client, database)
        silent, restarted = watch_silent_runs(client), restart_crashed(client)
        renew(database, threshold, LOST_AFTER_S)
        events = _wake_up(client, database)
        return Swept(events=events, silent=silent, restarted=restarted, experiments=len(ended))


def watch_silent_runs(client: SyncPrefectClient, silence: timedelta = SILENCE) -> int:
    """Make the automations wait for each run of ours that was not heard of lately; return how many those are.

    A server that was away forgets what it waited for. A run that lives is heard of again before its time is up.
    """
    ids = [each.id for each in deployed(client).values() if each]
    runs = [run for run in _runs(client, ids) if _is_silent(client, run, silence)]
    for run in runs:
        assert run.state_type and run.deployment_id
        resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}
        send_event(client, silence_event(run.state_type), resource, [related_deployment(run.deployment_id)])
    return len(runs)


def restart_crashed(client: SyncPrefectClient, patience: timedelta = PATIENCE) -> int:
    """Start a retraining that crashed again, three attempts in all; return how many, 0 or 1.

    By the sweep and no automation, which fired twice for one crash, and not at all when its event was lost.
    """
    now = datetime.now(UTC)
    retrain = find_deployment(client, RETRAIN)
    deployment = FlowRunFilterDeploymentId(any_=[retrain.id])
    ended = FlowRunFilterEndTime(after_=now - timedelta(days=1), before_=now - patience)
    crashed = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(deployment_id=deployment, state=_in(StateType.CRASHED), end_time=ended),
        sort=FlowRunSort.END_TIME_DESC,
    )
    latest = {_collection(run): run for run in reversed(crashed)}
    for collection, run in latest.items():
        since = FlowRunFilterExpectedStartTime(after_=run.end_time, before_=now + timedelta(minutes=1))
        later = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(deployment_id=deployment, expected_start_time=since)
        )
        if any(_collection(each) == collection for each in later) or not _may_run_again(run, retrain):
            continue
        if retraining_under_way(client):
            return 0
        again = run.parameters | {"attempt": run.parameters.get("attempt", 1) + 1}
        name, key = f"retrain-{again.get('reason', 'manual')}-again", f"again-{run.id}"
        client.create_flow_run_from_deployment(
            retrain.id, parameters=again, name=name, tags=run.tags, idempotency_key=key
        )
        return 1
    return 0


def _tell_ends(client: SyncPrefectClient, database: Database) -> None:
    """Send an event for each experiment that has ended, wherever it was settled; the same one twice counts once."""
    for each in untold(database):
        resource = {
            "prefect.resource.id": f"ragloop.experiment.{each.id}",
            "prefect.resource.name": each.name,
            "ragloop.collection": each.collection,
        }
        payload = each.model_dump(mode="json", exclude={"config"})
        event_id = uuid5(NAMESPACE_URL, f"{database.url.render_as_string()} {each.key} {each.started_at}")
        send_event(client, EXPERIMENT_ENDED, resource, payload=payload, event_id=event_id)
        mark_told(database, each)


def _collection(run: FlowRun) -> str:
    return str(run.parameters.get("collection", "default"))


def _may_run_again(run: FlowRun, retrain: DeploymentResponse) -> bool:
    """Return whether a crashed run has an attempt left; one with a parameter that does not exist would crash again."""
    known = (retrain.parameter_openapi_schema or {}).get("properties", {})
    attempt: int = run.parameters.get("attempt", 1)
    return attempt < ATTEMPTS and run.parameters.keys() <= known.keys()


def retraining_under_way(client: SyncPrefectClient) -> bool:
    """Return whether a retraining runs or is about to; a second one would be cancelled."""
    retrain = find_deployment(client, RETRAIN)
    return bool(_runs(client, [retrain.id]) or _about_to_start(client, retrain.id))


def _wake_up(client: SyncPrefectClient, database: Database) -> int:
    """Send one wake-up at most: the run it starts would have the next one's cancelled."""
    sent: list[OutboxEvent] = []

    def ready(_: OutboxEvent) -> bool:
        return not sent and not retraining_under_way(client)

    def send(event: OutboxEvent) -> None:
        resource = {
            "prefect.resource.id": f"ragloop.collection.{event.collection}",
            "ragloop.collection": event.collection,
        }
        send_event(client, event.topic, resource, payload=event.payload, event_id=event.id)
        sent.append(event)

    return deliver(database, send, ready)


def _runs(client: SyncPrefectClient, deployments: list[UUID]) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=deployments),
            state=_in(*_UNDER_WAY),
        )
    )


def _about_to_start(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
            state=_in(StateType.SCHEDULED),
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=soon),
        )
    )


def _in(*states: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))


def _is_silent(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> bool:
    since = EventOccurredFilter(since=datetime.now(UTC) - silence)
    resource = EventResourceFilter(id=[f"prefect.flow-run.{run.id}"])
    return client.read_events(EventFilter(occurred=since, resource=resource), limit=1).total == 0
