"""Retrainings by the workers of the Prefect server that `ragloop up` runs, or that is named."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.address import running_server
from deployments.environment import settle_environment
from storage.errors import RagloopError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from app.api.retrainings import Run
    from rag.workspace import Workspace

_SAID_CHARS = 500


class WorkersRetrainings:
    """See `app.api.retrainings.Retrainings`. The server is looked for each time: `ragloop up` may be started anew."""

    def __init__(self, space: "Workspace", profile: str | None) -> None:
        self._home, self._profile = space.home, profile
        settle_environment()
        self._named = bool(os.environ.get("PREFECT_API_URL"))

    def start(self, collection: str) -> str:
        """See `Retrainings`."""
        parameters = {"collection": collection, "profile": self._profile, "reason": "api", "shuffle_labels": False}
        with self._connected() as client:
            from deployments.runs import RunsAlready, start_run

            try:
                return str(start_run(client, "retrain/retrain", "retrain-api", parameters).id)
            except RunsAlready as error:  # it may be another collection's, which who asks may not know
                raise RagloopError("a retraining is under way: start this one once it has ended") from error

    def last(self, collection: str) -> "Sequence[Run]":
        """See `Retrainings`."""
        with self._connected() as client:
            from deployments.runs import last_runs

            return [_told(run) for run in last_runs(client, "retrain", collection)]

    @contextmanager
    def _connected(self) -> "Iterator[SyncPrefectClient]":
        from deployments.server import connect

        up = None if self._named else running_server(self._home)
        with connect(up.api_url if up else None) as client:
            yield client


def _told(run: "FlowRun") -> "Run":
    from prefect.client.schemas.objects import StateType

    from app.api.retrainings import Run, RunState

    states = {
        StateType.RUNNING: RunState.RUNNING,
        StateType.COMPLETED: RunState.DONE,
        StateType.FAILED: RunState.FAILED,
        StateType.CRASHED: RunState.FAILED,
        StateType.CANCELLING: RunState.CANCELLED,
        StateType.CANCELLED: RunState.CANCELLED,
    }
    state = states.get(run.state_type, RunState.WAITING) if run.state_type else RunState.WAITING
    said = " ".join((run.state.message or "").split()) if run.state else ""
    return Run(
        run=str(run.id),
        name=run.name,
        state=state,
        said=said[:_SAID_CHARS] or None,
        started_at=run.start_time or run.expected_start_time,
        ended_at=run.end_time,
    )
