"""Runs a GPU flow where it belongs: as a deployment on its pool when the caller is one, else in this process."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast, get_type_hints

import httpx
from prefect import Flow, get_client, get_run_logger, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling
from pydantic import TypeAdapter

from flows.parameters import ATTEMPTS
from rag.errors import RagloopError

R = TypeVar("R")

POLL_S = 2.0
AWAY_S = 600.0
"""How long the Prefect server may be away before a waiting parent gives up."""
RESULT = "ragloop.result"
"""The label of a run that holds what it made: references, as JSON."""

_ACTIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]


class StageFailed(RagloopError):
    """A dispatched run did not complete."""


def announced(result: R) -> R:
    """Leave a run's result where the parent that dispatched it, on whatever machine, can read it."""
    if runtime.deployment.id is not None:
        text = TypeAdapter(type(result)).dump_json(result).decode()
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(runtime.flow_run.id, {RESULT: text})
    return result


def dispatch(stage: Flow[..., R], timeout_s: float, **parameters: Any) -> R:
    """Run a flow and return its result.

    In a run that is no deployment itself, that is a call. In one that is, the flow's deployment is started and waited
    for. A child that crashes is started again and goes on from its checkpoint; one that a crashed parent has started
    is waited for, not doubled; one that runs for more than `timeout_s`, or whose parent is stopped, is cancelled.

    :raises StageFailed: if the child fails, is cancelled, takes too long, or crashes time after time.
    """
    if runtime.deployment.id is None:
        result: R = stage(**parameters)
        return result
    key = job_key(stage.name, parameters)
    with get_client(sync_client=True) as client:
        for attempt in range(1, ATTEMPTS + 1):
            run = _active_run(client, key) or _start(stage.name, parameters, key, attempt)
            run = _finished(client, run, timeout_s)
            if run.state_type is StateType.COMPLETED:
                kind: TypeAdapter[R] = TypeAdapter(get_type_hints(stage.fn)["return"])
                return kind.validate_json(str(run.labels[RESULT]))
            reason = f"{run.name} ended as {run.state_name}: {run.state.message if run.state else ''}"
            if run.state_type is not StateType.CRASHED:
                break
            get_run_logger().warning("%s (attempt %d of %d)", reason, attempt, ATTEMPTS)
    raise StageFailed(f"{reason}: see its log in the Prefect UI before you start it again")


def job_key(name: str, parameters: dict[str, Any]) -> str:
    """Return the name of a piece of work, the same for each attempt at it."""
    text = json.dumps([name, parameters], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _active_run(client: SyncPrefectClient, key: str) -> FlowRun | None:
    """Return the run that is at this work already, started by a parent that is gone."""
    wanted = {"tags": {"all_": [f"job:{key}"]}, "state": {"type": {"any_": _ACTIVE}}}
    runs = _patient(lambda: client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(wanted), limit=1))
    return runs[0] if runs else None


def _start(name: str, parameters: dict[str, Any], key: str, attempt: int) -> FlowRun:
    again = f"-attempt-{attempt}" if attempt > 1 else ""
    try:
        return _patient(
            lambda: cast(
                FlowRun,
                run_deployment(
                    f"{name}/{name}",
                    parameters=parameters,
                    timeout=0,
                    flow_run_name=f"{name}-for-{runtime.flow_run.name}{again}",
                    tags=[f"job:{key}", f"collection:{parameters['collection']}"],
                    idempotency_key=f"{key}:{runtime.flow_run.id}:{runtime.flow_run.run_count}:{attempt}",
                ),
            )
        )
    except ObjectNotFound as error:
        raise StageFailed(f"the server has no deployment {name}/{name}: run `ragloop deploy`") from error


def _finished(client: SyncPrefectClient, run: FlowRun, timeout_s: float) -> FlowRun:
    """Wait for a run's end; the time that it waits in the queue is not counted."""
    with _cancelled_with_us(client, run):
        while True:
            now = _patient(lambda: client.read_flow_run(run.id))
            if now.state is not None and now.state.is_final():
                return now
            if now.state_type is StateType.RUNNING and now.estimated_run_time.total_seconds() > timeout_s:
                raise StageFailed(f"{run.name} ran for more than {timeout_s:.0f} s and was cancelled")
            time.sleep(POLL_S)


@contextmanager
def _cancelled_with_us(client: SyncPrefectClient, run: FlowRun) -> Iterator[None]:
    """Cancel a child if we stop waiting for it, whatever the reason."""
    try:
        yield
    except BaseException:
        try:
            client.set_flow_run_state(run.id, Cancelling(message="its parent stopped waiting"))
        except Exception as error:  # what ended the waiting is what is to be told
            get_run_logger().warning("%s could not be cancelled: %s", run.name, error)
        raise


def _patient(ask: Callable[[], R]) -> R:
    """Ask the server; while it is away, as when it is started again, ask once more."""
    end = time.monotonic() + AWAY_S
    while True:
        try:
            return ask()
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            refused = isinstance(error, PrefectHTTPStatusError) and error.response.status_code < 500
            if refused or time.monotonic() > end:
                raise
            get_run_logger().warning("the Prefect server is away (%s): waiting for it", type(error).__name__)
            time.sleep(POLL_S)
