"""Events through the acknowledged route: what returns has arrived."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient

Resource = dict[str, str]


def send_event(
    client: SyncPrefectClient,
    name: str,
    resource: Resource,
    related: Iterable[Resource] = (),
    payload: dict[str, Any] | None = None,
    event_id: UUID | None = None,
) -> None:
    """Send an event; the server takes events of the same id for one.

    :raises httpx.HTTPError: if the server has not acknowledged it.
    """
    event = {
        "id": str(event_id or uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": name,
        "resource": resource,
        "related": list(related),
        "payload": payload or {},
    }
    client.request("POST", "/events", json=[event]).raise_for_status()
