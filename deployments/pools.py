"""Work pools: `cpu`, and `gpu` with one run at a time."""

from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.workers.base import BaseWorker

from storage.errors import RagloopError


@dataclass(frozen=True)
class Pool:
    """A work pool as it should be; `limit` is the number of runs at a time, None for any."""

    name: str
    limit: int | None
    description: str


POOLS = (
    Pool("cpu", None, "Everything that needs no card: documents, questions, evaluation, and the loop itself."),
    Pool("gpu", 1, "Training and encoding: one run at a time, since there is one card."),
)


class UnknownPoolType(RagloopError):
    """A pool type that no installed package brings."""


def ensure_pools(client: SyncPrefectClient, pool_type: str = "process") -> list[str]:
    """Make the pools, or bring those that are there to their limits; return a line for each change.

    A pool that is there keeps its type and its job template: both are the choice of whoever made it.

    :raises UnknownPoolType: if no package here brings that type.
    """
    lines = []
    for pool in POOLS:
        found = _find(client, pool)
        if found is None:
            _create(client, pool, pool_type)
            lines.append(f"pool {pool.name}: made, type {pool_type}, {_runs(pool.limit)}")
            continue
        if changes := _differences(pool, found):
            update = WorkPoolUpdate(concurrency_limit=pool.limit, is_paused=False)
            client.update_work_pool(pool.name, update)
            lines += [f"{line}; mended" for line in changes]
        if found.type != pool_type:
            lines.append(f"pool {pool.name}: left as it is, of type {found.type} and not {pool_type}")
    return lines


def pool_differences(client: SyncPrefectClient) -> list[str]:
    """Return a line for each thing about the pools that is not as it should be."""
    lines = []
    for pool in POOLS:
        found = _find(client, pool)
        lines += [f"pool {pool.name}: missing"] if found is None else _differences(pool, found)
    return lines


def _find(client: SyncPrefectClient, pool: Pool) -> WorkPool | None:
    try:
        return client.read_work_pool(pool.name)
    except ObjectNotFound:
        return None


def _create(client: SyncPrefectClient, pool: Pool, pool_type: str) -> None:
    worker = BaseWorker.get_worker_class_from_type(pool_type)
    if worker is None:
        raise UnknownPoolType(
            f"no package here brings work pools of type {pool_type!r}: install it, as `pip install prefect-kubernetes`"
        )
    client.create_work_pool(
        WorkPoolCreate(
            name=pool.name,
            type=pool_type,
            description=pool.description,
            base_job_template=worker.get_default_base_job_template(),
            concurrency_limit=pool.limit,
        )
    )


def _differences(pool: Pool, found: WorkPool) -> list[str]:
    lines = []
    if found.concurrency_limit != pool.limit:
        lines.append(f"pool {pool.name}: {_runs(found.concurrency_limit)}, should be {_runs(pool.limit)}")
    if found.is_paused:
        lines.append(f"pool {pool.name}: paused")
    return lines


def _runs(limit: int | None) -> str:
    return "no limit" if limit is None else f"limit {limit}"
