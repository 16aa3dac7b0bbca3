"""Retrainings by the workers of the Prefect server that `ragloop up` runs, or that is named."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.cli.ephemeral import use_running_server

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
        self._named = "PREFECT_API_URL" in os.environ

    def start(self, collection: str) -> str:
        """See `Retrainings`."""
        parameters = {"collection": collection, "profile": self._profile, "reason": "api", "shuffle_labels": False}
        with self._connected() as client:
            from deployments.runs import start_run

            return str(start_run(client, "retrain/retrain", "retrain-api", parameters).id)

    def last(self, collection: str) -> "Sequence[Run]":
        """See `Retrainings`."""
        with self._connected() as client:
            from deployments.runs import last_runs

            return [_told(run) for run in last_runs(client, "retrain", collection)]

    @contextmanager
    def _connected(self) -> "Iterator[SyncPrefectClient]":
        if not self._named:
            os.environ.pop("PREFECT_API_URL", None)
        use_running_server(self._home)
        from deployments.server import connect

        with connect() as client:
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
