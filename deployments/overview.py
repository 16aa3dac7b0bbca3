"""How things stand: the server and what runs on it, what serves, and the feedback that waits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from pydantic import BaseModel
from sqlmodel import select

from deployments.address import running_server
from deployments.automations import RETRAIN
from deployments.drift import deployed, differences
from deployments.server import ServerUnreachable, connect
from rag.feedback.claims import waiting
from rag.workspace import Workspace
from storage.tables import ProductionRow

NIGHTLY = timedelta(hours=26)
"""A nightly retraining that completed longer ago is missed."""
AUTO_SCHEDULED = "auto-scheduled"

Row = dict[str, Any]


class Overview(BaseModel):
    """What `ragloop status` shows."""

    server: str
    api: str | None = None
    """Address of the HTTP API that runs along."""
    page: str | None = None
    """Address of the page that people use."""
    nightly: str | None = None
    device: str
    tables: dict[str, list[Row]]
    hints: list[str]
    """What a person should look after."""


def look(space: Workspace) -> Overview:
    """Look at the database and, if it answers, at the Prefect server."""
    tables = {"production": list(_production(space)), "feedback": list(_feedback(space))}
    device = f"taken: {holder}" if (holder := space.device.holder()) else "free"
    try:
        client = connect()
    except ServerUnreachable as error:
        return Overview(server=f"not reached: {error}", device=device, tables=tables, hints=[])
    with client:
        found = {name: each for name, each in deployed(client).items() if each}
        pools = {
            "pools": list(_pools(client)),
            "workers": list(_workers(client)),
            "last runs": [_last_run(client, name, each) for name, each in found.items()],
        }
        nightly, missed = _nightly(client, found.get(RETRAIN))
    drift = [f"{line}: mend it with `ragloop deploy`" for line in differences()]
    hints = drift + (
        [f"no nightly retraining has completed for {NIGHTLY // timedelta(hours=1)} hours"] if missed else []
    )
    address = running_server(space.home)
    return Overview(
        server=str(client.api_url),
        api=address.ask_url if address else None,
        page=address.page_url if address else None,
        nightly=nightly,
        device=device,
        tables=pools | tables,
        hints=hints,
    )


def _production(space: Workspace) -> Iterator[Row]:
    with space.database.reading() as session:
        rows = session.exec(select(ProductionRow).order_by(ProductionRow.collection)).all()
    for row in rows:
        release = space.registry.get(row.collection, row.release_id)
        yield {"collection": row.collection, "release": release.id, "since": row.since, "reason": release.reason}


def _feedback(space: Workspace) -> Iterator[Row]:
    for each in waiting(space.database, space.settings.feedback_threshold):
        yield {
            "collection": each.collection,
            "new": each.count,
            "retrains from": each.threshold,
            "waits since": each.since,
            "due": "yes" if each.due else "no",
        }


def _pools(client: SyncPrefectClient) -> Iterator[Row]:
    for pool in client.read_work_pools():
        yield {
            "pool": pool.name,
            "type": pool.type,
            "status": pool.status.value.lower() if pool.status else None,
            "limit": pool.concurrency_limit,
            "taken": pool.active_slots,
        }


def _workers(client: SyncPrefectClient) -> Iterator[Row]:
    for pool in client.read_work_pools():
        for worker in client.read_workers_for_work_pool(pool.name):
            yield {
                "worker": worker.name,
                "pool": pool.name,
                "status": worker.status.value.lower(),
                "last_seen": worker.last_heartbeat_time,
            }


def _last_run(client: SyncPrefectClient, name: str, deployment: DeploymentResponse) -> Row:
    started: list[StateType] = [state for state in StateType if state is not StateType.SCHEDULED]
    run = _first(client, deployment, FlowRunSort.START_TIME_DESC, started)
    return {
        "deployment": name,
        "last_run": run.name if run else None,
        "state": run.state_name if run else None,
        "started": run.start_time if run else None,
        "took_s": round(run.total_run_time.total_seconds()) if run else None,
    }


def _nightly(client: SyncPrefectClient, retrain: DeploymentResponse | None) -> tuple[str | None, bool]:
    """Return what is to be said of the nightly retraining, and whether one was missed."""
    if retrain is None or retrain.created is None:
        return None, False
    last = _first(client, retrain, FlowRunSort.END_TIME_DESC, [StateType.COMPLETED], AUTO_SCHEDULED)
    following = _first(
        client, retrain, FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC, [StateType.SCHEDULED], AUTO_SCHEDULED
    )
    since = last.end_time if last and last.end_time else retrain.created
    said = f"last completed {_time(last.end_time)}" if last and last.end_time else "none has completed yet"
    if following and following.next_scheduled_start_time:
        said += f", next {_time(following.next_scheduled_start_time)}"
    return said, datetime.now(UTC) - since > NIGHTLY


def _first(
    client: SyncPrefectClient, deployment: DeploymentResponse, sort: FlowRunSort, states: list[StateType], *tags: str
) -> FlowRun | None:
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
            tags=FlowRunFilterTags(all_=list(tags)) if tags else None,
        ),
        sort=sort,
        limit=1,
    )
    return runs[0] if runs else None


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
