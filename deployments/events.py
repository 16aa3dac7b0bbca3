"""What the events sent here are about; they are sent as the tasks send theirs."""

from uuid import UUID

from tasks.events import Resource, send_event

__all__ = ["Resource", "related_deployment", "send_event"]


def related_deployment(deployment_id: UUID) -> Resource:
    """Return how an event names the deployment that it is about."""
    return {"prefect.resource.id": f"prefect.deployment.{deployment_id}", "prefect.resource.role": "deployment"}
