"""Automations: what ends lost and stuck runs, and misses a nightly retraining that did not happen.

They touch the runs of our deployments alone, never those that a person starts in a process of their own.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events import Automation, AutomationCore, EventTrigger, Posture, ResourceSpecification
from prefect.events.actions import ChangeFlowRunState, DoNothing

RETRAIN = "retrain/retrain"
SILENCE = timedelta(seconds=90)
"""Three heartbeats, from which a run is taken for dead."""
UNSTARTED = timedelta(seconds=120)
"""How long a worker may take to start a run, or to end a cancelled one."""
NIGHTLY_MISSING = "ragloop: no nightly retraining for 26 hours"
NIGHTLY_AWAITED = "ragloop.nightly.awaited"
"""Event from which the nightly retraining is waited for, on a server that has not seen one yet."""

_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
_ANY_STATE = "prefect.flow-run.*"
_ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled")}

_NIGHTLY_ENDS = {"prefect.flow-run.Completed", "prefect.flow-run.Skipped"}
"""Where there are no documents, it is skipped."""


def silence_event(state: StateType) -> str:
    """Return the event that says a run in this state has not been heard of, whatever the server remembers of it.

    The server keeps what it waits for no longer than a minute past its time: after a longer pause of the server, only
    this event makes the automations wait for a run again.
    """
    return f"ragloop.silent.{state.value.lower()}"


def wanted_automations(deployments: Mapping[str, UUID]) -> list[AutomationCore]:
    """Return the automations as they should be, for the deployments' ids by full name."""
    ours = _of_deployments(deployments.values())
    retrain = _of_deployments([deployments[RETRAIN]])
    return [
        _end_unheard(
            "ragloop: crash silent runs",
            "A run not heard of for 90 seconds died with its worker; it must not hold its pool.",
            ours,
            after={"prefect.flow-run.Running", "prefect.flow-run.heartbeat", silence_event(StateType.RUNNING)},
            expect={_ANY_STATE},
            within=SILENCE,
            action=_end(StateType.CRASHED, "Not heard of for 90 seconds."),
        ),
        _end_unheard(
            "ragloop: crash runs that do not start",
            "A run was taken by a worker that died before it could start it.",
            ours,
            # With SQLite the server may lose an event that only ends a wait, never one that begins it: so Running
            # begins one too, which each of several heartbeats can end.
            after={"prefect.flow-run.Pending", "prefect.flow-run.Running", silence_event(StateType.PENDING)},
            expect={_ANY_STATE},
            within=UNSTARTED,
            action=_end(StateType.CRASHED, "Not started within 120 seconds."),
        ),
        _end_unheard(
            "ragloop: end cancellations",
            "A run was cancelled, but its worker died and cannot say that it ended.",
            ours,
            after={"prefect.flow-run.Cancelling", silence_event(StateType.CANCELLING)},
            expect=_ENDS,
            within=UNSTARTED,
            action=_end(StateType.CANCELLED, "Cancelled; its worker did not say so within 120 seconds."),
        ),
        AutomationCore(
            name=NIGHTLY_MISSING,
            description="Tells so in the event feed; add a notification to its actions to be told elsewhere too.",
            trigger=EventTrigger(
                match_related=[retrain, _AUTO_SCHEDULED],
                after={NIGHTLY_AWAITED, "prefect.flow-run.Late", "prefect.flow-run.Pending", *_NIGHTLY_ENDS},
                expect=_NIGHTLY_ENDS,
                posture=Posture.Proactive,
                within=timedelta(hours=26),
            ),
            actions=[DoNothing()],
        ),
    ]


_AUTO_SCHEDULED = ResourceSpecification({"prefect.resource.id": "prefect.tag.auto-scheduled"})


def ensure_automations(client: SyncPrefectClient, wanted: Iterable[AutomationCore]) -> list[str]:
    """Make the automations, or bring those of the same name to what is wanted; return a line for each change.

    Actions that a person added, e.g. a notification, are kept.
    """
    lines = []
    for each in wanted:
        same_name = client.read_automations_by_name(each.name)
        if not same_name:
            client.create_automation(each)
            lines.append(f"automation {each.name!r}: made")
            continue
        found, *doubles = same_name
        for double in doubles:
            client.delete_automation(double.id)
            lines.append(f"automation {each.name!r}: a double removed")
        if changes := _differences(each, found):
            added = [action for action in found.actions if action.type not in {a.type for a in each.actions}]
            _update(client, found.id, each.model_copy(update={"actions": each.actions + added}))
            lines.append(f"automation {each.name!r}: {', '.join(changes)} mended")
    return lines


def drop_other_automations(client: SyncPrefectClient, wanted: Iterable[AutomationCore]) -> list[str]:
    """Remove whatever has the name of one of these and is not it; return a line for each.

    A server keeps the automation of a deployment that was deleted.
    """
    lines = []
    for each in wanted:
        for found in client.read_automations_by_name(each.name):
            if _differences(each, found):
                client.delete_automation(found.id)
                lines.append(f"automation {each.name!r}: another of that name removed")
    return lines


def automation_differences(client: SyncPrefectClient, wanted: Iterable[AutomationCore]) -> list[str]:
    """Return a line for each automation that is not as it should be."""
    lines = []
    for each in wanted:
        found = client.read_automations_by_name(each.name)
        if not found:
            lines.append(f"automation {each.name!r}: missing")
        elif len(found) > 1:
            lines.append(f"automation {each.name!r}: there {len(found)} times")
        elif changes := _differences(each, found[0]):
            lines.append(f"automation {each.name!r}: {', '.join(changes)} not as declared")
    return lines


def _update(client: SyncPrefectClient, automation: UUID, wanted: AutomationCore) -> None:
    """Write every field; the client's own method leaves out the defaults, and with them the type of an action."""
    fields = wanted.model_dump(mode="json", exclude={"owner_resource"})
    client.request("PUT", "/automations/{id}", path_params={"id": automation}, json=fields).raise_for_status()


def _differences(wanted: AutomationCore, found: Automation) -> list[str]:
    fields = ("description", "enabled", "trigger")
    names = [name for name in fields if getattr(wanted, name) != getattr(found, name)]
    return names if all(action in found.actions for action in wanted.actions) else [*names, "actions"]


def _of_deployments(ids: Iterable[UUID]) -> ResourceSpecification:
    resources = sorted(f"prefect.deployment.{each}" for each in ids)
    return ResourceSpecification({"prefect.resource.role": "deployment", "prefect.resource.id": resources})


def _end_unheard(
    name: str,
    description: str,
    ours: ResourceSpecification,
    after: set[str],
    expect: set[str],
    within: timedelta,
    action: ChangeFlowRunState,
) -> AutomationCore:
    """Return the automation that acts on a run of ours of which, after one event, no expected one follows in time."""
    trigger = EventTrigger(
        match=_RUNS,
        match_related=ours,
        after=after,
        expect=expect,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        within=within,
    )
    return AutomationCore(name=name, description=description, trigger=trigger, actions=[action])


def _end(state: StateType, message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=state, name=state.value.capitalize(), message=message)
