"""Flow runs seen through the API: started, followed, and told the truth about."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelled, Crashed

from storage.errors import RagloopError

logger = logging.getLogger(__name__)

ACTIVE = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
WORKER = "prefect.worker.name"
"""Label that a worker gives to the runs that it takes."""
FOLLOW_S = 2.0
OUTAGE_S = 180.0
_SKEW = timedelta(seconds=10)
"""By which the server's clock may be ahead."""
_LOOKED_AT = 100
"""Runs, among which those of the collection are looked for."""
_DEFAULT = "default"
"""The collection of runs that name none."""


class RunRefused(RagloopError):
    """The server does not take the run."""


class RunsAlready(RunRefused):
    """The deployment runs as often as its limit allows."""


def start_run(client: SyncPrefectClient, deployment: str, name: str, parameters: dict[str, Any]) -> FlowRun:
    """Start a deployment's run, unless one runs that it would have to give way to.

    :raises RunsAlready: if its limit is reached.
    :raises RunRefused: if it is not deployed, or a parameter is wrong.
    """
    found = find_deployment(client, deployment)
    limit = found.global_concurrency_limit.limit if found.global_concurrency_limit else None
    running = client.read_flow_runs(flow_run_filter=_active(deployment_id=FlowRunFilterDeploymentId(any_=[found.id])))
    if limit is not None and len(running) >= limit:
        raise RunsAlready(
            f"{deployment} runs already: {running[0].name} ({run_url(client, running[0])}): wait for it, or cancel it"
        )
    try:
        return client.create_flow_run_from_deployment(found.id, parameters=parameters, name=name)
    except PrefectHTTPStatusError as error:
        raise RunRefused(f"{deployment} was not started: {_reason(error)}") from None


def find_deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    """Return a deployment by its full name.

    :raises RunRefused: if it is not deployed.
    """
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        raise RunRefused(f"{client.api_url} has no deployment {name}: deploy with `ragloop deploy`") from None


def follow_run(client: SyncPrefectClient, run: FlowRun) -> Iterator[tuple[FlowRun, State[Any]]]:
    """Give the run and its state whenever that has changed, until it has ended; a server may be away for a while.

    :raises RunRefused: if the server stays away, or the run is deleted.
    """
    seen, heard = None, time.monotonic()
    while True:
        try:
            run = client.read_flow_run(run.id)
            heard = time.monotonic()
        except ObjectNotFound:
            raise RunRefused(
                f"the run {run.name} is not on {client.api_url} any more, somebody deleted it: start it again"
            ) from None
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            if time.monotonic() - heard > OUTAGE_S:
                raise RunRefused(f"{client.api_url} does not answer any more: the run {run.name} may go on") from error
        if run.state is not None and run.state.id != seen:
            seen = run.state.id
            yield run, run.state
            if run.state.is_final():
                return
        time.sleep(FOLLOW_S)


def last_runs(client: SyncPrefectClient, flow: str, collection: str, n_runs: int = 10) -> list[FlowRun]:
    """Return the last runs of a flow for a collection, newest first; those that a schedule has for later are none.

    :raises RunRefused: if the server does not answer.
    """
    due = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) + _SKEW)
    try:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            flow_run_filter=FlowRunFilter(expected_start_time=due),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_LOOKED_AT,
        )
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise RunRefused(f"{client.api_url} does not show its runs ({type(error).__name__}): try again") from error
    return [run for run in found if run.parameters.get("collection", _DEFAULT) == collection][:n_runs]


def run_url(client: SyncPrefectClient, run: FlowRun) -> str:
    """Return the run's page in the UI."""
    return f"{str(client.api_url).rstrip('/').removesuffix('/api')}/runs/flow-run/{run.id}"


def settle(
    client: SyncPrefectClient, workers: Iterable[str], before: datetime, has_process: Callable[[FlowRun], bool]
) -> list[str]:
    """Mark as crashed what counts as running on these workers since before a moment and has no process; return names.

    A run that was asked to cancel counts as cancelled. Subflows go with their parent.
    """
    names, lost = set(workers), []
    for run in client.read_flow_runs(flow_run_filter=_active()):
        if run.labels.get(WORKER) in names and run.state and run.state.timestamp < before and not has_process(run):
            _end(client, run)
            lost.append(run.name)
    return lost


def _end(client: SyncPrefectClient, run: FlowRun) -> None:
    for child in client.read_flow_runs(
        flow_run_filter=_active(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id]))
    ):
        if child.deployment_id is None:  # it ran in the same process
            _end(client, child)
    why = "The process of this run has ended without a word."
    state: State[None] = Cancelled(message=why) if run.state_type == StateType.CANCELLING else Crashed(message=why)
    client.set_flow_run_state(run.id, state)


def _active(**more: Any) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ACTIVE)), **more)


def _reason(error: PrefectHTTPStatusError) -> str:
    """Return what the server said, in one line."""
    try:
        detail = error.response.json()
        detail = detail.get("detail", detail.get("exception_detail", detail))
    except ValueError:
        detail = error.response.text
    text = detail if isinstance(detail, str) else json.dumps(detail)
    return " ".join(text.split()) or str(error.response.status_code)
